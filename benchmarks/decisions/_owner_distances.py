# SPDX-License-Identifier: BSD-3-Clause
"""Distances from an owner to all models of its zoo, by every method.

Each single method may ask every model as many questions as Zest does. The ensembles share that
number: half of it is for masked copies, the rest for plain points and 64 rehearsed questions.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks._inside import render_copies
from benchmarks.decisions._answers import Remembered
from benchmarks.decisions._zoos import Model, Zoo
from skzest import LimeSignatureTransformer, zest_distances
from skzest.baselines import (
    Scores,
    ask_copies,
    ask_points,
    boundary_points,
    combined_distances,
    copy_label_distances,
    correlation_distances,
    ddv_pairs,
    mistake_distances,
    passthrough_distances,
    prediction_distances,
)
from skzest.plan import QueryPlan

# Distances of ensembles, chosen on digits, by what a suspect answers with.
CHOSEN = {"labels": ("copy labels", "mistakes"), "scores": ("zest", "mistakes")}
# Everything that the questions of an ensemble allow.
EVERY = {
    "labels": ("copy labels", "predictions", "mistakes"),
    "scores": (
        "zest", "passthrough", "combined", "correlation", "copy labels", "predictions", "mistakes",
    ),
}  # fmt: skip
BOUNDARY_STEPS, PAIR_STEPS = 4, 20


@dataclass(frozen=True)
class Questions:
    """What all models around one owner are asked, by any method but rehearsal.

    Parameters
    ----------
    plan : QueryPlan
    copies : array or list
        The masked copies of the plan, point after point.
    points, y : array or list, and ndarray
        Plain points and their labels.
    boundary, pairs : ndarray or None
        Points at the owner's boundary, and points followed by their partners.
    """

    plan: QueryPlan
    copies: object
    points: object
    y: np.ndarray
    boundary: np.ndarray | None
    pairs: np.ndarray | None

    @property
    def n_asked(self) -> dict[str, int]:
        """Questions to each model by method."""
        n = {"copies": self.plan.n_queries, "points": len(self.points)}
        found = dict.fromkeys(("zest", "passthrough", "copy labels", "combined"), n["copies"])
        found |= dict.fromkeys(("predictions", "mistakes", "correlation"), n["points"])
        if self.boundary is not None:
            found |= {"boundary": len(self.boundary), "ddv": len(self.pairs)}
        return found


def movable(zoo: Zoo) -> bool:
    """Whether points are arrays, which can be mixed."""
    return isinstance(zoo.points, np.ndarray)


def questions_for(zoo: Zoo, owner: Model, *, shared: bool, seed: int = 0) -> Questions:
    """As many for every method as Zest asks, or for an ensemble (with 64 for rehearsal)."""
    points, y = zoo.points, zoo.y
    if seed:  # others come first
        order = np.random.default_rng(seed).permutation(len(y))
        points, y = points[order], y[order]
    n_points = zoo.n_points // 2 if shared else zoo.n_points
    lime = LimeSignatureTransformer(
        zoo.reference,
        n_reference=n_points,
        n_samples="auto",
        sampling="fractional",
        masker=copy.deepcopy(zoo.masker),
        random_state=seed,
    )
    plan = lime.fit([owner.answers.query]).plan_
    budget = plan.n_queries
    n_plain = min(budget - 64 if shared else budget, len(zoo.points))
    boundary = pairs = None
    if movable(zoo) and not shared:
        query = owner.answers.query
        boundary = boundary_points(query, points, budget, n_steps=BOUNDARY_STEPS, random_state=seed)
        pairs = points[: budget // 2]
        pairs = np.concatenate(
            [pairs, ddv_pairs(query, pairs, n_steps=PAIR_STEPS, random_state=seed)]
        )
    made = [render_copies(plan, n) for n in range(len(plan))]
    copies = np.concatenate(made) if movable(zoo) else [text for one in made for text in one]
    return Questions(plan, copies, points[:n_plain], y[:n_plain], boundary, pairs)


def distances(asked: Questions, zoo: Sequence[Remembered]) -> dict[str, np.ndarray]:
    """Distances from the first model to all, (n_models,), by method."""
    owner = [zoo[0].query]
    by_copies = _scores(ask_copies(owner, asked.plan), zoo, asked.copies)
    plain = _scores(ask_points(owner, asked.points), zoo, asked.points)
    S = _signatures(asked.plan, by_copies.values)
    found = {
        "zest": zest_distances(S[:1], S)[0],
        "passthrough": passthrough_distances(by_copies)[0],
        "copy labels": copy_label_distances(by_copies)[0],
        "combined": combined_distances(by_copies)[0],
        "predictions": prediction_distances(plain)[0],
        "mistakes": mistake_distances(plain, y=columns_of(asked.y))[0],
        "correlation": correlation_distances(plain)[0],
    }
    if asked.boundary is not None:
        labels = np.stack([model.labels(asked.boundary) for model in zoo])
        found["boundary"] = (labels != labels[0]).mean(axis=1)
        found["ddv"] = _pair_distances(np.stack([model.scores(asked.pairs) for model in zoo]))
    return found


def columns_of(y: np.ndarray) -> np.ndarray:
    """Labels as positions of columns."""
    return np.searchsorted(np.unique(y), y)


def _scores(template: Scores, zoo: Sequence[Remembered], batch) -> Scores:
    """Answers of many models in the form in which skzest has those of the first."""
    values = np.stack([model.scores(batch) for model in zoo])
    return replace(template, values=values, constant=np.ptp(values, axis=1).max(axis=1) == 0)


def _signatures(plan: QueryPlan, values: np.ndarray) -> np.ndarray:
    """Coefficients of all models, class-major, from their answers to masked copies."""
    starts = np.concatenate([[0], np.cumsum(plan.masks.n_masks)])
    n_models, _, n_classes = values.shape
    blocks = []
    for n in range(len(plan)):
        Z = values[:, starts[n] : starts[n + 1]]
        columns = np.swapaxes(Z, 0, 1).reshape(Z.shape[1], -1)  # all classes of all models
        blocks.append(plan.fit_at(n)(columns).reshape(-1, n_models, n_classes))
    return np.concatenate(blocks).transpose(1, 2, 0).reshape(n_models, -1)


def _pair_distances(values: np.ndarray) -> np.ndarray:
    first, second = np.split(values, 2, axis=1)
    norms = np.linalg.norm(first, axis=2) * np.linalg.norm(second, axis=2)
    vectors = 1 - (first * second).sum(axis=2) / np.maximum(norms, 1e-12)
    return zest_distances(vectors[:1], vectors)[0]
