# SPDX-License-Identifier: BSD-3-Clause
"""When do cross-validated distances help?

    python benchmarks/noise_bias.py --cache DIR [--data DIR] [--seeds 80] [--large-points 48]

The same number of masks, asked as one design (plain distance) or as two independent halves
(cross-validated): bias, standard deviation and root mean squared error over seeds, relative to the
distance under all masks; and the error of the *relative* distance (over the mean of unrelated
pairs), in which a common bias cancels. Root mean squares over related and over unrelated pairs.
"""

from __future__ import annotations

import numpy as np
from _every_mask import answers, arguments, save_rows
from designs import Truth, least_squares, rows_of

from skzest import crossvalidated_distances
from skzest.comparing import cosine_distance, point_sums
from skzest.plan import SAMPLINGS, point_rng

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


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=80)
    args = parser.parse_args()
    truth = Truth(answers(args), args.large_points)
    kinds = np.array([kind for kind, _, _ in truth.pairs])
    data = "cifar" if args.data else "digits"
    print(f"{data}, {len(truth.n_parts)} points, {args.seeds} seeds")
    rows = []
    for design, size in CASES:
        plain, across = [], []
        for seed in range(args.seeds):
            W = signatures(truth, design, size, 3 * seed)
            halves = [signatures(truth, design, size // 2, 3 * seed + half) for half in (1, 2)]
            D = crossvalidated_distances(*(half.reshape(len(W), -1) for half in halves))
            across.append([D[i, j] for _, i, j in truth.pairs])
            plain.append(
                [
                    cosine_distance(point_sums(W[i], W[j], truth.n_parts).sum(0))
                    for _, i, j in truth.pairs
                ]
            )
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
            print(
                "  ".join(f"{v:.4f}" if isinstance(v, float) else f"{v}" for v in row.values()),
                flush=True,
            )
    save_rows(f"noise_bias_{data}", rows)


if __name__ == "__main__":
    main()
