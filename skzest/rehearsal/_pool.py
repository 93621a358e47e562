# SPDX-License-Identifier: BSD-3-Clause
"""A pool of candidate questions, asked once; the best are chosen from it as often as needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .._points import Points, take
from .._validation import check_choice, check_roles, check_whole, counted, listed
from ..baselines import Scores, ask_named, plan_of_points
from ..queries import Query
from ..store import AnswerStore
from ._candidates import Candidates
from ._discriminant import Discriminant, discriminate
from ._inputs import as_points
from ._questions import RehearsedQuestions, agreement_with, check_owner_varies, has_classes

__all__ = ["PoolAnswers", "ask_pool", "choose_questions"]

_RESPONSES = {"label": "label", "scores": "predict_proba"}
_FEWEST = {"copies": 2, "unrelated": 2}


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
        n_questions = check_whole(n_questions, "n_questions")
        indices = np.arange(self.agreement.shape[1]) if among is None else np.asarray(among)
        n_candidates = len(indices)
        if n_questions > n_candidates:
            raise ValueError(
                f"n_questions={n_questions}, but there are only {n_candidates} candidates. Lower "
                "n_questions, or raise n_candidates of candidate_questions."
            )
        kept = np.delete(np.arange(len(self.roles)), np.asarray(without, dtype=int))
        roles = self.roles[kept]
        _check_counts(np.sum(roles == "copy"), np.sum(roles == "unrelated"))
        # The owner's own model is the best copy of all.
        agreement = np.concatenate([np.ones((1, n_candidates)), self.agreement[kept][:, indices]])
        chosen = discriminate(agreement, np.append(True, roles == "copy"), n_questions)
        if not len(chosen.indices):
            raise ValueError(
                f"copies and other models agree with the owner alike on all {n_candidates} "
                "candidates, so no question tells them apart. Give candidates of more kinds."
            )
        if chosen.distances(np.ones((1, len(chosen.indices))))[0] >= 1:
            raise ValueError(
                "copies agree with the owner less than other models do, so questions that find "
                "them would miss the owner's own model. Make better copies, from more queries, "
                "and check that they were made from this owner."
            )
        return replace(chosen, indices=indices[chosen.indices])

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


def ask_pool(
    owner: object,
    candidates: Candidates | Points,
    *,
    copies: Sequence[object],
    unrelated: Sequence[object],
    foreign: Sequence[object] = (),
    answers: str = "label",
    adapter: str | Callable[[object], Query] = "auto",
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> PoolAnswers:
    """Ask the owner's model, copies of it and other models about every candidate.

    Parameters
    ----------
    owner : fitted classifier or query
    candidates : Candidates, or container of points
        Questions to choose from, see :func:`candidate_questions`.
    copies : list of models
        Copies of the owner's model, such as :func:`rehearse` makes.
    unrelated : list of models
        Models that share only the task with it.
    foreign : list of models, default=()
        Copies of *other* models, made as `copies` were. With them, questions are found that tell
        a copy of the owner's model from a copy of any model.
    answers : {"label", "scores"}, default="label"
        Compare labels or probabilities.
    adapter, cache
        As in :func:`~skzest.baselines.ask_copies`.

    Returns
    -------
    pool : PoolAnswers

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
        If a model cannot be asked; the message names its role.
    ValueError
        If there are fewer than 2 copies or unrelated models, a model has two roles, or none of the
        owner's classes, or the same answer to every candidate, or all copies agree with the owner
        everywhere.

    Notes
    -----
    Asks each model ``len(candidates)`` questions.
    """
    check_choice(answers, "answers", _RESPONSES)
    others = {"copies": copies, "foreign": foreign, "unrelated": unrelated}
    zoos = dict(zip(others, check_roles("the owner", owner, others)))
    _check_counts(len(zoos["copies"]), len(zoos["unrelated"]))
    points = candidates.points if isinstance(candidates, Candidates) else as_points(candidates)
    response = _RESPONSES[answers]
    named = {"the owner's model": owner}
    named |= {f"{name}[{i}]": model for name, zoo in zoos.items() for i, model in enumerate(zoo)}
    scores = ask_named(named, plan_of_points(points, response), adapter=adapter, cache=cache)
    roles = np.repeat(["copy", "foreign", "unrelated"], [len(zoo) for zoo in zoos.values()])
    _refuse_constant(scores, [*named])
    return _pool(scores, points, roles)


def _refuse_constant(scores: Scores, names: Sequence[str]) -> None:
    """Refuse models that have learned nothing, in any role."""
    if scores.constant.any():
        constant = [name for name, is_one in zip(names, scores.constant) if is_one]
        raise ValueError(
            f"{listed(constant)} gave the same answer to all {scores.values.shape[1]} candidates, "
            "so what they agree on means nothing. Leave such models out, or give candidates of "
            "more kinds and classes."
        )


def _pool(scores: Scores, points: Points, roles: np.ndarray) -> PoolAnswers:
    owned = ~np.isnan(scores.values[0, 0])
    owner_scores, classes = scores.values[0][:, owned], scores.classes[owned]
    known = has_classes(scores, classes)[1:]
    if not known.all():
        first = int(np.flatnonzero(~known)[0])
        role = roles[first]
        position = first - int(np.flatnonzero(roles == role)[0])
        name = "copies" if role == "copy" else role
        raise ValueError(
            f"{name}[{position}] has none of the owner's classes ({classes[:5].tolist()}, ...), so "
            "it can never agree. Leave it out, or give its classes the same names."
        )
    agreement = agreement_with(owner_scores, classes, scores)[1:]
    if agreement[roles == "copy"].min() > 1 - 1e-9:
        raise ValueError(
            f"all copies agree with the owner on all {agreement.shape[1]} candidates, so they show "
            "nothing about other copies. Make copies that differ, with rehearse()."
        )
    return PoolAnswers(points, scores.plan.response, owner_scores, classes, agreement, roles)


def _check_counts(n_copies: int, n_unrelated: int) -> None:
    for name, n in (("copies", int(n_copies)), ("unrelated", int(n_unrelated))):
        if n < _FEWEST[name]:
            raise ValueError(
                f"{counted(n, 'model')} in {name}; at least {_FEWEST[name]} are needed to see what "
                f"they have in common. {_REMEDY[name]}"
            )


_REMEDY = {
    "copies": "Make more with rehearse().",
    "unrelated": "Train more models of the same task, from other seeds or other data.",
}


def choose_questions(
    owner: object,
    candidates: Candidates | Points,
    *,
    copies: Sequence[object],
    unrelated: Sequence[object],
    foreign: Sequence[object] = (),
    n_questions: int = 64,
    answers: str = "label",
    adapter: str | Callable[[object], Query] = "auto",
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> RehearsedQuestions:
    """Choose the questions that tell copies of a model from other models.

    A question is good if copies agree with the owner on it and other models do not. All
    candidates are weighted by a linear discriminant with a strongly shrunken covariance, the half
    that counts least is left out, and so on until `n_questions` are left. Some weights are
    negative: such questions show how well a model agrees with any other, which is not to count
    as a sign of descent.

    Models that were used to choose are nearer (copies) or farther (the others) by these questions
    than new models of their kind, so they must not calibrate a decision: take other unrelated
    models for that, or leave each out in turn with :meth:`PoolAnswers.left_out_distances`.

    Parameters
    ----------
    owner : fitted classifier or query
    candidates : Candidates, or container of points
        Questions to choose from, see :func:`candidate_questions`.
    copies : list of models
        Copies of the owner's model, such as :func:`rehearse` makes.
    unrelated : list of models
        Models that share only the task with it.
    foreign : list of models, default=()
        Copies of *other* models, made as `copies` were.
    n_questions : int, default=64
        How many to keep.
    answers : {"label", "scores"}, default="label"
        Compare labels or probabilities.
    adapter, cache
        As in :func:`~skzest.baselines.ask_copies`.

    Returns
    -------
    questions : RehearsedQuestions

    Raises
    ------
    ValueError
        As :func:`ask_pool` and :meth:`PoolAnswers.choose` do.

    Notes
    -----
    Asks each model ``len(candidates)`` questions. Suspects are then asked `n_questions`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skzest.rehearsal import candidate_questions, choose_questions, rehearse
    >>> X, y = load_iris(return_X_y=True)
    >>> def tree(seed, X=X[::2], y=y[::2]):
    ...     return DecisionTreeClassifier(max_features=1, random_state=seed).fit(X, y)
    >>> owner, unrelated = tree(0), [tree(seed) for seed in range(1, 9)]
    >>> questions = choose_questions(
    ...     owner,
    ...     candidate_questions(X[1::2], owner, n_candidates=400),
    ...     copies=rehearse(owner, X[1::2], n_copies=8, n_queries=300),
    ...     unrelated=unrelated,
    ...     n_questions=32,
    ... )
    >>> copy = tree(99, X[1::2], owner.predict(X[1::2]))
    >>> d_copy, d_stranger = questions.distances([copy, tree(100)])
    >>> bool(d_copy < d_stranger)
    True
    """
    pool = ask_pool(
        owner,
        candidates,
        copies=copies,
        unrelated=unrelated,
        foreign=foreign,
        answers=answers,
        adapter=adapter,
        cache=cache,
    )
    return pool.questions(n_questions)
