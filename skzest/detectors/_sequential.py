# SPDX-License-Identifier: BSD-3-Clause
"""A distance measured with only as many questions as its decision needs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._progress import Progress
from .._validation import check_real, check_whole, listed
from ..comparing import DistanceInterval, check_level, check_plan, jackknife_t, point_sums
from ..exceptions import UndefinedSignatureWarning, warn
from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer

__all__ = ["SequentialDistance", "sequential_distance"]

MAX_LOOKS = 5
# With fewer points the jackknife is too uncertain about how much they differ.
_FIRST_LOOK = 8


@dataclass(frozen=True)
class SequentialDistance:
    """What :func:`sequential_distance` found.

    Attributes
    ----------
    decision : {"below", "above", "undecided"} or None
        The side of the threshold on which the distance lies; None without a threshold.
    reason : {"threshold", "tol", "max_queries", "plan"}
        Why asking stopped: the decision was clear, the interval was narrow enough, or the budget
        or the plan was used up.
    interval : DistanceInterval
        The interval at the last look. Its level is that of one look, so that all looks together
        have the requested ``level``.
    n_queries : int
        Questions to each model, without the few that are repeated to see whether answers repeat.
    n_reference : int
        Number of reference points used.
    looks : tuple of DistanceInterval
        The interval at every look.
    """

    decision: str | None
    reason: str
    interval: DistanceInterval
    n_queries: int
    n_reference: int
    looks: tuple[DistanceInterval, ...]


def sequential_distance(
    model_a: object,
    model_b: object,
    plan: QueryPlan,
    *,
    threshold: float | None = None,
    tol: float | None = None,
    max_queries: int | None = None,
    level: float = 0.95,
    **params: Any,
) -> SequentialDistance:
    """Cosine distance of two models, asked step by step until it is known well enough.

    The models are asked about the first reference points of a plan, then about more. At each of
    at most 5 looks (after 1/16, 1/8, 1/4, 1/2 and all of the points, never fewer than 8) the
    interval of :func:`~skzest.distance_interval` is computed at the level
    ``1 - (1 - level) / n_looks`` (Bonferroni), so the probability that *any* of them misses the
    distance is at most ``1 - level``: repeated looks do not inflate the error rate.

    Parameters
    ----------
    model_a, model_b : fitted classifiers or queries
        Their classes must correspond by label.

    plan : QueryPlan
        The questions that may be asked, with points in random order, as a
        :class:`~skzest.LimeSignatureTransformer` makes them.

    threshold : float, default=None
        Stop as soon as the whole interval lies below or above it.

    tol : float, default=None
        Stop as soon as neither end of the interval is farther than this from the estimate.

    max_queries : int, default=None
        Maximum number of questions to each model: the plan is cut to the points that fit.

    level : float, default=0.95
        Confidence level of all looks together.

    **params
        Further parameters of :meth:`LimeSignatureTransformer.from_plan`: ``n_classes``,
        ``adapter``, ``batch_size``, ``cache``, ``n_jobs`` and so on. With a cache, a later call
        with more points or another threshold asks only what is new.

    Returns
    -------
    result : SequentialDistance

    Raises
    ------
    ValueError
        If neither `threshold` nor `tol` is given, a parameter is out of range, or `max_queries`
        does not cover two points.

    Warns
    -----
    UndefinedSignatureWarning
        If a model gives the same scores to all questions; the interval is then NaN.

    See Also
    --------
    sequential_distances : The same for all pairs of a zoo.
    skzest.distance_interval : The interval for signatures that already exist.

    Notes
    -----
    If neither side is certain at the end, `decision` is "undecided"; the estimate is still that
    of the whole plan.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import ImageMasker, LimeSignatureTransformer, sequential_distance
    >>> X, y = load_digits(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=200).fit(X[:900] / 16, y[:900])
    >>> stranger = GaussianNB(var_smoothing=0.1).fit(X[900:] / 16, y[900:])
    >>> lime = LimeSignatureTransformer(
    ...     X / 16, n_samples="auto", sampling="foldover", masker=ImageMasker(image_shape=(8, 8))
    ... )
    >>> plan = lime.fit([owner]).plan_
    >>> result = sequential_distance(owner, stranger, plan, threshold=0.2)
    >>> result.decision
    'above'
    >>> result.n_reference < len(plan) and result.n_queries < plan.n_queries
    True
    """
    _check_stops(threshold, tol)
    check_level(level)
    check_plan(plan, minimum=2)
    whole, plan = plan, within_budget(plan, max_queries)
    sizes = look_sizes(len(plan))
    level_of_one = 1 - (1 - level) / len(sizes)

    pair, looks = GrowingSignatures([model_a, model_b], plan, params), []
    for n in sizes:
        W1, W2 = pair.first(n, np.arange(2))
        looks.append(jackknife_t(point_sums(W1, W2, plan.n_columns[:n]), level_of_one))
        decision, reason = judge(looks[-1], threshold, tol)
        if reason is not None:
            break
    else:
        reason = "plan" if len(plan) == len(whole) else "max_queries"
    pair.warn_of_constant(["model_a", "model_b"])
    n_queries = plan.take(n).n_queries
    return SequentialDistance(decision, reason, looks[-1], n_queries, n, tuple(looks))


def look_sizes(n_points: int) -> list[int]:
    """Numbers of points at which to look: repeated halves, at least 8 points, at most 5 looks."""
    halved = {-(-n_points // 2**k) for k in range(MAX_LOOKS)}
    return sorted(n for n in halved if n >= _FIRST_LOOK or n == n_points)


def judge(
    interval: DistanceInterval, threshold: float | None, tol: float | None
) -> tuple[str | None, str | None]:
    """Decision at one look, and the reason to stop or None."""
    decision = None
    if threshold is not None:
        decision = "undecided"
        if interval.high < threshold:
            decision = "below"
        if interval.low > threshold:
            decision = "above"
        if decision != "undecided":
            return decision, "threshold"
    if tol is not None and interval.high - interval.estimate <= tol:  # the farther end
        return decision, "tol"
    return decision, None


class GrowingSignatures:
    """Signatures of models that are asked about more and more points of a plan, each only once.

    Models may be dropped on the way; then they are not asked again.
    """

    def __init__(self, models: Sequence[object], plan: QueryPlan, params: dict):
        if "n_reference" in params:
            raise TypeError("n_reference cannot be given; pass plan.take(n_reference).")
        self._plan = plan
        self._lime = LimeSignatureTransformer.from_plan(plan, **params)
        self._queries, self._names = self._lime._queries(models, reset=True)
        self._n_asked, self._kept = 0, np.arange(len(self._queries))
        self._W: np.ndarray | None = None
        self._constant = np.zeros(len(self._queries), dtype=bool)

    def first(self, n: int, members: np.ndarray) -> np.ndarray:
        """Coefficients of some models at the first ``n`` points.

        Parameters
        ----------
        n : int
            More than the last time.
        members : ndarray of int
            Positions of the models, all of which were asked the last time.

        Returns
        -------
        coefficients : ndarray of shape (n_members, n_classes, n_columns of these points)
        """
        lime = self._lime
        lime.plan_ = self._plan.slice(self._n_asked, n)
        queries, names = ([some[i] for i in members] for some in (self._queries, self._names))
        with warnings.catch_warnings(), lime._panel(queries, names) as panel:
            # Constant at these points may be chance; at all of them it is worth a warning.
            warnings.simplefilter("ignore", UndefinedSignatureWarning)
            if self._W is None:
                lime._set_classes(panel)
            lime.n_components_ = lime.plan_.n_components
            columns = lime._class_columns(panel)
            S = lime._signatures(panel, columns, Progress(lime.verbose))
        W = S.reshape(len(members), lime.n_classes_, -1)
        is_constant = ~np.nan_to_num(W).any(axis=(1, 2))
        if self._W is None:
            self._constant[members] = is_constant
        else:
            self._constant[members] &= is_constant
            W = np.concatenate([self._W[np.isin(self._kept, members)], W], axis=2)
        self._W, self._kept, self._n_asked = W, members, n
        return W

    def warn_of_constant(self, names: Sequence[str] | None = None) -> None:
        """Name the models that gave the same scores to all questions that they were asked."""
        constant = [n for n, c in zip(names or self._names, self._constant, strict=True) if c]
        if constant:
            warn(
                f"{listed(constant)} gave the same scores to all questions, so the distance is "
                "undefined.",
                UndefinedSignatureWarning,
            )


def _check_stops(threshold: float | None, tol: float | None) -> None:
    if threshold is None and tol is None:
        raise ValueError(
            "neither threshold nor tol is given, so there is no reason to stop. Pass one of them, "
            "or use zest_distances on all points."
        )
    if threshold is not None:
        check_threshold(threshold)
    if tol is not None and not check_real(tol, "tol") > 0:
        raise ValueError(f"tol must be positive; got {tol}.")


def check_threshold(threshold: object) -> float:
    """A distance that a pair can be clearly below or above."""
    value = check_real(threshold, "threshold")
    if not 0 < value < 2:
        raise ValueError(
            "threshold must be greater than 0 and less than 2, the ends of what a distance can be; "
            f"got {threshold}."
        )
    return value


def within_budget(plan: QueryPlan, max_queries: int | None) -> QueryPlan:
    """The first points of a plan that fit in a budget."""
    if max_queries is None:
        return plan
    asked = np.cumsum(plan.n_questions)
    n = int(np.searchsorted(asked, check_whole(max_queries, "max_queries"), side="right"))
    if n < 2:
        raise ValueError(
            f"max_queries={max_queries} is too few for 2 reference points, which take {asked[1]} "
            "questions. Raise it, or lower n_samples."
        )
    return plan.take(n)
