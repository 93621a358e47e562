# SPDX-License-Identifier: BSD-3-Clause
"""How far the models are from each other."""

from __future__ import annotations

import warnings

import numpy as np

from ..displays import ZestDistanceDisplay, ZooMapDisplay
from . import _html as page
from ._figures import drawn, number
from ._zoo import Zoo

__all__ = ["of_distances"]

MOST_IN_MATRIX = 25  # models; of more, the nearest pairs are listed
MOST_PAIRS = 15


def of_distances(zoo: Zoo) -> str:
    """Heat map, map and tables."""
    markups = [
        page.paragraph(
            "Cosine distances between signatures: 0 for models that attend to the same parts of "
            "the same points in the same proportions, 1 for models that have nothing in common. "
            "Intervals: 95 %, over the choice of reference points."
        ),
    ]
    if len(zoo) > 1:
        markups += [_heat_map(zoo), _map(zoo)]
    pairs = zoo.pairs()
    if pairs:
        rows = [
            [
                f"{page.name(zoo.labels[i])} – {page.name(zoo.labels[j])}",
                f"{zoo.distances[i, j]:.4g}",
                zoo.interval((i, j)),
            ]
            for i, j in pairs[:MOST_PAIRS]
        ]
        listed = "All pairs" if len(pairs) <= MOST_PAIRS else f"The {MOST_PAIRS} nearest pairs"
        columns = ["pair", "distance", "95 % interval"]
        markups.append(page.table(listed, columns, rows))
    if 1 < len(zoo) <= MOST_IN_MATRIX:
        cells = [[_short(d) for d in row] for row in zoo.distances]
        markups.append(page.matrix("Distances between all models", zoo.labels, cells))
    return page.section("Distances", *markups, _models(zoo))


def _models(zoo: Zoo) -> str:
    columns, n_classes = ["model"], len(zoo.classes)
    if zoo.groups is not None:
        columns.append("group")
    if zoo.kinds is not None:
        columns.append("kind")
    n_text = len(columns)
    there = ~np.isnan(zoo.signatures.reshape(len(zoo), n_classes, -1)).any(axis=2)
    rows = []
    for i, label in enumerate(zoo.labels):
        row = [page.name(label)]
        if zoo.groups is not None:
            group = zoo.groups[i]
            row.append("–" if group is None or group != group else page.name(group))
        if zoo.kinds is not None:
            row.append(page.escape(zoo.kinds[i]))
        others = np.delete(zoo.distances[i], i)
        nearest = np.nanmin(others) if (~np.isnan(others)).any() else np.nan
        rows.append([*row, f"{there[i].sum()} of {n_classes}", number(nearest)])
    return page.table("Models", [*columns, "classes", "nearest other at"], rows, n_text=n_text)


def _heat_map(zoo: Zoo) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models without a leaf: in the summary
        display = ZestDistanceDisplay.from_distances(
            zoo.distances, labels=zoo.labels, groups=zoo.groups
        )
    alt = (
        f"Clustered heat map of the distances between {len(zoo)} models, from top to bottom: "
        + ", ".join(zoo.labels[i] for i in display.order)
    )
    return drawn(display.figure_, alt, "Models in an order that puts near ones side by side.")


def _map(zoo: Zoo) -> str:
    display = ZooMapDisplay.from_distances(zoo.distances, labels=zoo.labels, groups=zoo.groups)
    alt = (
        f"Map of {len(zoo)} models on which distances are off by {display.stress_:.0%}. The "
        "tables have the distances."
    )
    caption = (
        "A map of the models: near on the map is near in truth, as far as a plane allows. "
        "Directions mean nothing."
    )
    return drawn(display.figure_, alt, caption)


def _short(distance: float) -> str:
    """A distance for a narrow column."""
    if np.isnan(distance):
        return "–"
    return "<.001" if 0 < distance < 0.0005 else f"{distance:.3f}"
