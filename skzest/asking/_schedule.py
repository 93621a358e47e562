# SPDX-License-Identifier: BSD-3-Clause
"""Which models answer which points, where and when: units of work spread over jobs.

A plan is cut into *units*, runs of whole reference points that fill one batch. Units depend on
the plan and the batch size alone, never on the number of jobs or of models. Nothing of the size
of all masked copies is ever held: one batch of copies, the scores of one unit, the coefficients.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from joblib.externals.loky.backend.reduction import dumps
from sklearn.utils.parallel import delayed

from .._validation import listed
from ..plan import QueryPlan
from ..queries import Space
from ..store import Ledger
from ._asker import Asker
from ._batches import BatchSize, auto_rows, units_of
from ._cached import CachedAnswers, CachedTask
from ._cores import is_worth_sending, note_kept, note_workers, share_of_threads
from ._elsewhere import (
    Parcel,
    UnreadableError,
    is_cluster,
    n_workers_for,
    opened,
    opened_once,
    outcomes_of,
    packer,
    sendable,
)
from ._first_look import FIRST_LOOK_ROWS
from ._guard import Respondent, sessions
from ._local_fits import PointCoefficients
from ._tuning import tuned_rows

__all__ = ["Found", "Task", "answer_plan"]

# Of scores that wait until a unit has been answered.
_HELD_BYTES = 128 * 2**20
# Tasks for each worker: many where a lost task loses its answers, or where dask decides early who
# does what (of 4 tasks one of 2 workers got 3), but all with some questions to ask again.
_TASKS, _MANY_TASKS, _FEW_QUESTIONS = 2, 16, 128
# Models that go to a worker together, at least.
_SHARE = 64
# A task is cut into so many parts, at least, for one of them to be tried here.
_SMALL_PARTS = 8


class Found(NamedTuple):
    """The coefficients of some models of a panel at points ``start:stop`` of a plan."""

    members: tuple[int, ...]
    start: int
    stop: int
    coefficients: list[PointCoefficients]


@dataclass(frozen=True)
class Task:
    """Points ``start:stop`` of a plan, put to some models of one array space.

    Attributes
    ----------
    plan : QueryPlan
        Of these points only.
    start, stop : int
        The points' positions in the whole plan.
    members : tuple of int
        The models' positions in the panel.
    respondents : list of Respondent
        The models.
    size : BatchSize
    space : Space
    keep_scores : bool
        Keep scores in place of coefficients.
    cached : CachedTask or None
        Knows what has been answered before.
    """

    plan: QueryPlan
    start: int
    stop: int
    members: tuple[int, ...]
    respondents: list[Respondent]
    size: BatchSize
    space: Space
    keep_scores: bool = False
    cached: CachedTask | None = None

    @property
    def units(self) -> list[tuple[int, int]]:
        """Runs of points of ``plan`` that fit in a batch."""
        return list(units_of(self.plan.n_questions, self.size.wanted))

    def groups(self) -> Iterator[Task]:
        """The same points for some models at a time, whose answers to a unit fit into memory."""
        n_rows = max(sum(self.plan.n_questions[start:stop]) for start, stop in self.units)
        n_columns = max(asked.n_columns or 0 for asked in self.respondents)
        n_groups = -(-len(self.respondents) * n_rows * n_columns * 8 // _HELD_BYTES)
        for some in np.array_split(np.arange(len(self.respondents)), max(n_groups, 1)):
            if len(some):
                part = slice(int(some[0]), int(some[-1]) + 1)
                yield replace(
                    self,
                    members=self.members[part],
                    respondents=self.respondents[part],
                    cached=self.cached and self.cached.of_models(part),
                )

    def part(self, start: int, stop: int, models: slice = slice(None)) -> Task:
        """Some of the points and models."""
        return replace(
            self,
            plan=self.plan.slice(start, stop),
            start=self.start + start,
            stop=self.start + stop,
            members=self.members[models],
            respondents=self.respondents[models],
        )

    @property
    def n_answers(self) -> int:
        """Answers to all questions, of all models."""
        return self.plan.n_queries * len(self.respondents)

    def asker(self) -> AbstractContextManager[Asker]:
        """What asks the models, or looks up first what they have answered before."""
        settings = (self.plan, self.respondents, self.size, self.space, self.keep_scores)
        return (
            nullcontext(Asker(*settings)) if self.cached is None else self.cached.asker(*settings)
        )

    def found(self) -> Iterator[Found]:
        """Coefficients, group by group and unit by unit."""
        for group in self.groups():
            with group.asker() as asker:
                found = asker.coefficients(group.units)
                for (start, stop), coefficients in zip(group.units, found, strict=True):
                    run = self.start + start, self.start + stop
                    yield Found(group.members, *run, coefficients)

    def run(self) -> list[PointCoefficients]:
        """The coefficients of each model over all points of the task."""
        joined = []
        with sessions([r.query for r in self.respondents]):
            for group in self.groups():
                with group.asker() as asker:
                    found = list(asker.coefficients(self.units))
                joined += [PointCoefficients.join(of_one) for of_one in zip(*found, strict=True)]
        return joined


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
    tasks = _tasks(plan, respondents, batch_size, keep_scores)
    stay = [t for t in tasks if n_workers == 1 or getattr(t.space, "stays_here", False)]
    go = [task for task in tasks if task not in stay]
    here = chain.from_iterable(_looked_up_first(t, cached, offset).found() for t in stay)
    return chain(here, _spread_or_kept(go, n_jobs, n_workers, cached, offset)) if go else here


def _looked_up_first(task: Task, cached: CachedAnswers | None, offset: int) -> Task:
    if cached is None:
        return task
    return replace(
        task, cached=cached.for_task(offset + task.start, offset + task.stop, task.members)
    )


def _tasks(
    plan: QueryPlan,
    respondents: list[Respondent],
    batch_size: int | str | None,
    keep_scores: bool,
) -> list[Task]:
    """All questions, in a task for each array space."""
    tasks = []
    for space in dict.fromkeys(r.query.space for r in respondents):
        members = tuple(i for i, r in enumerate(respondents) if r.query.space == space)
        chosen = [respondents[i] for i in members]
        rows = tuned_rows(plan, chosen, space) if batch_size == "tune" else batch_size
        size = BatchSize(int(rows or auto_rows(plan, space)), isinstance(batch_size, int))
        tasks.append(Task(plan, 0, len(plan), members, chosen, size, space, keep_scores))
    return tasks


# --- work for several jobs ------------------------------------------------------------------


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
                yield from watch.over(_looked_up_first(trial, cached, offset).found())
                guess = watch.seconds * rest.n_answers / trial.n_answers
            left.append(rest)
            seconds += guess
        if not is_worth_sending(seconds):
            watch = _Watch()  # a guess from a small part may be twice the time that it takes
            for task in left:
                yield from watch.over(_looked_up_first(task, cached, offset).found())
            note_kept(watch.seconds)
            return
        for_each = _TASKS if cached is None and not is_cluster() else _MANY_TASKS
        parts = [part for task in left for part in _spread(task, n_workers, for_each)]
        yield from _run_elsewhere(
            [_looked_up_first(part, cached, offset) for part in parts], n_jobs, cached
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


def _run_elsewhere(
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
        raise _FailedTask(said, cached and cached.store.news()) from error


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
