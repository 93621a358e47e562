# SPDX-License-Identifier: BSD-3-Clause
"""Tables: columns, or groups of columns, are the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._base import BaseMasker, as_dtype, is_frame, is_scalar, render_arrays
from ._frames import check_frame, frame_row, kind_of, other_statistic, render_frame

__all__ = ["TabularMasker"]

FILLS = ("mean", "median", "mode", "zero")


class TabularMasker(BaseMasker):
    """Hides columns of a table, each alone or a group at a time.

    Parameters
    ----------
    groups : list of lists of str or int, optional
        Columns that are hidden together, by name or by index (integers are always positions).
        Every column that is in no group is a part of its own. Parts are numbered in the order
        of the columns.
    fill : {"mean", "median", "mode", "zero"}, value, array, dict or callable, default="mean"
        What hidden columns become. Statistics are those of the whole reference, missing values
        left out, and are rounded for columns of integers. Categorical columns get their mode
        (the most frequent value; of several, the smallest) under all four names, and dates and
        durations their mean under ``"zero"``. A value goes to every column, an array has one
        value per column, a dict has values for some columns (by name or index), the others
        getting mean or mode. A callable gets ``(point, parts)`` and returns one value per
        column, or a DataFrame of one row. NaN hides by making missing, where a column of floats
        or of nullable values can.
    categorical : "auto" or list of str or int, default="auto"
        Columns whose values are categories. ``"auto"``: those of a DataFrame that are no
        numbers, dates or durations (category, object, string, bool). A list decides for
        numeric columns, as for integer codes; columns that have no mean stay categorical.

    Attributes
    ----------
    parts_ : ndarray of shape (n_features_in_,)
        The part that each column belongs to.
    fill_ : ndarray of shape (n_features_in_,), DataFrame of one row, or None
        What hidden columns become; None if that depends on the point.
    categorical_ : ndarray of bool, shape (n_features_in_,)
        Which columns are categorical.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Only for a DataFrame whose columns are all named by strings.

    Notes
    -----
    A DataFrame goes to the model as a DataFrame, with the same columns, order and dtypes
    (categorical, nullable and datetime too). Missing values are allowed, and those of a point
    stay missing where its columns are kept.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import TabularMasker
    >>> X = np.array([[1.0, 10.0, 0.0], [3.0, 30.0, 1.0]])
    >>> masker = TabularMasker(groups=[[0, 1]]).fit(X)
    >>> parts = masker.cut(X[0])
    >>> parts.tolist()
    [0, 0, 1]
    >>> masks = np.array([[True, True], [False, True], [True, False]])
    >>> masker.render(X[0], parts, masker.fill_for(X[0], parts), masks).tolist()
    [[1.0, 10.0, 0.0], [2.0, 20.0, 0.0], [1.0, 10.0, 0.5]]
    """

    few_parts_remedy = "Give a table of at least two columns, and groups that leave two parts."

    def __init__(
        self,
        *,
        groups: Iterable[Iterable[str | int]] | None = None,
        fill: Any = "mean",
        categorical: str | Iterable[str | int] = "auto",
    ):
        self.groups = groups
        self.fill = fill
        self.categorical = categorical

    @property
    def array_points(self) -> bool:  # type: ignore[override]
        """Whether points are arrays, and not rows of the DataFrame that was given to fit."""
        return not getattr(self, "_frame", False)

    # --- the reference --------------------------------------------------------------------

    def fit(self, reference: Any, y: Any = None) -> TabularMasker:
        """Learn the fill of every column from the whole reference.

        Parameters
        ----------
        reference : DataFrame or array-like of numbers, shape (n_points, n_columns)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a column is not known, is in two groups, or cannot hold its fill.
        """
        table = self.check_reference(reference)
        validate_data(self, table, skip_check_array=True)  # n_features_in_, feature_names_in_
        self._frame = is_frame(table)
        position = _positions(table)
        self.parts_ = column_parts(self.groups, table.shape[1], position)
        self.categorical_ = self._find_categorical(table, position)
        self.fill_ = self._shared_fill(table, position)
        return self

    def check_reference(self, reference: Any) -> Any:
        """The reference as the DataFrame that it is, or as a numeric array.

        Raises
        ------
        ValueError, TypeError
            If it is sparse, not 2-D, infinite, or an array of something other than numbers.
        """
        if is_frame(reference):
            check_frame(reference)
            return reference
        if hasattr(reference, "__dataframe__"):
            raise TypeError(
                f"TabularMasker knows pandas DataFrames and arrays, not "
                f"{type(reference).__module__.split('.')[0]} {type(reference).__name__}s. "
                "Give reference.to_pandas(), or reference.to_numpy()."
            )
        if isinstance(reference, np.ma.MaskedArray):
            raise TypeError(
                "TabularMasker got a masked array, whose mask would be lost. "
                "Give reference.filled(np.nan)."
            )
        try:
            table = check_array(
                reference,
                dtype=None,
                ensure_all_finite="allow-nan",
                estimator=self,
                input_name="reference",
            )
            if table.dtype == object:  # lists of numbers and the like; NumPy says if it cannot
                table = check_array(table, ensure_all_finite="allow-nan", input_name="reference")
        except ValueError as error:
            if "could not convert" not in str(error):
                raise
            table = np.empty(0, dtype=object)
        if table.dtype.kind not in "biuf":
            raise ValueError(
                f"TabularMasker needs an array of numbers; this one holds {table.dtype}. Give a "
                "pandas DataFrame, which can have columns of text, dates and categories."
            )
        if not table.dtype.isnative:
            table = table.astype(table.dtype.newbyteorder("="))
        return table

    def take(self, reference: Any, indices: Any) -> Any:
        """The chosen rows."""
        if is_frame(reference):
            return reference.iloc[np.asarray(indices, dtype=np.intp)]
        return super().take(reference, indices)

    def point(self, points: Any, n: int) -> Any:
        """One row: 1-D, or a DataFrame of one row."""
        return points.iloc[[n]] if is_frame(points) else points[n]

    # --- one point ------------------------------------------------------------------------

    def cut(self, point: Any) -> np.ndarray:
        """The part of each column, the same for every point."""
        check_is_fitted(self)
        n_columns = point.shape[-1]
        if n_columns != self.n_features_in_:
            raise ValueError(
                f"the point has {n_columns} columns, but TabularMasker was fitted on "
                f"{self.n_features_in_}. Fit it on this reference."
            )
        return self.parts_.copy()

    def fill_for(self, point: Any, parts: np.ndarray) -> Any:
        """What the columns become where they are hidden; may be shared, do not write to it."""
        check_is_fitted(self)
        if self.fill_ is not None:
            return self.fill_
        # Copies: the point may be a row of the caller's own data.
        values = _one_each(self.fill(point.copy(), parts.copy()), point.shape[-1])
        return frame_row(values, point) if is_frame(point) else _array_row(values, point.dtype)

    def render(self, point: Any, parts: Any, fill: Any, masks: Any) -> Any:
        """Masked copies of a row; see :meth:`BaseMasker.render`."""
        if is_frame(point):
            return render_frame(point, parts, fill, masks)
        return render_arrays(point, parts, fill, masks)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    # --- categories and fills -------------------------------------------------------------

    def _find_categorical(self, table: Any, position: Callable) -> np.ndarray:
        n_columns = table.shape[1]
        dtypes = table.dtypes if self._frame else [table.dtype] * n_columns
        meanless = np.array([kind_of(dtype) not in "iufmM" for dtype in dtypes])
        if isinstance(self.categorical, str):
            if self.categorical != "auto":
                raise ValueError(
                    f"categorical={self.categorical!r} is not known. Give 'auto', or a list of "
                    "column names or indices."
                )
            return meanless
        listed = [position(name) for name in self.categorical]
        return meanless | np.isin(np.arange(n_columns), listed)

    def _shared_fill(self, table: Any, position: Callable) -> Any:
        """The fill of every point, or None if it depends on the point."""
        fill, columns = self.fill, range(table.shape[1])
        if callable(fill):
            return None
        if fill is None or (isinstance(fill, str) and fill not in FILLS):
            raise ValueError(
                f"fill={fill!r} is not known. Choose from {list(FILLS)}, or give a value, an "
                "array, a dict of column: value, or a callable. To fill columns of text with a "
                f"value, give a dict: {{column: {fill!r}}}."
            )
        if isinstance(fill, str):
            values = [self._statistic(table, j, fill) for j in columns]
        elif isinstance(fill, Mapping):
            given = {position(name): value for name, value in fill.items()}
            values = [
                given[j] if j in given else self._statistic(table, j, "mean") for j in columns
            ]
        elif is_scalar(fill):
            values = [fill] * len(columns)
        else:
            values = _one_each(fill, len(columns))
        return frame_row(values, table) if self._frame else _array_row(values, table.dtype)

    def _statistic(self, table: Any, j: int, name: str) -> Any:
        if self.categorical_[j]:
            name = "mode"
        if not self._frame:
            return number_statistic(table[:, j], name)
        column = table.iloc[:, j].dropna()
        if kind_of(column.dtype) in "iuf":
            dtype = getattr(column.dtype, "numpy_dtype", column.dtype)  # of Int64 and its kind
            return number_statistic(column.to_numpy(dtype=dtype), name)
        return other_statistic(column, name)


def number_statistic(column: np.ndarray, name: str) -> Any:
    """One of `FILLS` of a numeric column, NaN left out; rounded if it holds integers."""
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
    # A float near 2**63 may lie outside of what the column can hold; the column does not.
    return min(max(round(float(value)), int(column.min())), int(column.max()))


def column_parts(groups: Any, n_columns: int, position: Callable) -> np.ndarray:
    """Label of each column: one for each group, one for each column in none, in column order."""
    groups = [] if groups is None else list(groups)
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


def _positions(table: Any) -> Callable[[Any], int]:
    """A function from a column's name or index to its position."""
    n_columns = table.shape[1]
    names = list(table.columns) if is_frame(table) else []

    def position(name: Any) -> int:
        if isinstance(name, Integral) and not isinstance(name, (bool, np.bool_)):
            if 0 <= int(name) < n_columns:
                return int(name)
            raise ValueError(f"there is no column {name}; the reference has {n_columns}.")
        if name not in names:
            known = f"its columns are {names}" if names else "an array's columns have no names"
            raise ValueError(f"there is no column {name!r} in the reference; {known}.")
        return names.index(name)

    return position


def _one_each(values: Any, n_columns: int) -> list:
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


def _array_row(values: list, dtype: np.dtype) -> np.ndarray:
    return np.array([as_dtype(value, dtype, allow_nan=True) for value in values], dtype=dtype)
