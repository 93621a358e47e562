# SPDX-License-Identifier: BSD-3-Clause
"""Signatures whose values, class blocks and questions have been checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .._validation import check_whole, counted, refuse_models
from ..plan import (
    QueryPlan,
    check_same_columns,
    check_same_design,
    class_labels,
    names_of,
    parse_feature_names,
)
from ._metrics import row_squares

OF_MODELS = (
    "Pass signatures, such as S = LimeSignatureTransformer(reference).fit_transform(models), or "
    "use model_distances(models, transformer)."
)


@dataclass(frozen=True, eq=False)
class Signatures:
    """Rows of coefficients, one model each; made by :meth:`of`.

    Attributes
    ----------
    rows : ndarray of float64, shape (n_models, n_classes * n_components)
        Finite, or NaN where a model lacks a class.
    present : ndarray of bool, shape (n_models, n_blocks)
        Which class blocks each model has. Where NaN occurs and the number of classes is not
        known, each column is a block of its own.
    constant : ndarray of bool, shape (n_models,)
        Models whose coefficients are all zero: they have no direction.
    n_classes : int or None
        Number of class blocks, if known.
    name : str
        What errors call these signatures.
    names : ndarray of str objects, or None
        Feature names, if known.
    """

    rows: np.ndarray
    present: np.ndarray
    constant: np.ndarray
    n_classes: int | None
    name: str
    names: np.ndarray | None

    @classmethod
    def of(
        cls,
        S: ArrayLike,
        name: str,
        *,
        plan: QueryPlan | None = None,
        n_classes: int | None = None,
        names: np.ndarray | None = None,
        needed: str | None = None,
        first: int = 0,
    ) -> Signatures:
        """Check signatures.

        Parameters
        ----------
        S : array-like of shape (n_models, n_classes * n_components) or (n_classes * n_components,)
        name : str
            What errors call `S`.
        plan : QueryPlan, default=None
            The questions that `S` answers; it determines the number of classes.
        n_classes : int, default=None
            Number of class blocks. If None, it follows from the plan or the feature names.
        names : feature names, default=None
            If None, those of `S` itself.
        needed : str, default=None
            What fails if the number of classes is unknown, for the error message.
        first : int, default=0
            Position of the first row among those that the caller knows as `name`.

        Returns
        -------
        signatures : Signatures

        Raises
        ------
        ValueError
            If the width does not fit, a value is infinite, or a class is NaN in some of its
            columns only.
        DesignMismatchError
            If feature names show that `S` does not answer the questions of `plan`.
        """
        refuse_models(S, name, OF_MODELS)
        names = names_of(S) if names is None else names
        rows = _as_rows(S, name)
        if plan is None:
            n_classes = _n_classes(n_classes, names, rows.shape[1], needed)
        else:
            check_same_design(names, plan.digest, name, "plan")
            n_classes = _n_classes_under(plan, rows.shape[1], name, n_classes)
        # One pass over ordinary rows; only those with NaN, zeros or huge values are looked through.
        squares = row_squares(rows)
        odd = np.flatnonzero(~((squares > 0) & (squares < np.inf)))
        _refuse_infinite(rows, odd, name, first)
        gone = np.isnan(rows[odd])
        constant = np.zeros(len(rows), dtype=bool)
        constant[odd] = ~gone.all(axis=1) & ((rows[odd] == 0) | gone).all(axis=1)
        n_blocks = (n_classes or rows.shape[1]) if gone.any() else (n_classes or 1)
        missing = gone.reshape(len(odd), n_blocks, rows.shape[1] // n_blocks)
        _refuse_torn(missing, odd + first, name, names)
        present = np.ones((len(rows), n_blocks), dtype=bool)
        present[odd] = ~missing.any(axis=2)
        return cls(rows, present, constant, n_classes, name, names)

    @classmethod
    def one(
        cls, S: ArrayLike, name: str, plan: QueryPlan, n_classes: int | None = None
    ) -> Signatures:
        """Check the signature of a single model, a row or an array of one row."""
        refuse_models(S, name, OF_MODELS)
        if np.ndim(S) > 1 and len(np.asarray(S)) != 1:
            raise ValueError(
                f"{name} must be the signature of one model, a 1-D row; got shape {np.shape(S)}. "
                "Pass one row of the matrix, such as S[0]."
            )
        return cls.of(S, name, plan=plan, n_classes=n_classes)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def blocks(self) -> np.ndarray:
        """The rows by class, shape (n_models, n_classes, n_components)."""
        return self.rows.reshape(len(self), self.n_classes or 1, -1)

    @property
    def complete(self) -> bool:
        """Whether no model lacks a class."""
        return bool(self.present.all())

    @property
    def defined(self) -> np.ndarray:
        """Which models have a direction, shape (n_models,)."""
        return self.present.any(axis=1) & ~self.constant

    def only(self, which: np.ndarray) -> Signatures:
        """The same of some of the models."""
        if which.all():
            return self
        some = self.rows[which], self.present[which], self.constant[which]
        return Signatures(*some, self.n_classes, self.name, self.names)

    def present_beside(self, other: Signatures) -> tuple[np.ndarray, np.ndarray] | None:
        """Which blocks these and other models have; None if no model lacks a class."""
        if self.complete and other.complete:
            return None
        n_blocks = max(self.present.shape[1], other.present.shape[1])
        ours, theirs = (np.broadcast_to(S.present, (len(S), n_blocks)) for S in (self, other))
        return ours, theirs

    def check_comparable(self, other: Signatures) -> None:
        """Refuse signatures of another width, or with other feature names.

        Raises
        ------
        ValueError, DesignMismatchError
        """
        check_same_columns(self.names, other.names, self.name, other.name)
        if self.rows.shape[1] != other.rows.shape[1]:
            raise ValueError(
                f"{self.name} has {self.rows.shape[1]} columns and {other.name} has "
                f"{other.rows.shape[1]}; signatures under one plan are equally wide. Transform "
                "both with one fitted LimeSignatureTransformer."
            )


def validated(
    estimator: BaseEstimator, X: ArrayLike, called: str, *, reset: bool, needed: str | None = None
) -> tuple[Signatures, np.dtype]:
    """Signatures given to an estimator, and their type; errors say `called` for the fitted ones."""
    refuse_models(X, "X", OF_MODELS)
    fitted = getattr(estimator, "feature_names_in_", None)
    if not reset:
        check_same_design(fitted, names_of(X), called, "X")
    rows: np.ndarray = validate_data(
        estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
    )
    names = getattr(estimator, "feature_names_in_", None)
    n_classes = getattr(estimator, "n_classes" if reset else "n_classes_")
    return Signatures.of(rows, "X", n_classes=n_classes, names=names, needed=needed), rows.dtype


def check_pair(
    S1: ArrayLike, S2: ArrayLike, plan: QueryPlan, n_classes: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Two signatures under a plan as (n_classes, n_components) arrays."""
    first, second = (
        Signatures.one(S, name, plan, n_classes) for S, name in ((S1, "S1"), (S2, "S2"))
    )
    first.check_comparable(second)
    return first.blocks[0], second.blocks[0]


