# SPDX-License-Identifier: BSD-3-Clause
"""How often does class alignment match the right classes?

1. Copies with permuted class columns, 2 to 100 classes (appendix B of the paper): how many are
   found at distance 0 with the right permutation, for each alignment.
2. A harder case: independently retrained models (another seed, the other half of digits) with
   permuted columns: share of classes matched correctly, for each alignment and number of reference
   points.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks._common import write_table
from skzest import (
    CallableQuery,
    ClassAligner,
    ImageMasker,
    LimeSignatureTransformer,
    zest_distances,
)

TAKES = "3 min"
NEEDS = "no data"
QUICK = {"pairs": 1, "copies": 2, "models": ["LogisticRegression"], "sizes": [1, 4]}
ALIGNMENTS = ("greedy", "sequential", "nearest", "optimal")


def permuted(model, order):
    """The same model with its columns in another order and without labels."""
    return CallableQuery(lambda X: model.predict_proba(X)[:, order])


def copies(n_trials, seed):
    """How many permuted copies are found at distance 0, class by class, for each alignment."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 10))
    found = dict.fromkeys(ALIGNMENTS, 0)
    for _ in range(n_trials):
        n_classes = int(rng.integers(2, 101))
        W, V = rng.normal(size=(10, 16)), rng.normal(size=(16, n_classes))
        order = rng.permutation(n_classes)
        zoo = [
            CallableQuery(lambda Z, W=W, V=V: np.tanh(Z @ W) @ V, output="logits"),
            CallableQuery(lambda Z, W=W, V=V, o=order: np.tanh(Z @ W) @ V[:, o], output="logits"),
        ]
        S = LimeSignatureTransformer(X, n_reference=8, n_samples=64).fit_transform(zoo)
        for alignment in ALIGNMENTS:
            aligner = ClassAligner(n_classes, template=0, alignment=alignment).fit(S)
            right = np.array_equal(order[aligner.match(S[1:])[0].classes], np.arange(n_classes))
            d = zest_distances(S[0], S[1], n_classes=n_classes, alignment=alignment)
            found[alignment] += right and d < 1e-9
    return found


def retrained(kind, make, n_pairs, sizes, seed):
    """Share of classes of retrained models that are matched correctly."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    rng = np.random.default_rng(seed)
    zoo, orders = [], []
    for i in range(n_pairs):
        halves = rng.permutation(len(X)).reshape(1, -1)[0]
        first, second = halves[: len(X) // 2], halves[len(X) // 2 :]
        order = rng.permutation(10)
        zoo += [
            make(2 * i).fit(X[first], y[first]),
            permuted(make(2 * i + 1).fit(X[second], y[second]), order),
        ]
        orders.append(order)
    masker = ImageMasker(image_shape=(8, 8))
    lime = LimeSignatureTransformer(X, n_reference=max(sizes), n_samples=200, masker=masker)
    plan = lime.fit(zoo).plan_
    S = lime.transform(zoo).reshape(len(zoo), 10, -1)
    for size in sizes:
        part = S[:, :, plan.column_point < size].reshape(len(zoo), -1)
        right = {alignment: [] for alignment in ALIGNMENTS}
        for i, order in enumerate(orders):
            for alignment in ALIGNMENTS:
                aligner = ClassAligner(10, template=0, alignment=alignment).fit(
                    part[2 * i : 2 * i + 1]
                )
                met = aligner.match(part[2 * i + 1 : 2 * i + 2])[0].classes
                right[alignment].append(np.mean(order[met] == np.arange(10)))
        cells = "".join(f"{np.mean(right[m]):>12.3f}" for m in ALIGNMENTS)
        print(f"{kind:<22}{size:>8}{cells}", flush=True)
        yield {"models": kind, "points": size, **{m: np.mean(right[m]) for m in ALIGNMENTS}}


MODELS = {
    "LogisticRegression": lambda s: LogisticRegression(max_iter=50),
    "MLPClassifier(32)": lambda s: MLPClassifier((32,), max_iter=40, random_state=s),
    "RandomForest(50)": lambda s: RandomForestClassifier(50, random_state=s),
}


def add_options(parser):
    parser.add_argument("--pairs", type=int, default=10, help="pairs of retrained models")
    parser.add_argument("--copies", type=int, default=100, help="permuted copies")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32, 64])


def main(args):
    warnings.simplefilter("ignore")
    found = copies(args.copies, args.seed)
    print(f"permuted copies, 2 to 100 classes, right of {args.copies}: {found}\n")
    print("retrained on the other half with another seed: share of classes matched correctly")
    print(f"{'models':<22}{'points':>8}" + "".join(f"{m:>12}" for m in ALIGNMENTS))
    rows = []
    for kind in args.models:
        rows += retrained(kind, MODELS[kind], args.pairs, args.sizes, args.seed)
    write_table(args.results / "matching.csv", rows, digits=3)
