# SPDX-License-Identifier: BSD-3-Clause
"""The pieces of a map: points, lines between them, names, a scale and a legend."""

from __future__ import annotations

import numpy as np

from ..drawing import POINTS_PER_INCH, SIDE_FONT, VERMILION, plain, text_width
from ._clustering import is_missing
from ._heatmap import GROUP_COLORS, ROOMY, crowding
from ._labels import label_boxes

_MARKERS = "os^DvPX"  # with the colours, 49 groups that differ in both or in one
MOST_GROUPS = len(_MARKERS) * len(GROUP_COLORS)


def draw_lines(ax, X, edges):
    """Grey lines between models."""
    from matplotlib.collections import LineCollection

    width = 0.8 * crowding(len(X))
    lines = LineCollection(X[edges], colors="0.8", linewidths=width, zorder=1)
    lines.set_rasterized(len(X) > ROOMY)
    return ax.add_collection(lines)


def known_groups(groups):
    """The names of groups, in order of appearance."""
    return [group for group in dict.fromkeys(groups) if not is_missing(group)]


def draw_points(ax, X, groups):
    """The models of each group, in a colour and with a marker of its own."""
    small = crowding(len(X))

    def draw(chosen, size, **style):
        points = ax.scatter(*X[chosen].T, s=size * small, linewidth=0.6 * small, zorder=2, **style)
        points.set_rasterized(len(X) > ROOMY)
        return points

    if groups is None:
        return [draw(slice(None), 36, color="black", label="models")]
    found = []
    known = known_groups(groups)
    for k, group in enumerate(known[:MOST_GROUPS]):
        found.append(
            draw(
                np.array([other == group for other in groups]),
                42,
                color=GROUP_COLORS[k % len(GROUP_COLORS)],
                marker=_MARKERS[(k + k // len(GROUP_COLORS)) % len(_MARKERS)],
                edgecolor="0.15",
                label=plain(group),
            )
        )
    rest = set(known[MOST_GROUPS:])
    others = np.array([not is_missing(group) and group in rest for group in groups])
    if others.any():
        found.append(draw(others, 42, color="white", edgecolor="0.15", label="other groups"))
    unknown = np.array([is_missing(group) for group in groups])
    if unknown.any():
        found.append(draw(unknown, 20, color="0.4", label="not known"))
    return found


def draw_suspects(ax, X, n_models):
    """A ring around each suspect."""
    ring = {"facecolor": "none", "edgecolor": VERMILION, "linewidth": 1.5}
    return ax.scatter(*X.T, s=150 * crowding(n_models), zorder=2.5, label="suspects", **ring)


def draw_legend(ax, points, n_models):
    """What the markers mean, to the right."""
    return ax.legend(
        handles=points,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0.0,
        frameon=False,
        fontsize=SIDE_FONT,
        markerscale=crowding(n_models) ** -0.5,
        ncols=_legend_columns(len(points)),
    )


def legend_width(names):
    """Room for a legend of these names, in inches."""
    widest = max((text_width(str(name), SIDE_FONT) for name in names), default=0.0)
    n_shown = min(len(names), MOST_GROUPS)
    return _legend_columns(n_shown) * (widest + 4 * SIDE_FONT) / POINTS_PER_INCH


def _legend_columns(n_entries):
    return int(np.ceil(n_entries / 25))


def draw_scale(ax):
    """A bar below the map, as long as a round distance."""
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    low, high = ax.get_xlim()
    power = 10.0 ** np.floor(np.log10(0.25 * (high - low)))
    length = power * max(m for m in (1, 2, 5) if m * power <= 0.25 * (high - low))
    bar = AnchoredSizeBar(
        ax.transData,
        length,
        f"distance {length:g}",
        loc="upper left",
        pad=0.2,
        sep=2,
        frameon=False,
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes,
        fontproperties={"size": SIDE_FONT},
    )
    ax.add_artist(bar)


def draw_names(ax, X, named, names, is_suspect):
    """Annotations, with a line to a point farther away.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
        All points.
    named : ndarray of shape (n_named,)
        Which of them get a name; those of suspects are placed first.
    names : list of str
    is_suspect : ndarray of bool, shape (n,)

    Returns
    -------
    texts : list of matplotlib Annotation
        Fewer than names where there is no room.
    """
    from matplotlib.patheffects import withStroke

    order = np.argsort(~is_suspect[named], kind="stable")
    named, names = named[order], [names[k] for k in order]
    font = float(np.clip(11 - 0.1 * len(names), 6.0, 9.0))
    scale = POINTS_PER_INCH / ax.figure.dpi
    box = ax.get_window_extent()
    at = (ax.transData.transform(X) - [box.x0, box.y0]) * scale
    sizes = np.array([[1.05 * text_width(name, font) + 2, 1.3 * font] for name in names])
    boxes = label_boxes(
        at[named],
        sizes,
        (box.width * scale, box.height * scale),
        others=np.delete(at, named, axis=0),
        n_first=int(is_suspect[named].sum()),
    )
    texts = []
    for i, name, size, found in zip(named, names, sizes, boxes):
        if np.isnan(found[0]):
            continue
        nearest = np.clip(at[i], found[:2], found[2:])
        line = None
        if np.hypot(*(nearest - at[i])) > 8:
            line = {"arrowstyle": "-", "color": "0.55", "linewidth": 0.5, "shrinkA": 0}
            line |= {"shrinkB": 3, "relpos": tuple((nearest - found[:2]) / size)}
        texts.append(
            ax.annotate(
                name,
                X[i],
                xytext=found[:2] + [1, 0.2 * font] - at[i],
                textcoords="offset points",
                fontsize=font,
                color=VERMILION if is_suspect[i] else "black",
                va="bottom",
                ha="left",
                arrowprops=line,
                parse_math=False,
                path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.8)],
                zorder=3,
            )
        )
    return texts
