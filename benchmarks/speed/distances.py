# SPDX-License-Identifier: BSD-3-Clause
"""What do distances and alignment cost, compared with the bare matrix products inside them?

Measured in turn within one run:

- a zoo: ``zest_distances(S)`` against ``S @ S.T`` (NumPy computes half of the product, here and
  inside skzest), and ``zest_distances(S, T)`` against ``S @ T.T``;
- alignment: ``zest_distances(S, T, alignment=...)`` with many classes against one product of class
  rows per pair, ``A @ B.T``, and, for a few pairs, against the greedy match written as a plain
  double loop;
- one pair of rows, which ``metric=`` slots request by the million, against three inner
  products.

The table shows median ratios. Machines are noisy, so compare only ratios within one run. On a busy
machine use ``--threads 1 --cpu-time``: BLAS threads that wait for each other make wall-clock times
meaningless.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._common import machine, seconds, versions, write_table
from skzest import zest_distances

TAKES = "3 min"
NEEDS = "no data"
QUICK = {"models": 60, "pairs": 4, "repeats": 1}
ROW = "{:34} {:>12} {:>12} {:>8}"


def zoo(n_models, n_classes, n_components):
    """(name, ours, bare, in how many pieces) for whole matrices."""
    rng = np.random.default_rng(0)
    S = rng.normal(size=(n_models, n_classes * n_components))
    T = rng.normal(size=S.shape)
    torn = S.reshape(n_models, n_classes, -1).copy()
    torn[rng.random((n_models, n_classes)) < 0.1] = np.nan
    torn[:, 0] = S.reshape(torn.shape)[:, 0]  # so that every pair shares a class
    torn = torn.reshape(S.shape)
    copies = S.copy()
    for k in range(0, n_models // 10 * 10, 10):  # families of ten near-copies
        copies[k + 1 : k + 10] = S[k] + 1e-4 * S[k + 1 : k + 10]
    for name, call in {
        "cosine": lambda: zest_distances(S),
        "angular": lambda: zest_distances(S, distance="angular"),
        "euclidean": lambda: zest_distances(S, distance="euclidean"),
        "cosine, a tenth of classes missing": lambda: zest_distances(torn, n_classes=n_classes),
        "cosine, families of near copies": lambda: zest_distances(copies),
    }.items():
        yield name, call, lambda: S @ S.T, 1
    yield "cosine, to other models", lambda: zest_distances(S, T), lambda: S @ T.T, 1


def plain_alignment(A, B):
    """Cosine distance after the greedy match, written out as plain loops."""
    costs = np.empty((len(A), len(B)))
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            costs[i, j] = 1 - a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)
    match = np.empty(len(A), dtype=int)
    for _ in range(len(A)):
        i, j = np.unravel_index(np.argmin(costs), costs.shape)
        match[i] = j
        costs[i, :] = costs[:, j] = np.inf
    x, y = A.ravel(), B[match].ravel()
    return 1 - x @ y / np.sqrt(x @ x) / np.sqrt(y @ y)


def alignments(n_pairs, n_classes, n_components):
    """(name, ours, bare, pairs) for each rule, and for the loop."""
    n_rows = max(1, round((n_pairs / 1.6) ** 0.5))
    n_columns = max(1, n_pairs // n_rows)
    rng = np.random.default_rng(0)
    A = rng.normal(size=(n_rows, n_classes, n_components))
    B = rng.normal(size=(n_columns, n_classes, n_components))
    B[0] = A[0] + 0.1 * rng.normal(size=A[0].shape)  # a copy among strangers
    S, T = A.reshape(n_rows, -1), B.reshape(n_columns, -1)

    def bare():
        for a in A:
            for b in B:
                a @ b.T

    for alignment in ("greedy", "sequential", "nearest", "optimal"):

        def ours(alignment=alignment):
            return zest_distances(S, T, n_classes=n_classes, alignment=alignment)

        yield f"{alignment}, c = {n_components}", ours, bare, n_rows * n_columns
    D = zest_distances(S[:1], T[:2], n_classes=n_classes, alignment="greedy")[0]
    if not np.allclose(D, [plain_alignment(A[0], b) for b in B[:2]]):
        raise RuntimeError("the plain loop aligns differently")
    yield (
        f"greedy as a plain loop, c = {n_components}",
        lambda: [plain_alignment(A[0], b) for b in B[:2]],
        lambda: [A[0] @ b.T for b in B[:2]],
        len(B[:2]),
    )


def pairs(n_features):
    """(name, ours, bare, 1) for one pair of rows."""
    x, y = np.random.default_rng(0).normal(size=(2, n_features))
    for distance in ("cosine", "angular"):

        def ours(distance=distance):
            return zest_distances(x, y, distance=distance)

        yield (
            f"{distance}, {n_features} columns",
            lambda ours=ours: [ours() for _ in range(200)],
            lambda: [(x.dot(x), y.dot(y), x.dot(y)) for _ in range(200)],
            200,
        )


def measure(title, cases, repeats, clock, rows):
    """Print a table of medians, and append it to `rows`."""
    print(f"\n{ROW.format(title, 'bare [ms]', 'ours [ms]', 'ratio')}")
    cases = list(cases)
    taken: dict[str, list] = {name: [] for name, *_ in cases}
    for _, ours, bare, _ in cases:  # one warm-up call: pages, threads, caches
        ours(), bare()
    for _ in range(repeats):
        for name, ours, bare, pieces in cases:
            without, with_ = seconds(bare, clock), seconds(ours, clock)
            taken[name].append((without / pieces * 1e3, with_ / pieces * 1e3, with_ / without))
    for name, times in taken.items():
        without, with_, ratio = (median(column) for column in zip(*times))
        print(ROW.format(name, f"{without:.4g}", f"{with_:.4g}", f"{ratio:.2f}"))
        rows.append(
            {"table": title, "case": name, "bare_ms": without, "ours_ms": with_, "ratio": ratio}
        )


def add_options(parser):
    parser.add_argument("--models", type=int, default=1000, help="signatures in the zoo")
    parser.add_argument("--pairs", type=int, default=1000, help="pairs to align")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--threads", type=int, help="BLAS threads; by default as many as BLAS likes"
    )
    parser.add_argument(
        "--cpu-time", action="store_true", help="processor time instead of wall-clock time"
    )


def main(args):
    n_models, n_pairs, repeats = args.models, args.pairs, args.repeats
    clock = time.process_time if args.cpu_time else time.perf_counter
    print(
        f"{time.strftime('%Y-%m-%d')}, {machine()}, {versions()}; medians of {repeats}, "
        f"{args.threads or 'default'} BLAS threads, "
        f"{'processor' if args.cpu_time else 'wall-clock'} time"
    )
    rows: list[dict] = []
    settings = (repeats, clock, rows)
    with threadpool_limits(args.threads, "blas"):
        measure(f"{n_models} signatures of 10 x 1792", zoo(n_models, 10, 1792), *settings)
        for n_classes, n_components in [(100, 256), (100, 1792), (10, 1792)]:
            cases = alignments(n_pairs, n_classes, n_components)
            measure(f"{n_classes} classes, per pair", cases, *settings)
        for n_features in (1000, 17920):
            measure("one pair of rows", pairs(n_features), *settings)
    write_table(args.results / "distances.csv", rows)
