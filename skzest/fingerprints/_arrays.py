# SPDX-License-Identifier: BSD-3-Clause
"""Arrays by shape, kind and elements: NumPy, SciPy's sparse ones, pandas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from .._points import is_frame, little_endian
from ._base import register_fingerprint

__all__ = ["array_pieces", "register"]


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(_is_labelled, _labelled)
    register_fingerprint(is_frame, _frame)
    register_fingerprint(_is_random, lambda value: ["random", type(value).__name__])
    register_fingerprint(lambda value: isinstance(value, np.dtype), lambda value: [repr(value)])
    register_fingerprint(lambda value: isinstance(value, np.ufunc), _ufunc)
    register_fingerprint(sparse.issparse, _sparse)
    register_fingerprint(lambda value: isinstance(value, np.generic), _scalar)
    register_fingerprint(lambda value: isinstance(value, np.ndarray), array_pieces)


def array_pieces(array: np.ndarray) -> Iterator[Any]:
    """Kind, shape and elements; a memory map is the array that it maps."""
    yield "array"
    if not isinstance(array, np.memmap) and type(array) is not np.ndarray:
        yield type(array).__name__
    if isinstance(array, np.ma.MaskedArray):
        yield ".mask", np.ma.getmaskarray(array)
        array = array.filled(0) if array.dtype.kind in "biufc" else array.data
    yield str(array.shape)
    array = np.asarray(array)
    if array.dtype.names:
        # Field by field: what lies between fields is whatever was in memory before.
        for name in array.dtype.names:
            yield name
            yield f"[{name!r}]", array[name]
    elif array.dtype.hasobject:
        yield str(array.dtype)
        for i, element in enumerate(array.ravel().tolist()):
            yield f".flat[{i}]", element
    else:
        array = little_endian(array)
        yield array.dtype.str
        yield array.reshape(-1).view(np.uint8) if array.size else b""


def _scalar(value: np.generic) -> list:
    array = np.asarray(value)
    return ["scalar", *array_pieces(array.reshape(1))]


def _sparse(matrix: Any) -> Iterator[Any]:
    # Through a canonical copy: duplicates are summed and indices sorted in place, on first use.
    matrix = sparse.csr_array(matrix.reshape(1, -1) if matrix.ndim == 1 else matrix, copy=True)
    matrix.sum_duplicates()
    yield "sparse"
    yield str(matrix.shape)
    yield ".data", matrix.data
    yield ".indices", matrix.indices.astype(np.int64)
    yield ".indptr", matrix.indptr.astype(np.int64)


def _ufunc(value: np.ufunc) -> list:
    return ["ufunc", value.__name__]


def _is_random(value: Any) -> bool:
    # Their state moves on when a model is asked; a model that heeds it is not deterministic.
    return isinstance(value, (np.random.RandomState, np.random.Generator, np.random.BitGenerator))


def _is_labelled(value: Any) -> bool:
    """Whether this is a Series or an Index of pandas, told by behaviour."""
    # By the class: a MultiIndex has the attribute, and raises ValueError when it is read.
    return all(hasattr(type(value), name) for name in ("to_numpy", "dtype", "array"))


def _labelled(value: Any) -> Iterator[Any]:
    yield type(value).__name__
    yield str(value.dtype)
    yield ".name", value.name
    if hasattr(value.dtype, "categories"):
        yield ".categories", value.dtype.categories
    if hasattr(value, "iloc"):
        yield ".index", value.index
    yield ".values", value.to_numpy()


def _frame(frame: Any) -> Iterator[Any]:
    yield "frame"
    yield ".columns", frame.columns
    for i in range(len(frame.columns)):
        yield f".iloc[:, {i}]", frame.iloc[:, i]
