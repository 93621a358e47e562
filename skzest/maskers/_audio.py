# SPDX-License-Identifier: BSD-3-Clause
"""Sounds: segments of time are the parts."""

from __future__ import annotations

import itertools
import operator
import zlib
from collections.abc import Callable
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._points import Array, Point, Points, to_host
from .._validation import check_choice
from ..drawing import SoundPicture
from ._base import BaseMasker, as_dtype, called_fill
from ._references import check_finite, finite_range, numeric_points, refuse_dataset
from ._rendering import render_arrays

__all__ = ["AudioMasker"]

FILLS = ("silence", "mean", "noise")


class AudioMasker(BaseMasker):
    """Silences segments of recordings.

    Parameters
    ----------
    sample_rate : float
        Samples per second.
    segments : {"equal"} or callable, default="equal"
        What the parts are. ``"equal"``: segments of equal length. A callable gets ``(wave,
        sample_rate)`` and returns the positions, in samples, at which new segments begin, such
        as onsets; the first segment always begins at 0.
    n_segments : int, default=16
        Number of equal segments; a wave of fewer samples has as many segments as samples.
    segment_seconds : float, optional
        Length of an equal segment, in place of `n_segments`. The last one may be shorter.
    fill : {"silence", "mean", "noise"}, number or callable, default="silence"
        What hidden samples become. ``"silence"`` is 0 (the middle of the range for unsigned
        integers), ``"mean"`` the mean of the whole reference per channel, ``"noise"`` Gaussian
        noise with the mean and standard deviation of the recording, per channel. A callable
        gets ``(wave, parts)`` and returns an array of the wave's shape. Rounded if the
        reference holds integers.
    random_state : int, default=0
        Seed of the noise, which depends on this number and on the recording alone.

    Attributes
    ----------
    n_channels_ : int or None
        Number of channels; None if waves have no axis for them.
    mean_ : ndarray of shape (n_channels,) or ()
        Mean of the whole reference.

    Notes
    -----
    The reference is an array of shape (n, n_samples) or (n, n_channels, n_samples), or a list of
    waves, (n_samples,) or (n_channels, n_samples), that may differ in length. If they do, models
    get *lists* of waves of different lengths, too, which their query's ``preprocess`` has to pad;
    waves of one length become an array.

    Copies keep the values and the dtype of the reference.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import AudioMasker
    >>> waves = [np.arange(1.0, 9.0), np.arange(1.0, 5.0)]
    >>> masker = AudioMasker(8000, n_segments=4).fit(waves)
    >>> parts = masker.cut(waves[0])
    >>> parts.tolist()
    [0, 0, 1, 1, 2, 2, 3, 3]
    >>> masks = np.array([[True, False, True, False]])
    >>> masker.render(waves[0], parts, masker.fill_for(waves[0], parts), masks).tolist()
    [[1.0, 2.0, 0.0, 0.0, 5.0, 6.0, 0.0, 0.0]]
    """

    few_parts_remedy = (
        "Is the recording empty, or shorter than a segment? Leave it out of reference, or make "
        "segments shorter (n_segments, segment_seconds)."
    )
    many_parts_remedy = "Lower n_segments, or raise segment_seconds."

    def __init__(
        self,
        sample_rate: float,
        *,
        segments: str | Callable = "equal",
        n_segments: int = 16,
        segment_seconds: float | None = None,
        fill: ArrayLike | Callable = "silence",
        random_state: int = 0,
    ):
        self.sample_rate = sample_rate
        self.segments = segments
        self.n_segments = n_segments
        self.segment_seconds = segment_seconds
        self.fill = fill
        self.random_state = random_state

    # --- the reference --------------------------------------------------------------------

    def fit(self, reference: Points, y: object = None) -> AudioMasker:
        """Learn the mean of the whole reference.

        Parameters
        ----------
        reference : array of shape (n, n_samples) or (n, n_channels, n_samples), or list of waves
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the waves are not finite or differ in channels or dtype, or a parameter is out of
            range.
        """
        waves = self.check_reference(reference)
        self._check_params()
        self.n_channels_ = waves[0].shape[0] if waves[0].ndim == 2 else None
        sums = [wave.sum(axis=-1, dtype=np.float64) for wave in waves]
        self.mean_ = np.sum(sums, axis=0) / sum(wave.shape[-1] for wave in waves)
        return self

    def check_reference(self, reference: Points) -> Points:
        """The reference as an array, or as a list of arrays if the waves differ in length.

        Raises
        ------
        ValueError, TypeError
            If the waves are not numeric, not finite or empty, or differ in channels or dtype.
        """
        if not _is_positive(self.sample_rate):
            raise ValueError(f"sample_rate={self.sample_rate!r} must be a positive number.")
        refuse_dataset(reference)
        reference = to_host(reference)
        if _differ_in_length(reference):
            return _ragged(reference)
        waves = numeric_points(reference, "AudioMasker")
        if waves.ndim > 3 or (waves.ndim == 3 and waves.shape[1] > waves.shape[2]):
            raise ValueError(
                f"AudioMasker got a reference of shape {waves.shape}; it needs (n, n_samples) or "
                "(n, n_channels, n_samples). If time comes first, give "
                "np.moveaxis(reference, 1, 2)."
            )
        finite_range(waves)
        return waves

    def _check_params(self) -> None:
        if not callable(self.segments):
            remedy = "Or give a callable (wave, sample_rate) -> positions where segments begin."
            check_choice(self.segments, "segments", ("equal",), remedy)
        if self.segment_seconds is None:
            if operator.index(self.n_segments) < 1:
                raise ValueError(f"n_segments={self.n_segments!r} must be at least 1.")
        elif not (
            _is_positive(self.segment_seconds) and self.segment_seconds * self.sample_rate >= 1
        ):
            raise ValueError(
                f"segment_seconds={self.segment_seconds!r} must be at least one sample "
                f"({1 / self.sample_rate:.3g} s)."
            )
        if not (callable(self.fill) or isinstance(self.fill, Real)):
            remedy = "Or give a number or a callable (wave, parts) -> array."
            check_choice(self.fill, "fill", FILLS, remedy)

    # --- one point ------------------------------------------------------------------------

    def cut(self, point: np.ndarray) -> np.ndarray:
        """The segment that each sample belongs to: labels 0..K-1 of shape (n_samples,)."""
        check_is_fitted(self)
        n_samples = point.shape[-1]
        time = np.arange(n_samples)
        if callable(self.segments):
            view = point.view()
            view.flags.writeable = False
            return _labels(self.segments(view, self.sample_rate), n_samples)
        if self.segment_seconds is not None:
            return time // round(self.segment_seconds * self.sample_rate)
        return time * min(operator.index(self.n_segments), n_samples) // n_samples

    def fill_for(self, point: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """What the samples become where they are hidden, in the shape and dtype of the point."""
        check_is_fitted(self)
        if callable(self.fill):
            return called_fill(self.fill, point, parts)
        if self.fill == "silence":
            values = np.array(_silence(point.dtype))
        elif self.fill == "mean":
            values = self.mean_[..., np.newaxis]
        elif self.fill == "noise":
            values = self._noise(point)
        else:
            values = np.asarray(self.fill)
        return np.ascontiguousarray(np.broadcast_to(as_dtype(values, point.dtype), point.shape))

    def _noise(self, point: np.ndarray) -> np.ndarray:
        # Seeded by the recording itself, whatever its position in the reference.
        content = zlib.crc32(point.tobytes())
        rng = np.random.default_rng([operator.index(self.random_state), content])
        mean = point.mean(axis=-1, keepdims=True, dtype=np.float64)
        level = point.std(axis=-1, keepdims=True, dtype=np.float64)
        noise = mean + level * rng.standard_normal(point.shape)
        if point.dtype.kind == "f":
            return noise
        # No louder than the recording, which may use the full range of its integers.
        return noise.clip(point.min(), point.max())

    def render(
        self,
        point: Point,
        parts: Array,
        fill: Point,
        masks: Array,
        out: np.ndarray | None = None,
    ) -> Points:
        """Masked copies of a wave; see :meth:`BaseMasker.render`."""
        axis = 0 if point.ndim == 2 else None
        return render_arrays(point, parts, fill, masks, channel_axis=axis, out=out)

    def layout(self) -> dict:
        """The constructor parameters that a rebuilt masker needs, as JSON can hold them."""
        rate = self.sample_rate
        return {"sample_rate": int(rate) if int(rate) == rate else float(rate)}

    def part_names(self, point: np.ndarray, parts: np.ndarray) -> list[str]:
        """Start and end of each segment in seconds."""
        edges = np.flatnonzero(np.diff(parts, prepend=-1, append=-1)) / self.sample_rate
        return [f"{start:.3g}–{stop:.3g} s" for start, stop in itertools.pairwise(edges)]

    def picture(self, points: Points, n: int, parts: np.ndarray) -> SoundPicture:
        """The sound with its segments in colour; see :meth:`BaseMasker.picture`."""
        return SoundPicture(points[n], parts, self.sample_rate)


def _is_positive(value: object) -> bool:
    return isinstance(value, Real) and 0 < float(value) < np.inf


def _silence(dtype: np.dtype) -> int:
    """Unsigned samples are centred on the middle of their range."""
    return (int(np.iinfo(dtype).max) + 1) // 2 if dtype.kind == "u" else 0


def _labels(starts: ArrayLike, n_samples: int) -> np.ndarray:
    """Segment of each sample from the positions at which segments begin."""
    starts = np.asarray(starts)
    if starts.size and (starts.ndim != 1 or starts.dtype.kind not in "iu"):
        raise ValueError(
            f"segments returned {starts.dtype} of shape {starts.shape}; it must return positions "
            "in samples, as a list of integers."
        )
    starts = np.unique(starts[starts > 0]).astype(np.intp)
    return np.searchsorted(starts[starts < n_samples], np.arange(n_samples), side="right")


# --- waves of different lengths -------------------------------------------------------------


def _differ_in_length(reference: Points) -> bool:
    if not isinstance(reference, (list, tuple)):
        is_objects = isinstance(reference, np.ndarray) and reference.dtype.hasobject
        if not is_objects or reference.ndim != 1:
            return False
    return len({np.shape(wave) for wave in reference}) > 1


def _ragged(reference: Points) -> list[np.ndarray]:
    """A list of arrays, shared where they are arrays already."""
    waves: list[np.ndarray] = []
    for n, given in enumerate(reference):
        try:
            (wave,) = numeric_points(np.asarray(given)[np.newaxis], "AudioMasker")
        except (ValueError, TypeError) as error:
            raise type(error)(f"reference point {n}: {error}") from None
        first = waves[0] if waves else wave
        unlike = wave.shape[:-1] != first.shape[:-1] or wave.dtype != first.dtype
        if wave.ndim not in (1, 2) or unlike:
            raise ValueError(
                f"reference point {n} has shape {wave.shape} and dtype {wave.dtype}, point 0 "
                f"has {first.shape} and {first.dtype}. Waves may differ in length only: give "
                "all (n_samples,) or all (n_channels, n_samples), in one dtype."
            )
        check_finite(wave, n)
        waves.append(wave)
    return waves
