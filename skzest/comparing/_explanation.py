# SPDX-License-Identifier: BSD-3-Clause
"""What makes up a distance? The share of every class, point and part."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_whole
from ..maskers import BaseMasker
from ..plan import QueryPlan, class_labels, names_of
from ._point_sums import point_starts, unit_pair
from ._signatures import check_pair, check_plan
from ._tables import ShownAsTable, TableText, number

if TYPE_CHECKING:
    import pandas as pd


class DistanceShare(NamedTuple):
    """One term of a distance; see :meth:`DistanceExplanation.top`.

    Attributes
    ----------
    point : int
        Position of the reference point in the plan.
    label : object
        The class.
    part : int
        Number of the part in its point.
    name : str
        The part itself: a word, a column, a stretch of time; otherwise its number.
    share : float
        What it adds to the distance.
    first, second : float
        The two coefficients, of signatures scaled to length 1.
    row : int
        Row of the point in the reference data, ``plan.indices[point]``.
    """

    point: int
    label: object
    part: int
    name: str
    share: float
    first: float
    second: float
    row: int


@dataclass(frozen=True, eq=False)
class DistanceExplanation(ShownAsTable):
    """A cosine distance as a sum of shares; made by :func:`explain_distance`.

    Attributes
    ----------
    units : ndarray of shape (2, n_classes, n_components)
        The two signatures over the classes that both models have, each scaled to length 1.
        Read-only, like `shares`.
    shares : ndarray of shape (n_classes, n_components)
        What each coefficient adds to the distance: half the squared difference of the two units.
    classes : tuple of length n_classes
        Labels of the classes that both models have.
    left_out : tuple
        Labels of the classes that one of them lacks.
    plan : QueryPlan
        The questions.
    """

    units: np.ndarray = field(repr=False)
    shares: np.ndarray = field(repr=False)
    classes: tuple = field(repr=False)
    left_out: tuple
    plan: QueryPlan

    @cached_property
    def distance(self) -> float:
        """The cosine distance, the sum of all shares."""
        return float(self.shares.sum())

    @property
    def digest(self) -> str:
        """Digest of the questions."""
        return self.plan.digest

    @cached_property
    def by_point(self) -> np.ndarray:
        """Share of each reference point, shape (n_points,)."""
        return np.add.reduceat(self.shares.sum(axis=0), point_starts(self.plan.n_columns))

    @cached_property
    def by_class(self) -> np.ndarray:
        """Share of each class, shape (n_classes,)."""
        return self.shares.sum(axis=1)

    @cached_property
    def by_name(self) -> dict[str, float]:
        """Share of each part's name over all points and classes, the largest first.

        For a table, the shares of its columns.
        """
        totals: dict[str, float] = {}
        for name, share in zip(chain.from_iterable(self._names), self.shares.sum(axis=0).tolist()):
            totals[name] = totals.get(name, 0.0) + share
        return dict(sorted(totals.items(), key=lambda total: -total[1]))

    @property
    def has_common_names(self) -> bool:
        """Whether a masker names the parts, and alike at all points, as the columns of a table."""
        named = type(self.plan.masker).part_names is not BaseMasker.part_names
        return (
            named
            and not self.plan.is_passthrough
            and all(names == self._names[0] for names in self._names)
        )

    @cached_property
    def _names(self) -> list[list[str]]:
        return [self.plan.part_names(n) for n in range(len(self.plan))]

    def by_part(self, n: int) -> np.ndarray:
        """Share of each part of the point at position ``n``, shape (n_parts,)."""
        return self.at(n).sum(axis=0)

    def at(self, n: int) -> np.ndarray:
        """Shares of the point at position ``n``, shape (n_classes, n_parts).

        Raises
        ------
        ValueError
            If the plan has no such point.
        """
        return self.shares[:, columns_of(self.plan, n)]

    def top(self, k: int = 10) -> list[DistanceShare]:
        """The ``k`` largest terms, the largest first.

        Returns
        -------
        shares : list of DistanceShare
            Fewer if the distance has fewer terms.
        """
        k = check_whole(k, "k")
        largest = np.argsort(-self.shares, axis=None, kind="stable")[:k]
        return [self._term(*divmod(int(at), self.shares.shape[1])) for at in largest]

    def to_frame(self) -> pd.DataFrame:
        """All terms as a DataFrame with one row for each class and part, class after class.

        The columns are those of :class:`DistanceShare`. Needs pandas.
        """
        return super().to_frame()

    def _frame(self) -> tuple[dict[str, object], None]:
        n_classes, plan = len(self.classes), self.plan
        names = [*chain.from_iterable(self._names)]
        first, second = self.units.reshape(2, -1)
        point = np.tile(plan.column_point, n_classes)
        return {
            "point": point,
            "label": np.repeat(np.array(self.classes, dtype=object), plan.n_components),
            "part": np.tile(plan.column_part, n_classes),
            "name": names * n_classes,
            "share": self.shares.ravel(),
            "first": first,
            "second": second,
            "row": plan.indices[point],
        }, None

    def _text(self) -> TableText:
        rows = [
            [term.name, f"{term.point}", f"{term.row}", f"{term.label}", number(term.share)]
            + [f"{term.share / self.distance:.1%}" if self.distance else "–"]
            + [number(term.first), number(term.second)]
            for term in self.top()
        ]
        columns = ["part", "point", "row", "class", "share", "of the distance", "first", "second"]
        title = f"Cosine distance {number(self.distance)} as a sum of {self.shares.size:,} shares"
        shown = f"The {len(rows)} largest shares" if len(rows) < self.shares.size else "All shares"
        note = f"{shown}; to_frame() has all of them. Points are numbered in the plan, rows in the "
        note += "reference data."
        if self.has_common_names and self.distance:
            largest = [*self.by_name.items()][:3]
            totals = ", ".join(f"{name} {share / self.distance:.1%}" for name, share in largest)
            note += f" Over all points and classes: {totals}."
        if self.left_out:
            note += f" Classes that one model lacks: {', '.join(map(str, self.left_out))}."
        return TableText(title, columns, rows, note)

    def _term(self, c: int, j: int) -> DistanceShare:
        point, part = int(self.plan.column_point[j]), int(self.plan.column_part[j])
        first, second = self.units[:, c, j].tolist()
        name = self._names[point][part]
        share, row = float(self.shares[c, j]), int(self.plan.indices[point])
        return DistanceShare(point, self.classes[c], part, name, share, first, second, row)


def point_text(plan: QueryPlan, n: int) -> str:
    """What people call the point at position ``n``, with its row in the reference data."""
    return f"point {n} (row {plan.indices[n]})"


def columns_of(plan: QueryPlan, n: int) -> slice:
    """The components of the point at position ``n``."""
    n = check_whole(n, "n", minimum=0)
    if n >= len(plan):
        same = np.flatnonzero(plan.indices == n)
        hint = f" Row {n} of the reference data is point {same[0]}." if same.size else ""
        raise ValueError(f"n={n}, but the plan has {len(plan)} points, counted from 0.{hint}")
    stop = int(plan.n_columns[: n + 1].sum())
    return slice(stop - int(plan.n_columns[n]), stop)


def explain_distance(
    S1: ArrayLike, S2: ArrayLike, plan: QueryPlan, *, classes: ArrayLike | None = None
) -> DistanceExplanation:
    """Break down the cosine distance of two models by class, reference point and part.

    With ``u`` and ``v`` the two signatures scaled to length 1, ``1 - cos = sum (u - v)^2 / 2``.
    Each term belongs to one class and one part of one point, none is negative, and they sum to
    the distance.

    Parameters
    ----------
    S1, S2 : array-like of shape (n_classes * n_components,)
        Signatures of the two models under `plan`. Classes that either model lacks (NaN) are left
        out, as in :func:`~skzest.zest_distances`. The classes must correspond: align first.

    plan : QueryPlan
        The questions, ``plan_`` of the transformer.

    classes : array-like of shape (n_classes,), default=None
        Labels of the classes, ``classes_`` of the transformer. If None, they are read from the
        feature names; without those, the classes are numbered. Pass them: another plan that fits
        the width is noticed only by the number of classes, or by feature names.

    Returns
    -------
    explanation : DistanceExplanation

    Raises
    ------
    ValueError
        If a signature is zero in all classes that both have (it has no direction), if they share
        no class, if a class is NaN in some of its columns only, or if widths do not fit the plan.
    DesignMismatchError
        If feature names show that a signature answers other questions.

    See Also
    --------
    skzest.ExplanationDisplay : The shares on the point itself.
    skzest.distance_interval : The uncertainty of the distance.

    Notes
    -----
    The shares say where two models differ, not which of them is right, nor why.

    Scaling acts on a whole signature: where one model has gained a large coefficient, all its
    others are smaller after scaling and add a little. The random masks add some differences of
    their own, distributed over all parts: look at the largest shares, and use enough masks.

    Under ``surrogate="passthrough"`` a component is a mask, not a part.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer, explain_distance, zest_distances
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> old = LogisticRegression(max_iter=1000).fit(X, y)
    >>> new = LogisticRegression(max_iter=1000).fit(X.assign(**{"petal width (cm)": 0.0}), y)
    >>> lime = LimeSignatureTransformer(X, n_reference=16, n_samples=16)
    >>> S = lime.fit_transform([old, new])
    >>> explanation = explain_distance(S[0], S[1], lime.plan_, classes=lime.classes_)
    >>> bool(abs(explanation.distance - zest_distances(S[0], S[1])) < 1e-12)
    True
    >>> explanation.top(1)[0].name
    'petal width (cm)'
    """
    check_plan(plan)
    W1, W2 = check_pair(S1, S2, plan)
    names = names_of(S1) if names_of(S1) is not None else names_of(S2)
    labels = _labels(classes, names, len(W1))
    u, v, shared = unit_pair(W1, W2)
    if not shared.any():
        raise ValueError("S1 and S2 have no class in common, so there is no distance to explain.")
    for name, w in (("S1", u), ("S2", v)):
        if np.isnan(w).any():
            raise ValueError(
                f"{name} is zero in all {shared.sum()} classes that both models have: this model "
                "gave the same scores to every question, so its distances are not defined (NaN). "
                "Leave it out."
            )
    units, shares = np.stack([u, v]), (u - v) ** 2 / 2
    units.flags.writeable = shares.flags.writeable = False
    return DistanceExplanation(
        units,
        shares,
        classes=tuple(label for label, is_shared in zip(labels, shared) if is_shared),
        left_out=tuple(label for label, is_shared in zip(labels, shared) if not is_shared),
        plan=plan,
    )


def _labels(classes: ArrayLike | None, names: np.ndarray | None, n_classes: int) -> list:
    if classes is None:
        labels = class_labels(names)
        return list(range(n_classes)) if labels is None else labels.tolist()
    labels = np.asarray(classes)
    if labels.shape != (n_classes,):
        raise ValueError(
            f"classes has shape {labels.shape}; expected ({n_classes},), one label for each "
            "class of the signatures (classes_ of the transformer)."
        )
    return labels.tolist()
