# SPDX-License-Identifier: BSD-3-Clause
"""How far long work has come: a line on stderr when asked for, always a log record."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

logger = logging.getLogger("skzest")


class Progress:
    """Counts work done and tells, at most twice a second, how much is left.

    Parameters
    ----------
    title : str
        What is being done.
    total : int
        Units of work in all.
    verbose : int
        0 prints nothing. On a terminal the line is rewritten in place; elsewhere a new line is
        written at every tenth of the work, so that log files stay readable.
    listener : callable, optional
        Told every amount as well.
    """

    def __init__(
        self,
        title: str,
        total: int,
        verbose: int = 0,
        listener: Callable[[int], None] | None = None,
    ):
        self.title, self.total, self.verbose = title, total, verbose
        self.listener = listener
        self.done = 0
        self._started = time.monotonic()
        self._shown = 0.0
        self._width = 0

    def step(self, amount: int) -> None:
        """Note that ``amount`` more is done."""
        before, self.done = self.done, self.done + amount
        if self.listener is not None:
            self.listener(amount)
        if not self.verbose:
            return
        if not sys.stderr.isatty():
            if self.done * 10 // self.total > before * 10 // self.total:
                print(self.line(), file=sys.stderr, flush=True)
            return
        now = time.monotonic()
        if now - self._shown > 0.5 or self.done >= self.total:
            self._shown = now
            line = self.line()
            end = "\n" if self.done >= self.total else ""
            print(f"\r{line:<{self._width}}", end=end, file=sys.stderr, flush=True)
            self._width = len(line)

    @property
    def report(self) -> Callable[[int], None] | None:
        """:meth:`step`, or None if nobody wants to know."""
        return self.step if self.verbose or self.listener is not None else None

    def line(self) -> str:
        """The state in one line."""
        elapsed = time.monotonic() - self._started
        share = self.done / self.total if self.total else 1.0
        text = f"{self.title}: {self.done:,} of {self.total:,} ({share:.0%}), {_clock(elapsed)}"
        if 0 < self.done < self.total:
            text += f" gone, about {_clock(elapsed * (1 - share) / share)} left"
        return text

    def finish(self) -> None:
        """Log the whole."""
        self.done = self.total
        logger.info("%s", self.line())


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
