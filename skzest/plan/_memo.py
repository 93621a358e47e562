# SPDX-License-Identifier: BSD-3-Clause
"""Arrays that were computed before in this process, under a digest of what they follow from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np

__all__ = ["ArrayMemo"]


class ArrayMemo:
    """Arrays by key, those used last up to a number of bytes.

    Parameters
    ----------
    max_bytes : int

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.plan._memo import ArrayMemo
    >>> memo = ArrayMemo(10_000)
    >>> memo.get(b"ones", lambda: np.ones(3)) is memo.get(b"ones", lambda: np.ones(3))
    True
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._arrays: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def clear(self) -> None:
        """Forget all arrays."""
        with self._lock:
            self._arrays.clear()
            self._n_bytes = 0

    def get(self, key: bytes, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of this key, made if it is not known; read-only then and now."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = make()
        array.setflags(write=False)
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = array
                self._n_bytes += array.nbytes
            while self._n_bytes > self._max_bytes:
                _, oldest = self._arrays.popitem(last=False)
                self._n_bytes -= oldest.nbytes
        return array
