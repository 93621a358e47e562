# SPDX-License-Identifier: BSD-3-Clause
"""From an image to labels. Images come as float64 (height, width, channels), channels >= 2.

scikit-image is imported when it is asked: it takes longer to load than all of skzest.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["SEGMENTERS", "renumber"]


def renumber(labels: Any, shape: tuple[int, int]) -> np.ndarray:
    """Labels of a segmenter as 0..K-1, each present."""
    labels = np.asarray(labels)
    if labels.shape != shape or labels.dtype.kind not in "iub":
        raise ValueError(
            f"the segmenter returned {labels.dtype} labels of shape {labels.shape}; it must "
            f"return integers of shape {shape}, one for each pixel."
        )
    return np.unique(labels, return_inverse=True)[1].reshape(shape).astype(np.intp)


def _quickshift(image: np.ndarray, **params: Any) -> np.ndarray:
    from skimage.segmentation import quickshift

    defaults = {"kernel_size": 4, "ratio": 0.2, "max_dist": 200}
    defaults["convert2lab"] = image.shape[-1] == 3
    return quickshift(image, channel_axis=-1, **(defaults | params))


def _slic(image: np.ndarray, **params: Any) -> np.ndarray:
    from skimage.segmentation import slic

    return slic(image, channel_axis=-1, **({"start_label": 0} | params))


def _felzenszwalb(image: np.ndarray, **params: Any) -> np.ndarray:
    from skimage.segmentation import felzenszwalb

    return felzenszwalb(image, channel_axis=-1, **params)


def _watershed(image: np.ndarray, **params: Any) -> np.ndarray:
    from skimage.filters import sobel
    from skimage.segmentation import watershed

    return watershed(sobel(image.mean(axis=-1)), **({"markers": 64} | params))


def _grid(image: np.ndarray, shape: tuple[int, int] = (4, 4)) -> np.ndarray:
    """Rectangular cells, as equal as can be; no more of them than there are pixels."""
    (height, width), (rows, columns) = image.shape[:2], map(operator.index, shape)
    if min(rows, columns) < 1:
        raise ValueError(f"segmenter='grid' got shape={shape!r}; it needs at least (1, 1).")
    row, column = np.arange(height) * rows // height, np.arange(width) * columns // width
    return row[:, np.newaxis] * columns + column


SEGMENTERS: dict[str, Callable[..., np.ndarray]] = {
    "quickshift": _quickshift,
    "slic": _slic,
    "felzenszwalb": _felzenszwalb,
    "watershed": _watershed,
    "grid": _grid,
}
