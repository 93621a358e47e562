# SPDX-License-Identifier: BSD-3-Clause
"""Do two models react in the same way to the same small changes?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._points import in_dtype
from .._validation import check_choice, check_models, check_whole
from ..comparing import zest_distances
from ..plan import QueryPlan
from ..queries import TorchQuery, as_query
from ._asking import Points, ask_copies, ask_named, check_victim, plan_of_points
from ._boundary import as_array_of_points
from ._scores import Compare, Scores

__all__ = ["ddv_distances", "ddv_pairs", "ddv_questions", "decision_distances"]


def ddv_distances(
    models: Sequence[object],
    points: ArrayLike | QueryPlan,
    *,
    victim: int = 0,
    n_pairs: int | None = None,
    search: str = "random",
    radius: float = 0.1,
    n_steps: int = 20,
    random_state: int = 0,
    response: str = "logit",
) -> np.ndarray:
    """ModelDiff: cosine distances between decision distance vectors [1]_.

    Pairs of inputs are made that are near each other but get very different answers from the
    victim. The vector of a model holds the cosine distances between its two answers to each pair;
    the distance of two models is the cosine distance of their vectors. Classes need not
    correspond.

    Parameters
    ----------
    models : list of models
    points : array-like or QueryPlan
        Numeric points, from which pairs are made; a plan stands for its reference points.
    victim : int, default=0
        Position of the model for which pairs are made.
    n_pairs : int, default=None
        Number of pairs, made from the first points; None uses all points.
    search, radius, n_steps, random_state
        As in :func:`ddv_pairs`.
    response : str, default="logit"
        What the models are asked for. The code released with [1]_ compares logits.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 1], symmetric, zeros on the diagonal. NaN for a model that reacts to no pair.

    Notes
    -----
    Asks each model ``2 * n_pairs`` questions, and with ``search="random"`` the victim
    ``n_pairs * (n_steps + 1)`` more.

    The paper also rewards inputs whose answers differ from those to other inputs; here only the
    points provide diversity.

    References
    ----------
    .. [1] Y. Li, Z. Zhang, B. Liu, Z. Yang, Y. Liu, "ModelDiff: Testing-Based DNN Similarity
       Comparison for Model Reuse Detection", ISSTA 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest.baselines import ddv_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=1000).fit(X, y)
    >>> copy = LogisticRegression(max_iter=1000).fit(X, owner.predict(X))
    >>> D = ddv_distances([owner, copy, GaussianNB().fit(X, y)], X[::3])
    >>> bool(D[0, 1] < D[0, 2])
    True
    """
    zoo = check_models(models)
    plan, compare = ddv_questions(
        zoo[check_victim(victim, len(zoo))],
        points,
        n_pairs=n_pairs,
        search=search,
        radius=radius,
        n_steps=n_steps,
        random_state=random_state,
        response=response,
    )
    return compare(ask_copies(zoo, plan))


def ddv_questions(
    owner: object,
    points: Points,
    *,
    n_pairs: int | None = None,
    response: str = "logit",
    **search: Any,
) -> tuple[QueryPlan, Compare]:
    """Both points of each pair, and how answers to them are compared."""
    points = as_array_of_points(points, "ddv_distances")
    if n_pairs is not None:
        points = points[: check_whole(n_pairs, "n_pairs")]
    moved = ddv_pairs(as_query(owner), points, response=response, **search)
    return plan_of_points(np.concatenate([points, moved]), response), reaction_distances


def reaction_distances(scores: Scores) -> np.ndarray:
    """Cosine distances between reactions; the scores at all points come first, then those moved."""
    n = scores.values.shape[1] // 2
    vectors = decision_distances(scores.values[:, :n], scores.values[:, n:])
    return np.asarray(zest_distances(vectors))


def decision_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine distances between rows of scores (..., n_classes), which may hold NaN."""
    a, b = (np.nan_to_num(scores, nan=0.0) for scores in (first, second))
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = 1 - np.einsum("...c,...c->...", a, b) / norms
    # A zero vector has no direction: equal to another zero vector, at right angles to the rest.
    same = np.all(a == b, axis=-1)
    distance = np.where(norms > 0, distance, 1.0)
    return np.where(same, 0.0, np.clip(distance, 0.0, 2.0))


