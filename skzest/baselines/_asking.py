# SPDX-License-Identifier: BSD-3-Clause
"""Asking a zoo: about the masked copies of a plan, about whole points, or not again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _points
from .._validation import check_choice, check_models, check_whole
from ..asking import Panel, queries_of
from ..comparing import check_plan
from ..maskers import WholeMasker, listed_texts, numeric_points
from ..plan import PASSTHROUGH, PackedMasks, QueryPlan
from ..queries import Query, as_query, check_comparable_columns
from ..store import AnswerStore, check_cache
from ._scores import Models, Scores, bare

__all__ = [
    "Points",
    "ask_copies",
    "ask_more",
    "ask_named",
    "ask_points",
    "check_victim",
    "plan_of",
    "plan_of_points",
    "scores_at",
    "scores_of_copies",
    "some_points",
]

# An array, DataFrame, list of texts, or plan, which stands for its reference points.
Points = Any


def ask_copies(
    models: Sequence[object],
    plan: QueryPlan,
    *,
    n_classes: int | None = None,
    adapter: str | Callable[[object], Query] = "auto",
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> Scores:
    """Ask every model about the masked copies of a plan, and keep the scores as they are.

    Parameters
    ----------
    models : list, tuple, 1-D object array or Series of fitted classifiers
        Anything that :func:`~skzest.queries.as_query` takes, queries among them.
    plan : QueryPlan
        ``plan_`` of a fitted :class:`~skzest.LimeSignatureTransformer`. Its surrogate is not
        used.
    n_classes : int, default=None
        Number of classes, labelled 0 to ``n_classes - 1``. None takes the union of the models'.
    adapter : "auto" or callable, default="auto"
        Makes a query from a model.
    cache : path or AnswerStore, default=None
        Where answers are kept. With the cache of the transformer, nothing is asked again.

    Returns
    -------
    scores : Scores
        The answers of each model to ``plan.n_queries`` questions.

    Raises
    ------
    TypeError, ValueError
        As :class:`~skzest.LimeSignatureTransformer` does.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer
    >>> from skzest.baselines import ask_copies, copy_label_distances, passthrough_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (1, 100)]
    >>> plan = LimeSignatureTransformer(X, n_reference=8, n_samples=20).fit(zoo).plan_
    >>> scores = ask_copies(zoo, plan)
    >>> scores.values.shape == (2, 8 * 20, 3)
    True
    >>> bool(passthrough_distances(scores)[0, 1] > 0 < copy_label_distances(scores)[0, 1])
    True
    """
    with _panel(models, bare(plan), adapter, cache) as panel:
        classes = panel.classes(n_classes)
        return _asked(panel, classes)


def ask_named(
    models: Mapping[str, object],
    plan: QueryPlan,
    *,
    adapter: str | Callable[[object], Query] = "auto",
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> Scores:
    """Ask models that errors call by a name, such as their role, with the kind of the model."""
    kinds = [repr(m) if isinstance(m, Query) else type(m).__name__ for m in models.values()]
    names = [f"{name} ({kind})" for name, kind in zip(models, kinds)]
    with _panel([*models.values()], plan, adapter, cache, names) as panel:
        return _asked(panel, panel.classes())


def ask_more(
    owner: Scores,
    models: Sequence[object],
    *,
    names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> Scores:
    """Ask other models what the owner's has answered: the scores of all, the owner's first."""
    with _panel(models, owner.plan, as_query, cache, names) as panel:
        asked = [panel.look(i) for i in range(len(panel))]
        check_comparable_columns(
            ["the owner's model", *(r.name for r in asked)],
            [owner.classes, *(r.query.classes_ for r in asked)],
            [len(owner.classes), *(r.n_columns or 0 for r in asked)],
        )
        classes = np.unique(np.concatenate([owner.classes, *(r.labels for r in asked)]))
        more = _asked(panel, classes)
    values = np.full((len(owner), *more.values.shape[1:]), np.nan)
    values[:, :, np.searchsorted(classes, owner.classes)] = owner.values
    return Scores(
        np.concatenate([values, more.values]),
        classes,
        owner.plan,
        np.concatenate([owner.constant, more.constant]),
    )


def _panel(
    models: Sequence[object],
    plan: QueryPlan,
    adapter: str | Callable[[object], Query],
    cache: str | os.PathLike[str] | AnswerStore | None,
    names: Sequence[str] | None = None,
) -> Panel:
    if isinstance(adapter, str):
        check_choice(adapter, "adapter", ["auto"], "Or pass a callable from a model to a query.")
        adapter = as_query
    queries, names = queries_of(check_models(models), plan.response, adapter, names)
    return Panel(plan, queries, names, check_cache(cache))


def _asked(panel: Panel, classes: np.ndarray) -> Scores:
    values, constant = panel.scores(classes, "Omit n_classes= to use the models' own.")
    return Scores(values, classes, panel.plan, constant)


def ask_points(
    models: Sequence[object],
    points: Points,
    *,
    response: str = "logit",
    clip: float = 1e-6,
    n_classes: int | None = None,
    adapter: str | Callable[[object], Query] = "auto",
    cache: str | os.PathLike[str] | AnswerStore | None = None,
) -> Scores:
    """Ask every model about whole points.

    Parameters
    ----------
    models : list, tuple, 1-D object array or Series of fitted classifiers
    points : array-like, DataFrame, list of str or QueryPlan
        A plan stands for its reference points.
    response : {"logit", "raw", "predict_proba", "decision_function", "label"}, default="logit"
        What the models are asked for.
    clip : float, default=1e-6
        Smallest probability under ``response="logit"``.
    n_classes, adapter, cache
        As in :func:`ask_copies`.

    Returns
    -------
    scores : Scores
        The answers of each model to ``len(points)`` questions.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest.baselines import ask_points
    >>> X, y = load_iris(return_X_y=True)
    >>> scores = ask_points([GaussianNB().fit(X, y)], X[:60], response="predict_proba")
    >>> scores.values.shape, scores.labels[0, [0, 55]].tolist()
    ((1, 60, 3), [0, 1])
    """
    plan = plan_of_points(points, response, clip)
    return ask_copies(models, plan, n_classes=n_classes, adapter=adapter, cache=cache)


def plan_of_points(points: Points, response: str = "logit", clip: float = 1e-6) -> QueryPlan:
    """A plan of whole points: :func:`ask_copies` asks each of them, with nothing hidden.

    Parameters
    ----------
    points : array-like, DataFrame, list of str or QueryPlan
        A plan stands for its reference points.
    response, clip
        As in :func:`ask_points`.

    Returns
    -------
    plan : QueryPlan
        With ``surrogate="passthrough"``; it can be saved, loaded and exchanged.

    Examples
    --------
    >>> from skzest.baselines import plan_of_points
    >>> plan_of_points([[0.0, 1.0], [2.0, 3.0]], "label").n_queries
    2
    """
    if isinstance(points, QueryPlan):
        points = points.reference
    points = listed_texts(points)
    if not _points.is_frame(points) and not _are_texts(points):
        points = numeric_points(points, "ask_points")
    n = len(points)
    if n == 0:
        raise ValueError("points is empty; at least one point is needed.")
    masker = WholeMasker(isinstance(points, np.ndarray))
    one = np.ones((1, 1), dtype=bool)
    return QueryPlan(
        indices=np.arange(n),
        reference=points,
        parts=(np.zeros(1, dtype=np.uint8),) * n,
        masks=PackedMasks.pack([one] * n),
        fills=tuple(masker.point(points, i) for i in range(n)),
        masker=masker,
        surrogate=PASSTHROUGH,
        response=response,
        clip=clip,
    )


def _are_texts(points: object) -> bool:
    return isinstance(points, (list, tuple)) and all(isinstance(point, str) for point in points)


# ---------------------------------------------------------------- what baselines are given


def scores_of_copies(models: Models, plan: QueryPlan | None) -> Scores:
    """Scores at masked copies, asked for now unless they are given instead of models."""
    plan = plan_of(models, plan)
    return models if isinstance(models, Scores) else ask_copies(models, plan)


def plan_of(models: Models, plan: QueryPlan | None) -> QueryPlan:
    """The plan that models will answer, or that scores answer."""
    if not isinstance(models, Scores):
        return check_plan(plan)
    if plan is not None and sum(plan.masks.n_masks) != models.values.shape[1]:
        raise ValueError(
            f"plan has {sum(plan.masks.n_masks)} masks, but the scores answer "
            f"{models.values.shape[1]}. Scores know their plan: omit plan."
        )
    return models.plan


def scores_at(models: Models, points: Points, response: str) -> Scores:
    """Scores at points, asked for now unless they are given instead of models."""
    if not isinstance(models, Scores):
        if points is None:
            raise TypeError("points is missing; only Scores, from ask_points, bring their own.")
        return ask_points(models, points, response=response)
    if points is not None:
        raise TypeError("Scores already hold the answers: omit points.")
    return models


def some_points(points: Points, which: np.ndarray) -> Points:
    """The points at some positions, in a container of the same kind."""
    if isinstance(points, QueryPlan):
        points = points.reference
    points = listed_texts(points)
    is_container = _points.is_frame(points) or _are_texts(points)
    return _points.take(points if is_container else np.asarray(points), which)


def check_victim(victim: int, n_models: int) -> int:
    """Position of the model whose copies are sought."""
    victim = check_whole(victim, "victim", minimum=0)
    if victim >= n_models:
        raise ValueError(
            f"victim={victim} must be a position from 0 to {n_models - 1}, as there are {n_models} "
            "models."
        )
    return victim
