# SPDX-License-Identifier: BSD-3-Clause
"""When do cross-validated distances help against the bias that comes from few masks?

The same number of masks is asked as one design (plain distance) or as two independent halves
(cross-validated). The table has bias, standard deviation and root mean squared error over seeds,
relative to the distance under all masks, and the error of the *relative* distance (divided by the
mean of unrelated pairs), in which a common bias cancels. All are root mean squares over related
and over unrelated pairs.
"""

from __future__ import annotations

import numpy as np

from benchmarks._common import show, task_name, write_table
from benchmarks._inside import SAMPLINGS, point_rng
from benchmarks.questions._every_mask import add_options as point_options
from benchmarks.questions._every_mask import answers
from benchmarks.questions.designs import Truth, least_squares, rows_of
from skzest import crossvalidated_distances, zest_distances

TAKES = "10 min once the answers are stored"
NEEDS = "--data with CIFAR-10 and torch (else digits)"
QUICK = {"points": 4, "seeds": 2}
CASES = [
    ("bernoulli", 32),
    ("bernoulli", 64),
    ("bernoulli", 128),
    ("foldover", 64),
    ("foldover", 128),
    ("fractional", 64),
    ("fractional", 128),
]


def signatures(truth, design, n_samples, seed):
    """Signatures (n_models, n_classes, n_components) under one draw of masks."""
    coef = []
    for n, k in enumerate(truth.n_parts.tolist()):
        masks = SAMPLINGS[design](k, n_samples, point_rng(seed, n))
        coef.append(least_squares(masks) @ truth.tables[n][rows_of(masks)])
    return np.concatenate(coef).reshape(sum(truth.n_parts), len(truth.names), -1).transpose(1, 2, 0)


def add_options(parser):
    point_options(parser)
    parser.add_argument("--seeds", type=int, default=80)


def main(args):
    truth = Truth(answers(args), args.large_points)
    kinds = np.array([kind for kind, _, _ in truth.pairs])
    data = task_name(args)
    print(f"{data}, {len(truth.n_parts)} points, {args.seeds} seeds")
    rows = []
    for design, size in CASES:
        plain, across = [], []
        for seed in range(args.seed, args.seed + args.seeds):
            W = signatures(truth, design, size, 3 * seed)
            D = zest_distances(W.reshape(len(W), -1))
            plain.append([D[i, j] for _, i, j in truth.pairs])
            halves = [signatures(truth, design, size // 2, 3 * seed + half) for half in (1, 2)]
            D = crossvalidated_distances(*(half.reshape(len(W), -1) for half in halves))
            across.append([D[i, j] for _, i, j in truth.pairs])
        for name, found in (("plain", np.array(plain)), ("cross-validated", np.array(across))):
            relative = found / found[:, kinds == "unrelated"].mean(axis=1, keepdims=True)
            goal = truth.distances / truth.distances[kinds == "unrelated"].mean()
            row = {"design": design, "masks": size, "distance": name}
            for kind in ("related", "unrelated"):
                of = kinds == kind
                gap = (found - truth.distances)[:, of] / truth.distances[of]
                row[f"bias {kind}"] = gap.mean()
                row[f"sd {kind}"] = np.sqrt(np.mean(gap.std(axis=0, ddof=1) ** 2))
                row[f"rmse {kind}"] = np.sqrt(np.mean(gap**2))
                gap = (relative - goal)[:, of] / goal[of]
                row[f"rmse of relative, {kind}"] = np.sqrt(np.mean(gap**2))
            rows.append(row)
            show(row)
    write_table(args.results / f"noise_bias_{data}.csv", rows)
