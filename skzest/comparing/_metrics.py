# SPDX-License-Identifier: BSD-3-Clause
"""Distances between rows, as arithmetic on arrays of float64.

Rows are of moderate size (see `in_range`) and may hold NaN where a model lacks a class: such
columns are left out of every pair that has one. Zero rows have no direction, so their cosine is
NaN here; what that means is for the caller to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.utils.parallel import Parallel, delayed

Distance: TypeAlias = str | Callable[[np.ndarray, np.ndarray], float]

# These come from one matrix product; the others compare rows one by one.
_FROM_PRODUCTS = ("cosine", "angular", "euclidean")
DISTANCES = (*_FROM_PRODUCTS, "cityblock", "chebyshev")

# 1 - cos and x'x + y'y - 2x'y lose digits as rows come near. Below this share of the whole they
# are computed again from the difference, so 9 digits of any distance are right.
NEAR = 1e-6

# A row between these (largest absolute value) has a square, and so has any product of two,
# without overflow or underflow.
_LEAST, _MOST = 1e-100, 1e100

_CELLS = 2**16  # of a distance matrix that are worked on at a time: they fit a cache
_NUMBERS = 2**16  # of signatures that are gathered at a time: likewise


def check_distance(distance: Any) -> None:
    """Refuse what is neither the name of a distance nor a callable."""
    if callable(distance) or (isinstance(distance, str) and distance in DISTANCES):
        return
    other_names = {"l1": "cityblock", "manhattan": "cityblock", "l2": "euclidean"}
    other_names |= {"linf": "chebyshev", "max": "chebyshev", "cos": "cosine"}
    known = other_names.get(distance) if isinstance(distance, str) else None
    raise ValueError(
        f"distance must be one of {', '.join(map(repr, DISTANCES))} or a callable; got "
        f"{distance!r}." + (f" You may mean {known!r}." if known else "")
    )


def peaks(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest absolute value of each row, and which rows have missing values.

    The peak is inf if a value is infinite, and NaN if all are missing.
    """
    peak = np.maximum(X.max(axis=1), -X.min(axis=1))
    holes = np.isnan(peak)
    for i in np.flatnonzero(holes):  # max() stops at NaN; fmax is slower, but looks past it
        peak[i] = max(np.fmax.reduce(X[i]), -np.fmin.reduce(X[i]))
    return peak, holes


def in_range(
    distance: Distance, *sets: tuple[np.ndarray, np.ndarray]
) -> tuple[list[np.ndarray], float]:
    """Rows whose squares neither overflow nor vanish, and the unit of their distances.

    Takes sets of rows with their `peaks`. Multiplying by powers of two loses nothing. Directions
    do not notice it, so there each row has its own; lengths need one for all.
    """
    peak = np.concatenate([peak for _, peak in sets])
    peak = peak[peak > 0]
    if callable(distance) or not peak.size or _LEAST < peak.min() <= peak.max() < _MOST:
        return [rows for rows, _ in sets], 1.0
    if distance in ("cosine", "angular"):
        return [np.ldexp(rows, -np.frexp(peak)[1][:, None]) for rows, peak in sets], 1.0
    power = int(np.frexp(peak.max())[1])
    return [np.ldexp(rows, -power) for rows, _ in sets], math.ldexp(1.0, power)


def slices(n: int, size: int) -> Iterator[slice]:
    """Cut range(n) into pieces of `size`."""
    # sklearn's gen_batches checks its arguments for longer than a small piece takes.
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def spread(
    function: Callable, tasks: Iterable[tuple], n_jobs: int | None, *, threads: bool
) -> list:
    """Results of ``function(*task)`` in order. Pieces of work must not depend on `n_jobs`."""
    tasks = list(tasks)
    if n_jobs == 1 or len(tasks) < 2:
        return [function(*task) for task in tasks]
    parallel = Parallel(n_jobs=n_jobs, prefer="threads" if threads else None)
    return parallel(delayed(function)(*task) for task in tasks)


def row_squares(X: np.ndarray) -> np.ndarray:
    """Squared norm of each row, over the last axis."""
    # einsum neither copies X, as (X * X).sum() does, nor depends on the threads of a BLAS.
    return np.einsum("...j,...j->...", X, X)


def half_square_to_angle(h: np.ndarray) -> np.ndarray:
    """Angle / pi of two unit vectors from ``h = 1 - cos``, half their squared difference."""
    # arccos(1 - h) would keep of a small h only the digits that 1 - h has room for.
    return np.arcsin(np.sqrt(np.minimum(h, 2.0) / 2)) * (2 / np.pi)


# ---------------------------------------------------------------- one pair


