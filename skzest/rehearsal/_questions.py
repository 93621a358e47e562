# SPDX-License-Identifier: BSD-3-Clause
"""The questions that a rehearsal has chosen, and the distances that they measure."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .._validation import counted
from ..baselines import Scores, ask_copies
from ..exceptions import DesignMismatchError, UndefinedSignatureWarning, warn
from ..plan import QueryPlan
from ..queries import Query
from ..store import AnswerStore
from ._discriminant import Discriminant
from ._file import read, write

__all__ = [
    "RehearsedQuestions",
    "agreement_with",
    "answers_to",
    "are_defined",
    "check_owner_varies",
    "has_classes",
]


@dataclass(frozen=True, eq=False, repr=False)
class RehearsedQuestions:
    """A few questions that tell copies of one model from other models.

    Made by :func:`choose_questions`. The plan may be given away, so that somebody else asks their
    model; the weights and the owner's answers decide and should be kept.

    Attributes
    ----------
    plan : QueryPlan
        The questions, each a whole point.
    discriminant : Discriminant
        ``weights``, how much agreement with the owner counts on each question; ``centre``, their
        weighted sum halfway between copies and other models; ``indices`` of the questions among
        the candidates.
    owner_scores : ndarray of shape (n_questions, n_classes)
        The owner's answers: probabilities, or one-hot labels.
    classes : ndarray of shape (n_classes,)
        Labels of the columns.
    """

    plan: QueryPlan
    discriminant: Discriminant
    owner_scores: np.ndarray
    classes: np.ndarray

    def __repr__(self) -> str:
        return (
            f"<RehearsedQuestions: {len(self)} questions, response {self.plan.response!r}, digest "
            f"{self.plan.digest[:8]}>"
        )

    def __len__(self) -> int:
        return len(self.owner_scores)

    @property
    def weights(self) -> np.ndarray:
        """How much agreement with the owner counts on each question; some are negative."""
        return self.discriminant.weights

    @property
    def indices(self) -> np.ndarray:
        """Position of each question among the candidates."""
        return self.discriminant.indices

    def distances(
        self,
        models: Sequence[object] | Scores,
        *,
        adapter: str | Callable[[object], Query] = "auto",
        cache: str | os.PathLike[str] | AnswerStore | None = None,
    ) -> np.ndarray:
        """How far models are from the owner's, from ``len(self)`` questions to each.

        Parameters
        ----------
        models : list of models, or Scores
            With the answers of somebody else, ``ask_copies(models, questions.plan)``, nothing is
            asked.
        adapter, cache
            As in :func:`~skzest.baselines.ask_copies`.

        Returns
        -------
        distances : ndarray of shape (n_models,)
            Positive: 1 is halfway between the copies and the other models that chose the
            questions, smaller is nearer to the owner. NaN for a model that gives the same answer to
            all of them, which tells nothing, and for one without any of the owner's classes.

        Raises
        ------
        DesignMismatchError
            If the scores answer other questions.

        Warns
        -----
        UndefinedSignatureWarning
            If a distance is NaN.
        """
        scores = answers_to(self.plan, models, adapter, cache)
        agreement = agreement_with(self.owner_scores, self.classes, scores)
        distances = self.discriminant.distances(agreement)
        return np.where(are_defined(scores, self.classes), distances, np.nan)

    # --- files ----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write questions, weights and the owner's answers as ``.npz``, without pickle.

        Raises
        ------
        TypeError
            If the labels are neither all strings nor all numbers.
        """
        chosen = self.discriminant
        write(
            path,
            self.plan,
            indices=chosen.indices,
            weights=chosen.weights,
            centre=np.asarray(chosen.centre),
            owner_scores=self.owner_scores,
            classes=self.classes,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RehearsedQuestions:
        """Read questions that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file holds something else, or a field does not fit the others or the digest.
        OSError
            If the file cannot be opened.
        """
        plan, arrays = read(path)
        chosen = Discriminant(arrays["indices"], arrays["weights"], float(arrays["centre"]))
        return cls(plan, chosen, arrays["owner_scores"], arrays["classes"])


# --- answers --------------------------------------------------------------------------------


def answers_to(
    plan: QueryPlan,
    models: Sequence[object] | Scores,
    adapter: str | Callable[[object], Query],
    cache: str | os.PathLike[str] | AnswerStore | None,
) -> Scores:
    """The answers to a plan, asked for now unless they are given instead of models.

    Raises
    ------
    DesignMismatchError
        If they answer another plan.
    """
    if not isinstance(models, Scores):
        return ask_copies(models, plan, adapter=adapter, cache=cache)
    if models.plan.digest != plan.digest:
        raise DesignMismatchError(
            f"the scores answer other questions ({models.plan.digest[:8]}) than those chosen "
            f"here ({plan.digest[:8]}). Ask with ask_copies(models, questions.plan)."
        )
    return models


def check_owner_varies(owner_scores: np.ndarray) -> None:
    """Refuse questions that the owner's model, and so a copy of it, all answers alike.

    Raises
    ------
    ValueError
    """
    if (owner_scores == owner_scores[0]).all():
        raise ValueError(
            f"{counted(len(owner_scores), 'question')} chosen, and the owner's model gives the "
            "same answer to all, as a model that has learned nothing would. Raise n_questions, or "
            "give candidates of more kinds."
        )


def has_classes(scores: Scores, classes: np.ndarray) -> np.ndarray:
    """Which models have any of these classes, shape (n_models,)."""
    known = set(classes.tolist())
    columns = [label in known for label in scores.classes.tolist()]
    return np.any(~np.isnan(scores.values[:, 0, columns]), axis=1)


def are_defined(scores: Scores, classes: np.ndarray) -> np.ndarray:
    """Which models have a distance to the owner, shape (n_models,); the others are pointed out.

    Warns
    -----
    UndefinedSignatureWarning
    """
    known = has_classes(scores, classes)
    if not known.all():
        warn(
            f"models {np.flatnonzero(~known).tolist()} have none of the owner's classes "
            f"({classes[:5].tolist()}, ...); their distances are NaN. If they have them under "
            "other labels, name their columns: CallableQuery(model.predict_proba, classes=...).",
            UndefinedSignatureWarning,
        )
    if scores.constant.any():
        warn(
            f"models {np.flatnonzero(scores.constant).tolist()} gave the same answer to all "
            f"{len(scores.plan)} questions; their distances are NaN.",
            UndefinedSignatureWarning,
        )
    return known & ~scores.constant


def agreement_with(owner_scores: np.ndarray, classes: np.ndarray, scores: Scores) -> np.ndarray:
    """How much each answer is the owner's, (n_models, n_questions), from 0 to 1.

    The probability that both have in common; with labels, whether they are equal.
    """
    position = {label: i for i, label in enumerate(classes.tolist())}
    agreement = np.zeros(scores.values.shape[:2])
    for column, label in enumerate(scores.classes.tolist()):
        if label in position:
            owned = owner_scores[:, position[label]]
            agreement += np.fmin(np.nan_to_num(scores.values[:, :, column]), owned)
    return agreement
