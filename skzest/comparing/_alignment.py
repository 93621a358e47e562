# SPDX-License-Identifier: BSD-3-Clause
"""Put the classes of models in one order where labels do not say which class is which."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..plan import QueryPlan, class_labels
from ._matching import ClassRows, check_alignment, class_costs, class_rows, match_classes
from ._metrics import Distance, check_distance, slices
from ._signatures import Signatures, check_points, validated

_COSTS = 2**20  # costs worked on at a time (8 MB)


@dataclass(frozen=True, eq=False, repr=False)
class ClassMatch:
    """Which class of a model was matched to each class of the template, and at what distance.

    Attributes
    ----------
    template_classes : ndarray of shape (n_template_classes,)
        Class blocks of the template, counted from 0.
    classes : ndarray of shape (n_template_classes,) or (n_points, n_template_classes)
        Class blocks of the model that were matched to them; one row per reference point, in
        ascending order of the points, if classes were matched inside each point.
    distances : ndarray, of the shape of `classes`
        Distances between the matched class rows, in the unit of the distance.
    template_labels, labels : ndarrays of str objects, of the shapes above, or None
        The same classes by label, if feature names gave the labels.
    """

    template_classes: np.ndarray
    classes: np.ndarray
    distances: np.ndarray
    template_labels: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"<ClassMatch: {', '.join(str(self).splitlines())}>"

    def __str__(self) -> str:
        ours = self.template_classes if self.template_labels is None else self.template_labels
        theirs = np.atleast_2d(self.classes if self.labels is None else self.labels)
        lines = []
        for k, distance in enumerate(np.atleast_2d(self.distances).mean(axis=0)):
            labels, times = np.unique(theirs[:, k], return_counts=True)
            often = "" if len(theirs) == 1 else f" ({times.max()} of {len(theirs)} points)"
            lines.append(f"{ours[k]} - {labels[times.argmax()]}{often}: {distance:.3g}")
        return "\n".join(lines)


class ClassAligner(TransformerMixin, BaseEstimator):
    """Put the class rows of every model in the order of a template.

    Where the labels of two models are not known to correspond, their classes are matched by
    their signatures: each class row of the template to a similar row of the model.
    :meth:`transform` gives signatures of the template's classes alone, without NaN, for any
    estimator that takes rows of numbers; :meth:`match` reports which class was matched to which.

    To align each *pair* of models, as the paper does, use ``zest_distances(alignment=...)``.

    Parameters
    ----------
    n_classes : int, default=None
        Number of class blocks in a signature. If None, it is read from the feature names that
        :class:`~skzest.LimeSignatureTransformer` gives.

    template : int, default=None
        Row of the model whose classes the others are matched to. If None, the (first) row with
        the fewest classes.

    alignment : {"greedy", "sequential", "nearest", "optimal"} or None, default="greedy"
        How classes are matched, by the distances between their rows:

        - "greedy": the closest two of all, then the closest two of those left, and so on (the
          authors' released code). Ties go to the first in row order;
        - "sequential": the template's classes in order, each with the nearest class left
          (the paper, section 3);
        - "nearest": each with its nearest class, even one matched before (appendix B; with
          `points`, algorithm 1);
        - "optimal": one to one with the smallest sum of distances;
        - None: classes correspond by position; the template only selects.

    distance : {"cosine", "angular", "euclidean", "cityblock", "chebyshev"} or callable, \
            default="cosine"
        Distance between class rows, as in :func:`~skzest.zest_distances`. A row of zeros counts
        as orthogonal to every other.

    points : array-like of shape (n_components,), or QueryPlan, default=None
        Reference point of each component (``plan_.column_point``). With
        ``alignment="nearest"``, classes are matched separately inside each point.

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
    LimeSignatureTransformer : Signatures of models; orders classes by label.

    Notes
    -----
    Match classes only where labels do not say which is which: matching looks for the best fit, so
    it makes every distance smaller, those of unrelated models too.

    A float32 signature stays float32; classes are matched in float64.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, section 3, algorithm 1 and appendix B.

    Examples
    --------
    Two models of the same classes; the second numbers them in reverse:

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
        alignment: str | None = "greedy",
        distance: Distance = "cosine",
        points: QueryPlan | ArrayLike | None = None,
    ):
        self.n_classes = n_classes
        self.template = template
        self.alignment = alignment
        self.distance = distance
        self.points = points

    def fit(self, X: ArrayLike, y: object = None) -> ClassAligner:
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
            If the number of classes is unknown or does not divide the columns, if a class is NaN
            in some of its columns only, or if a value is infinite.
        DesignMismatchError
            If `points` is the plan of other signatures.
        """
        check_alignment(self.alignment)
        check_distance(self.distance)
        S, _ = validated(self, X, "template", reset=True, needed="ClassAligner")
        self.n_classes_ = S.blocks.shape[1]
        self._point = check_points(self.points, self.alignment, S)
        self.template_index_ = self._choose(S.present.sum(axis=1))
        self.template_classes_ = np.flatnonzero(S.present[self.template_index_])
        self.template_ = S.blocks[self.template_index_][self.template_classes_]
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
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
            If a model has fewer classes than the template, or breaks the rules of :meth:`fit`.
        DesignMismatchError
            If feature names show that other questions were asked.
        """
        check_is_fitted(self)
        S, dtype = validated(self, X, "template", reset=False)
        aligned = np.empty((len(S), *self.template_.shape), dtype=dtype)
        for model, classes, _ in self._matches(S):
            if self._point is None:
                aligned[model] = S.blocks[model, classes[0]]
            else:
                by_component = classes[self._point].T
                aligned[model] = np.take_along_axis(S.blocks[model], by_component, axis=0)
        return aligned.reshape(len(S), -1)

    def match(self, X: ArrayLike) -> list[ClassMatch]:
        """Which class of each model was matched to which class of the template.

        Parameters
        ----------
        X : array-like of shape (n_models, n_classes * n_components)
            Signatures; a class that a model lacks is a block of NaN.

        Returns
        -------
        matches : list of n_models ClassMatch
            Print one to see it.
        """
        check_is_fitted(self)
        S, _ = validated(self, X, "template", reset=False)
        labels = class_labels(getattr(self, "feature_names_in_", None))
        ours = None if labels is None else labels[self.template_classes_]
        matches = {}
        for model, classes, distances in self._matches(S):
            if self._point is None:
                classes, distances = classes[0], distances[0]
            theirs = None if labels is None else labels[classes]
            matches[model] = ClassMatch(self.template_classes_, classes, distances, ours, theirs)
        return [matches[model] for model in range(len(S))]

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the template's columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns seen in :meth:`fit`; ``x0, x1, ...`` if they had none.

        Returns
        -------
        names : ndarray of str objects, shape (n_template_classes * n_components,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return names.reshape(self.n_classes_, -1)[self.template_classes_].ravel()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A model may lack a class, but not its only one.
        tags.input_tags.allow_nan = self.n_classes != 1
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- arithmetic -------------------------------------------------------------------------

    def _choose(self, counts: np.ndarray) -> int:
        """Row of the template, from the number of classes of each row."""
        if self.template is None:
            index = int(np.where(counts > 0, counts, np.iinfo(int).max).argmin())
        elif isinstance(self.template, bool) or not isinstance(self.template, numbers.Integral):
            raise TypeError(f"template must be the index of a row, or None; got {self.template!r}.")
        elif not -len(counts) <= self.template < len(counts):
            raise ValueError(
                f"template={self.template}, but X has only {len(counts)} rows. Pass the index of "
                "one of them, or None."
            )
        else:
            index = int(self.template) % len(counts)
        if not counts[index]:
            raise ValueError(
                f"row {index} cannot be the template: it is NaN, a model without classes. Choose "
                f"another with template=; {(counts > 0).sum()} of {len(counts)} rows have classes."
            )
        return index

    def _matches(self, models: Signatures) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield (model, classes, distances): the last two (n_points, n_template_classes)."""
        self._refuse_small(models.present.sum(axis=1))
        template = Signatures.of(self.template_.ravel(), "template", n_classes=len(self.template_))
        (reference,) = class_rows(template, self._point)
        for group in class_rows(models, self._point):
            at_once = max(1, _COSTS // (len(self.template_) * group.blocks.shape[1]))
            for members in slices(len(group.members), at_once):
                some = group.cut(members)
                at_points = [
                    self._match(reference, some, point) for point in range(len(some.pieces))
                ]
                classes = np.stack(
                    [np.take_along_axis(some.blocks, which, axis=1) for which, _ in at_points],
                    axis=1,
                )
                distances = np.stack([costs for _, costs in at_points], axis=1)
                yield from zip(some.members, classes, distances)

    def _match(
        self, reference: ClassRows, models: ClassRows, point: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Matched classes of some models and their costs, both (n_models, n_template_classes)."""
        costs = np.moveaxis(class_costs(reference, models, point, self.distance)[0], 1, 0)
        if self.alignment is not None:
            return match_classes(costs, self.alignment)
        found = models.blocks[:, None, :] == self.template_classes_[:, None]
        lacking = np.argwhere(~found.any(axis=2))
        if lacking.size:
            model, k = lacking[0]
            raise ValueError(
                f"model {models.members[model]} lacks class block {self.template_classes_[k]} of "
                "the template; with alignment=None classes correspond by position. Choose another "
                "template, or an alignment."
            )
        return match_classes(np.where(found, costs, np.inf), "nearest")

    def _refuse_small(self, counts: np.ndarray) -> None:
        small = np.flatnonzero(counts < len(self.template_))
        if small.size:
            raise ValueError(
                f"model {small[0]} has {counts[small[0]]} classes, the template (row "
                f"{self.template_index_} of fit) has {len(self.template_)}; a model must have at "
                f"least as many ({small.size} have fewer). Choose a smaller template, or compare "
                "pairs with zest_distances(alignment=...)."
            )
