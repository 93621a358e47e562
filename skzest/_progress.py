# SPDX-License-Identifier: BSD-3-Clause
"""Progress of long work, for a line on stderr, scikit-learn's callbacks and the log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.utils.parallel import Parallel

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for the mixin of a scikit-learn that has callbacks (1.9)."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


logger = logging.getLogger("skzest")


__all__ = ["CallbackSupportMixin", "Progress", "parallel_for", "with_callbacks"]

_TICKS = 100
_LONGEST_SILENCE = 30.0

Report = Callable[[int], None]


def parallel_for(return_as: str, **settings: Any) -> Parallel:
    """Make joblib's Parallel, which yields outcomes one by one where that is possible.

    Some backends, such as Ray's, only return all outcomes at the end, and joblib 1.3 only yields
    them in order.
    """
    for way in (return_as, "generator"):
        try:
            return Parallel(return_as=way, **settings)
        except ValueError:  # such a backend, or such a version
            continue
    return Parallel(**settings)


class Progress:
    """How far long work has come, stage by stage, for all who listen.

    The listeners are a line on stderr, where ``verbose`` asks for it, and scikit-learn's
    callbacks, where an estimator has any. The log gets a record at the end of each stage.

    Parameters
    ----------
    verbose : int, default=0
        0 prints nothing.
    estimator : estimator, optional
        Whose callbacks are told.
    n_stages : int, default=1
        How many stages there will be.
    """

    def __init__(self, verbose: int = 0, estimator: Any = None, n_stages: int = 1):
        self._verbose, self._estimator = verbose, estimator
        self._root = None
        if HAS_CALLBACKS and getattr(estimator, "_skl_callbacks", None):
            self._root = estimator._init_callback_context(max_subtasks=n_stages)

    def __enter__(self) -> Progress:
        if self._root is not None:
            self._root.call_on_fit_task_begin(estimator=self._estimator)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._root is not None and kind is None:
            self._root.call_on_fit_task_end(estimator=self._estimator)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Report | None]:
        """Run one stage; yields the function to report amounts to, or None."""
        line = Line(title, total)
        listeners: list[Report] = [line.step] if self._verbose else []
        task = None
        if self._root is not None:
            task = self._root.subcontext(task_name=title, max_subtasks=min(total, _TICKS))
            task.call_on_fit_task_begin(estimator=self._estimator)
            listeners.append(_Ticker(task, self._estimator, total, title))

        def report(amount: int) -> None:
            for listener in listeners:
                listener(amount)

        yield report if listeners else None
        line.done = total
        logger.info("%s", line)
        if task is not None:
            task.call_on_fit_task_end(estimator=self._estimator)


class Line:
    """The state of one stage as a line of text, written to stderr at most twice a second.

    On a terminal the line is rewritten in place; elsewhere a new line is written at every tenth
    of the work, and at the first step after 30 seconds without one, so that log files stay
    readable.
    """

    def __init__(self, title: str, total: int):
        self.title, self.total, self.done = title, total, 0
        self._started = time.monotonic()
        self._shown = 0.0
        self._width = 0

    def step(self, amount: int) -> None:
        """Note that ``amount`` more is done."""
        before, self.done = self.done, self.done + amount
        now = time.monotonic()
        if not sys.stderr.isatty():
            tenth = self.done * 10 // self.total > before * 10 // self.total
            if tenth or now - max(self._shown, self._started) >= _LONGEST_SILENCE:
                self._shown = now
                print(self, file=sys.stderr, flush=True)
            return
        if now - self._shown > 0.5 or self.done >= self.total:
            self._shown = now
            line = str(self)
            end = "\n" if self.done >= self.total else ""
            print(f"\r{line:<{self._width}}", end=end, file=sys.stderr, flush=True)
            self._width = len(line)

    def __str__(self) -> str:
        elapsed = time.monotonic() - self._started
        share = self.done / self.total if self.total else 1.0
        text = f"{self.title}: {self.done:,} of {self.total:,} ({share:.0%}), {_clock(elapsed)}"
        if 0 < self.done < self.total:
            text += f" elapsed, about {_clock(elapsed * (1 - share) / share)} left"
        return text


class _Ticker:
    """Turns amounts of work into a fixed number of scikit-learn's subtasks."""

    def __init__(self, task: Any, estimator: Any, total: int, name: str):
        self._task, self._estimator, self._name = task, estimator, name
        self._total, self._ticks = total, min(total, _TICKS)
        self._done = self._told = 0

    def __call__(self, amount: int) -> None:
        self._done += amount
        due = self._ticks * self._done // self._total
        for _ in range(due - self._told):
            part = self._task.subcontext(task_name=f"{self._name} part")
            part.call_on_fit_task_begin(estimator=self._estimator)
            part.call_on_fit_task_end(estimator=self._estimator)
        self._told = due


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
