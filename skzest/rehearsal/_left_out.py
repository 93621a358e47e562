# SPDX-License-Identifier: BSD-3-Clause
"""Questions that were chosen several times, each time without one unrelated model."""

from __future__ import annotations

import functools
import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._points import take
from .._validation import check_whole
from ..baselines import Scores, plan_of_points
from ..plan import QueryPlan
from ..queries import Query
from ..store import AnswerStore
from ._discriminant import Discriminant
from ._pool import PoolAnswers, best_of, doubled, missed_owner, more_questions
from ._questions import agreement_with, answers_to, are_defined, check_owner_varies

__all__ = ["LeftOutQuestions", "left_out_questions"]


@dataclass(frozen=True, eq=False, repr=False)
class LeftOutQuestions:
    """The questions of all choices together; made by :func:`left_out_questions`.

    Attributes
    ----------
    plan : QueryPlan
        Every question that is in one of the choices, each a whole point.
    choices : tuple of Discriminant
        The choice without each unrelated model; ``indices`` are positions in the plan.
    owner_scores : ndarray of shape (n_questions, n_classes)
        The owner's answers.
    classes : ndarray of shape (n_classes,)
        Labels of the columns.
    """

    plan: QueryPlan
    choices: tuple[Discriminant, ...]
    owner_scores: np.ndarray
    classes: np.ndarray

    def __repr__(self) -> str:
        return f"<LeftOutQuestions: {len(self)} questions from {len(self.choices)} choices>"

    def __len__(self) -> int:
        return len(self.plan)

    def distances(
        self,
        models: Sequence[object] | Scores,
        *,
        adapter: str | Callable[[object], Query] = "auto",
        cache: str | os.PathLike[str] | AnswerStore | None = None,
    ) -> np.ndarray:
        """How far models are from the owner's by each choice, shape (n_models, n_unrelated).

        Each model is asked ``len(self)`` questions, unless its answers are given. NaN for a model
        that gives the same answer to all of them, and for one without any of the owner's classes.

        Warns
        -----
        UndefinedSignatureWarning
            If a distance is NaN.
        """
        scores = answers_to(self.plan, models, adapter, cache)
        agreement = agreement_with(self.owner_scores, self.classes, scores)
        by_choice = [chosen.distances(agreement[:, chosen.indices]) for chosen in self.choices]
        return np.where(are_defined(scores, self.classes), by_choice, np.nan).T


def left_out_questions(pool: PoolAnswers, n_questions: int = 64) -> LeftOutQuestions:
    """Choose once without each unrelated model, so that all of them can calibrate.

    Parameters
    ----------
    pool : PoolAnswers
    n_questions : int, default=64
        For all choices together. Each choice has as many as this allows; those that differ by one
        model have many of their questions in common.

    Returns
    -------
    questions : LeftOutQuestions

    Raises
    ------
    ValueError
        As :meth:`PoolAnswers.choose`; and if `n_questions` are too few for all choices.
    """
    n_questions = check_whole(n_questions, "n_questions")
    choices = _within(pool, n_questions)
    if choices is None:
        raise ValueError(_too_few(pool, n_questions))
    union = _union(choices)
    check_owner_varies(pool.owner_scores[union])
    return LeftOutQuestions(
        plan_of_points(take(pool.points, union), pool.response),
        tuple(replace(c, indices=np.searchsorted(union, c.indices)) for c in choices),
        pool.owner_scores[union],
        pool.classes,
    )


def _within(pool: PoolAnswers, n_questions: int) -> list[Discriminant] | None:
    """The choices with as many questions each as are at most ``n_questions`` together.

    None if that is less than one question each, or they would miss the owner's own model.
    """
    unrelated = np.flatnonzero(pool.roles == "unrelated")
    most = [best_of(pool, n_questions, [i]) for i in unrelated]

    @functools.cache
    def choices(n: int) -> list[Discriminant]:
        return [
            best_of(pool, min(n, len(chosen.indices)), [i], chosen.indices)
            for i, chosen in zip(unrelated, most)
        ]

    def n_together(n: int) -> int:
        return len(_union(choices(n)))

    found = most
    if len(_union(most)) > n_questions:
        fewest = max(n_questions // len(unrelated), 1)  # fit even if no question is shared
        larger = range(fewest + 1, n_questions)
        found = choices(fewest + bisect_right(larger, n_questions, key=n_together))
    is_enough = len(_union(found)) <= n_questions and all(c.finds_owner for c in found)
    return found if is_enough else None


def _too_few(pool: PoolAnswers, n_questions: int) -> str:
    """What to do if the choices do not work with so few questions together."""
    for n in doubled(n_questions, len(pool.owner_scores)):
        if _within(pool, n) is not None:
            n_choices = int(np.sum(pool.roles == "unrelated"))
            return (
                f"n_questions={n_questions} are too few for {n_choices} choices, each without one "
                "unrelated model: together they exceed that, or would miss the owner's own model. "
                f"{more_questions(n)}"
            )
    return missed_owner(n_questions, None)


def _union(choices: Sequence[Discriminant]) -> np.ndarray:
    return np.unique(np.concatenate([chosen.indices for chosen in choices]))
