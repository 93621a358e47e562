# SPDX-License-Identifier: BSD-3-Clause
"""From an image to labels. Images come as float64 (height, width, channels), channels >= 2.

scikit-image is imported when a segmenter is called: importing it takes longer than importing all
of skzest.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["SEGMENTERS", "regions", "renumber"]

# Up to this size images get the released code's cut if it has few enough parts; trying takes half
# a second at most. CIFAR-10 images have 4 to 31 parts, and photographs of 224 x 224 over a hundred.
_QUICKSHIFT_PIXELS = 128 * 128
_QUICKSHIFT_PARTS = 60
_N_PARTS = 45
_ALIKE = 100.0  # squared distance of Lab colours


def renumber(labels: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """Labels of a segmenter as 0..K-1, each present."""
    labels = np.asarray(labels)
    if labels.shape != shape or labels.dtype.kind not in "iub":
        raise ValueError(
            f"the segmenter returned {labels.dtype} labels of shape {labels.shape}; it must "
            f"return integers of shape {shape}, one for each pixel."
        )
    return np.unique(labels, return_inverse=True)[1].reshape(shape).astype(np.intp)


def _auto(image: np.ndarray, n_parts: int | None = None) -> np.ndarray:
    """The released code's cut where that has few parts, else regions."""
    if n_parts is None and image.shape[0] * image.shape[1] <= _QUICKSHIFT_PIXELS:
        labels = _quickshift(image)
        if labels.max() < _QUICKSHIFT_PARTS:
            return labels
    return regions(image, _N_PARTS if n_parts is None else n_parts)


def _quickshift(image: np.ndarray, **params: object) -> np.ndarray:
    from skimage.segmentation import quickshift

    defaults = {"kernel_size": 4, "ratio": 0.2, "max_dist": 200}
    defaults["convert2lab"] = image.shape[-1] == 3
    return quickshift(image, channel_axis=-1, **(defaults | params))


def _slic(image: np.ndarray, **params: object) -> np.ndarray:
    from skimage.segmentation import slic

    return slic(image, channel_axis=-1, **({"start_label": 0} | params))


def _felzenszwalb(image: np.ndarray, **params: object) -> np.ndarray:
    from skimage.segmentation import felzenszwalb

    return felzenszwalb(image, channel_axis=-1, **params)


def _watershed(image: np.ndarray, **params: object) -> np.ndarray:
    from skimage.filters import sobel
    from skimage.segmentation import watershed

    return watershed(sobel(image.mean(axis=-1)), **({"markers": 64} | params))


def _grid(image: np.ndarray, shape: tuple[int, int] = (4, 4)) -> np.ndarray:
    """Rectangular cells of nearly equal size; never more of them than pixels."""
    (height, width), (rows, columns) = image.shape[:2], map(operator.index, shape)
    if min(rows, columns) < 1:
        raise ValueError(f"segmenter='grid' got shape={shape!r}; it needs at least (1, 1).")
    row, column = np.arange(height) * rows // height, np.arange(width) * columns // width
    return row[:, np.newaxis] * columns + column


SEGMENTERS: dict[str, Callable[..., np.ndarray]] = {
    "auto": _auto,
    "quickshift": _quickshift,
    "slic": _slic,
    "felzenszwalb": _felzenszwalb,
    "watershed": _watershed,
    "grid": _grid,
}


# --- a given number of parts ----------------------------------------------------------------


def regions(image: np.ndarray, n_parts: int) -> np.ndarray:
    """Connected regions that follow the edges of an image of any size, `n_parts` of them.

    About three times as many SLIC super-pixels are made of the image, reduced if it is large, and
    merged until `n_parts` are left. Fewer where the image has fewer pixels.
    """
    from skimage.color import rgb2lab

    low, high = image.min(), image.max()
    small = _reduced((image - low) / (high - low or 1.0), max(40_000, 600 * n_parts))
    is_rgb = image.shape[-1] == 3
    compactness = 20.0 if is_rgb else 0.2
    # More cells would take longer to merge and follow edges no better; of noise SLIC makes fewer.
    for n_cells in (n_parts + min(2 * n_parts, 150)) * np.array([1, 2, 4]):
        cells = _slic(small, n_segments=int(n_cells), compactness=compactness)
        labels = renumber(cells, small.shape[:2])
        if labels.max() + 1 >= n_parts:
            break
    labels = merged(labels, rgb2lab(small) if is_rgb else 100.0 * small, n_parts)
    rows, columns = (np.arange(m) * n // m for m, n in zip(image.shape[:2], labels.shape))
    return labels[np.ix_(rows, columns)]


def _reduced(image: np.ndarray, most_pixels: int) -> np.ndarray:
    from skimage.transform import resize

    height, width = image.shape[:2]
    factor = np.sqrt(most_pixels / (height * width))
    if factor >= 1:
        return image
    shape = max(1, round(factor * height)), max(1, round(factor * width))
    return resize(image, shape, anti_aliasing=True)


def merged(labels: np.ndarray, colors: np.ndarray, n_parts: int) -> np.ndarray:
    """Labels after merging neighbours until `n_parts` are left: those first that cost least.

    The cost is Ward's, the growth of the squared deviations from the mean colours; a constant is
    added to the squared distance of two colours so that small regions go first where all are alike.
    """
    sizes = np.bincount(labels.ravel()).astype(float)
    flat = colors.reshape(-1, colors.shape[-1])
    sums = [np.bincount(labels.ravel(), weights=channel) for channel in flat.T]
    means = np.stack(sums, axis=1) / sizes[:, np.newaxis]
    adjacent = np.zeros((len(sizes), len(sizes)), dtype=bool)
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        adjacent[a, b] = adjacent[b, a] = True
    np.fill_diagonal(adjacent, False)
    owner = np.arange(len(sizes))
    for _ in range(len(sizes) - n_parts):
        squares = ((means[:, np.newaxis] - means) ** 2).sum(axis=-1) + _ALIKE
        weights = sizes[:, np.newaxis] * sizes / (sizes[:, np.newaxis] + sizes)
        cost = np.where(adjacent, weights * squares, np.inf)
        i, j = np.unravel_index(cost.argmin(), cost.shape)
        means[i] = (sizes[i] * means[i] + sizes[j] * means[j]) / (sizes[i] + sizes[j])
        sizes[i] += sizes[j]
        adjacent[i] |= adjacent[j]
        adjacent[:, i] |= adjacent[:, j]
        adjacent[j] = adjacent[:, j] = adjacent[i, i] = False
        owner[owner == j] = i
    return renumber(owner[labels], labels.shape)
