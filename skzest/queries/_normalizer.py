# SPDX-License-Identifier: BSD-3-Clause
"""``mean=`` and ``std=`` of images, for arrays of NumPy and torch alike."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of
from numpy.typing import ArrayLike

from ._base import Array

__all__ = ["ImageNormalizer"]


class ImageNormalizer:
    """Images as floating ``(x - mean) / std``; uint8 images are divided by 255 first.

    What torchvision's ``ToTensor`` and ``Normalize`` do, for a batch of any layout.

    Parameters
    ----------
    mean, std : number or sequence of one per channel
        In the range of the images, that of uint8 images being 0 to 1.
    n_channels : int, default=None
        Number of channels, where `mean` and `std` are one number each.
    dtype : {"float32", "float64"}, default="float32"
        Of the result.
    channels_first : bool, default=False
        Return (n, channels, height, width), whatever the layout of the batch. By default the
        layout stays as it is.

    Raises
    ------
    ValueError
        If `mean` or `std` is missing, is not finite, does not fit the number of channels, or if
        `std` is not positive. When called, if no axis of the batch can hold the channels, or if
        uint8 images come with a `mean` or `std` above 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import ImageNormalizer
    >>> white = np.full((1, 4, 4, 3), 255, dtype=np.uint8)
    >>> bool((ImageNormalizer(mean=0.5, std=0.25)(white) == 2).all())
    True
    """

    def __init__(
        self,
        mean: ArrayLike | None,
        std: ArrayLike | None,
        *,
        n_channels: int | None = None,
        dtype: str = "float32",
        channels_first: bool = False,
    ):
        if mean is None or std is None:
            raise ValueError(f"mean={mean!r} and std={std!r}: give both, such as mean=0, std=1.")
        self.mean, self.std = _per_channel(mean, "mean"), _per_channel(std, "std")
        if not (self.std > 0).all():
            raise ValueError(f"std={std!r} must be positive.")
        counts = {len(self.mean), len(self.std), n_channels or 1} - {1}
        if len(counts) > 1:
            raise ValueError(
                f"mean has {len(self.mean)} values, std has {len(self.std)}, and the module takes "
                f"{n_channels or 'any number of'} channels; give one number, or one per channel."
            )
        self.n_channels, self.dtype = max(counts, default=1), dtype
        self.channels_first = channels_first

    def __call__(self, X: Array) -> Array:
        """The batch, normalised."""
        xp, shape = array_namespace(X), tuple(X.shape)
        axis, unit = self._axis(shape), self._unit(X)
        factors = [1 / (unit * self.std), -self.mean / self.std]
        x = xp.astype(X, getattr(xp, self.dtype), copy=True)
        if axis == 1:
            factors = [values.reshape(-1, 1, 1) for values in factors]
        elif axis == 3:  # whole rows: loops over three channels take eight times as long
            factors = [np.tile(np.broadcast_to(v, self.n_channels), shape[2]) for v in factors]
            x = x.reshape(shape[0], shape[1], -1)
        scale, shift = (
            xp.asarray(values.astype(self.dtype), device=device_of(X)) for values in factors
        )
        x *= scale
        x += shift
        return self._arranged(x.reshape(shape), axis)

    def _arranged(self, x: Array, axis: int | None) -> Array:
        if not self.channels_first or axis == 1:
            return x
        return x[:, None] if axis is None else array_namespace(x).moveaxis(x, axis, 1)

    def _unit(self, X: Array) -> float:
        """What counts as 1 in the batch."""
        if not str(X.dtype).endswith("uint8"):
            return 1.0
        if max(np.abs(self.mean).max(), self.std.max()) > 1:
            raise ValueError(
                f"mean={self.mean.tolist()} and std={self.std.tolist()} are outside 0-1, the range "
                "in which uint8 images are normalized; divide both by 255."
            )
        return 255.0

    def _axis(self, shape: tuple[int, ...]) -> int | None:
        """The axis of the channels; None where there is none, or none is needed."""
        n = self.n_channels
        if n == 1 and (not self.channels_first or len(shape) == 3):
            return None
        if len(shape) == 4 and (shape[1] == n) != (shape[3] == n):
            return 1 if shape[1] == n else 3
        which = "either" if len(shape) == 4 and shape[1] == n else "no"
        raise ValueError(
            f"copies have shape {shape}, and {which} axis can hold the {n} channels of mean and "
            "std, which are for images of shape (height, width, channels) or (channels, height, "
            "width); pass preprocess=, a function of the batch, instead."
        )

    def _values(self) -> tuple[object, ...]:
        parts = (self.mean.tolist(), self.std.tolist())
        return (*map(tuple, parts), self.n_channels, self.dtype, self.channels_first)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageNormalizer) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())


def _per_channel(values: ArrayLike, name: str) -> np.ndarray:
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name}={values!r} must be one finite number, or one per channel.")
    return array
