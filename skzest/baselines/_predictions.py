# SPDX-License-Identifier: BSD-3-Clause
"""Do two models predict the same?"""

from __future__ import annotations

import numpy as np

from ._asking import Points, scores_at
from ._copies import label_distances
from ._scores import Models

__all__ = ["prediction_distances"]


def prediction_distances(models: Models, points: Points | None = None) -> np.ndarray:
    """Share of the points to which two models give different labels [1]_.

    Good models agree wherever they are right, so this mostly reflects how accurate they are.

    Parameters
    ----------
    models : list of models, or Scores
        Models are asked for labels. With :class:`Scores` from :func:`ask_points`, nothing more is
        asked; the label is the class with the largest score.
    points : array-like, DataFrame, list of str or QueryPlan
        Points of the task; a plan stands for its reference points. Omit with `Scores`.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 1], symmetric, zeros on the diagonal; NaN without a class in common.

    Notes
    -----
    Asks each model ``len(points)`` questions.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, section 4.3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest.baselines import prediction_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> D = prediction_distances([GaussianNB().fit(X, y), DummyClassifier().fit(X, y)], X)
    >>> float(D[0, 1].round(2))  # one class of three is right
    0.67
    """
    return label_distances(scores_at(models, points, "label"))
