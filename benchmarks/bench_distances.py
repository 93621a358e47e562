# SPDX-License-Identifier: BSD-3-Clause
"""What distances and alignment cost beside the bare matrix products inside them.

    python benchmarks/bench_distances.py [--models 1000] [--pairs 1000] [--repeats 7]
        [--threads N] [--cpu-time] [--csv FILE]

In one run and in turn:

- a zoo: ``zest_distances(S)`` beside ``S @ S.T`` (NumPy computes half of that, as it does inside),
  and ``zest_distances(S, T)`` beside ``S @ T.T``;
- alignment: ``zest_distances(S, T, alignment=...)`` of many classes, beside one product of class
  rows per pair, ``A @ B.T``, and, for a few pairs, beside the greedy match as a plain double loop
  (norms, cosines, then smallest cell after smallest cell);
- one pair of rows, as ``metric=`` slots ask for by the million, beside its three inner products.

Prints medians of ratios. Machines are noisy: only ratios within one run count. Where others work
on the same cores, ``--threads 1 --cpu-time`` counts the time of the processor instead of the
clock: threads of a BLAS that wait for each other take any time. ``--quick`` is for a look whether
all of it works.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from skzest import zest_distances

ROW = "{:34} {:>12} {:>12} {:>8}"


def seconds(call, clock):
    """Time of one call."""
    start = clock()
    call()
    return clock() - start


def zoo(n_models, n_classes, n_components):
    """(name, ours, bare, in how many pieces) for whole matrices."""
    rng = np.random.default_rng(0)
    S = rng.normal(size=(n_models, n_classes * n_components))
    T = rng.normal(size=S.shape)
    torn = S.reshape(n_models, n_classes, -1).copy()
    torn[rng.random((n_models, n_classes)) < 0.1] = np.nan
    torn[:, 0] = S.reshape(torn.shape)[:, 0]  # there is always something in common
    torn = torn.reshape(S.shape)
    copies = S.copy()
    for k in range(0, n_models // 10 * 10, 10):  # families of ten that can hardly be told apart
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
    """Cosine distance after the greedy match, as one would write it down."""
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

    for method in ("greedy", "sequential", "nearest", "optimal"):

        def ours(method=method):
            return zest_distances(S, T, n_classes=n_classes, alignment=method)

        yield f"{method}, c = {n_components}", ours, bare, n_rows * n_columns
    D = zest_distances(S[:1], T[:2], n_classes=n_classes, alignment="greedy")[0]
    if not np.allclose(D, [plain_alignment(A[0], b) for b in B[:2]]):
        raise RuntimeError("the plain loop aligns otherwise")
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
    for _, ours, bare, _ in cases:  # once unseen: pages, threads, caches
        ours(), bare()
    for _ in range(repeats):
        for name, ours, bare, pieces in cases:
            without, with_ = seconds(bare, clock), seconds(ours, clock)
            taken[name].append((without / pieces * 1e3, with_ / pieces * 1e3, with_ / without))
    for name, times in taken.items():
        without, with_, ratio = (median(column) for column in zip(*times))
        print(ROW.format(name, f"{without:.4g}", f"{with_:.4g}", f"{ratio:.2f}"))
        rows.append([title, name, without, with_, ratio])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=1000, help="signatures in the zoo")
    parser.add_argument("--pairs", type=int, default=1000, help="pairs to align")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, help="for the BLAS; left to itself by default")
    parser.add_argument("--cpu-time", action="store_true", help="time of the processor")
    parser.add_argument("--csv", help="file to write the table to")
    parser.add_argument("--quick", action="store_true", help="small, and only once")
    args = parser.parse_args()
    n_models, n_pairs, repeats = args.models, args.pairs, args.repeats
    if args.quick:
        n_models, n_pairs, repeats = 60, 12, 1

    clock = time.process_time if args.cpu_time else time.perf_counter
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, NumPy "
        f"{np.__version__}; medians of {repeats}, {args.threads or 'default'} BLAS threads, "
        f"{'processor' if args.cpu_time else 'wall-clock'} time"
    )
    rows: list[list] = []
    settings = (repeats, clock, rows)
    with threadpool_limits(args.threads, "blas"):
        measure(f"{n_models} signatures of 10 x 1792", zoo(n_models, 10, 1792), *settings)
        for n_classes, n_components in [(100, 256), (100, 1792), (10, 1792)]:
            cases = alignments(n_pairs, n_classes, n_components)
            measure(f"{n_classes} classes, per pair", cases, *settings)
        for n_features in (1000, 17920):
            measure("one pair of rows", pairs(n_features), *settings)
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["table", "case", "bare_ms", "ours_ms", "ratio"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
