# SPDX-License-Identifier: BSD-3-Clause
"""How many questions a service may be asked, and how fast."""

from __future__ import annotations

import threading
import time

from ...exceptions import ServiceError

__all__ = ["Limits", "Stopped", "check_number"]


class Stopped(ServiceError):
    """A call was not made, because another call of the same batch failed."""


class Limits:
    """How many questions may be asked, and how many a second; counts them.

    Parameters
    ----------
    max_questions : int or None
    max_rate : float or None
        Questions per second.
    """

    def __init__(self, max_questions: int | None, max_rate: float | None):
        self.max_questions, self.max_rate = max_questions, max_rate
        self.n_questions = 0
        self._free = self._paused = 0.0
        self._lock = threading.Lock()

    def take(self, n: int, stop: threading.Event) -> None:
        """Count ``n`` questions, and return when they may be sent.

        Raises
        ------
        ServiceError
            If they exceed the limit; they are not counted then.
        Stopped
            If ``stop`` is set meanwhile; likewise.
        """
        with self._lock:
            if self.max_questions is not None and self.n_questions + n > self.max_questions:
                raise ServiceError(
                    f"max_questions={self.max_questions} is reached: {self.n_questions} questions "
                    f"were asked, and {n} more would exceed it. With cache= a run with a larger "
                    "max_questions resumes where this one stopped."
                )
            self.n_questions += n
            turn = max(time.monotonic(), self._free)
            if self.max_rate is not None:
                self._free = turn + n / self.max_rate
        while (delay := max(turn, self._paused) - time.monotonic()) > 0:
            if stop.wait(delay):
                self.give_back(n)
                raise Stopped("another call of the batch failed")

    def give_back(self, n: int) -> None:
        """Uncount questions that did not reach the server."""
        with self._lock:
            self.n_questions -= n

    def pause(self, seconds: float) -> None:
        """Let nobody ask for a while."""
        with self._lock:
            self._paused = max(self._paused, time.monotonic() + seconds)

    def __getstate__(self) -> dict[str, object]:
        # The clock of another process may start elsewhere.
        return {k: v for k, v in vars(self).items() if k != "_lock"} | {"_free": 0, "_paused": 0}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


def check_number(value: float, name: str, *, zero: bool = False) -> float:
    """A positive number, or zero where that may be."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number; got {value!r}.")
    if not (value > 0 or (zero and value == 0)):
        raise ValueError(f"{name} must be {'at least 0' if zero else 'positive'}; got {value!r}.")
    return float(value)
