# SPDX-License-Identifier: BSD-3-Clause
"""``skzest compare``: distances between models, as a table, as JSON, as a page."""

from __future__ import annotations

import argparse
import json

import numpy as np

from ..comparing import ShownAsTable, TableText, number, zest_distances
from ..signature import LimeSignatureTransformer
from ._models import load_models, model_names
from ._questions import check_folder, columns_named, reference_for, run_params, transformer_for

__all__ = ["run"]


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Compare models; see ``skzest compare --help``."""
    if len(options.models) < 2:
        raise ValueError("one model has nothing to be compared with; name two or more.")
    check_folder(options.report, "--report")
    names = model_names(options.models)
    lime = transformer_for(options, reference_for(options), **run_params(options))
    models = load_models(options.models, options)
    with columns_named(lime.reference):
        S = lime.fit_transform(models)
    D = np.asarray(zest_distances(S, n_classes=lime.n_classes_))
    left_out = classes_of_some(S, lime)
    if options.report is not None:
        from ..report import html_report

        html_report(S, lime.plan_, options.report, labels=names, classes=lime.classes_)
    if options.json:
        found = {
            "models": options.models,
            "distances": [[None if np.isnan(d) else d for d in row] for row in D.tolist()],
            "digest": lime.plan_.digest,
            "n_questions": lime.plan_.n_queries,
            "classes_of_some_models": left_out,
        }
        return json.dumps(found), 0
    note = (
        f"{lime.plan_.n_queries:,} questions to each model about {len(lime.plan_)} reference "
        f"points, digest {lime.plan_.digest[:8]}"
    )
    if left_out:
        classes = ", ".join(map(str, left_out))
        note += (
            f"; classes that some models lack, and that count between the others only: {classes}"
        )
    return str(DistanceTable(names, D, note)), 0


def classes_of_some(S: np.ndarray, lime: LimeSignatureTransformer) -> list[object]:
    """Labels of the classes that at least one of the models lacks."""
    blocks = np.isnan(np.asarray(S)).reshape(len(S), lime.n_classes_, -1)
    return np.asarray(lime.classes_)[blocks.all(axis=2).any(axis=0)].tolist()


class DistanceTable(ShownAsTable):
    """A matrix of distances as text."""

    def __init__(self, names: list[str], distances: np.ndarray, note: str):
        self.names, self.distances, self.note = names, distances, note

    def _text(self) -> TableText:
        rows = [[n, *map(number, row)] for n, row in zip(self.names, self.distances.tolist())]
        return TableText("Distances", ["", *self.names], rows, self.note)
