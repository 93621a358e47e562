# SPDX-License-Identifier: BSD-3-Clause
"""Work in other processes and on other machines: what is sent, and what survives a lost worker.

joblib's backends recognise an argument by its identity: dask and Ray send it once to each worker
that needs it, and loky maps a large array into the memory of all. Hence parcels: objects that are
pickled once, into an array.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from joblib.externals.loky.backend.reduction import dumps, loads
from joblib.parallel import effective_n_jobs, get_active_backend

from .._progress import parallel_for

logger = logging.getLogger("skzest")

__all__ = [
    "Parcel",
    "UnreadableError",
    "is_cluster",
    "n_workers_for",
    "opened",
    "opened_once",
    "outcomes_of",
    "packer",
    "sendable",
]

# How many times in a row work is sent without a single outcome.
_ATTEMPTS = 3


class Opened(list):
    """The objects of a parcel; unlike a plain list it can be referred to weakly."""


# What is in use, and what was used last: the next task is likely to need that.
_in_use: WeakValueDictionary[bytes, Opened] = WeakValueDictionary()
_latest: list[Opened] = []
_opening = threading.Lock()


class UnreadableError(Exception):
    """A worker cannot make an object from its pickle."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """An object on its way to workers: its pickle, and a digest of that."""

    content: np.ndarray
    key: bytes

    @classmethod
    def of(cls, value: object) -> Parcel:
        """Pickle an object."""
        content = dumps(value)
        key = blake2b(content, digest_size=16).digest()
        return cls(np.frombuffer(content, dtype=np.uint8), key)

    def __sizeof__(self) -> int:
        # What dask takes for small goes with every task.
        return self.content.nbytes


def n_workers_for(n_jobs: int | None) -> int:
    """How many tasks run at a time on joblib's active backend; 1 means in this process.

    A cluster with one worker counts as two: this process need not be able to ask the models.
    """
    return max(effective_n_jobs(n_jobs), 1 + (is_cluster() and n_jobs != 1))


def is_cluster() -> bool:
    """Whether joblib's active backend is none of its own."""
    backend, _ = get_active_backend()
    return type(backend).__module__.partition(".")[::2] != ("joblib", "_parallel_backends")


def packer() -> Callable[[Any], Any]:
    """What makes parcels for the workers of joblib's active backend; threads need none."""
    backend, _ = get_active_backend()
    return (lambda value: value) if getattr(backend, "supports_sharedmem", False) else Parcel.of


def opened(parcel: Any) -> Any:
    """What a parcel holds; anything else as it is.

    Raises
    ------
    UnreadableError
    """
    if not isinstance(parcel, Parcel):
        return parcel
    try:
        return loads(parcel.content)
    except Exception as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error


def opened_once(parcel: Any) -> Any:
    """The list that a parcel holds, made once for all tasks of a process that follow each other."""
    if not isinstance(parcel, Parcel):
        return parcel
    with _opening:
        found = _in_use.get(parcel.key)
        if found is None:
            _latest.clear()  # not both in memory
            found = _in_use[parcel.key] = Opened(opened(parcel))
        _latest[:] = [found]
        return found


def sendable(error: Exception) -> Exception:
    """The error, or one that says the same where it cannot be made anew from its pickle."""
    try:
        arrived = loads(dumps(error))
        if type(arrived).__name__ == type(error).__name__:
            return error
    except Exception as obstacle:
        logger.debug("%r cannot be sent: %s", error, obstacle)
    notes = getattr(error, "__notes__", ())
    name = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
    return RuntimeError("\n".join([f"{name}{error}", *notes]))


def outcomes_of(
    call: Callable[[int], tuple],
    n_calls: int,
    n_jobs: int | None,
    is_final: Callable[[Exception], bool],
) -> Iterator[tuple[int, Any]]:
    """Outcomes of joblib's delayed calls, in any order; a call that was lost is made again.

    Parameters
    ----------
    call : callable
        From a number below ``n_calls`` to a delayed call, which returns that number and its
        outcome.
    n_calls : int
    n_jobs : int or None
    is_final : callable
        Whether an error came from the call itself; any other means that a worker was lost, or
        what had been sent to it.

    Yields
    ------
    number, outcome
    """
    left, fruitless = set(range(n_calls)), 0
    while left:
        n_before = len(left)
        try:
            parallel = parallel_for("generator_unordered", n_jobs=n_jobs)
            for number, outcome in parallel(map(call, sorted(left))):
                left.remove(number)
                yield number, outcome
        except Exception as error:
            fruitless = fruitless + 1 if len(left) == n_before else 0
            if is_final(error) or fruitless == _ATTEMPTS:
                raise
            first_line = str(error).partition("\n")[0]
            logger.warning("%d of %d tasks are sent again: %s", len(left), n_calls, first_line)
