# SPDX-License-Identifier: BSD-3-Clause
"""The baselines as rows of one table. A new baseline is one file with its function, and one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _points
from .._validation import check_choices, check_models, check_whole
from ..comparing import check_plan
from ..maskers import listed_texts
from ..plan import QueryPlan
from ._asking import Points, ask_copies, ask_points, check_victim, some_points
from ._boundary import boundary_distances, boundary_questions
from ._combined import combined_distances
from ._copies import copy_label_distances, passthrough_distances
from ._correlation import correlation_distances
from ._mistakes import check_truth, mistake_distances, mistake_questions
from ._modeldiff import ddv_distances, ddv_questions
from ._predictions import prediction_distances
from ._scores import Compare, Scores, first_questions
from ._weights import weight_distances

__all__ = ["BASELINES", "Baseline", "baseline_distances", "fixed_by"]

_BOUNDARY_STEPS, _DDV_STEPS = 4, 20
_SAC_POINTS = 1024

_Distances = Callable[..., np.ndarray]
_Arguments = dict[str, Any]
_Count = Callable[[QueryPlan, int], int]
_Fix = Callable[..., tuple[QueryPlan, Compare]]


class _Given(NamedTuple):
    """What a baseline is given beside the models."""

    plan: QueryPlan
    points: Points
    y: ArrayLike | None
    n_queries: int
    victim: int
    random_state: int


# ---------------------------------------------------------------- numbers of questions


def _no_questions(plan: QueryPlan, n_points: int) -> int:
    return 0


def _budget(plan: QueryPlan, n_points: int) -> int:
    return plan.n_queries


def _one_a_point(plan: QueryPlan, n_points: int) -> int:
    return min(plan.n_queries, n_points)


def _two_a_pair(plan: QueryPlan, n_points: int) -> int:
    return 2 * _n_pairs(plan, n_points)


def _n_pairs(plan: QueryPlan, n_points: int) -> int:
    return min(plan.n_queries // 2, n_points)


# ---------------------------------------------------------------- arguments beside the models


def _no_arguments(given: _Given) -> _Arguments:
    return {}


def _the_plan(given: _Given) -> _Arguments:
    return {"plan": given.plan}


def _first_points(given: _Given) -> _Arguments:
    return {"points": some_points(given.points, np.arange(given.n_queries))}


def _points_and_truth(given: _Given) -> _Arguments:
    names = {"n_points": given.n_queries, "victim": given.victim}
    return {"points": given.points, "y": given.y} | names


def _boundary_search(given: _Given) -> _Arguments:
    return _search(given) | {"n_points": given.n_queries, "n_steps": _BOUNDARY_STEPS}


def _pair_search(given: _Given) -> _Arguments:
    return _search(given) | {"n_pairs": given.n_queries // 2, "n_steps": _DDV_STEPS}


def _search(given: _Given) -> _Arguments:
    seed = {"random_state": given.random_state}
    return {"points": given.points, "victim": given.victim} | seed


@dataclass(frozen=True)
class Baseline:
    """One row of ``skzest.baselines.BASELINES``, a dict of all baselines by name.

    Attributes
    ----------
    name : str
        Its key in ``BASELINES``.
    function : callable
        The public function that computes the distances.
    source : str
        The paper that describes it.
    asks : {"copies", "points", "mistakes", "made points", "weights"}
        What the models are asked about. ``"mistakes"`` needs the labels of the points;
        ``"made points"`` are searched from the victim by mixing and moving points.
    arguments : callable
        From the plan, the points and the victim to the arguments of `function`.
    questions : callable
        From a plan and a number of points to the number of questions for each model.
    search : callable
        The same for the extra questions to the victim alone.
    fix : callable or None
        From the victim and the arguments to a plan of questions that others can be asked later,
        and a function from scores to distances; None where the victim does not matter.
    by_labels : bool
        Whether predicted classes are all that it compares.

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
    passthrough   55
    copy labels   55
    combined      55
    predictions   20
    boundary      55
    ddv           40
    mistakes      20
    correlation   20
    weights        0
    """

    name: str
    function: _Distances
    source: str
    asks: str
    arguments: Callable[[_Given], _Arguments]
    questions: _Count
    search: _Count = _no_questions
    fix: _Fix | None = None
    by_labels: bool = False

    def n_queries(self, plan: QueryPlan, n_points: int | None = None) -> int:
        """Questions for each model, given `n_points` points (None: those of the plan).

        For ``"mistakes"`` this is the maximum: one question for each mistake of the victim. The
        few questions repeated at the start, to see whether answers repeat, are not counted.
        """
        return self.questions(plan, len(plan) if n_points is None else n_points)

    def n_search(self, plan: QueryPlan, n_points: int | None = None) -> int:
        """Questions to the victim alone, before the others are asked."""
        return self.search(plan, len(plan) if n_points is None else n_points)

    def __call__(
        self,
        models: Sequence[object],
        plan: QueryPlan,
        points: Points | None = None,
        y: ArrayLike | None = None,
        *,
        victim: int = 0,
        random_state: int = 0,
    ) -> np.ndarray:
        """Distances from :meth:`n_queries` questions to each model.

        Parameters
        ----------
        models : list of models
        plan : QueryPlan
            The masked copies, and the budget: ``plan.n_queries`` questions.
        points : container of points, default=None
            Points to use where whole points are asked about, in order; None uses the plan's
            reference points.
        y : array-like, default=None
            Labels of `points`, for ``"mistakes"``.
        victim : int, default=0
            Position of the model that mistakes, boundary points or pairs are taken from.
        random_state : int, default=0
            Seed of the searches.

        Returns
        -------
        D : ndarray of shape (n_models, n_models)
        """
        points = plan.reference if points is None else points
        n = self.n_queries(plan, len(points))
        given = _Given(plan, points, y, n, victim, random_state)
        return self.function(models, **self.arguments(given))


_JIA, _JIA_43 = "the questions of Jia et al., ICLR 2022", "Jia et al., ICLR 2022, section 4.3"
_CAO = f"{_JIA_43}; Cao et al., AsiaCCS 2021"
_OURS = "this library: main effects and interactions, each by itself"
_COPIES = "copies", _the_plan, _budget

# fmt: off
_ALL = (
    Baseline("passthrough", passthrough_distances, f"{_JIA}, without the regression", *_COPIES),
    Baseline("copy labels", copy_label_distances, f"{_JIA}, answered with labels", *_COPIES,
             by_labels=True),
    Baseline("combined", combined_distances, _OURS, *_COPIES),
    Baseline("predictions", prediction_distances, _JIA_43, "points", _first_points, _one_a_point,
             by_labels=True),
    Baseline("boundary", boundary_distances, _CAO, "made points", _boundary_search, _budget,
             lambda plan, n: n + -(-plan.n_queries // 2) * _BOUNDARY_STEPS, boundary_questions),
    Baseline("ddv", ddv_distances, "Li et al., ISSTA 2021", "made points", _pair_search,
             _two_a_pair, lambda plan, n: _n_pairs(plan, n) * (_DDV_STEPS + 1), ddv_questions),
    Baseline("mistakes", mistake_distances, "Godinot et al., AAAI 2025", "mistakes",
             _points_and_truth, _one_a_point, lambda plan, n: n, mistake_questions),
    Baseline("correlation", correlation_distances, "Guan et al., NeurIPS 2022", "points",
             _first_points, lambda plan, n: min(_one_a_point(plan, n), _SAC_POINTS)),
    Baseline("weights", weight_distances, "Jia et al., IEEE S&P 2021", "weights",
             _no_arguments, _no_questions),
)
# fmt: on

BASELINES: dict[str, Baseline] = {baseline.name: baseline for baseline in _ALL}


def baseline_distances(
    models: Sequence[object],
    plan: QueryPlan,
    points: Points | None = None,
    y: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    victim: int = 0,
    random_state: int = 0,
) -> dict[str, np.ndarray]:
    """Distances by several baselines with one budget; shared questions are asked only once.

    Parameters
    ----------
    models : list of models
    plan : QueryPlan
        The masked copies; ``plan.n_queries`` is the budget of each baseline.
    points : container of points, default=None
        Points to use where whole points are asked about. None uses the plan's reference points,
        usually far fewer than the budget allows.
    y : array-like, default=None
        Labels of `points`.
    names : sequence of str, default=None
        Which of ``BASELINES`` to compute. None computes every baseline that the inputs allow:
        ``"mistakes"`` needs `y`, and ``"boundary"`` and ``"ddv"`` need points that are arrays.
        ``"weights"`` needs access to the parameters and must be named.
    victim, random_state : int, default=0
        As in :class:`Baseline`.

    Returns
    -------
    distances : dict of str to ndarray of shape (n_models, n_models)

    Raises
    ------
    ValueError
        If a name is unknown, `victim` is out of range, or `y` does not fit the points.

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
    points = listed_texts(check_plan(plan).reference if points is None else points)
    chosen = [BASELINES[name] for name in _names(names, points, y)]
    # All of this is checked before the first question.
    check_victim(victim, len(zoo))
    check_whole(random_state, "random_state", minimum=0)
    if any(b.asks == "mistakes" for b in chosen):
        check_truth(y, len(points))
    shared = _shared_scores(chosen, zoo, plan, points)
    distances = {}
    for b in chosen:
        if b.asks in shared:
            scores = shared[b.asks]
            if b.asks == "points":
                scores = first_questions(scores, b.n_queries(plan, len(points)))
            distances[b.name] = b.function(scores)
        else:
            distances[b.name] = b(zoo, plan, points, y, victim=victim, random_state=random_state)
    return distances


