# SPDX-License-Identifier: BSD-3-Clause
"""Which masks give the smallest error? Designs and estimators against the truth from all masks.

For each design and number of masks L, over seeds: the mean squared error of the coefficients
(relative to their mean square), and the bias and standard deviation of the cosine distance
relative to the true distance, as root mean squares over related and over unrelated pairs. Then:
how many Bernoulli masks give the same error, per mask of the design. Errors of coefficients are
taken over the points where L is below ``2 ** n_parts / 2``; above that, one might as well ask
all masks.

Everything is computed from stored answers to all masks (``_every_mask.py``).
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from scipy.linalg import hadamard as sylvester
from scipy.special import bdtr

from benchmarks._common import show, task_name, write_table
from benchmarks._inside import SAMPLINGS, LinearFit, point_rng
from benchmarks.questions._every_mask import add_options as point_options
from benchmarks.questions._every_mask import answers
from skzest import zest_distances

TAKES = "30 min once the answers are stored, which takes hours on CIFAR-10"
NEEDS = "--data with CIFAR-10 and torch (else digits)"
QUICK = {"points": 4, "seeds": 2, "designs": ["bernoulli", "fractional"]}
hadamard = cache(sylvester)
SIZES = (32, 64, 128, 256)
BERNOULLI_SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)


# ---------------------------------------------------------------- designs that were tried


def distinct(n_parts, n_samples, rng):
    """Masks drawn without replacement."""
    chosen = rng.permutation(2**n_parts)[:n_samples]
    return ((chosen[:, None] >> np.arange(n_parts)) & 1).astype(bool)


def stratified(n_parts, n_samples, rng):
    """Antithetic, with the number of kept parts at quantiles of the binomial."""
    n = n_samples // 2
    sizes = np.searchsorted(
        bdtr(range(n_parts + 1), n_parts, 0.5), (np.arange(n) + rng.random()) / n
    )
    order = rng.random((n, n_parts)).argsort(axis=1)
    half = order < sizes[:, None]
    return np.concatenate([half, ~half])


def large_block(n_parts, n_samples, rng):
    """Fold-over in one block, the largest that fits, instead of several small ones."""
    order = 2 ** int(np.log2(n_samples // 2))
    if 2 * order >= 2**n_parts:
        return SAMPLINGS["foldover"](n_parts, 2**n_parts, rng)
    columns = 1 + rng.permutation(order - 1)[:n_parts]
    half = (hadamard(order) > 0)[:, columns] ^ (rng.random(n_parts) < 0.5)
    return np.concatenate([half, ~half])


def maximin(n_parts, n_samples, rng):
    """Pairs of complements, each new one as far as possible from those already chosen."""
    everything = SAMPLINGS["foldover"](n_parts, 2**n_parts, rng)[: 2 ** (n_parts - 1)]
    signs = np.where(everything[rng.permutation(len(everything))], 1, -1)
    nearest = np.full(len(signs), -1)
    chosen = [0]
    while len(chosen) < min(n_samples // 2, len(signs)):
        nearest = np.maximum(nearest, np.abs(signs @ signs[chosen[-1]]))
        nearest[chosen[-1]] = n_parts + 1
        chosen.append(int(np.argmin(nearest)))
    half = signs[chosen] > 0
    return np.concatenate([half, ~half])


# ---------------------------------------------------------------- estimators that were tried


def least_squares(masks):
    return LinearFit(masks).operator


def ridge(masks, alpha):
    return LinearFit(masks, alpha=alpha * len(masks) / 4).operator


def interactions(masks, decay):
    """Main effects of a Gaussian process whose interactions fade with their order.

    The prior is ``sum over sets of parts of decay ** size``, so its kernel is a product; the
    posterior mean of main effects is linear in the scores, like least squares.
    """
    signs = np.where(masks, 1.0, -1.0)
    signs, inverse = np.unique(signs, axis=0, return_inverse=True)
    kernel = np.prod(1 + decay * signs[:, None] * signs[None], axis=2)
    kernel += 100.0  # the constant is free
    counts = np.bincount(inverse.ravel())
    solved = np.linalg.solve(kernel + 1e-8 * np.eye(len(signs)), decay * signs).T
    return 2 * (solved / counts)[:, inverse.ravel()]


TRIED = {
    "bernoulli": (SAMPLINGS["bernoulli"], least_squares),
    "antithetic": (SAMPLINGS["antithetic"], least_squares),
    "foldover": (SAMPLINGS["foldover"], least_squares),
    "fractional": (SAMPLINGS["fractional"], least_squares),
    "distinct": (distinct, least_squares),
    "stratified antithetic": (stratified, least_squares),
    "maximin pairs": (maximin, least_squares),
    "foldover, one large block": (large_block, least_squares),
    "bernoulli + ridge": (SAMPLINGS["bernoulli"], partial(ridge, alpha=0.1)),
    "foldover + ridge": (SAMPLINGS["foldover"], partial(ridge, alpha=0.1)),
    "bernoulli + interactions": (SAMPLINGS["bernoulli"], partial(interactions, decay=0.2)),
    "distinct + interactions": (distinct, partial(interactions, decay=0.2)),
    "foldover + interactions": (SAMPLINGS["foldover"], partial(interactions, decay=0.2)),
    "fractional + interactions": (SAMPLINGS["fractional"], partial(interactions, decay=0.2)),
}


# ---------------------------------------------------------------- the truth


def rows_of(masks):
    """Row of the table of all masks for each mask."""
    return masks @ (1 << np.arange(masks.shape[1]))


class Truth:
    """Answers of all models, on the points that all were asked about."""

    def __init__(self, read, n_points):
        self.names = list(read.scores)
        n_points = min(n_points, *map(len, read.scores.values()))
        self.n_parts = read.n_parts[:n_points]
        self.tables = [
            np.concatenate([read.scores[name][n] for name in self.names], axis=1).astype(float)
            for n in range(n_points)
        ]
        self.pairs = [
            (kind, self.names.index(a), self.names.index(b))
            for kind, pairs in read.pairs.items()
            for a, b in pairs
        ]
        self.coef = [
            least_squares(SAMPLINGS["foldover"](k, 2**k, None)) @ table
            for k, table in zip(self.n_parts.tolist(), self.tables, strict=True)
        ]
        self.distances = self.distances_of(self.coef)

    def distances_of(self, coef):
        W = np.concatenate(coef).reshape(sum(self.n_parts), len(self.names), -1)
        D = zest_distances(W.transpose(1, 2, 0).reshape(len(self.names), -1))
        return np.array([D[i, j] for _, i, j in self.pairs])

    def measure(self, design, operator, n_samples, n_seeds, first_seed=0):
        """Relative squared errors (n_seeds, n_models) and distances (n_seeds, n_pairs)."""
        errors, distances = [], []
        below = [2**k > 2 * n_samples for k in self.n_parts]
        for seed in range(first_seed, first_seed + n_seeds):
            coef = []
            for n, k in enumerate(self.n_parts.tolist()):
                masks = design(k, n_samples, point_rng(seed, n))
                coef.append(operator(masks) @ self.tables[n][rows_of(masks)])
            counted = below if any(below) else [True] * len(below)
            gaps = [
                (np.sum((a - b) ** 2, axis=0), np.sum(b**2, axis=0))
                for a, b, counts in zip(coef, self.coef, counted, strict=True)
                if counts
            ]
            gap, whole = np.sum(gaps, axis=0).reshape(2, len(self.names), -1).sum(axis=2)
            errors.append(gap / whole)
            distances.append(self.distances_of(coef))
        return np.array(errors), np.array(distances)


def summary(truth, errors, distances):
    """Relative errors: of coefficients, and bias and deviation of related and unrelated pairs."""
    kinds = np.array([kind for kind, _, _ in truth.pairs])
    bias = (distances.mean(axis=0) - truth.distances) / truth.distances
    deviation = distances.std(axis=0, ddof=1) / truth.distances
    row = {"mse": errors.mean()}
    for kind in ("related", "unrelated"):
        of_kind = kinds == kind
        row[f"bias {kind}"] = bias[of_kind].mean()
        row[f"sd {kind}"] = np.sqrt(np.mean(deviation[of_kind] ** 2))
    return row


def times_fewer(sizes, values, value, size):
    """Masks of the first design needed for the same value, per mask of the other."""
    order = np.argsort(values)
    log = np.interp(np.log(value), np.log(values)[order], np.log(sizes)[order])
    text = f"{np.exp(log) / size:.2f}"
    return f">{text}" if value < min(values) else text


def add_options(parser):
    point_options(parser)
    parser.add_argument("--seeds", type=int, default=80)
    parser.add_argument("--designs", nargs="+", choices=TRIED, default=list(TRIED))


def main(args):
    truth = Truth(answers(args), args.large_points)
    data = task_name(args)
    parts, counts = np.unique(truth.n_parts, return_counts=True)
    print(
        f"{data}, {len(truth.n_parts)} points: {dict(zip(parts.tolist(), counts.tolist()))} parts"
    )
    for (kind, i, j), d in zip(truth.pairs, truth.distances, strict=True):
        print(f"  {kind}: {truth.names[i]} / {truth.names[j]}: {d:.4f}")
    rows, base = [], {}
    for name in dict.fromkeys(["bernoulli", *args.designs]):
        design, operator = TRIED[name]
        few = SIZES[:-1] if "+" in name else SIZES
        for size in BERNOULLI_SIZES if name == "bernoulli" else few:
            try:
                measured = truth.measure(design, operator, size, args.seeds, args.seed)
            except ValueError:  # too few masks for the design
                continue
            row = summary(truth, *measured)
            if name == "bernoulli":
                base[size] = row
            rows.append({"design": name, "masks": size, **row})
            show(rows[-1])
    sizes = np.array(sorted(base))
    print("\ntimes fewer masks than bernoulli:  mse  sd related  sd unrelated")
    for row in rows:
        for key in ("mse", "sd related", "sd unrelated"):
            values = np.array([base[size][key] for size in sizes])
            row[f"times fewer: {key}"] = times_fewer(sizes, values, row[key], row["masks"])
        print("  ".join(f"{row[k]}" for k in ("design", "masks", *list(row)[-3:])))
    write_table(args.results / f"designs_{data}.csv", rows)
