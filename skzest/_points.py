# SPDX-License-Identifier: BSD-3-Clause
"""Containers of points: arrays, data frames, lists of texts or of arrays of different shapes.

What the rest of the code does with points of any kind: take some, join batches and split them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import array_api_compat
import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "Array",
    "Point",
    "Points",
    "concatenate",
    "in_dtype",
    "is_frame",
    "little_endian",
    "rows",
    "same_point",
    "take",
    "to_host",
]

# An array (n_points, ...) of NumPy or torch, a DataFrame, a list of str, or a list of arrays.
Points: TypeAlias = Any
# One of these: an array, a DataFrame of one row, a str.
Point: TypeAlias = Any
# An array of NumPy or torch.
Array: TypeAlias = Any


def is_frame(points: Points) -> bool:
    """Whether this is a pandas DataFrame, decided without importing pandas."""
    return hasattr(points, "iloc") and hasattr(points, "dtypes") and hasattr(points, "columns")


def take(points: Points, indices: ArrayLike) -> Points:
    """The points at some positions, in a container of the same kind."""
    if is_frame(points):
        return points.iloc[np.asarray(indices, dtype=np.intp)]
    if isinstance(points, (list, tuple)):
        return [points[int(i)] for i in np.asarray(indices)]
    return points[np.asarray(indices, dtype=np.intp)]


def concatenate(batches: list) -> Points:
    """One batch out of several of the same kind."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if is_frame(first):
        import pandas as pd

        return pd.concat(batches, ignore_index=True)
    if isinstance(first, list):
        return [row for batch in batches for row in batch]
    return array_api_compat.array_namespace(first).concat(batches)


def rows(batch: Points, start: int, stop: int) -> Points:
    """Rows ``start:stop`` of a batch."""
    return batch.iloc[start:stop] if is_frame(batch) else batch[start:stop]


def same_point(a: Point, b: Point) -> bool:
    """Whether two points of one kind are equal; missing values equal each other."""
    if is_frame(a):
        return a.reset_index(drop=True).equals(b.reset_index(drop=True))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b)


def to_host(points: Points) -> Points:
    """Tensors of torch as NumPy arrays, bfloat16 as float32; anything else as it is."""
    if isinstance(points, (list, tuple)) and any(map(_is_tensor, points)):
        return [to_host(point) for point in points]
    if not _is_tensor(points):
        return points
    tensor = points.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _is_tensor(points: Points) -> bool:
    return hasattr(points, "detach") and hasattr(points, "cpu")


def little_endian(array: ArrayLike) -> np.ndarray:
    """The array in C order and little-endian, so that its bytes mean the same everywhere."""
    array = np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def in_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats cast to the dtype of the points they came from; rounded for integers."""
    if dtype.kind == "f":
        return values.astype(dtype)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return np.clip(np.rint(values), low, high).astype(dtype)
