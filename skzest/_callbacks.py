# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's callbacks (progress bars and the like) where its version has them.

They came, as an experiment, with scikit-learn 1.9. Before that the names here do nothing.
"""

from __future__ import annotations

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


__all__ = ["CallbackSupportMixin", "FitStages", "with_callbacks"]

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
