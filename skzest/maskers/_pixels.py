# SPDX-License-Identifier: BSD-3-Clause
"""Channels and colours of images."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .._validation import check_choice

__all__ = ["find_channel_axis", "part_means"]


def find_channel_axis(given: Any, shape: tuple[int, ...]) -> int | None:
    """The axis of one image of this shape that holds its channels; None if it is grey."""
    if len(shape) == 2 and (given is None or given == "auto"):
        return None
    if given == "auto":
        first, last = shape[0] <= 4, shape[-1] <= 4
        if first != last:
            return 0 if first else 2
        many = "both its first and its last" if first else "neither its first nor its last"
        raise ValueError(
            f"channel_axis='auto' cannot tell which axis of an image of shape {shape} holds the "
            f"channels: {many} axis has size 1 to 4. Give channel_axis=0 or channel_axis=-1."
        )
    if isinstance(given, str):
        check_choice(given, "channel_axis", ("auto",), "Or give None, or an axis such as 0 or -1.")
    axis = None if given is None else operator.index(given)
    if axis is None or len(shape) != 3 or not -3 <= axis < 3:
        raise ValueError(
            f"channel_axis={given!r} does not fit images of shape {shape}. Give None for grey "
            "images (height, width), else the axis of one image, such as 0 or -1."
        )
    return axis % 3


def part_means(pixels: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Every pixel in the mean colour of its part: (height, width, channels)."""
    labels = parts.ravel()
    colours = [
        np.bincount(labels, weights=channel.ravel())
        for channel in np.moveaxis(pixels, -1, 0).astype(np.float64)
    ]
    means = np.stack(colours, axis=1) / np.bincount(labels)[:, np.newaxis]
    return means[parts]
