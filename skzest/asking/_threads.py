# SPDX-License-Identifier: BSD-3-Clause
"""BLAS on one thread while models are asked on the host."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import threadpoolctl

from ..queries import HOST

__all__ = ["one_blas_thread", "one_thread"]


def one_thread(spaces: Sequence[Any]) -> Any:
    """BLAS on one thread, if there are models that are asked on the host.

    Always, not only when jobs run side by side: how a product is split over threads may change
    its last bits, and results must not depend on n_jobs. torch keeps its threads, though it may
    share a BLAS with NumPy.
    """
    if all(space != HOST for space in spaces):
        return nullcontext()
    return one_blas_thread()


class _SharedLimit:
    """BLAS on one thread for as long as anyone wants it; the last to leave turns it back.

    The limit belongs to the process. If each transformer of several threads set and restored
    it by itself, one that ends amid another's work would lift the other's limit, and the other
    would then restore the limit for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                _take_control()
                self._limit = _blas(len(sys.modules)).limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    _take_control()
                    self._limit.restore_original_limits()
                    _take_control()


def _take_control() -> None:
    """From threadpoolctl 3.8 on, only the thread that set a limit first can change it."""
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


one_blas_thread = _SharedLimit()


@lru_cache(maxsize=1)
def _blas(n_modules: int) -> threadpoolctl.ThreadpoolController:
    # Kept, as looking through the process's libraries takes 3 ms, until modules come in that
    # may bring a BLAS of their own.
    return threadpoolctl.ThreadpoolController()