def check_plan(plan: object, minimum: int = 1) -> QueryPlan:
    """Refuse anything but a plan, and a plan with too few points."""
    if not isinstance(plan, QueryPlan):
        raise TypeError(
            f"plan must be a QueryPlan, such as plan_ of the LimeSignatureTransformer that made "
            f"the signatures; got {type(plan).__name__}."
        )
    if len(plan) < minimum:
        raise ValueError(
            f"the plan has {counted(len(plan), 'reference point')}; at least "
            f"{minimum} are needed to see how much they differ. Raise n_reference."
        )
    return plan


def check_points(
    points: QueryPlan | ArrayLike | None, alignment: str | None, S: Signatures
) -> np.ndarray | None:
    """Reference point of each component, numbered from 0; None without `points`."""
    if points is None:
        return None
    if alignment != "nearest":
        raise ValueError(
            "points is used with alignment='nearest' only, which then matches classes inside each "
            f"reference point; got alignment={alignment!r}. Leave points out, or align with "
            "'nearest'."
        )
    check_same_design(S.names, getattr(points, "digest", None), "X", "points")
    point, n_components = np.asarray(getattr(points, "column_point", points)), S.blocks.shape[2]
    if point.shape != (n_components,):
        raise ValueError(
            f"points has shape {point.shape}; expected ({n_components},), the reference point of "
            "each component (plan_.column_point)."
        )
    return np.unique(point, return_inverse=True)[1]


