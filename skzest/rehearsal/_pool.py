# SPDX-License-Identifier: BSD-3-Clause
"""A pool of candidate questions, asked once; the best are chosen from it as often as needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .._points import Points, take
from .._validation import check_whole, counted
from ..baselines import plan_of_points
from ._discriminant import Discriminant, discriminate
from ._questions import RehearsedQuestions, check_owner_varies

__all__ = ["PoolAnswers", "best_of", "check_counts", "doubled", "missed_owner", "more_questions"]

_FEWEST = {"copies": 2, "unrelated": 2}
_REMEDY = {
    "copies": "Make more with rehearse().",
    "unrelated": "Train more models of the same task, from other seeds or other data.",
}


@dataclass(frozen=True, eq=False, repr=False)
class PoolAnswers:
    """How much known models agree with the owner on every candidate question.

    Made by :func:`ask_pool`. Choosing questions from it asks nothing, so each unrelated model can
    be left out in turn.

    Attributes
    ----------
    points : container of n_candidates points
        The candidates.
    response : str
        What the models were asked for: ``"label"`` or ``"predict_proba"``.
    owner_scores : ndarray of shape (n_candidates, n_classes)
        The owner's answers.
    classes : ndarray of shape (n_classes,)
        Labels of the columns.
    agreement : ndarray of shape (n_models, n_candidates)
        With the owner, from 0 to 1: copies, then foreign copies, then unrelated models.
    roles : ndarray of str, shape (n_models,)
        ``"copy"``, ``"foreign"`` or ``"unrelated"``.
    """

    points: Points
    response: str
    owner_scores: np.ndarray
    classes: np.ndarray
    agreement: np.ndarray
    roles: np.ndarray

    def __repr__(self) -> str:
        counts = [f"{np.sum(self.roles == role)} {role}" for role in dict.fromkeys(self.roles)]
        return f"<PoolAnswers: {self.agreement.shape[1]} candidates, {', '.join(counts)}>"

    def choose(
        self, n_questions: int = 64, *, without: ArrayLike = (), among: ArrayLike | None = None
    ) -> Discriminant:
        """The candidates that tell copies from other models best, and their weights.

        Parameters
        ----------
        n_questions : int, default=64
        without : array-like of int, default=()
            Positions of models to leave out.
        among : array-like of int, default=None
            Positions of the candidates to choose from; None is all.

        Returns
        -------
        chosen : Discriminant
            With ``indices`` of at most `n_questions` candidates, fewer where known models differ
            on fewer, and their ``weights``.

        Raises
        ------
        ValueError
            If there are fewer candidates than questions, too few models are left, or nothing tells
            copies and the owner from the others.
        """
        chosen = best_of(self, n_questions, without, among)
        if not chosen.finds_owner:
            n_candidates = self.agreement.shape[1] if among is None else np.size(among)
            larger = doubled(n_questions, n_candidates)
            enough = (n for n in larger if best_of(self, n, without, among).finds_owner)
            raise ValueError(missed_owner(n_questions, next(enough, None)))
        return chosen

    def questions(self, n_questions: int = 64, *, without: ArrayLike = ()) -> RehearsedQuestions:
        """The chosen candidates as questions to ask; parameters and errors as in :meth:`choose`.

        Raises
        ------
        ValueError
            Also if the owner's model answers all of them alike.
        """
        chosen = self.choose(n_questions, without=without)
        plan = plan_of_points(take(self.points, chosen.indices), self.response)
        owner_scores = self.owner_scores[chosen.indices]
        check_owner_varies(owner_scores)
        return RehearsedQuestions(plan, chosen, owner_scores, self.classes)

    def left_out_distances(
        self, n_questions: int = 64, *, groups: Sequence[ArrayLike] | None = None
    ) -> np.ndarray:
        """Distances of the unrelated models, each by questions that it had no part in choosing.

        Parameters
        ----------
        n_questions : int, default=64
        groups : list of arrays of int, default=None
            Positions of models that are left out together: for each unrelated model itself and,
            for example, foreign copies made from it. None leaves out one unrelated model at a
            time.

        Returns
        -------
        distances : ndarray of shape (n_unrelated,)
        """
        unrelated = np.flatnonzero(self.roles == "unrelated")
        groups = [np.array([i]) for i in unrelated] if groups is None else groups
        distances = np.empty(len(unrelated))
        for k, (i, group) in enumerate(zip(unrelated, groups, strict=True)):
            chosen = self.choose(n_questions, without=group)
            [distances[k]] = chosen.distances(self.agreement[[i]][:, chosen.indices])
        return distances


# --- choosing -------------------------------------------------------------------------------


def best_of(
    pool: PoolAnswers, n_questions: int, without: ArrayLike, among: ArrayLike | None = None
) -> Discriminant:
    """As :meth:`PoolAnswers.choose`, but perhaps questions that miss the owner's own model."""
    n_questions = check_whole(n_questions, "n_questions")
    indices = np.arange(pool.agreement.shape[1]) if among is None else np.asarray(among)
    n_candidates = len(indices)
    if n_questions > n_candidates:
        raise ValueError(
            f"n_questions={n_questions}, but there are only {n_candidates} candidates. Lower "
            "n_questions, or raise n_candidates of candidate_questions."
        )
    kept = np.delete(np.arange(len(pool.roles)), np.asarray(without, dtype=int))
    roles = pool.roles[kept]
    check_counts(np.sum(roles == "copy"), np.sum(roles == "unrelated"))
    # The owner's own model is the best copy of all.
    agreement = np.concatenate([np.ones((1, n_candidates)), pool.agreement[kept][:, indices]])
    chosen = discriminate(agreement, np.append(True, roles == "copy"), n_questions)
    if not len(chosen.indices):
        raise ValueError(
            f"copies and other models agree with the owner alike on all {n_candidates} "
            "candidates, so no question tells them apart. Give candidates of more kinds."
        )
    return replace(chosen, indices=indices[chosen.indices])


def doubled(n: int, most: int) -> Iterator[int]:
    """Twice ``n``, four times, and so on, and ``most`` last."""
    while n < most:
        n = min(2 * n, most)
        yield n


def missed_owner(n_questions: int, enough: int | None) -> str:
    """What to do about questions that would miss the owner's own model."""
    if enough is not None:
        return (
            f"n_questions={n_questions}, but so few questions would miss the owner's own model. "
            f"{more_questions(enough)}"
        )
    return (
        "copies agree with the owner less than other models do, so questions that find "
        "them would miss the owner's own model. Make better copies, from more queries, "
        "and check that they were made from this owner."
    )


def more_questions(n: int) -> str:
    """The remedy for too few questions."""
    return (
        f"Raise n_questions to {n}, or, where other distances leave a rehearsal 64 questions, use "
        "it alone."
    )


def check_counts(n_copies: int, n_unrelated: int) -> None:
    for name, n in (("copies", int(n_copies)), ("unrelated", int(n_unrelated))):
        if n < _FEWEST[name]:
            raise ValueError(
                f"{counted(n, 'model')} in {name}; at least {_FEWEST[name]} are needed to see what "
                f"they have in common. {_REMEDY[name]}"
            )
