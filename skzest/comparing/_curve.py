# SPDX-License-Identifier: BSD-3-Clause
"""How many reference points, and how many questions, does a distance need?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_whole, counted
from ..plan import QueryPlan
from ._point_sums import cosine_distance, point_sums
from ._signatures import Signatures, check_plan


@dataclass(frozen=True, repr=False)
class ReferenceCurve:
    """Distances over random reference sets of each size; made by :func:`reference_curve`.

    Attributes
    ----------
    sizes : ndarray of int, shape (n_sizes,)
        Numbers of reference points.
    n_queries : ndarray of float, shape (n_sizes,)
        Questions to each model that this number of points takes, on average.
    distances : ndarray of shape (n_pairs, n_sizes, n_repeats)
        Cosine distances.
    pairs : tuple of (int, int)
        Rows of the signatures in each pair.
    """

    sizes: np.ndarray
    n_queries: np.ndarray
    distances: np.ndarray
    pairs: tuple[tuple[int, int], ...]

    def __repr__(self) -> str:
        n_pairs, n_sizes, n_repeats = self.distances.shape
        pairs, sizes = counted(n_pairs, "pair"), counted(n_sizes, "size")
        return f"<ReferenceCurve: {pairs} at {sizes}, {counted(n_repeats, 'repeat')}>"

    @property
    def mean(self) -> np.ndarray:
        """Mean distance, shape (n_pairs, n_sizes)."""
        return self.distances.mean(axis=2)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of the distance, shape (n_pairs, n_sizes)."""
        return self.distances.std(axis=2, ddof=1)


def reference_curve(
    S: ArrayLike,
    plan: QueryPlan,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
    sizes: Sequence[int] | None = None,
    n_repeats: int = 200,
    random_state: int = 0,
) -> ReferenceCurve:
    """Distance and its standard deviation against the number of reference points.

    Computed from the answers to one plan (the paper's Figure 3 [1]_): for each size, reference
    sets of that size are drawn at random from the plan's points, with replacement, so their
    standard deviation estimates that of newly drawn sets, up to the size of the plan itself.
    Curves under plans of several designs show the same against the number of questions.

    Parameters
    ----------
    S : array-like of shape (n_models, n_classes * n_components)
        Signatures under `plan`. Classes that one model of a pair lacks (NaN) are left out.

    plan : QueryPlan
        The questions, ``plan_`` of the transformer.

    pairs : sequence of (int, int), default=None
        Which rows to compare. If None, all pairs.

    sizes : sequence of int, default=None
        Numbers of reference points. If None, the powers of two from 2 to ``len(plan)``, and
        ``len(plan)``.

    n_repeats : int, default=200
        Reference sets of each size.

    random_state : int, default=0
        Seed of the choice; the same sets serve every pair.

    Returns
    -------
    curve : ReferenceCurve

    Raises
    ------
    ValueError
        If a size is not between 1 and the number of points, a pair is not a pair of rows, widths
        do not fit the plan, or a class is NaN in some of its columns only.
    DesignMismatchError
        If feature names show that the signatures answer other questions.

    See Also
    --------
    skzest.ReferenceCurveDisplay : Plot of one or more curves.
    skzest.distance_interval : The uncertainty of one distance.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, Figure 3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer, reference_curve
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (1, 100)]
    >>> lime = LimeSignatureTransformer(X, n_reference=64, n_samples=20)
    >>> curve = reference_curve(lime.fit_transform(zoo), lime.plan_)
    >>> curve.sizes.tolist()
    [2, 4, 8, 16, 32, 64]
    >>> bool(curve.n_queries[-1] == lime.plan_.n_queries)
    True
    >>> bool(curve.std[0, 0] > curve.std[0, -1])
    True
    """
    check_plan(plan, minimum=2)
    blocks = Signatures.of(S, "S", plan=plan).blocks
    if len(blocks) < 2:
        raise ValueError(f"S must hold the signatures of two models or more; got {np.shape(S)}.")
    chosen = _check_pairs(pairs, len(blocks))
    points = _check_sizes(sizes, len(plan))
    n_repeats = check_whole(n_repeats, "n_repeats", minimum=2)
    rng = np.random.default_rng(check_whole(random_state, "random_state", minimum=0))

    sums = [point_sums(blocks[i], blocks[j], plan.n_columns) for i, j in chosen]
    fair = np.full(len(plan), 1 / len(plan))
    distances = np.empty((len(chosen), len(points), n_repeats))
    for s, size in enumerate(points):
        drawn = rng.multinomial(size, fair, size=n_repeats)  # how often each point is in a set
        for p, of_pair in enumerate(sums):
            distances[p, s] = cosine_distance(drawn @ of_pair)
    n_queries = points * (plan.n_queries / len(plan))
    return ReferenceCurve(points, n_queries, distances, chosen)


def _check_pairs(pairs: object, n_models: int) -> tuple[tuple[int, int], ...]:
    if pairs is None:
        return tuple(combinations(range(n_models), 2))
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu" or not len(array):
        raise ValueError(f"pairs must be pairs of row numbers, such as [(0, 1)]; got {pairs!r}.")
    outside = array[(array < 0) | (array >= n_models)]
    if outside.size:
        raise ValueError(f"pairs has row {outside[0]}, but S has {n_models} rows, counted from 0.")
    return tuple((int(i), int(j)) for i, j in array)


def _check_sizes(sizes: object, n_points: int) -> np.ndarray:
    if sizes is None:
        return np.union1d(2 ** np.arange(1, int(np.log2(n_points)) + 1), n_points)
    array = np.asarray(sizes)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
        raise ValueError(f"sizes must be a list of whole numbers; got {sizes!r}.")
    if array.min() < 1 or array.max() > n_points:
        raise ValueError(
            f"sizes range from {array.min()} to {array.max()}; the plan has {n_points} points, "
            "so they must be between 1 and that."
        )
    return array
