# SPDX-License-Identifier: BSD-3-Clause
"""The section on distances: figures and tables."""

from __future__ import annotations

import warnings

import numpy as np

from ..comparing import number
from ..displays import ZestDistanceDisplay, ZooMapDisplay
from . import _html as page
from ._figures import drawn
from ._zoo import Zoo

__all__ = ["of_distances"]

MOST_IN_MATRIX = 25  # models; with more, only the nearest pairs are listed
MOST_PAIRS = 15


def of_distances(zoo: Zoo) -> str:
    """The section."""
    markups = [
        page.paragraph(
            "Cosine distances between signatures: 0 for models that weigh the parts of the "
            "reference points in the same proportions, 1 for models whose weights are unrelated. "
            "Intervals: 95 %, over the choice of reference points."
        ),
    ]
    if len(zoo) > 1:
        markups += [_heat_map(zoo), _map(zoo)]
    pairs, most = zoo.pairs(), page.MOST_IN_ROW
    if pairs:
        rows = [
            [
                f"{page.name(zoo.labels[i], most)} – {page.name(zoo.labels[j], most)}",
                number(zoo.distances[i, j], 4),
                zoo.interval((i, j)),
            ]
            for i, j in pairs[:MOST_PAIRS]
        ]
        listed = "All pairs" if len(pairs) <= MOST_PAIRS else f"The {MOST_PAIRS} nearest pairs"
        columns = ["pair", "distance", "95 % interval"]
        markups.append(page.table(listed, columns, rows))
    if 1 < len(zoo) <= MOST_IN_MATRIX:
        cells = [[_short(d) for d in row] for row in zoo.distances]
        undefined = " (–: undefined)" if np.isnan(zoo.distances).any() else ""
        title = f"Distances between all models{undefined}"
        markups.append(page.matrix(title, zoo.labels, cells))
    return page.section("Distances", *markups, _models(zoo))


def _models(zoo: Zoo) -> str:
    columns, n_classes = ["model"], len(zoo.classes)
    if zoo.groups is not None:
        columns.append("group")
    if zoo.kinds is not None:
        columns.append("kind")
    n_text = len(columns)
    has_class = ~np.isnan(zoo.signatures.reshape(len(zoo), n_classes, -1)).any(axis=2)
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
        rows.append([*row, f"{has_class[i].sum()} of {n_classes}", number(nearest)])
    return page.table("Models", [*columns, "classes", "nearest other at"], rows, n_text=n_text)


def _heat_map(zoo: Zoo) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models left out: in the summary
        display = ZestDistanceDisplay.from_distances(
            zoo.distances, labels=zoo.labels, groups=zoo.groups
        )
    alt = (
        f"Clustered heat map of the distances between {len(zoo)} models, from top to bottom: "
        + ", ".join(zoo.labels[i] for i in display.order)
    )
    return drawn(display.figure_, alt, "Models ordered so that near ones are side by side.")


def _map(zoo: Zoo) -> str:
    display = ZooMapDisplay.from_distances(zoo.distances, labels=zoo.labels, groups=zoo.groups)
    alt = (
        f"Map of {len(zoo)} models; distances on it are off by {display.stress_:.0%}. The tables "
        "have the exact distances."
    )
    caption = (
        "A map of the models: those that are close on the map have small distances, as far as a "
        "plane allows. Directions have no meaning."
    )
    return drawn(display.figure_, alt, caption)


def _short(distance: float) -> str:
    """A distance for a narrow column."""
    if np.isnan(distance):
        return "–"
    return "<.001" if 0 < distance < 0.0005 else f"{distance:.3f}"
