# SPDX-License-Identifier: BSD-3-Clause
"""Which models answer which points, where and when: units of work spread over jobs.

A plan is cut into *units*, runs of whole reference points that fill one batch. Units depend on
the plan and the batch size alone, never on the number of jobs or of models. Nothing of the size
of all masked copies is ever held: one batch of copies, the scores of one unit, the coefficients.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from joblib import effective_n_jobs
from joblib.externals.loky import BrokenProcessPool
from joblib.externals.loky.backend.reduction import dumps
from sklearn.utils.parallel import delayed

from .._progress import parallel_for
from .._validation import listed
from ..plan import QueryPlan
from ..queries import Space
from ._asker import Asker, PointCoefficients, tuned_rows
from ._batches import BatchSize, auto_rows, units_of
from ._cached import CachedAnswers, CachedTask
from ._guard import Respondent, sessions

__all__ = ["Task", "answer_plan"]


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

    def asker(self) -> AbstractContextManager[Asker]:
        """What asks the models, or looks up first what they have answered before."""
        settings = (self.plan, self.respondents, self.size, self.space, self.keep_scores)
        return (
            nullcontext(Asker(*settings)) if self.cached is None else self.cached.asker(*settings)
        )

    def run(self) -> list[PointCoefficients]:
        """The coefficients of each model over all points of the task."""
        with sessions([r.query for r in self.respondents]), self.asker() as asker:
            found = list(asker.coefficients(self.units))
        return [PointCoefficients.join(of_one) for of_one in zip(*found, strict=True)]


def answer_plan(
    plan: QueryPlan,
    respondents: list[Respondent],
    *,
    batch_size: int | str | None = None,
    n_jobs: int | None = None,
    report: Callable[[int], None] | None = None,
    keep_scores: bool = False,
    cached: CachedAnswers | None = None,
    offset: int = 0,
) -> list[PointCoefficients]:
    """Put a plan to all models.

    Parameters
    ----------
    plan : QueryPlan
    respondents : list of Respondent
        The models, after their first look.
    batch_size : int or "tune", optional
        Copies per batch; None takes it from the size of a copy and the device, "tune" tries.
    n_jobs : int, optional
        Tasks at a time, in joblib's terms; the active backend decides what runs them.
    report : callable, optional
        Told the number of questions answered, unit by unit.
    keep_scores : bool, default=False
        Keep the scores of all masks in place of coefficients.
    cached : CachedAnswers, optional
        Knows what has been answered before, and stores what is new.
    offset : int, default=0
        Position of the first point in the plan that ``cached`` knows.

    Returns
    -------
    coefficients : list of PointCoefficients, one per model
    """
    here, elsewhere = _tasks(plan, respondents, batch_size, effective_n_jobs(n_jobs), keep_scores)
    if cached is not None:
        here = [_looked_up_first(task, cached, offset) for task in here]
        elsewhere = [_looked_up_first(task, cached, offset) for task in elsewhere]
    runs: list[list[tuple[int, PointCoefficients]]] = [[] for _ in respondents]

    def keep(task: Task, start: int, stop: int, found: list[PointCoefficients]) -> None:
        for i, coefficients in zip(task.members, found, strict=True):
            runs[i].append((start, coefficients))
        if report is not None:
            report(sum(plan.n_questions[start:stop]) * len(task.members))

    for task in here:
        with task.asker() as asker:
            for unit, found in zip(task.units, asker.coefficients(task.units), strict=True):
                keep(task, *unit, found)
    for task, found in _run_elsewhere(elsewhere, n_jobs, report):
        keep(task, task.start, task.stop, found)
    return [PointCoefficients.join([c for _, c in sorted(r, key=itemgetter(0))]) for r in runs]


def _looked_up_first(task: Task, cached: CachedAnswers, offset: int) -> Task:
    start, stop = offset + task.start, offset + task.stop
    return replace(task, cached=cached.for_task(start, stop, task.members))


def _tasks(
    plan: QueryPlan,
    respondents: list[Respondent],
    batch_size: int | str | None,
    n_workers: int,
    keep_scores: bool,
) -> tuple[list[Task], list[Task]]:
    """Work of this process, whose sessions are open, and work for joblib."""
    here: list[Task] = []
    elsewhere: list[Task] = []
    for space in dict.fromkeys(r.query.space for r in respondents):
        members = tuple(i for i, r in enumerate(respondents) if r.query.space == space)
        chosen = [respondents[i] for i in members]
        rows = tuned_rows(plan, chosen, space) if batch_size == "tune" else batch_size
        size = BatchSize(int(rows or auto_rows(plan, space)), isinstance(batch_size, int))
        task = Task(plan, 0, len(plan), members, chosen, size, space, keep_scores)
        if n_workers == 1 or getattr(space, "stays_here", False):
            here.append(task)
        else:
            elsewhere += _spread(task, n_workers)
    return here, elsewhere


def _spread(task: Task, n_workers: int) -> Iterator[Task]:
    """Cut a task into runs of units, and into shares of its models where units are few.

    Each part pickles its models when it goes to another process, so there are few: two for each
    worker.
    """
    units = task.units
    n_runs = min(len(units), 2 * n_workers)
    n_shares = min(len(task.members), -(-n_workers // n_runs)) if n_runs < n_workers else 1
    for run in np.array_split(np.array(units), n_runs):
        start, stop = int(run[0, 0]), int(run[-1, 1])
        for share in np.array_split(np.arange(len(task.members)), n_shares):
            yield replace(
                task,
                plan=task.plan.slice(start, stop),
                start=start,
                stop=stop,
                members=tuple(task.members[i] for i in share),
                respondents=[task.respondents[i] for i in share],
            )


def _run_elsewhere(
    tasks: list[Task], n_jobs: int | None, report: Callable[[int], None] | None
) -> Iterator[tuple[Task, list[PointCoefficients]]]:
    """Tasks through joblib."""
    if not tasks:
        return
    parallel = parallel_for(report, n_jobs=n_jobs)
    try:
        outcomes = parallel(delayed(task.run)() for task in tasks)
        yield from zip(tasks, outcomes, strict=True)
    except (pickle.PicklingError, AttributeError, TypeError, BrokenProcessPool) as error:
        respondents = {r.name: r for task in tasks for r in task.respondents}.values()
        if isinstance(error, BrokenProcessPool):
            stubborn, remedy = _local(respondents), "Define the class in a module, or ask"
        else:
            stubborn, remedy = _unpicklable(respondents), "Ask"
        if not stubborn:
            raise
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
