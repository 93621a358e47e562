# SPDX-License-Identifier: BSD-3-Clause
"""Who counts as unrelated: false-positive rates for three kinds of strangers.

Networks of digits, each from its own random half of the data. Strangers are of the *same recipe*
as the owner's network, of an *other recipe* (deeper, another activation), or *copies of others*:
networks of the owner's recipe, trained on the labels that one of twelve other networks gives to
noisy images. *Copies of the owner's* are made in the same way.

All are asked for six distances to the owner's network (``skzest.baselines.prepare_questions``). In
each of 200 random splits, m models of one kind, or of each kind, calibrate a ``ReuseDetector`` of
each distance and of the ensemble, and all other models are suspects.

``strangers.csv``
    by what calibrates, kind of suspect, m and alpha: the share that is called "reused" over all
    splits and owners; and, from one random suspect of each split, their number with its 95 %
    binomial interval (Clopper-Pearson), and whether this contains the nominal rate (or, with own
    limits, lies below it). For copies of the owner's the share is power, and should be large.
    "All, one limit" calibrates by m models of each kind together; "all, own limits" by those, and
    by each kind by itself, as ``kinds=`` does. A level that m models cannot reach is left out.
``strangers_combined.csv``
    the same shares at 5 %, with 19 models, for each way of combining the distances.
"""

from __future__ import annotations

import warnings

import joblib
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from benchmarks._common import show, write_table
from skzest import ImageMasker, LimeSignatureTransformer, ReuseDetector
from skzest.baselines import prepare_questions

TAKES = "4 min"
NEEDS = "no data"
QUICK = {"models": 24, "owners": 1, "splits": 3, "sizes": [9], "points": 4, "iterations": 10}

KINDS = ("same recipe", "other recipe", "copies of others")
STOLEN = "copies of the owner's"
NAMES = ("zest", "combined", "predictions", "boundary", "ddv", "mistakes")
COMBINE = ("squares", "minimum", "whitened")
ALPHAS = (0.01, 0.05, 0.1)
N_PARENTS, N_STOLEN = 12, 40
SLACK = 1 + 1e-12

# ---------------------------------------------------------------- models


def network(seed, X, y, args):
    params = {"max_iter": args.iterations, "learning_rate_init": 0.005, "random_state": seed}
    return MLPClassifier((24,), **params).fit(X, y)


def deeper(seed, X, y, args):
    params = {"max_iter": args.iterations, "learning_rate_init": 0.005, "random_state": seed}
    return MLPClassifier((32, 16), activation="tanh", **params).fit(X, y)


def half(seed, n):
    return np.random.default_rng(seed).permutation(n)[: n // 2]


def copied(parent, seed, X, args):
    """A network that learned the labels of another one at noisy images."""
    rng = np.random.default_rng(seed)
    images = X[half(seed, len(X))]
    noisy = images + rng.normal(0, 0.2, images.shape)
    return network(seed, noisy, parent.predict(noisy), args)


def zoo_of(X, y, args):
    """The strangers of each kind, the owners, and copies of each owner."""
    path = args.cache / "strangers" / f"{args.models}_{args.owners}_{args.iterations}.joblib"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)

        def own(make, seed):
            rows = half(seed, len(X))
            return make(seed, X[rows], y[rows], args)

        parents = [own(network, 9000 + i) for i in range(N_PARENTS)]
        strangers = {
            "same recipe": [own(network, 1000 + i) for i in range(args.models)],
            "other recipe": [own(deeper, 2000 + i) for i in range(args.models)],
            "copies of others": [
                copied(parents[i % N_PARENTS], 3000 + i, X, args) for i in range(args.models)
            ],
        }
        owners = [own(network, o) for o in range(args.owners)]
        stolen = [
            [copied(owner, 4000 + 100 * o + i, X, args) for i in range(N_STOLEN)]
            for o, owner in enumerate(owners)
        ]
        joblib.dump((strangers, owners, stolen), path)
    return joblib.load(path)


