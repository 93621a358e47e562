# SPDX-License-Identifier: BSD-3-Clause
"""Tables: columns, or groups of columns, are the parts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._points import Array, Point, Points, is_frame, same_point, to_host
from .._validation import check_choice
from ..drawing import BarsPicture, shorten
from ._base import BaseMasker, as_dtype, is_scalar
from ._columns import (
    FILLS,
    check_one_hot,
    codes_of,
    column_parts,
    most_frequent,
    number_statistic,
    one_each,
    positions_in,
)
from ._frames import check_frame, fingerprint, frame_row, kind_of, other_statistic, render_frame
from ._references import refuse_dataset
from ._rendering import render_arrays

__all__ = ["TabularMasker"]

MOST_ROWS = 1000  # that draws are made from
_MOST_TRIES = 8


class TabularMasker(BaseMasker):
    """Hides columns of a table, each alone or a group at a time.

    Parameters
    ----------
    groups : list of lists of str or int, optional
        Columns that are hidden together, by name or by index (integers are always positions).
        Every other column is a part of its own. Parts are numbered in the order of the columns.
    one_hot : list of lists of str or int, optional
        Groups of columns that encode one category: 0 or 1, and at most one 1 in a row. They are
        hidden together, too, and become a category again: the most frequent one where `fill`
        asks for a mean, median or mode.
    fill : {"mean", "median", "mode", "zero", "draws"}, value, array, dict or callable, \
            default="mean"
        What hidden columns become. Statistics are computed over the whole reference without
        missing values, and rounded for columns of integers. Categorical columns get their mode
        (the most frequent value; of several, the smallest) under all four names, and dates and
        durations their mean under ``"zero"``. ``"draws"`` takes values from other rows of the
        reference, chosen anew for each point. A single value fills every column, an array has
        one value per column, and a dict has values for some columns (by name or index), while
        the others get their mean or mode. A callable gets ``(point, parts)`` and returns one
        value per column, or a DataFrame of one row. NaN hides a column by making it missing,
        where its dtype allows that.
    n_draws : int, default=1
        Rows to draw for each point under ``fill="draws"``. One row has values that occur
        together; the mean of several (for categories the mode) varies less.
    random_state : int, default=0
        Seed of the draws, which depend on this number and on the point alone.
    categorical : "auto" or list of str or int, default="auto"
        Columns whose values are categories. ``"auto"``: the columns of a DataFrame that are not
        numbers, dates or durations (category, object, string, bool). A list adds numeric
        columns, such as integer codes.

    Attributes
    ----------
    parts_ : ndarray of shape (`n_features_in_`,)
        The part that each column belongs to.
    fill_ : ndarray of shape (`n_features_in_`,), DataFrame of one row, or None
        What hidden columns become; None if that depends on the point.
    background_ : array or DataFrame
        At most 1,000 rows of the reference to draw from. Only for ``fill="draws"``.
    categorical_ : ndarray of bool, shape (`n_features_in_`,)
        Which columns are categorical.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Only for a DataFrame whose columns are all named by strings.

    Notes
    -----
    Copies of a row of a DataFrame are DataFrames with the same columns, order and dtypes,
    including categorical, nullable and datetime ones. Missing values are allowed and stay missing
    where their columns are kept. A value that is missing in all drawn rows is hidden by making it
    missing.

    ``fill="draws"`` shows a model realistic rows, where means may be values that no row has. To
    average a model's *answers* over several draws, compute one signature per ``random_state`` and
    take the mean: with least squares it comes to the same.

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
    many_parts_remedy = (
        "Put columns that belong together into groups=. If they are the pixels of an image, use "
        "ImageMasker(image_shape=(height, width))."
    )

    def __init__(
        self,
        *,
        groups: Iterable[Iterable[str | int]] | None = None,
        one_hot: Iterable[Iterable[str | int]] | None = None,
        fill: ArrayLike | Mapping | Callable = "mean",
        n_draws: int = 1,
        random_state: int = 0,
        categorical: str | Iterable[str | int] = "auto",
    ):
        self.groups = groups
        self.one_hot = one_hot
        self.fill = fill
        self.n_draws = n_draws
        self.random_state = random_state
        self.categorical = categorical

    @property
    def array_points(self) -> bool:  # type: ignore[override]
        """Whether points are arrays, not rows of a DataFrame."""
        return not getattr(self, "_frame", False)

    # --- the reference --------------------------------------------------------------------

    def fit(self, reference: Points, y: object = None) -> TabularMasker:
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
            If a column is unknown, is in two groups, or cannot hold its fill.
        """
        table = self.check_reference(reference)
        validate_data(self, table, skip_check_array=True)  # n_features_in_, feature_names_in_
        self._frame = is_frame(table)
        position = positions_in(table)
        groups, one_hot = list(self.groups or ()), list(self.one_hot or ())
        self.parts_ = column_parts([*groups, *one_hot], table.shape[1], position)
        self.categorical_ = self._find_categorical(table, position)
        self._one_hot = [np.array([position(name) for name in group]) for group in one_hot]
        for columns in self._one_hot:
            check_one_hot(codes_of(table, columns))
        self.fill_ = self._shared_fill(table, position)
        if _is_draws(self.fill):
            self.background_ = self._background(table)
        return self

    def check_reference(self, reference: Points) -> Points:
        """The reference itself if it is a DataFrame, else a numeric array.

        Raises
        ------
        ValueError, TypeError
            If it is sparse, not 2-D, infinite, or an array of something other than numbers.
        """
        if is_frame(reference):
            check_frame(reference)
            return reference
        if hasattr(reference, "to_pandas"):
            raise TypeError(
                f"reference is a {type(reference).__name__} of "
                f"{type(reference).__module__.split('.')[0]}; TabularMasker takes DataFrames of "
                "pandas and arrays. Give reference.to_pandas(), which keeps the column names."
            )
        refuse_dataset(reference)
        if isinstance(reference, np.ma.MaskedArray):
            raise TypeError(
                "TabularMasker got a masked array, whose mask would be lost. "
                "Give reference.filled(np.nan)."
            )
        try:
            table = check_array(
                to_host(reference),
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

    def point(self, points: Points, n: int) -> Point:
        """One row: 1-D, or a DataFrame of one row."""
        return points.iloc[[n]] if is_frame(points) else points[n]

    # --- one point ------------------------------------------------------------------------

    def cut(self, point: Point) -> np.ndarray:
        """The part of each column, the same for every point."""
        self._check_is_fitted()
        n_columns = point.shape[-1]
        if n_columns != self.n_features_in_:
            raise ValueError(
                f"the point has {n_columns} columns, but TabularMasker was fitted on "
                f"{self.n_features_in_}. Fit it on this reference."
            )
        return self.parts_.copy()

    def fill_for(self, point: Point, parts: np.ndarray) -> Point:
        """What hidden columns become. It may be shared by all points: do not write to it."""
        self._check_is_fitted()
        if self.fill_ is not None:
            return self.fill_
        if not callable(self.fill):
            return self._drawn(point)
        # Copies: the point may be a row of the caller's own data.
        values = one_each(self.fill(point.copy(), parts.copy()), point.shape[-1])
        return frame_row(values, point) if is_frame(point) else _array_row(values, point.dtype)

    def render(
        self,
        point: Point,
        parts: Array,
        fill: Point,
        masks: Array,
        out: np.ndarray | None = None,
    ) -> Points:
        """Masked copies of a row; see :meth:`BaseMasker.render`."""
        if is_frame(point):
            return render_frame(point, parts, fill, masks)
        return render_arrays(point, parts, fill, masks, out=out)

    def part_names(self, point: Point, parts: np.ndarray) -> list[str]:
        """Names of the columns of each part, joined by " + "."""
        columns = point.columns if is_frame(point) else [f"column {j}" for j in range(len(parts))]
        return [" + ".join(str(columns[j]) for j in columns_of) for columns_of in _members(parts)]

    def picture(self, points: Points, n: int, parts: np.ndarray) -> BarsPicture:
        """A bar for each part, with the value of the column; see :meth:`BaseMasker.picture`."""
        point = self.point(points, n)
        n_columns = point.shape[-1]
        values = [point.iloc[0, j] if is_frame(point) else point[j] for j in range(n_columns)]
        return BarsPicture(
            [
                _with_value(name, values[columns[0]]) if len(columns) == 1 else name
                for name, columns in zip(self.part_names(point, parts), _members(parts))
            ]
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "parts_"):  # scikit-learn's own look takes longer than a cut
            check_is_fitted(self)

    # --- draws ----------------------------------------------------------------------------

    def _background(self, table: Points) -> Points:
        """Rows to draw from: all, or few enough to be pickled with the masker cheaply."""
        if operator.index(self.n_draws) < 1:
            raise ValueError(f"n_draws={self.n_draws!r} must be at least 1.")
        rng = np.random.default_rng(operator.index(self.random_state))
        chosen = np.sort(rng.permutation(len(table))[:MOST_ROWS])
        return self.take(table, chosen)

    def _drawn(self, point: Point) -> Point:
        """The values of the rows drawn for one point, averaged."""
        # Seeded by the point itself, whatever its position in the reference.
        seed = [operator.index(self.random_state), crc32(fingerprint(point))]
        rng = np.random.default_rng(seed)
        n_draws = operator.index(self.n_draws)
        for _ in range(_MOST_TRIES):
            rows = self.take(self.background_, rng.choice(len(self.background_), n_draws))
            row = self.point(rows, 0)
            if n_draws > 1 or not same_point(row, point):  # the point itself would hide nothing
                break
        if n_draws == 1:  # as it is, whatever its values are
            return row.reset_index(drop=True) if self._frame else row
        values = self._statistics(rows, "mean")
        return frame_row(values, point) if self._frame else _array_row(values, point.dtype)

    # --- categories and fills -------------------------------------------------------------

    def _find_categorical(self, table: Points, position: Callable) -> np.ndarray:
        n_columns = table.shape[1]
        dtypes = table.dtypes if self._frame else [table.dtype] * n_columns
        meanless = np.array([kind_of(dtype) not in "iufmM" for dtype in dtypes])
        if isinstance(self.categorical, str):
            remedy = "Or give a list of column names or indices."
            check_choice(self.categorical, "categorical", ("auto",), remedy)
            return meanless
        listed = [position(name) for name in self.categorical]
        return meanless | np.isin(np.arange(n_columns), listed)

    def _shared_fill(self, table: Points, position: Callable) -> Point:
        """The fill of every point, or None if it depends on the point."""
        fill = self.fill
        if callable(fill) or _is_draws(fill):
            return None
        if fill is None or isinstance(fill, str):
            remedy = (
                "Or give a value, an array, a callable or a dict of column: value. To fill columns "
                f"of text with a value, give a dict: {{column: {fill!r}}}."
            )
            check_choice(fill, "fill", (*FILLS, "draws"), remedy)
            values = self._statistics(table, str(fill))
        elif isinstance(fill, Mapping):
            values = self._statistics(table, "mean")
            for name, value in fill.items():
                values[position(name)] = value
        elif is_scalar(fill):
            values = [fill] * table.shape[1]
        else:
            values = one_each(fill, table.shape[1])
        return frame_row(values, table) if self._frame else _array_row(values, table.dtype)

    def _statistics(self, table: Points, name: str) -> list:
        """One of `FILLS` of every column; one category for columns that code one."""
        values = [self._statistic(table, j, name) for j in range(table.shape[1])]
        for columns in self._one_hot if name != "zero" else ():
            category = most_frequent(codes_of(table, columns))
            for j, value in zip(columns, category):
                values[j] = value
        return values

    def _statistic(self, table: Points, j: int, name: str) -> Any:
        if self.categorical_[j]:
            name = "mode"
        if not self._frame:
            return number_statistic(table[:, j], name)
        column = table.iloc[:, j].dropna()
        if kind_of(column.dtype) in "iuf":
            dtype = getattr(column.dtype, "numpy_dtype", column.dtype)  # of Int64 and its kind
            return number_statistic(column.to_numpy(dtype=dtype), name)
        return other_statistic(column, name)


def _members(parts: np.ndarray) -> list[np.ndarray]:
    """The columns of each part."""
    return [np.flatnonzero(parts == k) for k in range(int(parts.max()) + 1)]


def _with_value(name: str, value: object) -> str:
    shown = f"{value:.3g}" if isinstance(value, (float, np.floating)) else str(value)
    return f"{shorten(name, 24)} = {shorten(shown, 11)}"


def _is_draws(fill: object) -> bool:
    return isinstance(fill, str) and fill == "draws"


def _array_row(values: list, dtype: np.dtype) -> np.ndarray:
    return np.array([as_dtype(value, dtype, allow_nan=True) for value in values], dtype=dtype)
