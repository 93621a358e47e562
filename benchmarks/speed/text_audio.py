# SPDX-License-Identifier: BSD-3-Clause
"""What does a signature of a text or audio model cost, compared with bare calls of the model?

For the networks of ``benchmarks/paper/recipes.py`` (after one epoch of training: speed does not
depend on the weights), measured in turn within one run:

- ``bare``: the model, including tokenizing or padding, on prepared masked copies, at the fastest
  of three batch sizes;
- ``signature``: all of ``fit_transform([model])``: cutting, masks, rendering, regression;
- ``further``: the cost of each further model in a zoo, ``(time of 5 models - time of 1) / 4``.

The table shows median ratios to ``bare``. Machines are noisy, so compare only ratios within one
run; fewer threads than cores give steadier ones (``--threads``, default 1). Without ``--data`` it
runs on shorter stand-ins made of digits.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks._common import machine, seconds, versions, write_table
from benchmarks._inside import render_copies
from benchmarks.paper.fig4 import EXPERIMENTS
from benchmarks.paper.recipes import RECIPES, ask, logits, restore, train

TAKES = "10 min"
NEEDS = "--data with AG News and spoken digits (else stand-ins), torch"
QUICK = {"points": 2, "masks": 40, "repeats": 1, "only": ["text linear"]}
BATCHES = (64, 256, 1024)


# Processor time of all threads: steadier than wall-clock time on a busy machine.
took = partial(seconds, clock=time.process_time)


def bare(model, task, copies, size):
    """The model alone: one call per batch."""
    for start in range(0, len(copies), size):
        logits(model, task, copies[start : start + size])


def measure(experiment, args):
    """One row of the table: bare seconds, and medians of ratios to it."""
    recipe, task = RECIPES[experiment.recipe], experiment.load(args.data)
    states = [train(recipe, task, seed, epochs=1)[-1] for seed in range(2)]
    model, *others = (restore(recipe, task, states[i]) for i in (0, 1, 0, 1, 0))
    lime = experiment.transformer(task, args.points, args.masks)
    one, five = [ask(model, task)], [ask(m, task) for m in (model, *others)]
    plan = lime.fit(one).plan_
    copies = []
    for n in range(len(plan)):
        copies += list(render_copies(plan, n))
    best = min(BATCHES, key=lambda size: took(partial(bare, model, task, copies, size)))
    rows = []
    for _ in range(args.repeats):
        base = took(partial(bare, model, task, copies, best))
        alone = took(partial(lime.fit_transform, one))
        several = took(partial(lime.fit_transform, five))
        rows.append((base, alone / base, (several - alone) / 4 / base))
    return best, *np.median(rows, axis=0)


def add_options(parser):
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    names = [experiment.recipe for experiment in EXPERIMENTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)


def main(args):
    torch.set_num_threads(args.threads)
    threadpool_limits(args.threads)
    print(
        f"{args.points} points x {args.masks} masks, medians of {args.repeats}; "
        f"{time.strftime('%Y-%m-%d')}, {machine()}, {versions()}, {args.threads} torch threads"
    )
    print(f"{'model':<14}{'batch':>8}{'bare [s]':>12}{'signature':>12}{'further':>12}")
    rows = []
    for experiment in EXPERIMENTS:
        if experiment.recipe not in args.only:
            continue
        best, base, alone, further = measure(experiment, args)
        print(
            f"{experiment.recipe:<14}{best:>8}{base:>12.3f}{alone:>11.2f}x{further:>11.2f}x",
            flush=True,
        )
        row = {"model": experiment.recipe, "batch": best, "bare_seconds": base}
        rows.append(row | {"signature_to_bare": alone, "further_to_bare": further})
    write_table(args.results / "text_audio.csv", rows)
