# SPDX-License-Identifier: BSD-3-Clause
"""``skzest nearest``: the signed models that are nearest to others."""

from __future__ import annotations

import argparse
import json

import numpy as np

from ..comparing import ShownAsTable, TableText, nearest_models, number
from ._models import model_names
from ._signed import SignedModel, in_blocks

__all__ = ["run"]


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Find the nearest; see ``skzest nearest --help``."""
    paths = [*options.signatures, *options.among]
    models = [SignedModel.load(path) for path in paths]
    _check_same_questions(paths, models)
    rows, labels = in_blocks(models)
    suspects, zoo = np.split(rows, [len(options.signatures)])
    most = min(options.number, len(zoo))
    distances, indices = nearest_models(zoo, suspects, n_neighbors=most, n_classes=len(labels))
    digest = models[0].digest
    if options.json:
        found = [
            {"model": path, "nearest": [_near(options.among[j], d) for j, d in zip(near, of)]}
            for path, near, of in zip(options.signatures, indices, distances)
        ]
        return json.dumps({"suspects": found, "digest": digest}), 0
    note = f"among {len(zoo):,} models, digest {digest[:8]}"
    names = model_names(paths)
    table = NearestTable(names[: len(suspects)], names[len(suspects) :], distances, indices, note)
    return str(table), 0


def _check_same_questions(paths: list[str], models: list[SignedModel]) -> None:
    for path, model in zip(paths, models):
        if model.digest != models[0].digest:
            raise ValueError(
                f"{path} answers other questions (digest {model.digest[:8]}) than {paths[0]} "
                f"({models[0].digest[:8]}). Sign all models under one plan."
            )


def _near(path: str, distance: float) -> dict[str, object]:
    return {"model": path, "distance": None if np.isnan(distance) else float(distance)}


class NearestTable(ShownAsTable):
    """Each suspect with its nearest models as text."""

    def __init__(
        self,
        suspects: list[str],
        zoo: list[str],
        distances: np.ndarray,
        indices: np.ndarray,
        note: str,
    ):
        self.suspects, self.zoo, self.note = suspects, zoo, note
        self.distances, self.indices = distances, indices

    def _text(self) -> TableText:
        rows = [
            [name if rank == 0 else "", self.zoo[j], number(d)]
            for name, near, of in zip(self.suspects, self.indices, self.distances)
            for rank, (j, d) in enumerate(zip(near, of))
        ]
        return TableText("Nearest models", ["", "nearest", "distance"], rows, self.note)
