# SPDX-License-Identifier: BSD-3-Clause
"""How often is UnlearningVerifier right, and how often is it undecided?

Networks of digits are trained with and without 120 points from one contributor: points that leave a
mark (1 labelled as 7), and ordinary zeros. Original, retrained models and candidate are drawn at
random from 40 models of each kind, so the truth is known; further candidates are the original after
some epochs without the points. The table has the share of each verdict.
"""

from __future__ import annotations

import warnings
from copy import deepcopy

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from benchmarks._common import show, write_table
from skzest import ImageMasker, LimeSignatureTransformer, UnlearningVerifier

TAKES = "25 min"
NEEDS = "no data"
QUICK = {"models": 12, "trials": 2, "points": 4, "max_iter": 3, "epochs": [1]}
VERDICTS = ("no different from the original", "like retrained", "undecided")


def trained(X, y, rows, seed, max_iter):
    return MLPClassifier((32,), max_iter=max_iter, random_state=seed).fit(X[rows], y[rows])


def further(model, X, y, rows, epochs):
    model = deepcopy(model)
    for _ in range(epochs):
        model.partial_fit(X[rows], y[rows])
    return model


def scenes(X, y):
    """(name, labels, points to be forgotten)."""
    ones, zeros = np.flatnonzero(y == 1)[:120], np.flatnonzero(y == 0)[:120]
    sevens = y.copy()
    sevens[ones] = 7
    yield "1 written as 7", sevens, ones
    yield "ordinary zeros", y, zeros


def add_options(parser):
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--max-iter", type=int, default=80, help="epochs of training")
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 10, 40], help="afterwards")


def main(args):
    warnings.simplefilter("ignore")  # small networks stop before they converge
    X, y = load_digits(return_X_y=True)
    X, rows = X / 16, []
    for scene, labels, theirs in scenes(X, y):
        everything, rest = np.arange(len(X)), np.setdiff1d(np.arange(len(X)), theirs)
        seeds = range(args.seed, args.seed + args.models)
        with_them = [trained(X, labels, everything, seed, args.max_iter) for seed in seeds]
        without = [trained(X, labels, rest, 1000 + seed, args.max_iter) for seed in seeds]
        later = [further(m, X, labels, rest, n) for n in args.epochs for m in with_them]
        for response in ("logit", "predict_proba"):
            lime = LimeSignatureTransformer(
                X[theirs],
                n_reference=args.points,
                n_samples="auto",
                sampling="fractional",
                masker=ImageMasker(image_shape=(8, 8)),
                response=response,
                n_classes=10,
            )
            S = lime.fit_transform(with_them + without + later)
            kinds = dict(
                zip(
                    ("with", "without", *args.epochs),
                    np.split(S, 2 + len(args.epochs)),
                    strict=True,
                )
            )
            for n_retrained in (3, 5, 10):
                for row in judged(kinds, n_retrained, lime.plan_, args):
                    rows.append(
                        {"points": scene, "response": response, "retrained": n_retrained, **row}
                    )
                    show(rows[-1])
    write_table(args.results / "forgetting.csv", rows)


def judged(kinds, n_retrained, plan, args):
    """Shares of verdicts on each kind of candidate."""
    rng = np.random.default_rng(args.seed + n_retrained)
    said = {kind: [] for kind in kinds}
    left = {kind: [] for kind in kinds}
    for _ in range(args.trials):
        original, another = rng.choice(args.models, 2, replace=False)
        retrained = rng.choice(args.models, n_retrained + 1, replace=False)
        verifier = UnlearningVerifier.from_signatures(
            kinds["with"][original], kinds["without"][retrained[1:]], plan
        )
        candidates = [kinds["with"][another], kinds["without"][retrained[0]]]
        candidates += [kinds[n][original] for n in args.epochs]
        found = verifier.judge_signatures(np.stack(candidates))
        for kind, verdict, share in zip(kinds, found.decisions, found.trace_left, strict=True):
            said[kind].append(verdict)
            left[kind].append(share)
    names = {"with": "another seed, with them", "without": "without them"}
    for kind, verdicts in said.items():
        yield {
            "candidate": names.get(kind, f"{kind} epochs later"),
            "median share left": f"{np.median(left[kind]):.2f}",
            **{verdict: f"{np.mean(np.array(verdicts) == verdict):.3f}" for verdict in VERDICTS},
        }
