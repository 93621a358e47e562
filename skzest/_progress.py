# SPDX-License-Identifier: BSD-3-Clause
"""How far long work has come: a line on stderr when asked for, always a log record."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in where scikit-learn has no callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


logger = logging.getLogger("skzest")


__all__ = ["CallbackSupportMixin", "FitStages", "Progress", "with_callbacks"]


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


_TICKS = 100


class FitStages:
    """The stages of one fit as scikit-learn's tree of tasks: root, stage, hundredths of it.

    Parameters
    ----------
    estimator : estimator
        Whose callbacks are told.
    n_stages : int
        How many stages there will be.
    """

    def __init__(self, estimator: Any, n_stages: int):
        self._estimator = estimator
        self._root = None
        if HAS_CALLBACKS and getattr(estimator, "_skl_callbacks", None):
            self._root = estimator._init_callback_context(max_subtasks=n_stages)
            self._root.call_on_fit_task_begin(estimator=estimator)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None] | None]:
        """Run one stage; yields what is to be told how much was done, None if none listens."""
        if self._root is None:
            yield None
            return
        ticks = min(total, _TICKS)
        context = self._root.subcontext(task_name=name, max_subtasks=ticks)
        context.call_on_fit_task_begin(estimator=self._estimator)
        yield _Ticker(context, self._estimator, total, ticks, name)
        context.call_on_fit_task_end(estimator=self._estimator)

    def end(self) -> None:
        """The fit is over."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._estimator)


class _Ticker:
    """Turns amounts of work into a fixed number of subtasks."""

    def __init__(self, context: Any, estimator: Any, total: int, ticks: int, name: str):
        self._context, self._estimator, self._name = context, estimator, name
        self._total, self._ticks = total, ticks
        self._done = self._told = 0

    def __call__(self, amount: int) -> None:
        self._done += amount
        due = self._ticks * self._done // self._total
        for _ in range(due - self._told):
            task = self._context.subcontext(task_name=f"{self._name} part")
            task.call_on_fit_task_begin(estimator=self._estimator)
            task.call_on_fit_task_end(estimator=self._estimator)
        self._told = due
