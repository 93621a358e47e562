# SPDX-License-Identifier: BSD-3-Clause
"""What a signature costs beside the bare calls of a text or audio model.

    python -m benchmarks.bench_text_audio --data DIR [--points 16] [--masks 1000] [--repeats 5]

For the networks of ``benchmarks/paper/recipes.py`` (one epoch of training: speed does not depend
on weights), in one run and in turn:

- ``bare``: the model, tokenizing or padding included, on ready-made masked copies, the batch
  size the best of three;
- ``signature``: the whole of ``fit_transform([model])``: cutting, masks, rendering, regression;
- ``further``: what each further model of a zoo adds, ``(time of 1 + 4 models - time of 1) / 4``.

Prints medians of ratios to ``bare``. Machines are noisy: only ratios within one run count, and
fewer threads than cores make steadier ones (``--threads``, default 1). Without ``--data`` it
runs on stand-ins made of digits, which are shorter.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from functools import partial

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.paper.fig4 import EXPERIMENTS
from benchmarks.paper.recipes import RECIPES, ask, logits, restore, train
from skzest import LimeSignatureTransformer

BATCHES = (64, 256, 1024)


def seconds(call):
    """Processor time of one call, in all threads: steadier than the clock on a busy machine."""
    start = time.process_time()
    call()
    return time.process_time() - start


def bare(model, task, copies, size):
    """Only the model: one call per batch."""
    for start in range(0, len(copies), size):
        logits(model, task, copies[start : start + size])


def measure(experiment, args):
    """One row of the table: bare seconds, and medians of ratios to it."""
    recipe, task = RECIPES[experiment.recipe], experiment.load(args.data)
    states = [train(recipe, task, seed, epochs=1)[-1] for seed in range(2)]
    model, *others = (restore(recipe, task, states[i]) for i in (0, 1, 0, 1, 0))
    lime = LimeSignatureTransformer(
        task.train_inputs,
        n_reference=args.points,
        n_samples=args.masks,
        masker=experiment.masker(task),
        n_classes=len(task.classes),
    )
    one, five = [ask(model, task)], [ask(m, task) for m in (model, *others)]
    plan = lime.fit(one).plan_
    copies = []
    for n in range(len(plan)):
        parts = plan.parts[n].astype(np.intp)
        copies += list(plan.masker.render(plan.point(n), parts, plan.fills[n], plan.masks[n]))
    best = min(BATCHES, key=lambda size: seconds(partial(bare, model, task, copies, size)))
    rows = []
    for _ in range(args.repeats):
        base = seconds(partial(bare, model, task, copies, best))
        alone = seconds(partial(lime.fit_transform, one))
        several = seconds(partial(lime.fit_transform, five))
        rows.append((base, alone / base, (several - alone) / 4 / base))
    return best, *np.median(rows, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory with ag_news.csv.gz and spoken_digits.npz")
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    threadpool_limits(args.threads)
    print(
        f"{args.points} points x {args.masks} masks, medians of {args.repeats}; "
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{args.threads} of torch's threads"
    )
    print(f"{'model':<14}{'batch':>8}{'bare [s]':>12}{'signature':>12}{'further':>12}")
    for experiment in EXPERIMENTS:
        best, base, alone, further = measure(experiment, args)
        print(
            f"{experiment.recipe:<14}{best:>8}{base:>12.3f}{alone:>11.2f}x{further:>11.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
