# SPDX-License-Identifier: BSD-3-Clause
"""Rows of numbers as models."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from ..queries import CallableQuery

__all__ = ["RowAsLinearModel"]


class RowAsLinearModel(BaseEstimator):
    """Adapter that reads a row of numbers as a linear model.

    With it the models of a :class:`~skzest.LimeSignatureTransformer` are the rows of a 2-D
    array, so that scikit-learn's own estimator checks run on it in full, and tests have as
    many models as they like at no cost. The row is repeated (or cut) to fill the weights, and
    each weight has a fixed factor of its own in [0.5, 1.5), so that classes differ.

    Parameters
    ----------
    n_features : int
        Numbers in one input, all axes together.
    n_classes : int, default=2
        Classes of the model.

    Attributes
    ----------
    takes_rows : bool
        True: says that models are the rows of a 2-D array.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import respond
    >>> from skzest.testing import RowAsLinearModel
    >>> query = RowAsLinearModel(n_features=3)([1.0, -2.0])
    >>> X = np.eye(3)
    >>> bool(np.allclose(respond(query, 2 * X), 2 * respond(query, X)))
    True
    """

    takes_rows = True

    def __init__(self, n_features: int, n_classes: int = 2):
        self.n_features = n_features
        self.n_classes = n_classes

    def __call__(self, row: ArrayLike) -> CallableQuery:
        """Query of one row, answering with logits."""
        row = np.asarray(row, dtype=np.float64)
        if row.ndim != 1 or row.size == 0:
            raise ValueError(
                f"a row of shape {row.shape} is not a model; pass a 1-D row of numbers."
            )
        size = self.n_classes * self.n_features
        # Multiples of the golden ratio, modulo 1, never repeat: no two classes are alike.
        factors = 0.5 + np.arange(size) * 0.6180339887498949 % 1.0
        weights = (np.resize(row, size) * factors).reshape(self.n_classes, self.n_features)
        return CallableQuery(partial(_linear_logits, weights), output="logits")


def _linear_logits(weights: np.ndarray, X: ArrayLike) -> np.ndarray:
    X = np.asarray(X)
    return X.reshape(len(X), -1) @ weights.T
