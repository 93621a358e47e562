# SPDX-License-Identifier: BSD-3-Clause
"""Does clustering the distances recover families of digits models, and where does it fail?

There are eight parents that differ in kind, half of the data or seed, with four relatives each:
trained further, retrained on 80 % of the data, extracted from the parent's answers, and with
rounded weights. For each kind of question, over seeds: the adjusted Rand index (average linkage,
the number of families given) and the AUC of related against unrelated pairs, for the four families
of the gallery example and for all eight; and the families that are not recovered whole.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from functools import partial

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from benchmarks._common import write_table
from skzest import ImageMasker, LimeSignatureTransformer, zest_distances

TAKES = "6 min"
NEEDS = "no data"
QUICK = {"seeds": 1, "points": 2, "masks": 40, "images": 200}

NETWORK = partial(MLPClassifier, max_iter=100)
PARENTS = {
    # family: (half of the data, maker of the parent from a seed)
    "logistic A": ("A", lambda seed: LogisticRegression(max_iter=20)),
    "network 64-64 A": ("A", lambda seed: NETWORK((64, 64), random_state=seed)),
    "network tanh B": ("B", lambda seed: NETWORK((32, 32), activation="tanh", random_state=seed)),
    "naive Bayes B": ("B", lambda seed: GaussianNB(var_smoothing=0.1)),
    "network 64 A": ("A", lambda seed: NETWORK((64,), random_state=seed + 100)),
    "network 64 B": ("B", lambda seed: NETWORK((64,), random_state=seed + 200)),
    "forest B": ("B", lambda seed: RandomForestClassifier(100, random_state=seed)),
    "forest of 5 A": (
        "A",
        lambda seed: RandomForestClassifier(100, min_samples_leaf=5, random_state=seed),
    ),
}
EASY = list(PARENTS)[:4]
ASKED = {
    "logit, clip 1e-6 (default)": {},
    "logit, clip 1e-2": {"clip": 1e-2},
    "predict_proba": {"response": "predict_proba"},
    "logit, passthrough": {"surrogate": "passthrough"},
    "logit, fill part_mean": {"fill": "part_mean"},
}


def further(parent, X, y, rng):
    model = deepcopy(parent)
    if hasattr(model, "n_estimators"):
        return model.set_params(warm_start=True, n_estimators=130).fit(X, y)
    if not hasattr(model, "partial_fit"):
        return model.set_params(warm_start=True, max_iter=200).fit(X, y)
    for _ in range(20):
        model.partial_fit(X, y)
    return model


def subsampled(parent, X, y, rng):
    chosen = rng.permutation(len(X))[: int(0.8 * len(X))]
    return deepcopy(parent).fit(X[chosen], y[chosen])


def drawn_answers(parent, X, n_times, rng):
    """Noisy points, and labels drawn from the parent's probabilities for them."""
    asked = np.concatenate([X + rng.normal(0, 0.1, X.shape) for _ in range(n_times)])
    chances = parent.predict_proba(asked).cumsum(axis=1)
    return asked, (chances < rng.random((len(asked), 1))).sum(axis=1).clip(max=9)


def extracted(parent, X, y, rng):
    asked, answers = drawn_answers(parent, X, 6, rng)
    model = deepcopy(parent)
    if "random_state" in model.get_params():
        model.set_params(random_state=int(rng.integers(10_000)))
    if isinstance(model, MLPClassifier):
        model.set_params(max_iter=40)
    return model.fit(asked, answers)


def rounded(parent, X, y, rng):
    model = deepcopy(parent)
    if isinstance(model, MLPClassifier):
        model.coefs_ = [w.round(1) for w in model.coefs_]
    elif isinstance(model, LogisticRegression):
        model.coef_ = model.coef_.round(1)
    elif isinstance(model, GaussianNB):
        model.theta_ = model.theta_.round(1)
    else:
        for tree in model.estimators_:
            value = tree.tree_.value
            value[:] = value.round(1)
            value /= value.sum(axis=-1, keepdims=True)
    return model


def make_zoo(X, y, seed):
    """Forty models and the family of each."""
    rng = np.random.default_rng(seed)
    halves = {"A": slice(0, None, 2), "B": slice(1, None, 2)}
    zoo, families = [], []
    for family, (half, make) in PARENTS.items():
        Xh, yh = X[halves[half]], y[halves[half]]
        parent = make(seed).fit(Xh, yh)
        relatives = (further, subsampled, extracted, rounded)
        zoo += [parent] + [relative(parent, Xh, yh, rng) for relative in relatives]
        families += [family] * 5
    return zoo, np.array(families)


def judge(D, families):
    """Adjusted Rand index, AUC, and the families that are not exactly one cluster."""
    names = np.unique(families)
    found = AgglomerativeClustering(
        len(names), metric="precomputed", linkage="average"
    ).fit_predict(D)
    whole = [set(found[families == f]) for f in names]
    torn = [
        f
        for f, labels in zip(names, whole, strict=True)
        if len(labels) > 1 or np.isin(found, list(labels)).sum() > 5
    ]
    i, j = np.triu_indices(len(D), 1)
    auc = roc_auc_score(families[i] != families[j], D[i, j])
    return adjusted_rand_score(families, found), auc, torn


def add_options(parser):
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--masks", type=int, default=200)
    parser.add_argument("--images", type=int, default=1797, help="to train on, halves of them")


def main(args):
    warnings.simplefilter("ignore")  # small networks stop before they converge
    X, y = load_digits(return_X_y=True)
    X, y = X[: args.images] / 16, y[: args.images]
    zoos = [make_zoo(X, y, args.seed + seed) for seed in range(args.seeds)]
    table = []
    print(f"{args.points} points x {args.masks} masks, {args.seeds} seeds: mean (least)\n")
    print(f"{'':<28}{'4 families':^26}{'8 families':^26}")
    print(f"{'asked':<28}" + f"{'Rand index':>13}{'AUC':>13}" * 2 + "   torn of 8")
    for name, params in ASKED.items():
        params = dict(params)
        masker = ImageMasker(image_shape=(8, 8), fill=params.pop("fill", "mean"))
        lime = LimeSignatureTransformer(
            X, n_reference=args.points, n_samples=args.masks, masker=masker, **params
        )
        rows, torn = [], []
        for zoo, families in zoos:
            D = zest_distances(lime.fit_transform(zoo))
            easy = np.isin(families, EASY)
            four = judge(D[np.ix_(easy, easy)], families[easy])
            eight = judge(D, families)
            rows.append((*four[:2], *eight[:2]))
            torn += eight[2]
        mean, least = np.mean(rows, axis=0), np.min(rows, axis=0)
        cells = "".join(f"{m:>7.3f}({w:.2f})" for m, w in zip(mean, least, strict=True))
        counts = {family: torn.count(family) for family in PARENTS if family in torn}
        measures = ("rand 4", "auc 4", "rand 8", "auc 8")
        table.append({"asked": name, **dict(zip(measures, mean)), "torn of 8": str(counts)})
        print(f"{name:<28}{cells}   {counts}", flush=True)
    write_table(args.results / "families.csv", table, digits=3)
