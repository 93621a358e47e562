# SPDX-License-Identifier: BSD-3-Clause
"""Which questions tell copies from other models, and how much each of them counts."""

from __future__ import annotations

import numpy as np

__all__ = ["best_questions", "distances_from", "separation"]

# Added to the deviation: the agreement of few models can be constant by chance.
_SMOOTHING = 0.1


def separation(agreement: np.ndarray, is_copy: np.ndarray) -> np.ndarray:
    """Difference of the mean agreements of copies and of others, in pooled deviations.

    Parameters
    ----------
    agreement : ndarray of shape (n_models, n_candidates)
        With the owner, in [0, 1].
    is_copy : ndarray of bool, shape (n_models,)

    Returns
    -------
    separation : ndarray of shape (n_candidates,)
        Positive where copies agree more.
    """
    copies, others = agreement[is_copy], agreement[~is_copy]
    gap = copies.mean(axis=0) - others.mean(axis=0)
    variance = (copies.var(axis=0) + others.var(axis=0)) / 2
    return gap / np.sqrt(variance + _SMOOTHING**2)


def best_questions(separation: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the best candidates, best first, and their weights, which sum to 1."""
    chosen = np.argsort(-separation, kind="stable")[:n]
    chosen = chosen[separation[chosen] > 0]
    return chosen, separation[chosen] / separation[chosen].sum()


def distances_from(agreement: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted disagreement with the owner, (n_models,): 0 agrees everywhere, 1 nowhere."""
    return np.clip(1 - agreement @ weights, 0.0, 1.0)
