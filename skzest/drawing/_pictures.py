# SPDX-License-Identifier: BSD-3-Clause
"""What every picture of a point does, and bars for points that have no other picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ._style import BLUE, SIDE_FONT, VERMILION, plain, shorten_all

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

__all__ = ["MOST_BARS", "BarsPicture", "Picture"]

MOST_BARS = 20


class Picture:
    """One point, drawn with a value for each of its parts; the base of all pictures.

    A masker returns one from :meth:`~skzest.maskers.BaseMasker.picture`. Displays and the HTML
    report call it and need to know nothing else about the kind of input.

    Attributes
    ----------
    size : pair of float
        Width and height of the figure of one picture, in inches.
    uses_colors : bool
        Whether values are shown as colours, which need a colour bar, or read off the x axis.
    has_original : bool
        Whether :meth:`draw_original` draws the point without values.
    pieces : list of (str, int), or None
        A text in pieces, each with its part or -1. A page then shows the text itself in place of
        a figure.

    Examples
    --------
    >>> from skzest.drawing import Picture
    >>> class Dots(Picture):
    ...     def draw(self, ax, values, cmap, norm, **options):
    ...         return [ax.scatter(range(len(values)), values, c=values, cmap=cmap, norm=norm)]
    >>> Dots().layout(3)
    (1, (6.4, 6.6000000000000005))
    """

    size: tuple[float, float] = (6.4, 2.2)
    uses_colors: bool = True
    has_original: bool = False
    pieces: list[tuple[str, int]] | None = None

    def layout(self, n: int = 1) -> tuple[int, tuple[float, float]]:
        """Number of columns that `n` pictures are arranged in, and the size of their figure."""
        width, height = self.size
        return 1, (width, n * height)

    def draw(
        self, ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, **options: object
    ) -> list[Artist]:
        """Draw the point with its values.

        Parameters
        ----------
        ax : matplotlib Axes
        values : ndarray of shape (n_parts,)
        cmap, norm : matplotlib Colormap and Normalize
            The colours of the values.
        **options : dict
            ``order``: the parts to draw, where not all fit; ``sound``: "waveform" or
            "spectrogram". A picture ignores those that it has no use for.

        Returns
        -------
        artists : list of matplotlib Artist
            What shows the values.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define draw()")

    def draw_original(self, ax: Axes) -> None:
        """Draw the point without values, where `has_original` is true."""
        raise NotImplementedError(f"{type(self).__name__} does not define draw_original()")


class BarsPicture(Picture):
    """A bar for each part: the picture of tables, and of points that have no other.

    Parameters
    ----------
    names : sequence of str
        Names of the parts.
    """

    uses_colors = False

    def __init__(self, names: Sequence[str]):
        self.names = names
        self.size = 5.2, 0.8 + 0.26 * min(len(names), MOST_BARS + 1)

    def layout(self, n: int = 1) -> tuple[int, tuple[float, float]]:
        width, height = self.size
        return n, (width if n == 1 else 2.2 + 1.7 * n, height)

    def draw(
        self, ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, **options: object
    ) -> list[Artist]:
        given = options.get("order")
        order = np.asarray(largest_first(values) if given is None else given)[:MOST_BARS]
        labels, lengths = [self.names[k] for k in order], values[order]
        rest = np.setdiff1d(np.arange(len(values)), order)
        if len(rest):
            labels.append(f"sum of {len(rest)} others")
            lengths = np.append(lengths, values[rest].sum())
        colors = [VERMILION if value >= 0 else BLUE for value in lengths]
        bars = ax.barh(np.arange(len(lengths)), lengths, color=colors)
        ax.set_yticks(np.arange(len(labels)), [*map(plain, shorten_all(labels, 36))])
        ax.tick_params(axis="y", length=0, labelsize=SIDE_FONT)
        ax.invert_yaxis()
        low, high = min(norm.vmin, lengths.min(), 0.0), max(norm.vmax, lengths.max(), 0.0)
        margin = 0.05 * (high - low)
        ax.set_xlim(low - margin if low < 0 else 0.0, high + margin if high > 0 else 1.0)
        if low < 0:
            ax.axvline(0, color="0.4", linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
        return list(bars)


def largest_first(values: np.ndarray) -> np.ndarray:
    """The parts in order of the size of their values."""
    return np.argsort(-np.abs(values), kind="stable")
