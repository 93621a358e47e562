# SPDX-License-Identifier: BSD-3-Clause
"""What every masker does: a point is cut into parts, and masked copies of it are made."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_torch_namespace
from scipy import sparse
from sklearn.base import BaseEstimator

from ..drawing import BarsPicture, Picture

__all__ = ["BaseMasker"]


class BaseMasker(BaseEstimator):
    """Base of all maskers, and the place to start for one of your own.

    A masker knows one kind of input. It cuts a point into parts, says what a hidden part
    becomes, and makes the masked copies that a model is asked about. It never sees a model.
    The calls come in this order::

        masker.fit(reference)                       # statistics of the whole reference
        reference = masker.check_reference(reference)
        points = masker.take(reference, indices)    # the points that are asked about
        point = masker.point(points, n)             # for each of them:
        parts = masker.cut(point)
        fill = masker.fill_for(point, parts)
        copies = masker.render(point, parts, fill, masks)

    Attributes
    ----------
    array_points : bool
        Whether a point is a numeric array, so that :meth:`render` takes NumPy arrays and torch
        tensors alike. Set it to False for points of another kind (text, data frames), which
        are then rendered on the host only.
    few_parts_remedy : str
        What to do about a point of fewer than two parts: the end of the caller's error message.

    Notes
    -----
    **To write a masker of your own**, subclass and write :meth:`cut` and :meth:`fill_for`. For
    numeric points that is all: the other methods have defaults. The rules are those of a
    scikit-learn estimator (``__init__`` stores its parameters and does nothing else), and:

    - fitted attributes end in an underscore, and come from the *whole* reference; if they came
      from the chosen points, the first points of a larger set would get other questions;
    - nothing writes to the reference, and it is not copied without need;
    - :meth:`cut` and :meth:`fill_for` are deterministic;
    - :meth:`render` looks at constructor parameters only, never at what was fitted, and
      :meth:`layout` names the parameters it looks at: a plan that was saved is rendered
      elsewhere by ``type(masker)(**layout)``;
    - a mask that keeps every part gives back the point, bit for bit;
    - an error gives the fact, the value and the remedy. The caller adds which point it was.

    :func:`skzest.testing.check_masker` puts a masker through these rules.

    Examples
    --------
    A signal, cut into quarters that are silenced:

    >>> import numpy as np
    >>> from skzest.maskers import BaseMasker
    >>> from skzest.testing import check_masker
    >>> class QuarterMasker(BaseMasker):
    ...     def cut(self, point):
    ...         return np.arange(point.size) * 4 // point.size
    ...
    ...     def fill_for(self, point, parts):
    ...         return np.zeros_like(point)
    >>> signals = np.arange(1.0, 25.0).reshape(3, 8)
    >>> masker = QuarterMasker().fit(signals)
    >>> parts = masker.cut(signals[0])
    >>> masks = np.array([[True, False, False, True]])
    >>> masker.render(signals[0], parts, np.zeros(8), masks).tolist()
    [[1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 7.0, 8.0]]
    >>> check_masker(QuarterMasker(), signals)
    """

    array_points: bool = True
    few_parts_remedy = "Leave it out of reference, or use another masker."

    def fit(self, reference: Any, y: Any = None) -> BaseMasker:
        """Learn what filling and cutting need from the whole reference.

        Parameters
        ----------
        reference : container of points
            Never copied or changed.
        y : ignored

        Returns
        -------
        self
        """
        self.check_reference(reference)
        return self

    def check_reference(self, reference: Any) -> Any:
        """The reference as the container that points are taken from.

        By default a finite, numeric array of shape (n_points, ...). The data is shared
        wherever NumPy can share it; memory maps and read-only arrays are welcome.

        Raises
        ------
        ValueError, TypeError
            If the points cannot be masked.
        """
        points = numeric_points(reference, type(self).__name__)
        finite_range(points)
        return points

    def take(self, reference: Any, indices: Any) -> Any:
        """The chosen points, in a container of the same kind."""
        return reference[np.asarray(indices, dtype=np.intp)]

    def point(self, points: Any, n: int) -> Any:
        """One point of a container."""
        return points[n]

    def cut(self, point: Any) -> np.ndarray:
        """The part that each element belongs to.

        Returns
        -------
        parts : ndarray of int
            Labels 0..K-1, each present. By default the shape is that of the point, or of its
            leading axes (the elements along the other axes are then hidden together). A point
            that is no array may have -1 for what belongs to no part and is always kept.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define cut()")

    def fill_for(self, point: Any, parts: np.ndarray) -> Any:
        """What the point becomes where it is hidden: same type, shape and dtype as the point."""
        raise NotImplementedError(f"{type(self).__name__} does not define fill_for()")

    def render(self, point: Any, parts: Any, fill: Any, masks: Any) -> Any:
        """Masked copies of a point: parts whose mask is True are kept, the others filled.

        Parameters
        ----------
        point, parts, fill : arrays
            As from :meth:`point`, :meth:`cut` and :meth:`fill_for`.
        masks : array of bool, shape (n_masks, n_parts)
            Arrays are of one namespace, NumPy or torch, and lie on one device.

        Returns
        -------
        copies : array of shape (n_masks, ...)
            With the dtype of the point.
        """
        return render_arrays(point, parts, fill, masks)

    def layout(self) -> dict:
        """The constructor parameters that :meth:`render` looks at, fit for JSON."""
        return {}

    # --- for readers ----------------------------------------------------------------------

    def part_names(self, point: Any, parts: np.ndarray) -> list[str]:
        """What a reader calls each part: a word, a column, a stretch of time; else its number."""
        return [f"part {k}" for k in range(int(parts.max()) + 1)]

    def picture(self, points: Any, n: int, parts: np.ndarray) -> Picture:
        """How point `n` of a container is drawn with a value for each part.

        By default one bar for each part. Like :meth:`render` and :meth:`part_names`, this looks
        at constructor parameters only, so that the points of a saved plan can be drawn.
        """
        return BarsPicture(self.part_names(self.point(points, n), parts))


