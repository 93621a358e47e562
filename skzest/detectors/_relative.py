# SPDX-License-Identifier: BSD-3-Clause
"""Relative distance: in units of the distance between models that have only the task in common."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from scipy.special import stdtrit
from sklearn.utils import check_array

from ..comparing import check_level, check_plan, check_signature, point_sums
from ..plan import QueryPlan, names_of
from ._jackknife import log_ratio_error, of_models, of_points, two_way

__all__ = ["RelativeDistances", "relative_distances"]

# The paper's advice, appendix C.
FEWEST_ADVISED = 5
# Rows that differ in their last bits only are about the square of a rounding unit apart.
_ROUNDING = 1e-30


@dataclass(frozen=True)
class RelativeDistances:
    """Distances over the mean unrelated distance; made by :func:`~skzest.relative_distances`.

    Attributes
    ----------
    relative : ndarray of shape (n_suspects,)
        Unitless; an unrelated model has 1 on average.
    low, high : ndarrays of shape (n_suspects,)
        Ends of the intervals; they lie at one ratio to `relative`, not at one difference.
    points_low, points_high : ndarrays of shape (n_suspects,)
        Ends of the narrower intervals over the choice of points alone. Equal to `relative` where
        points are not known.
    d_suspects : ndarray of shape (n_suspects,)
        Distances of the suspects to the owner's model.
    d_unrelated : ndarray of shape (n_unrelated,)
        Distances of the unrelated models.
    level : float
        Confidence level of each interval.
    n_reference : int or None
        Number of reference points; None where only distances were given.
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


def relative_distances(
    D_suspect: ArrayLike,
    D_unrelated: ArrayLike,
    *,
    owner: ArrayLike | None = None,
    plan: QueryPlan | None = None,
    level: float = 0.95,
) -> RelativeDistances:
    """Distances in units of the mean distance to unrelated models, with intervals.

    The relative distance of the paper (appendix C [1]_): what is near and what is far depends
    on task, architecture and data, so the distance of a suspect is divided by the mean distance
    of several models that are known to be unrelated, trained for the same task from other seeds,
    and matching the suspect in architecture, data and accuracy as well as can be had.

    Parameters
    ----------
    D_suspect : array-like of shape (n_suspects,), or float
        Distances of the suspects to the owner's model. With `plan`, the signatures of the
        suspects, shape (n_suspects, n_classes * n_components).

    D_unrelated : array-like of shape (n_unrelated,)
        Distances of the unrelated models to the owner's model, 5 or more. With `plan`, their
        signatures.

    owner : array-like of shape (n_classes * n_components,), default=None
        With `plan`, the signature of the owner's model.

    plan : QueryPlan, default=None
        The questions that the signatures answer. The cosine distance is taken then, and the
        interval covers the choice of reference points as well as that of unrelated models.

    level : float, default=0.95
        Confidence level of each interval.

    Returns
    -------
    relative : RelativeDistances
        NaN where a distance is not defined, as for a constant suspect.

    Raises
    ------
    ValueError
        If there are fewer than 2 unrelated models, or their distances are not finite, or not
        positive; if only one of `owner` and `plan` is given; if widths do not fit.
    DesignMismatchError
        If column names tell that signatures answer other questions.

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
    The interval is Student's, of the logarithm. Its variance is the sum of two jackknife
    variances, one that leaves out one unrelated model at a time, and one that leaves out one
    reference point at a time, of all distances at once: an easy point makes all of them smaller,
    which cancels in the ratio. Degrees of freedom are Satterthwaite's. From bare distances only
    the first is known. Other seeds of the suspect itself are not covered: it is one model, and the
    question is about that one.

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
    if plan is None:
        suspects = check_distances(D_suspect, "D_suspect", finite=False)
        found = from_distances(suspects, check_unrelated(D_unrelated, "D_unrelated"), level)
    else:
        suspects = sums_to(owner, D_suspect, plan, "D_suspect")
        found = from_sums(suspects, sums_to(owner, D_unrelated, plan, "D_unrelated"), level)
    warn_of_few(len(found.d_unrelated), stacklevel=3)
    return found


# ---------------------------------------------------------------- arithmetic


def from_distances(suspects: np.ndarray, unrelated: np.ndarray, level: float) -> RelativeDistances:
    """Relative distances from bare distances: only the unrelated models vary."""
    relative = suspects / unrelated.mean()
    low, high = _ends(relative, of_models(unrelated), len(unrelated) - 1, level)
    return RelativeDistances(relative, low, high, relative, relative, suspects, unrelated, level)


def from_sums(suspects: np.ndarray, unrelated: np.ndarray, level: float) -> RelativeDistances:
    """Relative distances from sums over points, shapes (n_suspects or n_unrelated, n_points, 3)."""
    d_suspects, without_s = of_points(suspects)
    d_unrelated, without_u = of_points(unrelated)
    check_unrelated(d_unrelated, "D_unrelated")
    n_points, n_unrelated = suspects.shape[1], len(unrelated)
    d_suspects = np.where(d_suspects < _ROUNDING, 0.0, d_suspects)
    without_s = np.where(without_s < _ROUNDING, 0.0, without_s)
    relative = d_suspects / d_unrelated.mean()

    points = log_ratio_error(without_s, without_u.mean(axis=0))
    both, freedom = two_way(points, n_points, of_models(d_unrelated), n_unrelated)
    low, high = _ends(relative, both, freedom, level)
    points_low, points_high = _ends(relative, points, n_points - 1, level)
    return RelativeDistances(
        relative, low, high, points_low, points_high, d_suspects, d_unrelated, level, n_points
    )


def _ends(relative: np.ndarray, error: Any, freedom: Any, level: float) -> tuple:
    """Student's interval of the logarithm; no distance stays none, however unsure."""
    reach = stdtrit(freedom, (1 + level) / 2) * error
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.sort([relative * np.exp(-reach), relative * np.exp(reach)], axis=0)
    low, high = np.where(relative == 0, 0.0, ends)
    return low, high