def pair_distance(x: np.ndarray, y: np.ndarray, distance: Distance) -> float:
    """Distance of two rows (n_features,), with as little ceremony as possible.

    NaN if a row is zero, out of range or not finite: the caller knows what to do then.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        xx, yy = float(x.dot(x)), float(y.dot(y))
    if not (_LEAST**2 < xx < _MOST**2 and _LEAST**2 < yy < _MOST**2):
        return math.nan
    if callable(distance):
        return float(distance(x, y))
    if distance not in ("cosine", "angular"):
        gap = x - y
        if distance == "euclidean":
            return math.sqrt(gap.dot(gap))
        gap = np.abs(gap)
        return float(gap.sum() if distance == "cityblock" else gap.max())
    nx, ny = math.sqrt(xx), math.sqrt(yy)
    cos = float(x.dot(y)) / (nx * ny)
    if cos > 1 - NEAR:
        gap = x / nx - y / ny
        h = 0.5 * float(gap.dot(gap))
    else:
        h = min(1 - cos, 2.0)
    if distance == "cosine":
        return h
    if cos < NEAR - 1:  # nearly opposite: the angle to -y has the digits
        gap = x / nx + y / ny
        return 1 - math.asin(math.sqrt(gap.dot(gap)) / 2) * (2 / math.pi)
    return math.asin(math.sqrt(h / 2)) * (2 / math.pi)


# ---------------------------------------------------------------- all pairs


def distance_matrix(
    X: np.ndarray,
    Y: np.ndarray | None,
    distance: Distance,
    *,
    squares: tuple[np.ndarray, np.ndarray] | None = None,
    missing: bool = False,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Distances (n_X, n_Y) between rows; with `Y` None symmetric to the bit, with zero diagonal.

    Parameters
    ----------
    X, Y : ndarrays of shape (n, n_features)
    distance : one of `DISTANCES`, or a callable
    squares : the `row_squares` of both, if they are known
    missing : whether there are NaN. A pair without a common column is NaN.
    n_jobs : for row-by-row distances. It changes no bit.
    """
    if distance in _FROM_PRODUCTS:
        D = _by_products(X, Y, str(distance), squares, missing)
    else:
        D = _row_by_row(X, Y, distance, missing, n_jobs)
    if Y is None:
        np.fill_diagonal(D, 0.0)
    return D


