# SPDX-License-Identifier: BSD-3-Clause
"""One value for each part of a point, drawn on the point itself.

On an image as colour over its parts, in a text as the colour of its words, on a sound as colour
behind its wave or over its spectrogram; for a table, and for points of any other kind, as bars.
Each function returns the artists that it made.
"""

from __future__ import annotations

import itertools

import numpy as np

from .._points import is_frame
from ..comparing import part_names
from ..maskers import AudioMasker, ImageMasker, TabularMasker, TextMasker, find_channel_axis
from ._style import BLUE, SIDE_FONT, VERMILION, plain, shorten
from ._words import LINE, TEXT_FONT, draw_text

MOST_BARS = 20
MOST_OUTLINED = 40  # parts: where there are more, their outlines would hide the image

SOUNDS = ("waveform", "spectrogram")


def kind_of_point(plan):
    """How a point is drawn: as an "image", a "text", a "sound", or as "bars"."""
    for masker, kind in ((ImageMasker, "image"), (TextMasker, "text"), (AudioMasker, "sound")):
        if isinstance(plan.masker, masker):
            return kind
    return "bars"


def check_parts(plan):
    """Refuse a plan whose components are no parts."""
    if plan.is_passthrough:
        raise ValueError(
            "under surrogate='passthrough' a component is a mask, and not a part that could be "
            "shown. Make the signatures with a regression (surrogate=None) from the same plan."
        )


def figure_size(plan, n):
    """Width and height of a figure of one axes, in inches."""
    kind = kind_of_point(plan)
    if kind == "image":
        height, width = _grey(plan, n).shape
        return 4.6, float(np.clip(3.8 * height / width, 1.5, 6.0)) + 0.3
    if kind == "text":
        n_lines = len(plan.point(n)) * 0.55 * TEXT_FONT / (5.0 * 72) + plan.point(n).count("\n") + 1
        return 6.4, float(np.clip(n_lines * LINE * TEXT_FONT / 72 + 0.5, 0.9, 7.0))
    if kind == "sound":
        return 6.4, 2.2
    return 5.2, 0.8 + 0.26 * min(int(plan.n_parts[n]), MOST_BARS + 1)


def draw_on_point(ax, plan, n, values, cmap, norm, *, sound="waveform", order=None):
    """Draw ``values``, one for each part of the point at position ``n``."""
    if sound not in SOUNDS:
        raise ValueError(f"sound must be one of {SOUNDS}; got {sound!r}.")
    kind = kind_of_point(plan)
    if kind == "image":
        return _on_image(ax, plan, n, values, cmap, norm)
    if kind == "text":
        return draw_text(ax, plan.point(n), plan.parts[n], values, cmap, norm)
    if kind == "sound":
        return _on_sound(ax, plan, n, values, cmap, norm, sound)
    return _bars(ax, plan, n, values, norm, order)


# --- images -------------------------------------------------------------------------------------


def _pixels(plan, n):
    """The image as (height, width, channels), black being 0 and white 1."""
    masker = plan.masker
    shape = masker._image_shape(np.shape(plan.point(n)))
    axis = find_channel_axis(masker.channel_axis, shape)
    image = np.asarray(plan.point(n), dtype=np.float64).reshape(shape)
    low, high = 0.0, 255.0
    if plan.reference.dtype != np.uint8:
        low, high = float(np.min(plan.reference)), float(np.max(plan.reference))
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
    image = (image - low) / (high - low or 1.0)
    return image[..., np.newaxis] if axis is None else np.moveaxis(image, axis, -1)


def _grey(plan, n):
    """The image in shades of grey, shape (height, width)."""
    pixels = _pixels(plan, n)
    # Rec. 601, as for the grey of a photograph; other channels count alike.
    weights = [0.299, 0.587, 0.114] if pixels.shape[-1] == 3 else None
    return np.average(pixels, axis=-1, weights=weights)


