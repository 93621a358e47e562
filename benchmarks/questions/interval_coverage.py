# SPDX-License-Identifier: BSD-3-Clause
"""How often does the 95 % interval contain the distance over the whole pool of points?

Networks are asked about a large pool of points under one design; intervals come from random
reference sets of 8 to 128 of these points and are compared with the distance over the pool.
The pool is all 1,797 digits or, with ``--data``, ``--pool`` CIFAR-10 images with any number of
parts, asked of the small networks. Three intervals are compared: jackknife-t of the logarithm
(`distance_interval`), jackknife-t of the distance itself, and the percentile bootstrap.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from benchmarks._common import show, task_name, write_table
from benchmarks._inside import cosine_distance, jackknife_t, point_sums
from benchmarks.questions._every_mask import (
    CIFAR_PAIRS,
    DIGITS_PAIRS,
    cifar_query,
    make_digits,
)
from skzest import ImageMasker, LimeSignatureTransformer

TAKES = "20 min"
NEEDS = "--data with CIFAR-10 and torch (else digits)"
QUICK = {"trials": 4, "pool": 150}
SIZES = (8, 16, 32, 128)


def pool_sums(args):
    """{(kind, pair): (n_points, 3) sums} over a pool of points."""
    folder = args.cache / "questions" / task_name(args)
    folder.mkdir(parents=True, exist_ok=True)
    pairs = CIFAR_PAIRS if args.data else DIGITS_PAIRS
    chosen = {
        (kind, pair): None
        for kind, some in pairs.items()
        for pair in some
        if not any(model.startswith("resnet") for model in pair)
    }
    models = list(dict.fromkeys(model for _, pair in chosen for model in pair))
    path = folder / f"pool_{args.pool}.npz"
    if not path.exists():
        if args.data:
            from benchmarks._cifar import images

            X, _ = images(args.data, args.pool, "train")
            masker = ImageMasker().fit(X)
            X = X[[masker.cut(x).max() > 0 for x in X]]  # one image has a single colour
            zoo = [cifar_query(model, args.data, folder) for model in models]
        else:
            from sklearn.datasets import load_digits

            X, masker = load_digits().data[: args.pool] / 16, ImageMasker(image_shape=(8, 8))
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


def add_options(parser):
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--pool", type=int, help="points; default: 1024 images, or all digits")


def main(args):
    args.pool = args.pool or (1024 if args.data else 1797)
    rows = []
    for (kind, pair), sums in pool_sums(args).items():
        truth = float(cosine_distance(sums.sum(axis=0)))
        for n in SIZES:
            rng = np.random.default_rng(args.seed + n)
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
                    "data": task_name(args),
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
            show(rows[-1])
    write_table(args.results / f"coverage_{task_name(args)}.csv", rows)
