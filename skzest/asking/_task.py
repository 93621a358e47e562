# SPDX-License-Identifier: BSD-3-Clause
"""A task: some points of a plan, put to some models of one array space.

A plan is cut into *units*, runs of whole reference points that fill one batch. Units depend on
the plan and the batch size alone, never on the number of jobs or of models. Nothing of the size
of all masked copies is ever held: one batch of copies, the scores of one unit, the coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..plan import QueryPlan
from ..queries import Space
from ._asker import Asker
from ._batches import BatchSize, auto_rows, units_of
from ._cached import CachedAnswers, CachedTask
from ._guard import Respondent, sessions
from ._local_fits import PointCoefficients
from ._tuning import tuned_rows

__all__ = ["Found", "Task", "looked_up_first", "tasks_of"]

# Of scores that wait until a unit has been answered.
_HELD_BYTES = 128 * 2**20


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


def tasks_of(
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


def looked_up_first(task: Task, cached: CachedAnswers | None, offset: int) -> Task:
    """The task with what is known of its answers; its points start at ``offset`` of the plan."""
    if cached is None:
        return task
    return replace(
        task, cached=cached.for_task(offset + task.start, offset + task.stop, task.members)
    )
