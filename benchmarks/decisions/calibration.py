# SPDX-License-Identifier: BSD-3-Clause
"""How often does ReuseDetector call an unrelated model "reused"?

For each family, 300 models of digits are trained, each with its own seed and on its own random
half of the data. One of them is the owner (4 in turn); of the others, m random ones form the null
and the rest, 200 or more, are suspects, all unrelated. The tables:

``calibration.csv``
    shares of the three verdicts on unrelated suspects for each null, m and alpha, averaged over
    owners and splits, with the standard error over owners; the standard deviation of the
    false-positive rate between nulls, which is what one owner with one set of unrelated models
    faces; and the same verdicts on copies extracted from the owner's answers. A level that a null
    cannot reach is "refused".
``calibration_several.csv``
    how often any of 10 unrelated suspects is called "reused" at 5 %, with the correction and
    without; and the share of unrelated models below a relative distance of 1.
``calibration_mismatch.csv``
    the same where null and suspects come from different families.
``calibration_coverage.csv``
    how often the interval of the relative distance, computed from few points and few unrelated
    models, contains the relative distance over all of both.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from functools import partial

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks._common import show, write_table
from benchmarks._inside import cosine_distance, point_sums, relative_from_sums
from benchmarks.decisions.families import drawn_answers
from skzest import ImageMasker, LimeSignatureTransformer, ReuseDetector

TAKES = "2 h"
NEEDS = "no data"
QUICK = {
    "models": 32, "splits": 2, "owners": 2, "points": 4, "pool": 40, "trials": 2, "images": 200,
    "families": ["network 32", "logistic"], "responses": ["logit"],
}  # fmt: skip

FAMILIES = {
    "network 32": partial(MLPClassifier, (32,), max_iter=80),
    "network 64-32 tanh": partial(MLPClassifier, (64, 32), activation="tanh", max_iter=60),
    "logistic": lambda random_state: LogisticRegression(max_iter=50),
    "forest of 20": partial(RandomForestClassifier, 20),
}
RESPONSES = ("logit", "predict_proba")
ALPHAS = (0.01, 0.05, 0.1)
NULLS = [("conformal", m) for m in (19, 99)] + [
    (curve, m) for curve in ("lognormal", "normal") for m in (5, 10, 20)
]
N_COPIES = 10  # of each owner
COVERED = "network 32"  # the family whose intervals are checked


def trained(make, seed, X, y):
    half = np.random.default_rng(seed).permutation(len(X))[: len(X) // 2]
    return make(random_state=seed).fit(X[half], y[half])


def extracted(parent, seed, X):
    """A model of the same kind, trained on labels drawn from the parent's probabilities."""
    asked, answers = drawn_answers(parent, X, 4, np.random.default_rng(seed))
    model = deepcopy(parent)
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return model.fit(asked, answers)


def zoo_of(family, args):
    """All models of a family, then the copies of each owner, kept in the cache."""
    path = (
        args.cache
        / "calibration"
        / f"{family} {args.models} {args.owners}.joblib".replace(" ", "_")
    )
    if not path.exists():
        X, y = load_digits(return_X_y=True)
        X, y = X[: args.images], y[: args.images]
        zoo = [trained(FAMILIES[family], seed, X / 16, y) for seed in range(args.models)]
        for o in range(args.owners):
            zoo += [extracted(zoo[o], 10_000 + 100 * o + c, X / 16) for c in range(N_COPIES)]
        joblib.dump(zoo, path)
        scores = [model.score(X / 16, y) for model in zoo]
        print(f"trained {family}: accuracy {np.mean(scores):.3f}", flush=True)
    return joblib.load(path)


def signatures_of(family, response, n_points, args):
    """Signatures (n_models, 10, n_components) and the number of columns of each point."""
    name = f"{family} {response} {n_points} {args.models} {args.owners}.npz".replace(" ", "_")
    path = args.cache / "calibration" / name
    if not path.exists():
        lime = LimeSignatureTransformer(
            load_digits().data / 16,
            n_reference=n_points,
            n_samples="auto",
            sampling="fractional",
            masker=ImageMasker(image_shape=(8, 8)),
            response=response,
            n_classes=10,
        )
        S = lime.fit_transform(zoo_of(family, args)).astype(np.float32)
        np.savez(path, S=S, n_columns=lime.plan_.n_columns)
        print(f"asked {len(S)} models: {family}, {response}, {n_points} points", flush=True)
    with np.load(path) as file:
        return file["S"].astype(float).reshape(len(file["S"]), 10, -1), file["n_columns"]


