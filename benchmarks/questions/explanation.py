# SPDX-License-Identifier: BSD-3-Clause
"""How many masks does an explanation of a distance need?

Shares of a distance under few masks are compared with those under all masks: how much of the
distance is attributed to the wrong class, point, part or (class, part), which is half the sum of
absolute differences of the shares; and how many of the ten largest (class, part) are among the true
ten. Means over pairs and seeds, for related and for unrelated pairs.
"""

from __future__ import annotations

import numpy as np

from benchmarks._common import show, task_name, write_table
from benchmarks.questions._every_mask import add_options as point_options
from benchmarks.questions._every_mask import answers
from benchmarks.questions.designs import Truth
from benchmarks.questions.noise_bias import signatures

TAKES = "5 min once the answers are stored"
NEEDS = "--data with CIFAR-10 and torch (else digits)"
QUICK = {"points": 4, "seeds": 2}
CASES = [
    ("bernoulli", 32),
    ("bernoulli", 64),
    ("bernoulli", 256),
    ("foldover", 64),
    ("fractional", 32),
    ("fractional", 64),
    ("fractional", 128),
]
LEVELS = ("class", "point", "part", "class and part")


def shares_of(W, i, j):
    """What each coefficient adds to the distance, as shares of 1, (n_classes, n_components)."""
    shares = (W[i] / np.linalg.norm(W[i]) - W[j] / np.linalg.norm(W[j])) ** 2
    return shares / shares.sum()


def summed(shares, n_parts):
    """Shares by class, point, part, and all of them."""
    starts = np.concatenate([[0], np.cumsum(n_parts)[:-1]])
    by_part = shares.sum(axis=0)
    return shares.sum(axis=1), np.add.reduceat(by_part, starts), by_part, shares.ravel()


def compared(found, true):
    """Share misattributed at every level, and how many of the ten largest are right."""
    wrong = [np.abs(a - b).sum() / 2 for a, b in zip(found, true)]
    ten = [set(np.argsort(-shares[3])[:10].tolist()) for shares in (found, true)]
    return [*wrong, len(ten[0] & ten[1])]


def add_options(parser):
    point_options(parser)
    parser.add_argument("--seeds", type=int, default=20)


def main(args):
    truth = Truth(answers(args), args.large_points)
    data = task_name(args)
    kinds = np.array([kind for kind, _, _ in truth.pairs])
    print(f"{data}, {len(truth.n_parts)} points, {args.seeds} seeds")
    W = np.concatenate(truth.coef).reshape(sum(truth.n_parts), len(truth.names), -1)
    W = W.transpose(1, 2, 0)
    true = [summed(shares_of(W, i, j), truth.n_parts) for _, i, j in truth.pairs]
    rows = []
    for design, size in CASES:
        errors = np.empty((args.seeds, len(true), 5))
        for seed in range(args.seeds):
            W = signatures(truth, design, size, args.seed + seed)
            for p, (_, i, j) in enumerate(truth.pairs):
                errors[seed, p] = compared(summed(shares_of(W, i, j), truth.n_parts), true[p])
        for kind in ("related", "unrelated"):
            mean = errors[:, kinds == kind].mean(axis=(0, 1))
            row = {"design": design, "masks": size, "pairs": kind}
            row |= {f"wrong by {level}": value for level, value in zip(LEVELS, mean)}
            row["of the largest ten"] = mean[4]
            rows.append(row)
            show(row, digits=3)
    write_table(args.results / f"explanation_{data}.csv", rows, digits=4)
