# SPDX-License-Identifier: BSD-3-Clause
"""Owners, unrelated models, copies, and copies of others, for four tasks.

Digits, a made table and AG News have models of scikit-learn (``_sklearn_zoos.py``), trained in
minutes; CIFAR-10 has the networks of decisions/train_networks, as far as they are trained. Every
zoo has models in these roles:

- "owner";
- "unrelated": honest models by the owner's recipe, on other data and from other seeds;
- "recipe": honest models by other recipes;
- "stranger's copy": copies of unrelated models, by the ways in which owners are copied;
- "copy": copies of an owner by thieves, who do not have its training data;
- "rehearsed", "foreign" and "chooser": copies that the owner makes itself, of its own model and of
  choosers, which are honest models; from these it learns what to ask. Those of the kind "wide"
  belong to a rehearsal of all kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._cifar import images, photographs
from benchmarks.decisions import _small_networks as small
from benchmarks.decisions._answers import Remembered
from skzest import ImageMasker

WIDE = "wide"


@dataclass(frozen=True)
class Model:
    """One model: its role, how it was made, which owner it belongs to, and its answers."""

    name: str
    role: str
    kind: str
    owner: int | None
    answers: Remembered


@dataclass(frozen=True)
class Zoo:
    """The models of one task, and what they can be asked about.

    Parameters
    ----------
    reference : array or list
        Points for masked copies.
    points, y : array or list, and ndarray
        Points that nobody learned from, and their labels.
    n_points : int
        How many of the reference points Zest uses.
    rehearsed : tuple of str
        Kinds of copies that owners rehearse.
    retrained : callable
        From the name of a model, points, and labels as positions of classes, to a function that
        answers as that model after training on them a little, and on points of a thief.
    """

    task: str
    models: list[Model]
    reference: Any
    points: Any
    y: np.ndarray
    masker: Any
    n_points: int
    rehearsed: tuple[str, ...]
    retrained: Callable | None = None

    @property
    def owners(self) -> list[Model]:
        return [m for m in self.models if m.role == "owner"]

    def around(self, owner: Model) -> list[Model]:
        """The owner first, then all models that it can be compared with."""
        n = owner.owner
        return [owner, *(m for m in self.models if m.role != "owner" and m.owner in (None, n))]

    def save(self) -> None:
        for model in self.models:
            model.answers.save()


def cifar(data: Path | None, cache: Path) -> Zoo:
    """The networks that decisions/train_networks has made so far."""
    folder = cache / "small_networks"
    listed = small.members()
    by_name = {member.name: member for member in listed}
    models = []
    for member in listed:
        if (folder / f"{member.name}.pt").exists():
            owner = member.owner or (member.name if member.role == "owner" else member.of)
            n = int(owner[5:]) if owner.startswith("owner") else None

            def load(member=member):
                net = small.network(member, by_name, data, folder)
                return lambda X: small.answers(net, X)

            answers = Remembered(load, cache / "answers" / f"{member.name}.npz", "logits")
            models.append(Model(member.name, member.role, member.kind, n, answers))
    if data is None:
        X, y = photographs(400, 32, seed=1), np.arange(400) % 10
    else:
        X, y = images(data, 3_000, "test")
    masker = ImageMasker(value_range=(0, 255))

    def retrained(name, X, y):
        net = small.retrained(by_name[name], by_name, data, folder, X, y)
        return lambda X: small.answers(net, X)

    kinds = tuple(f"{answer}, {n} queries" for answer in ("labels", "soft") for n in (12000, 6000))
    return Zoo("CIFAR-10", models, X[:1000], X, y, masker, 24, kinds, retrained)
