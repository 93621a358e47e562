# SPDX-License-Identifier: BSD-3-Clause
"""The section on distances: figures and tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ..comparing import number
from ..displays import ZestDistanceDisplay, medoids
from . import _html as page
from ._figures import drawn
from ._map import zoo_map
from ._models import models_table
from ._zoo import Zoo

__all__ = ["of_distances"]

MOST_IN_MATRIX = 25  # models; with more, only the nearest pairs are listed
MOST_PAIRS = 15
MOST_IN_TEXT = 40  # models; of more, the description of a figure names one of each cluster


def of_distances(zoo: Zoo, suspects: Sequence[int] = ()) -> str:
    """The section; suspects are ringed on the map."""
    markups = [
        page.paragraph(
            "Cosine distances between signatures: 0 for models that weigh the parts of the "
            "reference points in the same proportions, 1 for models whose weights are unrelated. "
            "Intervals: 95 %, over the choice of reference points."
        ),
    ]
    if len(zoo) > 1:
        markups += [_heat_map(zoo), zoo_map(zoo, suspects)]
    pairs, most = zoo.nearest_pairs(MOST_PAIRS), page.MOST_IN_ROW
    if pairs:
        rows = [
            [
                f"{page.name(zoo.labels[i], most)} – {page.name(zoo.labels[j], most)}",
                number(zoo.distances[i, j], 4),
                zoo.interval((i, j)),
            ]
            for i, j in pairs
        ]
        listed = "All pairs" if zoo.n_pairs <= MOST_PAIRS else f"The {MOST_PAIRS} nearest pairs"
        columns = ["pair", "distance", "95 % interval"]
        markups.append(page.table(listed, columns, rows))
    if 1 < len(zoo) <= MOST_IN_MATRIX:
        cells = [[_short(d) for d in row] for row in zoo.distances]
        undefined = " (–: undefined)" if np.isnan(zoo.distances).any() else ""
        title = f"Distances between all models{undefined}"
        markups.append(page.matrix(title, zoo.labels, cells))
    return page.section("Distances", *markups, models_table(zoo))


def _heat_map(zoo: Zoo) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models left out: in the summary
        display = ZestDistanceDisplay.from_distances(
            zoo.distances, labels=zoo.labels, groups=zoo.groups
        )
    shown = display.order
    alt = f"Clustered heat map of the distances between {len(zoo):,} models, from top to bottom"
    if len(zoo) > MOST_IN_TEXT:
        shown = medoids(zoo.distances, zoo.clusters)[:MOST_IN_TEXT]
        alt += f"; in the middle of the {len(shown)} largest clusters are"
    alt += ": " + ", ".join(zoo.labels[i] for i in shown)
    caption = "Models ordered so that near ones are side by side."
    if len(display.ax_.get_yticks()) < len(zoo):
        caption += " Named are those in the middle of clusters."
    return drawn(display.figure_, alt, caption, few_colors=True)


def _short(distance: float) -> str:
    """A distance for a narrow column."""
    if np.isnan(distance):
        return "–"
    return "<.001" if 0 < distance < 0.0005 else f"{distance:.3f}"
