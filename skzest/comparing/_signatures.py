# SPDX-License-Identifier: BSD-3-Clause
"""Checks of signatures as rows of numbers: values, class blocks, points of the components."""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np

from .._validation import check_whole
from ..plan import check_same_design, parse_feature_names
from ._metrics import peaks


class SignatureRows(NamedTuple):
    """Signatures without infinite values, and what is known of each."""

    values: np.ndarray  # (n_models, n_classes * n_components)
    peak: np.ndarray  # (n_models,): largest absolute value; NaN if all are missing
    holes: np.ndarray  # (n_models,): whether some are missing
    present: np.ndarray  # (n_models, n_classes): which classes are there

    def only(self, which: np.ndarray) -> SignatureRows:
        """The same of some of the models."""
        return SignatureRows(
            self.values[which], self.peak[which], self.holes[which], self.present[which]
        )


def examined(X: np.ndarray, n_classes: int | None, name: str = "X") -> SignatureRows:
    """Look through signatures once; without `n_classes`, a row is one block that may have holes.

    Raises
    ------
    ValueError
        If a value is infinite, or a class is NaN in some of its columns only.
    """
    peak, holes = peaks(X)
    infinite = np.flatnonzero(np.isinf(peak))
    if infinite.size:
        columns = np.flatnonzero(np.isinf(X[infinite[0]]))
        raise ValueError(
            f"row {infinite[0]} of {name} is infinite in {columns.size} columns (the first is "
            f"{columns[0]}). Coefficients must be finite; a class that a model lacks is NaN."
        )
    if n_classes is None:
        present = np.ones((len(X), 1), dtype=bool)
    else:
        present = present_classes(X, holes, n_classes, name)
    return SignatureRows(X, peak, holes, present)


def with_nan(X: np.ndarray, missing_values: Any, name: str) -> np.ndarray:
    """`X` with NaN in place of `missing_values`."""
    if isinstance(missing_values, bool) or not isinstance(missing_values, numbers.Real):
        raise TypeError(f"missing_values must be a number or NaN; got {missing_values!r}.")
    if math.isnan(missing_values):
        return X
    if np.isnan(X).any():
        raise ValueError(
            f"{name} holds NaN, but missing_values={missing_values!r}. Keep to one of them."
        )
    return np.where(missing_values == X, np.nan, X)


def known_n_classes(
    n_classes: Any, names: np.ndarray | None, width: int, *, needed: str | None = None
) -> Any:
    """Return the number of class blocks, as given or as feature names tell; else None.

    Parameters
    ----------
    n_classes : int or None
    names : feature names, or None
    width : number of columns
    needed : who cannot do without it, for the error
    """
    told, digest = parse_feature_names(names)
    asked = n_classes is not None or needed is not None
    if asked and told is None and digest is not None:
        raise ValueError(
            "feature names tell that columns of the signatures were left out or moved, so class "
            "blocks cannot be told apart. Pass all columns of LimeSignatureTransformer in order."
        )
    if n_classes is None:
        if told is None and needed is not None:
            raise ValueError(
                f"{needed} must know the class blocks of a signature. Pass n_classes=, or a data "
                "frame with the feature names of LimeSignatureTransformer "
                "(set_output(transform='pandas'))."
            )
        return told
    n_classes = check_whole(n_classes, "n_classes")
    if told not in (None, n_classes):
        raise ValueError(f"n_classes={n_classes}, but feature names tell of {told} classes.")
    if width % n_classes:
        raise ValueError(
            f"{width} columns cannot be n_classes={n_classes} blocks of one length. Pass the "
            "number of classes that LimeSignatureTransformer has in n_classes_."
        )
    return n_classes


def present_classes(
    X: np.ndarray, holes: np.ndarray, n_classes: int, name: str = "X"
) -> np.ndarray:
    """Which classes each model has, (n_models, n_classes).

    Raises
    ------
    ValueError
        If a class is NaN in some of its columns only.
    """
    present = np.ones((len(X), n_classes), dtype=bool)
    rows = np.flatnonzero(holes)
    if rows.size:
        gone = np.isnan(X[rows]).reshape(len(rows), n_classes, -1)
        missing = gone.sum(axis=2)
        torn = np.argwhere((missing > 0) & (missing < gone.shape[2]))
        if torn.size:
            row, block = torn[0]
            raise ValueError(
                f"row {rows[row]} of {name} is NaN in {missing[row, block]} of the "
                f"{gone.shape[2]} columns of class block {block}; a class that a model lacks is "
                f"NaN in all of them, and no other value may be. Is n_classes={n_classes} right?"
            )
        present[rows] = missing == 0
    return present


def check_points(
    points: Any, method: str | None, n_components: int, names: np.ndarray | None
) -> np.ndarray | None:
    """Reference point of each component as whole numbers from 0, or None."""
    if points is None:
        return None
    if method != "nearest":
        raise ValueError(
            f"points= goes with 'nearest', which matches classes inside each reference point; "
            f"got {method!r}. Leave points out, or align with 'nearest'."
        )
    check_same_design(names, getattr(points, "digest", None), "X", "points")
    point = np.asarray(getattr(points, "column_point", points))
    if point.shape != (n_components,):
        raise ValueError(
            f"points has shape {point.shape}; expected ({n_components},), the reference point of "
            "each component (plan_.column_point)."
        )
    return np.unique(point, return_inverse=True)[1]
