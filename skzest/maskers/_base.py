# SPDX-License-Identifier: BSD-3-Clause
"""What every masker does: cut a point into parts and make masked copies of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np
from array_api_compat import array_namespace, is_torch_namespace
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator

from .._points import Array, Point, Points, take, to_host
from ..drawing import BarsPicture, Picture

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


def render_arrays(
    point: Array,
    parts: Array,
    fill: Array,
    masks: Array,
    *,
    shape: tuple[int, ...] | None = None,
    channel_axis: int | None = None,
    out: np.ndarray | None = None,
) -> Array:
    """Copies of ``point`` in which the parts that ``masks`` leaves out are ``fill``.

    Parameters
    ----------
    point, fill : arrays of one shape and dtype
    parts : array of int
        In the shape of the image without its channel axis or its trailing axes.
    masks : array of bool, shape (n_masks, n_parts)
    shape : tuple, optional
        Shape of the image when the point is a flat row.
    channel_axis : int, optional
        The axis of the image that the parts lack.
    out : ndarray of shape (n_masks, ...), optional
        Where copies of a NumPy array are written.
    """
    xp = array_namespace(masks)
    shape = tuple(point.shape) if shape is None else shape
    without_channels = tuple(n for axis, n in enumerate(shape) if axis != channel_axis)
    if tuple(parts.shape) != without_channels[: parts.ndim]:
        raise ValueError(f"parts of shape {tuple(parts.shape)} do not fit a point of {shape}.")
    if channel_axis is not None:
        parts = xp.expand_dims(parts, axis=channel_axis)
    while parts.ndim < len(shape):
        parts = xp.expand_dims(parts, axis=parts.ndim)
    # One label per element, not per pixel: where() then runs over long rows. Broadcasting over
    # a last axis of 3 channels instead takes twice as long at 224 x 224 and four times at
    # 32 x 32 (NumPy), and the labels need no more memory than a point.
    if tuple(parts.shape) != shape:
        parts = xp.broadcast_to(parts, shape)
    labels = xp.reshape(parts, (-1,))
    if is_torch_namespace(xp):
        # The same as take(), which is four times as slow in torch on a CPU.
        keep = xp.gather(masks, 1, labels.expand(masks.shape[0], -1))
    elif np.array_equal(labels, np.arange(masks.shape[1])):  # in a table every column is a part
        keep = masks
    else:
        keep = xp.take(masks, labels, axis=1)
    rows = None if out is None else out.reshape(masks.shape[0], -1)
    copies = _chosen(xp, keep, xp.reshape(point, (1, -1)), xp.reshape(fill, (1, -1)), rows)
    return xp.reshape(copies, (masks.shape[0], *point.shape))


def _chosen(
    xp: ModuleType, keep: Array, point: Array, fill: Array, out: np.ndarray | None
) -> Array:
    """``where(keep, point, fill)``, on a CPU through the bits that differ.

    where() takes twice as long for uint8 images of 224 x 224, and three times for tables of 200
    columns. A GPU would make more passes over memory.
    """
    is_cpu = not is_torch_namespace(xp) or point.device.type == "cpu"
    is_number = xp.isdtype(point.dtype, ("bool", "numeric")) and point.dtype == fill.dtype
    bits = getattr(xp, f"int{8 * point.dtype.itemsize}", None) if is_cpu and is_number else None
    if bits is None:
        copies = xp.where(keep, point, fill)
        if out is not None:
            out[...] = copies
        return copies
    differing = point.view(bits) ^ fill.view(bits)
    copies = keep * differing if out is None else np.multiply(keep, differing, out=out.view(bits))
    copies ^= fill.view(bits)
    return copies.view(point.dtype)


# --- references -----------------------------------------------------------------------------


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
