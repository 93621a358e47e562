# SPDX-License-Identifier: BSD-3-Clause
"""Which questions tell copies from other models, and how much each of them counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Discriminant", "discriminate"]

# How much the variances count beside the covariances, whose estimate from few models is poor. From
# 0.3 to 10 the share of copies found on digits was the same to 0.05.
_SHRINKAGE = 3.0
# Added to every variance: the agreement of a few models can be constant by chance.
_SMOOTHING = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class Discriminant:
    """A weighted sum of agreements with the owner that tells copies from other models.

    Attributes
    ----------
    indices : ndarray of int, shape (n_chosen,)
        Candidates, the most decisive first.
    weights : ndarray of shape (n_chosen,)
        Positive where copies agree with the owner more than others do with the same answers to
        the other questions; scaled so that copies and others are 2 apart on average.
    centre : float
        The weighted sum halfway between copies and others.
    """

    indices: np.ndarray
    weights: np.ndarray
    centre: float

    def __repr__(self) -> str:
        return f"<Discriminant: {len(self.indices)} questions, centre {self.centre:.3g}>"

    @property
    def finds_owner(self) -> bool:
        """Whether the owner's own model, which agrees everywhere, is on the side of its copies."""
        return bool(self.weights.sum() > self.centre)

    def distances(self, agreement: np.ndarray) -> np.ndarray:
        """Distances of models to the owner, (n_models,): 1 halfway, smaller for copies.

        Parameters
        ----------
        agreement : ndarray of shape (n_models, n_chosen)
            With the owner, from 0 to 1.
        """
        return np.exp(self.centre - agreement @ self.weights)


def discriminate(agreement: np.ndarray, is_copy: np.ndarray, n: int) -> Discriminant:
    """Linear discriminant of at most ``n`` questions, chosen by leaving out half at a time.

    Parameters
    ----------
    agreement : ndarray of shape (n_models, n_candidates)
        With the owner, from 0 to 1.
    is_copy : ndarray of bool, shape (n_models,)
    n : int
        Number of questions to keep.

    Returns
    -------
    discriminant : Discriminant
        Without questions where copies and others differ on none.
    """
    deviation = agreement.std(axis=0)
    kept = np.flatnonzero(deviation > 0)
    while True:
        weights = _weights(agreement[:, kept], is_copy)
        # What a question contributes to the sum, up or down.
        order = np.argsort(-np.abs(weights) * deviation[kept], kind="stable")
        if len(kept) <= n:
            break
        kept = kept[order[: max(n, len(kept) // 2)]]
    return _scaled(agreement, is_copy, kept[order], weights[order])


def _weights(agreement: np.ndarray, is_copy: np.ndarray) -> np.ndarray:
    """Fisher's discriminant, its covariance shrunken towards the variances.

    The inverse is that of a diagonal plus one row for each model (Woodbury), so that thousands of
    questions take no longer than the number of models allows.
    """
    groups = agreement[is_copy], agreement[~is_copy]
    gap = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    rows = np.concatenate([(g - g.mean(axis=0)) / np.sqrt(2 * len(g)) for g in groups])
    inverse = 1 / (_SHRINKAGE * (np.sum(rows * rows, axis=0) + _SMOOTHING))
    inner = np.eye(len(rows)) + (rows * inverse) @ rows.T
    return inverse * (gap - rows.T @ np.linalg.solve(inner, rows @ (inverse * gap)))


def _scaled(
    agreement: np.ndarray, is_copy: np.ndarray, indices: np.ndarray, weights: np.ndarray
) -> Discriminant:
    sums = agreement[:, indices] @ weights
    ends = sums[is_copy].mean(), sums[~is_copy].mean()
    scale = (ends[0] - ends[1]) / 2
    if not scale > 0:
        return Discriminant(indices[:0], weights[:0], 0.0)
    return Discriminant(indices, weights / scale, float(np.mean(ends) / scale))
