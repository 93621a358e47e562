# SPDX-License-Identifier: BSD-3-Clause
"""Equality to the bit, of arrays, tensors, data frames and lists of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..queries import as_numpy

__all__ = ["described", "identical"]


def identical(a: Any, b: Any) -> bool:
    """Equal to the bit: NaN equals itself, and 0.0 is not -0.0."""
    if type(a) is not type(b):
        return False
    if hasattr(a, "detach"):
        return a.dtype == b.dtype and identical(as_numpy(a), as_numpy(b))
    if isinstance(a, np.ndarray):
        if a.dtype.hasobject or b.dtype.hasobject:
            return identical(a.tolist(), b.tolist())
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if hasattr(a, "iloc"):
        a, b = a.reset_index(drop=True), b.reset_index(drop=True)
        return bool((a.dtypes == b.dtypes).all()) and bool(a.equals(b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    return bool(np.all((a == b) | (a != a)))


def described(value: Any) -> str:
    """Type, shape and dtype in words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    if hasattr(value, "iloc"):
        columns = dict(zip(value.columns, map(str, value.dtypes)))
        return f"a {type(value).__name__} of {len(value)} rows with columns {columns}"
    return f"a {type(value).__name__}"
