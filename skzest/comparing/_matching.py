# SPDX-License-Identifier: BSD-3-Clause
"""Which class of one model meets which class of another, as arithmetic on arrays.

The four rules take costs (n_pairs, D1, D2), the distances between the class rows of the smaller
model (D1) and those of the larger (D2), and give columns (n_pairs, D1): the class of the larger
that each class of the smaller meets. Costs are finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._metrics import Distance, distance_matrix, half_square_to_angle, row_squares, slices, spread

_CELLS = 2**20  # costs that are worked on at a time (8 MB)


# ---------------------------------------------------------------- the rules


def greedy(costs: np.ndarray) -> np.ndarray:
    """Smallest cell of all, strike its row and column, again; ties go to the first in row order.

    A cell that comes first in its row and in its column, by (cost, position), is taken sooner or
    later whatever happens elsewhere. So all such cells are taken at once: about half of those
    that are left, each time.
    """
    n_pairs, n_rows, _ = costs.shape
    match = np.full((n_pairs, n_rows), -1)
    pair = np.arange(n_pairs)[:, None]
    # Names of the rows and columns that are left in `costs`. Pairs with fewer than the others
    # are filled up with struck ones, which cost inf.
    rows = np.broadcast_to(np.arange(n_rows), (n_pairs, n_rows))
    columns = np.broadcast_to(np.arange(costs.shape[2]), (n_pairs, costs.shape[2]))
    row_left, column_left = np.ones(rows.shape, dtype=bool), np.ones(columns.shape, dtype=bool)
    while row_left.any():
        nearest = costs.argmin(axis=2)
        back = np.take_along_axis(costs.argmin(axis=1), nearest, axis=1)
        p, r = np.nonzero((back == np.arange(rows.shape[1])) & row_left)
        c = nearest[p, r]
        match[p, rows[p, r]] = columns[p, c]
        row_left[p, r] = column_left[p, c] = False

        # Stable, so that what is left stays in order: ties depend on it.
        keep_r = np.argsort(~row_left, axis=1, kind="stable")[:, : row_left.sum(axis=1).max()]
        keep_c = np.argsort(~column_left, axis=1, kind="stable")
        keep_c = keep_c[:, : column_left.sum(axis=1).max()]
        rows, row_left = rows[pair, keep_r], row_left[pair, keep_r]
        columns, column_left = columns[pair, keep_c], column_left[pair, keep_c]
        costs = costs[pair, keep_r][
            pair[:, :, None], np.arange(rows.shape[1])[:, None], keep_c[:, None]
        ]
        costs[~row_left] = np.inf
        costs.swapaxes(1, 2)[~column_left] = np.inf
    return match


def sequential(costs: np.ndarray) -> np.ndarray:
    """Rows in order, each takes the nearest column that is left."""
    match = np.empty(costs.shape[:2], dtype=np.intp)
    taken = np.zeros((len(costs), costs.shape[2]))
    pair = np.arange(len(costs))
    for row in range(costs.shape[1]):
        match[:, row] = (costs[:, row] + taken).argmin(axis=1)
        taken[pair, match[:, row]] = np.inf
    return match


def nearest(costs: np.ndarray) -> np.ndarray:
    """Each row takes its nearest column, taken or not."""
    return costs.argmin(axis=2)


def optimal(costs: np.ndarray) -> np.ndarray:
    """The one-to-one match with the smallest sum of costs (Hungarian)."""
    return np.array([linear_sum_assignment(cost)[1] for cost in costs])


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "greedy": greedy,
    "sequential": sequential,
    "nearest": nearest,
    "optimal": optimal,
}
# Looking from the other model gives another match, and not only where costs are tied.
ORDER_DEPENDENT = ("sequential", "nearest")


def check_method(method: Any, name: str) -> None:
    """Refuse an unknown way to match classes."""
    if method is not None and not (isinstance(method, str) and method in METHODS):
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, METHODS))} or None; got {method!r}."
        )


# ---------------------------------------------------------------- class rows


class ClassRows(NamedTuple):
    """Class rows of models that have equally many classes.

    Matching inside reference points sees each row in `n_points` pieces, filled up with zeros to
    the length of the longest; else there is one piece, the row.
    """

    members: np.ndarray  # (n_models,): positions in the array of signatures
    blocks: np.ndarray  # (n_models, D): the class blocks that are there
    rows: np.ndarray  # (n_points, n_models, D, n_columns)
    squares: np.ndarray  # (n_points, n_models, D): of the norms
    columns: np.ndarray | None  # (n_points, n_columns): components; -1 is filling

    def cut(self, models: slice) -> ClassRows:
        """The same of some of the models."""
        return ClassRows(
            self.members[models],
            self.blocks[models],
            self.rows[:, models],
            self.squares[:, models],
            self.columns,
        )

    def chosen(self, model: int, which: np.ndarray) -> np.ndarray:
        """Rows (D_chosen, n_components) of a model, chosen by `which` (n_points, D_chosen)."""
        pieces = np.take_along_axis(self.rows[:, model], which[:, :, None], axis=1)
        if self.columns is None:
            return pieces[0]
        whole = np.empty((which.shape[1], self.columns.max() + 2), dtype=pieces.dtype)
        whole[:, self.columns] = pieces.swapaxes(0, 1)
        return whole[:, :-1]  # the filling went there


def columns_by_point(points: np.ndarray) -> np.ndarray:
    """Components of each reference point, (n_points, n_columns), filled up with -1."""
    _, which = np.unique(points, return_inverse=True)
    counts = np.bincount(which)
    columns = np.full((len(counts), counts.max()), -1)
    for point, row in enumerate(columns):
        row[: counts[point]] = np.flatnonzero(which == point)
    return columns


def class_rows(X: np.ndarray, present: np.ndarray, columns: np.ndarray | None) -> list[ClassRows]:
    """Cut signatures into class rows, grouped by how many classes a model has.

    Parameters
    ----------
    X : ndarray of shape (n_models, n_classes * n_components)
    present : bool ndarray of shape (n_models, n_classes)
    columns : what `columns_by_point` gives, or None
    """
    blocks_of_all = X.reshape(*present.shape, -1)
    counts = present.sum(axis=1)
    groups = []
    for n_classes in np.unique(counts[counts > 0]):
        members = np.flatnonzero(counts == n_classes)
        blocks = np.nonzero(present[members])[1].reshape(-1, n_classes)
        if len(members) == len(X) and n_classes == present.shape[1]:
            rows = blocks_of_all  # no copy of a zoo without holes
        else:
            rows = blocks_of_all[members[:, None], blocks]
        if columns is None:
            rows = rows[None]
        else:
            filled = np.concatenate([rows, np.zeros((*rows.shape[:2], 1))], axis=2)
            rows = np.ascontiguousarray(np.moveaxis(filled[:, :, columns], 2, 0))
        groups.append(ClassRows(members, blocks, rows, row_squares(rows), columns))
    return groups


def class_costs(R: ClassRows, S: ClassRows, point: int, distance: Distance) -> np.ndarray:
    """Distances between all class rows, or their pieces at a point, (n_R, D_R, n_S, D_S).

    A zero row has no direction: it counts as at a right angle to every other.
    """
    # A callable is not shown the filling.
    used = slice(None) if R.columns is None else slice((R.columns[point] >= 0).sum())
    costs = distance_matrix(
        R.rows[point].reshape(-1, R.rows.shape[-1])[:, used],
        S.rows[point].reshape(-1, S.rows.shape[-1])[:, used],
        distance,
        squares=(R.squares[point].ravel(), S.squares[point].ravel()),
        n_jobs=1,
    )
    if distance in ("cosine", "angular"):
        np.nan_to_num(costs, copy=False, nan=1.0 if distance == "cosine" else 0.5)
    elif callable(distance) and not np.isfinite(costs).all():
        raise ValueError(
            f"{distance!r} returned {costs[~np.isfinite(costs)][0]} for two class rows; to match "
            "classes it must return a finite number, also for a row of zeros."
        )
    return costs.reshape(*R.squares.shape[1:], *S.squares.shape[1:])


# ---------------------------------------------------------------- distances of aligned pairs


def aligned_matrix(
    X: list[ClassRows],
    Y: list[ClassRows] | None,
    shape: tuple[int, int],
    distance: Distance,
    method: str,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Distances `shape` between models after matching the classes of each pair.

    The model with fewer classes is the reference; of two with equally many it is the first, or,
    where the order matters, whichever gives the smaller distance. With `Y` None the matrix is
    symmetric and its diagonal 0. Pairs with a model without classes are NaN.
    """
    D = np.full(shape, np.nan)
    tiles = ((*tile, distance, method) for tile in _tiles(X, Y, callable(distance)))
    for i, j, values in spread(_tile, tiles, n_jobs, threads=not callable(distance)):
        D[i, j] = values
        if Y is None:
            D[j, i] = values
    if Y is None:
        for group in X:
            D[group.members, group.members] = 0.0
    return D


