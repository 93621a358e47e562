# SPDX-License-Identifier: BSD-3-Clause
"""Arrays by shape, kind and elements: NumPy, SciPy's sparse ones, pandas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from .._points import is_frame, little_endian
from ._base import Piece, register_fingerprint
from ._installed import class_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["register"]


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(lambda value: isinstance(value, _RANDOM), lambda value: ["random"])
    register_fingerprint(lambda value: isinstance(value, np.dtype), lambda value: [repr(value)])
    register_fingerprint(sparse.issparse, _sparse)
    register_fingerprint(lambda value: isinstance(value, np.generic), _scalar)
    register_fingerprint(lambda value: isinstance(value, np.ndarray), _array)
    register_fingerprint(lambda value: _is_pandas(value) and is_frame(value), _frame)
    register_fingerprint(
        lambda value: _is_pandas(value) and hasattr(type(value), "array"), _labelled
    )


# Their state moves on when a model is asked, and a model that uses it is not deterministic.
_RANDOM = (np.random.RandomState, np.random.Generator, np.random.BitGenerator)


def _array(array: np.ndarray) -> Iterator[Piece]:
    """Kind, shape and elements; a memory map is the array that it maps."""
    yield "array"
    if not isinstance(array, np.memmap) and type(array) is not np.ndarray:
        yield class_name(array)
    if isinstance(array, np.ma.MaskedArray):
        yield ".mask", np.ma.getmaskarray(array)
        array = array.filled(0) if array.dtype.kind in "biufc" else array.data
    yield str(array.shape)
    array = np.asarray(array)
    if array.dtype.names:
        # Field by field: the bytes between fields are not set.
        for name in array.dtype.names:
            yield name
            yield f"[{name!r}]", array[name]
    elif array.dtype.hasobject:
        yield str(array.dtype)
        yield ".flat", array.ravel().tolist()
    else:
        array = little_endian(array)
        yield array.dtype.str
        yield array.reshape(-1).view(np.uint8) if array.size else b""


def _scalar(value: np.generic) -> list[Piece]:
    return ["scalar", *_array(np.asarray(value).reshape(1))]


def _sparse(matrix: Any) -> Iterator[Piece]:
    # Of a canonical copy: duplicates are summed and indices sorted in place, on first use.
    matrix = sparse.csr_array(matrix.reshape(1, -1) if matrix.ndim == 1 else matrix, copy=True)
    matrix.sum_duplicates()
    yield "sparse"
    yield str(matrix.shape)
    yield ".data", matrix.data
    yield ".indices", matrix.indices.astype(np.int64)
    yield ".indptr", matrix.indptr.astype(np.int64)


def _is_pandas(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"


def _labelled(value: pd.Series | pd.Index) -> Iterator[Piece]:
    yield class_name(value)
    yield str(value.dtype)
    yield ".name", value.name
    if hasattr(value.dtype, "categories"):
        yield ".categories", value.dtype.categories
    if hasattr(value, "iloc"):
        yield ".index", value.index
    yield ".values", value.to_numpy()


def _frame(frame: pd.DataFrame) -> Iterator[Piece]:
    yield class_name(frame)
    yield ".columns", frame.columns
    for i in range(len(frame.columns)):
        yield f".iloc[:, {i}]", frame.iloc[:, i]
