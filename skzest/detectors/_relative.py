# SPDX-License-Identifier: BSD-3-Clause
"""Relative distances: distances in units of the mean distance between unrelated models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from scipy.special import stdtrit
from sklearn.utils import check_array

from .._validation import counted, refuse_models
from ..comparing import (
    ShownAsTable,
    Signatures,
    TableText,
    check_level,
    check_plan,
    interval_text,
    leave_one_out,
    number,
    point_sums,
)
from ..exceptions import warn
from ..plan import QueryPlan
from ._decisions import NO_DISTANCE
from ._jackknife import log_ratio_error, of_models, two_way

__all__ = ["RelativeDistances", "relative_distances"]

# As the paper advises, appendix C.
FEWEST_ADVISED = 5
OTHER_POINTS = "Ask about more reference points, or others, to which its scores differ."


@dataclass(frozen=True, repr=False)
class RelativeDistances(ShownAsTable):
    """Distances over the mean unrelated distance; made by :func:`~skzest.relative_distances`.

    Attributes
    ----------
    relative : ndarray of shape (n_suspects,)
        Unitless; 1 on average for unrelated models.
    low, high : ndarrays of shape (n_suspects,)
        Ends of the intervals, at equal ratios (not differences) from `relative`.
    points_low, points_high : ndarrays of shape (n_suspects,)
        Ends of the narrower intervals over the choice of points alone. Equal to `relative` if
        points are unknown.
    d_suspects : ndarray of shape (n_suspects,)
        Distances of the suspects to the owner's model.
    d_unrelated : ndarray of shape (n_unrelated,)
        Distances of the unrelated models.
    level : float
        Confidence level of each interval.
    n_reference : int or None
        Number of reference points; None if only distances were given.
    """

    relative: np.ndarray
    low: np.ndarray
    high: np.ndarray
    points_low: np.ndarray
    points_high: np.ndarray
    d_suspects: np.ndarray
    d_unrelated: np.ndarray
    level: float
    n_reference: int | None = None

    def __len__(self) -> int:
        return len(self.relative)

    def _frame(self) -> tuple[dict[str, object], None]:
        names = ("relative", "low", "high", "points_low", "points_high")
        return {"distance": self.d_suspects, **{name: getattr(self, name) for name in names}}, None

    def _text(self) -> TableText:
        rows = [
            [
                f"suspect {i}",
                number(self.d_suspects[i]),
                interval_text(self.relative[i], self.low[i], self.high[i]),
            ]
            for i in range(len(self))
        ]
        columns = ["suspect", "distance", f"relative distance ({self.level:.0%})"]
        note = f"The unit is the mean distance of {len(self.d_unrelated)} unrelated models."
        if np.isnan(self.relative).any():
            note += f" –: {NO_DISTANCE}."
        return TableText("Relative distances", columns, rows, note)


def relative_distances(
    D_suspect: ArrayLike,
    D_unrelated: ArrayLike,
    *,
    owner: ArrayLike | None = None,
    plan: QueryPlan | None = None,
    level: float = 0.95,
) -> RelativeDistances:
    """Distances in units of the mean distance to unrelated models, with intervals.

    The relative distance of the paper (appendix C [1]_): which distances are small depends on
    task, architecture and data, so the distance of a suspect is divided by the mean distance of
    several models that are known to be unrelated. They are trained for the same task from other
    seeds, and match the suspect in architecture, data and accuracy as closely as possible.

    Parameters
    ----------
    D_suspect : array-like of shape (n_suspects,), or float
        Distances of the suspects to the owner's model; cross-validated ones may be negative.
        With `plan`, their signatures, shape (n_suspects, n_classes * n_components).

    D_unrelated : array-like of shape (n_unrelated,)
        Distances of the unrelated models to the owner's model, 5 or more. With `plan`, their
        signatures.

    owner : array-like of shape (n_classes * n_components,), default=None
        With `plan`, the signature of the owner's model.

    plan : QueryPlan, default=None
        The questions that the signatures answer. Distances are then cosine distances, and the
        intervals cover the choice of reference points as well as that of unrelated models.

    level : float, default=0.95
        Confidence level of each interval.

    Returns
    -------
    relative : RelativeDistances
        NaN where a distance is undefined, as for a constant suspect.

    Raises
    ------
    ValueError
        If there are fewer than 2 unrelated models, if their distances are not finite or their
        mean is not positive, if only one of `owner` and `plan` is given, or if widths do not fit.
    DesignMismatchError
        If column names show that signatures answer different questions.

    Warns
    -----
    UserWarning
        If there are fewer than 5 unrelated models.

    See Also
    --------
    ReuseDetector : Decides whether a distance is small.
    skzest.distance_interval : Interval of one distance.

    Notes
    -----
    The interval is Student's, on the logarithm. Its variance is the sum of two jackknife
    variances: one leaves out one unrelated model at a time, the other one reference point at a
    time, from all distances at once, since an easy point makes all of them smaller, which cancels
    in the ratio. Degrees of freedom are Satterthwaite's. From distances alone only the first
    variance is known. Other seeds of the suspect are not covered: the question is about this one
    model.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, appendix C.

    Examples
    --------
    >>> from skzest import relative_distances
    >>> found = relative_distances([0.02, 0.21], [0.18, 0.22, 0.19, 0.21, 0.2])
    >>> found.relative.round(2).tolist()
    [0.1, 1.05]
    >>> found.low.round(3).tolist(), found.high.round(3).tolist()
    ([0.091, 0.952], [0.11, 1.158])
    """
    check_level(level)
    if (owner is None) != (plan is None):
        given, missing = ("plan", "owner") if owner is None else ("owner", "plan")
        raise ValueError(f"{given} is given without {missing}; signatures need both.")
    if plan is None or owner is None:
        suspects = check_distances(D_suspect, "D_suspect", finite=False)
        found = from_distances(suspects, check_unrelated(D_unrelated, "D_unrelated"), level)
    else:
        check_plan(plan, minimum=2)
        first = Signatures.one(owner, "owner", plan)
        check_varies(first.blocks, "the owner", plan)
        suspects, unrelated = (
            sums_with(first.blocks[0], check_blocks(S, name, plan, first), plan)
            for S, name in ((D_suspect, "D_suspect"), (D_unrelated, "D_unrelated"))
        )
        found = from_sums(suspects, unrelated, level)
    for message in few_unrelated(len(found.d_unrelated)):
        warn(message)
    return found


# ---------------------------------------------------------------- arithmetic


def from_distances(suspects: np.ndarray, unrelated: np.ndarray, level: float) -> RelativeDistances:
    """Relative distances from distances alone: only the unrelated models vary."""
    relative = suspects / unrelated.mean()
    low, high = _ends(relative, of_models(unrelated), len(unrelated) - 1, level)
    return RelativeDistances(relative, low, high, relative, relative, suspects, unrelated, level)


def from_sums(suspects: np.ndarray, unrelated: np.ndarray, level: float) -> RelativeDistances:
    """Relative distances from sums over points, shapes (n_suspects or n_unrelated, n_points, 3)."""
    d_suspects, without_s = leave_one_out(suspects)
    d_unrelated, without_u = leave_one_out(unrelated)
    check_unrelated(d_unrelated, "D_unrelated")
    n_points, n_unrelated = suspects.shape[1], len(unrelated)
    relative = d_suspects / d_unrelated.mean()

    points = log_ratio_error(without_s, without_u.mean(axis=0))
    both, freedom = two_way(points, n_points, of_models(d_unrelated), n_unrelated)
    low, high = _ends(relative, both, freedom, level)
    points_low, points_high = _ends(relative, points, n_points - 1, level)
    return RelativeDistances(
        relative, low, high, points_low, points_high, d_suspects, d_unrelated, level, n_points
    )


def _ends(
    relative: np.ndarray, error: ArrayLike, freedom: ArrayLike, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Student's interval on the logarithm; a distance of zero stays zero, however unsure."""
    reach = stdtrit(freedom, (1 + level) / 2) * error
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.sort([relative * np.exp(-reach), relative * np.exp(reach)], axis=0)
    low, high = np.where(relative == 0, 0.0, ends)
    return low, high


