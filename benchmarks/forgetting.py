# SPDX-License-Identifier: BSD-3-Clause
"""How often is UnlearningVerifier right, and how often does it not know?

    python benchmarks/forgetting.py [--models 40] [--trials 400]

Networks of digits, trained with 120 points of a contributor and without: points that leave a mark
(1 written as 7), and ordinary zeros. Original, retrained models and candidate are drawn at random
from 40 models of either kind, so that the truth is known; other candidates are the original after
some epochs without the points. Shares of verdicts go to ``results/forgetting.csv``.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from skzest import ImageMasker, LimeSignatureTransformer, UnlearningVerifier

EPOCHS = (2, 10, 40)
VERDICTS = ("no different from the original", "like retrained", "undecided")


def trained(X, y, rows, seed):
    return MLPClassifier((32,), max_iter=80, random_state=seed).fit(X[rows], y[rows])


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--points", type=int, default=64)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # small networks stop before they converge
    X, y = load_digits(return_X_y=True)
    X, rows = X / 16, []
    for scene, labels, theirs in scenes(X, y):
        everything, rest = np.arange(len(X)), np.setdiff1d(np.arange(len(X)), theirs)
        with_them = [trained(X, labels, everything, seed) for seed in range(args.models)]
        without = [trained(X, labels, rest, 1000 + seed) for seed in range(args.models)]
        later = [further(m, X, labels, rest, n) for n in EPOCHS for m in with_them]
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
                zip(("with", "without", *EPOCHS), np.split(S, 2 + len(EPOCHS)), strict=True)
            )
            for n_retrained in (3, 5, 10):
                for row in judged(kinds, n_retrained, lime.plan_, args):
                    rows.append(
                        {"points": scene, "response": response, "retrained": n_retrained, **row}
                    )
                    print("  ".join(f"{value}" for value in rows[-1].values()), flush=True)
    out = Path(__file__).parent / "results" / "forgetting.csv"
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def judged(kinds, n_retrained, plan, args):
    """Shares of verdicts on each kind of candidate."""
    rng = np.random.default_rng(n_retrained)
    said = {kind: [] for kind in kinds}
    left = {kind: [] for kind in kinds}
    for _ in range(args.trials):
        original, another = rng.choice(args.models, 2, replace=False)
        retrained = rng.choice(args.models, n_retrained + 1, replace=False)
        verifier = UnlearningVerifier.from_signatures(
            kinds["with"][original], kinds["without"][retrained[1:]], plan
        )
        candidates = [kinds["with"][another], kinds["without"][retrained[0]]]
        candidates += [kinds[n][original] for n in EPOCHS]
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


if __name__ == "__main__":
    main()