def ddv_pairs(
    victim: object,
    points: ArrayLike | QueryPlan,
    *,
    search: str = "random",
    radius: float = 0.1,
    n_steps: int = 20,
    random_state: int = 0,
    response: str = "logit",
) -> np.ndarray:
    """Partners of points: near them as inputs, far from them in a model's answers.

    Parameters
    ----------
    victim : model
        Anything that :func:`~skzest.queries.as_query` takes.
    points : array-like or QueryPlan
        Numeric points; a plan stands for its reference points.
    search : {"random", "gradient"}, default="random"
        ``"random"`` treats the model as a black box: of `n_steps` random moves, those that lead
        farther away are kept. ``"gradient"`` takes `n_steps` signed gradient steps through a
        torch module; points and ``preprocess`` must then be floating point.
    radius : float, default=0.1
        No number moves farther than this share of the range of the points: the range of its own
        column for a table (2-D), otherwise that of the whole array.
    n_steps : int, default=20
        Steps of the search.
    random_state : int, default=0
        Draws the moves, and the starting points of the gradient search.
    response : str, default="logit"
        What the model is asked for. The gradient is that of the module's own output.

    Returns
    -------
    moved : ndarray
        In the shape and dtype of the points, within their range.

    Raises
    ------
    TypeError
        If ``search="gradient"`` and the model is not a torch module, or the points are integers.
    ValueError
        If `search` is unknown or `radius` is not positive.

    Notes
    -----
    The random search asks ``len(points) * (n_steps + 1)`` questions; the gradient search asks
    none but needs the module.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import CallableQuery
    >>> from skzest.baselines import ddv_pairs
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> moved = ddv_pairs(CallableQuery(lambda X: 9 * X, output="logits"), X, radius=0.25)
    >>> float(np.abs(moved - X).max().round(3)) <= 0.25
    True
    """
    check_choice(search, "search", ("random", "gradient"))
    points = as_array_of_points(points, "ddv_pairs")
    n_steps = check_whole(n_steps, "n_steps")
    rng = np.random.default_rng(check_whole(random_state, "random_state", minimum=0))
    if not radius > 0:
        raise ValueError(f"radius must be positive; got {radius!r}.")
    box = _box(points, radius)
    if search == "random":
        return _search(_scores_by(victim, response), points, box, n_steps, rng)
    from ._gradient import climb

    return climb(_differentiable(victim, points), points, box, n_steps, rng)


def _box(points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest and largest value that each number may take, and the reach of a move."""
    X = points.astype(np.float64)
    axes = 0 if X.ndim == 2 else None
    low, high = np.min(X, axis=axes), np.max(X, axis=axes)
    reach = np.asarray(radius * (high - low))
    if points.dtype.kind != "f":
        # Whole steps, so that rounding does not exceed the radius; at least 1 where possible.
        reach = np.where(reach > 0, np.maximum(np.floor(reach), 1), 0)
    return np.maximum(X - reach, low), np.minimum(X + reach, high), reach


def _scores_by(victim: object, response: str) -> Callable[[np.ndarray], np.ndarray]:
    victim = as_query(victim)  # once: it remembers whether it needs batches of its own
    return lambda X: ask_named({"the victim": victim}, plan_of_points(X, response)).values[0]


def _search(
    answers: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    box: tuple[np.ndarray, np.ndarray, np.ndarray],
    n_steps: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Random moves; those whose answers are farther from the start are kept."""
    low, high, reach = box
    at_start = answers(points)
    best, found = points.astype(np.float64), np.zeros(len(points))
    for _ in range(n_steps):
        signs = rng.choice([-1.0, 1.0], size=points.shape)
        tried = np.clip(best + signs * reach, low, high)
        distance = decision_distances(at_start, answers(in_dtype(tried, points.dtype)))
        farther = distance > found
        best[farther], found[farther] = tried[farther], distance[farther]
    return in_dtype(best, points.dtype)


def _differentiable(victim: object, points: np.ndarray) -> TorchQuery:
    query = as_query(victim)
    if not isinstance(query, TorchQuery):
        raise TypeError(
            f"search='gradient' needs a torch module; got {query!r}. Use search='random'."
        )
    if points.dtype.kind != "f":
        raise TypeError(
            f"search='gradient' moves points by small steps, but these are {points.dtype}. Pass "
            "floats (with a preprocess= that accepts them), or use search='random'."
        )
    return query
