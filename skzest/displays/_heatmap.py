# SPDX-License-Identifier: BSD-3-Clause
"""The pieces of a clustered heat map. Everything around it is an inset of its axes.

Insets follow the heat map wherever its aspect or a layout engine moves it. Their sizes are in
widths and heights of the heat map; a ``pitch`` is the side of one cell in points.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..drawing import POINTS_PER_INCH, SIDE_FONT, SMALLEST_FONT, plain, style_colorbar, text_color
from ._clustering import is_missing, links

# Okabe and Ito's colours, which readers with any common colour blindness can distinguish; black is
# for text. The eighth group starts over with a hatch.
GROUP_COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
GROUP_HATCHES = ("", "/////", ".....", "xxxxx")

UNDEFINED: dict[str, Any] = {
    "facecolor": "0.92",
    "edgecolor": "0.6",
    "hatch": "////",
    "linewidth": 0.0,
}

# Of more groups only the first have a style of their own and an entry in the legend.
MOST_LISTED = 42
OTHERS: dict[str, Any] = {"facecolor": "0.8", "edgecolor": "white", "linewidth": 0.0}

# Lengths in inches unless noted, fonts in points.
CELL, SMALLEST_SIDE, LARGEST_SIDE = 0.42, 2.8, 8.5
MARGIN = 0.05
GAP, STRIP, TREE, BAR = 0.03, 0.035, 0.22, 0.04  # in sides of the heat map
LARGEST_FONT, LEGIBLE, FONT_OF_FEW = 10.0, 6.0, 7.0  # 6 points are 8 pixels of a page
MOST_SHARP = 1500  # models
ROOMY = 100  # models; with more, lines and points are smaller
_ROUNDING = 1e-9  # distances below it are errors of rounding
CHARACTER = 0.62  # width of a character in font sizes, on the safe side


def crowding(n_models):
    """1 for a picture with room, less for one with many models."""
    return min(1.0, np.sqrt(ROOMY / n_models))


def label_font(pitch):
    return float(np.clip(0.8 * pitch, LEGIBLE, LARGEST_FONT))


def width_of(names, font):
    """Width of the longest name in points."""
    return CHARACTER * font * max((len(str(name)) for name in names), default=0)


def planned_side(n_models):
    """Side of the heat map in a new figure, in inches."""
    roomy, tight = CELL * n_models, 5.0 + 0.06 * (n_models - 12)
    return float(np.clip(min(roomy, tight), SMALLEST_SIDE, LARGEST_SIDE))


def heat_map_axes(ax):
    """The given axes, one in the given figure, or one in a new figure."""
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots(layout="constrained")[1]
    if hasattr(ax, "add_subplot"):
        figure = ax
        if hasattr(figure, "set_layout_engine") and figure.get_layout_engine() is None:
            figure.set_layout_engine("constrained")
        return figure.add_subplot()
    return ax


class Locator:
    """Locates the heat map in the box of its axes so that everything around it fits in, too.

    A layout engine would treat insets as decorations of a fixed size, although they grow with the
    heat map, and reserve room for labels that the aspect leaves anyway.

    Parameters
    ----------
    ax : matplotlib Axes
        The heat map with everything drawn around it.
    top, right : float
        Heights and widths of insets, in sides of the heat map.
    """

    def __init__(self, ax, top, right):
        self.top, self.right = top, right
        self.subplotspec = ax.get_subplotspec()
        to_inches = ax.figure.dpi_scale_trans.inverted()
        everything = ax.get_tightbbox().transformed(to_inches)
        heat = ax.get_window_extent().transformed(to_inches)
        # Labels and legend keep their size, in inches.
        self.left, self.below = heat.x0 - everything.x0, heat.y0 - everything.y0
        self.beside = everything.x1 - heat.x1 - right * heat.width
        self.above = everything.y1 - heat.y1 - top * heat.height

    def box_for(self, side):
        """Width and height that a heat map of this side needs, in inches."""
        return (
            self.left + (1 + self.right) * side + self.beside,
            self.below + (1 + self.top) * side + self.above,
        )

    def get_subplotspec(self):
        """For tight_layout, which otherwise ignores axes with a locator."""
        return self.subplotspec

    def __call__(self, ax, renderer):
        from matplotlib.transforms import Bbox

        box = ax.get_position(original=True)
        unit = ax.figure.bbox.width / ax.figure.dpi, ax.figure.bbox.height / ax.figure.dpi
        width, height = box.width * unit[0], box.height * unit[1]
        side = min(
            (width - self.left - self.beside) / (1 + self.right),
            (height - self.below - self.above) / (1 + self.top),
        )
        side = max(side, 0.1 * min(width, height))
        spare = np.subtract((width, height), self.box_for(side)) / 2
        return Bbox.from_bounds(
            box.x0 + (self.left + spare[0]) / unit[0],
            box.y0 + (self.below + spare[1]) / unit[1],
            side / unit[0],
            side / unit[1],
        )


def pitch_of(ax, n_models, planned):
    """Side of a cell in points, before a layout engine moves anything."""
    if planned:
        return planned_side(n_models) * POINTS_PER_INCH / n_models
    box = ax.get_window_extent()
    # Dendrogram, strip and labels take about a third of given axes.
    return 0.67 * min(box.width, box.height) / ax.figure.dpi * POINTS_PER_INCH / n_models


def draw_cells(ax, D, im_kw):
    """The matrix; the hatched background shows in cells without a distance."""
    between = ~np.isnan(D)
    np.fill_diagonal(between, False)
    largest = np.max(D, where=between, initial=0.0)
    im_kw = {"vmin": 0.0, "vmax": max(largest, _ROUNDING) if largest > 0 else 1.0, **im_kw}
    ax.patch.set(**UNDEFINED)
    interpolation = "nearest"
    if len(D) > MOST_SHARP:  # more than pixels, of which "nearest" would show some and hide others
        D, interpolation = D.astype(np.float32), "antialiased"
    return ax.imshow(np.ma.masked_invalid(D), interpolation=interpolation, aspect="equal", **im_kw)


def draw_labels(ax, names, at, font, room, rotation):
    """Labels of the rows and columns `at`, which are `room` points apart."""
    names = [names[i] for i in at]
    if rotation is None:
        rotation = 0 if width_of(names, font) < 0.9 * room else 90
    ax.set_xticks(at, names, fontsize=font, rotation=rotation)
    ax.set_yticks(at, names, fontsize=font)
    ax.tick_params(length=float(np.clip(0.3 * room, 1.0, 3.0)), width=0.5)


def labelled_rows(n_models, pitch, first=()):
    """Rows with a label, the size of the font, and the room between labels in points.

    All rows, where all labels would be legible; else those of `first` that are far enough apart,
    or, without `first`, as many as are legible, evenly spaced.
    """
    step = int(np.ceil(1.1 * LEGIBLE / pitch))
    if step == 1 or not len(first):
        return np.arange(0, n_models, step), label_font(pitch), pitch * step
    room = 1.1 * FONT_OF_FEW
    at: list[int] = []
    for row in first:
        if all(abs(row - other) * pitch >= room for other in at):
            at.append(row)
    return np.sort(at), FONT_OF_FEW, room


def value_font(D, values_format, pitch):
    known = D[~np.isnan(D)]
    longest = max((len(value_text(value, values_format)) for value in known), default=1)
    return min(LARGEST_FONT, 0.85 * pitch / (CHARACTER * longest))


def value_text(value, values_format):
    """The formatted value; one digit and an exponent where the format would make it zero."""
    text = format(value, values_format)
    is_zero = value != 0 and not text.strip("-0.")
    return f"{value:.0e}" if is_zero else text


def values_fit(D, values_format, pitch):
    one_character = 0.85 * pitch / CHARACTER
    return one_character >= LEGIBLE and value_font(D, values_format, pitch) >= LEGIBLE


def draw_values(ax, im, D, values_format, pitch, text_kw):
    texts = np.full(D.shape, None, dtype=object)
    font = max(value_font(D, values_format, pitch), SMALLEST_FONT)
    for (i, j), value in np.ndenumerate(D):
        if np.isnan(value):
            continue
        style = {
            "ha": "center",
            "va": "center",
            "fontsize": font,
            "color": text_color(im.cmap(im.norm(value))),
            **text_kw,
        }
        texts[i, j] = ax.text(j, i, value_text(value, values_format), **style)
    return texts


def _inset(ax, bottom, height):
    """An axes as wide as the heat map, above it, with the columns at the same x."""
    inset = ax.inset_axes([0, bottom, 1, height])
    inset.set_xlim(ax.get_xlim())
    inset.patch.set_visible(False)
    inset.tick_params(bottom=False, labelbottom=False)
    return inset


def draw_groups(ax, groups, order, bottom):
    """One coloured box for each run of models of a group, and the entries of the legend."""
    from matplotlib.patches import Patch, Rectangle

    inset = _inset(ax, bottom + GAP / 2, STRIP)
    inset.set_ylim(0, 1)
    inset.axis("off")
    known = [group for group in dict.fromkeys(groups) if not is_missing(group)]
    styles = {group: _group_style(k) for k, group in enumerate(known)}
    styles |= dict.fromkeys(known[MOST_LISTED:], OTHERS)
    start = 0
    for group, run in itertools.groupby(groups[order]):
        n = len(list(run))
        if not is_missing(group):
            inset.add_patch(Rectangle((start - 0.5, 0), n, 1, **styles[group]))
        start += n
    handles = [Patch(label=plain(group), **styles[group]) for group in known[:MOST_LISTED]]
    if len(known) > MOST_LISTED:
        handles.append(Patch(label=f"{len(known) - MOST_LISTED:,} other groups", **OTHERS))
    return inset, handles


def _group_style(k):
    return {
        "facecolor": GROUP_COLORS[k % len(GROUP_COLORS)],
        "hatch": GROUP_HATCHES[k // len(GROUP_COLORS) % len(GROUP_HATCHES)],
        # Of the hatch: an edge of its own would bleach thin boxes, and the legend would differ.
        "edgecolor": "white",
        "linewidth": 0.0,
    }


def draw_dendrogram(ax, linkage, bottom):
    """Merges as brackets; the height of a bracket is the distance of the merge."""
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    inset = _inset(ax, bottom + GAP / 2, TREE)
    lines = LineCollection(
        links(linkage), colors="0.25", linewidths=max(0.4, crowding(len(linkage)))
    )
    lines.set_rasterized(len(linkage) > ROOMY)
    inset.add_collection(lines)
    highest = linkage[:, 2].max()
    inset.set_ylim(0, 1.05 * highest if highest > 0 else 1.0)
    inset.yaxis.set_major_locator(MaxNLocator(3))
    inset.tick_params(labelsize=SIDE_FONT, length=3, width=0.5, colors="0.25")
    inset.set_ylabel("merged at", fontsize=SIDE_FONT, color="0.25")
    inset.spines[["top", "right", "bottom"]].set_visible(False)
    inset.spines["left"].set(color="0.25", linewidth=0.5)
    return inset


def undefined_patch():
    from matplotlib.patches import Patch

    return Patch(label="not defined", **UNDEFINED)


def draw_legend(ax, entries, top, side):
    """The legend to the right, and the height left for the colour bar."""
    if not entries:
        return None, 1.0
    legend = ax.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(1 + GAP, top),
        borderaxespad=0.0,
        frameon=False,
        fontsize=SIDE_FONT,
        handlelength=1.2,
        handleheight=1.0,
        labelspacing=0.35,
        ncols=int(np.ceil(len(entries) / 14)),
    )
    rows = min(len(entries), 14)
    height = (rows * 1.5 * SIDE_FONT + SIDE_FONT) / side
    return legend, float(np.clip(top - height, 0.3, 1.0))


def draw_colorbar(ax, im, label, room):
    cax = ax.inset_axes([1 + GAP, 0, BAR, room])
    return style_colorbar(ax.figure.colorbar(im, cax=cax), label)
