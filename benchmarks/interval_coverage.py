# SPDX-License-Identifier: BSD-3-Clause
"""How often does the 95 % interval hold the distance over the whole pool of points?

    python benchmarks/interval_coverage.py --cache DIR [--data DIR] [--trials 1000]

Networks are asked about a large pool of points under one design; intervals come from random
reference sets of 8 to 128 of these points and are compared with the distance over the pool.
Pools: all 1,797 digits; with ``--data``, ``--pool`` images of CIFAR-10 of whatever number of
parts, asked of the small networks. Three intervals: jackknife-t of the logarithm
(`distance_interval`), jackknife-t of the distance itself, and the percentile bootstrap.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from _every_mask import (
    CIFAR_PAIRS,
    DIGITS_PAIRS,
    arguments,
    cifar_query,
    make_digits,
)
from scipy.special import stdtrit

from skzest import ImageMasker, LimeSignatureTransformer
from skzest.comparing import cosine_distance, jackknife_t, point_sums

SIZES = (8, 16, 32, 128)


def pool_sums(args):
    """{(kind, pair): (n_points, 3) sums} over a pool of points."""
    name = "cifar" if args.data else "digits"
    folder = args.cache / name
    folder.mkdir(parents=True, exist_ok=True)
    pairs = CIFAR_PAIRS if args.data else DIGITS_PAIRS
    chosen = {
        (kind, pair): None
        for kind, some in pairs.items()
        for pair in some
        if not any(model.startswith("resnet") for model in pair)
    }
    models = list(dict.fromkeys(model for _, pair in chosen for model in pair))
    path = folder / f"pool_{args.pool if args.data else 1797}.npz"
    if not path.exists():
        if args.data:
            from _cifar import images

            X, _ = images(args.data, args.pool, "train")
            masker = ImageMasker().fit(X)
            X = X[[masker.cut(x).max() > 0 for x in X]]  # one is of one colour
            zoo = [cifar_query(model, args.data, folder) for model in models]
        else:
            from sklearn.datasets import load_digits

            X, masker = load_digits().data / 16, ImageMasker(image_shape=(8, 8))
            zoo = [make_digits(model) for model in models]
        lime = LimeSignatureTransformer(
            X,
            n_reference=len(X),
            masker=masker,
            n_samples="auto",
            sampling="foldover",
            n_classes=10,
            verbose=1,
        )
        S = lime.fit_transform(zoo)
        np.savez_compressed(path, S=S.astype(np.float32), n_columns=lime.plan_.n_columns)
    with np.load(path) as file:
        S, n_columns = file["S"].astype(float).reshape(len(models), 10, -1), file["n_columns"]
    for kind, (a, b) in chosen:
        chosen[kind, (a, b)] = point_sums(S[models.index(a)], S[models.index(b)], n_columns)
    return chosen


def plain(sums, level=0.95):
    n, total = len(sums), sums.sum(axis=0)
    without = cosine_distance(total - sums)
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    reach = stdtrit(n - 1, (1 + level) / 2) * error
    return cosine_distance(total) + np.array([-reach, reach])


def of_bootstrap(sums, rng, level=0.95):
    weights = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=400)
    return np.quantile(cosine_distance(weights @ sums), [(1 - level) / 2, (1 + level) / 2])


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--pool", type=int, default=1024)
    args = parser.parse_args()
    rows = []
    for (kind, pair), sums in pool_sums(args).items():
        truth = float(cosine_distance(sums.sum(axis=0)))
        for n in SIZES:
            rng = np.random.default_rng(n)
            hits, widths, reaches = np.zeros(3), [], []
            for _ in range(args.trials):
                some = sums[rng.choice(len(sums), n, replace=False)]
                interval = jackknife_t(some, 0.95)
                widths.append(interval.high - interval.low)
                low, high = plain(some)
                b_low, b_high = of_bootstrap(some, rng)
                hits += truth in interval, low <= truth <= high, b_low <= truth <= b_high
                reaches.append(high - low)
            rows.append(
                {
                    "data": "cifar" if args.data else "digits",
                    "kind": kind,
                    "pair": " / ".join(pair),
                    "distance": f"{truth:.4f}",
                    "points": n,
                    "trials": args.trials,
                    **dict(
                        zip(
                            ("of logarithm", "plain", "bootstrap"),
                            (f"{share:.3f}" for share in hits / args.trials),
                            strict=True,
                        )
                    ),
                    "median width": f"{np.median(widths):.4f}",
                    "plain width": f"{np.median(reaches):.4f}",
                }
            )
            print("  ".join(f"{value}" for value in rows[-1].values()), flush=True)
    out = Path(__file__).parent / "results" / f"coverage_{rows[0]['data']}.csv"
    out.parent.mkdir(exist_ok=True)
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
