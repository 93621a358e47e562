# SPDX-License-Identifier: BSD-3-Clause
"""The answers of a zoo to one set of questions, from which several distances are computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .._validation import counted
from ..comparing import check_plan
from ..exceptions import UndefinedSignatureWarning, warn
from ..plan import PASSTHROUGH, QueryPlan
from ._scores_file import read, write

__all__ = ["Compare", "Models", "Scores", "bare", "first_questions", "warn_of_constant"]


def bare(plan: QueryPlan) -> QueryPlan:
    """The questions alone: answers are kept as they are, whatever would be fitted to them."""
    return replace(check_plan(plan), surrogate=PASSTHROUGH, kernel_width=None)


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """Answers of a zoo to the same questions, from which several distances can be computed.

    Made by :func:`ask_copies` and :func:`ask_points`. Every baseline that asks such questions
    accepts it instead of the models and then asks nothing.

    Attributes
    ----------
    values : ndarray of shape (n_models, n_masks, n_classes)
        Scores of the kind that the plan asks for. A class that a model lacks is NaN.
    classes : ndarray of shape (n_classes,)
        Labels of the columns.
    plan : QueryPlan
        The questions: copy after copy, point after point.
    constant : ndarray of bool, shape (n_models,)
        Models whose scores vary no more than rounding does.
    """

    values: np.ndarray
    classes: np.ndarray
    plan: QueryPlan
    constant: np.ndarray

    def __repr__(self) -> str:
        n_models, n_questions, n_classes = self.values.shape
        models, questions = counted(n_models, "model"), counted(n_questions, "question")
        return f"<Scores of {models}, {questions}, {n_classes} classes>"

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def labels(self) -> np.ndarray:
        """Column of the largest score, shape (n_models, n_masks)."""
        return np.argmax(np.where(np.isnan(self.values), -np.inf, self.values), axis=2)

    @property
    def starts(self) -> np.ndarray:
        """First mask of each point, then the number of masks: shape (n_points + 1,)."""
        return np.concatenate([[0], np.cumsum(self.plan.masks.n_masks)])

    def probabilities(self) -> np.ndarray:
        """Scores as probabilities, in the shape of ``values``.

        The softmax of ``"logit"``, ``"raw"`` and ``"decision_function"`` scores; probabilities and
        one-hot labels are returned unchanged.
        """
        if self.plan.response in ("predict_proba", "label"):
            return self.values
        powers = np.exp(self.values - np.nanmax(self.values, axis=2, keepdims=True))
        return powers / np.nansum(powers, axis=2, keepdims=True)

    # --- files ----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the answers, their labels and the digest of the plan as ``.npz``, without pickle.

        The questions and the models are not in the file.

        Raises
        ------
        TypeError
            If the labels are neither all strings nor all numbers.
        """
        write(
            path,
            values=self.values,
            classes=self.classes,
            constant=self.constant,
            digest=self.plan.digest,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], plan: QueryPlan) -> Scores:
        """Read answers that :meth:`save` wrote.

        Parameters
        ----------
        path : path
        plan : QueryPlan
            The questions that were asked. Its surrogate does not matter.

        Returns
        -------
        scores : Scores

        Raises
        ------
        ValueError
            If the file holds something else, or a field does not fit the others or the plan.
        DesignMismatchError
            If the answers are to other questions.
        OSError
            If the file cannot be opened.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skzest.baselines import Scores, ask_copies, plan_of_points
        >>> X, y = load_iris(return_X_y=True)
        >>> plan = plan_of_points(X[::5], "label")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "answers.npz"
        ...     ask_copies([GaussianNB().fit(X, y)], plan).save(path)
        ...     scores = Scores.load(path, plan)
        >>> scores
        <Scores of 1 model, 30 questions, 3 classes>
        """
        plan = bare(plan)
        arrays = read(path, plan)
        return cls(arrays["values"], arrays["classes"], plan, arrays["constant"])


# A list of models, or the answers that they have given.
Models = Sequence[object] | Scores

# From the scores of several models to the distances between them.
Compare = Callable[[Scores], np.ndarray]


def first_questions(scores: Scores, n_questions: int) -> Scores:
    """The answers to the first questions; each point is one question."""
    if n_questions >= scores.values.shape[1]:
        return scores
    values = scores.values[:, :n_questions]
    return replace(scores, values=values, plan=scores.plan.take(n_questions))


def warn_of_constant(scores: Scores) -> None:
    """Warn that the distances of constant models are NaN."""
    if scores.constant.any():
        which = np.flatnonzero(scores.constant).tolist()
        warn(
            f"models {which} gave the same scores to every question; their distances are NaN.",
            UndefinedSignatureWarning,
        )
