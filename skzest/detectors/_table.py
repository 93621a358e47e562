# SPDX-License-Identifier: BSD-3-Clause
"""Distances to one model: one for each other model, or a row of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._points import is_frame
from .._validation import counted, listed
from ._decisions import check_distance_names
from ._relative import check_distances

__all__ = ["Table", "check_column", "check_columns"]


class Table(NamedTuple):
    """Distances of unrelated models.

    Attributes
    ----------
    distances : ndarray of shape (n_unrelated,) or (n_unrelated, n_distances)
    names : tuple of str
        Of several distances; empty for one.
    column : str or None
        Name of a single distance, if it has one.
    """

    distances: np.ndarray
    names: tuple[str, ...] = ()
    column: str | None = None

    @classmethod
    def of(cls, X: Any, name: str) -> Table:
        """Distances as numbers; a single column counts as one distance."""
        if _has_several_columns(X):
            return _several(X, name)
        return cls(check_distances(X, name), column=str(X.columns[0]) if is_frame(X) else None)

    @classmethod
    def named(cls, distances: np.ndarray, names: tuple[str, ...], name: str) -> Table:
        """Columns with names; a single one counts as one distance."""
        if len(names) == 1:
            return cls(check_distances(distances, name), column=names[0])
        return _checked(cls(distances, names))

    def rows(self, which: np.ndarray) -> Table:
        """Only some of the models."""
        return self._replace(distances=self.distances[which])


def _has_several_columns(X: ArrayLike) -> bool:
    try:
        shape = np.shape(X)
    except ValueError:  # rows of different lengths: refused as numbers
        return False
    return len(shape) == 2 and shape[1] > 1


def _several(X: ArrayLike, name: str) -> Table:
    names = _names(X, np.shape(X)[1])
    repeated = sorted({column for column in names if names.count(column) > 1})
    if repeated:
        raise ValueError(f"{name} has several columns {repeated[0]!r}; give each its own name.")
    check_distance_names(names, name)
    D = _numbers(X, name)
    if D.shape[0] == D.shape[1] and np.allclose(D, D.T, equal_nan=True):
        raise ValueError(
            f"{name} must hold the distances to one model, or one column for each of several "
            f"distances; got a symmetric matrix of shape {D.shape}. If it holds the distances "
            "between models, pass the owner's row."
        )
    return _checked(Table(D, names))


def _checked(table: Table) -> Table:
    for column, d in zip(table.names, table.distances.T):
        known = d[~np.isnan(d)]
        if not len(known):
            raise ValueError(
                f"{column!r} is NaN for all {counted(len(d), 'unrelated model')}. Is the owner's "
                "model constant, or of another kind than all of them? Leave the column out."
            )
        if len(known) < 2 or not known.mean() > 0:
            models = counted(len(known), "unrelated model")
            raise ValueError(
                f"{column!r} has mean {known.mean():.3g} for {models}; each "
                "distance must be known for at least 2, and positive on average. Leave the column "
                "out."
            )
    return table


def check_column(X: Any, name: str, column: str | None) -> np.ndarray:
    """One distance of other models: that of fit, if both are frames."""
    if column is not None and is_frame(X) and [*map(str, X.columns)] != [column]:
        raise ValueError(
            f"{name} has the columns {listed(map(str, X.columns))}; expected that of fit: "
            f"{column}. If it is the same distance, rename it, or pass an array."
        )
    return check_distances(X, name, finite=False)


def check_columns(X: Any, name: str, names: Sequence[str]) -> np.ndarray:
    """The same distances of other models, in the same order: by name for a frame."""
    n = len(names)
    if np.ndim(X) != 2 or np.shape(X)[1] != n:
        raise ValueError(
            f"{name} has shape {np.shape(X)}; expected (n_suspects, {n}): {listed(names)}, as in "
            "fit. A single suspect is one row: [[...]]."
        )
    if is_frame(X):
        columns = _names(X, n)
        if set(columns) != set(names):
            raise ValueError(
                f"{name} has the columns {listed(columns)}; expected those of fit: {listed(names)}."
            )
        X = X.iloc[:, [columns.index(column) for column in names]]
    return _numbers(X, name)


def _numbers(X: ArrayLike, name: str) -> np.ndarray:
    D = np.asarray(check_array(X, dtype=np.float64, ensure_all_finite=False, input_name=name))
    if np.isinf(D).any():
        i, k = np.argwhere(np.isinf(D))[0].tolist()
        raise ValueError(
            f"{name}[{i}, {k}] is {D[i, k]}, but distances are finite. Pass NaN where one is "
            "undefined."
        )
    return D


def _names(X: Any, n: int) -> tuple[str, ...]:
    if is_frame(X):
        return tuple(map(str, X.columns))
    return tuple(f"distance {i}" for i in range(n))
