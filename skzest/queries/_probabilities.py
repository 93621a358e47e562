# SPDX-License-Identifier: BSD-3-Clause
"""Probabilities: recognised by their rows, divided by their sums, refused with the reason."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of

from ..exceptions import QueryError
from ._base import Array

__all__ = ["are_log_odds", "are_probabilities", "fault_of", "may_be_sigmoids", "normalised"]

# Rows this close to a sum of 1 are taken as they are; the others are divided by their sum.
_EXACT = 1e-3
# A softmax in bfloat16 is off by up to 2 ** -8.
_HALF_PRECISION = 1e-2
# Rounding to two digits, and quantised outputs of 8 bits, leave whole multiples of a step.
_STEPS = (100, 255, 256)
_NEGATIVE = 1e-6
# So many logits are hardly all between 0 and 1 by chance.
_SEVERAL = 16
_SPREAD = 0.5


def are_probabilities(scores: Array) -> bool:
    """Whether the finite rows of (n, n_classes) scores are certainly probabilities.

    Up to rounding. Rows of zeros and ones alone prove nothing: counts and labels look like them.
    """
    xp = array_namespace(scores)
    total = _sums(xp, scores)
    holds = _holds(xp, scores, total)
    if not bool(xp.all(holds | ~xp.isfinite(total))):
        return False
    return bool(xp.any(holds & xp.any((scores != 0) & (scores != 1), axis=1)))


def may_be_sigmoids(scores: Array) -> bool:
    """Whether log-odds, or the scores of several classes, are all between 0 and 1."""
    xp = array_namespace(scores)
    if are_log_odds(scores):
        scores = 2.0 * scores[:, 1]
    elif scores.shape[0] * scores.shape[1] < _SEVERAL or not _spread(xp, scores) > _SPREAD:
        return False  # logits of an untrained network are all small, too
    is_inside = (scores > 0) & (scores < 1)
    return bool(xp.all((scores >= 0) & (scores <= 1))) and bool(xp.any(is_inside))


def are_log_odds(scores: Array) -> bool:
    """Whether scores are one column of log-odds, written as two opposite ones."""
    return scores.shape[1] == 2 and bool((scores[:, 0] == -scores[:, 1]).all())


def normalised(scores: Array) -> Array:
    """Probabilities whose rows sum to 1, whatever rounding took away.

    Raises
    ------
    QueryError
        If a row without NaN or infinity is not made of probabilities.
    """
    xp = array_namespace(scores)
    total = _sums(xp, scores)
    if _all_exact(xp, scores, total):
        return scores
    fault = _fault(xp, scores, total)
    if fault is not None:
        raise QueryError(
            f"gave probabilities first, and now numbers that are not: {fault}. If the scores are "
            'of another kind, use output="decision_function" and response="raw".'
        )
    rounded = xp.isfinite(total) & (xp.abs(total - 1.0) > _EXACT)
    scores = scores / xp.where(rounded, total, xp.ones_like(total))[:, None]
    return xp.where(xp.isinf(scores), xp.nan, scores)  # clipping would hide an infinity


def fault_of(scores: Array) -> str | None:
    """Which row is not made of probabilities, and why; None if all are.

    Rows with NaN or infinity pass: whoever knows their reference point reports them.
    """
    xp = array_namespace(scores)
    return _fault(xp, scores, _sums(xp, scores))


def _fault(xp: ModuleType, scores: Array, total: Array) -> str | None:
    bad = ~_holds(xp, scores, total) & xp.isfinite(total)
    if not bool(xp.any(bad)):
        return None
    row = int(xp.argmax(xp.astype(bad, xp.int8)))
    if bool(_is_zero(xp, scores)[row]):
        return f"row {row} is all zeros"
    least = float(xp.min(scores[row]))
    return f"row {row} sums to {float(total[row]):.6g} and its smallest value is {least:.6g}"


def _spread(xp: ModuleType, scores: Array) -> float:
    return float(xp.max(scores)) - float(xp.min(scores))  # NumPy warns of infinity less itself


def _sums(xp: ModuleType, scores: Array) -> Array:
    # A product with ones: sums along short rows are 10 times slower, and this is every batch.
    with np.errstate(invalid="ignore", over="ignore"):
        return scores @ xp.ones(scores.shape[1], dtype=scores.dtype, device=device_of(scores))


def _all_exact(xp: ModuleType, scores: Array, total: Array) -> bool:
    if scores.shape[0] == 0:
        return True
    is_one = bool(xp.max(xp.abs(total - 1.0)) <= _EXACT)
    return is_one and bool(xp.min(scores) >= -_NEGATIVE)


def _holds(xp: ModuleType, scores: Array, total: Array) -> Array:
    """Whether each row is made of probabilities, as rounding may leave them."""
    off = xp.abs(total - 1.0)
    near = off <= _HALF_PRECISION
    if not bool(xp.all(near)):
        for steps in _STEPS:
            near = near | (
                _on_grid(xp, scores, steps) & (off <= min(scores.shape[1] / steps, 1) / 2)
            )
    return (xp.min(scores, axis=1) >= -_NEGATIVE) & near


def _on_grid(xp: ModuleType, scores: Array, steps: int) -> Array:
    """Whether each row holds whole multiples of ``1 / steps`` only."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = steps * scores
        return xp.all(xp.abs(scaled - xp.round(scaled)) < 1e-3, axis=1)


def _is_zero(xp: ModuleType, scores: Array) -> Array:
    return xp.all(scores == 0, axis=1)
