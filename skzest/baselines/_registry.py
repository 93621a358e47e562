# SPDX-License-Identifier: BSD-3-Clause
"""All baselines by name, each with its source and the number of its questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _points
from .._validation import check_models
from ..plan import QueryPlan
from ._boundary import boundary_distances
from ._combined import combined_distances
from ._copies import copy_label_distances, passthrough_distances
from ._correlation import correlation_distances
from ._mistakes import mistake_distances
from ._modeldiff import ddv_distances
from ._predictions import prediction_distances
from ._scores import Scores, ask_copies, ask_points, some_points
from ._weights import weight_distances

__all__ = ["BASELINES", "Baseline", "baseline_distances"]

_BOUNDARY_STEPS, _DDV_STEPS = 4, 20
_SAC_POINTS = 1024


@dataclass(frozen=True)
class Baseline:
    """A way to compare models, with as many questions as a plan has, or fewer.

    ``skzest.baselines.BASELINES`` is a dict of all, by name.

    Attributes
    ----------
    name : str
        Its key in ``BASELINES``.
    function : callable
        The public function behind it.
    source : str
        The paper that it is from.
    asks : {"copies", "points", "mistakes", "made points", "weights"}
        What the models are asked about. ``"mistakes"`` needs the labels of the points, and
        ``"made points"`` are searched with the victim, by mixing and moving points.
    most : int or None
        Questions of each model beyond which the plan's number is not followed.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import CallableQuery, LimeSignatureTransformer
    >>> from skzest.baselines import BASELINES
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> zoo = [CallableQuery(lambda X, j=j: X[:, [0, j]], output="logits") for j in (1, 2)]
    >>> plan = LimeSignatureTransformer(X, n_reference=4, n_samples=16).fit(zoo).plan_
    >>> for baseline in BASELINES.values():
    ...     print(f"{baseline.name:12} {baseline.n_queries(plan, len(X)):3}")
    passthrough   64
    copy labels   64
    combined      64
    predictions   20
    boundary      64
    ddv           40
    mistakes      20
    correlation   20
    weights        0
    """

    name: str
    function: Callable[..., np.ndarray]
    source: str
    asks: str
    most: int | None = None

    def n_queries(self, plan: QueryPlan, n_points: int | None = None) -> int:
        """Questions of each model, with `n_points` points at hand (None: those of the plan).

        For ``"mistakes"`` the most there can be: one for each that the victim makes. The few
        that are asked twice at the start, to see whether answers repeat, are not counted.
        """
        n_points = len(plan) if n_points is None else n_points
        if self.asks == "weights":
            return 0
        most = plan.n_queries if self.most is None else min(plan.n_queries, self.most)
        if self.asks == "copies":
            return plan.n_queries
        if self.name == "ddv":
            return 2 * _n_pairs(plan, n_points)
        return most if self.asks == "made points" else min(most, n_points)

    def n_search(self, plan: QueryPlan, n_points: int | None = None) -> int:
        """Questions of the victim alone, before the others are asked."""
        n_points = len(plan) if n_points is None else n_points
        if self.asks == "mistakes":
            return n_points
        if self.name == "boundary":
            return n_points + -(-plan.n_queries // 2) * _BOUNDARY_STEPS
        if self.name == "ddv":
            return _n_pairs(plan, n_points) * (_DDV_STEPS + 1)
        return 0

    def __call__(
        self,
        models: Any,
        plan: QueryPlan,
        points: Any = None,
        y: Any = None,
        *,
        victim: int = 0,
        random_state: int = 0,
    ) -> np.ndarray:
        """Distances with :meth:`n_queries` questions of each model.

        Parameters
        ----------
        models : list of models
        plan : QueryPlan
            The copies to ask about, and the number of questions.
        points : container of points, default=None
            Where others than copies are taken from, the first first; None takes the plan's
            reference points.
        y : array-like, default=None
            Labels of `points`, for ``"mistakes"``.
        victim : int, default=0
            Position of the model whose mistakes, boundary or reactions are looked for.
        random_state : int, default=0
            Seed of the searches.

        Returns
        -------
        D : ndarray of shape (n_models, n_models)
        """
        if self.asks == "weights":
            return self.function(models)
        if self.asks == "copies":
            return self.function(models, plan)
        points = plan.reference if points is None else points
        most = self.n_queries(plan, len(points))
        if self.asks == "points":
            return self.function(models, some_points(points, np.arange(most)))
        if self.asks == "mistakes":
            return self.function(models, points, y, victim=victim, n_points=most)
        made: dict[str, Any] = {"victim": victim, "random_state": random_state}
        if self.name == "ddv":
            made |= {"n_pairs": most // 2, "n_steps": _DDV_STEPS}
        else:
            made |= {"n_points": most, "n_steps": _BOUNDARY_STEPS}
        return self.function(models, points, **made)


def _n_pairs(plan: QueryPlan, n_points: int) -> int:
    return min(plan.n_queries // 2, n_points)


_ALL = (
    Baseline(
        "passthrough",
        passthrough_distances,
        "the questions of Jia et al., ICLR 2022, without the regression",
        "copies",
    ),
    Baseline(
        "copy labels",
        copy_label_distances,
        "the questions of Jia et al., ICLR 2022, answered with labels",
        "copies",
    ),
    Baseline(
        "combined",
        combined_distances,
        "this library: main effects and interactions, each by itself",
        "copies",
    ),
    Baseline("predictions", prediction_distances, "Jia et al., ICLR 2022, section 4.3", "points"),
    Baseline(
        "boundary",
        boundary_distances,
        "Jia et al., ICLR 2022, section 4.3; Cao et al., AsiaCCS 2021",
        "made points",
    ),
    Baseline("ddv", ddv_distances, "Li et al., ISSTA 2021", "made points"),
    Baseline("mistakes", mistake_distances, "Godinot et al., AAAI 2025", "mistakes"),
    Baseline(
        "correlation", correlation_distances, "Guan et al., NeurIPS 2022", "points", _SAC_POINTS
    ),
    Baseline("weights", weight_distances, "Jia et al., IEEE S&P 2021", "weights"),
)

BASELINES: dict[str, Baseline] = {baseline.name: baseline for baseline in _ALL}


def baseline_distances(
    models: Sequence[Any],
    plan: QueryPlan,
    points: Any = None,
    y: Any = None,
    *,
    names: Sequence[str] | None = None,
    victim: int = 0,
    random_state: int = 0,
) -> dict[str, np.ndarray]:
    """Distances by several baselines at one budget, each set of questions asked once.

    Parameters
    ----------
    models : list of models
    plan : QueryPlan
        The copies to ask about; ``plan.n_queries`` is the budget of all.
    points : container of points, default=None
        Where others than copies are taken from; None takes the plan's reference points, which
        may be far fewer than the budget allows.
    y : array-like, default=None
        Labels of `points`.
    names : sequence of str, default=None
        Which of ``BASELINES``. None takes all that what is given allows: ``"mistakes"`` needs
        `y`, ``"boundary"`` and ``"ddv"`` need points that are arrays, and ``"weights"``, which
        opens the box, must be named.
    victim, random_state : int, default=0
        As in :class:`Baseline`.

    Returns
    -------
    distances : dict of str to ndarray of shape (n_models, n_models)

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import LimeSignatureTransformer
    >>> from skzest.baselines import baseline_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=1000).fit(X, y)
    >>> zoo = [owner, LogisticRegression(C=0.5).fit(X, owner.predict(X)), GaussianNB().fit(X, y)]
    >>> plan = LimeSignatureTransformer(X, n_reference=8, n_samples=16).fit(zoo).plan_
    >>> by_name = baseline_distances(zoo, plan, X, y)
    >>> sorted(by_name)
    ['boundary', 'combined', 'copy labels', 'correlation', 'ddv', ..., 'predictions']
    >>> bool(by_name["passthrough"][0, 1] < by_name["passthrough"][0, 2])
    True
    """
    zoo = check_models(models)
    points = plan.reference if points is None else points
    chosen = [BASELINES[name] for name in _names(names, points, y)]
    given: dict[str, Scores] = {}
    if any(b.asks == "copies" for b in chosen):
        given["copies"] = ask_copies(zoo, plan)
    if any(b.asks == "points" for b in chosen):
        most = max(b.n_queries(plan, len(points)) for b in chosen if b.asks == "points")
        first = some_points(points, np.arange(most))
        given["points"] = ask_points(zoo, first, response=plan.response, clip=plan.clip)
    distances = {}
    for b in chosen:
        if b.asks in given:
            scores = _first(given[b.asks], b.n_queries(plan, len(points)))
            distances[b.name] = b.function(scores)
        else:
            distances[b.name] = b(zoo, plan, points, y, victim=victim, random_state=random_state)
    return distances


def _names(names: Sequence[str] | None, points: Any, y: Any) -> list[str]:
    if names is None:
        movable = not _points.is_frame(points) and not isinstance(points[0], str)
        left_out = {"weights"} | (set() if movable else {"boundary", "ddv"})
        left_out |= {"mistakes"} if y is None else set()
        return [name for name in BASELINES if name not in left_out]
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ValueError(f"{unknown} are no baselines; known are {list(BASELINES)}.")
    return list(names)


def _first(scores: Scores, n_questions: int) -> Scores:
    """The answers to the first questions; of points, each is one."""
    if n_questions >= scores.values.shape[1]:
        return scores
    values = scores.values[:, :n_questions]
    return replace(scores, values=values, plan=scores.plan.take(n_questions))