# ---------------------------------------------------------------- values


def _as_rows(S: ArrayLike, name: str) -> np.ndarray:
    # check_array takes longer than the distance of two rows: skip it for what would pass anyway.
    if not (type(S) is np.ndarray and S.dtype == np.float64 and 0 < S.ndim < 3 and S.size):
        S = check_array(
            S, dtype=np.float64, ensure_all_finite=False, ensure_2d=False, input_name=name
        )
    rows = np.atleast_2d(S)
    # Only of contiguous rows does NumPy compute a symmetric product.
    return rows if rows.flags.forc else np.ascontiguousarray(rows)


def _refuse_infinite(rows: np.ndarray, odd: np.ndarray, name: str, first: int) -> None:
    for row in odd:
        columns = np.flatnonzero(np.isinf(rows[row]))
        if columns.size:
            raise ValueError(
                f"row {first + row} of {name} is infinite in {columns.size} columns (the first is "
                f"{columns[0]}). Coefficients must be finite; a class that a model lacks is NaN."
            )


def _refuse_torn(missing: np.ndarray, odd: np.ndarray, name: str, names: np.ndarray | None) -> None:
    """Refuse classes NaN in some of their columns only; `missing` (n_odd, n_classes, n_columns).

    Errors call their rows `odd`.
    """
    torn = np.argwhere(missing.any(axis=2) & ~missing.all(axis=2))
    if torn.size:
        row, block = torn[0]
        labels = class_labels(names)
        label = "" if labels is None else f" ({labels[block]!r})"
        raise ValueError(
            f"row {odd[row]} of {name} is NaN in {missing[row, block].sum()} of the "
            f"{missing.shape[2]} columns of class block {block}{label}; a class that a model lacks "
            f"is NaN in all of them, and no other value may be NaN. Are {missing.shape[1]} classes "
            "right?"
        )


# ---------------------------------------------------------------- class blocks


def _n_classes_under(plan: QueryPlan, width: int, name: str, n_classes: int | None) -> int:
    if width % plan.n_components:
        raise ValueError(
            f"{name} has {width} columns, and the plan {plan.n_components} components per class; "
            "expected a multiple. Pass the plan_ of the transformer that made the signatures."
        )
    found = width // plan.n_components
    if n_classes is not None and check_whole(n_classes, "n_classes") != found:
        raise ValueError(
            f"{name} has {width} columns, {found} classes of the plan's {plan.n_components} "
            f"components, but n_classes={n_classes}. Pass the plan_ and n_classes_ of the "
            "transformer that made the signatures."
        )
    return found


def _n_classes(
    n_classes: int | None, names: np.ndarray | None, width: int, needed: str | None
) -> int | None:
    """Number of class blocks, as given or as feature names tell; else None."""
    named, digest = parse_feature_names(names)
    if (n_classes is not None or needed is not None) and named is None and digest is not None:
        raise ValueError(
            "the feature names show that columns of the signatures were left out or moved, so the "
            "class blocks are unknown. Pass all columns of LimeSignatureTransformer in order."
        )
    if n_classes is None:
        if named is None and needed is not None:
            raise ValueError(
                f"{needed} must know the class blocks of a signature. Pass n_classes=, or a data "
                "frame with the feature names of LimeSignatureTransformer "
                "(set_output(transform='pandas'))."
            )
        return named
    n_classes = check_whole(n_classes, "n_classes")
    if named not in (None, n_classes):
        raise ValueError(
            f"n_classes={n_classes}, but the feature names have {named} classes. Leave n_classes "
            "out, or pass that number."
        )
    if width % n_classes:
        raise ValueError(
            f"{width} columns cannot be n_classes={n_classes} blocks of one length. Pass the "
            "number of classes that LimeSignatureTransformer has in n_classes_."
        )
    return n_classes
