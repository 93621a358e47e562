# SPDX-License-Identifier: BSD-3-Clause
"""Rows of DataFrames: their fills and masked copies, in the dtypes of the columns.

pandas is imported inside functions, which are only called with a DataFrame.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .._points import Point, Points, is_frame
from ._base import is_scalar

__all__ = ["check_frame", "fingerprint", "frame_row", "kind_of", "other_statistic", "render_frame"]


def kind_of(dtype: object) -> str:
    """NumPy's letter for the kind of a dtype; dtypes of pandas have one, too."""
    return getattr(dtype, "kind", "O")


def fingerprint(point: Point) -> bytes:
    """Bytes that are equal for rows of equal values."""
    if not is_frame(point):
        return np.ascontiguousarray(point).tobytes()
    # The values as text: their layout in memory depends on the version of pandas.
    return repr([str(point.iloc[0, j]) for j in range(point.shape[1])]).encode("utf-8", "replace")


def check_frame(frame: Points) -> None:
    """Refuse a DataFrame of which no masked copies can be made."""
    if 0 in frame.shape:
        raise ValueError(
            f"TabularMasker got a DataFrame of shape {frame.shape}; it needs at least one row "
            "and one column."
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"the DataFrame has several columns {twice!r}; give each its own name.")
    for j, dtype in enumerate(frame.dtypes):
        kind = kind_of(dtype)
        name = frame.columns[j]
        if kind == "c":
            raise ValueError(f"column {name!r} holds complex numbers; Complex data not supported.")
        if hasattr(dtype, "fill_value") and hasattr(dtype, "subtype"):  # pandas.SparseDtype
            raise TypeError(
                f"column {name!r} is sparse ({dtype}); masked copies are dense. "
                "Give frame.sparse.to_dense()."
            )
        if kind == "f" and np.isinf(frame.iloc[:, j].to_numpy(np.float64, na_value=0)).any():
            raise ValueError(f"column {name!r} holds infinite values. Replace them; NaN may stay.")


def other_statistic(column: Any, name: str) -> Any:
    """A statistic of a column of categories, dates or durations without missing values."""
    if len(column) == 0:
        return np.nan
    if name != "mode":
        return column.median() if name == "median" else column.mean()
    try:
        # Not Series.mode(): it warns where values have no order, as in columns of mixed types.
        counts = column.value_counts(sort=False)
        modes = counts.index[counts == counts.max()]
    except TypeError:
        raise ValueError(
            f"column {column.name!r} holds values that cannot be counted (such as lists), so it "
            "has no mode. Give its fill: fill={column: value}."
        ) from None
    try:
        return modes.sort_values()[0]
    except TypeError:
        return modes[0]


def frame_row(values: list, like: Points) -> Point:
    """A DataFrame of one row with these values, in the columns and dtypes of another."""
    import pandas as pd

    cells = [_cell(value, like.iloc[:, j]) for j, value in enumerate(values)]
    row = pd.concat(cells, axis=1)
    row.columns = like.columns
    return row


def _cell(value: Any, column: Any) -> Any:
    """A Series of one value in the dtype of the column, refused if that changes the value."""
    import pandas as pd

    dtype = column.dtype
    missing = is_scalar(value) and bool(pd.isna(value))
    try:
        with np.errstate(over="ignore"):
            if missing or _suits(value, dtype):
                rounded = round(value) if kind_of(dtype) in "iu" and not missing else value
                cell = pd.Series([rounded], dtype=dtype)
                infinite = kind_of(dtype) == "f" and not missing and np.isinf(cell.iloc[0])
                # pandas makes True of NaN in a bool column.
                if bool(cell.isna().iloc[0]) == missing and not infinite:
                    return cell
    except (TypeError, ValueError, OverflowError):
        pass
    choice = f" (categories {list(dtype.categories)})" if hasattr(dtype, "categories") else ""
    raise ValueError(
        f"fill value {value!r} does not fit column {column.name!r} of dtype {dtype}{choice}. "
        "Choose one that does; fill={column: value} gives each column its own."
    )


def _suits(value: object, dtype: Any) -> bool:
    """False where pandas would parse, cast or drop the value instead of refusing it."""
    if kind_of(dtype) in "iuf":
        return isinstance(value, Real)
    if kind_of(dtype) == "b":
        return value in (0, 1)
    if hasattr(dtype, "categories"):
        return value in dtype.categories
    return isinstance(value, str) or getattr(dtype, "type", None) is not str


def render_frame(point: Point, parts: np.ndarray, fill: Point, masks: np.ndarray) -> Points:
    """Masked copies of a row, column by column, since each has a dtype of its own."""
    import pandas as pd

    rows = pd.concat([fill, point], ignore_index=True)
    keep = np.asarray(masks)[:, parts].astype(np.intp)  # 0: the row of fill, 1: the point
    columns = [
        rows.iloc[:, j].take(keep[:, j]).reset_index(drop=True) for j in range(keep.shape[1])
    ]
    copies = pd.concat(columns, axis=1)
    copies.columns = point.columns
    return copies
