# SPDX-License-Identifier: BSD-3-Clause
"""What every masker does: cut a point into parts and make masked copies of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._points import Array, Point, Points, take
from ..drawing import BarsPicture, Picture
from ._references import finite_range, numeric_points
from ._rendering import render_arrays

__all__ = ["BaseMasker", "takes_out"]


class BaseMasker(BaseEstimator):
    """Base class of all maskers, including your own.

    A masker handles one kind of input. It cuts a point into parts, decides what a hidden part
    becomes, and makes the masked copies that models are asked about. It never sees a model.
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
        tensors alike. Set it to False for other points (text, data frames), which are rendered
        on the host only.
    few_parts_remedy : str
        What to do about a point of fewer than two parts: the end of the caller's error message.
    many_parts_remedy : str
        What to do about a point with more parts than masks can separate.
    most_parts : int or None
        A plan with a point of more parts than this comes with a warning.

    Notes
    -----
    **To write a masker**, subclass and define :meth:`cut` and :meth:`fill_for`. For numeric points
    that is all: the other methods have defaults. :meth:`part_names` and :meth:`picture` decide how
    explanations, displays and reports name and draw the parts. The rules are those of a
    scikit-learn estimator (``__init__`` stores its parameters and does nothing else), and:

    - fitted attributes end in an underscore and come from the *whole* reference; if they came
      from the chosen points, the same point would get other questions in a larger set;
    - nothing writes to the reference, and it is not copied without need;
    - :meth:`cut` and :meth:`fill_for` are deterministic;
    - :meth:`render` depends on constructor parameters only, never on fitted attributes, and
      :meth:`layout` names the parameters that it uses: a saved plan is rendered elsewhere by
      ``type(masker)(**layout)``;
    - :meth:`render` may have a parameter ``out=None``, an array in which NumPy copies are written
      instead of a new one, which saves time;
    - a mask that keeps every part gives back the point, bit for bit;
    - an error gives the fact, the value and the remedy. The caller adds which point it was.

    :func:`skzest.testing.check_masker` checks a masker against these rules.

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
    many_parts_remedy = "Use a masker that makes fewer parts."
    most_parts: int | None = None

    def fit(self, reference: Points, y: object = None) -> BaseMasker:
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

    def check_reference(self, reference: Points) -> Points:
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

    def take(self, reference: Points, indices: ArrayLike) -> Points:
        """The chosen points, in a container of the same kind."""
        return take(reference, indices)

    def point(self, points: Points, n: int) -> Point:
        """One point of a container."""
        return points[n]

    def cut(self, point: Point) -> np.ndarray:
        """The part that each element belongs to.

        Returns
        -------
        parts : ndarray of int
            Labels 0..K-1, each present. By default the shape is that of the point, or of its
            leading axes (the elements along the other axes are then hidden together). Where
            points are not arrays, -1 labels what belongs to no part and is always kept.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define cut()")

    def fill_for(self, point: Point, parts: np.ndarray) -> Point:
        """What the point becomes where it is hidden: same type, shape and dtype as the point."""
        raise NotImplementedError(f"{type(self).__name__} does not define fill_for()")

    def render(self, point: Point, parts: Array, fill: Point, masks: Array) -> Points:
        """Masked copies of a point: parts whose mask is True are kept, the others filled.

        Parameters
        ----------
        point, parts, fill : arrays
            As from :meth:`point`, :meth:`cut` and :meth:`fill_for`.
        masks : array of bool, shape (n_masks, n_parts)
            All arrays are of one namespace, NumPy or torch, and on one device.

        Returns
        -------
        copies : array of shape (n_masks, ...)
            With the dtype of the point.
        """
        return render_arrays(point, parts, fill, masks)

    def layout(self) -> dict:
        """The constructor parameters that :meth:`render` uses, as JSON can hold them."""
        return {}

    # --- for readers ----------------------------------------------------------------------

    def part_names(self, point: Point, parts: np.ndarray) -> list[str]:
        """What a reader calls each part: a word, a column, a stretch of time; else its number."""
        return [f"part {k}" for k in range(int(parts.max()) + 1)]

    def picture(self, points: Points, n: int, parts: np.ndarray) -> Picture:
        """How point `n` of a container is drawn with a value for each part.

        By default one bar for each part. Like :meth:`render` and :meth:`part_names`, this depends
        on constructor parameters only, so that the points of a saved plan can be drawn.
        """
        return BarsPicture(self.part_names(self.point(points, n), parts))


def takes_out(masker: BaseMasker) -> bool:
    """Whether its :meth:`~BaseMasker.render` has the parameter ``out``."""
    return "out" in inspect.signature(masker.render).parameters


# --- fills ----------------------------------------------------------------------------------


def as_dtype(values: ArrayLike, dtype: np.dtype, *, allow_nan: bool = False) -> np.ndarray:
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


def called_fill(fill: Callable, point: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """What a user's fill returns for a point, checked and in its dtype."""
    # Read-only views: the point may be a row of the caller's own data.
    view, labels = point.view(), parts.view()
    view.flags.writeable = labels.flags.writeable = False
    values = np.asarray(fill(view, labels))
    if values.shape != point.shape:
        raise ValueError(
            f"fill returned shape {values.shape} for a point of shape {point.shape}; it must "
            "return one value for each of the point's."
        )
    return as_dtype(values, point.dtype)


def is_scalar(value: object) -> bool:
    """Whether a fill is one value, not a sequence of them."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0
    return isinstance(value, (str, bytes)) or not hasattr(value, "__len__")
