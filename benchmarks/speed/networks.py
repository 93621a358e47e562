# SPDX-License-Identifier: BSD-3-Clause
"""What does a signature of a network cost, compared with its forward passes?

- ``forward``: ResNet-20 on 32 x 32 images: the plain eager forward pass over prepared inputs, the
  rewritten network, signatures of one network and of a zoo. Bare passes run at the fastest of
  several batch sizes, signatures with ``batch_size="auto"``. Median ratios.
- ``floor``: the convolutions of that forward pass alone, called one after another on inputs of
  their shapes, and how many operations a second they make beside a product of large matrices.
- ``precision``: the same network in bfloat16 and float16: time, and the distance to itself in
  float32 beside the distance to ResNet-32.
- ``stages``: where the time of a signature goes, with each stage measured on its own.

Everything is measured in turn within one run, so that other load on the machine affects all rows
alike. Compare only ratios within one run.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks._cifar import images, network
from benchmarks._inside import forget_plans, render_copies
from benchmarks.speed import _timing
from benchmarks.speed._timing import (
    as_query,
    bare,
    best_size,
    describe,
    ready_inputs,
    seconds,
    transformer,
)
from skzest import zest_distances

TAKES = "5 min"
NEEDS = "torch; --data with trained networks (else random weights, which cost the same)"
QUICK = {"points": 1, "masks": 16, "repeats": 1, "tables": ["stages", "floor"]}


def table_forward(args):
    reference, _ = images(args.data, 512)
    zoo = [network(args.data, 20)] + [network(None, 20, seed) for seed in (1, 2, 3)]
    queries = [as_query(net, args) for net in zoo]
    plain = [as_query(net, args, optimize=False, channels_last=False) for net in zoo]
    lime = transformer(reference, args, n_classes=10).fit(queries)
    inputs = ready_inputs(lime.plan_, queries[0])
    print(f"\n{args.points} points x {args.masks} masks, ResNet-20, {describe(args)}")
    with bare(plain[0], inputs) as eager, bare(queries[0], inputs) as rewritten:
        best_eager = best_size(eager, args)
        best_rewritten = best_size(rewritten, args)
        print(f"implementations: {plain[0].how!r} and {queries[0].how!r}")
    rows = defaultdict(list)
    for _ in range(args.repeats):
        took = {}
        with bare(plain[0], inputs) as run:
            took["plain eager forward"] = seconds(partial(run, best_eager), args)
        with bare(queries[0], inputs) as run:
            took["rewritten forward"] = seconds(partial(run, best_rewritten), args)
        took["signature"] = seconds(partial(lime.transform, queries[:1]), args)
        fresh = transformer(reference, args, n_classes=10)
        forget_plans()
        took["signature, with cutting"] = seconds(partial(fresh.fit_transform, queries[:1]), args)
        sum_of_forwards = 0.0
        for query in queries:
            with bare(query, inputs) as run:
                sum_of_forwards += seconds(partial(run, best_rewritten), args)
        took["4 rewritten forwards"] = sum_of_forwards
        took["signatures of a zoo of 4"] = seconds(partial(lime.transform, queries), args)
        for name, value in took.items():
            rows[name].append(value)
    eager, rewritten, four = (
        np.array(rows[name])
        for name in ("plain eager forward", "rewritten forward", "4 rewritten forwards")
    )
    sizes = {"plain eager forward": best_eager, "rewritten forward": best_rewritten}
    print(f"{'':<28}{'batch':>8}{'seconds':>10}{'/ plain':>10}{'/ rewritten':>13}")
    for name, values in rows.items():
        values = np.array(values)
        size = sizes.get(name, best_rewritten if "forwards" in name else "auto")
        by = (four, 4 * eager) if "4" in name else (rewritten, eager)
        ratios = f"{np.median(values / by[1]):>10.3f}{np.median(values / by[0]):>13.3f}"
        print(f"{name:<28}{size:>8}{np.median(values):>10.2f}{ratios}", flush=True)


def table_stages(args):
    reference, _ = images(args.data, 512)
    query = as_query(network(args.data, 20), args)
    lime = transformer(reference, args, n_classes=10)
    forget_plans()
    spent = {"cut, fill and mask": seconds(lambda: lime.fit([query]), args)}
    plan = lime.plan_
    lime.transform([query])  # warm-up: the network is rewritten once
    whole = seconds(lambda: lime.transform([query]), args)
    with query.session():
        copies = []
        spent["render"] = seconds(
            lambda: copies.extend(render_copies(plan, n, query.space) for n in range(len(plan))),
            args,
        )
        inputs = []
        spent["preprocess"] = seconds(
            lambda: inputs.extend(query.prepare(some).contiguous() for some in copies), args
        )
    inputs = torch.cat(inputs)
    with bare(query, inputs) as run:
        spent["forward"] = seconds(partial(run, best_size(run, args)), args)
    whole += spent["cut, fill and mask"]
    spent["regression, checks and all else"] = whole - sum(spent.values())
    print(f"\nstages of {args.points} x {args.masks} questions, {describe(args)}")
    for stage, took in spent.items():
        print(f"{stage:<32}{took:>9.3f} s{took / whole:>9.1%}")
    print(f"{'together':<32}{whole:>9.3f} s")


def table_floor(args):
    """Convolutions alone: no rewriting of the rest can make the forward pass faster than these."""
    net = network(args.data, 20)
    x = torch.randn(64, 3, 32, 32)
    calls = []

    def note(conv, inputs, output):
        x = inputs[0].contiguous(memory_format=torch.channels_last)
        weight = conv.weight.detach().contiguous(memory_format=torch.channels_last)
        operations = 2 * output.numel() * conv.weight[0].numel()
        calls.append((operations, partial(F.conv2d, x, weight, None, conv.stride, conv.padding)))

    for part in net.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.register_forward_hook(note)
    with torch.inference_mode():
        net(x)
        plain = network(args.data, 20)
        a = torch.randn(1024, 1024)
        ways = {
            "plain eager forward": partial(plain, x),
            "convolutions alone": lambda: [call() for _, call in calls],
            "matrix product, 1024": partial(torch.matmul, a, a),
        }
        took = {name: [] for name in ways}
        for _ in range(4 * args.repeats):
            for name, way in ways.items():
                took[name].append(seconds(way, args))
    operations = [sum(n for n, _ in calls)] * 2 + [2 * 1024**3]
    print(f"\n64 images, {describe(args)}")
    for (name, values), n in zip(took.items(), operations, strict=True):
        best = min(values)
        share = f"{best / min(took['plain eager forward']):>9.3f}" if n == operations[0] else ""
        print(f"{name:<28}{1e3 * best:>9.2f} ms{n / best / 1e9:>9.1f} GFLOP/s{share}", flush=True)


def table_precision(args):
    reference, _ = images(args.data, 512)
    net, other = network(args.data, 20), network(args.data, 32)
    ways = {"float32": {}, "autocast bfloat16": {"autocast": "bfloat16"}}
    ways |= {f"dtype {name}": {"dtype": name} for name in ("bfloat16", "float16")}
    queries = {name: as_query(net, args, **params) for name, params in ways.items()}
    queries["ResNet-32, float32"] = as_query(other, args)
    lime = transformer(reference, args, n_classes=10).fit([queries["float32"]])
    S, took = {}, {name: [] for name in queries}
    for _ in range(args.repeats):
        for name, query in queries.items():
            took[name].append(
                seconds(lambda n=name, q=query: S.update({n: lime.transform([q])}), args)
            )
    print(f"\n{args.points} points x {args.masks} masks, {describe(args)}")
    print(f"{'':<24}{'seconds':>9}{'/ float32':>11}{'distance to float32':>21}")
    for name, values in took.items():
        ratio = np.median(np.array(values) / took["float32"])
        distance = zest_distances(S["float32"], S[name])[0, 0]
        print(f"{name:<24}{np.median(values):>9.2f}{ratio:>11.3f}{distance:>21.2e}", flush=True)


TABLES = {
    "forward": table_forward,
    "stages": table_stages,
    "floor": table_floor,
    "precision": table_precision,
}


def add_options(parser):
    _timing.add_options(parser)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))


def main(args):
    _timing.prepare(args)
    for name in args.tables:
        TABLES[name](args)
