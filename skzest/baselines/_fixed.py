# SPDX-License-Identifier: BSD-3-Clause
"""Questions that one model, the owner's, fixes once, and that others are asked at any time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..plan import QueryPlan
from ..store import AnswerStore
from ._scores import Compare, Scores, ask_more, ask_named
from ._weights import check_weights, weight_distances

__all__ = ["AskedSet", "Cache", "FixedQuestions", "WeightSet"]

_OWNER = "the owner's model"

Cache = str | os.PathLike[str] | AnswerStore | None


class SetAnswers(NamedTuple):
    """What models answered to a set of questions.

    Attributes
    ----------
    distances : dict of str to ndarray of shape (n_models,)
        To the owner's model, by name.
    labels : ndarray of shape (n_models, n_questions) or None
        The predicted classes; None where the questions depend on the owner.
    """

    distances: dict[str, np.ndarray]
    labels: np.ndarray | None


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
    kind : {"copies", "points"} or None, default=None
        What the questions are, unless they depend on the owner.
    cache : path or AnswerStore, default=None
        Where answers are kept.
    """

    def __init__(
        self,
        owner: object,
        plan: QueryPlan,
        compare: Mapping[str, Compare],
        kind: str | None = None,
        cache: Cache = None,
    ):
        self.kind = kind
        self._owner = ask_named({_OWNER: owner}, plan, cache=cache)
        self._compare, self._cache = compare, cache
        self.n_questions = plan.n_queries

    @property
    def undefined(self) -> list[str]:
        """The distances that not even the owner has to itself, as it is constant."""
        values, is_constant = self._owner.values, self._owner.constant
        itself = replace(
            self._owner,
            values=np.concatenate([values, values]),
            constant=np.concatenate([is_constant, is_constant]),
        )
        return [name for name, d in self._distances(itself).items() if np.isnan(d[0])]

    def ask(self, models: Sequence[object]) -> SetAnswers:
        """Ask models, and compare their answers with the owner's."""
        scores = ask_more(self._owner, models, cache=self._cache)
        return SetAnswers(self._distances(scores), scores.classes[scores.labels[1:]])

    def _distances(self, scores: Scores) -> dict[str, np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what is undefined is NaN
            return {name: compare(scores)[0, 1:] for name, compare in self._compare.items()}


class WeightSet:
    """Distances of weights, for which nothing is asked; NaN for another architecture."""

    n_questions = 0
    kind = None
    undefined: Sequence[str] = ()

    def __init__(self, owner: object, name: str):
        check_weights(owner, f"{_OWNER} ({type(owner).__name__})")
        self._name, self._owner = name, owner

    def ask(self, models: Sequence[object]) -> SetAnswers:
        """Compare the weights of models with the owner's."""
        found = np.array([self._distance(model) for model in models])
        return SetAnswers({self._name: found}, None)

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
    undefined : tuple of str
        The distances that no model has, as the owner gives every question the same answer.
    """

    def __init__(self, names: Sequence[str], sets: Sequence[AskedSet | WeightSet]):
        self.names, self._sets = tuple(names), tuple(sets)
        self.n_questions = sum(one.n_questions for one in sets)
        self.undefined = tuple(name for one in sets for name in one.undefined)

    def __repr__(self) -> str:
        return f"<FixedQuestions for {', '.join(self.names)}: {self.n_questions} for each model>"

    def ask(self, models: Sequence[object]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The distances, and the labels given to ``"copies"`` and ``"points"``, if asked."""
        answers = [one.ask(models) for one in self._sets]
        found = {name: d for one in answers for name, d in one.distances.items()}
        labels = {
            one.kind: answer.labels
            for one, answer in zip(self._sets, answers)
            if one.kind is not None and answer.labels is not None
        }
        return np.stack([found[name] for name in self.names], axis=1), labels

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
        return self.ask(models)[0]
