# SPDX-License-Identifier: BSD-3-Clause
"""How many questions does a zoo need until it is known which of its models are near each other?

Ten networks of digits, each with two relatives (ten epochs more, 30 % pruned), are put to plans of
128 points, a different one for each seed. The truth is the distances over all 1,797 digits under
the same design. Thresholds: in the gap between related and unrelated pairs, above all pairs but a
few, and at the median of the unrelated pairs, where every model has pairs that are hard to decide;
as one number, or as two that are 25 % below and above it. With two, a decision for a distance
between them is never wrong.
"""

from __future__ import annotations

import warnings
from copy import deepcopy

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks._common import show, write_table
from benchmarks.questions.stopping import transformer
from skzest import model_distances, sequential_distances

TAKES = "2 min"
NEEDS = "no data"
QUICK = {"seeds": 1, "owners": 3, "points": 16, "truth": 40}


def add_options(parser):
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--owners", type=int, default=10, help="a third of the models")
    parser.add_argument("--points", type=int, default=128, help="of each plan")
    parser.add_argument("--truth", type=int, default=1797, help="points of the true distances")


def family(X, y, seed):
    """A network, the same after ten more epochs, and the same with 30 % of its weights gone."""
    hidden, activation = [((64,), "relu"), ((32, 32), "tanh")][seed % 2]
    half = slice(seed // 2 % 2, None, 2)
    owner = MLPClassifier(hidden, activation=activation, random_state=seed, max_iter=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        owner.fit(X[half], y[half])
    further, pruned = deepcopy(owner), deepcopy(owner)
    for _ in range(10):
        further.partial_fit(X[half], y[half])
    cut = np.quantile(np.abs(np.concatenate([w.ravel() for w in owner.coefs_])), 0.3)
    pruned.coefs_ = [w * (np.abs(w) > cut) for w in owner.coefs_]
    return [owner, further, pruned]


def main(args):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    zoo = [model for seed in range(args.owners) for model in family(X, y, seed)]
    truth = model_distances(zoo, transformer(X, args.seed, args.truth))
    pairs = np.triu_indices(len(zoo), 1)
    related = np.arange(len(zoo)) // 3 == (np.arange(len(zoo)) // 3)[:, None]
    kin, strangers = truth[pairs][related[pairs]], truth[pairs][~related[pairs]]
    print(f"{len(zoo)} models; related {kin.min():.4f} to {kin.max():.4f}, ", end="")
    print(f"unrelated {strangers.min():.3f} to {strangers.max():.3f}")
    thresholds = {
        "in the gap": float(np.sqrt(kin.max() * strangers.min())),
        "above nearly all": float(np.quantile(strangers, 0.99)),
        "at the median": float(np.median(strangers)),
    }
    settings = [(t, n, f) for t in thresholds for n in (1, 2) for f in ("pair", "zoo")]
    rows = []
    for seed in range(args.seed + 1, args.seed + args.seeds + 1):
        plan = transformer(X, seed, args.points).fit(zoo[:1]).plan_
        for where, n_numbers, level_for in settings:
            value = thresholds[where]
            ends = (value, value) if n_numbers == 1 else (value / 1.25, value * 1.25)
            result = sequential_distances(
                zoo, plan, threshold=ends, level_for=level_for, n_classes=10
            )
            wrong = (result.near & (truth > ends[1])) | (result.far & (truth < ends[0]))
            rows.append(
                {
                    "threshold": where,
                    "value": value,
                    "numbers": n_numbers,
                    "level for": level_for,
                    "asked": 1 - result.saved,
                    "models asked less": np.mean(result.n_reference < len(plan)),
                    "undecided": np.mean(result.undecided[pairs]),
                    "wrong": np.mean(wrong[pairs]),
                    "any wrong": float(wrong[pairs].any()),
                }
            )
    table = list(by_setting(rows))
    show(list(table[0]))
    for row in table:
        show(row)
    write_table(args.results / "stopping_zoo.csv", table)


def by_setting(rows):
    """Means over seeds."""
    names = ("threshold", "value", "numbers", "level for")
    for cell in dict.fromkeys(tuple(row[name] for name in names) for row in rows):
        some = [row for row in rows if tuple(row[name] for name in names) == cell]
        means = {key: float(np.mean([r[key] for r in some])) for key in list(rows[0])[4:]}
        yield {**dict(zip(names, cell)), "plans": len(some), **means}
