# SPDX-License-Identifier: BSD-3-Clause
"""Scores and labels at the masked copies of a plan, compared without a regression."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..comparing import zest_distances
from ..plan import QueryPlan
from ._asking import plan_of, scores_of_copies
from ._scores import Models, Scores, warn_of_constant

__all__ = [
    "centred",
    "check_several_copies",
    "copy_label_distances",
    "disagreement",
    "label_distances",
    "passthrough_distances",
]


def passthrough_distances(
    models: Models, plan: QueryPlan | None = None, *, distance: str = "cosine"
) -> np.ndarray:
    """Distances between the scores at masked copies, without a regression.

    The questions of Zest, and the closest alternative to its coefficients: scores are centred
    over classes and over the masked copies of each point, and compared directly. Equivalent to
    ``zest_distances`` with a transformer that has ``surrogate="passthrough"``.

    Parameters
    ----------
    models : list of models, or Scores
        With :class:`Scores` from :func:`ask_copies`, nothing more is asked.
    plan : QueryPlan
        The questions. Omit with `Scores`.
    distance : str, default="cosine"
        As in :func:`~skzest.zest_distances`.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        Symmetric, zeros on the diagonal. NaN for a constant model. Classes that either of two
        models lacks are left out of their distance.

    Raises
    ------
    ValueError
        If a point has fewer than two masked copies.

    Warns
    -----
    UndefinedSignatureWarning
        If a model is constant.

    See Also
    --------
    copy_label_distances : Compares labels instead of scores.

    Notes
    -----
    Asks each model ``plan.n_queries`` questions.

    Examples
    --------
    Doubling the scores does not change the signature; reversing those of one class does:

    >>> import numpy as np
    >>> from skzest import CallableQuery, LimeSignatureTransformer
    >>> from skzest.baselines import passthrough_distances
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> def model(sign):
    ...     return CallableQuery(lambda X: sign * X[:, :3], output="logits")
    >>> zoo = [model(1.0), model(2.0), model([1.0, 1.0, -1.0])]
    >>> plan = LimeSignatureTransformer(X, n_reference=4, n_samples=16).fit(zoo).plan_
    >>> D = passthrough_distances(zoo, plan)
    >>> bool(D[0, 1] < 1e-12 < D[0, 2])
    True
    """
    check_several_copies(plan_of(models, plan))
    scores = scores_of_copies(models, plan)
    warn_of_constant(scores)
    rows = centred(scores).transpose(0, 2, 1).reshape(len(scores), -1)
    return np.asarray(zest_distances(rows, distance=distance, n_classes=len(scores.classes)))


def centred(scores: Scores) -> np.ndarray:
    """Scores minus their mean over classes, then over the copies of each point.

    Same shape as ``scores.values``; zeros for a constant model.
    """
    values = scores.values - np.nanmean(scores.values, axis=2, keepdims=True)
    for start, stop in pairwise(scores.starts):
        values[:, start:stop] -= values[:, start:stop].mean(axis=1, keepdims=True)
    values[scores.constant] *= 0.0  # not = 0: classes that a model lacks stay NaN
    return values


def copy_label_distances(models: Models, plan: QueryPlan | None = None) -> np.ndarray:
    """Share of the masked copies to which two models give different labels.

    Parameters
    ----------
    models : list of models, or Scores
        With :class:`Scores` from :func:`ask_copies`, nothing more is asked.
    plan : QueryPlan
        The questions. Omit with `Scores`. With ``response="label"`` models are asked for labels;
        otherwise the label is the class with the largest score.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 1], symmetric, zeros on the diagonal; NaN without a class in common.

    See Also
    --------
    prediction_distances : The same at whole points.

    Notes
    -----
    Asks each model ``plan.n_queries`` questions.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import CallableQuery, LimeSignatureTransformer
    >>> from skzest.baselines import copy_label_distances
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> zoo = [CallableQuery(lambda X, j=j: X[:, [0, j]], output="logits") for j in (1, 1, 2)]
    >>> plan = LimeSignatureTransformer(X, n_reference=4, n_samples=16).fit(zoo).plan_
    >>> D = copy_label_distances(zoo, plan)
    >>> bool(D[0, 1] == 0 < D[0, 2])
    True
    """
    return label_distances(scores_of_copies(models, plan))


def check_several_copies(plan: QueryPlan) -> None:
    """Refuse points with a single copy: nothing is left of it after centring."""
    if min(plan.masks.n_masks) < 2:
        raise ValueError(
            "a point has only one copy; scores are centred over the copies of each point, so at "
            "least 2 are needed. Pass the plan_ of a LimeSignatureTransformer, or Scores from "
            "ask_copies."
        )


def label_distances(scores: Scores) -> np.ndarray:
    """Share of the questions with different labels; NaN for models without a class in common."""
    has = ~np.isnan(scores.values[:, 0])
    D = disagreement(scores.labels)
    D[~(has[:, None] & has).any(axis=2)] = np.nan
    return D


def disagreement(labels: np.ndarray) -> np.ndarray:
    """Share of the columns in which two rows differ: (n_models, n_models)."""
    return np.stack([np.mean(labels != row, axis=1) for row in labels])
