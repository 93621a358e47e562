# SPDX-License-Identifier: BSD-3-Clause
"""Where and when tasks run: in this process, or spread over joblib's workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from ..plan import QueryPlan
from ._cached import CachedAnswers
from ._cores import is_worth_sending, note_kept, note_workers, share_of_threads
from ._elsewhere import is_cluster, n_workers_for
from ._first_look import FIRST_LOOK_ROWS
from ._guard import Respondent
from ._task import Found, Task, looked_up_first, tasks_of
from ._workers import run_elsewhere

__all__ = ["answer_plan"]

# Tasks for each worker: many where a lost task loses its answers, or where dask decides early who
# does what (of 4 tasks one of 2 workers got 3), but all with some questions to ask again.
_TASKS, _MANY_TASKS, _FEW_QUESTIONS = 2, 16, 128
# Models that go to a worker together, at least.
_SHARE = 64
# A task is cut into so many parts, at least, for one of them to be tried here.
_SMALL_PARTS = 8


def answer_plan(
    plan: QueryPlan,
    respondents: list[Respondent],
    *,
    batch_size: int | str | None = None,
    n_jobs: int | None = None,
    keep_scores: bool = False,
    cached: CachedAnswers | None = None,
    offset: int = 0,
) -> Iterator[Found]:
    """Put a plan to all models; coefficients are yielded as they come, in any order.

    Parameters
    ----------
    plan : QueryPlan
    respondents : list of Respondent
        The models, after their first look.
    batch_size : int or "tune", optional
        Copies per batch; None takes it from the size of a copy and the device, "tune" tries.
    n_jobs : int, optional
        Tasks at a time, in joblib's terms; the active backend decides what runs them.
    keep_scores : bool, default=False
        Keep the scores of all masks in place of coefficients.
    cached : CachedAnswers, optional
        Knows what has been answered before, and stores what is new.
    offset : int, default=0
        Position of the first point in the plan that ``cached`` knows.
    """
    n_workers = n_workers_for(n_jobs)
    tasks = tasks_of(plan, respondents, batch_size, keep_scores)
    stay = [t for t in tasks if n_workers == 1 or getattr(t.space, "stays_here", False)]
    go = [task for task in tasks if task not in stay]
    here = chain.from_iterable(looked_up_first(t, cached, offset).found() for t in stay)
    return chain(here, _spread_or_kept(go, n_jobs, n_workers, cached, offset)) if go else here


def _spread_or_kept(
    tasks: list[Task],
    n_jobs: int | None,
    n_workers: int,
    cached: CachedAnswers | None,
    offset: int,
) -> Iterator[Found]:
    """Start here, and send the rest to joblib's workers where that is worth it."""
    with share_of_threads(n_workers):
        left, seconds = [], 0.0
        for task in tasks:
            trial, rest = _trial_of(task)
            least, guess = _guesses(task)
            if trial is None or is_worth_sending(least):
                trial, rest = None, task
            if trial is not None:
                watch = _Watch()
                yield from watch.over(looked_up_first(trial, cached, offset).found())
                guess = watch.seconds * rest.n_answers / trial.n_answers
            left.append(rest)
            seconds += guess
        if not is_worth_sending(seconds):
            watch = _Watch()  # a guess from a small part may be twice the time that it takes
            for task in left:
                yield from watch.over(looked_up_first(task, cached, offset).found())
            note_kept(watch.seconds)
            return
        for_each = _TASKS if cached is None and not is_cluster() else _MANY_TASKS
        parts = [part for task in left for part in _spread(task, n_workers, for_each)]
        yield from run_elsewhere(
            [looked_up_first(part, cached, offset) for part in parts], n_jobs, cached
        )
        note_workers()


@dataclass
class _Watch:
    """The time that work takes, without that of whoever takes its results."""

    seconds: float = 0.0

    def over(self, found: Iterator[Found]) -> Iterator[Found]:
        """The same results, made while the watch runs."""
        start = time.perf_counter()
        for some in found:
            self.seconds += time.perf_counter() - start
            yield some
            start = time.perf_counter()
        self.seconds += time.perf_counter() - start


def _trial_of(task: Task) -> tuple[Task | None, Task]:
    """A small part of a task, which shows how long the rest will take; None if all are large."""
    n_units, n_models, n_points = len(task.units), len(task.members), len(task.plan)
    n_tried = max(n_models // _SHARE, 1)
    if max(n_units, n_models // n_tried) < _SMALL_PARTS:
        return None, task
    if n_units >= n_models // n_tried:
        stop = task.units[0][1]
        return task.part(0, stop), task.part(stop, n_points)
    tried, others = slice(n_tried), slice(n_tried, None)
    return task.part(0, n_points, tried), task.part(0, n_points, others)


def _guesses(task: Task) -> tuple[float, float]:
    """Seconds that a task takes at least, and a guess of them, from the first looks.

    Its batches take at least as long as a first look, and at most in proportion to their rows; the
    guess is halfway on a logarithmic scale.
    """
    look = sum(asked.seconds for asked in task.respondents)
    n_calls = -(-task.plan.n_queries // task.size.wanted)
    n_looks = max(task.plan.n_queries / FIRST_LOOK_ROWS, n_calls)
    return n_calls * look, (n_calls * n_looks) ** 0.5 * look


def _spread(task: Task, n_workers: int, for_each_worker: int) -> Iterator[Task]:
    """Cut a task into runs of units, and into shares of its models where these are many.

    Copies are rendered once for each share, so shares are large. Their runs take turns: a worker
    can then keep to one share, and needs no other models.
    """
    units, n_models = task.units, len(task.members)
    n_tasks = min(for_each_worker * n_workers, task.plan.n_queries // _FEW_QUESTIONS)
    n_tasks = max(n_tasks, _TASKS * n_workers)
    n_runs, n_shares = cuts(n_tasks, n_workers, len(units), n_models)
    for run in np.array_split(np.array(units), n_runs):
        of_run = task.part(int(run[0, 0]), int(run[-1, 1]))
        for share in np.array_split(np.arange(n_models), n_shares):
            models = slice(int(share[0]), int(share[-1]) + 1)
            yield replace(
                of_run, members=of_run.members[models], respondents=of_run.respondents[models]
            )


def cuts(n_tasks: int, n_workers: int, n_units: int, n_models: int) -> tuple[int, int]:
    """Numbers of runs of units, and of shares of models, for about ``n_tasks`` tasks."""
    n_shares = max(n_models // _SHARE, -(-n_workers // n_units))
    n_shares = max(min(n_shares, n_workers, n_models), 1)
    return min(-(-n_tasks // n_shares), n_units), n_shares