def _by_products(X, Y, distance, squares, missing):
    same = Y is None
    Y = X if same else Y
    if missing:
        X0, Y0, XX, YY, strangers = _over_shared_columns(X, Y, same)
    else:
        XX = row_squares(X) if squares is None else squares[0]
        YY = XX if same else (row_squares(Y) if squares is None else squares[1])
        XX, YY = XX[:, None], YY[None, :]
        X0, Y0, strangers = X, Y, None
    # With one array twice, NumPy computes one triangle and mirrors it: half the work.
    D = X0 @ Y0.T
    unit = distance != "euclidean"
    if unit:
        XX, YY = np.sqrt(XX), np.sqrt(YY)
    XX, YY = np.broadcast_to(XX, D.shape), np.broadcast_to(YY, D.shape)
    near, opposite = [], []
    for rows in slices(len(D), max(1, _CELLS // D.shape[1])):
        block = D[rows]
        if unit:
            with np.errstate(invalid="ignore"):  # 0/0 of zero rows
                block /= XX[rows] * YY[rows]
            near.append(_cells(block > 1 - NEAR, rows.start, same))
            if distance == "angular":
                opposite.append(_cells(block < NEAR - 1, rows.start, same))
            np.subtract(1, block, out=block)
            np.clip(block, 0, 2, out=block)
            if distance == "angular":
                block[...] = half_square_to_angle(block)
        else:
            whole = XX[rows] + YY[rows]
            block *= -2
            block += whole
            near.append(_cells(block < NEAR * whole, rows.start, same))
            np.sqrt(np.maximum(block, 0, out=block), out=block)

    for i, j, square in _square_gaps(X, Y, near, unit=unit, sign=-1, missing=missing):
        _put(D, i, j, _FROM_SQUARE[distance](square), same)
    for i, j, square in _square_gaps(X, Y, opposite, unit=unit, sign=1, missing=missing):
        _put(D, i, j, 1 - _FROM_SQUARE["angular"](square), same)
    if strangers is not None:
        D[strangers] = np.nan
    return D


# Distances from the squared gap of two rows (of two unit vectors, for the first two).
_FROM_SQUARE: dict[str, Callable] = {
    "cosine": lambda square: square / 2,
    "angular": lambda square: half_square_to_angle(square / 2),
    "euclidean": np.sqrt,
}


def _over_shared_columns(X, Y, same):
    """Rows with 0 for NaN, their squares over the columns shared with each other row, and
    which pairs share none.

    Zeros drop out of products by themselves. The squares are sums over the runs of columns that
    come and go together (class blocks, as a rule), so no row is copied for its partner.
    """
    runs = _runs(X, Y, same)
    filled, sums, has = [], [], []
    for Z in (X,) if same else (X, Y):
        Z0 = np.nan_to_num(Z, nan=0.0)
        batches = slices(len(Z), max(1, _NUMBERS // Z.shape[1]))
        sums.append(np.vstack([np.add.reduceat(Z0[b] ** 2, runs, axis=1) for b in batches]))
        has.append((~np.isnan(Z[:, runs])).astype(float))
        filled.append(Z0)
    XX = sums[0] @ has[-1].T
    YY = XX.T if same else has[0] @ sums[-1].T
    return filled[0], filled[-1], XX, YY, has[0] @ has[-1].T == 0


def _runs(X, Y, same):
    """First columns of the runs of columns that every row has, or lacks, together."""
    edges = np.zeros(X.shape[1], dtype=bool)
    edges[0] = True
    for Z in (X,) if same else (X, Y):
        for batch in slices(len(Z), max(1, _NUMBERS // Z.shape[1])):
            gone = np.isnan(Z[batch])
            edges[1:] |= (gone[:, 1:] != gone[:, :-1]).any(axis=0)
    return np.flatnonzero(edges)


def _cells(mask, first_row, same):
    i, j = np.nonzero(mask)
    i += first_row
    return (i[i < j], j[i < j]) if same else (i, j)


def _put(D, i, j, value, same):
    D[i, j] = value
    if same:
        D[j, i] = value


def _square_gaps(X, Y, cells, *, unit, sign, missing) -> Iterator:
    """Yield (i, j, |x_i + sign y_j|^2), of unit vectors if `unit`, a few cells at a time."""
    for i, j in cells:
        for batch in slices(len(i), max(1, _NUMBERS // X.shape[1])):
            x, y = X[i[batch]], Y[j[batch]]
            if missing:
                gone = np.isnan(x) | np.isnan(y)
                x[gone] = y[gone] = 0.0
            if unit:
                # Norms of these very rows, so that equal rows are equal unit vectors.
                x /= np.sqrt(row_squares(x))[:, None]
                y /= np.sqrt(row_squares(y))[:, None]
            x += sign * y
            yield i[batch], j[batch], row_squares(x)


def _row_by_row(X, Y, distance, missing, n_jobs):
    same = Y is None
    Y = X if same else Y
    runs = _runs(X, Y, same) if missing else None
    some_rows, size = (_called, 8) if callable(distance) else (_compared, 64)
    if n_jobs == 1:
        return some_rows(X, Y, distance, same, runs)
    D = np.empty((len(X), len(Y)))
    batches = list(slices(len(X), size))
    tasks = ((X[b], Y[b.start :] if same else Y, distance, same, runs) for b in batches)
    # SciPy lets go of the GIL; a callable may not.
    blocks = spread(some_rows, tasks, n_jobs, threads=not callable(distance))
    for b, block in zip(batches, blocks):
        if same:
            D[b.start :, b] = block.T
            D[b, b.start :] = block
        else:
            D[b] = block
    return D


def _compared(X, Y, distance, same, runs):
    """Rows of the distance matrix, by SciPy, for each pair of patterns of NaN."""
    if runs is None:
        return cdist(X, Y, distance)
    D = np.full((len(X), len(Y)), np.nan)
    widths = np.diff(runs, append=X.shape[1])
    for here, has_x in _patterns(X[:, runs]):
        for there, has_y in _patterns(Y[:, runs]):
            shared = np.repeat(has_x & has_y, widths)
            if shared.any():
                D[np.ix_(here, there)] = cdist(
                    X[np.ix_(here, shared)], Y[np.ix_(there, shared)], distance
                )
    return D


def _patterns(Z):
    """(rows, columns that they have) for every pattern of NaN."""
    patterns, which = np.unique(~np.isnan(Z), axis=0, return_inverse=True)
    for number, has in enumerate(patterns):
        yield np.flatnonzero(which.ravel() == number), has


def _called(X, Y, distance, same, runs):
    """Rows of the distance matrix, by a callable; if `same`, X are the first rows of Y."""
    D = np.zeros((len(X), len(Y)))
    for i, x in enumerate(X):
        for j in range(i + 1 if same else 0, len(Y)):
            y = Y[j]
            shared = slice(None) if runs is None else ~(np.isnan(x) | np.isnan(y))
            # An empty pair has nothing to ask about.
            D[i, j] = float(distance(x[shared], y[shared])) if x[shared].size else np.nan
            if same and j < len(X):
                D[j, i] = D[i, j]
    return D