def _tiles(X, Y, small) -> Iterator[tuple[ClassRows, ClassRows, bool, bool]]:
    """Yield (models, other models, swapped, whether only pairs in order are wanted)."""
    for g, R in enumerate(X):
        for S in X[g:] if Y is None else Y:
            # The model with fewer classes first.
            swapped = R.blocks.shape[1] > S.blocks.shape[1]
            A, B = (S, R) if swapped else (R, S)
            side = 8 if small else _CELLS**0.5
            sizes = [max(1, int(side / Z.blocks.shape[1])) for Z in (A, B)]
            for a in slices(len(A.members), sizes[0]):
                for b in slices(len(B.members), sizes[1]):
                    triangle = Y is None and R is S
                    # The last model of b comes after the first of a: there is a pair in order.
                    if not triangle or a.start < b.stop - 1:
                        yield A.cut(a), B.cut(b), swapped, triangle


def _tile(A, B, swapped, triangle, distance, method):
    """(i, j, distances) of the pairs of some models with some others; `A` are the references."""
    a, b = np.nonzero(
        A.members[:, None] < B.members
        if triangle
        else np.ones((len(A.members), len(B.members)), dtype=bool)
    )
    both_ways = method in ORDER_DEPENDENT and A.blocks.shape[1] == B.blocks.shape[1]
    forward, backward = [], []
    for point in range(len(A.rows)):
        costs = class_costs(A, B, point, distance)[a, :, b]  # (n_pairs, D_A, D_B)
        forward.append(match_classes(costs, method))
        if both_ways:
            backward.append(match_classes(costs.swapaxes(1, 2), method))
    values = _after_matching(A, B, a, b, forward, distance)
    if both_ways:
        values = np.fmin(values, _after_matching(B, A, b, a, backward, distance))
    i, j = A.members[a], B.members[b]
    return (j, i, values) if swapped else (i, j, values)


