# SPDX-License-Identifier: BSD-3-Clause
"""Least squares and ridge on masks: factored once, for the scores of all models."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np

from ._factor import cholesky, solve
from ._memo import ArrayMemo

__all__ = ["LinearFit"]

# The Gram matrix has the square of the masks' condition number. Up to this value of it at least
# 12 of 16 digits are right, and forming it is 4-5 times faster than an SVD of the masks.
_MAX_GRAM_CONDITION = 1e4

# Factors serve all models, all points with the same masks, and a plan's check before its answers.
_FACTORS = ArrayMemo(64 * 2**20)


class LinearFit:
    """Least squares or ridge from masks to scores, ready for the scores of any model.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_masks, n_parts)
    weights : ndarray of shape (n_masks,), optional
        Sample weights.
    alpha : float, default=0.0
        Ridge penalty in scikit-learn's units (on the sum of squares, intercept free).
    fit_intercept : bool, default=True
    """

    def __init__(
        self,
        masks: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
    ):
        self._masks, self._weights = masks, weights
        self._alpha, self._fit_intercept = alpha, fit_intercept
        self._root = None if weights is None else np.sqrt(weights)[:, None]
        self._factor = self._cholesky() if len(masks) >= masks.shape[1] else None

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Coefficients (n_parts, n_classes) from scores (n_masks, n_classes)."""
        if self.centre is not None:
            scores = scores - self.centre @ scores
        if self._factor is None:
            return self.operator @ scores
        if self._root is None:
            return solve(self._factor, self._numbers.T @ scores)
        return solve(self._factor, self._A.T @ (scores * self._root))

    @cached_property
    def operator(self) -> np.ndarray:
        """Matrix (n_parts, n_masks) from scores, less their centre, to coefficients.

        Of several least-squares solutions it gives the one with the smallest norm.
        """
        if self._factor is None:
            inverse = _ridge_inverse(self._A, self._alpha)
        else:
            inverse = solve(self._factor, self._A.T)
        return inverse if self._root is None else inverse * self._root[:, 0]

    @cached_property
    def centre(self) -> np.ndarray | None:
        """Weights of the mean that is taken off the scores, shape (1, n_masks)."""
        if not self._fit_intercept:
            return None
        of_each = np.ones(len(self._masks)) if self._weights is None else self._weights
        return (of_each / of_each.sum())[None, :]

    @property
    def is_certain(self) -> bool:
        """Whether the masks alone determine the coefficients, by a wide margin."""
        return self._alpha == 0 and self._factor is not None

    @cached_property
    def _numbers(self) -> np.ndarray:
        """The masks as numbers. Scores that sum to zero take off the mean of the masks, too."""
        return self._masks.astype(np.float64)

    @cached_property
    def _A(self) -> np.ndarray:
        """The masks less their mean, times the roots of the weights.

        The scores lose their mean as well: centred masks sum to zero only to their own rounding,
        and where a narrow kernel makes the inverse large, all digits would be lost (at a width
        of 0.03).
        """
        A = self._numbers
        if self._fit_intercept:
            A = A - np.average(A, axis=0, weights=self._weights)
        return A if self._root is None else A * self._root

    def _cholesky(self) -> np.ndarray | None:
        """Factor of the Gram matrix where forming it costs no accuracy."""
        settings = f"{self._masks.shape} {self._alpha} {self._fit_intercept}".encode()
        sha = hashlib.sha256(settings)
        sha.update(np.packbits(self._masks).tobytes())
        if self._weights is not None:
            sha.update(self._weights.tobytes())
        factor = _FACTORS.get(sha.digest(), self._new_factor)
        return factor if factor.size else None

    def _new_factor(self) -> np.ndarray:
        """The factor, or an empty array if there is none that is accurate."""
        gram = self._gram()
        gram.flat[:: len(gram) + 1] += self._alpha
        factor, reciprocal_condition = cholesky(gram)
        return factor if reciprocal_condition * _MAX_GRAM_CONDITION > 1 else np.empty(0)

    def _gram(self) -> np.ndarray:
        """The Gram matrix of the masks, centred and weighted."""
        if self._weights is not None:
            return self._A.T @ self._A
        # Counts: exact in float32, and half the work.
        design = self._masks.astype(np.float32)
        together = (design.T @ design).astype(np.float64)
        if self._fit_intercept:
            kept = together.diagonal()
            together -= kept[:, None] * (kept / len(design))
        return together


def _ridge_inverse(A: np.ndarray, alpha: float) -> np.ndarray:
    """(A'A + alpha I)^+ A'."""
    # svd, not pinv(A.T @ A) @ A.T: forming the product squares the condition number.
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    cutoff = max(A.shape) * np.finfo(A.dtype).eps * s.max(initial=0.0)
    gains = np.where(s > cutoff, s, 0.0) / np.where(s > cutoff, s * s + alpha, 1.0)
    return (Vt.T * gains) @ U.T
