# SPDX-License-Identifier: BSD-3-Clause
"""The table of all models, which the script of the page sorts and searches."""

from __future__ import annotations

import numpy as np

from ..comparing import number
from . import _html as page
from ._zoo import Zoo

__all__ = ["models_table"]

_CLUSTERS = (
    "<p>Clusters are those of average linkage, cut at two thirds of the height at which the last "
    "two merge. Cluster 1 is the largest; a model that is near no other is in none (–).</p>"
)


def models_table(zoo: Zoo) -> str:
    """One row for each model, in the order in which they were given."""
    texts = {"model": [page.name(label) for label in zoo.labels]}
    if zoo.groups is not None:
        texts["group"] = ["–" if _missing(g) else page.name(g) for g in zoo.groups]
    if zoo.kinds is not None:
        texts["kind"] = [*map(page.escape, zoo.kinds)]
    numbers = {}
    if len(zoo) > 1:
        texts["nearest"], numbers["at distance"] = _nearest(zoo)
        numbers["cluster"] = _clusters(zoo.clusters)
    has_class = ~np.isnan(zoo.signatures).reshape(len(zoo), len(zoo.classes), -1).any(axis=2)
    numbers["classes"] = [f"{n} of {len(zoo.classes)}" for n in has_class.sum(axis=1)]
    columns = texts | numbers
    table = page.table(
        "Models", [*columns], zip(*columns.values()), n_text=len(texts), name="models"
    )
    return table + (_CLUSTERS if "cluster" in columns else "")


def _nearest(zoo: Zoo) -> tuple[list[str], list[str]]:
    """The nearest other of each model and its distance."""
    distances, indices = zoo.nearest
    names = [
        "–" if np.isnan(d) else page.name(zoo.labels[i], page.MOST_IN_ROW)
        for i, d in zip(indices[:, 0], distances[:, 0])
    ]
    return names, [*map(number, distances[:, 0])]


def _clusters(clusters: np.ndarray) -> list[str]:
    """Numbers from 1; a model by itself is in no cluster."""
    sizes = np.bincount(clusters[clusters >= 0], minlength=1)
    return ["–" if c < 0 or sizes[c] == 1 else str(c + 1) for c in clusters]


def _missing(group: object) -> bool:
    return group is None or group != group
