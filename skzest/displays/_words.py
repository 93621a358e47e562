# SPDX-License-Identifier: BSD-3-Clause
"""A text in axes, its words coloured: broken into lines, and cut to what fits."""

from __future__ import annotations

import itertools
import re

import numpy as np

from ._style import SMALLEST_FONT, axes_size, on_white, printable, text_color, text_width

__all__ = ["LINE", "TEXT_FONT", "draw_text", "pieces_of", "window", "wrapped"]

LINE = 1.55  # distance of lines, in font sizes
TEXT_FONT = 10.0


def draw_text(ax, text, parts, values, cmap, norm):
    width, height = axes_size(ax)
    pieces = pieces_of(text, parts)
    font = TEXT_FONT
    while True:
        lines = wrapped(pieces, width, font)
        n_fit = max(int(height / (LINE * font)), 1)
        if len(lines) <= n_fit or font <= SMALLEST_FONT:
            break
        font -= 0.5
    artists = []
    first, last = window([_weight(line, values) for line in lines], n_fit)
    for row, line in enumerate(lines[first:last]):
        if row == 0 and first > 0:
            line = [*line[:-1], (line[-1][0], "…", -1)] if len(line) > 1 else line
        if row == last - first - 1 and last < len(lines):
            line = [*line, (line[-1][0] + text_width(line[-1][1], font), " …", -1)]
        for x, word, part in line:
            artists.append(
                _word(ax, x, (row + 0.2) * LINE * font, word, font, part, values, cmap, norm)
            )
    ax.set_axis_off()
    return [artist for artist in artists if artist is not None]


def pieces_of(text, parts):
    """Words, and what is between them, each with its part; line breaks are pieces of their own."""
    starts = np.flatnonzero(np.diff(parts, prepend=-2)).tolist()
    found = []
    for start, stop in itertools.pairwise([*starts, len(text)]):
        for match in re.finditer(r"\n|[^\S\n]+|[^\s]+", text[start:stop]):
            piece = match.group()
            found.append((piece if piece == "\n" else printable(piece), int(parts[start])))
    return found


def wrapped(pieces, width, font):
    """Lines of (x, piece, part), broken at white space, or anywhere where a word is too long."""
    # More than a space: letters are rendered up to a twentieth wider than they are drawn.
    space = 0.45 * font
    lines: list[list[tuple]] = [[]]
    x = 0.0
    # What is not apart by white space stays together: a word with its comma.
    for is_space, group in itertools.groupby(pieces, key=lambda piece: piece[0].isspace()):
        together = list(group)
        if is_space:
            breaks = sum(piece == "\n" for piece, _ in together)
            if breaks:
                lines += [[] for _ in range(breaks)]
                x = 0.0
            elif x > 0:
                x += space
            continue
        widths = [text_width(piece, font) for piece, _ in together]
        if x > 0 and x + sum(widths) > width:
            lines.append([])
            x = 0.0
        for (piece, part), wide in zip(together, widths):
            if x > 0 and x + wide > width:
                lines.append([])
                x = 0.0
            lines[-1].append((x, piece, part))
            x += wide
    return [line for line in lines if line] or [[]]


def _weight(line, values):
    return sum(abs(values[part]) for _, _, part in line if part >= 0)


def window(weights, n_fit):
    """The consecutive lines that weigh most, of those that fit."""
    if len(weights) <= n_fit:
        return 0, len(weights)
    sums = np.convolve(weights, np.ones(n_fit), mode="valid")
    first = int(np.argmax(sums))
    return first, first + n_fit


def _word(ax, x, y, word, font, part, values, cmap, norm):
    from matplotlib.transforms import ScaledTranslation

    rgba = (1.0, 1.0, 1.0, 0.0) if part < 0 else cmap(norm(values[part]))
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
