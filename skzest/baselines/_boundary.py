# SPDX-License-Identifier: BSD-3-Clause
"""Do two models draw the same decision boundary?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .. import _points
from .._points import in_dtype
from .._validation import check_models, check_whole
from ..maskers import numeric_points
from ..plan import QueryPlan
from ..queries import as_query
from ._asking import Points, ask_copies, ask_named, check_victim, plan_of_points
from ._copies import label_distances
from ._scores import Compare

__all__ = [
    "as_array_of_points",
    "boundary_distances",
    "boundary_points",
    "boundary_questions",
]


def boundary_distances(
    models: Sequence[object],
    points: ArrayLike | QueryPlan,
    *,
    victim: int = 0,
    n_points: int | None = None,
    n_steps: int = 4,
    random_state: int = 0,
) -> np.ndarray:
    """Disagreement of labels near the decision boundary of one model, the victim [1]_ [2]_.

    Parameters
    ----------
    models : list of models
    points : array-like or QueryPlan
        Numeric points of the task; the boundary is searched between them. A plan stands for its
        reference points.
    victim : int, default=0
        Position of the model whose boundary is searched.
    n_points : int, default=None
        Number of points near the boundary; None is ``len(points)``.
    n_steps, random_state
        As in :func:`boundary_points`.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 1], symmetric, zeros on the diagonal; NaN without a class in common.

    Notes
    -----
    Asks each model `n_points` questions, and the victim ``len(points)`` and about
    ``n_points / 2 * n_steps`` more.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, section 4.3.
    .. [2] X. Cao, J. Jia, N. Z. Gong, "IPGuard: Protecting Intellectual Property of Deep Neural
       Networks via Fingerprinting the Classification Boundary", AsiaCCS 2021, which searches
       with gradients.

    Examples
    --------
    Models that agree at every point but have different boundaries:

    >>> import numpy as np
    >>> from skzest import CallableQuery
    >>> from skzest.baselines import boundary_distances, prediction_distances
    >>> def step(at):
    ...     return CallableQuery(lambda X: (X[:, 0] > at) * 1, output="predict", classes=[0, 1])
    >>> X, zoo = np.array([[0.0], [1.0]]), [step(0.5), step(0.9), step(0.5)]
    >>> prediction_distances(zoo, X)[0].tolist()
    [0.0, 0.0, 0.0]
    >>> boundary_distances(zoo, X)[0].tolist()
    [0.0, 0.5, 0.0]
    """
    zoo = check_models(models)
    plan, compare = boundary_questions(
        zoo[check_victim(victim, len(zoo))],
        points,
        n_points=n_points,
        n_steps=n_steps,
        random_state=random_state,
    )
    return compare(ask_copies(zoo, plan))


def boundary_questions(
    owner: object, points: Points, *, n_points: int | None, n_steps: int, random_state: int
) -> tuple[QueryPlan, Compare]:
    """Points near the boundary of a model, and how answers to them are compared."""
    points = as_array_of_points(points, "boundary_distances")
    n_points = len(points) if n_points is None else n_points
    near = boundary_points(owner, points, n_points, n_steps=n_steps, random_state=random_state)
    return plan_of_points(near, "label"), label_distances


def boundary_points(
    victim: object,
    points: ArrayLike | QueryPlan,
    n_points: int,
    *,
    n_steps: int = 4,
    random_state: int = 0,
) -> np.ndarray:
    """Points on both sides of a model's decision boundary, found by bisection.

    Two points with different predicted classes are drawn at random, and the segment between them
    is halved `n_steps` times, keeping a half whose ends have different labels. Both ends of the
    last segment are returned. Labels are enough; probabilities are not needed.

    Parameters
    ----------
    victim : model
        Anything that :func:`~skzest.queries.as_query` takes.
    points : array-like or QueryPlan
        Numeric points; a plan stands for its reference points.
    n_points : int
        Number of points to find. If it is odd, the last segment contributes one end.
    n_steps : int, default=4
        The ends are ``2 ** -n_steps`` of the segment apart. With few steps, relatives of the
        victim still agree with it; with many, every other model agrees at one end in two.
    random_state : int, default=0
        Draws the segments.

    Returns
    -------
    near : ndarray of shape (n_points, ...)
        In the dtype of the points; rounded for integers.

    Raises
    ------
    ValueError
        If the model predicts one class for all points.

    Notes
    -----
    Asks ``len(points) + ceil(n_points / 2) * n_steps`` questions.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import CallableQuery
    >>> from skzest.baselines import boundary_points
    >>> step = CallableQuery(lambda X: (X[:, 0] > 0.5) * 1, output="predict", classes=[0, 1])
    >>> boundary_points(step, [[0.0], [1.0]], 2, n_steps=3).min(axis=0).tolist()
    [0.5]
    """
    points = as_array_of_points(points, "boundary_points")
    n_points, n_steps = check_whole(n_points, "n_points"), check_whole(n_steps, "n_steps")
    rng = np.random.default_rng(check_whole(random_state, "random_state", minimum=0))
    victim = as_query(victim)  # once: it remembers whether it needs batches of its own
    labels = _labels(victim, points)
    if (labels == labels[0]).all():
        raise ValueError(
            f"the victim predicts one class for all {len(points)} points, so there is no "
            "boundary between them. Give points of several classes."
        )
    i, j = _pairs_of_classes(labels, -(-n_points // 2), rng)
    ends = [points[i].astype(np.float64), points[j].astype(np.float64)]
    for _ in range(n_steps):
        middle = (ends[0] + ends[1]) / 2
        is_first = _labels(victim, in_dtype(middle, points.dtype)) == labels[i]
        is_first = is_first.reshape(-1, *[1] * (points.ndim - 1))
        ends = [np.where(is_first, middle, ends[0]), np.where(is_first, ends[1], middle)]
    both = np.stack(ends, axis=1).reshape(-1, *points.shape[1:])
    return in_dtype(both[:n_points], points.dtype)


def _pairs_of_classes(
    labels: np.ndarray, n_pairs: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of pairs whose labels differ; the second is uniform over all that differ."""
    order = np.argsort(labels, kind="stable")
    first = rng.integers(len(labels), size=n_pairs)
    low = np.searchsorted(labels[order], labels[first], side="left")
    high = np.searchsorted(labels[order], labels[first], side="right")
    # A position before or after the run of the same label.
    second = rng.integers(len(labels) - (high - low))
    return first, order[np.where(second < low, second, second + high - low)]


def _labels(victim: object, points: np.ndarray) -> np.ndarray:
    return ask_named({"the victim": victim}, plan_of_points(points, "label")).labels[0]


def as_array_of_points(points: Points, caller: str) -> np.ndarray:
    """Points as an array of numbers, which can be mixed and moved."""
    if isinstance(points, QueryPlan):
        points = points.reference
    if _points.is_frame(points) or (len(points) and isinstance(points[0], str)):
        raise TypeError(
            f"{caller} moves points, which must be arrays of numbers; got "
            f"{'a DataFrame' if _points.is_frame(points) else 'texts'}. Use a baseline that asks "
            "about unchanged points or masked copies, such as 'predictions' or 'copy labels'."
        )
    return numeric_points(points, caller)