def sums_of(family, others, response, n_points, args):
    """Sums over points of the owners of one family with all models of another, and their copies.

    Shapes (n_owners, n_models, n_points, 3) and (n_owners, n_copies, n_points, 3).
    """
    owners, n_columns = signatures_of(family, response, n_points, args)
    models, _ = signatures_of(others, response, n_points, args)
    copies = owners[args.models :].reshape(args.owners, N_COPIES, *owners.shape[1:])

    def sums(owner, zoo):
        return np.stack([point_sums(owner, model, n_columns) for model in zoo])

    of_models = np.stack([sums(owner, models[: args.models]) for owner in owners[: args.owners]])
    return of_models, np.stack([sums(owner, zoo) for owner, zoo in zip(owners, copies)])


def distances_of(family, others, response, args):
    """Distances (n_owners, n_models) and (n_owners, n_copies)."""
    sums = sums_of(family, others, response, args.points, args)
    return tuple(cosine_distance(s.sum(axis=2)) for s in sums)


def _most_unrelated(args, n_suspects):
    """Size of the large null: 99, or what a quick run has."""
    return min(99, args.models - 1 - n_suspects)


def verdicts_of(detector, d):
    said = detector.predict(d)
    return [np.mean(said == verdict) for verdict in ("reused", "undecided", "unrelated")]


def judge(null, m, alpha, d_null, d_suspects, d_copies, args, threshold=None):
    """Shares of verdicts over owners and splits; None where the level is refused.

    d_null, d_suspects: (n_owners, n); the same array if null and suspects are of one family.
    """
    rng = np.random.default_rng(args.seed + m)
    of_unrelated, of_copies, doubtful = [], [], []
    for o in range(args.owners):
        others = np.delete(np.arange(args.models), o)  # without the owner's own model
        for _ in range(args.splits):
            order = rng.permutation(others)
            detector = ReuseDetector(alpha=alpha, null=null, correction=None, threshold=threshold)
            try:
                detector.fit(d_null[o, order[:m]])
            except ValueError:
                return None
            doubtful.append(detector.assumption_ is not None and detector.assumption_.doubtful)
            of_unrelated.append(verdicts_of(detector, d_suspects[o, order[m:]]))
            of_copies.append(verdicts_of(detector, d_copies[o]))
    U = np.reshape(of_unrelated, (args.owners, args.splits, 3))
    C = np.reshape(of_copies, (args.owners, args.splits, 3)).mean(axis=(0, 1))
    share = U.mean(axis=(0, 1))
    error = U[..., 0].mean(axis=1).std(ddof=1) / np.sqrt(args.owners)
    within = U[..., 0].std(axis=1, ddof=1).mean()
    return {
        "false-positive rate": share[0],
        "standard error": error,
        "deviation between nulls": within,
        "undecided": share[1],
        "unrelated": share[2],
        "copies reused": C[0],
        "copies undecided": C[1],
        "copies unrelated": C[2],
        "null doubtful": np.mean(doubtful),
    }


def row_of(head, found):
    if found is None:
        return {**head, "false-positive rate": "refused"}
    return {**head, **{key: f"{value:.4f}" for key, value in found.items()}}


def several_suspects(d, args, k=10, alpha=0.05):
    """Share of calls with k unrelated suspects in which any is called "reused"."""
    m = _most_unrelated(args, k)
    rng, hits = np.random.default_rng(args.seed + k), []
    for o in range(args.owners):
        others = np.delete(np.arange(args.models), o)
        for _ in range(args.splits):
            order = rng.permutation(others)
            for correction in ("fdr", None):
                detector = ReuseDetector(alpha=alpha, correction=correction).fit(d[o, order[:m]])
                hits.append("reused" in detector.predict(d[o, order[m : m + k]]))
    return np.reshape(hits, (-1, 2)).mean(axis=0)


