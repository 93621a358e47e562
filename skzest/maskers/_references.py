# SPDX-License-Identifier: BSD-3-Clause
"""References as arrays of numbers, and the reasons why some are refused."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from .._points import Point, Points, to_host

__all__ = ["check_finite", "finite_range", "first_of", "numeric_points", "refuse_dataset"]


def numeric_points(reference: Points, owner: str) -> np.ndarray:
    """The reference as an array of real numbers, (n_points, ...), shared where possible.

    Tensors of torch are accepted; bfloat16, which NumPy lacks, becomes float32.
    """
    refuse_dataset(reference)
    if sparse.issparse(reference):
        raise TypeError(
            f"{owner} got a sparse {type(reference).__name__}; masked copies are dense. "
            "Give reference.toarray()."
        )
    if isinstance(reference, np.ma.MaskedArray):
        raise TypeError(
            f"{owner} got a masked array, whose mask would be lost. Give reference.filled(value)."
        )
    try:
        points = np.asarray(to_host(reference))
    except ValueError:
        points = np.empty(0, dtype=object)
    if points.dtype == object:
        raise ValueError(_why_object(reference, owner))
    if points.dtype.name == "bfloat16":  # of the package ml_dtypes
        points = points.astype(np.float32)
    if points.dtype.kind not in "biuf":
        raise ValueError(
            f"{owner} got a reference of dtype {points.dtype}; it needs real numbers or bools."
        )
    if points.ndim < 2 or points.size == 0:
        raise ValueError(
            f"{owner} got a reference of shape {points.shape}; it needs (n_points, ...) with "
            "at least one point and one element. For a single point give reference[np.newaxis]."
        )
    if not points.dtype.isnative:  # where() answers in native order, and torch has no other
        points = points.astype(points.dtype.newbyteorder("="))
    return points


def refuse_dataset(reference: Points) -> None:
    """Refuse models, and a dataset whose items are points with labels."""
    for thing in (reference, first_of(reference)):
        if any(hasattr(thing, name) for name in ("predict", "forward")):
            raise TypeError(
                f"reference holds a model ({type(thing).__name__}); it is data of the models' "
                "task, such as X[:128]. Models go to fit: "
                "LimeSignatureTransformer(X[:128]).fit_transform(models)."
            )
    if hasattr(reference, "dataset") and hasattr(reference, "batch_size"):
        raise TypeError(
            "reference is a DataLoader. Give the points of its dataset: np.stack("
            "[reference.dataset[i][0] for i in range(len(reference.dataset))])."
        )
    if hasattr(reference, "dtype") or hasattr(reference, "iloc"):
        return
    first = first_of(reference)
    if isinstance(first, Mapping):
        key = next(iter(first), None)
        raise TypeError(
            f"reference is a dataset whose items have the keys {list(first)[:6]}; give the points "
            f"alone, such as [item[{key!r}] for item in reference]."
        )
    if _has_label(first):
        is_text = isinstance(first[0], str)
        points = "[reference[i][0] for i in range(len(reference))]"
        raise TypeError(
            "reference is a dataset of points with labels; give the points alone: "
            f"{points if is_text else f'np.stack({points})'}."
        )


def first_of(reference: Points) -> Point:
    """The first point, or None if it cannot be taken."""
    try:
        return reference[0]
    except (TypeError, KeyError, IndexError, NotImplementedError):
        return None


def _has_label(item: object) -> bool:
    """Whether this is (point, label) or the like, not a point in nested lists."""
    if not isinstance(item, (tuple, list)) or not item:
        return False
    if isinstance(item[0], str):
        return isinstance(item, tuple)
    try:
        shapes = {np.shape(part) for part in item}
    except ValueError:
        return False
    return np.ndim(item[0]) > 0 and (len(shapes) > 1 or (len(item) == 1 and type(item) is tuple))


def _why_object(reference: Points, owner: str) -> str:
    """Why NumPy could not make numbers of the reference."""
    try:
        shapes = [np.shape(point) for point in reference]
    except TypeError:
        return f"{owner} got a {type(reference).__name__}; it needs an array of numbers."
    for n, shape in enumerate(shapes):
        if shape != shapes[0]:
            return (
                f"{owner} got points of different shapes: {shapes[0]} at 0, {shape} at {n}. "
                "Give all points one shape (resize or crop them)."
            )
    return (
        f"{owner} got a reference of Python objects; it needs numbers. If these are arrays of "
        "one shape, give np.stack(reference)."
    )


def finite_range(points: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value, all being finite."""
    # min and max carry NaN and infinity through, and need no array of the reference's size.
    low, high = float(points.min()), float(points.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        for n, point in enumerate(points):
            check_finite(point, n)
    return low, high


def check_finite(point: np.ndarray, n: int) -> None:
    """Refuse a point with NaN or infinity."""
    bad = point.size - np.count_nonzero(np.isfinite(point))
    if bad:
        raise ValueError(
            f"reference point {n} holds {bad} non-finite values (NaN or infinity) of "
            f"{point.size}. Leave it out of reference, or replace them."
        )
