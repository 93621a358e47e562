# SPDX-License-Identifier: BSD-3-Clause
"""Questions that one model, the owner's, fixes once, and that others are asked at any time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from ..plan import QueryPlan
from ..store import AnswerStore
from ._scores import Compare, ask_copies, ask_more
from ._weights import weight_distances

__all__ = ["AskedSet", "Cache", "FixedQuestions", "WeightSet"]

Cache = str | os.PathLike[str] | AnswerStore | None


class AskedSet:
    """Some questions, the owner's answers to them, and the distances that are computed from them.

    Parameters
    ----------
    owner : model
        Asked at once.
    plan : QueryPlan
        The questions.
    compare : dict of str to callable
        By the name of a distance, how it is computed from scores.
    cache : path or AnswerStore, default=None
        Where answers are kept.
    """

    def __init__(
        self, owner: object, plan: QueryPlan, compare: Mapping[str, Compare], cache: Cache = None
    ):
        self._owner, self._compare, self._cache = (
            ask_copies([owner], plan, cache=cache),
            compare,
            cache,
        )
        self.n_questions = plan.n_queries

    def distances(self, models: Sequence[object]) -> dict[str, np.ndarray]:
        """Distances of models to the owner's by name, each of shape (n_models,)."""
        scores = ask_more(self._owner, models, cache=self._cache)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what is undefined is NaN
            return {name: compare(scores)[0, 1:] for name, compare in self._compare.items()}


class WeightSet:
    """Distances of weights, for which nothing is asked; NaN for another architecture."""

    n_questions = 0

    def __init__(self, owner: object, name: str):
        weight_distances([owner, owner])  # refuses an owner without weights
        self._name, self._owner = name, owner

    def distances(self, models: Sequence[object]) -> dict[str, np.ndarray]:
        """Distances of models to the owner's by name, each of shape (n_models,)."""
        return {self._name: np.array([self._distance(model) for model in models])}

    def _distance(self, model: object) -> float:
        try:
            return float(weight_distances([self._owner, model])[0, 1])
        except (TypeError, ValueError):
            return np.nan


class FixedQuestions:
    """Several distances to one model, the owner's; made by :func:`prepare_questions`.

    Attributes
    ----------
    names : tuple of str
        The distances.
    n_questions : int
        Questions for each model; those repeated at the start, to see whether answers repeat, are
        not counted.
    """

    def __init__(self, names: Sequence[str], sets: Sequence[AskedSet | WeightSet]):
        self.names, self._sets = tuple(names), tuple(sets)
        self.n_questions = sum(one.n_questions for one in sets)

    def __repr__(self) -> str:
        return f"<FixedQuestions for {', '.join(self.names)}: {self.n_questions} for each model>"

    def distances(self, models: Sequence[object]) -> np.ndarray:
        """Ask models, and compare their answers with the owner's.

        Parameters
        ----------
        models : list of models

        Returns
        -------
        D : ndarray of shape (n_models, n_distances)
            NaN where a distance is undefined: for a constant model, one without a class in
            common, or, for ``"weights"``, one of another architecture.
        """
        found: dict[str, np.ndarray] = {}
        for one in self._sets:
            found |= one.distances(models)
        return np.stack([found[name] for name in self.names], axis=1)
