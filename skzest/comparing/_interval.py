# SPDX-License-Identifier: BSD-3-Clause
"""How precise is a distance? An interval from the answers given already."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ..plan import QueryPlan
from ._point_sums import jackknife_error, leave_one_out, point_sums
from ._signatures import check_pair, check_plan
from ._tables import ShownAsTable, TableText, interval_text, number

_CONSTANT = "a model gives the same scores to every question"


@dataclass(frozen=True)
class DistanceInterval(ShownAsTable):
    """A cosine distance with its uncertainty; made by :func:`distance_interval`.

    Attributes
    ----------
    estimate : float
        The distance over the points asked about, as :func:`~skzest.zest_distances` gives it.
    low, high : float
        Ends of the interval, in [0, 2]; their ratios to the estimate are equal, not their
        differences.
    standard_error : float
        Of the estimate, by the jackknife over points; infinite if a single point holds all
        coefficients of a model.
    level : float
        Confidence level of the interval.
    n_reference : int
        Number of reference points.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    level: float
    n_reference: int

    def __contains__(self, distance: float) -> bool:
        return self.low <= distance <= self.high

    def __str__(self) -> str:
        if np.isnan(self.estimate):
            return f"no distance: {_CONSTANT} ({self.n_reference} points)"
        shown = interval_text(self.estimate, self.low, self.high)
        return f"{shown} ({self.level:.0%}, {self.n_reference} points)"

    def _frame(self) -> tuple[dict[str, object], None]:
        return {name: [value] for name, value in vars(self).items()}, None

    def _text(self) -> TableText:
        columns = ["distance", f"{self.level:.0%} interval", "standard error", "reference points"]
        ends = f"{number(self.low)} to {number(self.high)}"
        row = [number(self.estimate), ends, number(self.standard_error), f"{self.n_reference}"]
        if np.isnan(self.estimate):
            row[1:3] = "–", "–"
        note = f"No distance: {_CONSTANT}." if np.isnan(self.estimate) else ""
        return TableText("Cosine distance of two models", columns, [row], note)


def distance_interval(
    S1: ArrayLike,
    S2: ArrayLike,
    plan: QueryPlan,
    *,
    level: float = 0.95,
    n_classes: int | None = None,
) -> DistanceInterval:
    """Confidence interval of the cosine distance between two models.

    It estimates the distance over the whole pool of points that the reference was drawn from,
    under the same design of masks. The cosine is a ratio of sums over reference points, so
    leaving out each point in turn needs no further question (jackknife [1]_). The result is a
    Student t interval for the logarithm of the distance, with one degree of freedom less than
    there are points. It is [0, 2] where one point makes the whole difference, or holds all
    coefficients of a model.

    Parameters
    ----------
    S1, S2 : array-like of shape (n_classes * n_components,)
        Signatures of the two models under `plan`. Classes that either model lacks (NaN) are left
        out.

    plan : QueryPlan
        The questions, ``plan_`` of the transformer.

    level : float, default=0.95
        Confidence level.

    n_classes : int, default=None
        Number of classes of the signatures, ``n_classes_`` of the transformer. An array does not
        tell which questions it answers: without this, another plan is noticed only if the width
        of the signatures is not a multiple of its components, or by the feature names of a data
        frame.

    Returns
    -------
    interval : DistanceInterval
        All NaN if a model is constant.

    Raises
    ------
    ValueError
        If the plan has fewer than 2 points, the width of a signature does not fit it and
        `n_classes`, a class is NaN in some of its columns only, or `level` is not between 0 and 1.
    DesignMismatchError
        If feature names show that a signature answers other questions.

    See Also
    --------
    skzest.sequential_distance : Ask about no more points than a decision needs.

    Notes
    -----
    The interval covers the choice of points. It also covers the noise of the masks, which is part
    of how points differ, but not the bias that this noise gives the distance (see
    :func:`~skzest.crossvalidated_distances`). The classes must correspond: align first.

    Where a few rare points make most of the difference, as between a network before and after
    some more epochs, 8 or 16 points may miss them, and the interval is too narrow.

    Points should be drawn at random, as :class:`~skzest.LimeSignatureTransformer` does. If they
    are a large part of the pool, the interval is wider than necessary.

    References
    ----------
    .. [1] J. W. Tukey, "Bias and confidence in not quite large samples", Annals of Mathematical
       Statistics 29, 1958.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer, distance_interval, zest_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (1, 100)]
    >>> lime = LimeSignatureTransformer(X, n_reference=32, n_samples=40)
    >>> S = lime.fit_transform(zoo)
    >>> interval = distance_interval(S[0], S[1], lime.plan_)
    >>> bool(np.isclose(interval.estimate, zest_distances(S[0], S[1])))
    True
    >>> interval.low < interval.estimate < interval.high
    True
    """
    check_level(level)
    check_plan(plan, minimum=2)
    W1, W2 = check_pair(S1, S2, plan, n_classes)
    return jackknife_t(point_sums(W1, W2, plan.n_columns), level)


def check_level(level: float) -> None:
    """Refuse anything but a confidence level."""
    if isinstance(level, bool) or not isinstance(level, numbers.Real):
        raise TypeError(f"level must be a number such as 0.95; got {level!r}.")
    if not 0 < level < 1:
        hint = " For 95 %, pass 0.95." if level >= 1 else ""
        raise ValueError(f"level must be between 0 and 1; got {level!r}.{hint}")


def jackknife_t(sums: np.ndarray, level: float) -> DistanceInterval:
    """Student's interval from sums over points, of shape (n_points, 3)."""
    estimate, low, high, error = map(float, jackknife_ends(sums, level))
    return DistanceInterval(estimate, low, high, error, level, len(sums))


def jackknife_ends(
    sums: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, both ends and standard error of each interval, from sums of shape (..., n, 3)."""
    n = sums.shape[-2]
    estimate, without = leave_one_out(sums)
    error = jackknife_error(without)
    # On the logarithm, as a distance is positive and varies more the larger it is. Measured
    # on both scales (benchmark interval_coverage): this coverage is closer to the level.
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = stdtrit(n - 1, (1 + level) / 2) * jackknife_error(np.log(without))
        low = estimate * np.exp(-reach)
        high = np.minimum(estimate * np.exp(np.minimum(reach, 700.0)), 2.0)
    high = np.where(np.isinf(reach), 2.0, high)
    exact = (estimate == 0) & np.isfinite(error)
    ends = np.where(exact, 0.0, low), np.where(exact, 0.0, high)
    low, high, error = np.where(np.isnan(estimate), np.nan, [*ends, error])
    return estimate, low, high, error
