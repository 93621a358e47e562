# SPDX-License-Identifier: BSD-3-Clause
"""``skzest nearest``: the signed models that are nearest to others."""

from __future__ import annotations

import argparse
import json
import os

import numpy as np

from .._validation import counted
from ..comparing import ShownAsTable, TableText, nearest_models, number
from ._models import model_names
from ._signed import SignedModel, in_blocks

__all__ = ["run"]


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Find the nearest; see ``skzest nearest --help``."""
    paths = [*options.signatures, *options.among]
    models = [SignedModel.load(path) for path in paths]
    _check_same_questions(paths, models)
    remedy = "Sign again with the labels of the columns: skzest sign --classes A,B,..."
    rows, labels = in_blocks(models, paths, remedy)
    suspects, zoo = np.split(rows, [len(options.signatures)])
    itself = _same_files(options.signatures, options.among)
    most = min(options.number + int(itself.sum(axis=1).max()), len(zoo))
    found = nearest_models(zoo, suspects, n_neighbors=most, n_classes=len(labels))
    nearest = [
        [(j, d) for j, d in zip(near, of) if not same[j]][: options.number]
        for of, near, same in zip(*found, itself)
    ]
    digest = models[0].digest
    if options.json:
        listed = [
            {"model": path, "nearest": [_near(options.among[j], d) for j, d in near]}
            for path, near in zip(options.signatures, nearest)
        ]
        return json.dumps({"suspects": listed, "digest": digest}), 0
    note = f"{_among(itself, options.number)}, digest {digest[:8]}"
    names = model_names(paths)
    return str(NearestTable(names[: len(suspects)], names[len(suspects) :], nearest, note)), 0


def _same_files(suspects: list[str], zoo: list[str]) -> np.ndarray:
    """Which files are a suspect itself, (n_suspects, n_zoo); refuses one without any other."""
    files, others = (np.array([os.path.realpath(p) for p in paths]) for paths in (suspects, zoo))
    same = files[:, None] == others
    for path, alone in zip(suspects, same.all(axis=1)):
        if alone:
            raise ValueError(
                f"--among holds nothing but {path} itself. Pass the signatures of other models."
            )
    return same


def _check_same_questions(paths: list[str], models: list[SignedModel]) -> None:
    for path, model in zip(paths, models):
        if model.digest != models[0].digest:
            raise ValueError(
                f"{path} answers other questions (digest {model.digest[:8]}) than {paths[0]} "
                f"({models[0].digest[:8]}). Sign all models under one plan."
            )


def _among(itself: np.ndarray, n_wanted: int) -> str:
    """How many models each suspect was compared with; it is not one of them itself."""
    n_others = (~itself).sum(axis=1)
    fewest, most = int(n_others.min()), int(n_others.max())
    among = counted(most, "other model" if itself.any() else "model")
    least = f"{fewest} to " if fewest < most else ""
    fewer = f", fewer than -n {n_wanted}" if fewest < n_wanted else ""
    return f"among {least}{among}{fewer}"


def _near(path: str, distance: float) -> dict[str, object]:
    return {"model": path, "distance": None if np.isnan(distance) else float(distance)}


class NearestTable(ShownAsTable):
    """Each suspect with its nearest models, as positions and distances, as text."""

    def __init__(
        self,
        suspects: list[str],
        zoo: list[str],
        nearest: list[list[tuple[int, float]]],
        note: str,
    ):
        self.suspects, self.zoo, self.nearest, self.note = suspects, zoo, nearest, note

    def _text(self) -> TableText:
        rows = [
            [name if rank == 0 else "", self.zoo[j], number(d)]
            for name, near in zip(self.suspects, self.nearest)
            for rank, (j, d) in enumerate(near)
        ]
        return TableText("Nearest models", ["", "nearest", "distance"], rows, self.note)
