# SPDX-License-Identifier: BSD-3-Clause
"""An image with its parts in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._pictures import Picture, largest_first

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

__all__ = ["ImagePicture"]

_MOST_OUTLINED = 40  # with more parts, the outlines would hide the image
_COLUMNS = 5
_DARKEST = 0.4  # how far black is from white, where a part has no colour


class ImagePicture(Picture):
    """An image in light grey with its parts coloured over it.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, n_channels)
        Black is 0 and white 1. Three channels are red, green and blue, and a fourth is alpha,
        which is not drawn.
    parts : ndarray of int, shape (height, width)
    """

    has_original = True

    def __init__(self, pixels: np.ndarray, parts: np.ndarray):
        self.pixels = pixels[..., :3] if pixels.shape[-1] == 4 else pixels
        self.parts = parts
        height, width = parts.shape
        self.size = 4.6, float(np.clip(3.8 * height / width, 1.5, 6.0)) + 0.3

    def layout(self, n: int = 1) -> tuple[int, tuple[float, float]]:
        width, height = self.size
        if n == 1:
            return 1, (width, height)
        n_columns = min(n, _COLUMNS)
        row_height = 2.2 * (height - 0.3) / 3.8 + 0.3
        return n_columns, (0.6 + 2.2 * n_columns, -(-n // n_columns) * row_height)

    def draw(
        self, ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, **options: object
    ) -> list[Artist]:
        from matplotlib.collections import LineCollection

        # From light grey to white, and the lighter the stronger the colour: on black, colours would
        # be muddy, and unlike those of the colour bar.
        strength = np.sqrt(cmap(norm(values))[:, 3] / max(cmap(1.0)[3], 1e-9))
        darkness = _DARKEST * (1 - 0.75 * np.clip(strength, 0.0, 1.0))
        grey = 1 - darkness[self.parts] * (1 - np.clip(self._grey(), 0.0, 1.0))
        ax.imshow(grey, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        overlay = ax.imshow(values[self.parts], cmap=cmap, norm=norm, interpolation="nearest")
        chosen = largest_first(values)[:_MOST_OUTLINED]
        lines = list(borders(self.parts, chosen))
        ax.add_collection(
            LineCollection(lines, colors="0.25", linewidths=0.4, alpha=0.7), autolim=False
        )
        ax.set_axis_off()
        return [overlay]

    def draw_original(self, ax: Axes) -> None:
        if self.pixels.shape[-1] == 3:
            ax.imshow(np.clip(self.pixels, 0, 1), interpolation="nearest")
        else:
            ax.imshow(self._grey(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_axis_off()

    def _grey(self) -> np.ndarray:
        # Rec. 601, the usual grey of a photograph; other channels have equal weights.
        weights = [0.299, 0.587, 0.114] if self.pixels.shape[-1] == 3 else None
        return np.average(self.pixels, axis=-1, weights=weights)


def borders(parts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Edges of pixels between two parts of which at least one is chosen, (n, 2, 2) as x and y."""
    is_chosen = np.isin(parts, chosen)
    lines = []
    for transposed in (False, True):
        labels, among = (parts.T, is_chosen.T) if transposed else (parts, is_chosen)
        differ = (labels[:, 1:] != labels[:, :-1]) & (among[:, 1:] | among[:, :-1])
        y, x = np.nonzero(differ)
        edges = np.stack(
            [np.stack([x + 0.5, y - 0.5], axis=1), np.stack([x + 0.5, y + 0.5], axis=1)], axis=1
        )
        lines.append(edges[..., ::-1] if transposed else edges)
    return np.concatenate(lines)
