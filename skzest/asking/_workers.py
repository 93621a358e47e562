# SPDX-License-Identifier: BSD-3-Clause
"""Tasks that joblib's workers run, and how errors come back from there."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any

from joblib.externals.loky.backend.reduction import dumps
from sklearn.utils.parallel import delayed

from .._validation import listed
from ..store import Ledger
from ._cached import CachedAnswers
from ._elsewhere import (
    Parcel,
    UnreadableError,
    opened,
    opened_once,
    outcomes_of,
    packer,
    sendable,
)
from ._guard import Respondent
from ._task import Found, Task

__all__ = ["run_elsewhere"]


def run_elsewhere(
    tasks: list[Task], n_jobs: int | None, cached: CachedAnswers | None
) -> Iterator[Found]:
    """Tasks through joblib; this process alone opens the store."""
    if not tasks:
        return
    with nullcontext() if cached is None else cached.store.connect() as connection:

        def enter(ledger: Ledger | None) -> None:
            if ledger is not None and connection is not None:
                ledger.enter_into(connection)

        try:
            call = _calls(tasks)
            for number, (found, ledger) in outcomes_of(call, len(tasks), n_jobs, _is_final):
                enter(ledger)
                task = tasks[number]
                yield Found(task.members, task.start, task.stop, found)
        except _FailedTask as failed:
            enter(failed.ledger)
            _refuse_unsendable(tasks, failed.error, n_jobs)
            # Of another process, the cause shows the frames there.
            elsewhere = None if failed.__cause__ is failed.error else failed.__cause__
            raise failed.error from elsewhere or failed.error.__cause__
        except Exception as error:
            _refuse_unsendable(tasks, error, n_jobs)
            raise


def _calls(tasks: list[Task]) -> Callable[[int], tuple]:
    """From the number of a task to its call; models and points are packed once."""
    pack = packer()
    respondents = {task.members: task.respondents for task in tasks}
    models = {members: pack(some) for members, some in respondents.items()}
    plans = {(task.start, task.stop): task.plan for task in tasks}
    points = {run: pack(plan) for run, plan in plans.items()}

    def call(number: int) -> tuple:
        task = tasks[number]
        cached = None if task.cached is None else task.cached.with_ledger(task.plan)
        settings = (task.size, task.space, task.keep_scores, cached)
        parcels = models[task.members], points[task.start, task.stop]
        return delayed(_answer)(number, *parcels, settings)

    return call


def _answer(number: int, models: Any, points: Any, settings: tuple) -> tuple[int, tuple]:
    """Run a task, whose models and points come in parcels; the ledger of its answers comes back.

    Raises
    ------
    _FailedTask
    """
    cached = settings[-1]
    try:
        plan = opened(points)
        task = Task(plan, 0, len(plan), (), opened_once(models), *settings)
        return number, (task.run(), cached and cached.store.news())
    except Exception as error:
        said = sendable(error) if isinstance(models, Parcel) else error
        failed = _FailedTask(said, cached and cached.store.news())
    raise failed  # not from the error, which would be sent along


class _FailedTask(Exception):
    """An error in a task, with the ledger of the answers before it."""

    def __init__(self, error: Exception, ledger: Ledger | None):
        super().__init__(error, ledger)  # from which it is made anew elsewhere
        self.error, self.ledger = error, ledger


def _is_final(error: Exception) -> bool:
    return isinstance(error, _FailedTask)


def _refuse_unsendable(tasks: list[Task], error: Exception, n_jobs: int | None) -> None:
    """Name the models that cannot be pickled, or not be opened where they are sent.

    Raises
    ------
    TypeError
    """
    every = {r.name: r for task in tasks for r in task.respondents}.values()
    if isinstance(error, UnreadableError):
        stubborn = _local(every) or ["a model"]
        remedy = "Define its class in a module that every worker can import, or ask"
    elif isinstance(error, (pickle.PicklingError, AttributeError, TypeError)):
        stubborn, remedy = _unpicklable(every), "Ask"
    else:
        return
    if stubborn:
        raise TypeError(
            f"{listed(stubborn)} cannot be sent to another process, as n_jobs={n_jobs} needs "
            f'({error}). {remedy} in threads, within joblib.parallel_config("threading"), or '
            "with n_jobs=1."
        ) from error


def _unpicklable(respondents: Iterable[Respondent]) -> list[str]:
    """Names of the models that do not pickle."""
    names = []
    for asked in respondents:
        try:
            dumps(asked.query)
        except Exception:
            names.append(asked.name)
    return names


def _local(respondents: Iterable[Respondent]) -> list[str]:
    """Names of the models that refer to a script or notebook, which a worker may not know."""
    return [asked.name for asked in respondents if b"__main__" in bytes(dumps(asked.query))]
