# SPDX-License-Identifier: BSD-3-Clause
"""Curves with a band of one standard deviation, in colours safe for colour-blind readers."""

from __future__ import annotations

import numpy as np

COLOURS = {
    "related": "#0072B2",
    "unrelated": "#D55E00",
    "extracted, labels": "#009E73",
    "extracted, probabilities": "#CC79A7",
}
OTHERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def panels(n: int, width: float = 4.0, height: float = 3.4):
    """A figure and its axes side by side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, n, figsize=(width * n, height), squeeze=False, layout="constrained"
    )
    return figure, axes[0]


def band(ax, x, values, label: str, colour: str | None = None) -> None:
    """Mean over the rows of values (n_repeats, n_x), and one standard deviation about it."""
    values = np.asarray(values)
    mean = values.mean(axis=0)
    sd = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
    colour = COLOURS.get(label) if colour is None else colour
    ax.plot(x, mean, marker="o", markersize=3, label=label, color=colour)
    ax.fill_between(x, mean - sd, mean + sd, alpha=0.25, linewidth=0, color=colour)


def drops(ax, schedule) -> None:
    """Dotted lines where the learning rate drops; epochs are whole numbers."""
    ax.xaxis.get_major_locator().set_params(integer=True)
    for drop in schedule.drops:
        ax.axvline(drop - 0.5, color="grey", linewidth=0.8, linestyle=":")
