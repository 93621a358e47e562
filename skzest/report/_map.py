# SPDX-License-Identifier: BSD-3-Clause
"""The map of a zoo, with the name and the nearest models of each point for those who hover."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from .._validation import counted
from ..comparing import number
from ..displays import ZooMapDisplay
from . import _html as page
from ._figures import drawn
from ._zoo import Zoo

__all__ = ["zoo_map"]

_WIDTH = 1000  # of the picture, in units of its points


def zoo_map(zoo: Zoo, suspects: Sequence[int]) -> str:
    """A figure: the picture of the map under transparent points."""
    display = ZooMapDisplay.from_distances(
        zoo.distances, labels=zoo.labels, groups=zoo.groups, suspects=suspects
    )
    alt = (
        f"Map of {counted(len(zoo), 'model')}; distances on it are off by {display.stress_:.0%}. "
        "The tables have the exact distances."
    )
    caption = (
        "A map of the models: those that are close on the map have small distances, as far as a "
        "plane allows. Directions have no meaning."
    )
    over = partial(_points, display, zoo)
    return drawn(display.figure_, alt, caption, few_colors=True, over=over)


def _points(display: ZooMapDisplay, zoo: Zoo) -> str:
    """A transparent point over each of the map; its title is what a browser shows on hovering."""
    figure = display.figure_.figure
    X = display.ax_.transData.transform(display.positions)
    X = np.column_stack([X[:, 0], figure.bbox.height - X[:, 1]]) * _WIDTH / figure.bbox.width
    height = _WIDTH * figure.bbox.height / figure.bbox.width
    shown = np.flatnonzero(~np.isnan(X[:, 0])).tolist()
    points = "".join(_point(zoo, i, *X[i]) for i in shown)
    return (
        f'<svg id="map" viewBox="0 0 {_WIDTH} {height:.1f}" role="img" '
        f'aria-label="Points of {counted(len(zoo), "model")}; the table of models says what is '
        f'near to what">{points}</svg>'
    )


def _point(zoo: Zoo, i: int, x: float, y: float) -> str:
    distances, indices = zoo.nearest
    near = [(j, d) for j, d in zip(indices[i], distances[i]) if d == d]
    lines = [zoo.called(i), *(f"{number(d)}: {zoo.labels[j]}" for j, d in near)]
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" data-model="{i}" '
        f'data-near="{" ".join(str(j) for j, _ in near)}">'
        f"<title>{page.escape(_lines(lines))}</title></circle>"
    )


def _lines(texts: Sequence[str]) -> str:
    """One line for each text, whatever it contains."""
    return "\n".join(" ".join(str(text).split()) for text in texts)
