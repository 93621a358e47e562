# SPDX-License-Identifier: BSD-3-Clause
"""How many masks does an explanation need?

    python benchmarks/explanation.py --cache DIR [--data DIR] [--seeds 20] [--large-points 48]

Shares of a distance under few masks beside those under all masks: which part of the distance is
ascribed to the wrong class, point, part, or (class, part), that is half the sum of absolute
differences of shares of 1; and how many of the ten largest (class, part) are among the true ten.
Means over pairs and seeds, for related and unrelated pairs.
"""

from __future__ import annotations

import numpy as np
from _every_mask import answers, arguments, save_rows
from designs import Truth
from noise_bias import signatures

from skzest.comparing import unit_pair

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
    u, v, _ = unit_pair(W[i], W[j])
    shares = (u - v) ** 2
    return shares / shares.sum()


def summed(shares, n_parts):
    """Shares by class, point, part, and all of them."""
    starts = np.concatenate([[0], np.cumsum(n_parts)[:-1]])
    by_part = shares.sum(axis=0)
    return shares.sum(axis=1), np.add.reduceat(by_part, starts), by_part, shares.ravel()


def compared(found, true):
    """Shares in the wrong place at every level, and how many of the largest ten are right."""
    wrong = [np.abs(a - b).sum() / 2 for a, b in zip(found, true)]
    ten = [set(np.argsort(-shares[3])[:10].tolist()) for shares in (found, true)]
    return [*wrong, len(ten[0] & ten[1])]


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    truth = Truth(answers(args), args.large_points)
    data = "cifar" if args.data else "digits"
    kinds = np.array([kind for kind, _, _ in truth.pairs])
    print(f"{data}, {len(truth.n_parts)} points, {args.seeds} seeds")
    W = np.concatenate(truth.coef).reshape(sum(truth.n_parts), len(truth.names), -1)
    W = W.transpose(1, 2, 0)
    true = [summed(shares_of(W, i, j), truth.n_parts) for _, i, j in truth.pairs]
    rows = []
    for design, size in CASES:
        errors = np.empty((args.seeds, len(true), 5))
        for seed in range(args.seeds):
            W = signatures(truth, design, size, seed)
            for p, (_, i, j) in enumerate(truth.pairs):
                errors[seed, p] = compared(summed(shares_of(W, i, j), truth.n_parts), true[p])
        for kind in ("related", "unrelated"):
            mean = errors[:, kinds == kind].mean(axis=(0, 1))
            row = {"design": design, "masks": size, "pairs": kind}
            row |= {f"wrong by {level}": value for level, value in zip(LEVELS, mean)}
            row["of the largest ten"] = mean[4]
            rows.append(row)
            print("  ".join(f"{v:.3f}" if isinstance(v, float) else f"{v}" for v in row.values()))
    save_rows(f"explanation_{data}", rows, digits=4)


if __name__ == "__main__":
    main()
