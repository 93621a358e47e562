# SPDX-License-Identifier: BSD-3-Clause
"""Bring the classes of models into one order where their labels do not say which is which."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from ..plan import check_same_design, class_labels, names_of
from ._matching import (
    check_method,
    class_costs,
    class_rows,
    columns_by_point,
    match_classes,
)
from ._metrics import Distance, check_distance, in_range, slices
from ._signatures import check_points, examined, known_n_classes

__all__ = ["ClassAligner", "ClassMatch"]

_COSTS = 2**20  # that are looked at together (8 MB)


@dataclass(frozen=True, eq=False)
class ClassMatch:
    """Which class of a model met each class of the template, and at what distance.

    Attributes
    ----------
    template_classes : ndarray of shape (n_template_classes,)
        Class blocks of the template, counted from 0.
    classes : ndarray of shape (n_template_classes,) or (n_points, n_template_classes)
        Class blocks of the model that met them; one row per reference point, in ascending order
        of the points, if classes were matched inside each point.
    distances : ndarray, of the shape of `classes`
        Distances between the class rows that met. The unit is that of the distance.
    template_labels, labels : ndarrays of str objects, of the shapes above, or None
        The same classes by label, as far as feature names told.
    """

    template_classes: np.ndarray
    classes: np.ndarray
    distances: np.ndarray
    template_labels: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __str__(self) -> str:
        ours = self.template_classes if self.template_labels is None else self.template_labels
        theirs = np.atleast_2d(self.classes if self.labels is None else self.labels)
        lines = []
        for k, (label, distance) in enumerate(
            zip(ours, np.atleast_2d(self.distances).mean(axis=0))
        ):
            met, times = np.unique(theirs[:, k], return_counts=True)
            often = "" if len(theirs) == 1 else f" ({times.max()} of {len(theirs)} points)"
            lines.append(f"{label} - {met[times.argmax()]}{often}: {distance:.3g}")
        return "\n".join(lines)


class ClassAligner(TransformerMixin, BaseEstimator):
    """Put the class rows of every model in the order of a template's.

    Where the labels of two models are not known to correspond, their classes are matched by
    their signatures: each class row of the template meets the row of the model that resembles
    it. :meth:`transform` gives signatures of the template's classes alone, without NaN, for any
    estimator that takes rows of numbers; :meth:`match` says who met whom.

    To align each *pair* of models, as the paper does, use ``zest_distances(alignment=...)``.

    Parameters
    ----------
    n_classes : int, default=None
        Number of class blocks in a signature. If None, it is read off the feature names that
        :class:`~skzest.LimeSignatureTransformer` gives.

    template : int, default=None
        Row of the model whose classes the others are matched to. If None, the (first) row with
        the fewest classes.

    method : {"greedy", "sequential", "nearest", "optimal"} or None, default="greedy"
        How classes are matched, by the distances between their rows:

        - "greedy": the two nearest of all, then the two nearest of those left, and so on (the
          authors' released code). Ties go to the first in row order;
        - "sequential": the template's classes in order, each takes the nearest that is left
          (the paper, section 3);
        - "nearest": each takes its nearest, taken or not (appendix B; with `points`,
          algorithm 1);
        - "optimal": one to one with the smallest sum of distances;
        - None: classes correspond by position, the template only selects.

    distance : {"cosine", "angular", "euclidean", "cityblock", "chebyshev"} or callable, \
            default="cosine"
        Distance between class rows, as in :func:`~skzest.zest_distances`. A row of zeros counts
        as at a right angle to every other.

    points : array-like of shape (n_components,), or QueryPlan, default=None
        Reference point of each component (``plan_.column_point``). With ``method="nearest"``,
        classes are matched anew inside each point.

    Attributes
    ----------
    n_classes_ : int
        Number of class blocks in a signature.

    template_ : ndarray of shape (n_template_classes, n_components)
        Class rows of the template.

    template_index_ : int
        Row of the template among those seen in :meth:`fit`.

    template_classes_ : ndarray of shape (n_template_classes,)
        Class blocks that the template has, counted from 0.

    n_features_in_ : int
        Number of columns seen in :meth:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen in :meth:`fit`, if all were strings.

    See Also
    --------
    zest_distances : Distances between models, with alignment of each pair.
    LimeSignatureTransformer : Signatures of models; places classes by label.

    Notes
    -----
    Match classes only where labels do not tell: a match looks for the best and so makes every
    distance smaller, of strangers too.

    A signature of float32 stays float32; classes are matched in float64.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, section 3, algorithm 1 and appendix B.

    Examples
    --------
    Two models of the same classes, of which the second counts them from the other end:

    >>> import numpy as np
    >>> from skzest import ClassAligner
    >>> first = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    >>> S = np.array([first.ravel(), 2 * first[::-1].ravel()])
    >>> aligner = ClassAligner(n_classes=3).fit(S)
    >>> bool(np.all(aligner.transform(S)[1] == 2 * S[0]))
    True
    >>> aligner.match(S)[1].classes.tolist()
    [2, 1, 0]
    """

    def __init__(
        self,
        n_classes: int | None = None,
        *,
        template: int | None = None,
        method: str | None = "greedy",
        distance: Distance = "cosine",
        points: Any = None,
    ):
        self.n_classes = n_classes
        self.template = template
        self.method = method
        self.distance = distance
        self.points = points

    def fit(self, X: Any, y: Any = None) -> ClassAligner:
        """Keep the class rows of one model as the template.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures; a class that a model lacks is a block of NaN.
        y : ignored

        Returns
        -------
        self : ClassAligner

        Raises
        ------
        ValueError
            If the number of classes is not known or does not divide the columns, if a class is
            NaN in some columns only, or if a value is infinite.
        DesignMismatchError
            If `points` is the plan of other signatures.
        """
        check_method(self.method, "method")
        check_distance(self.distance)
        X = self._validated(X, reset=True)
        names = getattr(self, "feature_names_in_", None)
        self.n_classes_ = known_n_classes(self.n_classes, names, X.shape[1], needed="ClassAligner")
        n_components = X.shape[1] // self.n_classes_
        self._point = check_points(self.points, self.method, n_components, names)
        present = examined(X, self.n_classes_).present
        self.template_index_ = self._choose(present.sum(axis=1))
        self.template_classes_ = np.flatnonzero(present[self.template_index_])
        blocks = X[self.template_index_].reshape(self.n_classes_, n_components)
        self.template_ = blocks[self.template_classes_]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Signatures of the template's classes, in the template's order.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures; a class that a model lacks is a block of NaN.

        Returns
        -------
        X_aligned : ndarray of shape (n_models, n_template_classes * n_components)
            Without NaN.

        Raises
        ------
        ValueError
            If a model has fewer classes than the template, or is not as :meth:`fit` asks.
        DesignMismatchError
            If feature names tell that other questions were asked.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        blocks = X.reshape(len(X), self.n_classes_, -1)
        aligned = np.empty((len(X), *self.template_.shape), dtype=X.dtype)
        for model, classes, _ in self._meetings(X):
            if self._point is None:
                aligned[model] = blocks[model, classes[0]]
            else:
                by_component = classes[self._point].T
                aligned[model] = np.take_along_axis(blocks[model], by_component, axis=0)
        return aligned.reshape(len(X), -1)

    def match(self, X: Any) -> list[ClassMatch]:
        """Which class of each model met which class of the template.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures; a class that a model lacks is a block of NaN.

        Returns
        -------
        matches : list of n_models ClassMatch
            Each can be printed.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        labels = class_labels(getattr(self, "feature_names_in_", None))
        matches: list[Any] = [None] * len(X)
        for model, classes, distances in self._meetings(X):
            if self._point is None:
                classes, distances = classes[0], distances[0]
            matches[model] = ClassMatch(
                self.template_classes_,
                classes,
                distances,
                None if labels is None else labels[self.template_classes_],
                None if labels is None else labels[classes],
            )
        return matches

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the template's columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns seen in :meth:`fit`; made up as ``x0, x1, ...`` if none are known.

        Returns
        -------
        names : ndarray of str objects, shape (n_template_classes * n_components,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return names.reshape(self.n_classes_, -1)[self.template_classes_].ravel()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A model may lack a class, but not the only one.
        tags.input_tags.allow_nan = self.n_classes != 1
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- arithmetic -------------------------------------------------------------------------

    def _validated(self, X: Any, *, reset: bool) -> np.ndarray:
        if not reset:
            check_same_design(
                getattr(self, "feature_names_in_", None), names_of(X), "template", "X"
            )
        return validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
        )

    def _choose(self, counts: np.ndarray) -> int:
        """Row of the template."""
        if self.template is None:
            some = np.flatnonzero(counts)
            if not some.size:
                raise ValueError("no model in X has a class: every row is NaN.")
            return int(some[counts[some].argmin()])
        if isinstance(self.template, bool) or not isinstance(self.template, numbers.Integral):
            raise TypeError(f"template must be the index of a row, or None; got {self.template!r}.")
        if not -len(counts) <= self.template < len(counts):
            raise ValueError(f"template={self.template}, but X has only {len(counts)} rows.")
        index = int(self.template) % len(counts)
        if not counts[index]:
            raise ValueError(f"template={self.template} is a row of NaN: a model without classes.")
        return index

    def _meetings(self, X: np.ndarray):
        """Yield (model, classes, distances): the last two (n_points, n_template_classes)."""
        X = X.astype(np.float64, copy=False)
        T = self.template_.astype(np.float64, copy=False).reshape(1, -1)
        seen, template = examined(X, self.n_classes_), examined(T, len(self.template_))
        self._refuse_small(seen.present)
        (X, T), unit = in_range(self.distance, (X, seen.peak), (T, template.peak))
        columns = None if self._point is None else columns_by_point(self._point)
        (reference,) = class_rows(T, template.present, columns)
        for group in class_rows(X, seen.present, columns):
            at_once = max(1, _COSTS // (len(self.template_) * group.blocks.shape[1]))
            for models in slices(len(group.members), at_once):
                some = group.cut(models)
                met = [self._meet(reference, some, point) for point in range(len(some.rows))]
                for k, member in enumerate(some.members):
                    classes = np.array([some.blocks[k][which[k]] for which, _ in met])
                    yield member, classes, np.array([costs[k] for _, costs in met]) * unit

    def _meet(self, reference, models, point) -> tuple[np.ndarray, np.ndarray]:
        costs = np.moveaxis(class_costs(reference, models, point, self.distance)[0], 1, 0)
        if self.method is not None:
            return match_classes(costs, self.method)
        found = models.blocks[:, None, :] == self.template_classes_[:, None]
        lacking = np.argwhere(~found.any(axis=2))
        if lacking.size:
            model, k = lacking[0]
            raise ValueError(
                f"model {models.members[model]} lacks class block {self.template_classes_[k]} of "
                "the template; with method=None classes correspond by position. Choose another "
                "template, or a method."
            )
        which = found.argmax(axis=2)
        return which, np.take_along_axis(costs, which[:, :, None], axis=2)[:, :, 0]

    def _refuse_small(self, present: np.ndarray) -> None:
        counts = present.sum(axis=1)
        small = np.flatnonzero(counts < len(self.template_))
        if small.size:
            raise ValueError(
                f"model {small[0]} has {counts[small[0]]} classes, the template (row "
                f"{self.template_index_} of fit) has {len(self.template_)}; a model must have at "
                f"least as many ({small.size} have not). Choose a smaller template, or compare "
                "pairs with zest_distances(alignment=...)."
            )