def draw_image(ax, plan, n):
    """The image as it is, in colour if it has three channels."""
    pixels = _pixels(plan, n)
    if pixels.shape[-1] == 3:
        ax.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
    else:
        ax.imshow(_grey(plan, n), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()


def _on_image(ax, plan, n, values, cmap, norm):
    from matplotlib.collections import LineCollection

    grey, parts = _grey(plan, n), plan.parts[n]
    # From light grey to white: colour would be mud on black.
    ax.imshow(grey, cmap="gray", vmin=-1.5, vmax=1.0, interpolation="nearest")
    overlay = ax.imshow(
        np.asarray(values, dtype=float)[parts], cmap=cmap, norm=norm, interpolation="nearest"
    )
    chosen = np.argsort(-np.abs(values), kind="stable")[:MOST_OUTLINED]
    borders = LineCollection(_borders(parts, chosen), colors="0.25", linewidths=0.4, alpha=0.7)
    ax.add_collection(borders, autolim=False)
    ax.set_axis_off()
    return [overlay]


def _borders(parts, chosen):
    """Edges of pixels between parts of which one is chosen, (n, 2, 2) as x and y."""
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


# --- sounds -------------------------------------------------------------------------------------


def _on_sound(ax, plan, n, values, cmap, norm, sound):
    rate, wave, parts = plan.masker.sample_rate, np.asarray(plan.point(n)), plan.parts[n]
    wave = wave.astype(np.float64)
    wave = wave.mean(axis=0) if wave.ndim == 2 else wave
    if sound == "waveform":
        ax.plot(np.arange(len(wave)) / rate, wave, color="0.2", linewidth=0.6)
        ax.set_yticks([])
    else:
        _spectrogram(ax, wave, rate)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(parts)) + 1, [len(parts)]])
    spans = []
    for start, stop in itertools.pairwise(edges):
        color = cmap(norm(values[parts[start]]))
        spans.append(ax.axvspan(start / rate, stop / rate, facecolor=color, edgecolor="none"))
    for span in spans:
        span.set_zorder(0.5 if sound == "waveform" else 1.5)
    for edge in edges[1:-1]:
        ax.axvline(edge / rate, color="0.7", linewidth=0.4, zorder=0.6)
    ax.set_xlim(0, len(wave) / rate)
    ax.set_xlabel("time (s)")
    return spans


def _spectrogram(ax, wave, rate):
    from scipy.signal import spectrogram

    n_window = int(np.clip(0.025 * rate, min(8, len(wave)), len(wave)))
    f, _, power = spectrogram(wave, rate, nperseg=n_window, noverlap=n_window // 2)
    decibel = 10 * np.log10(np.maximum(power, 1e-10 * max(power.max(), 1e-300)))
    # From white to mid-grey, over the 60 dB that are heard.
    ax.imshow(
        decibel,
        origin="lower",
        aspect="auto",
        extent=(0, len(wave) / rate, 0, f[-1] / 1000),
        cmap="gray_r",
        vmin=decibel.max() - 60,
        vmax=decibel.max() + 25,
    )
    ax.set_ylabel("kHz")


# --- tables, and what has no picture ------------------------------------------------------------


def bar_order(values):
    """The parts that are drawn as bars, the largest first."""
    return np.argsort(-np.abs(values), kind="stable")[:MOST_BARS]


def _bars(ax, plan, n, values, norm, order):
    values = np.asarray(values, dtype=float)
    order = bar_order(values) if order is None else order
    names = [_with_value(plan, n, name, k) for k, name in enumerate(part_names(plan, n))]
    labels, lengths = [names[k] for k in order], values[order]
    rest = np.setdiff1d(np.arange(len(values)), order)
    if len(rest):
        labels.append(f"{len(rest)} others, in sum")
        lengths = np.append(lengths, values[rest].sum())
    colors = [VERMILION if value >= 0 else BLUE for value in lengths]
    bars = ax.barh(np.arange(len(lengths)), lengths, color=colors)
    ax.set_yticks(np.arange(len(labels)), [plain(shorten(label, 36)) for label in labels])
    ax.tick_params(axis="y", length=0, labelsize=SIDE_FONT)
    ax.invert_yaxis()
    low, high = min(norm.vmin, lengths.min(), 0.0), max(norm.vmax, lengths.max(), 0.0)
    margin = 0.05 * (high - low)
    ax.set_xlim(low - margin if low < 0 else 0.0, high + margin if high > 0 else 1.0)
    if low < 0:
        ax.axvline(0, color="0.4", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    return list(bars)


def _with_value(plan, n, name, k):
    """A column with what it holds at this point."""
    if not isinstance(plan.masker, TabularMasker):
        return name
    columns = np.flatnonzero(plan.parts[n] == k)
    if len(columns) != 1:
        return name
    point = plan.point(n)
    value = point.iloc[0, columns[0]] if is_frame(point) else point[columns[0]]
    shown = f"{value:.3g}" if isinstance(value, (float, np.floating)) else str(value)
    return f"{shorten(name, 24)} = {shorten(shown, 11)}"
