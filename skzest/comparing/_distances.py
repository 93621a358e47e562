# SPDX-License-Identifier: BSD-3-Clause
"""Distances between signatures: how far apart models are."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ..plan import check_same_columns, check_same_design, names_of
from ._matching import aligned_matrix, check_method, class_rows, columns_by_point
from ._metrics import (
    DISTANCES,
    Distance,
    check_distance,
    distance_matrix,
    in_range,
    pair_distance,
)
from ._signatures import SignatureRows, check_points, examined, known_n_classes, with_nan

__all__ = ["ZestDistanceTransformer", "zest_distances"]


def zest_distances(
    X: Any,
    Y: Any = None,
    *,
    distance: Distance = "cosine",
    n_classes: int | None = None,
    alignment: str | None = None,
    points: Any = None,
    missing_values: float = np.nan,
    n_jobs: int | None = None,
) -> np.ndarray | float:
    """Distances between models, from their signatures.

    Each row is the signature of one model (see :class:`LimeSignatureTransformer`): the
    coefficients of its local surrogates at every reference point, class after class.

    Parameters
    ----------
    X : array-like of shape (n_models_X, n_classes * n_components) or (n_classes * n_components,)
        Signatures; a class that a model lacks is a block of NaN. With two 1-D rows the result
        is a float, so that the function itself can be given as ``metric=`` to scikit-learn and
        SciPy.

    Y : array-like, default=None
        Signatures of other models, in as many dimensions. If None, the distances are those
        between the rows of `X`.

    distance : {"cosine", "angular", "euclidean", "cityblock", "chebyshev"} or callable, \
            default="cosine"
        Cosine is ``1 - cos`` of the angle between two whole signatures: unitless, in [0, 2]; it
        breaks the triangle inequality. Angular, ``arccos(cos) / pi``, in [0, 1], keeps it. The
        others are in the units of the scores, and not rescaled where classes are left out. A
        callable takes two 1-D arrays, without NaN, and returns a symmetric distance; it is
        called once for each pair, never for a row with itself.

    n_classes : int, default=None
        Number of class blocks in a signature. If None, it is read off the feature names that
        :class:`LimeSignatureTransformer` gives; if these are not there either, `alignment` is
        not possible and blocks of NaN are not checked.

    alignment : {"greedy", "sequential", "nearest", "optimal"}, default=None
        How the classes of each pair of models are matched, by the same `distance` between class
        rows (see :class:`ClassAligner`), before the distance is taken over all that were
        matched. The model with fewer classes is the reference; of two with equally many it is
        the first, or, with "sequential" and "nearest", whichever gives the smaller distance, so
        that the matrix is symmetric. Leave it None where labels correspond.

    points : array-like of shape (n_components,), or QueryPlan, default=None
        Reference point of each component (``plan_.column_point``). With ``alignment="nearest"``,
        classes are matched anew inside each point.

    missing_values : float, default=np.nan
        What stands for a missing coefficient.

    n_jobs : int, default=None
        Number of jobs, as in scikit-learn, for `alignment`, a callable, "cityblock" and
        "chebyshev"; the others are matrix products, which are parallel by themselves. No
        bit of the result depends on it.

    Returns
    -------
    D : ndarray of shape (n_models_X, n_models_Y), or float
        Distances, float64. Without `Y`, symmetric to the bit and with zeros on the diagonal.
        NaN where a distance is not defined: in the row and column of a signature of zeros (a
        constant model), on the diagonal too, and between models that share no class.

    Raises
    ------
    ValueError
        If widths differ, a value is infinite, a class is NaN in some of its columns only, or
        the class blocks are needed and not known.
    DesignMismatchError
        If feature names, or a plan in `points`, tell that other questions were asked.

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
    Classes that one of two models lacks are left out of their distance.

    Everything is computed in float64, float32 signatures too: near zero, where copies are told
    from originals, float32 has no digits left of ``1 - cos``. Equal rows are exactly 0 apart, and
    small distances are computed from differences.

    In alignment a class row of zeros counts as at a right angle to every other (cosine 1,
    angular 0.5). Exact ties go to the first in row order of the reference, as in the released
    code; so with ties, the order of the models can decide between two matches.

    As ``metric=`` use ``algorithm="brute"`` where a tree could be chosen, or
    ``distance="angular"``: trees rely on the triangle inequality, and return wrong neighbours
    without.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model
       Distances", ICLR 2022.

    Examples
    --------
    >>> from skzest import zest_distances
    >>> victim, copy, stranger = [1.0, 2.0, 0.0], [2.0, 4.0, 0.1], [0.0, -1.0, 3.0]
    >>> D = zest_distances([victim, copy, stranger])
    >>> bool(D[0, 1] < 0.01 < D[0, 2])
    True

    Two rows give a number:

    >>> round(zest_distances(victim, stranger, distance="angular"), 3)
    0.591

    Two classes whose order is not known:

    >>> first, relabelled = [1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 2.0]
    >>> round(zest_distances(first, relabelled), 3)
    0.333
    >>> zest_distances(first, relabelled, n_classes=2, alignment="greedy")
    0.0
    """
    if type(X) is type(Y) is np.ndarray and alignment is points is None:
        # Perhaps one of the million pairs that a metric= slot asks about.
        value = _plain_pair(X, Y, distance, n_classes, missing_values)
        if value == value:
            return value

    names_X, names_Y = names_of(X), names_of(Y)
    n_dim = np.ndim(X)
    if n_dim == 1 and Y is None:
        raise ValueError(
            "X is one signature (1-D) and Y is None; a distance needs two. Pass both rows, or a "
            "2-D array of signatures."
        )
    same = Y is None or Y is X
    X = _as_rows(X, "X", missing_values)
    if not same:
        if np.ndim(Y) != n_dim:
            raise ValueError(
                f"X is {n_dim}-D and Y is {np.ndim(Y)}-D; pass two rows or two 2-D arrays. One "
                "row as an array of one model is row[None, :]."
            )
        Y = _as_rows(Y, "Y", missing_values)
        check_same_columns(names_X, names_Y, "X", "Y")
        if X.shape[1] != Y.shape[1]:
            raise ValueError(
                f"X has {X.shape[1]} columns and Y has {Y.shape[1]}; signatures under one plan "
                "are equally wide. Transform both with one fitted LimeSignatureTransformer."
            )
    names = names_Y if names_X is None else names_X
    rules = _rules(distance, n_classes, alignment, points, names, X.shape[1])
    D = _distances(X, None if same else Y, *rules, n_jobs)
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
        As in :func:`zest_distances`, like all that follow.

    n_classes : int, default=None
        Number of class blocks in a signature. If None, as the feature names tell.

    alignment : {"greedy", "sequential", "nearest", "optimal"}, default=None
        How the classes of each pair of models are matched.

    points : array-like of shape (n_components,), or QueryPlan, default=None
        Reference point of each component, for "nearest" inside each point.

    missing_values : float, default=np.nan
        What stands for a missing coefficient.

    n_jobs : int, default=None
        Number of jobs.

    Attributes
    ----------
    signatures_ : ndarray of shape (n_fitted, n_classes * n_components)
        Signatures of the models seen in :meth:`fit`, missing coefficients as NaN.

    n_classes_ : int or None
        Number of class blocks in a signature; None if it was neither given nor told by feature
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
        points: Any = None,
        missing_values: float = np.nan,
        n_jobs: int | None = None,
    ):
        self.distance = distance
        self.n_classes = n_classes
        self.alignment = alignment
        self.points = points
        self.missing_values = missing_values
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> ZestDistanceTransformer:
        """Keep the signatures that distances will be taken to.

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
        X = self._validated(X, reset=True)
        names = getattr(self, "feature_names_in_", None)
        self._rules = _rules(
            self.distance, self.n_classes, self.alignment, self.points, names, X.shape[1]
        )
        self.n_classes_ = self._rules.n_classes
        examined(X, self.n_classes_, "X")
        self.signatures_ = X
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Distances to the fitted models.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures under the same plan.

        Returns
        -------
        D : ndarray of shape (n_models, n_fitted)
            NaN where a distance is not defined, see :func:`zest_distances`.
        """
        check_is_fitted(self)
        return _distances(
            self._validated(X, reset=False), self.signatures_, *self._rules, self.n_jobs
        )

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
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
        return _distances(self.signatures_, None, *self._rules, self.n_jobs)

    @property
    def _n_features_out(self) -> int:
        return self.signatures_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # NaN is a class that a model lacks: where there is but one, it has nothing to say.
        missing_is_nan = self.missing_values != self.missing_values
        tags.input_tags.allow_nan = missing_is_nan and self.n_classes != 1
        return tags

    def _validated(self, X: Any, *, reset: bool) -> np.ndarray:
        if not reset:
            fitted = getattr(self, "feature_names_in_", None)
            check_same_design(fitted, names_of(X), "signatures_", "X")
        X = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite=False)
        return with_nan(X, self.missing_values, "X")


# ---------------------------------------------------------------- checks


class _Rules(NamedTuple):
    distance: Distance
    n_classes: int | None
    alignment: str | None
    point: np.ndarray | None  # of each component, counted from 0


def _rules(distance, n_classes, alignment, points, names, width) -> _Rules:
    check_distance(distance)
    check_method(alignment, "alignment")
    needed = None if alignment is None else f"alignment={alignment!r}"
    n_classes = known_n_classes(n_classes, names, width, needed=needed)
    n_components = width if n_classes is None else width // n_classes
    return _Rules(
        distance, n_classes, alignment, check_points(points, alignment, n_components, names)
    )


def _plain_pair(x, y, distance, n_classes, missing_values):
    """Distance of two rows that have nothing special about them; NaN if they have."""
    if (
        not (x.ndim == y.ndim == 1 and x.size == y.size and x.dtype.kind == y.dtype.kind == "f")
        or missing_values == missing_values
        or not (n_classes is None or (type(n_classes) is int and n_classes > 0))
        or (n_classes and x.size % n_classes)
        or not (callable(distance) or distance in DISTANCES)
    ):
        return math.nan
    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    value = pair_distance(x, y, distance)
    if value != value and n_classes is None:
        shared = ~(np.isnan(x) | np.isnan(y))
        if not shared.all():
            value = pair_distance(x[shared], y[shared], distance)
    return value


def _as_rows(X, name, missing_values):
    # check_array takes longer than the distance of two rows: not for what would pass anyway.
    if not (type(X) is np.ndarray and X.dtype == np.float64 and 0 < X.ndim < 3 and X.size):
        X = check_array(
            X, dtype=np.float64, ensure_all_finite=False, ensure_2d=False, input_name=name
        )
    return with_nan(np.atleast_2d(X), missing_values, name)


# ---------------------------------------------------------------- arithmetic


def _distances(X, Y, distance, n_classes, alignment, point, n_jobs):
    """Distances between rows; `Y` is None for those of `X` with each other."""
    X = examined(X, n_classes, "X")
    Y = None if Y is None else examined(Y, n_classes, "Y")
    # Signatures of zeros, and of nothing but NaN, are at no distance from anything.
    known_X = X.peak > 0
    known_Y = known_X if Y is None else Y.peak > 0
    if known_X.all() and known_Y.all():
        D = _defined(X, Y, distance, alignment, point, n_jobs)
    else:
        D = np.full((len(known_X), len(known_Y)), np.nan)
        if known_X.any() and known_Y.any():
            X_known, Y_known = X.only(known_X), None if Y is None else Y.only(known_Y)
            D[np.ix_(known_X, known_Y)] = _defined(
                X_known, Y_known, distance, alignment, point, n_jobs
            )
    _warn_of_strangers(D, X, Y)
    return D


def _defined(
    X: SignatureRows,
    Y: SignatureRows | None,
    distance: Distance,
    alignment: str | None,
    point: np.ndarray | None,
    n_jobs: int | None,
) -> np.ndarray:
    """Distances between signatures that have a direction."""
    sets = [X] if Y is None else [X, Y]
    arrays, unit = in_range(distance, *((each.values, each.peak) for each in sets))
    A, B = arrays[0], None if Y is None else arrays[1]
    if alignment is None:
        missing = any(each.holes.any() for each in sets)
        D = distance_matrix(A, B, distance, missing=missing, n_jobs=n_jobs)
    else:
        columns = None if point is None else columns_by_point(point)
        classes = [class_rows(Z, each.present, columns) for Z, each in zip(arrays, sets)]
        shape = (len(arrays[0]), len(arrays[-1]))
        D = aligned_matrix(
            classes[0], None if Y is None else classes[1], shape, distance, alignment, n_jobs
        )
    if unit != 1:
        D *= unit
    return D


def _warn_of_strangers(D, X, Y):
    """Say which distances are NaN though both models have a direction."""
    if not (X.holes.any() or (Y is not None and Y.holes.any())):
        return
    columns = X if Y is None else Y
    lost = np.isnan(D) & (X.peak != 0)[:, None] & (columns.peak != 0)
    pairs = np.argwhere(np.triu(lost) if Y is None else lost)
    if len(pairs):
        warnings.warn(
            f"{len(pairs)} pairs of models have nothing in common (the first: rows {pairs[0][0]} "
            f"and {pairs[0][1]}); their distance is NaN.",
            UserWarning,
            stacklevel=4,
        )
