# SPDX-License-Identifier: BSD-3-Clause
"""What is known about the models that a report is about."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_models, check_whole
from ..comparing import distance_interval, number, zest_distances
from ..detectors import Decisions, ReuseDecisions
from ..displays import check_names, clusters_of
from ..plan import QueryPlan, class_labels, names_of
from ..signature import LimeSignatureTransformer
from . import _html as page

__all__ = ["Zoo", "check_pair", "zoo_of"]

MOST_NEAREST = 5
MOST_LISTED = 20  # names in a sentence


@dataclass
class Zoo:
    """Signatures and distances of the models, and what they are called."""

    signatures: np.ndarray
    distances: np.ndarray
    plan: QueryPlan
    classes: np.ndarray
    labels: list[str]
    groups: np.ndarray | None
    kinds: list[str] | None

    def __len__(self) -> int:
        return len(self.labels)

    def nearest_pairs(self, most: int, beyond: float = -np.inf) -> list[tuple[int, int]]:
        """At most so many pairs with a distance above `beyond`, the nearest first."""
        d = np.where(self._pairs > beyond, self._pairs, np.inf)  # also for NaN
        some = min(most, d.size) - 1
        if some < 0:
            return []
        limit = np.partition(d, some, axis=None)[some]
        found = np.flatnonzero((d <= limit) & (d < np.inf))
        found = found[np.argsort(d.ravel()[found], kind="stable")][:most]
        return [(int(i), int(j)) for i, j in zip(*divmod(found, len(self)))]

    @cached_property
    def n_pairs(self) -> int:
        """Number of pairs that have a distance."""
        return int(np.count_nonzero(~np.isnan(self._pairs)))

    @cached_property
    def _pairs(self) -> np.ndarray:
        """The distances above the diagonal; NaN elsewhere."""
        return np.where(np.tri(len(self), dtype=bool), np.nan, self.distances)

    @cached_property
    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Up to five other models for each, the nearest first; (distances, indices).

        Models without a defined distance are the last, at NaN.
        """
        D = self.distances.copy()
        np.fill_diagonal(D, np.inf)  # before NaN in no order
        D[np.isnan(D)] = np.inf
        most = min(MOST_NEAREST, len(self) - 1)
        found = np.argpartition(D, np.arange(most), axis=1)[:, :most]
        d = np.take_along_axis(D, found, axis=1)
        return np.where(d < np.inf, d, np.nan), found

    @cached_property
    def clusters(self) -> np.ndarray:
        """Cluster of each model, the largest 0; -1 for models without a distance."""
        return clusters_of(self.distances)

    def called(self, i: int) -> str:
        """The name of a model with its group, if that is known."""
        group = None if self.groups is None else self.groups[i]
        known = group is not None and group == group
        return f"{self.labels[i]} ({group})" if known else self.labels[i]

    def summary(self, decisions: Sequence[Decisions]) -> str:
        """The page in a few sentences."""
        were = "models were" if len(self) > 1 else "model was"
        said = [
            f"{len(self):,} {were} asked the same {self.plan.n_queries:,} questions about "
            f"{len(self.plan)} reference points.",
            *map(_counted, decisions),
        ]
        if self.n_pairs:
            said.append(f"Nearest: {self._described(self.nearest_pairs(1)[0])}.")
        if self.n_pairs > 1:
            i, j = divmod(int(np.nanargmax(self._pairs)), len(self))
            said.append(f"Farthest: {self._described((i, j))}.")
        lost = np.flatnonzero(np.isnan(self.distances.diagonal()))
        if len(lost):
            names = ", ".join(page.name(self.labels[i]) for i in lost[:MOST_LISTED])
            names += f" and {len(lost) - MOST_LISTED:,} more" if len(lost) > MOST_LISTED else ""
            said.append(
                f"Without a distance, as they give the same answer to every question: {names}."
            )
        return page.items(said)

    def _described(self, pair: tuple[int, int]) -> str:
        i, j = pair
        both = f"{page.name(self.labels[i])} and {page.name(self.labels[j])}"
        return f"{both}, at {number(self.distances[i, j])} {self.interval(pair)}"

    def interval(self, pair: tuple[int, int]) -> str:
        """The 95 % interval of a distance; empty if there are too few points."""
        i, j = pair
        if len(self.plan) < 2:
            return ""
        found = distance_interval(self.signatures[i], self.signatures[j], self.plan)
        return f"[{number(found.low)}, {number(found.high)}]"


