# SPDX-License-Identifier: BSD-3-Clause
"""Do two models find the same samples similar?"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from ..comparing import slices
from ._asking import Points, scores_at
from ._scores import Models

__all__ = ["correlation_distances"]

_CELLS = 2**21  # cells of the models' correlation matrices in memory at a time


def correlation_distances(models: Models, points: Points | None = None) -> np.ndarray:
    """Difference between two models' similarities of samples (SAC [1]_).

    Each model gives a matrix, the cosines between its probabilities at all pairs of samples. The
    distance of two models is the mean absolute difference of their matrices. Classes need not
    correspond.

    Parameters
    ----------
    models : list of models, or Scores
        Models are asked for probabilities. With :class:`Scores` from :func:`ask_points` or
        :func:`ask_copies`, nothing more is asked; the softmax is applied to logits and to
        ``decision_function``.
    points : array-like, DataFrame, list of str or QueryPlan
        Samples. The paper uses those that the victim gets wrong (:func:`victim_mistakes`,
        "SAC-w") or pastes images into each other ("SAC-m"). Omit with `Scores`.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 2], symmetric, zeros on the diagonal.

    Notes
    -----
    Asks each model ``len(points)`` questions. Computing time grows with the square of their
    number.

    References
    ----------
    .. [1] J. Guan, J. Liang, R. He, "Are You Stealing My Model? Sample Correlation for
       Fingerprinting Deep Neural Networks", NeurIPS 2022.

    Examples
    --------
    Renaming the classes changes nothing; merging two of them does:

    >>> import numpy as np
    >>> from skzest import CallableQuery
    >>> from skzest.baselines import correlation_distances
    >>> def one_hot(*columns):
    ...     return CallableQuery(lambda X: np.eye(3)[list(columns)][X[:, 0].astype(int)])
    >>> zoo = [one_hot(0, 1, 2), one_hot(2, 0, 1), one_hot(0, 1, 1)]
    >>> correlation_distances(zoo, [[0], [1], [2]])[0].round(3).tolist()
    [0.0, 0.0, 0.222]
    """
    P = scores_at(models, points, "predict_proba").probabilities()
    P = np.nan_to_num(P, nan=0.0)  # a missing class does not contribute to a model's cosines
    norms = np.linalg.norm(P, axis=2, keepdims=True)
    return _mean_gaps(P / np.where(norms > 0, norms, 1.0))


def _mean_gaps(U: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the Gram matrices of unit rows (n_models, n, n_classes)."""
    n_models, n, _ = U.shape
    total = np.zeros(n_models * (n_models - 1) // 2)
    for rows in slices(n, max(1, _CELLS // (n * n_models))):
        grams = U[:, rows] @ U.transpose(0, 2, 1)
        total += pdist(grams.reshape(n_models, -1), "cityblock")
    return squareform(total / n**2)
