# SPDX-License-Identifier: BSD-3-Clause
"""From names of distances to questions that the owner's model fixes, each asked only once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choices, check_whole
from ..comparing import check_plan
from ..maskers import listed_texts
from ..plan import QueryPlan
from ._asking import Points, plan_of_points, some_points
from ._fixed import AskedSet, Cache, FixedQuestions, WeightSet
from ._mistakes import check_truth
from ._registry import BASELINES, Baseline, fixed_by
from ._scores import Compare, Scores, first_questions
from ._zest import zest_of_scores

__all__ = ["prepare_questions"]

# Zest itself, beside the baselines.
ZEST = "zest"


def prepare_questions(
    owner: object,
    plan: QueryPlan,
    points: Points | None = None,
    y: ArrayLike | None = None,
    *,
    names: Sequence[str],
    random_state: int = 0,
    cache: Cache = None,
) -> FixedQuestions:
    """Fix the questions of several distances to one model, so that others can be asked later.

    What :func:`baseline_distances` asks, with the owner's model as the victim. Distances that are
    computed from the same questions share them.

    Parameters
    ----------
    owner : model
        Asked at once, searches included.
    plan : QueryPlan
        The masked copies; ``plan.n_queries`` is the budget of each set of questions.
    points : container of points, default=None
        Points to use where whole points are asked about. None uses the plan's reference points.
    y : array-like, default=None
        Labels of `points`, for ``"mistakes"``.
    names : sequence of str
        ``"zest"``, or any of ``BASELINES``.
    random_state : int, default=0
        Seed of the searches.
    cache : path or AnswerStore, default=None
        Where answers are kept.

    Returns
    -------
    questions : FixedQuestions

    Raises
    ------
    ValueError
        If a name is unknown or repeated, `y` does not fit the points, or the owner makes no
        mistake or has no weights.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import LimeSignatureTransformer
    >>> from skzest.baselines import prepare_questions
    >>> X, y = load_iris(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=1000).fit(X, y)
    >>> plan = LimeSignatureTransformer(X, n_reference=8, n_samples=16).fit([owner]).plan_
    >>> questions = prepare_questions(owner, plan, X, y, names=["zest", "combined", "mistakes"])
    >>> copy = LogisticRegression(C=0.5).fit(X, owner.predict(X))
    >>> D = questions.distances([copy, GaussianNB().fit(X, y)])
    >>> D.shape, bool((D[0] <= D[1]).all())
    ((2, 3), True)
    """
    points = listed_texts(check_plan(plan).reference if points is None else points)
    names = check_choices(names, "names", [ZEST, *BASELINES])
    if len(set(names)) < len(names):
        raise ValueError(f"names must be different distances; got {names}.")
    check_whole(random_state, "random_state", minimum=0)
    if "mistakes" in names:
        check_truth(y, len(points))
    chosen = [BASELINES[name] for name in names if name != ZEST]
    sets: list[AskedSet | WeightSet] = []
    if ZEST in names or any(b.asks == "copies" for b in chosen):
        compare: dict[str, Compare] = {b.name: b.function for b in chosen if b.asks == "copies"}
        compare |= {ZEST: partial(zest_of_scores, plan=plan)} if ZEST in names else {}
        sets.append(AskedSet(owner, plan, compare, "copies", cache, _by_labels(chosen)))
    of_points = [b for b in chosen if b.asks == "points"]
    if of_points:
        sets.append(_about_points(owner, of_points, plan, points, cache))
    for b in chosen:
        if b.fix is not None:
            asked, compared = fixed_by(owner, b, plan, points, y, random_state)
            sets.append(AskedSet(owner, asked, {b.name: compared}, cache=cache))
        elif b.asks == "weights":
            sets.append(WeightSet(owner, b.name))
    return FixedQuestions(names, sets)


def _about_points(
    owner: object, chosen: list[Baseline], plan: QueryPlan, points: Points, cache: Cache
) -> AskedSet:
    """One set of points, of which each distance takes the first."""
    counts = {b.name: b.n_queries(plan, len(points)) for b in chosen}
    first = some_points(points, np.arange(max(counts.values())))
    asked = plan_of_points(first, plan.response, plan.clip)
    compare = {b.name: partial(_of_first, compare=b.function, n=counts[b.name]) for b in chosen}
    return AskedSet(owner, asked, compare, "points", cache, _by_labels(chosen))


def _by_labels(chosen: list[Baseline]) -> list[str]:
    return [b.name for b in chosen if b.by_labels]


def _of_first(scores: Scores, *, compare: Compare, n: int) -> np.ndarray:
    return compare(first_questions(scores, n))
