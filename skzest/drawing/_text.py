# SPDX-License-Identifier: BSD-3-Clause
"""A text with its words in colour, broken into lines and cut to what fits."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np

from ._pictures import Picture
from ._style import SMALLEST_FONT, axes_size, on_white, printable, text_color, text_width

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

__all__ = ["TextPicture"]

Piece = tuple[str, int]
Placed = tuple[float, str, int]

_LINE = 1.55  # distance between lines, in font sizes
_FONT = 10.0


class TextPicture(Picture):
    """A text with its parts in colour.

    Parameters
    ----------
    text : str
    parts : ndarray of int, shape (len(text),)
        The part of each character; -1 for characters that belong to no part.
    """

    def __init__(self, text: str, parts: np.ndarray):
        self.text, self.parts = text, parts
        n_lines = len(text) * 0.55 * _FONT / (5.0 * 72) + text.count("\n") + 1
        self.size = 6.4, float(np.clip(n_lines * _LINE * _FONT / 72 + 0.5, 0.9, 7.0))
        starts = np.flatnonzero(np.diff(parts, prepend=-2)).tolist()
        self.pieces = [
            (text[start:stop], int(parts[start]))
            for start, stop in itertools.pairwise([*starts, len(text)])
        ]

    def draw(
        self, ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, **options: object
    ) -> list[Artist]:
        width, height = axes_size(ax)
        words, font = words_of(self.pieces or []), _FONT
        while True:
            lines = wrapped(words, width, font)
            n_fit = max(int(height / (_LINE * font)), 1)
            if len(lines) <= n_fit or font <= SMALLEST_FONT:
                break
            font -= 0.5
        first, last = window([_weight(line, values) for line in lines], n_fit)
        artists: list[Artist] = []
        for row, line in enumerate(_marked(lines, first, last, font)):
            for x, word, part in line:
                rgba = (1.0, 1.0, 1.0, 0.0) if part < 0 else cmap(norm(values[part]))
                artists.append(_word(ax, x, (row + 0.2) * _LINE * font, word, font, rgba))
        ax.set_axis_off()
        return artists


def words_of(pieces: list[Piece]) -> list[Piece]:
    """Words and the white space between them, each with its part; line breaks stand alone."""
    found = []
    for piece, part in pieces:
        for word in re.findall(r"\n|[^\S\n]+|[^\s]+", piece):
            found.append((word if word == "\n" else printable(word), part))
    return found


def wrapped(words: list[Piece], width: float, font: float) -> list[list[Placed]]:
    """Lines of (x, word, part), broken at white space, or anywhere if a word is too long."""
    # Wider than a space: rendered letters are up to a twentieth wider than computed.
    space = 0.45 * font
    lines: list[list[Placed]] = [[]]
    x = 0.0
    # Words without white space between them stay together: a word with its comma.
    for is_space, group in itertools.groupby(words, key=lambda word: word[0].isspace()):
        together = list(group)
        if is_space:
            breaks = sum(word == "\n" for word, _ in together)
            if breaks:
                lines += [[] for _ in range(breaks)]
                x = 0.0
            elif x > 0:
                x += space
            continue
        widths = [text_width(word, font) for word, _ in together]
        if x > 0 and x + sum(widths) > width:
            lines.append([])
            x = 0.0
        for (word, part), wide in zip(together, widths):
            if x > 0 and x + wide > width:
                lines.append([])
                x = 0.0
            lines[-1].append((x, word, part))
            x += wide
    return [line for line in lines if line] or [[]]


def _weight(line: list[Placed], values: np.ndarray) -> float:
    return sum(abs(values[part]) for _, _, part in line if part >= 0)


def window(weights: list[float], n_fit: int) -> tuple[int, int]:
    """First and last of the consecutive lines with the largest values, as many as fit."""
    if len(weights) <= n_fit:
        return 0, len(weights)
    sums = np.convolve(weights, np.ones(n_fit), mode="valid")
    first = int(np.argmax(sums))
    return first, first + n_fit


def _marked(lines: list[list[Placed]], first: int, last: int, font: float) -> list[list[Placed]]:
    """The chosen lines, with an ellipsis where the text was cut."""
    shown = [list(line) for line in lines[first:last]]
    if first > 0 and len(shown[0]) > 1:
        shown[0][0] = (0.0, "…", -1)
    if last < len(lines):
        x, word, _ = shown[-1][-1]
        shown[-1].append((x + text_width(word, font), " …", -1))
    return shown


def _word(ax: Axes, x: float, y: float, word: str, font: float, rgba: tuple[float, ...]) -> Artist:
    from matplotlib.transforms import ScaledTranslation

    shift = ScaledTranslation(x / 72, -y / 72, ax.figure.dpi_scale_trans)
    return ax.text(
        0.0,
        1.0,
        word,
        transform=ax.transAxes + shift,
        fontsize=font,
        va="top",
        ha="left",
        color=text_color(on_white(rgba)),
        parse_math=False,
        bbox={"facecolor": rgba, "edgecolor": "none", "pad": 1.0},
    )
