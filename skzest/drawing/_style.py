# SPDX-License-Identifier: BSD-3-Clause
"""Colours, fonts and names, the same in all figures."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap, Normalize

# From Okabe and Ito's palette, which readers with any common colour blindness can distinguish.
BLUE, VERMILION = "#0072B2", "#D55E00"

SIDE_FONT = 8.0
SMALLEST_FONT = 5.0  # points; smaller labels cannot be read
POINTS_PER_INCH = 72.0

_MOST_OPAQUE = 0.75  # what lies underneath stays visible


def share_cmap() -> Colormap:
    """From transparent to vermilion."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    rgb = to_rgb(VERMILION)
    return LinearSegmentedColormap.from_list("share", [(*rgb, 0.0), (*rgb, _MOST_OPAQUE)])


def signed_cmap() -> Colormap:
    """From blue through transparent to vermilion."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    low, high = to_rgb(BLUE), to_rgb(VERMILION)
    stops = [(*low, _MOST_OPAQUE), (*low, 0.0), (*high, 0.0), (*high, _MOST_OPAQUE)]
    return LinearSegmentedColormap.from_list("signed", list(zip([0, 0.5, 0.5, 1], stops)))


def on_white(rgba: Sequence[float]) -> tuple[float, ...]:
    """The opaque colour that a transparent one shows on white."""
    rgb, alpha = np.asarray(rgba[:3]), rgba[3]
    return tuple(alpha * rgb + (1 - alpha))


def text_color(rgba: Sequence[float]) -> str:
    """Black or white, whichever has the higher contrast (relative luminance, WCAG 2)."""
    rgb = np.asarray(rgba[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"


def new_axes(width: float, height: float) -> Axes:
    """Axes in a new figure of this size, in inches."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def axes_size(ax: Axes) -> tuple[float, float]:
    """Width and height in points, before a layout engine moves anything."""
    box = ax.get_window_extent()
    scale = POINTS_PER_INCH / ax.figure.dpi
    return box.width * scale, box.height * scale


def draw_colorbar(axes: Axes | list[Axes], cmap: Colormap, norm: Normalize, label: str) -> Colorbar:
    """A colour bar beside one or more axes."""
    from matplotlib.cm import ScalarMappable

    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    mappable = ScalarMappable(norm=norm, cmap=cmap)
    return style_colorbar(
        figure.colorbar(mappable, ax=axes, fraction=0.04, pad=0.02, aspect=25), label
    )


def style_colorbar(colorbar: Colorbar, label: str) -> Colorbar:
    """The colour bar with its label and thin lines."""
    colorbar.set_label(label, fontsize=SIDE_FONT)
    colorbar.ax.tick_params(labelsize=SIDE_FONT, width=0.5)
    colorbar.outline.set_linewidth(0.5)
    return colorbar


# --- names ----------------------------------------------------------------------------------


def text_width(text: str, font: float) -> float:
    """Width in points, in any figure."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return text_to_path.get_text_width_height_descent(text, FontProperties(size=font), False)[0]


def shorten(name: object, longest: int) -> str:
    """The name, or its beginning and its end: seeds and versions stand at the end."""
    text, longest = printable(name), max(longest, 3)
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return text[: longest - 1 - tail] + "…" + text[-tail:]


def shorten_all(names: Iterable[object], longest: int) -> list[str]:
    """The names as :func:`shorten` has them; where different ones look alike, what differs."""
    texts = [*map(printable, names)]
    short = [shorten(text, longest) for text in texts]
    alike: dict[str, set[str]] = {}
    for text, shown in zip(texts, short):
        alike.setdefault(shown, set()).add(text)
    return [
        _around_difference(text, alike[shown], longest) if len(alike[shown]) > 1 else shown
        for text, shown in zip(texts, short)
    ]


def _around_difference(text: str, others: set[str], longest: int) -> str:
    """As much of a name as fits, around what the others do not have in common."""
    room = max(longest - 2, 1)
    start = _n_in_common([*others])
    same_end = _n_in_common([other[start:][::-1] for other in others])
    spare = max(room - (max(map(len, others)) - same_end - start), 0)
    start = max(min(start - spare // 2, len(text) - room), 0)
    end = start + room
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _n_in_common(texts: Sequence[str]) -> int:
    """Number of characters with which all begin."""
    differ = (i for i, letters in enumerate(zip(*texts)) if len({*letters}) > 1)
    return next(differ, min(map(len, texts)))


def printable(text: object) -> str:
    """The text with "?" for lone surrogates and a space for control characters."""
    encoded = str(text).encode("utf-8", "replace").decode()
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in encoded)


def plain(name: object) -> str:
    """A name that matplotlib does not read as a formula: dollar signs are escaped."""
    return printable(name).replace("$", r"\$")
