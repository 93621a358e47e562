# SPDX-License-Identifier: BSD-3-Clause
"""Distances from sums of products, without holding the signatures."""

from __future__ import annotations

import numpy as np

from .._validation import check_choice
from ._metrics import half_square_to_angle, power_of_two, row_squares

__all__ = ["DISTANCES_FROM_SUMS", "RunningProducts"]

# Of two squared lengths: a difference below this is rounding.
_ROUNDING = 1e-14

DISTANCES_FROM_SUMS = ("cosine", "angular", "euclidean")


class RunningProducts:
    """Inner products of all pairs of signatures, summed over reference points as they arrive.

    A signature of 1,000 classes at 128 points of 200 parts takes 200 MB; the sums of a zoo of 50
    such models take 400 kB.

    Parameters
    ----------
    present : ndarray of bool, shape (n_models, n_classes)
        Which classes each model has.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import zest_distances
    >>> from skzest.comparing import RunningProducts
    >>> W = np.random.default_rng(0).normal(size=(3, 2, 10))  # models, classes, components
    >>> sums = RunningProducts(np.ones((3, 2), dtype=bool))
    >>> sums.add(W[..., :4])
    >>> sums.add(W[..., 4:])
    >>> bool(np.allclose(sums.distances("cosine"), zest_distances(W.reshape(3, -1))))
    True
    """

    def __init__(self, present: np.ndarray):
        self.present = np.asarray(present, dtype=bool)
        n_models = len(self.present)
        self._products = np.zeros((n_models, n_models))
        self._squares = np.zeros(self.present.shape)
        # Each model in a unit of its own, so that squares neither overflow nor vanish; 0 as long
        # as all its coefficients are.
        self._unit = np.zeros(n_models)

    def add(self, W: np.ndarray) -> None:
        """Add the coefficients at some points, shape (n_models, n_classes, n_columns).

        Rows of classes that a model lacks are ignored.
        """
        W = np.where(self.present[:, :, None], W, 0.0)
        peak = np.abs(W).max(axis=(1, 2), initial=0.0)
        is_first = (self._unit == 0) & (peak > 0)
        self._unit[is_first] = power_of_two(peak[is_first])
        W /= np.where(self._unit > 0, self._unit, 1.0)[:, None, None]
        flat = W.reshape(len(W), -1)
        self._products += flat @ flat.T
        self._squares += row_squares(W)

    def distances(self, distance: str = "cosine") -> np.ndarray:
        """Distances over the classes that both models have, shape (n_models, n_models).

        NaN for models whose coefficients are all zero, and for pairs without a common class.
        All come from sums: a cosine distance below about 1e-14 is rounding, and so are angular
        and Euclidean distances below about 1e-7 of the largest.
        """
        check_choice(distance, "distance", DISTANCES_FROM_SUMS)
        present = self.present.astype(np.float64)
        ours = self._squares @ present.T  # |x_i|^2 over the classes of j
        undefined = (ours == 0) | (ours.T == 0)
        if distance == "euclidean":
            unit = np.maximum(self._unit[:, None], self._unit)
            mine = self._unit[:, None] / np.where(unit > 0, unit, 1.0)
            whole = mine**2 * ours + mine.T**2 * ours.T
            square = whole - 2 * mine * mine.T * self._products
            D = unit * np.sqrt(np.where(square > _ROUNDING * whole, square, 0.0))
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                D = np.clip(1 - self._products / np.sqrt(ours * ours.T), 0.0, 2.0)
            D = half_square_to_angle(D) if distance == "angular" else D
        np.fill_diagonal(D, 0.0)
        D[undefined] = np.nan
        return D
