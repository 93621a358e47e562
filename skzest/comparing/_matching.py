# SPDX-License-Identifier: BSD-3-Clause
"""Which class of one model is matched to which class of another, as arithmetic on arrays.

Each of the four rules takes costs (n_pairs, D1, D2), the distances between the class rows of the
smaller model (D1) and those of the larger one (D2), and returns columns (n_pairs, D1): the class
of the larger model that each class of the smaller one is matched to. Costs are finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from .._validation import check_choice
from ._metrics import (
    Distance,
    distance_matrix,
    half_square_to_angle,
    row_lengths,
    row_squares,
    run_parallel,
    slices,
    unit_rows,
)
from ._signatures import Signatures

_CELLS = 2**20  # costs worked on at a time (8 MB)


# ---------------------------------------------------------------- the rules


def greedy(costs: np.ndarray) -> np.ndarray:
    """Take the smallest cell, strike its row and column, repeat; ties go to the first in row order.

    A cell that comes first in its row and in its column, by (cost, position), is taken sooner or
    later whatever happens elsewhere. So all such cells are taken at once: each time about half of
    those left.
    """
    n_pairs, n_rows, _ = costs.shape
    match = np.full((n_pairs, n_rows), -1)
    pair = np.arange(n_pairs)[:, None]
    # The rows and columns left in `costs`. Pairs with fewer than the others keep struck ones,
    # which cost inf.
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

        keep_r, keep_c = _left_first(row_left), _left_first(column_left)
        rows, row_left = rows[pair, keep_r], row_left[pair, keep_r]
        columns, column_left = columns[pair, keep_c], column_left[pair, keep_c]
        costs = costs[pair[:, :, None], keep_r[:, :, None], keep_c[:, None]]
        costs[~row_left] = np.inf
        costs.swapaxes(1, 2)[~column_left] = np.inf
    return match


def _left_first(left: np.ndarray) -> np.ndarray:
    """Positions (n_pairs, most) of what is left of each pair, in order: ties depend on it."""
    return np.argsort(~left, axis=1, kind="stable")[:, : left.sum(axis=1).max()]


def sequential(costs: np.ndarray) -> np.ndarray:
    """Rows choose in order, each the nearest column left."""
    match = np.empty(costs.shape[:2], dtype=np.intp)
    taken = np.zeros((len(costs), costs.shape[2]))
    pair = np.arange(len(costs))
    for row in range(costs.shape[1]):
        match[:, row] = (costs[:, row] + taken).argmin(axis=1)
        taken[pair, match[:, row]] = np.inf
    return match


def nearest(costs: np.ndarray) -> np.ndarray:
    """Each row chooses its nearest column, even one chosen before."""
    return costs.argmin(axis=2)


def optimal(costs: np.ndarray) -> np.ndarray:
    """The one-to-one match with the smallest sum of costs (Hungarian)."""
    return np.array([linear_sum_assignment(cost)[1] for cost in costs])


RULES = {"greedy": greedy, "sequential": sequential, "nearest": nearest, "optimal": optimal}
# Exchanging the two models gives another match; "optimal", where several have the smallest sum.
ORDER_DEPENDENT = ("sequential", "nearest", "optimal")


def check_alignment(alignment: object) -> None:
    """Refuse an unknown way of matching classes."""
    check_choice(alignment, "alignment", (*RULES, None))


# ---------------------------------------------------------------- class rows


class ClassRows(NamedTuple):
    """Class rows of models with the same number of classes D.

    For matching inside reference points each row is cut into pieces, one for each point;
    otherwise the row is the only piece.
    """

    members: np.ndarray  # (n_models,): positions in the array of signatures
    blocks: np.ndarray  # (n_models, D): the class blocks they have
    pieces: list[np.ndarray]  # of each point: (n_models, D, n_columns)
    lengths: np.ndarray  # (n_points, n_models, D): of the pieces
    columns: list[np.ndarray | slice]  # of each point: its components

    def cut(self, some: slice) -> ClassRows:
        """The same of some of the models."""
        pieces, lengths = [piece[some] for piece in self.pieces], self.lengths[:, some]
        return ClassRows(self.members[some], self.blocks[some], pieces, lengths, self.columns)

    def chosen(self, model: int, which: np.ndarray) -> np.ndarray:
        """Signature of a model, with the classes `which` (n_points, D_chosen) at each point."""
        whole = np.empty((which.shape[1], sum(piece.shape[2] for piece in self.pieces)))
        for piece, columns, classes in zip(self.pieces, self.columns, which):
            whole[:, columns] = piece[model, classes]
        return whole.ravel()


def class_rows(S: Signatures, points: np.ndarray | None = None) -> list[ClassRows]:
    """Cut signatures into class rows, grouped by how many classes a model has.

    With `points`, the reference point of each component, rows are cut by point as well.
    """
    columns: list[np.ndarray | slice] = [slice(None)]
    if points is not None:
        columns = [np.flatnonzero(points == point) for point in range(points.max() + 1)]
    counts, groups = S.present.sum(axis=1), []
    for n_classes in np.unique(counts[counts > 0]):
        members = np.flatnonzero(counts == n_classes)
        blocks = np.nonzero(S.present[members])[1].reshape(-1, n_classes)
        # No copy of a zoo in which no model lacks a class.
        rows = S.blocks if S.complete else S.blocks[members[:, None], blocks]
        pieces = [rows[:, :, of_point] for of_point in columns]
        lengths = np.stack([row_lengths(piece) for piece in pieces])
        groups.append(ClassRows(members, blocks, pieces, lengths, columns))
    return groups


def class_costs(R: ClassRows, S: ClassRows, point: int, distance: Distance) -> np.ndarray:
    """Distances between all class rows, or their pieces at a point, (n_R, D_R, n_S, D_S).

    A row of zeros has no direction: it counts as orthogonal to every other.
    """
    A, B = R.pieces[point], S.pieces[point]
    costs = distance_matrix(
        A.reshape(-1, A.shape[2]), B.reshape(-1, B.shape[2]), distance, n_jobs=1
    )
    if distance in ("cosine", "angular"):
        np.nan_to_num(costs, copy=False, nan=1.0 if distance == "cosine" else 0.5)
    elif callable(distance) and not np.isfinite(costs).all():
        raise ValueError(
            f"{distance!r} returned {costs[~np.isfinite(costs)][0]} for two class rows; to match "
            "classes it must return a finite number, also for a row of zeros."
        )
    return costs.reshape(*A.shape[:2], *B.shape[:2])


# ---------------------------------------------------------------- distances of aligned pairs


def aligned_matrix(
    X: Signatures,
    Y: Signatures | None,
    distance: Distance,
    alignment: str,
    points: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Distances (n_X, n_Y) between models after matching the classes of each pair.

    The model with fewer classes is the reference. If both have equally many, it is the first one
    or, where the order matters, whichever gives the smaller distance. With `Y` None the matrix is
    symmetric with zero diagonal. Pairs with a model without classes are NaN. With `points`, the
    reference point of each component, classes are matched inside each point.
    """
    D = np.full((len(X), len(X if Y is None else Y)), np.nan)
    groups, others = class_rows(X, points), None if Y is None else class_rows(Y, points)
    tiles = ((*tile, distance, alignment) for tile in _tiles(groups, others, callable(distance)))
    for i, j, values in run_parallel(_tile, tiles, n_jobs, threads=not callable(distance)):
        D[i, j] = values
        if Y is None:
            D[j, i] = values
    if Y is None:
        D[np.diag_indices_from(D)] = np.where(X.present.any(axis=1), 0.0, np.nan)
    return D


