# SPDX-License-Identifier: BSD-3-Clause
"""Asking a pool of candidates, and choosing from it at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .._points import Points
from .._validation import check_choice, check_roles, listed
from ..baselines import Scores, ask_named, plan_of_points
from ..queries import Query
from ..store import AnswerStore
from ._candidates import Candidates
from ._inputs import as_points
from ._pool import PoolAnswers, check_counts
from ._questions import RehearsedQuestions, agreement_with, has_classes

__all__ = ["ask_named_pool", "ask_pool", "choose_questions"]

_RESPONSES = {"label": "label", "scores": "predict_proba"}
_ROLES = {"copies": "copy", "foreign": "foreign", "unrelated": "unrelated"}


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
    others = {"copies": copies, "foreign": foreign, "unrelated": unrelated}
    zoos = {
        role: {f"{role}[{i}]": model for i, model in enumerate(zoo)}
        for role, zoo in zip(others, check_roles("the owner", owner, others))
    }
    return ask_named_pool(owner, candidates, zoos, answers=answers, adapter=adapter, cache=cache)


def ask_named_pool(
    owner: object,
    candidates: Candidates | Points,
    zoos: Mapping[str, Mapping[str, object]],
    *,
    answers: str,
    adapter: str | Callable[[object], Query] = "auto",
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> PoolAnswers:
    """As :func:`ask_pool`, of ``"copies"``, ``"foreign"`` and ``"unrelated"`` models with names."""
    check_choice(answers, "answers", _RESPONSES)
    check_counts(len(zoos["copies"]), len(zoos["unrelated"]))
    points = candidates.points if isinstance(candidates, Candidates) else as_points(candidates)
    named = {"the owner's model": owner}
    for role in _ROLES:
        named |= zoos[role]
    plan = plan_of_points(points, _RESPONSES[answers])
    scores = ask_named(named, plan, adapter=adapter, cache=cache)
    _refuse_constant(scores, [*named])
    roles = np.repeat([*_ROLES.values()], [len(zoos[role]) for role in _ROLES])
    return _pool(scores, points, roles, [*named])


def _refuse_constant(scores: Scores, names: Sequence[str]) -> None:
    """Refuse models that have learned nothing, in any role."""
    if scores.constant.any():
        constant = [name for name, is_one in zip(names, scores.constant) if is_one]
        raise ValueError(
            f"{listed(constant)} gave the same answer to all {scores.values.shape[1]} candidates, "
            "so what they agree on means nothing. Leave such models out, or give candidates of "
            "more kinds and classes."
        )


def _pool(scores: Scores, points: Points, roles: np.ndarray, names: Sequence[str]) -> PoolAnswers:
    owned = ~np.isnan(scores.values[0, 0])
    owner_scores, classes = scores.values[0][:, owned], scores.classes[owned]
    known = has_classes(scores, classes)
    if not known.all():
        raise ValueError(
            f"{names[int(np.argmin(known))]} has none of the owner's classes "
            f"({classes[:5].tolist()}, ...), so it can never agree. Leave it out, or give its "
            "classes the same names."
        )
    agreement = agreement_with(owner_scores, classes, scores)[1:]
    if agreement[roles == "copy"].min() > 1 - 1e-9:
        raise ValueError(
            f"all copies agree with the owner on all {agreement.shape[1]} candidates, so they show "
            "nothing about other copies. Make copies that differ, with rehearse()."
        )
    return PoolAnswers(points, scores.plan.response, owner_scores, classes, agreement, roles)


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
