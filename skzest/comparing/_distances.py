# SPDX-License-Identifier: BSD-3-Clause
"""Distances between signatures: how far apart models are."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._validation import counted, refuse_models
from ..exceptions import warn
from ..plan import QueryPlan, names_of
from ._matching import aligned_matrix, check_alignment
from ._metrics import DISTANCES, NEAR, OF_PAIR, Distance, check_distance, distance_matrix
from ._signatures import OF_MODELS, Signatures, check_points, validated


def zest_distances(
    X: ArrayLike,
    Y: ArrayLike | None = None,
    *,
    distance: Distance = "cosine",
    n_classes: int | None = None,
    alignment: str | None = None,
    points: QueryPlan | ArrayLike | None = None,
    n_jobs: int | None = None,
) -> np.ndarray | float:
    """Distances between models, from their signatures.

    Each row is the signature of one model (see :class:`LimeSignatureTransformer`): the
    coefficients of its local surrogates at every reference point, class after class.

    Parameters
    ----------
    X : array-like of shape (n_models_X, n_classes * n_components) or (n_classes * n_components,)
        Signatures; a class that a model lacks is a block of NaN. Two 1-D rows give a float, so
        the function itself can be passed as ``metric=`` to scikit-learn and SciPy.

    Y : array-like, default=None
        Signatures of other models, with as many dimensions as `X`. If None, the distances are
        those between the rows of `X`.

    distance : {"cosine", "angular", "euclidean", "cityblock", "chebyshev"} or callable, \
            default="cosine"
        Cosine is ``1 - cos`` of the angle between two whole signatures: unitless, in [0, 2]; it
        breaks the triangle inequality. Angular, ``arccos(cos) / pi``, in [0, 1], keeps it. The
        others are in the units of the scores, and are not rescaled where classes are left out. A
        callable takes two 1-D arrays without NaN and returns a symmetric distance; it is called
        once for each pair, never for a row with itself.

    n_classes : int, default=None
        Number of class blocks in a signature. If None, it is read from the feature names that
        :class:`LimeSignatureTransformer` gives; without those, `alignment` is not possible and
        blocks of NaN are not checked.

    alignment : {"greedy", "sequential", "nearest", "optimal"}, default=None
        How the classes of each pair of models are matched, by the same `distance` between class
        rows (see :class:`ClassAligner`), before the distance is computed over all matched classes.
        The model with fewer classes is the reference. If both have equally many, it is the first
        one or, with all but "greedy", whichever gives the smaller distance, so that the matrix is
        symmetric. Leave it None where labels correspond.

    points : array-like of shape (n_components,), or QueryPlan, default=None
        Reference point of each component (``plan_.column_point``). With ``alignment="nearest"``,
        classes are matched separately inside each point.

    n_jobs : int, default=None
        Number of jobs, as in scikit-learn, for `alignment`, a callable, "cityblock" and
        "chebyshev". The other distances are matrix products, which already run in parallel.

    Returns
    -------
    D : ndarray of shape (n_models_X, n_models_Y), or float
        Distances, float64. Without `Y`, symmetric to the bit and with zeros on the diagonal.
        NaN where a distance is undefined: in the row and column of a signature of zeros (a
        constant model), its diagonal included, and between models that share no class.

    Raises
    ------
    ValueError
        If widths differ, a value is infinite, a class is NaN in some of its columns only, or
        the class blocks are needed but unknown.
    DesignMismatchError
        If feature names, or a plan in `points`, show that different questions were asked.

    Warns
    -----
    UserWarning
        If two models have nothing in common.

    See Also
    --------
    ZestDistanceTransformer : The same as a step of a pipeline.
    ClassAligner : Aligns all models to one template.

    Notes
    -----
    The distance of two models leaves out the classes that either of them lacks.

    Everything is computed in float64, float32 signatures too: the distance of a copy is close to
    zero, where float32 has no digits of ``1 - cos`` left. Equal rows are exactly 0 apart, and
    small distances are computed from differences.

    In alignment a class row of zeros counts as orthogonal to every other (cosine 1, angular 0.5).
    Exact ties go to the first in row order of the reference, as in the released code; so with
    ties, the order of the models can decide between two matches.

    With ``metric=``, use ``algorithm="brute"`` where a tree could be chosen, or
    ``distance="angular"``: trees rely on the triangle inequality and return wrong neighbours
    without it.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model
       Distances", ICLR 2022.

    Examples
    --------
    >>> from skzest import zest_distances
    >>> owner, copy, unrelated = [1.0, 2.0, 0.0], [2.0, 4.0, 0.1], [0.0, -1.0, 3.0]
    >>> D = zest_distances([owner, copy, unrelated])
    >>> bool(D[0, 1] < 0.01 < D[0, 2])
    True

    Two rows give a number:

    >>> round(zest_distances(owner, unrelated, distance="angular"), 3)
    0.591

    Two classes whose order is unknown:

    >>> first, relabelled = [1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 2.0]
    >>> round(zest_distances(first, relabelled), 3)
    0.333
    >>> zest_distances(first, relabelled, n_classes=2, alignment="greedy")
    0.0
    """
    if type(X) is type(Y) is np.ndarray and n_classes is None and alignment is None:
        value = _quick_pair(X, Y, distance) if points is None else math.nan
        if value == value:
            return value
    for values, name in ((X, "X"), (Y, "Y")):
        refuse_models(values, name, OF_MODELS)
    n_dim = np.ndim(X)
    if n_dim == 1 and Y is None:
        raise ValueError(
            "X is one signature (1-D) and Y is None; a distance needs two. Pass both rows, or a "
            "2-D array of signatures."
        )
    if Y is not None and np.ndim(Y) != n_dim:
        raise ValueError(
            f"X is {n_dim}-D and Y is {np.ndim(Y)}-D; pass two rows or two 2-D arrays. One "
            "row as an array of one model is row[None, :]."
        )
    check_distance(distance)
    checked = partial(Signatures.of, n_classes=n_classes, needed=needed_by(alignment))
    names_X, names_Y = names_of(X), names_of(Y)
    A, B = checked(X, "X", names=names_Y if names_X is None else names_X), None
    if Y is not None and Y is not X:
        B = checked(Y, "Y", names=names_X if names_Y is None else names_Y)
        A.check_comparable(B)
    D = between_models(A, B, distance, alignment, check_points(points, alignment, A), n_jobs)
    _warn_of_lost(D, A, B)
    return D if n_dim == 2 else float(D[0, 0])


class ZestDistanceTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Distances from models to the models seen in `fit`.

    A step between signatures and an estimator that takes ``metric="precomputed"``: in a
    pipeline, `fit` keeps the signatures of the training models, and every model becomes the row
    of its distances to them.

    Parameters
    ----------
    distance : {"cosine", "angular", "euclidean", "cityblock", "chebyshev"} or callable, \
            default="cosine"
        As in :func:`zest_distances`, like all parameters below.

    n_classes : int, default=None
        Number of class blocks in a signature. If None, it is read from the feature names.

    alignment : {"greedy", "sequential", "nearest", "optimal"}, default=None
        How the classes of each pair of models are matched.

    points : array-like of shape (n_components,), or QueryPlan, default=None
        Reference point of each component, for "nearest" inside each point.

    n_jobs : int, default=None
        Number of jobs.

    Attributes
    ----------
    signatures_ : ndarray of shape (n_fitted, n_classes * n_components)
        Signatures of the models seen in :meth:`fit`.

    n_classes_ : int or None
        Number of class blocks in a signature; None if it was neither given nor found in feature
        names.

    n_features_in_ : int
        Number of columns seen in :meth:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen in :meth:`fit`, if all were strings.

    See Also
    --------
    zest_distances : The same as a function.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from skzest import ZestDistanceTransformer
    >>> S = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.1], [0.0, -1.0, 3.0], [0.1, -2.0, 6.5]])
    >>> family = make_pipeline(
    ...     ZestDistanceTransformer(), KNeighborsClassifier(n_neighbors=1, metric="precomputed")
    ... )
    >>> family.fit(S[[0, 2]], ["a", "b"]).predict(S[[1, 3]]).tolist()
    ['a', 'b']
    """

    def __init__(
        self,
        *,
        distance: Distance = "cosine",
        n_classes: int | None = None,
        alignment: str | None = None,
        points: QueryPlan | ArrayLike | None = None,
        n_jobs: int | None = None,
    ):
        self.distance = distance
        self.n_classes = n_classes
        self.alignment = alignment
        self.points = points
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> ZestDistanceTransformer:
        """Keep the signatures that distances will be measured to.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures; a class that a model lacks is a block of NaN.
        y : ignored

        Returns
        -------
        self : ZestDistanceTransformer

        Raises
        ------
        ValueError, DesignMismatchError
            As :func:`zest_distances`.
        """
        check_distance(self.distance)
        needed = needed_by(self.alignment)
        self._fitted, _ = validated(self, X, "signatures_", reset=True, needed=needed)
        self._points = check_points(self.points, self.alignment, self._fitted)
        self.n_classes_ = self._fitted.n_classes
        self.signatures_ = self._fitted.rows
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Distances to the fitted models.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures under the same plan.

        Returns
        -------
        D : ndarray of shape (n_models, n_fitted)
            NaN where a distance is undefined, see :func:`zest_distances`.
        """
        check_is_fitted(self)
        S, _ = validated(self, X, "signatures_", reset=False)
        return self._to_fitted(S, self._fitted)

    def fit_transform(self, X: ArrayLike, y: object = None, **fit_params: object) -> np.ndarray:
        """Fit, and return the distances between the fitted models.

        Unlike ``fit(X).transform(X)``, which may differ from it by rounding, the result is
        symmetric to the bit.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures.
        y : ignored
        **fit_params : ignored

        Returns
        -------
        D : ndarray of shape (n_models, n_models)
        """
        self.fit(X)
        return self._to_fitted(self._fitted, None)

    @property
    def _n_features_out(self) -> int:
        return len(self.signatures_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # NaN is a class that a model lacks: a model cannot lack its only class.
        tags.input_tags.allow_nan = self.n_classes != 1
        return tags

    def _to_fitted(self, X: Signatures, Y: Signatures | None) -> np.ndarray:
        params = self.distance, self.alignment, self._points, self.n_jobs
        D = between_models(X, Y, *params)
        _warn_of_lost(D, X, Y)
        return D


def needed_by(alignment: str | None) -> str | None:
    """What cannot work without class blocks."""
    check_alignment(alignment)
    return None if alignment is None else f"alignment={alignment!r}"


# ---------------------------------------------------------------- arithmetic


def _quick_pair(x: np.ndarray, y: np.ndarray, distance: Distance) -> float:
    """Distance of two ordinary rows; NaN if they need care.

    The ``metric=`` slots of scikit-learn and SciPy ask for millions of pairs.
    """
    if not (x.dtype == y.dtype == np.float64 and x.ndim == 1 and x.shape == y.shape):
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        xx, yy, xy = float(x.dot(x)), float(y.dot(y)), float(x.dot(y))
    if not (1e-150 < xx < 1e150 and 1e-150 < yy < 1e150):
        return math.nan
    if not isinstance(distance, str):
        return float(distance(x, y)) if callable(distance) else math.nan
    if distance in OF_PAIR:
        return float(OF_PAIR[distance](x, y))
    cos = xy / math.sqrt(xx * yy)
    if abs(cos) > 1 - NEAR or distance not in DISTANCES:
        return math.nan
    return 1 - cos if distance == "cosine" else math.acos(cos) / math.pi


def between_models(
    X: Signatures,
    Y: Signatures | None,
    distance: Distance,
    alignment: str | None,
    points: np.ndarray | None,
    n_jobs: int | None,
) -> np.ndarray:
    """Distances between models; `Y` is None for those within `X`."""
    to = X if Y is None else Y
    D = np.full((len(X), len(to)), np.nan)
    if X.defined.any() and to.defined.any():
        A, B = X.only(X.defined), to.only(to.defined)
        if alignment is None:
            rows, present = None if Y is None else B.rows, A.present_beside(B)
            some = distance_matrix(A.rows, rows, distance, present=present, n_jobs=n_jobs)
        else:
            some = aligned_matrix(
                A, None if Y is None else B, distance, alignment, points, n_jobs=n_jobs
            )
        D[np.ix_(X.defined, to.defined)] = some
    return D


def _warn_of_lost(D: np.ndarray, X: Signatures, Y: Signatures | None) -> None:
    """Say which pairs of models have no class in common."""
    to = X if Y is None else Y
    if X.complete and to.complete:
        return
    lost = np.isnan(D) & ~X.constant[:, None] & ~to.constant
    pairs = np.argwhere(np.triu(lost) if Y is None else lost)
    if len(pairs):
        warn(
            f"the models of {counted(len(pairs), 'pair')} have nothing in common (the first: rows "
            f"{pairs[0][0]} and {pairs[0][1]}); their distance is NaN.",
            UserWarning,
        )
