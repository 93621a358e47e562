# SPDX-License-Identifier: BSD-3-Clause
"""Leave out one point, or one model, at a time: how sure is a distance over a mean distance?

Sums over points (``comparing._point_sums``) hold all that is needed; nothing is asked again.
"""

from __future__ import annotations

import numpy as np

from ..comparing import jackknife_error
from ..comparing import leave_one_out as of_points

__all__ = ["jackknife_error", "log_ratio_error", "of_models", "of_points", "two_way"]


def of_models(values: np.ndarray) -> float:
    """Standard error of the logarithm of a mean over models."""
    without = (values.sum() - values) / (len(values) - 1)
    if (without <= 0).any():
        return np.inf
    return float(jackknife_error(np.log(without)))


def log_ratio_error(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Standard error of the logarithm of a ratio; both (..., n_points), each without one point.

    Infinite where one point makes all of a distance.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(numerator) - np.log(denominator)
        error = jackknife_error(logs)
    return np.where(np.isneginf(logs).any(axis=-1), np.inf, error)


def two_way(points: np.ndarray, n_points: int, models: float, n_models: int) -> tuple:
    """Standard error of both choices together, and its degrees of freedom (Satterthwaite).

    The two variances add up: points and models are drawn independently of each other. What
    they do together is in both, so the sum is rather too large than too small.
    """
    variance = points**2 + models**2
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = points**4 / max(n_points - 1, 1) + models**4 / (n_models - 1)
        freedom = np.where(spread > 0, variance**2 / spread, n_models - 1)
    return np.sqrt(variance), np.where(np.isfinite(freedom), freedom, 1.0)
