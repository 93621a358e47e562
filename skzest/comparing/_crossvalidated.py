# SPDX-License-Identifier: BSD-3-Clause
"""Distances without noise bias, from two independent halves of the masks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice, check_whole
from ..exceptions import DesignMismatchError, warn
from ..plan import QueryPlan, check_same_columns, names_of, redraw_masks
from ._metrics import power_of_two
from ._point_sums import one_minus_cosine
from ._signatures import Signatures, check_plan

DISTANCES = ("cosine", "sqeuclidean", "euclidean")


def split_half_plans(
    plan: QueryPlan,
    *,
    n_samples: int | str = "auto",
    sampling: str | Callable = "fractional",
    random_state: int = 0,
) -> tuple[QueryPlan, QueryPlan]:
    """Two plans about the same points, with masks that are independent of each other.

    Parameters
    ----------
    plan : QueryPlan
        Its points, parts, fills and surrogate are used; its masks are not.

    n_samples : int or "auto", default="auto"
        At most this many masks per reference point in both halves together. ``"auto"`` means, in
        each half, what it means in :class:`~skzest.LimeSignatureTransformer`.

    sampling : {"bernoulli", "antithetic", "foldover", "fractional"} or callable, \
            default="fractional"
        Design of each half.

    random_state : int, default=0
        Seed of the masks.

    Returns
    -------
    half_a, half_b : QueryPlan

    Raises
    ------
    ValueError
        If half of `n_samples` is too few for the design or the surrogate, or the surrogate is
        "passthrough", which has no coefficients that two sets of masks could share.

    See Also
    --------
    crossvalidated_distances : Distances from the two signatures of each model.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import CallableQuery, LimeSignatureTransformer, split_half_plans
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> model = CallableQuery(lambda X: X[:, :3], output="logits")
    >>> plan = LimeSignatureTransformer(X, n_reference=4).fit([model]).plan_
    >>> half_a, half_b = split_half_plans(plan, n_samples=32)
    >>> half_a.n_queries + half_b.n_queries == 4 * 32
    True
    """
    check_plan(plan)
    if plan.is_passthrough:
        raise ValueError(
            "surrogate='passthrough' makes scores the signature: halves of the masks have no "
            "columns in common. Use a plan with a regression, such as surrogate=None."
        )
    if not (isinstance(n_samples, str) and n_samples == "auto"):
        n_samples = check_whole(n_samples, "n_samples", minimum=2) // 2
    root = np.random.SeedSequence(check_whole(random_state, "random_state", minimum=0))
    seeds = root.generate_state(2, dtype=np.uint64)
    half_a, half_b = (redraw_masks(plan, n_samples, sampling, int(seed)) for seed in seeds)
    return half_a, half_b


def crossvalidated_distances(
    S_a: ArrayLike, S_b: ArrayLike, *, distance: str = "cosine"
) -> np.ndarray:
    """Distances between models whose signatures were measured twice.

    Coefficients from few masks are noisy, and noise adds to every length, so the plain distance
    is too large. Here all inner products are computed across two measurements with independent
    masks, ``<a_i, b_j>`` in place of ``<s_i, s_j>``, so the noise cancels in expectation. In
    the analysis of neural representations this is the cross-validated distance ("crossnobis")
    [1]_, [2]_; split-half reliability uses the same ``<a_i, b_i>``.

    Parameters
    ----------
    S_a, S_b : array-like of shape (n_models, n_classes * n_components)
        Signatures of the same models in the same order, under the two plans of
        :func:`split_half_plans`. A class that a model lacks is a block of NaN in both; it is
        left out of every pair with that model.

    distance : {"cosine", "sqeuclidean", "euclidean"}, default="cosine"
        ``"sqeuclidean"`` is ``<a_i - a_j, b_i - b_j>``, which has no bias under the orthogonal
        designs, "foldover" and "fractional" (least squares on few random masks has a little).
        ``"cosine"`` is a ratio of such products; its bias shrinks as points are added.
        ``"euclidean"`` is the root of ``"sqeuclidean"`` with its sign.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        Symmetric, zeros on the diagonal. It can be **negative**, by chance, where two models are
        nearly the same: an unbiased estimate of zero is negative half of the time. NaN where the
        cosine is undefined.

    Raises
    ------
    ValueError
        If shapes or missing classes differ, a value is infinite, or `distance` is unknown.
    DesignMismatchError
        If feature names show that both come from the same masks.

    Warns
    -----
    UserWarning
        If the two measurements of a model do not agree (``<a_i, b_i> <= 0``), so it has no cosine:
        they are all noise. Use more masks.

    See Also
    --------
    zest_distances : Plain distances.

    Notes
    -----
    It helps where there are few masks and many points, and the *size* of a distance matters: when
    it is compared with a fixed threshold, or across designs and numbers of masks. With two
    fractional halves it costs nothing elsewhere: on CIFAR-10 networks the standard deviation was
    hardly larger than that of the plain distance from as many masks (``python -m benchmarks
    noise_bias``).

    It does not help where the choice of points matters more than the bias, as it does below some
    hundred points; where all ``2 ** n_parts`` masks are used, as there is no noise then; and with
    few Bernoulli masks, half of which hardly suffice for the regression, so the standard deviation
    doubles. Each half must be large enough for its design, so the smallest number of masks is
    twice that of one design.

    References
    ----------
    .. [1] A. Walther et al., "Reliability of dissimilarity measures for multi-voxel pattern
       analysis", NeuroImage 137, 2016.
    .. [2] J. Diedrichsen, N. Kriegeskorte, "Representational models: A common framework for
       understanding encoding, pattern-component, and representational-similarity analysis",
       PLoS Computational Biology 13, 2017.

    Examples
    --------
    Two models (1, 0, 0, 0) and (0, 1, 0, 0), whose squared distance is 2. Each half adds its own
    noise, and alone gives a squared distance of 3:

    >>> import numpy as np
    >>> from skzest import crossvalidated_distances, zest_distances
    >>> S_a, S_b = [[1, 0, 1, 0], [0, 1, 0, 0]], [[1, 0, 0, 1], [0, 1, 0, 0]]
    >>> round(zest_distances(S_a, distance="euclidean")[0, 1].item() ** 2, 6)
    3.0
    >>> crossvalidated_distances(S_a, S_b, distance="sqeuclidean")[0, 1].item()
    2.0

    From models to distances:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer, split_half_plans
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (1, 100)]
    >>> plan = LimeSignatureTransformer(X, n_reference=16).fit(zoo).plan_
    >>> halves = split_half_plans(plan)
    >>> S_a, S_b = (LimeSignatureTransformer.from_plan(h).fit_transform(zoo) for h in halves)
    >>> D = crossvalidated_distances(S_a, S_b)
    >>> bool(np.isclose(D[0, 1], zest_distances(S_a)[0, 1]))  # linear models: no noise
    True
    """
    remedy = "Other distances are not functions of inner products."
    check_choice(distance, "distance", DISTANCES, remedy)
    A, B = _halves(S_a, S_b)
    n_models = len(A)
    D = np.zeros((n_models, n_models))
    for i in range(n_models):
        for j in range(i, n_models):
            D[i, j] = D[j, i] = _pair(A[[i, j]], B[[i, j]], distance)
    np.fill_diagonal(D, np.where(np.isnan(np.diag(D)), np.nan, 0.0))
    lost = [i for i in range(n_models) if np.isnan(D[i, i]) and np.nan_to_num(A[i]).any()]
    if lost:
        warn(
            f"the two halves of models {lost} do not agree, so their cosine is NaN: the "
            "coefficients are all noise. Raise n_samples.",
            UserWarning,
        )
    return D


def _halves(S_a: ArrayLike, S_b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    names_a, names_b = names_of(S_a), names_of(S_b)
    if names_a is not None and names_b is not None:
        if np.array_equal(names_a, names_b):
            raise DesignMismatchError(
                "S_a and S_b have the same feature names, so the same masks; their noise does "
                "not cancel. Ask two plans of split_half_plans."
            )
        check_same_columns(_without_digest(names_a), _without_digest(names_b), "S_a", "S_b")
    A, B = Signatures.of(S_a, "S_a").rows, Signatures.of(S_b, "S_b").rows
    if np.ndim(S_a) != 2 or A.shape != B.shape:
        raise ValueError(
            f"S_a has shape {np.shape(S_a)} and S_b {np.shape(S_b)}; expected two arrays of one "
            "shape (n_models, n_classes * n_components), the same models in the same order."
        )
    if not np.array_equal(np.isnan(A), np.isnan(B)):
        raise ValueError(
            "S_a and S_b are NaN in different columns, so their rows are not the same models. Put "
            "the models in one order."
        )
    return A, B


def _without_digest(names: np.ndarray) -> list[str]:
    return [name.rpartition("__")[0] for name in names]


def _pair(a: np.ndarray, b: np.ndarray, distance: str) -> float:
    """Cross-validated distance of two models, each measured twice: (2, n) and (2, n)."""
    shared = ~np.isnan(a).any(axis=0)
    a, b = a[:, shared], b[:, shared]
    # By a power of two, so that no digit changes, and squares neither overflow nor vanish.
    peak = max(np.abs(half).max(initial=0.0) for half in (a, b))
    unit = power_of_two(np.asarray(peak))
    a, b = a / unit, b / unit
    gap = np.dot(a[0] - a[1], b[0] - b[1])
    if distance == "sqeuclidean":
        return float(gap * unit**2)
    if distance == "euclidean":
        return float(np.copysign(np.sqrt(abs(gap)), gap) * unit)
    P, Q = np.dot(a[0], b[0]), np.dot(a[1], b[1])
    if not (P > 0 and Q > 0):
        return np.nan
    # Not clipped: half of all noise is below zero.
    return float(one_minus_cosine(P, Q, gap))
