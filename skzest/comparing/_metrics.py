# SPDX-License-Identifier: BSD-3-Clause
"""Distances between rows, as arithmetic on arrays of float64.

Rows may hold NaN where a model lacks a class; a pair leaves out the columns that either row lacks.
A row of zeros has no direction, so its cosine is NaN here; the caller decides what that means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np
from scipy.spatial.distance import cdist, chebyshev, cityblock, euclidean
from sklearn.utils.parallel import Parallel, delayed

from .._validation import check_choice

Distance: TypeAlias = str | Callable[[np.ndarray, np.ndarray], float]
# Which class blocks the models X and Y have, each (n_models, n_classes).
Present: TypeAlias = tuple[np.ndarray, np.ndarray]

# One matrix product gives these for all pairs; the others compare rows one by one.
_FROM_PRODUCTS = ("cosine", "angular", "euclidean")
DISTANCES = (*_FROM_PRODUCTS, "cityblock", "chebyshev")

# 1 - cos and x'x + y'y - 2x'y lose digits as rows approach each other. Below this share of the
# whole they are computed again from the difference, so 9 digits of any distance are right.
NEAR = 1e-6

# Squared lengths in between: their products neither overflow nor underflow.
_LEAST, _MOST = 1e-100, 1e100

_CELLS = 2**16  # cells of a distance matrix worked on at a time: they fit a cache
_NUMBERS = 2**16  # coefficients gathered at a time, for the same reason


def check_distance(distance: object) -> None:
    """Refuse anything but the name of a distance or a callable."""
    if callable(distance):
        return
    synonyms = {"l1": "cityblock", "manhattan": "cityblock", "l2": "euclidean"}
    synonyms |= {"linf": "chebyshev", "max": "chebyshev"}
    ours = synonyms.get(distance) if isinstance(distance, str) else None
    remedy = f"Did you mean {ours!r}?" if ours else "A callable of two rows works too."
    check_choice(distance, "distance", DISTANCES, remedy)


def slices(n: int, size: int) -> Iterator[slice]:
    """Cut range(n) into pieces of `size`."""
    # sklearn's gen_batches spends more time on checks than a small piece takes.
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def run_parallel(
    function: Callable, tasks: Iterable[tuple], n_jobs: int | None, *, threads: bool
) -> list:
    """Results of ``function(*task)``, in the order of the tasks."""
    tasks = list(tasks)
    if n_jobs == 1 or len(tasks) < 2:
        return [function(*task) for task in tasks]
    parallel = Parallel(n_jobs=n_jobs, prefer="threads" if threads else None)
    return parallel(delayed(function)(*task) for task in tasks)


# ---------------------------------------------------------------- rows


def row_squares(X: np.ndarray) -> np.ndarray:
    """Squared length of each row, over the last axis."""
    # einsum neither copies X, as (X * X).sum() does, nor depends on the threads of a BLAS.
    return np.einsum("...j,...j->...", X, X)


def in_range(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows whose squares neither overflow nor vanish.

    Returns
    -------
    rows : ndarray, of the shape of `X`
        `X` itself if all its rows are ordinary; else with largest absolute values from 1 to 2.
    unit : ndarray, one number per row
        What each row was divided by.
    lengths : ndarray, one number per row
        Lengths of `rows`; those of `X` are ``unit * lengths``.
    """
    squares = row_squares(X)
    unit = np.ones_like(squares)
    if not ((squares > _LEAST) & (squares < _MOST)).all():
        unit = power_of_two(np.abs(X).max(axis=-1, initial=0.0))
        X = X / unit[..., None]
        squares = row_squares(X)
    return X, unit, np.sqrt(squares)


def power_of_two(peak: np.ndarray) -> np.ndarray:
    """The next power of two below each number: dividing by it loses no digits. 1/2 for 0."""
    return np.ldexp(0.5, np.frexp(peak)[1])


def row_lengths(X: np.ndarray) -> np.ndarray:
    """Length of each row, over the last axis."""
    _, unit, lengths = in_range(X)
    return unit * lengths


