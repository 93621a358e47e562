# SPDX-License-Identifier: BSD-3-Clause
"""A sound with its segments in colour."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from ._pictures import Picture

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

__all__ = ["SOUNDS", "SoundPicture"]

SOUNDS = ("waveform", "spectrogram")


class SoundPicture(Picture):
    """A waveform, or a spectrogram, with its segments in colour.

    Parameters
    ----------
    wave : ndarray of shape (n_samples,) or (n_channels, n_samples)
        Channels are averaged.
    parts : ndarray of int, shape (n_samples,)
    sample_rate : float
        Samples per second.
    """

    def __init__(self, wave: np.ndarray, parts: np.ndarray, sample_rate: float):
        wave = wave.astype(np.float64)
        self.wave = wave.mean(axis=0) if wave.ndim == 2 else wave
        self.parts = parts
        self.sample_rate = sample_rate

    def draw(
        self, ax: Axes, values: np.ndarray, cmap: Colormap, norm: Normalize, **options: object
    ) -> list[Artist]:
        wave, rate, parts = self.wave, self.sample_rate, self.parts
        is_spectrogram = options.get("sound") == "spectrogram"
        if is_spectrogram:
            _spectrogram(ax, wave, rate)
        else:
            ax.plot(np.arange(len(wave)) / rate, wave, color="0.2", linewidth=0.6)
            ax.set_yticks([])
        edges = np.concatenate([[0], np.flatnonzero(np.diff(parts)) + 1, [len(parts)]])
        spans: list[Artist] = []
        for start, stop in itertools.pairwise(edges):
            color = cmap(norm(values[parts[start]]))
            span = ax.axvspan(start / rate, stop / rate, facecolor=color, edgecolor="none")
            span.set_zorder(1.5 if is_spectrogram else 0.5)
            spans.append(span)
        for edge in edges[1:-1]:
            ax.axvline(edge / rate, color="0.7", linewidth=0.4, zorder=0.6)
        ax.set_xlim(0, len(wave) / rate)
        ax.set_xlabel("time (s)")
        return spans


def _spectrogram(ax: Axes, wave: np.ndarray, rate: float) -> None:
    from scipy.signal import spectrogram

    n_window = int(np.clip(0.025 * rate, min(8, len(wave)), len(wave)))
    f, _, power = spectrogram(wave, rate, nperseg=n_window, noverlap=n_window // 2)
    decibel = 10 * np.log10(np.maximum(power, 1e-10 * max(power.max(), 1e-300)))
    # White to mid-grey over the loudest 60 dB.
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
