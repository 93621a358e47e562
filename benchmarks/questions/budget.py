# SPDX-License-Identifier: BSD-3-Clause
"""Many points or many masks? The best split of a budget of questions.

1. N points x L masks = 4096 and 16384, every power of two with L >= K + 1: relative standard
   deviation and bias of the cosine distance over random reference sets, as root mean squares over
   related and over unrelated pairs.
2. The fewest questions that reach the standard deviation of the paper's 128 points x 1,000
   Bernoulli masks, for each pair, and the bias that comes with so few masks.

A reference set is drawn with replacement from the pool of points whose every mask was answered
(``_every_mask.py``), and its masks from ``--draws`` designs per point.
"""

from __future__ import annotations

import numpy as np

from benchmarks._common import show, task_name, write_table
from benchmarks._inside import SAMPLINGS, point_rng
from benchmarks.questions._every_mask import add_options as point_options
from benchmarks.questions._every_mask import answers
from benchmarks.questions.designs import TRIED, least_squares, rows_of

TAKES = "20 min once the answers are stored"
NEEDS = "--data with CIFAR-10 and torch (else digits)"
QUICK = {"points": 4, "draws": 2, "trials": 4, "sizes": [32, 64]}
BUDGETS = (4096, 16384)
SIZES = (16, 32, 64, 128, 256, 512, 1024)
DESIGNS = ("bernoulli", "foldover", "fractional")


def coefficients(table, n_parts, design, operator, n_samples, rngs):
    """Coefficients (n_draws, n_parts, n_scores) of one point, and the mean number of masks."""
    drawn, n_masks = [], []
    for rng in rngs:
        masks = design(n_parts, n_samples, rng)
        drawn.append(operator(masks) @ table[rows_of(masks)])
        n_masks.append(len(masks))
    return np.array(drawn), np.mean(n_masks)


class Pool:
    """Sums over points, for each pair of models, of every point under several draws of masks."""

    def __init__(self, read, n_draws):
        self.read, self.n_draws = read, n_draws
        self.pairs = [(kind, a, b) for kind, some in read.pairs.items() for a, b in some]
        self.truth = [self._distance(sums.sum(axis=(0, 1))) for sums in self._sums("all", 1024)[0]]

    def _sums(self, name, size):
        """Per pair (n_points, n_draws, 3) of |x|^2, |y|^2 and x'y; and masks per point."""
        design, operator = (SAMPLINGS["foldover"], least_squares) if name == "all" else TRIED[name]
        n_draws = 1 if name == "all" else self.n_draws
        sums, masks = [[] for _ in self.pairs], []
        for n, k in enumerate(self.read.n_parts.tolist()):
            have = [m for m, tables in self.read.scores.items() if n < len(tables)]
            table = np.concatenate([self.read.scores[m][n] for m in have], axis=1).astype(float)
            rngs = [point_rng(draw, n) for draw in range(n_draws)]
            W, n_masks = coefficients(table, k, design, operator, size, rngs)
            W = W.reshape(n_draws, k, len(have), -1)
            masks.append(n_masks)
            gram = np.einsum("dkmc,dknc->dmn", W, W)
            for p, (_, a, b) in enumerate(self.pairs):
                if a in have and b in have:
                    i, j = have.index(a), have.index(b)
                    three = gram[:, i, i], gram[:, j, j], gram[:, i, j]
                    sums[p].append(np.stack(three, axis=-1))
        return [np.array(of_pair) for of_pair in sums], float(np.mean(masks))

    @staticmethod
    def _distance(sums):
        return 1 - sums[..., 2] / np.sqrt(sums[..., 0] * sums[..., 1])

    def spread(self, sums, n_points, n_trials, rng):
        """Mean and standard deviation of the distance over reference sets of one pair."""
        found = []
        for _ in range(n_trials):
            points = rng.integers(len(sums), size=n_points)
            found.append(
                self._distance(sums[points, rng.integers(sums.shape[1], size=n_points)].sum(0))
            )
        return np.mean(found), np.std(found, ddof=1)


def add_options(parser):
    point_options(parser)
    parser.add_argument("--draws", type=int, default=16, help="designs per point")
    parser.add_argument("--trials", type=int, default=1000, help="reference sets per pair")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))


def main(args):
    data = task_name(args)
    pool = Pool(answers(args), args.draws)
    kinds = np.array([kind for kind, _, _ in pool.pairs])
    truth = np.array(pool.truth)
    for (kind, a, b), d in zip(pool.pairs, truth, strict=True):
        n = min(len(pool.read.scores[m]) for m in (a, b))
        print(f"{kind}: {a} / {b}: {d:.4f} over {n} points")
    rng = np.random.default_rng(args.seed)
    rows, fewest = [], []

    paper = pool._sums("bernoulli", 1000)[0]
    goal = np.array([pool.spread(sums, 128, args.trials, rng)[1] for sums in paper])
    print("sd of (128, 1000):", " ".join(f"{sd:.5f}" for sd in goal))

    for name in DESIGNS:
        for size in args.sizes:
            if name != "bernoulli" and size < 32:
                continue
            sums, n_masks = pool._sums(name, size)
            for budget in BUDGETS:
                n_points = int(budget / n_masks)
                both = [pool.spread(some, n_points, args.trials, rng) for some in sums]
                mean, sd = np.array(both).T
                row = {"design": name, "budget": budget, "L": size, "N": n_points}
                for kind in ("related", "unrelated"):
                    of = kinds == kind
                    row[f"sd {kind}"] = np.sqrt(np.mean((sd[of] / truth[of]) ** 2))
                    row[f"bias {kind}"] = np.mean((mean[of] - truth[of]) / truth[of])
                rows.append(row)
                show(row)
            # The standard deviation falls with the square root of the number of points.
            both = [pool.spread(some, 128, args.trials, rng) for some in sums]
            mean, sd = np.array(both).T
            needed = np.ceil(128 * (sd / goal) ** 2)
            for p, (kind, a, b) in enumerate(pool.pairs):
                fewest.append(
                    {
                        "design": name,
                        "L": size,
                        "masks": n_masks,
                        "kind": kind,
                        "pair": f"{a} / {b}",
                        "N": int(needed[p]),
                        "questions": int(needed[p] * n_masks),
                        "relative bias": float((mean[p] - truth[p]) / truth[p]),
                    }
                )
    print("\nfewest questions with the paper's standard deviation (128,000 questions)")
    for name in DESIGNS:
        for _, a, b in pool.pairs:
            some = [r for r in fewest if r["design"] == name and r["pair"] == f"{a} / {b}"]
            best = min(some, key=lambda r: r["questions"])
            show(best, digits=3)
    write_table(args.results / f"budget_{data}.csv", rows)
    write_table(args.results / f"fewest_{data}.csv", fewest)
