# SPDX-License-Identifier: BSD-3-Clause
"""Standard errors of ratios of distances, from leaving out one point or one model at a time."""

from __future__ import annotations

import numpy as np

from ..comparing import jackknife_error

__all__ = ["log_ratio_error", "of_models", "two_way"]


def of_models(values: np.ndarray) -> float:
    """Standard error of the logarithm of a mean over models."""
    without = (values.sum() - values) / (len(values) - 1)
    return float(jackknife_error(np.log(without))) if (without > 0).all() else np.inf


def log_ratio_error(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Standard error of the logarithm of a ratio; both (..., n_points), each without one point.

    Infinite where a single point makes the whole distance.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return jackknife_error(np.log(numerator) - np.log(denominator))


def two_way(
    points: np.ndarray, n_points: int, models: float, n_models: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standard error of both choices together, and its degrees of freedom (Satterthwaite).

    The two variances add up, since points and models are drawn independently. Their interaction
    is in both, so the sum is slightly too large.
    """
    variance = points**2 + models**2
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = points**4 / max(n_points - 1, 1) + models**4 / (n_models - 1)
        freedom = np.where(weights > 0, variance**2 / weights, n_models - 1)
    return np.sqrt(variance), np.where(np.isfinite(freedom), freedom, 1.0)
