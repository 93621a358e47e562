# SPDX-License-Identifier: BSD-3-Clause
"""Do two models make the same mistakes?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_models, check_whole
from ..plan import QueryPlan
from ._asking import Points, ask_copies, ask_named, check_victim, plan_of_points, some_points
from ._copies import disagreement, label_distances
from ._scores import Compare, Models, Scores

__all__ = ["check_truth", "mistake_distances", "mistake_questions", "victim_mistakes"]


def mistake_distances(
    models: Models,
    points: Points | None = None,
    y: ArrayLike | None = None,
    *,
    victim: int = 0,
    n_points: int | None = None,
) -> np.ndarray:
    """Disagreement of labels at the points that one model, the victim, gets wrong.

    The Anna Karenina heuristic [1]_: good models are right in the same way, and each is wrong in
    its own way, so a model that shares the victim's mistakes was probably made from it.

    Parameters
    ----------
    models : list of models, or Scores
        The victim is asked about all points, the others only about its mistakes. With
        :class:`Scores` from :func:`ask_points`, nothing more is asked.
    points : array-like, DataFrame, list of str or QueryPlan
        Points with known labels, preferably not from the victim's training data. Omit with
        `Scores`.
    y : array-like of shape (n_points,)
        Their true labels.
    victim : int, default=0
        Position of the model whose mistakes are used.
    n_points : int, default=None
        Use only this many mistakes, the first ones; None uses all.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 1], symmetric, zeros on the diagonal; NaN without a class in common.

    Raises
    ------
    TypeError
        If `y` is missing.
    ValueError
        If `y` does not fit the points, or the victim makes no mistake.

    Notes
    -----
    Asks each model one question for each mistake of the victim, at most `n_points`, and the
    victim ``len(points)`` more.

    References
    ----------
    .. [1] A. Godinot, E. Le Merrer, C. Penzo, F. Taïani, G. Trédan, "Queries, Representation &
       Detection: The Next 100 Model Fingerprinting Schemes", AAAI 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import CallableQuery
    >>> from skzest.baselines import mistake_distances
    >>> def says(*labels):
    ...     return CallableQuery(
    ...         lambda X: np.array(labels)[X[:, 0].astype(int)], output="predict", classes=[0, 1, 2]
    ...     )
    >>> y = [0, 1, 2, 0]
    >>> zoo = [says(0, 1, 0, 1), says(1, 2, 0, 1), says(0, 1, 2, 1)]
    >>> mistake_distances(zoo, np.arange(4)[:, None], y)[0].tolist()
    [0.0, 0.0, 0.5]
    """
    if n_points is not None:
        check_whole(n_points, "n_points")
    if isinstance(models, Scores):
        wrong = _wrong(models, check_victim(victim, len(models)), y)
        return disagreement(models.labels[:, _first(wrong, n_points)])
    zoo = check_models(models)
    plan, compare = mistake_questions(zoo[check_victim(victim, len(zoo))], points, y, n_points)
    return compare(ask_copies(zoo, plan))


def mistake_questions(
    owner: object, points: Points, y: ArrayLike | None, n_points: int | None = None
) -> tuple[QueryPlan, Compare]:
    """The points that a model gets wrong, and how answers to them are compared."""
    wrong = _first(victim_mistakes(owner, points, y), n_points)
    return plan_of_points(some_points(points, wrong), "label"), label_distances


def victim_mistakes(victim: object, points: Points, y: ArrayLike | None) -> np.ndarray:
    """Positions of the points that a model gets wrong.

    Parameters
    ----------
    victim : model
        Anything that :func:`~skzest.queries.as_query` takes.
    points : array-like, DataFrame, list of str or QueryPlan
    y : array-like of shape (n_points,)
        Their true labels.

    Returns
    -------
    wrong : ndarray of int
        In increasing order; may be empty.

    Notes
    -----
    Asks ``len(points)`` questions.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skzest.baselines import victim_mistakes
    >>> X, y = [[0.0], [1.0], [2.0]], ["cat", "cat", "dog"]
    >>> victim_mistakes(DummyClassifier().fit(X, y), X, y).tolist()
    [2]
    """
    if points is None:
        raise TypeError("points is missing; only Scores, from ask_points, bring their own.")
    check_truth(y, len(points))  # before the victim is asked
    return _wrong(ask_named({"the victim": victim}, plan_of_points(points, "label")), 0, y)


def check_truth(y: ArrayLike | None, n_points: int) -> np.ndarray:
    """True labels as an array, one for each point."""
    if y is None:
        raise TypeError("y is missing: mistakes are found by comparing with the true labels.")
    y = np.asarray(y)
    if y.shape != (n_points,):
        raise ValueError(f"y has shape {y.shape}; expected ({n_points},), one label per point.")
    n_missing = sum(label is None or label != label for label in y.tolist())
    if n_missing:
        raise ValueError(
            f"y lacks {n_missing} of {len(y)} labels (NaN or None). Leave out the points whose "
            "labels are unknown."
        )
    return y


def _wrong(scores: Scores, victim: int, y: ArrayLike | None) -> np.ndarray:
    truth = check_truth(y, scores.values.shape[1])
    said = scores.classes[scores.labels[victim]]
    if (said.dtype.kind in "OSU") != (truth.dtype.kind in "OSU"):
        raise ValueError(
            f"y holds labels such as {truth.tolist()[0]!r}, but the victim answers with labels "
            f"such as {said.tolist()[0]!r}. Give y in the labels of the models."
        )
    return np.flatnonzero(said != truth)


def _first(wrong: np.ndarray, n_points: int | None) -> np.ndarray:
    if not len(wrong):
        raise ValueError(
            "the victim is right at all points it was asked about, so there are no mistakes to "
            "compare. Give more points, or harder ones that it was not trained on."
        )
    return wrong[:n_points]