def _tiles(
    X: list[ClassRows], Y: list[ClassRows] | None, small: bool
) -> Iterator[tuple[ClassRows, ClassRows, bool, bool]]:
    """Yield (models, other models, swapped, whether only pairs in order are wanted)."""
    for g, R in enumerate(X):
        for S in X[g:] if Y is None else Y:
            # The models with fewer classes come first.
            swapped = R.blocks.shape[1] > S.blocks.shape[1]
            A, B = (S, R) if swapped else (R, S)
            side = 8 if small else _CELLS**0.5
            sizes = [max(1, int(side / Z.blocks.shape[1])) for Z in (A, B)]
            for a in slices(len(A.members), sizes[0]):
                for b in slices(len(B.members), sizes[1]):
                    triangle = Y is None and R is S
                    # If the last model of b comes after the first of a, there is a pair in order.
                    if not triangle or a.start < b.stop - 1:
                        yield A.cut(a), B.cut(b), swapped, triangle


def _tile(
    A: ClassRows, B: ClassRows, swapped: bool, triangle: bool, distance: Distance, alignment: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(i, j, distances) of the pairs of some models with some others; `A` are the references."""
    wanted = np.ones((len(A.members), len(B.members)), dtype=bool)
    a, b = np.nonzero(A.members[:, None] < B.members if triangle else wanted)
    both_ways = alignment in ORDER_DEPENDENT and A.blocks.shape[1] == B.blocks.shape[1]
    forward, backward = [], []
    for point in range(len(A.pieces)):
        costs = class_costs(A, B, point, distance)[a, :, b]  # (n_pairs, D_A, D_B)
        forward.append(match_classes(costs, alignment))
        if both_ways:
            backward.append(match_classes(costs.swapaxes(1, 2), alignment))
    values = _after_matching(A, B, a, b, forward, distance)
    if both_ways:
        values = np.fmin(values, _after_matching(B, A, b, a, backward, distance))
    i, j = A.members[a], B.members[b]
    return (j, i, values) if swapped else (i, j, values)


def match_classes(costs: np.ndarray, alignment: str) -> tuple[np.ndarray, np.ndarray]:
    """Matched classes and their costs, both (n_pairs, D1)."""
    which = RULES[alignment](costs)
    return which, np.take_along_axis(costs, which[:, :, None], axis=2)[:, :, 0]


def _after_matching(
    A: ClassRows,
    B: ClassRows,
    a: np.ndarray,
    b: np.ndarray,
    matches: list[tuple[np.ndarray, np.ndarray]],
    distance: Distance,
) -> np.ndarray:
    """Distances of whole models, (n_pairs,), from what `match_classes` gave for each point."""
    which = np.stack([columns for columns, _ in matches], axis=1)  # (n_pairs, n_points, D_A)
    if callable(distance):
        everything = np.broadcast_to(np.arange(which.shape[2]), which.shape[1:])
        pairs = (
            (A.chosen(i, everything), B.chosen(j, columns)) for i, j, columns in zip(a, b, which)
        )
        return np.array([float(distance(x, y)) for x, y in pairs])
    costs = np.hstack([costs for _, costs in matches])
    if distance == "cityblock":
        return costs.sum(axis=1)
    if distance == "chebyshev":
        return costs.max(axis=1)
    if distance == "euclidean":
        return row_lengths(costs)
    of_A = A.lengths[:, a].swapaxes(0, 1)
    of_B = np.take_along_axis(B.lengths[:, b].swapaxes(0, 1), which, axis=2)
    return _whole_angle(of_A.reshape(costs.shape), of_B.reshape(costs.shape), costs, distance)


def _whole_angle(A: np.ndarray, B: np.ndarray, costs: np.ndarray, distance: str) -> np.ndarray:
    """Cosine or angular distance of whole signatures from those of their rows.

    With lengths ``a_k, b_k`` of the rows, ``h_k`` their cosine distances and ``A, B`` the lengths
    of the wholes, ``1 - cos = |a/A - b/B|^2 / 2 + sum_k h_k a_k b_k / (A B)``: a sum of positive
    terms, so no digits are lost where models are close, and no row is read a second time.
    """
    h = costs if distance == "cosine" else 2 * np.sin(costs * (np.pi / 2)) ** 2
    A, B = unit_rows(A), unit_rows(B)  # NaN where all matched rows are zero
    whole = np.minimum(row_squares(A - B) / 2 + (h * A * B).sum(axis=1), 2.0)
    return whole if distance == "cosine" else half_square_to_angle(whole)