def coverage(sums, copies, args):
    """How often the interval of the relative distance contains the one over everything."""
    rng, trials = np.random.default_rng(args.seed), args.trials
    for n_points in (16, 32) if args.quick else (16, 32, 128):
        for m in (5, 10, 20):
            hits, held = [], {"unrelated": [], "copy": []}
            for t in range(trials):
                o = t % args.owners
                others = rng.permutation(np.delete(np.arange(args.models), o))
                suspects = np.concatenate([sums[o, others[m : m + 1]], copies[o, [t % N_COPIES]]])
                pool = cosine_distance(suspects.sum(axis=1))
                truth = pool / cosine_distance(sums[o, np.sort(others)].sum(axis=1)).mean()
                points = rng.choice(sums.shape[2], n_points, replace=False)
                found = relative_from_sums(
                    suspects[:, points], sums[o, others[:m]][:, points], 0.95
                )
                inside = (found.low <= truth) & (truth <= found.high)
                held["unrelated"].append(inside[0])
                held["copy"].append(inside[1])
                hits.append(found.high / found.low)
            width = np.median(hits, axis=0)
            for kind, ratio in zip(held, width):
                yield {
                    "suspect": kind,
                    "points": n_points,
                    "unrelated models": m,
                    "trials": trials,
                    "held": f"{np.mean(held[kind]):.3f}",
                    "median high / low": f"{ratio:.2f}",
                }


def study(response, family, args):
    """Rows of calibration, of several suspects and of mismatch, for one family."""
    warnings.simplefilter("ignore")  # doubtful nulls are counted instead
    rows, mismatched = [], []
    head = {"response": response, "family": family}
    d, d_copies = distances_of(family, family, response, args)
    for null, m in NULLS:
        if m >= args.models - 1:
            continue
        for alpha in ALPHAS:
            found = judge(null, m, alpha, d, d, d_copies, args)
            rows.append(row_of({**head, "null": null, "m": m, "alpha": alpha}, found))
    found = judge("conformal", 10, 0.1, d, d, d_copies, args, threshold=1.0)
    rows.append(row_of({**head, "null": "threshold 1", "m": 10, "alpha": ""}, found))

    others = [np.delete(of_owner, o) for o, of_owner in enumerate(d)]
    below = np.mean([np.mean(of_owner < of_owner.mean()) for of_owner in others])
    some, each = (f"{share:.3f}" for share in several_suspects(d, args))
    several = {**head, "below 1": f"{below:.3f}", "any, fdr": some, "any, each": each}

    for other in args.families:
        if other != family:
            d_others, _ = distances_of(family, other, response, args)
            for null, m in (("conformal", _most_unrelated(args, 1)), ("lognormal", 10)):
                found = judge(null, m, 0.05, d, d_others, d_copies, args)
                about = {"suspects": other, "null": null, "m": m, "alpha": 0.05}
                mismatched.append(row_of({**head, **about}, found))
    for row in [*rows, several, *mismatched]:
        show(row)
    return rows, several, mismatched


def add_options(parser):
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--owners", type=int, default=4)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--pool", type=int, default=512)
    parser.add_argument("--images", type=int, default=1797, help="to train on, halves of them")
    parser.add_argument("--trials", type=int, default=400, help="of the coverage of intervals")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--responses", nargs="+", choices=RESPONSES, default=list(RESPONSES))
    parser.add_argument("--jobs", type=int, default=1)


def main(args):
    (args.cache / "calibration").mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # small networks stop early

    combinations = [(response, family) for response in args.responses for family in args.families]
    for response, family in combinations:
        signatures_of(family, response, args.points, args)
    found = joblib.Parallel(n_jobs=args.jobs)(
        joblib.delayed(study)(response, family, args) for response, family in combinations
    )
    rows, several, mismatched = zip(*found)
    write_table(args.results / "calibration.csv", [row for some in rows for row in some])
    write_table(args.results / "calibration_several.csv", several)
    mismatched = [row for some in mismatched for row in some]
    write_table(args.results / "calibration_mismatch.csv", mismatched)

    sums, copies = sums_of(COVERED, COVERED, "logit", args.pool, args)
    covered = []
    for row in coverage(sums, copies, args):
        covered.append({"family": COVERED, **row})
        show(covered[-1])
    write_table(args.results / "calibration_coverage.csv", covered)