def unit_rows(X: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, over the last axis; rows of zeros become NaN."""
    rows, _, lengths = in_range(X)
    with np.errstate(invalid="ignore"):
        return rows / lengths[..., None]


def half_square_to_angle(h: np.ndarray) -> np.ndarray:
    """Angle / pi of two unit vectors from ``h = 1 - cos``, half their squared difference."""
    # arccos(1 - h) would keep only those digits of a small h that 1 - h has room for.
    return np.arcsin(np.sqrt(np.minimum(h, 2.0) / 2)) * (2 / np.pi)


def paired_distances(X: np.ndarray, Y: np.ndarray, distance: str) -> np.ndarray:
    """Cosine, angular or Euclidean distance of each row of `X` from the same row of `Y`.

    Computed from differences, so that all digits of small distances are right.
    """
    if distance == "euclidean":
        unit = power_of_two(np.maximum(np.abs(X).max(axis=1), np.abs(Y).max(axis=1)))[:, None]
        return unit[:, 0] * row_lengths(X / unit - Y / unit)
    x, y = unit_rows(X), unit_rows(Y)
    opposite = np.einsum("ij,ij->i", x, y) < 0
    y[opposite] *= -1.0  # the angle to -y has the digits
    h = row_squares(x - y) / 2
    if distance == "cosine":
        return np.where(opposite, 2.0 - h, h)
    angle = half_square_to_angle(h)
    return np.where(opposite, 1.0 - angle, angle)


# ---------------------------------------------------------------- all pairs


def distance_matrix(
    X: np.ndarray,
    Y: np.ndarray | None,
    distance: Distance,
    *,
    present: Present | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Distances (n_X, n_Y) between rows; with `Y` None symmetric to the bit, with zero diagonal.

    Parameters
    ----------
    X, Y : ndarrays of shape (n, n_features)
    distance : one of `DISTANCES`, or a callable
    present : which class blocks both sides have, or None if there is no NaN. A pair without a
        common class is NaN.
    n_jobs : for distances that compare rows one by one
    """
    if distance in _FROM_PRODUCTS:
        D = _by_products(X, Y, str(distance), present)
    else:
        D = _row_by_row(X, Y, distance, present is not None, n_jobs)
    if Y is None:
        np.fill_diagonal(D, 0.0)
    return D


def _by_products(
    X: np.ndarray, Y: np.ndarray | None, distance: str, present: Present | None
) -> np.ndarray:
    """One matrix product for all pairs; those that lose digits by it are computed again."""
    sides = [in_range(Z if present is None else np.nan_to_num(Z)) for Z in _both(X, Y)]
    (A, unit_a, a), (B, unit_b, b) = sides[0], sides[-1]
    # With one array twice, NumPy computes one triangle and mirrors it: half the work.
    D = A @ B.T
    if present is None:
        a, b = np.broadcast_to(a[:, None], D.shape), np.broadcast_to(b, D.shape)
    else:
        a, b = _shared_lengths(A, B, *present, same=Y is None)
    near = []
    with np.errstate(divide="ignore", invalid="ignore"):  # rows of zeros
        for rows in slices(len(D), max(1, _CELLS // D.shape[1])):
            block, p, q = D[rows], a[rows], b[rows]
            block /= p * q
            if distance == "euclidean":
                lost = _cosine_to_length(block, unit_a[rows, None] * p, unit_b * q)
            else:
                lost = _cosine_to_angle(block, distance)
            i, j = np.nonzero(lost)
            near.append((i + rows.start, j))
    i, j = map(np.concatenate, zip(*near))
    _repair(D, X, Y, i, j, distance)
    return D


def _both(X: np.ndarray, Y: np.ndarray | None) -> list[np.ndarray]:
    return [X] if Y is None else [X, Y]


def _shared_lengths(
    A: np.ndarray, B: np.ndarray, has_a: np.ndarray, has_b: np.ndarray, *, same: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of both rows of each pair over the classes that both have."""
    of_a, of_b = (row_squares(Z.reshape(*has.shape, -1)) for Z, has in ((A, has_a), (B, has_b)))
    squares_a = of_a @ has_b.T.astype(float)
    squares_b = squares_a.T if same else has_a.astype(float) @ of_b.T
    # What is this small beside the rest of its row has no digits left: 0 has it computed again.
    a, b = (np.sqrt(np.where(S < _LEAST, 0.0, S)) for S in (squares_a, squares_b))
    return a, b


def _cosine_to_angle(block: np.ndarray, distance: str) -> np.ndarray:
    """Turn cosines into distances in place; return where that loses digits."""
    lost = ~(np.abs(block) <= 1 - NEAR)  # NaN too
    if distance == "cosine":
        np.subtract(1, block, out=block)
    else:
        np.divide(np.arccos(block, out=block), np.pi, out=block)
    return lost


def _cosine_to_length(block: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The same for Euclidean distances of rows of lengths `p` and `q`."""
    most = np.maximum(p, q)
    p, q = p / most, q / most
    block *= -2 * p * q
    block += p * p + q * q
    lost = ~(block >= NEAR)
    np.multiply(np.sqrt(block, out=block), most, out=block)
    return lost


def _repair(
    D: np.ndarray, X: np.ndarray, Y: np.ndarray | None, i: np.ndarray, j: np.ndarray, distance: str
) -> None:
    """Compute cells (i, j) again, from the difference of the two rows."""
    if Y is None:
        i, j = i[i < j], j[i < j]
    for some in slices(len(i), max(1, _NUMBERS // X.shape[1])):
        a, b = i[some], j[some]
        x, y = X[a], (X if Y is None else Y)[b]
        gone = np.isnan(x) | np.isnan(y)
        x[gone] = y[gone] = 0.0
        D[a, b] = np.where(gone.all(axis=1), np.nan, paired_distances(x, y, distance))
        if Y is None:
            D[b, a] = D[a, b]


# ---------------------------------------------------------------- row by row

OF_PAIR = {"euclidean": euclidean, "cityblock": cityblock, "chebyshev": chebyshev}


def _row_by_row(
    X: np.ndarray, Y: np.ndarray | None, distance: Distance, holes: bool, n_jobs: int | None
) -> np.ndarray:
    # SciPy releases the GIL; a callable may not.
    threads = not callable(distance) and not holes
    tasks = ((X, Y, distance, holes, rows) for rows in slices(len(X), 64 if threads else 8))
    D = np.concatenate(run_parallel(_some_rows, tasks, n_jobs, threads=threads))
    if Y is None:
        lower = np.tril_indices(len(D), -1)
        D[lower] = D.T[lower]
    return D


def _some_rows(
    X: np.ndarray, Y: np.ndarray | None, distance: Distance, holes: bool, rows: slice
) -> np.ndarray:
    """Some rows of the matrix; without `Y`, only what is right of the diagonal."""
    others = X if Y is None else Y
    if not holes and not callable(distance):
        first = 0 if Y is not None else rows.start
        return np.pad(cdist(X[rows], others[first:], distance), ((0, 0), (first, 0)))
    of_pair = distance if callable(distance) else OF_PAIR[distance]
    D = np.full((rows.stop - rows.start, len(others)), np.nan)
    for i, x in enumerate(X[rows], start=rows.start):
        for j in range(i + 1 if Y is None else 0, len(others)):
            shared = ~(np.isnan(x) | np.isnan(others[j]))
            if shared.any():
                D[i - rows.start, j] = float(of_pair(x[shared], others[j][shared]))
    return D
