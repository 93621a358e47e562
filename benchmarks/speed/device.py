# SPDX-License-Identifier: BSD-3-Clause
"""What does a signature cost on a GPU, compared with the pure forward passes of the network?

For ResNet-18 on photographs of 224 x 224 and ResNet-20 on images of 32 x 32, 128 points with 1,000
masks each, in float32 (TF32 as torch has it), and in bfloat16 and float16 by ``autocast=``; and for
six cheap networks of one ``mean`` and ``std``, whose batches are prepared once:

- ``forward``: forward passes of the rewritten network over prepared inputs on the device, at the
  fastest of several batch sizes; measured on 1,000 inputs and scaled up;
- ``signature``: the whole, at ``batch_size="auto"``, and ``at_best`` at the fastest size;
- ``peak``: the most memory that torch held on the device.

After ``--minutes`` no further row is begun. Without a GPU every row says "not run";
``--device cpu`` runs the same on the processor.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch

from benchmarks._cifar import MEAN, STD, images, network, photographs
from benchmarks._common import machine, write_table
from benchmarks._inside import auto_rows
from benchmarks._resnet18 import resnet18
from benchmarks.speed import _timing
from benchmarks.speed._timing import bare, describe, ready_inputs, seconds, transformer
from benchmarks.speed.images import networks
from skzest import ImageMasker, TorchQuery, zest_distances

TAKES = "4 min on a GPU"
NEEDS = "torch and a CUDA device (else it prints what was not run); --data with trained networks"
QUICK = {"device": "cpu", "points": 1, "masks": 60, "size": 32, "batches": [16]}

PRECISIONS = ("float32", "bfloat16", "float16")
ROWS = [
    *(("ResNet-18", precision) for precision in PRECISIONS),
    *(("ResNet-20", precision) for precision in PRECISIONS),
    ("6 cheap networks", "float32"),
]


def zoo_of(name, args):
    """The networks of a row, the images that they are asked about, and the number of parts."""
    if name == "ResNet-20":
        return [network(args.data, 20)], images(args.data, 4 * args.points)[0], 14
    nets = [resnet18()] if name == "ResNet-18" else networks(6)
    return nets, photographs(4 * args.points, args.size), 45


def measure(name, precision, args):
    nets, reference, n_parts = zoo_of(name, args)
    autocast = None if precision == "float32" else precision
    ask = partial(TorchQuery, mean=MEAN, std=STD, device=args.device)
    queries = [ask(net, autocast=autocast) for net in nets]
    lime = transformer(reference, args, masker=ImageMasker(n_parts=n_parts)).fit(queries[:1])
    plan = lime.plan_
    inputs = ready_inputs(plan.slice(0, 1), queries[0])
    forward, best = 0.0, 0
    for query in queries:
        with bare(query, inputs) as run:
            took = {size: seconds(partial(run, size), args) for size in 2 * args.batches}
            best = min(took, key=took.get)
            forward += took[best] * len(plan)
    del inputs
    reset_peak(args)
    S = []
    whole = seconds(lambda: S.append(lime.transform(queries)), args)
    peak = peak_gib(args)
    at_best = whole
    if best != auto_rows(plan, queries[0].space):
        at_best = seconds(partial(lime.set_params(batch_size=best).transform, queries), args)
    row = {
        "networks": name, "precision": precision, "points": args.points, "masks": args.masks,
        "forward_s": forward, "signature_s": whole, "ratio": whole / forward, "best_batch": best,
        "ratio_at_best": at_best / forward, "copies_per_s": plan.n_queries * len(nets) / whole,
        "peak_gib": peak,
    }  # fmt: skip
    return row, S[0][0]


def reset_peak(args):
    if args.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib(args):
    return torch.cuda.max_memory_allocated() / 2**30 if args.device == "cuda" else np.nan


def add_options(parser):
    _timing.add_options(parser)
    parser.set_defaults(device="cuda", points=128, masks=1000)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--size", type=int, default=224, help="pixels of a side of a photograph")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1000])


def main(args):
    _timing.prepare(args)
    deadline = time.monotonic() + 60 * args.minutes
    if args.device == "cuda" and not torch.cuda.is_available():
        for name, precision in ROWS:
            print(f"{name}, {precision}: not run, as torch sees no CUDA device")
        return
    print(f"{args.points} points x {args.masks} masks, {describe(args)}, {machine()}")
    rows, first = [], {}
    for name, precision in ROWS:
        if time.monotonic() > deadline:
            print(f"{name}, {precision}: not run, as {args.minutes:g} minutes are over")
            continue
        row, signature = measure(name, precision, args)
        first.setdefault(name, signature)
        row["distance_to_float32"] = zest_distances(first[name], signature)
        rows.append(row)
        cells = (f"{k} {v:.3g}" if isinstance(v, float) else f"{v}" for k, v in row.items())
        print(", ".join(cells), flush=True)
        write_table(args.results / f"device_{args.device}.csv", rows)
