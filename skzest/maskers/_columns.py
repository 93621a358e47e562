# SPDX-License-Identifier: BSD-3-Clause
"""Columns of tables: their names, their groups, their statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .._points import Points, is_frame
from ._base import is_scalar

__all__ = [
    "FILLS",
    "check_one_hot",
    "codes_of",
    "column_parts",
    "most_frequent",
    "number_statistic",
    "one_each",
    "positions_in",
]

FILLS = ("mean", "median", "mode", "zero")


def positions_in(table: Points) -> Callable[[object], int]:
    """A function from a column's name or index to its position."""
    n_columns = table.shape[1]
    names = list(table.columns) if is_frame(table) else []

    def position(name: object) -> int:
        if isinstance(name, Integral) and not isinstance(name, (bool, np.bool_)):
            if 0 <= int(name) < n_columns:
                return int(name)
            raise ValueError(f"there is no column {name}; the reference has {n_columns}.")
        if name not in names:
            known = f"its columns are {names}" if names else "an array's columns have no names"
            raise ValueError(f"there is no column {name!r} in the reference; {known}.")
        return names.index(name)

    return position


def column_parts(groups: Sequence, n_columns: int, position: Callable) -> np.ndarray:
    """Label of each column: one per group and one per ungrouped column, in column order."""
    owner = len(groups) + np.arange(n_columns)
    taken = np.zeros(n_columns, dtype=bool)
    for g, group in enumerate(groups):
        if is_scalar(group) or len(group) == 0:
            raise ValueError(
                f"groups holds {group!r}; it must be a list of lists of columns, such as "
                "[[0, 1], [4]], none of them empty."
            )
        for name in group:
            j = position(name)
            if taken[j]:
                raise ValueError(f"column {name!r} is named twice in groups; give it to one group.")
            owner[j], taken[j] = g, True
    _, first, label = np.unique(owner, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label]


def number_statistic(column: np.ndarray, name: str) -> Any:
    """One of `FILLS` of a numeric column, ignoring NaN; rounded if it holds integers."""
    if name == "zero":
        return 0
    if column.dtype.kind == "f":
        column = column[~np.isnan(column)]
    if column.size == 0:
        return np.nan
    if name == "mode":
        values, counts = np.unique(column, return_counts=True)
        return values[np.argmax(counts)]
    value = column.mean(dtype=np.float64) if name == "mean" else np.median(column)
    if column.dtype.kind == "f":
        return value
    # A float near 2**63 may be outside the range of the dtype; the values of the column are not.
    return min(max(round(float(value)), int(column.min())), int(column.max()))


def codes_of(table: Points, columns: np.ndarray) -> np.ndarray:
    """Columns of one code as floats, NaN where they are missing."""
    try:
        if is_frame(table):
            return table.iloc[:, columns].to_numpy(dtype=np.float64, na_value=np.nan)
        return table[:, columns].astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"one_hot holds columns {list(table.columns[columns])} that are not numeric. A column "
            "of categories is already one part: leave it out of one_hot."
        ) from None


def check_one_hot(codes: np.ndarray) -> None:
    """Refuse columns that are not one-hot codes."""
    missing = np.isnan(codes)
    wrong = ~np.isin(codes, (0, 1)) & ~missing
    several = np.nansum(codes, axis=1) > 1
    bad = np.flatnonzero(wrong.any(axis=1) | several)
    if bad.size:
        raise ValueError(
            f"one_hot holds a group whose columns are {codes[bad[0]].tolist()} in row {bad[0]} of "
            "the reference; they must be 0 or 1, at most one of them 1. Give columns that are "
            "merely hidden together in groups=."
        )


def most_frequent(codes: np.ndarray) -> list[int]:
    """The code of the most frequent category, the first of several; "none" counts as one."""
    known = codes[~np.isnan(codes).any(axis=1)]
    counts = known.sum(axis=0)
    n_none = len(known) - counts.sum()
    code = np.zeros(codes.shape[1], dtype=int)
    if counts.max(initial=0) >= n_none and len(known):
        code[np.argmax(counts)] = 1
    return code.tolist()


def one_each(values: Any, n_columns: int) -> list:
    """Values of a fill, one for each column."""
    if is_frame(values):
        values = [values.iloc[0, j] for j in range(values.shape[1])] if len(values) == 1 else []
    n_values = 1 if is_scalar(values) else len(values)
    if is_scalar(values) or n_values != n_columns:
        raise ValueError(
            f"fill has {n_values} values for {n_columns} columns; give one for each, or a dict of "
            "column: value for some."
        )
    return list(values)
