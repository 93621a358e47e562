# SPDX-License-Identifier: BSD-3-Clause
"""Questions that one model, the owner's, fixes once, and that others are asked at any time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import NamedTuple

import numpy as np

from .._validation import check_models, listed, name_model
from ..exceptions import QueryError, UndefinedSignatureWarning, warn
from ..plan import QueryPlan
from ..queries import as_query, choose_output
from ..store import AnswerStore
from ._asking import ask_more, ask_named
from ._scores import Compare, Scores
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
    only_labels : list of str
        What errors call the models that give no scores, where scores were asked for.
    """

    distances: dict[str, np.ndarray]
    labels: np.ndarray | None
    only_labels: Sequence[str] = ()


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
    by_labels : collection of str, default=()
        The distances that need no more than predicted classes.
    """

    def __init__(
        self,
        owner: object,
        plan: QueryPlan,
        compare: Mapping[str, Compare],
        kind: str | None = None,
        cache: Cache = None,
        by_labels: Collection[str] = (),
    ):
        self.kind = kind
        self._by_labels = by_labels
        self._owner = ask_named({_OWNER: owner}, plan, cache=cache)
        self._compare, self._cache = compare, cache
        self.n_questions = plan.n_queries

    @property
    def by_scores(self) -> list[str]:
        """The distances for which labels are not enough."""
        return [name for name in self._compare if name not in self._by_labels]

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
        """Ask models, and compare their answers with the owner's.

        Models that give only labels are asked for these; distances between scores are NaN.
        """
        models = check_models(models)
        names = [name_model(i, model) for i, model in enumerate(models)]
        only_labels = [_gives_only_labels(m, self._owner.plan.response) for m in models]
        found = {name: np.full(len(models), np.nan) for name in self._compare}
        labels: dict[int, np.ndarray] = {}
        for labels_only in set(only_labels):
            owner = _labels_of(self._owner) if labels_only else self._owner
            at = [i for i, alike in enumerate(only_labels) if alike == labels_only]
            scores = ask_more(
                owner, [models[i] for i in at], names=[names[i] for i in at], cache=self._cache
            )
            labels |= dict(zip(at, scores.classes[scores.labels[1:]]))
            for name, d in self._distances(scores).items():
                if not labels_only or name in self._by_labels:
                    found[name][at] = d
        given = np.stack([labels[i] for i in range(len(models))])
        return SetAnswers(found, given, list(compress(names, only_labels)))

    def _distances(self, scores: Scores) -> dict[str, np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what is undefined is NaN
            return {name: compare(scores)[0, 1:] for name, compare in self._compare.items()}


def _gives_only_labels(model: object, response: str) -> bool:
    """Whether a model cannot be asked for this response, but for labels."""
    try:
        query = as_query(model)
    except Exception:  # whoever asks it says what is wrong
        return False
    try:
        choose_output(query, response)
    except QueryError:
        return choose_output(query, "label") == "predict"
    return False


def _labels_of(scores: Scores) -> Scores:
    """The same answers as if labels had been asked for."""
    one_hot = np.eye(len(scores.classes))[scores.labels]
    return replace(scores, values=one_hot, plan=replace(scores.plan, response="label"))


class WeightSet:
    """Distances of weights, for which nothing is asked; NaN for another architecture."""

    n_questions = 0
    kind = None
    undefined: Sequence[str] = ()
    by_scores: Sequence[str] = ()

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
        self._warn_of_labels(answers)
        return np.stack([found[name] for name in self.names], axis=1), labels

    def _warn_of_labels(self, answers: Sequence[SetAnswers]) -> None:
        models = dict.fromkeys(name for answer in answers for name in answer.only_labels)
        lost = [n for one, answer in zip(self._sets, answers) if answer.only_labels
                for n in one.by_scores]  # fmt: skip
        if lost:
            warn(
                f"{listed(models)}: only labels are given, so there is no distance by "
                f"{listed(map(repr, lost))} (NaN), which takes scores. To compare labels, "
                "pass LimeSignatureTransformer(..., response='label').",
                UndefinedSignatureWarning,
            )

    def distances(self, models: Sequence[object]) -> np.ndarray:
        """Ask models, and compare their answers with the owner's.

        Parameters
        ----------
        models : list of models

        Returns
        -------
        D : ndarray of shape (n_models, n_distances)
            NaN where a distance is undefined: for a constant model, one without a class in
            common, one that gives only labels where scores are compared, or, for ``"weights"``,
            one of another architecture.

        Warns
        -----
        UndefinedSignatureWarning
            If a model gives only labels where scores are compared.
        """
        return self.ask(models)[0]