# ---------------------------------------------------------------- checks


def sums_with(W: np.ndarray, blocks: np.ndarray, plan: QueryPlan) -> np.ndarray:
    """Sums over points of the pairs of a model with others, shape (n_blocks, n_points, 3)."""
    return np.stack([point_sums(W, block, plan.n_columns) for block in blocks])


def check_blocks(S: ArrayLike, name: str, plan: QueryPlan, first: Signatures) -> np.ndarray:
    """Signatures that can be compared with a first one, (n_models, n_classes, n_components)."""
    found = Signatures.of(S, name, plan=plan)
    first.check_comparable(found)
    return found.blocks


def check_varies(signature: np.ndarray, name: str, plan: QueryPlan) -> None:
    """Refuse the signature of a constant model, to which no other has a distance."""
    if not np.nan_to_num(signature).any():
        raise ValueError(
            f"{constant(name, plan)}, so no model has a distance to it. {OTHER_POINTS}"
        )


def constant(name: str, plan: QueryPlan) -> str:
    """What is wrong with a constant model."""
    asked, points = counted(plan.n_queries, "question"), counted(len(plan), "reference point")
    return f"{name} gives the same scores to all {asked} about {points}"


def check_distances(values: ArrayLike, name: str, *, finite: bool = True) -> np.ndarray:
    """Distances to one model as a 1-D float array; a column counts as a row."""
    refuse_models(values, name, "Pass distances to one model, or use ReuseDetector.from_models.")
    array = check_array(
        [values] if np.ndim(values) == 0 and not issparse(values) else values,
        dtype=np.float64,
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite=False,
        input_name=name,
    )
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} must hold the distances to one model, 1-D; got shape {array.shape}. If it is "
            "a matrix of distances, pass the owner's row."
        )
    if finite and np.isnan(array).all():
        raise ValueError(
            f"{name} is NaN for all {counted(len(array), 'model')}, as if the owner's own model "
            f"were constant. {OTHER_POINTS}"
        )
    if np.isinf(array).any() or (finite and np.isnan(array).any()):
        raise ValueError(
            f"{name} holds {int((~np.isfinite(array)).sum())} values that are not finite. If a "
            "model is constant, its distances are NaN: leave it out."
        )
    return array


def check_unrelated(values: ArrayLike, name: str) -> np.ndarray:
    """Distances of unrelated models, with a positive mean."""
    array = check_distances(values, name)
    check_n_unrelated(len(array))
    if not array.mean() > 0:
        raise ValueError(
            f"{name} has mean {array.mean():.3g}; the distances of unrelated models must be "
            "positive on average. Was the owner's model compared with itself?"
        )
    return array


def check_n_unrelated(n_unrelated: int) -> None:
    """Refuse a number of unrelated models that says nothing about how much they differ."""
    if n_unrelated < 2:
        raise ValueError(
            f"{counted(n_unrelated, 'unrelated model')}; at least 2 are "
            f"needed to see how much they differ, and {FEWEST_ADVISED} are advised."
        )


def few_unrelated(n_unrelated: int) -> list[str]:
    """A warning if there are fewer unrelated models than the paper advises."""
    if n_unrelated >= FEWEST_ADVISED:
        return []
    return [
        f"{n_unrelated} unrelated models: their mean distance is not well known. "
        f"{FEWEST_ADVISED} or more are advised."
    ]