def render_arrays(point, parts, fill, masks, *, shape=None, channel_axis=None):
    """Copies of ``point`` in which the parts that ``masks`` leaves out are ``fill``.

    Parameters
    ----------
    point, fill : arrays of one shape and dtype
    parts : array of int
        Shaped as the image, less its channel axis or its trailing axes.
    masks : array of bool, shape (n_masks, n_parts)
    shape : tuple, optional
        Shape of the image when the point is a flat row.
    channel_axis : int, optional
        The axis of the image that the parts lack.
    """
    xp = array_namespace(masks)
    shape = tuple(point.shape) if shape is None else shape
    if channel_axis is not None:
        parts = xp.expand_dims(parts, axis=channel_axis)
    while parts.ndim < len(shape):
        parts = xp.expand_dims(parts, axis=parts.ndim)
    # One label per element, not per pixel: where() then runs over long rows. Broadcasting over
    # a last axis of 3 channels instead costs twice the time at 224 x 224 and four times at
    # 32 x 32 (NumPy), and the label row is one point's worth of memory.
    labels = xp.reshape(xp.broadcast_to(parts, shape), (-1,))
    if is_torch_namespace(xp):
        # The same as take(): which makes torch on a CPU four times as slow.
        keep = xp.gather(masks, 1, labels.expand(masks.shape[0], -1))
    else:
        keep = xp.take(masks, labels, axis=1)
    copies = xp.where(keep, xp.reshape(point, (1, -1)), xp.reshape(fill, (1, -1)))
    return xp.reshape(copies, (masks.shape[0], *point.shape))


def numeric_points(reference: Any, owner: str) -> np.ndarray:
    """The reference as an array of real numbers, (n_points, ...), shared if it can be."""
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
        points = np.asarray(reference)
    except ValueError:
        points = np.empty(0, dtype=object)
    if points.dtype == object:
        raise ValueError(_why_object(reference, owner))
    if points.dtype.kind not in "biuf":
        raise ValueError(
            f"{owner} got a reference of dtype {points.dtype}; it needs real numbers or bools."
        )
    if points.ndim < 2 or points.size == 0:
        raise ValueError(
            f"{owner} got a reference of shape {points.shape}; it needs (n_points, ...) with "
            "at least one point and one element. For a single point give reference[np.newaxis]."
        )
    if not points.dtype.isnative:  # where() would answer in native order, and torch has no other
        points = points.astype(points.dtype.newbyteorder("="))
    return points


def _why_object(reference: Any, owner: str) -> str:
    """Why NumPy could not make numbers of the reference."""
    shapes = [np.shape(point) for point in reference]
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
            bad = point.size - np.count_nonzero(np.isfinite(point))
            if bad:
                raise ValueError(
                    f"reference point {n} holds {bad} non-finite values (NaN or infinity) of "
                    f"{point.size}. Leave it out of reference, or replace them."
                )
    return low, high


def as_dtype(values: Any, dtype: np.dtype, *, allow_nan: bool = False) -> np.ndarray:
    """Fill values in the dtype of the points: rounded for integers, refused if they do not fit."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"fill has dtype {values.dtype}, but the points hold numbers ({dtype}).")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            filled = values.astype(dtype)
        fits = np.isfinite(filled) | (allow_nan & np.isnan(values))
    else:
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if values.dtype.kind == "f":
            values = np.rint(values.astype(np.float64))
        fits = (values >= low) & (values <= high)
        # As a float, 2**63 - 1 is 2**63: it passes the test, and would wrap around.
        highest = values >= high
        filled = np.where(highest | ~fits, 0, values).astype(dtype)
        filled[highest] = high
    if not fits.all():
        worst = values[~fits].flat[0] if values.ndim else values[()]
        raise ValueError(
            f"fill value {worst} does not fit the points' dtype {dtype}. Choose a fill that it "
            "can hold, or convert the reference (and what the model is fed) to floats."
        )
    return filled


def is_frame(reference: Any) -> bool:
    """Whether this is a pandas DataFrame, told without importing pandas."""
    return hasattr(reference, "iloc") and hasattr(reference, "columns")


def is_scalar(value: Any) -> bool:
    """Whether a fill is one value, not a sequence of them."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0
    return isinstance(value, (str, bytes)) or not hasattr(value, "__len__")