def _counted(found: Decisions) -> str:
    kind = "suspect" if isinstance(found, ReuseDecisions) else "candidate"
    counts = Counter(found.decisions.tolist())
    listed = ", ".join(f"{n} “{page.escape(decision)}”" for decision, n in counts.items())
    if len(found) == 1:
        return f"One {kind}: {page.name(found.names[0])} is “{page.escape(found.decisions[0])}”."
    return f"Of {len(found)} {kind}s: {listed}."


# ---------------------------------------------------------------- what was given


def zoo_of(
    models: Any,
    asked: LimeSignatureTransformer | QueryPlan,
    *,
    labels: ArrayLike | None,
    groups: ArrayLike | None,
    classes: ArrayLike | None,
    pair: tuple[int, int] | None,
) -> Zoo:
    """Everything is checked that can be, then the models are asked."""
    numeric = _is_numeric(models)
    rows = models if numeric else check_models(models)
    if not numeric and isinstance(asked, QueryPlan):
        raise TypeError(
            "a plan cannot ask models. Pass their signatures, or a fitted "
            "LimeSignatureTransformer: LimeSignatureTransformer.from_plan(plan).fit(models)."
        )
    n = len(rows)
    names = check_names(labels, n, "labels")
    families = check_names(groups, n, "groups")
    check_pair(pair, n)
    if classes is not None and isinstance(asked, LimeSignatureTransformer):
        _check_classes(np.asarray(classes), asked.n_classes_)
    S = rows if numeric else asked.transform(rows)  # type: ignore[union-attr]

    plan = asked if isinstance(asked, QueryPlan) else asked.plan_
    signatures = np.asarray(S, dtype=np.float64)
    n_classes = _n_classes(signatures, plan)
    if classes is None:
        classes = _known_classes(S, asked, n_classes)
    _check_classes(np.asarray(classes), n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models without a common class: in the table
        D = np.atleast_2d(zest_distances(S, n_classes=n_classes))
    return Zoo(
        signatures=signatures,
        distances=D,
        plan=plan,
        classes=np.asarray(classes),
        labels=[f"model {i}" for i in range(n)] if names is None else [*map(str, names)],
        groups=families,
        kinds=None if numeric else [type(model).__name__ for model in rows],
    )


def check_pair(pair: object, n_models: int) -> None:
    """Refuse anything but the positions of two different models."""
    if pair is None:
        return
    if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
        raise TypeError(
            f"pair must be two positions of models, such as (0, 1); got {pair!r}. A model named "
            "by a label is at labels.index(label)."
        )
    i, j = (check_whole(k, "each position of pair", minimum=0) for k in pair)
    if max(i, j) >= n_models or i == j:
        raise ValueError(
            f"pair={pair!r} must be two different positions from 0 to {n_models - 1}, as there are "
            f"{n_models} models."
        )


def _known_classes(
    S: ArrayLike, asked: LimeSignatureTransformer | QueryPlan, n_classes: int
) -> np.ndarray:
    """Labels from column names or the transformer, otherwise numbers."""
    labels = class_labels(names_of(S))
    if labels is None and isinstance(asked, LimeSignatureTransformer):
        labels = asked.classes_
    return np.arange(n_classes) if labels is None else labels


def _check_classes(classes: np.ndarray, n_classes: int) -> None:
    if classes.shape != (n_classes,):
        raise ValueError(
            f"classes has shape {classes.shape}; expected ({n_classes},), one label for each class."
        )


def _n_classes(signatures: np.ndarray, plan: QueryPlan) -> int:
    shape, width = signatures.shape, plan.n_components
    if signatures.ndim != 2 or not signatures.size or shape[1] % width:
        raise ValueError(
            f"signatures have shape {shape}; expected (n_models, n_classes * {width}), since the "
            f"plan has {width} components for each class. Pass the plan that they answer."
        )
    return shape[1] // width


def _is_numeric(models: Any) -> bool:
    """Whether these are signatures, not models; never converts models with ``np.asarray``."""
    if hasattr(models, "iloc"):
        return getattr(models, "ndim", 0) == 2
    if isinstance(models, np.ndarray):
        return models.dtype != object
    return isinstance(models, (list, tuple)) and all(
        isinstance(row, (list, tuple)) or (isinstance(row, np.ndarray) and row.dtype != object)
        for row in models
    )