def distances_of(args):
    """For each owner, distances by kind: (n_models, n_distances)."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    strangers, owners, stolen = zoo_of(X, y, args)
    lime = LimeSignatureTransformer(
        X,
        n_reference=args.points,
        sampling="fractional",
        n_samples="auto",
        masker=ImageMasker(image_shape=(8, 8)),
    )
    found = []
    for o, owner in enumerate(owners):
        unseen = np.setdiff1d(np.arange(len(X)), half(o, len(X)))
        plan = lime.fit([owner]).plan_
        questions = prepare_questions(owner, plan, X[unseen], y[unseen], names=NAMES)
        zoo = {**strangers, STOLEN: stolen[o]}
        found.append({kind: questions.distances(models) for kind, models in zoo.items()})
        print(f"asked about owner {o}: {questions}", flush=True)
    return found


# ---------------------------------------------------------------- splits


def p_values(D_null, D_suspects, column, combine):
    """By one distance, or by all."""
    detector = ReuseDetector(alpha=0.5, correction=None, combine=combine)
    if column is not None:
        return detector.fit(D_null[:, column]).p_values(D_suspects[:, column])
    return detector.fit(D_null).p_values(D_suspects)


def one_split(D, m, column, combine, rng):
    """P-values of all suspects, {(calibrated by, kind of suspect): p}."""
    order = {kind: rng.permutation(len(D[kind])) for kind in KINDS}
    null = {kind: D[kind][order[kind][:m]] for kind in KINDS}
    suspects = {kind: D[kind][order[kind][m:]] for kind in KINDS} | {STOLEN: D[STOLEN]}
    every = np.concatenate(list(suspects.values()))
    found = {by: p_values(null[by], every, column, combine) for by in KINDS}
    together = np.concatenate(list(null.values()))
    found["all, one limit"] = p_values(together, every, column, combine)
    found["all, own limits"] = np.max(list(found.values()), axis=0)
    ends = np.cumsum([len(of_kind) for of_kind in suspects.values()])
    return {
        (by, kind): part
        for by, p in found.items()
        for kind, part in zip(suspects, np.split(p, ends[:-1]))
    }


def study(zoo, m, column, combine, args):
    """Rows for one distance or the ensemble and one number of unrelated models."""
    rng = np.random.default_rng(args.seed + m)
    shares, drawn = {}, {}
    for _ in range(args.splits):
        for o, D in enumerate(zoo):
            for key, p in one_split(D, m, column, combine, rng).items():
                called = p[:, None] <= np.array(ALPHAS) * SLACK
                shares.setdefault(key, []).append(called.mean(axis=0))
                if o == 0:
                    drawn.setdefault(key, []).append(called[rng.integers(len(called))])
    for (by, kind), of_splits in shares.items():
        n_null = m if by in KINDS else len(KINDS) * m
        for a, alpha in enumerate(ALPHAS):
            if alpha * SLACK * (m + 1) < 1:
                continue
            hits = int(np.sum([one[a] for one in drawn[by, kind]]))
            ends = stats.binomtest(hits, args.splits).proportion_ci()
            nominal = int(alpha * SLACK * (n_null + 1)) / (n_null + 1)
            # Several limits keep every rate at most at its level; one limit keeps it there.
            high = 1.0 if by == "all, own limits" else ends.high
            yield {
                "calibrated by": by,
                "suspects": kind,
                "m of a kind": m,
                "alpha": alpha,
                "share": np.mean(of_splits, axis=0)[a],
                f"of {args.splits}": hits,
                "low": ends.low,
                "high": ends.high,
                "inside": "yes" if ends.low <= nominal <= high else "no",
            }


def add_options(parser):
    parser.add_argument("--models", type=int, default=130, help="of each kind")
    parser.add_argument("--owners", type=int, default=2)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[19, 99])
    parser.add_argument("--points", type=int, default=24)
    parser.add_argument("--iterations", type=int, default=25, help="of each training")


def main(args):
    warnings.simplefilter("ignore")  # small networks stop early
    zoo = distances_of(args)
    rows, combined = [], []
    for m in args.sizes:
        for column, name in [(None, "ensemble"), *enumerate(NAMES)]:
            for row in study(zoo, m, column, "squares", args):
                rows.append({"distance": name, **row})
                if name == "ensemble":
                    show(rows[-1])
    write_table(args.results / "strangers.csv", rows, digits=4)
    for combine in COMBINE:
        for row in study(zoo, args.sizes[0], None, combine, args):
            if row["alpha"] == max(0.05, 1 / (args.sizes[0] + 1)):
                kept = ("calibrated by", "suspects", "m of a kind", "alpha", "share")
                combined.append({"combine": combine, **{key: row[key] for key in kept}})
                show(combined[-1])
    write_table(args.results / "strangers_combined.csv", combined, digits=4)