def fixed_by(
    owner: object,
    baseline: Baseline,
    plan: QueryPlan,
    points: Points,
    y: ArrayLike | None,
    random_state: int,
) -> tuple[QueryPlan, Compare]:
    """The questions of a baseline that one model fixes, and how their answers are compared."""
    if baseline.fix is None:
        raise ValueError(f"{baseline.name!r} has no questions that depend on a model.")
    n = baseline.n_queries(plan, len(points))
    arguments = baseline.arguments(_Given(plan, points, y, n, 0, random_state))
    return baseline.fix(owner, **{k: v for k, v in arguments.items() if k != "victim"})


def _names(names: Sequence[str] | None, points: Points, y: ArrayLike | None) -> list[str]:
    if names is not None:
        return check_choices(names, "names", BASELINES)
    movable = not _points.is_frame(points) and not isinstance(points[0], str)
    allowed = {"copies", "points"}
    allowed |= ({"made points"} if movable else set()) | ({"mistakes"} if y is not None else set())
    return [b.name for b in _ALL if b.asks in allowed]


def _shared_scores(
    chosen: list[Baseline], zoo: list, plan: QueryPlan, points: Points
) -> dict[str, Scores]:
    """Answers that several baselines compare, by what was asked about."""
    shared: dict[str, Scores] = {}
    if any(b.asks == "copies" for b in chosen):
        shared["copies"] = ask_copies(zoo, plan)
    of_points = [b.n_queries(plan, len(points)) for b in chosen if b.asks == "points"]
    if of_points:
        first = some_points(points, np.arange(max(of_points)))
        shared["points"] = ask_points(zoo, first, response=plan.response, clip=plan.clip)
    return shared
