# SPDX-License-Identifier: BSD-3-Clause
"""Zest itself, from scores that other distances are computed from, too."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..comparing import zest_distances
from ..plan import QueryPlan, coefficients, kernel_weights
from ._copies import passthrough_distances
from ._scores import Scores

__all__ = ["zest_of_scores"]


def zest_of_scores(scores: Scores, plan: QueryPlan) -> np.ndarray:
    """Cosine distances between signatures, computed from scores at the copies of a plan.

    Parameters
    ----------
    scores : Scores
        As :func:`ask_copies` gives them, for `plan` whatever its surrogate.
    plan : QueryPlan
        Says which surrogate to fit.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        NaN for a constant model.
    """
    if plan.is_passthrough:
        return passthrough_distances(scores)
    n_models, _, n_classes = scores.values.shape
    W = np.full((n_models, n_classes, plan.n_components), np.nan)
    column = 0
    for n, (start, stop) in enumerate(pairwise(scores.starts)):
        fit = _fit_at(plan, n)
        columns = slice(column, column + plan.n_parts[n])
        for of_one, Z in zip(W, scores.values[:, start:stop]):
            has = ~np.isnan(Z[0])
            of_one[has, columns] = fit(Z[:, has]).T
        column = columns.stop
    W[scores.constant] *= 0.0  # not = 0: classes that a model lacks stay NaN
    return np.asarray(zest_distances(W.reshape(n_models, -1), n_classes=n_classes))


def _fit_at(plan: QueryPlan, n: int) -> Callable[[np.ndarray], np.ndarray]:
    closed, masks = plan.fit_at(n), plan.masks[n]
    if closed is not None:
        return closed
    weights = kernel_weights(masks, plan.kernel_width)
    return lambda Z: coefficients(plan.surrogate, masks, Z, weights)
