# SPDX-License-Identifier: BSD-3-Clause
"""New points made from known ones: noisy, mixed, and far from all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._points import Points, in_dtype, is_frame, take
from ..maskers import listed_texts, numeric_points

__all__ = ["INPUTS", "are_numbers", "as_points", "check_movable", "draw", "mixed", "noise"]

# Noise of a noisy point, in standard deviations of the points: between none and this much.
_LOUDEST = 0.75


def as_points(X: Points) -> Points:
    """Numbers as an array, texts as a list, a frame as it is.

    Raises
    ------
    TypeError, ValueError
        If there are no points, or they are of another kind.
    """
    points = listed_texts(X)
    if not is_frame(points) and not isinstance(points, list):
        return numeric_points(points, "rehearsal")
    if len(points) == 0:
        raise ValueError("there are no points; at least one is needed.")
    is_whole = is_frame(points) or isinstance(points[0], str)
    return points if is_whole else numeric_points(points, "rehearsal")


def are_numbers(points: Points) -> bool:
    """Whether points can be mixed and moved: an array of one shape, not texts or a frame."""
    return isinstance(points, np.ndarray) and points.dtype.kind in "biuf"


def check_movable(points: Points, how: str, remedy: str) -> None:
    """Refuse points that cannot be mixed and moved.

    Raises
    ------
    TypeError
        If they are not an array of numbers.
    ValueError
        If they hold NaN or an infinite value.
    """
    if not are_numbers(points):
        raise TypeError(f"{how} moves points, which must be arrays of numbers. {remedy}")
    flat = points.reshape(len(points), -1)
    bad = ~(np.isfinite(flat.min(axis=1)) & np.isfinite(flat.max(axis=1)))  # NaN is both
    if bad.any():
        raise ValueError(
            f"{how} moves points, but point {int(np.argmax(bad))} holds NaN or an infinite value. "
            f"Replace such values, leave the {np.sum(bad)} of {len(points)} points out, or "
            f"{remedy[0].lower()}{remedy[1:]}"
        )


def draw(points: Points, n: int, rng: np.random.Generator) -> Points:
    """Points drawn with replacement, so that each draw leaves others out."""
    drawn = take(points, rng.integers(len(points), size=n))
    return drawn.reset_index(drop=True) if is_frame(drawn) else drawn


def noisy(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Points with normal noise of a random strength, kept within the range of all points."""
    start = draw(points, n, rng).astype(np.float64)
    # The squares of a standard deviation are soon beyond half precision.
    deviation = np.std(points, axis=_axes(points), dtype=np.float64)
    strength = rng.uniform(0, _LOUDEST, size=_one_each(start)) * deviation
    moved = start + strength * rng.standard_normal(start.shape)
    return in_dtype(np.clip(moved, *_range(points)), points.dtype)


def mixed(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Mixtures of two points: every other one a weighted mean, the rest a part of each."""
    one, other = (draw(points, n, rng).astype(np.float64) for _ in range(2))
    share = rng.uniform(size=_one_each(one))
    share = np.broadcast_to(share, one.shape).copy()
    for row in range(1, n, 2):
        share[row] = _cut_in_two(one.shape[1:], rng)
    return in_dtype(share * one + (1 - share) * other, points.dtype)


def far(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Weighted means of a point and of noise, from almost the point to almost noise."""
    start = draw(points, n, rng).astype(np.float64)
    share = rng.uniform(size=_one_each(start))
    away = noise(points.astype(np.float64), n, rng)
    return in_dtype(share * start + (1 - share) * away, points.dtype)


def noise(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform noise within the range of the points."""
    low, high = _range(points)
    return in_dtype(rng.uniform(low, high, size=(n, *points.shape[1:])), points.dtype)


INPUTS: dict[str, Callable[[Points, int, np.random.Generator], Points]] = {
    "clean": draw,
    "noisy": noisy,
    "mixed": mixed,
    "far": far,
}


def _cut_in_two(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """1 before a random position along a random axis, 0 behind it."""
    axis = int(rng.integers(len(shape)))
    along = np.arange(shape[axis]) < rng.integers(1, max(shape[axis], 2))
    return np.broadcast_to(
        along.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape
    ).astype(np.float64)


def _axes(points: np.ndarray) -> int | None:
    """A column of a table has a range of its own; an image or a sound has one."""
    return 0 if points.ndim == 2 else None


def _range(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axes = _axes(points)
    return (
        np.asarray(points.min(axis=axes), dtype=np.float64),
        np.asarray(points.max(axis=axes), dtype=np.float64),
    )


def _one_each(points: np.ndarray) -> tuple[int, ...]:
    """Shape of one number for each point, to multiply points with."""
    return (len(points), *[1] * (points.ndim - 1))
