# SPDX-License-Identifier: BSD-3-Clause
"""Colours and words that all pictures share."""

from __future__ import annotations

import numpy as np

from ._heatmap import (
    CHARACTER,
    POINTS_PER_INCH,
    SIDE_FONT,
    SMALLEST_FONT,
    plain,
    printable,
    shorten,
    text_color,
)

__all__ = [
    "BLUE",
    "CHARACTER",
    "GREEN",
    "POINTS_PER_INCH",
    "SIDE_FONT",
    "SMALLEST_FONT",
    "VERMILION",
    "axes_size",
    "draw_colorbar",
    "new_axes",
    "on_white",
    "plain",
    "printable",
    "share_cmap",
    "shorten",
    "signed_cmap",
    "text_color",
    "text_width",
]

# Okabe and Ito's: told apart with any of the common colour blindnesses.
BLUE, GREEN, VERMILION = "#0072B2", "#009E73", "#D55E00"

_OPAQUE = 0.75  # at most, so that what lies beneath is still seen


def share_cmap():
    """From nothing to orange red; what is beneath shines through."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    rgb = to_rgb(VERMILION)
    return LinearSegmentedColormap.from_list("share", [(*rgb, 0.0), (*rgb, _OPAQUE)])


def signed_cmap():
    """From blue over nothing to orange red."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    low, high = to_rgb(BLUE), to_rgb(VERMILION)
    stops = [(*low, _OPAQUE), (*low, 0.0), (*high, 0.0), (*high, _OPAQUE)]
    return LinearSegmentedColormap.from_list("signed", list(zip([0, 0.5, 0.5, 1], stops)))


def on_white(rgba):
    """The colour that a transparent one has on white paper."""
    rgb, alpha = np.asarray(rgba[:3]), rgba[3]
    return tuple(alpha * rgb + (1 - alpha))


def new_axes(width, height):
    """Axes in a new figure of this size, in inches."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def axes_size(ax):
    """Width and height in points, before a layout engine has moved anything."""
    box = ax.get_window_extent()
    scale = POINTS_PER_INCH / ax.figure.dpi
    return box.width * scale, box.height * scale


def text_width(text, font):
    """Width in points, whatever the figure."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return text_to_path.get_text_width_height_descent(text, FontProperties(size=font), False)[0]


def draw_colorbar(axes, cmap, norm, label):
    """A colour bar beside one or more axes, in colours that let what is beneath shine through."""
    from matplotlib.cm import ScalarMappable

    figure = np.ravel(axes)[0].figure
    mappable = ScalarMappable(norm=norm, cmap=cmap)
    colorbar = figure.colorbar(mappable, ax=axes, fraction=0.04, pad=0.02, aspect=25)
    colorbar.set_label(label, fontsize=SIDE_FONT)
    colorbar.ax.tick_params(labelsize=SIDE_FONT, width=0.5)
    colorbar.outline.set_linewidth(0.5)
    return colorbar
