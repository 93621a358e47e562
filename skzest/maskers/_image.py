# SPDX-License-Identifier: BSD-3-Clause
"""Images: super-pixels are the parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._points import Array, Point, Points, is_frame
from .._validation import check_choice, check_whole
from ..drawing import ImagePicture
from ._base import BaseMasker, as_dtype, called_fill
from ._pixels import find_channel_axis, part_means
from ._references import finite_range, numeric_points
from ._rendering import render_arrays
from ._segmenters import SEGMENTERS, renumber

__all__ = ["ImageMasker"]

FILLS = ("mean", "zero", "part_mean")


class ImageMasker(BaseMasker):
    """Cuts images into super-pixels and paints over those that a mask hides.

    Parameters
    ----------
    segmenter : str or callable, default="auto"
        ``"auto"`` uses the released code's segmentation if it yields at most 60 parts (tried only
        for images up to 128 x 128); other images are cut into `n_parts` connected regions.

        ``"quickshift"`` is the released code's cut at any size: about 14 parts at 32 x 32, 100 to
        300 at 224 x 224 and up to 1,800 at 640 x 427. ``"slic"``, ``"felzenszwalb"`` and
        ``"watershed"`` are those of :mod:`skimage.segmentation`; ``"grid"`` makes rectangular
        cells.

        A callable gets an image as float64 of shape (height, width, channels) in 0 to
        `segment_scale`, grey ones with three equal channels and without an alpha channel, and
        returns integer labels of shape (height, width), which are then renumbered 0..K-1.
    n_parts : int, optional
        Cut every image, whatever its size, into this number of connected regions that follow its
        edges. If None, ``"auto"`` makes 45 of images that it does not leave to Quickshift. Needs
        ``segmenter="auto"``.
    segmenter_params : dict, optional
        Keyword arguments of a segmenter other than ``"auto"``. Quickshift has the released code's
        ``kernel_size=4, ratio=0.2, max_dist=200``, and watershed, which runs on the Sobel gradient,
        ``markers=64``; the others have scikit-image's defaults. ``"grid"`` takes
        ``shape=(rows, columns)``, (4, 4) unless given.
    fill : {"mean", "zero", "part_mean"}, number, array or callable, default="mean"
        What hidden pixels become. ``"mean"`` is the mean of the whole reference per channel;
        ``"part_mean"`` the mean colour of each super-pixel, as in LIME. An array holds one
        value per channel or has the shape of an image. A callable gets ``(image, parts)`` and
        returns an array of the image's shape. Rounded if the reference holds integers.
    value_range : pair of numbers, optional
        The values that mean black and white, mapped to 0 and `segment_scale` for the segmenter.
        Default: 0 and 255 for uint8, else the minimum and maximum of the whole reference.
    segment_scale : float, default=255.0
        Images are segmented in 0 to this value. It decides how many parts Quickshift makes: of a
        32 x 32 photograph 1 to 3 in 0-1, and about 14 in 0-255. ``"quickshift"`` with 1.0 makes
        the parts of LIME.
    image_shape : tuple, optional
        The reference consists of flat rows, which are images of this shape: (height, width), or
        with channels. The copies are flat rows again; use this for scikit-learn models of images.
    channel_axis : "auto", int or None, default="auto"
        The axis of *one image* that holds the channels, None for grey images (height, width).
        ``"auto"`` takes the last or the first axis, whichever has size 1 to 4.

    Attributes
    ----------
    point_shape_ : tuple
        Shape of a point in the reference.
    image_shape_ : tuple
        Shape of an image; differs from `point_shape_` for flat rows.
    channel_axis_ : int or None
        The axis of the channels in an image.
    value_range_ : tuple of two floats
        The values that the segmenter sees as 0 and `segment_scale`.
    fill_ : ndarray or None
        The fill of every point; None if each point has its own.
    n_features_in_ : int
        Length of a row. Only with `image_shape`.

    Notes
    -----
    Only what the segmenter sees is rescaled. Copies keep the values, dtype and layout of the
    reference, so uint8 stays uint8 and channels stay first where they were first. Tensors of torch
    become arrays, those of bfloat16 float32.

    Four channels are taken for red, green, blue and alpha: segmenters see the first three, and
    copies keep all four. Images of 2, 5 or more channels are not converted to Lab colours.

    Regions are SLIC super-pixels, about three times as many as wanted, that are merged with the
    neighbour of the most similar colour. At 640 x 427 this takes 0.4 s, and the released code's cut
    11 s (``benchmarks/questions/results/cuts.csv``).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skzest.maskers import ImageMasker
    >>> X, _ = load_digits(return_X_y=True)
    >>> masker = ImageMasker(image_shape=(8, 8)).fit(X)
    >>> parts = masker.cut(X[0])
    >>> n_parts = int(parts.max()) + 1
    >>> parts.shape, 2 <= n_parts <= 20
    ((8, 8), True)
    >>> keep_all = np.ones((1, n_parts), dtype=bool)
    >>> fill = masker.fill_for(X[0], parts)
    >>> bool(np.all(masker.render(X[0], parts, fill, keep_all) == X[0]))
    True
    >>> ImageMasker(n_parts=10, image_shape=(8, 8)).fit(X).cut(X[0]).max() + 1
    np.int64(10)
    """

    few_parts_remedy = (
        "Is the image constant? Leave it out of reference, or use segmenter='grid'. If all are "
        "cut into few parts, give n_parts, or check segment_scale and value_range."
    )
    many_parts_remedy = "Give n_parts, such as ImageMasker(n_parts=45)."
    most_parts = 100

    def __init__(
        self,
        segmenter: str | Callable = "auto",
        *,
        n_parts: int | None = None,
        segmenter_params: Mapping | None = None,
        fill: ArrayLike | Callable = "mean",
        value_range: tuple[float, float] | None = None,
        segment_scale: float = 255.0,
        image_shape: tuple[int, ...] | None = None,
        channel_axis: str | int | None = "auto",
    ):
        self.segmenter = segmenter
        self.n_parts = n_parts
        self.segmenter_params = segmenter_params
        self.fill = fill
        self.value_range = value_range
        self.segment_scale = segment_scale
        self.image_shape = image_shape
        self.channel_axis = channel_axis

    # --- the reference --------------------------------------------------------------------

    def fit(self, reference: Points, y: object = None) -> ImageMasker:
        """Learn the range of values and the fill from the whole reference.

        Parameters
        ----------
        reference : array of shape (n, height, width), with a channel axis (n, ., ., .), or \
                (n, n_features) with `image_shape`
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the images are not finite or not all of one size, if the axis of the channels is
            not clear, or if a parameter does not suit them.
        """
        images, seen_range = self._check(reference)
        self._check_params()
        self.point_shape_ = images.shape[1:]
        self.image_shape_ = self._image_shape(self.point_shape_)
        self.channel_axis_ = find_channel_axis(self.channel_axis, self.image_shape_)
        if self.image_shape is not None:
            self.n_features_in_ = images.shape[1]
        if self.value_range is not None:
            self.value_range_ = tuple(map(float, self.value_range))
        else:
            self.value_range_ = (0.0, 255.0) if images.dtype == np.uint8 else seen_range
        self.fill_ = self._shared_fill(images)
        return self

    def check_reference(self, reference: Points) -> np.ndarray:
        """The reference as an array of images, or of flat rows with `image_shape`.

        Raises
        ------
        ValueError, TypeError
            If the images are not numeric, not finite, not all of one size, or of a rank that
            does not fit `image_shape`.
        """
        return self._check(reference)[0]

    def _check(self, reference: Points) -> tuple[np.ndarray, tuple[float, float]]:
        images = numeric_points(reference, "ImageMasker")
        shape = images.shape
        if self.image_shape is None and images.ndim == 2:
            what = "a DataFrame" if is_frame(reference) else "a 2-D reference"
            raise ValueError(
                f"ImageMasker got {what} of shape {shape}. If its rows are flattened images, give "
                "image_shape=(height, width); if it is a table, use TabularMasker; if it is a "
                "single grey image, give image[None]."
            )
        if self.image_shape is None and self._is_one_image(shape):
            batch = "image[None]" if hasattr(reference, "dtype") else "[image]"
            raise ValueError(
                f"ImageMasker got a reference of shape {shape}, which looks like a single image "
                f"with channels. For a reference of one image give {batch}; if these are grey "
                f"images of {shape[1]} x {shape[2]} pixels, give channel_axis=None."
            )
        if self.image_shape is None and images.ndim not in (3, 4):
            raise ValueError(
                f"ImageMasker got a reference of shape {shape}; it needs (n, height, width) or "
                "(n, height, width, channels) or (n, channels, height, width)."
            )
        if self.image_shape is not None:
            wanted = self._image_shape(())
            if images.ndim != 2 or shape[1] != math.prod(wanted):
                raise ValueError(
                    f"image_shape={wanted} needs a reference of shape (n, {math.prod(wanted)}); "
                    f"got {shape}. For images that are not flattened, leave image_shape out."
                )
        return images, finite_range(images)

    def _is_one_image(self, shape: tuple[int, ...]) -> bool:
        """Whether the first axis is one of the image, and not that of the points."""
        if len(shape) != 3 or self.channel_axis is None:
            return False
        # Three grey images of 32 x 32 look like one image with channels first: not refused.
        return self.channel_axis != "auto" or (shape[2] in (3, 4) and min(shape[:2]) > 4)

    def _check_params(self) -> None:
        if not callable(self.segmenter):
            remedy = "Or give a callable (image) -> labels."
            check_choice(self.segmenter, "segmenter", SEGMENTERS, remedy)
        if self.n_parts is not None:
            check_whole(self.n_parts, "n_parts", minimum=2)
        is_auto = isinstance(self.segmenter, str) and self.segmenter == "auto"
        if self.n_parts is not None and not is_auto:
            raise ValueError(
                f"n_parts={self.n_parts} needs segmenter='auto'; other segmenters have parameters "
                "of their own, such as segmenter_params={'n_segments': 40} for 'slic'."
            )
        if self.segmenter_params and is_auto:
            raise ValueError(
                f"segmenter_params={dict(self.segmenter_params)!r} need a segmenter by name, such "
                "as segmenter='quickshift'; segmenter='auto' takes n_parts."
            )
        if not (np.isfinite(self.segment_scale) and self.segment_scale > 0):
            raise ValueError(f"segment_scale={self.segment_scale!r} must be a positive number.")
        if self.value_range is not None:
            bounds = np.asarray(self.value_range)
            if bounds.shape != (2,) or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
                raise ValueError(
                    f"value_range={self.value_range!r} must be two finite numbers, black < white."
                )

    # --- one point ------------------------------------------------------------------------

    def cut(self, point: np.ndarray) -> np.ndarray:
        """Super-pixels: labels 0..K-1 of shape (height, width)."""
        pixels = self._pixels(point)
        if pixels.shape[-1] == 4:  # an opaque alpha channel would drown the colours
            pixels = pixels[..., :3]
        low, high = self.value_range_
        # One factor: x / 255 * 255 is not always x, and uint8 must arrive unchanged.
        factor = self.segment_scale / (high - low) if high > low else 0.0
        image = (pixels.astype(np.float64) - low) * factor
        if image.shape[-1] == 1:
            # As one channel, 8 x 8 digits give quickshift 1 part; as three, about 6.
            image = np.repeat(image, 3, axis=-1)
        cut = self.segmenter if callable(self.segmenter) else SEGMENTERS[self.segmenter]
        params = dict(self.segmenter_params or {})
        if self.n_parts is not None:
            params["n_parts"] = self.n_parts
        labels = cut(image, **params)
        return renumber(labels, pixels.shape[:2])

    def fill_for(self, point: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """What the pixels become where they are hidden, in the shape and dtype of the point.

        The array may be shared by all points: do not write to it.
        """
        pixels = self._pixels(point)
        if self.fill_ is not None:
            return self.fill_
        if not callable(self.fill):
            return self._point(part_means(pixels, parts), point.dtype)
        image = point.reshape(self.image_shape_)
        return called_fill(self.fill, image, parts).reshape(point.shape)

    def render(
        self,
        point: Point,
        parts: Array,
        fill: Point,
        masks: Array,
        out: np.ndarray | None = None,
    ) -> Points:
        """Masked copies of a point; see :meth:`BaseMasker.render`."""
        shape = self._image_shape(tuple(point.shape))
        axis = find_channel_axis(self.channel_axis, shape)
        return render_arrays(point, parts, fill, masks, shape=shape, channel_axis=axis, out=out)

    def layout(self) -> dict:
        """The constructor parameters that :meth:`render` looks at, fit for JSON."""
        axis = self.channel_axis
        return {
            "image_shape": None if self.image_shape is None else list(self._image_shape(())),
            "channel_axis": axis if axis is None or isinstance(axis, str) else int(axis),
        }

    def picture(self, points: np.ndarray, n: int, parts: np.ndarray) -> ImagePicture:
        """The image with its parts in colour; see :meth:`BaseMasker.picture`."""
        shape = self._image_shape(points.shape[1:])
        axis = find_channel_axis(self.channel_axis, shape)
        image = points[n].astype(np.float64).reshape(shape)
        low, high = 0.0, 255.0
        if points.dtype != np.uint8:
            # Not value_range_: a masker that was rebuilt from a plan's file is not fitted.
            low, high = float(points.min()), float(points.max())
            if low >= 0 and high <= 1:
                low, high = 0.0, 1.0
        image = (image - low) / (high - low or 1.0)
        pixels = image[..., np.newaxis] if axis is None else np.moveaxis(image, axis, -1)
        return ImagePicture(pixels, parts)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = self.image_shape is None
        return tags

    # --- shapes ---------------------------------------------------------------------------

    def _image_shape(self, point_shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.image_shape is None:
            return point_shape
        shape = np.ravel(self.image_shape).tolist()
        if len(shape) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in shape):
            raise ValueError(
                f"image_shape={self.image_shape!r} must be (height, width), or that with channels."
            )
        return tuple(shape)

    def _pixels(self, point: np.ndarray) -> np.ndarray:
        """The point as (height, width, channels), a view."""
        check_is_fitted(self)
        if point.shape != self.point_shape_:
            raise ValueError(
                f"the point has shape {point.shape}, but ImageMasker was fitted on points of "
                f"shape {self.point_shape_}. Fit it on this reference."
            )
        image = point.reshape(self.image_shape_)
        if self.channel_axis_ is None:
            return image[..., np.newaxis]
        return np.moveaxis(image, self.channel_axis_, -1)

    def _point(self, pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The inverse of `_pixels`, in the dtype of the points."""
        if self.channel_axis_ is not None:
            pixels = np.moveaxis(pixels, -1, self.channel_axis_)
        return np.ascontiguousarray(as_dtype(pixels, dtype).reshape(self.point_shape_))

    # --- fills ----------------------------------------------------------------------------

    def _shared_fill(self, images: np.ndarray) -> np.ndarray | None:
        """The fill of every point, or None if it depends on the point."""
        fill = self.fill
        if callable(fill):
            return None
        if fill is None or isinstance(fill, str):
            check_choice(fill, "fill", FILLS, "Or give a number, an array or a callable.")
            if fill == "part_mean":
                return None
            values: Any = 0.0
            if fill == "mean":
                # First over points, in whole rows: quick in any layout, and without a copy.
                pixels = self._pixels(images.mean(axis=0, dtype=np.float64))
                # In one order of memory, so that every layout gives the same bits.
                values = np.ascontiguousarray(pixels).mean(axis=(0, 1))
        else:
            values = self._given_fill(np.asarray(fill))
        shape = self._pixels(images[0]).shape
        return self._point(np.broadcast_to(values, shape), images.dtype)

    def _given_fill(self, values: np.ndarray) -> np.ndarray:
        """An array that the user gave, so that it broadcasts to (height, width, channels)."""
        if values.shape in (self.image_shape_, self.point_shape_):
            return self._pixels(values.reshape(self.point_shape_))
        n_channels = 1 if self.channel_axis_ is None else self.image_shape_[self.channel_axis_]
        if values.shape not in ((), (n_channels,)):
            raise ValueError(
                f"fill has shape {values.shape}; it must be one number, one per channel "
                f"({n_channels},), or an image of shape {self.image_shape_}."
            )
        return values