# ---------------------------------------------------------------- checks


def sums_to(owner: Any, S: Any, plan: QueryPlan, name: str) -> np.ndarray:
    """Sums over points of the pairs of the owner with each row, shape (n_rows, n_points, 3)."""
    check_plan(plan, minimum=2)
    W = check_signature(owner, "owner", plan, names_of(owner))
    names, rows = names_of(S), np.asarray(S, dtype=np.float64)
    if rows.ndim == 1:
        rows = rows[None]
    if rows.ndim != 2 or not len(rows):
        raise ValueError(
            f"{name} must hold signatures, one model in each row; got shape {rows.shape}."
        )
    blocks = [check_signature(row, name, plan, names) for row in rows]
    return np.stack([point_sums(W, block, plan.n_columns) for block in blocks])


def check_distances(values: Any, name: str, *, finite: bool = True) -> np.ndarray:
    """Distances to one model as a 1-D float array; a column is taken for a row."""
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
            f"{name} must be distances to one model, 1-D; got shape {array.shape}. Of a matrix of "
            "distances pass the owner's row."
        )
    if np.isinf(array).any() or (finite and np.isnan(array).any()):
        raise ValueError(
            f"{name} holds {int((~np.isfinite(array)).sum())} values that are not finite. A "
            "constant model has no distance: leave it out."
        )
    return array


def check_unrelated(values: Any, name: str) -> np.ndarray:
    """Distances of unrelated models, of which a mean can be taken."""
    array = check_distances(values, name)
    if len(array) < 2:
        raise ValueError(
            f"{name} has {len(array)} distance{'' if len(array) == 1 else 's'}; at least 2 "
            "unrelated models are needed to see how much they differ, and "
            f"{FEWEST_ADVISED} advised."
        )
    if not array.mean() > 0:
        raise ValueError(
            f"{name} has mean {array.mean():.3g}; unrelated models are some way apart. Was the "
            "owner's model compared with itself?"
        )
    return array


def warn_of_few(n_unrelated: int, *, stacklevel: int) -> None:
    """Say so where there are fewer unrelated models than the paper advises."""
    if n_unrelated < FEWEST_ADVISED:
        warnings.warn(
            f"{n_unrelated} unrelated models: their mean distance is not well known. "
            f"{FEWEST_ADVISED} or more are advised.",
            UserWarning,
            stacklevel=stacklevel,
        )
