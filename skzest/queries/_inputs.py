# SPDX-License-Identifier: BSD-3-Clause
"""From a batch of masked copies to the named arrays that a graph declares as its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .._validation import listed
from ..exceptions import QueryError
from ._base import Inputs, Query

__all__ = ["Input", "feeds_for"]


@dataclass(frozen=True)
class Input:
    """One input of a graph, as the graph declares it.

    Parameters
    ----------
    name : str
    shape : tuple of int or None
        The first axis is the batch; None is an axis of any length.
    dtype : dtype
        ``object`` for strings.
    scale, zero_point : float and int
        Of a quantised input, which holds ``value / scale + zero_point``; a scale of 0 means
        that it is not quantised.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype
    scale: float = 0.0
    zero_point: int = 0

    def array(self, values: Inputs) -> np.ndarray:
        """The values in the shape, layout and dtype that the graph takes.

        Raises
        ------
        QueryError
            If the shape does not fit, or a value would change in the dtype.
        """
        array = self._arranged(np.asarray(values))
        if self.scale:
            return self._quantised(array)
        return self._cast(array)

    def _arranged(self, array: np.ndarray) -> np.ndarray:
        for candidate in _arrangements(array, len(self.shape)):
            if _fits(candidate.shape, self.shape):
                return candidate
        raise QueryError(
            f"its input {self.name!r} has shape {_written(self.shape)}, and copies of shape "
            f"{_written((None, *array.shape[1:]))} do not fit; pass preprocess=, a function of a "
            "batch that returns arrays of the model's shape."
        )

    def _cast(self, array: np.ndarray) -> np.ndarray:
        if self.dtype == array.dtype:
            return np.ascontiguousarray(array)
        if self.dtype.kind == "O":
            return np.array([str(value) for value in array.ravel()], dtype=object).reshape(
                array.shape
            )
        try:
            with np.errstate(invalid="ignore", over="ignore"):
                cast = np.ascontiguousarray(array, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            raise QueryError(
                f"its input {self.name!r} takes {self.dtype}, and the copies hold {array.dtype} "
                f"({error}); pass preprocess=, which turns them into numbers."
            ) from error
        if not np.can_cast(array.dtype, self.dtype, "same_kind") and (cast != array).any():
            raise QueryError(
                f"its input {self.name!r} takes {self.dtype}, and {array.dtype} copies hold values "
                "that it cannot represent; pass preprocess=, which scales and rounds them."
            )
        return cast

    def _quantised(self, array: np.ndarray) -> np.ndarray:
        limits = np.iinfo(self.dtype)
        steps = np.rint(np.divide(array, self.scale, dtype=np.float64)) + self.zero_point
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)

    @property
    def held(self) -> tuple[float, float]:
        """Smallest and largest value that a quantised input can hold."""
        limits = np.iinfo(self.dtype)
        low, high = limits.min - self.zero_point, limits.max - self.zero_point
        return low * self.scale, high * self.scale


def _arrangements(array: np.ndarray, n_axes: int) -> list[np.ndarray]:
    """The array, then the same with its channels elsewhere or with the axis that it lacks."""
    if array.ndim == n_axes == 4:
        return [array, np.moveaxis(array, 3, 1), np.moveaxis(array, 1, 3)]
    if array.ndim == n_axes - 1 and array.ndim > 0:
        return [array[..., None], array[:, None]]
    return [array]


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all(w is None or s == w for s, w in zip(shape[1:], wanted[1:], strict=True))


def _written(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if s is None else str(s) for s in shape)})"


def feeds_for(query: Query, X: Inputs, inputs: Sequence[Input]) -> dict[str, np.ndarray]:
    """Arrays by name of input.

    Parameters
    ----------
    query : Query
        Named in errors.
    X : array, DataFrame, list of str, or mapping from names to arrays
        Copies, after ``preprocess``. A table goes into one input for each column, or into one
        input that takes all columns.
    inputs : sequence of Input

    Raises
    ------
    QueryError
        If the batch does not fit the inputs.
    """
    try:
        return _by_name(X, inputs)
    except QueryError as error:
        raise QueryError(f"{query!r} could not be asked: {error}") from error


def _by_name(X: Inputs, inputs: Sequence[Input]) -> dict[str, np.ndarray]:
    names = [i.name for i in inputs]
    if isinstance(X, Mapping):
        if set(X) != set(names):
            raise QueryError(
                f"preprocess= returned inputs named {listed(map(repr, X))}; the model takes "
                f"{listed(map(repr, names))}."
            )
        return {i.name: i.array(X[i.name]) for i in inputs}
    if len(inputs) == 1:
        return {names[0]: inputs[0].array(_texts(X) if isinstance(X, list) else X)}
    columns = _columns(X, names)
    return {i.name: i.array(column) for i, column in zip(inputs, columns, strict=True)}


def _texts(X: list) -> Inputs:
    return np.array(X, dtype=object) if X and isinstance(X[0], str) else X


def _columns(X: Inputs, names: list[str]) -> list[np.ndarray]:
    """One array for each of several inputs: columns by name, else by position."""
    shape = np.shape(X)
    if len(shape) != 2 or shape[1] != len(names):
        raise QueryError(
            f"the model has {len(names)} inputs, {listed(map(repr, names))}, and copies of shape "
            f"{_written((None, *shape[1:]))} cannot be split over them; pass preprocess=, which "
            "returns a dict of arrays by these names."
        )
    if not hasattr(X, "columns"):
        return list(np.asarray(X).T)
    known = set(map(str, X.columns)) == set(names)
    order = [list(map(str, X.columns)).index(n) for n in names] if known else range(len(names))
    return [X.iloc[:, column].to_numpy() for column in order]