def match_classes(costs: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Classes that are met, and at what cost, both (n_pairs, D1)."""
    which = METHODS[method](costs)
    return which, np.take_along_axis(costs, which[:, :, None], axis=2)[:, :, 0]


def _after_matching(A, B, a, b, met, distance):
    """Distances of whole models, (n_pairs,), from what `match_classes` gave for each point."""
    which = np.stack([columns for columns, _ in met], axis=1)  # (n_pairs, n_points, D_A)
    if callable(distance):
        everything = np.broadcast_to(np.arange(which.shape[2]), which.shape[1:])
        return [
            float(distance(A.chosen(i, everything).ravel(), B.chosen(j, columns).ravel()))
            for i, j, columns in zip(a, b, which)
        ]
    costs = np.hstack([costs for _, costs in met])
    if distance == "cityblock":
        return costs.sum(axis=1)
    if distance == "chebyshev":
        return costs.max(axis=1)
    if distance == "euclidean":
        return np.sqrt(row_squares(costs))
    A_squares = A.squares[:, a].swapaxes(0, 1)
    B_squares = np.take_along_axis(B.squares[:, b].swapaxes(0, 1), which, axis=2)
    A_norms, B_norms = np.sqrt(A_squares), np.sqrt(B_squares)
    return _whole_angle(A_norms.reshape(costs.shape), B_norms.reshape(costs.shape), costs, distance)


def _whole_angle(A, B, costs, distance):
    """Cosine or angular distance of whole signatures from those of their rows.

    With norms ``a_k, b_k`` of the rows, ``h_k`` their cosine distances and ``A, B`` the norms of
    the wholes, ``1 - cos = |a/A - b/B|^2 / 2 + sum_k h_k a_k b_k / (A B)``: a sum of positive
    terms, so that nothing is lost where models are near, and no row is read a second time.
    """
    h = costs if distance == "cosine" else 2 * np.sin(costs * (np.pi / 2)) ** 2
    with np.errstate(invalid="ignore"):  # 0/0: all that was met is zero
        A = A / np.sqrt(row_squares(A))[:, None]
        B = B / np.sqrt(row_squares(B))[:, None]
    whole = np.minimum(row_squares(A - B) / 2 + (h * A * B).sum(axis=1), 2.0)
    return whole if distance == "cosine" else half_square_to_angle(whole)
