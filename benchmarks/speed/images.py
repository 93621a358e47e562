# SPDX-License-Identifier: BSD-3-Clause
"""What do photographs of 224 x 224 cost for several cheap networks, and where does the time go?

- ``zoo``: signatures of six cheap networks with one ``mean`` and ``std``, beside a plain loop that
  makes and prepares each batch of copies once and runs the networks as they are, at the faster of
  two batch sizes, and beside their rewritten forward passes alone;
- ``copies``: time to render, and to render and prepare, the same copies, with one thread and with
  several. The clock is the processor time of the calling thread, which falls as others help; set
  ``OMP_WAIT_POLICY=passive``, so that it does not count waiting.

Everything is measured in turn within one run. Compare only ratios within one run.
"""

from __future__ import annotations

from functools import partial
from time import thread_time

import numpy as np
import torch

from benchmarks._cifar import MEAN, STD, photographs, randomize_norms
from benchmarks._common import seconds as seconds_by
from benchmarks._inside import auto_rows, rendered_batches
from benchmarks.speed import _timing
from benchmarks.speed._timing import as_query, bare, describe, ready_inputs, seconds, transformer
from benchmarks.speed.growth import Small

TAKES = "4 min"
NEEDS = "torch; no data"
QUICK = {"points": 1, "masks": 64, "repeats": 1, "size": 64}


def networks(n, seed=0):
    torch.manual_seed(seed)
    nets = [Small(10).eval() for _ in range(n)]
    for net in nets:
        randomize_norms(net)
    return nets


def plain_loop(plan, nets, size):
    """Coefficients by hand: copies of a point batch by batch, all networks, one least squares."""
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (MEAN, STD))
    found = []
    with torch.inference_mode():
        for n in range(len(plan)):
            image, labels, masks = plan.point(n), plan.parts[n].astype(int), plan.masks[n]
            scores = [[] for _ in nets]
            for start in range(0, len(masks), size):
                keep = masks[start : start + size][:, labels, None]
                copies = torch.from_numpy(np.where(keep, image, plan.fills[n]))
                x = (copies.permute(0, 3, 1, 2).float() / 255 - mean) / std
                for net, kept in zip(nets, scores, strict=True):
                    kept.append(net(x).numpy())
            design = np.column_stack([np.ones(len(masks)), masks])
            for kept in scores:
                Z = np.concatenate(kept).astype(np.float64)
                found.append(np.linalg.lstsq(design, Z - Z.mean(axis=1, keepdims=True))[0])
    return found


def table_zoo(args):
    nets = networks(args.networks)
    queries = [as_query(net, args) for net in nets]
    lime = transformer(photographs(args.points, args.size), args, n_classes=10).fit(queries)
    plan = lime.plan_
    inputs = ready_inputs(plan.slice(0, 1), queries[0])
    rows = auto_rows(plan, queries[0].space)
    loop = partial(plain_loop, plan, nets)
    ways = {f"plain loop, {size} a batch": partial(loop, size) for size in (8, 32)}
    ways["signatures"] = partial(lime.transform, queries)
    times = {name: [] for name in (*ways, "rewritten forward passes")}
    lime.transform(queries)  # warm-up: the networks are rewritten once
    for _ in range(args.repeats):
        for name, way in ways.items():
            times[name].append(seconds(way, args))
        forwards = 0.0
        for query in queries:
            with bare(query, inputs) as run:
                forwards += seconds(partial(run, rows), args) * len(plan)
        times["rewritten forward passes"].append(forwards)
    print(f"\n{len(nets)} networks, {plan.n_queries} questions each, {args.size} x {args.size}")
    print(describe(args))
    medians = {name: np.median(took) for name, took in times.items()}
    best = min(took for name, took in medians.items() if name.startswith("plain"))
    for name, took in medians.items():
        print(f"{name:<32}{took:>9.2f} s{took / best:>9.3f}", flush=True)


def table_copies(args):
    query = as_query(networks(1)[0], args)
    plan = transformer(photographs(args.points, args.size), args, n_classes=10).fit([query]).plan_
    rows = auto_rows(plan, query.space)

    def make(prepare):
        with query.session():
            for copies in rendered_batches(plan, query.space, rows):
                prepare(copies)

    print(f"\ncopies of {args.size} x {args.size}, {rows} a batch, microseconds a copy")
    for n_threads in range(1, args.threads + 1):
        torch.set_num_threads(n_threads)
        for name, prepare in (("rendered", len), ("and prepared", query.prepare)):
            took = [seconds_by(partial(make, prepare), thread_time) for _ in range(args.repeats)]
            each = 1e6 * min(took) / plan.n_queries
            print(f"{n_threads} threads, {name:<14}{each:>8.0f}", flush=True)


TABLES = {"zoo": table_zoo, "copies": table_copies}


def add_options(parser):
    _timing.add_options(parser)
    parser.set_defaults(points=2, masks=400)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--size", type=int, default=224, help="pixels of a side")


def main(args):
    _timing.prepare(args)
    for name in args.tables:
        TABLES[name](args)
