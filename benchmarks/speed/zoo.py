# SPDX-License-Identifier: BSD-3-Clause
"""What do the signatures, pictures and report of a zoo of 1,000 models of digits cost?

The models are small: in each of 40 families one was trained, on a fourth of the digits, and the
others are it with noise on its weights.

- a row for signatures, map, heat map and report, with the stress of the map beside that of
  scikit-learn's SMACOF from the same start, and the size of the report;
- the five nearest of ten suspects among 5,000 signatures, with ``nearest_models`` and by way of
  the full matrix: time, peak of the memory allocated, and the largest difference of a distance.

Times are of the wall and of the processor; on a busy machine only the latter mean something.
"""

from __future__ import annotations

import copy
import time
import tracemalloc
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import KernelPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import smacof
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks._common import machine, seconds, versions, write_table
from skzest import (
    ImageMasker,
    LimeSignatureTransformer,
    ZestDistanceDisplay,
    ZooMapDisplay,
    html_report,
    nearest_models,
    zest_distances,
)
from skzest.displays._scaling import stress

TAKES = "1 min"
NEEDS = "matplotlib; no data"
QUICK = {"models": 60, "many": 200}
N_FAMILIES, N_SUSPECTS, N_NEIGHBORS = 40, 10, 5
ROW = "{:34} {:>8} {:>10} {:>10}  {}"


def relatives(n_models, seed):
    """Points of digits, small models of them, and the family of each."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    zoo, families = [], []
    for family, members in enumerate(np.array_split(np.arange(n_models), N_FAMILIES)):
        some = rng.choice(len(X), len(X) // 4, replace=False)
        model = MLPClassifier((24,), max_iter=30, random_state=family)
        if family % 2:
            model = LogisticRegression(C=0.01)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # good enough to differ
            model.fit(X[some], y[some])
        zoo += [noisy(model, rng.uniform(0.01, 0.6), rng) for _ in members]
        families += [f"{type(model).__name__} {family}"] * len(members)
    return X, zoo, families


def noisy(model, strength, rng):
    """The model with noise on its weights, in units of their deviation."""
    other = copy.deepcopy(model)
    for W in [other.coef_] if hasattr(other, "coef_") else other.coefs_:
        W += strength * W.std() * rng.normal(size=W.shape)
    return other


class Clock:
    """Measures calls and keeps a row of each."""

    def __init__(self):
        self.rows = []

    def measure(self, what, n_models, call, said=lambda result: {}):
        """The result of a call; `said` gives further columns."""
        found = []
        cpu = time.process_time()
        wall = seconds(lambda: found.append(call()))
        row = {"what": what, "models": n_models, "seconds": wall}
        row |= {"cpu_seconds": time.process_time() - cpu, **said(found[0])}
        self.rows.append(row)
        more = ", ".join(f"{key} {value:.3g}" for key, value in [*row.items()][4:])
        print(ROW.format(what, n_models, f"{wall:.2f}", f"{row['cpu_seconds']:.2f}", more))
        return found[0]


def pictures(clock, n_models, seed):
    """Signatures, the map, the heat map and the report of one zoo."""
    X, zoo, families = relatives(n_models, seed)
    names = [f"{family}, model {i}" for i, family in enumerate(families)]
    masker = ImageMasker(image_shape=(8, 8))
    lime = LimeSignatureTransformer(
        X, n_reference=16, n_samples=64, sampling="fractional", masker=masker
    )
    S = clock.measure("signatures", n_models, lambda: lime.fit_transform(zoo))
    D = clock.measure("distances", n_models, lambda: zest_distances(S))
    of = {"labels": names, "groups": families}
    clock.measure(
        "map",
        n_models,
        lambda: ZooMapDisplay.from_distances(D, **of),
        lambda display: {"stress": display.stress_},
    )
    start = KernelPCA(2, kernel="precomputed", random_state=0).fit_transform(-0.5 * D * D)
    clock.measure(
        "scikit-learn's SMACOF, one start",
        n_models,
        lambda: smacof(D, init=start, n_init=1, eps=1e-6, normalized_stress=False)[0],
        lambda X: {"stress": stress(D, X)},
    )
    clock.measure("heat map", n_models, lambda: ZestDistanceDisplay.from_distances(D, **of))
    clock.measure(
        "report",
        n_models,
        lambda: html_report(S, lime, **of),
        lambda page: {"megabytes": len(str(page).encode()) / 1e6},
    )
    plt.close("all")
    return S


def nearest(clock, S, n_models, seed):
    """The nearest of a few suspects among many models, without and with the full matrix."""
    rng = np.random.default_rng(seed)
    zoo = np.resize(S, (n_models, S.shape[1])) + 0.1 * S.std() * rng.normal(size=(n_models, 1))
    zoo += 0.1 * S.std() * rng.normal(size=zoo.shape)
    chosen = rng.choice(n_models, N_SUSPECTS, replace=False)

    def by_blocks():
        return nearest_models(zoo, zoo[chosen], n_neighbors=N_NEIGHBORS)[0]

    def by_matrix():
        return np.sort(zest_distances(zoo)[chosen], axis=1)[:, :N_NEIGHBORS]

    expected = by_matrix()
    for what, call in {"nearest_models": by_blocks, "the full matrix": by_matrix}.items():
        clock.measure(
            f"{N_SUSPECTS} suspects, {what}",
            n_models,
            call,
            lambda found, call=call: {
                "peak_mebibytes": peak(call),
                "largest_difference": np.abs(found - expected).max(),
            },
        )


def peak(call):
    """The most memory that a call holds at a time, in MiB."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def add_options(parser):
    parser.add_argument("--models", type=int, default=1000, help="in the pictures")
    parser.add_argument(
        "--many", type=int, default=5000, help="models of the search for the nearest"
    )
    parser.add_argument("--threads", type=int, default=2, help="of BLAS")


def main(options):
    matplotlib.use("agg")
    print(machine(), versions(), sep="\n")
    print(ROW.format("", "models", "seconds", "cpu", ""))
    clock = Clock()
    with threadpool_limits(options.threads):
        S = pictures(clock, options.models, options.seed)
        nearest(clock, S, options.many, options.seed)
    write_table(options.results / "zoo.csv", clock.rows)
