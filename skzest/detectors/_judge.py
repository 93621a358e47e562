# SPDX-License-Identifier: BSD-3-Clause
"""What all detectors share: distances, signatures or models in, decisions out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._validation import check_models, check_roles, refuse_models
from ..comparing import Signatures, check_plan
from ..exceptions import warn
from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer
from ._decisions import Decisions, check_labels
from ._from_models import Asker, ask_first
from ._relative import check_blocks, check_varies

__all__ = ["Judge", "warn_each"]

_Judge = TypeVar("_Judge", bound="Judge")
Measured = TypeVar("Measured")
Found = TypeVar("Found", bound=Decisions)


class Judge(BaseEstimator, Generic[Measured, Found]):
    """Judges models by their distances to one model and to others that are known.

    A subclass is fitted on distances (``_learn``) or signatures (``_learn_signatures``), measures
    further models in the same two ways, and turns what it measured into decisions (``_decide``).
    ``_check_params`` refuses whatever the parameters and the number of known models rule out; it
    runs before any model is asked.
    """

    _first = _other = "model"  # what errors call the one model, and each of the known ones

    transformer_: LimeSignatureTransformer
    plan_: QueryPlan

    if not TYPE_CHECKING:

        def __getattr__(self, name: str):
            if name in ("transformer_", "plan_") and "questions_" in self.__dict__:
                raise AttributeError(
                    f"this {type(self).__name__} asks questions of several kinds (questions_), so "
                    f"it has no {name}. Where a transformer or plan is needed, as for a report, "
                    "pass a LimeSignatureTransformer that you fitted."
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # --- fitting --------------------------------------------------------------------------

    def _fit_distances(self: _Judge, X: ArrayLike) -> _Judge:
        self._forget_questions()
        kind = type(self).__name__
        refuse_models(X, "X", f"Pass distances, or ask models with {kind}.from_models.")
        self._learn(X)
        return self

    def _fit_signatures(
        self: _Judge, first: ArrayLike, others: ArrayLike | None, plan: QueryPlan
    ) -> _Judge:
        check_plan(plan, minimum=2)
        one = Signatures.one(first, self._first, plan)
        check_varies(one.blocks, f"the {self._first}", plan)
        blocks = one.blocks[:0]
        if others is not None and np.size(others):
            blocks = check_blocks(others, self._other, plan, one)
        self._check_params(len(blocks))
        self._forget_questions()
        self.plan_, self._signature = plan, one
        self._learn_signatures(one.blocks[0], blocks)
        return self

    def _fit_models(
        self: _Judge, first: object, others: Sequence[object], transformer: Asker
    ) -> _Judge:
        self._check_params(len(others))
        check_roles(f"the {self._first}", first, {self._other: others})
        lime, S = ask_first(transformer, f"the {self._first}", first, others)
        self._fit_signatures(S[0], S[1:], lime.plan_)
        self.transformer_ = lime
        return self

    def _names(self, n: int) -> list[str]:
        """What errors call the known models."""
        return [f"{self._other} model {i}" for i in range(n)]

    def _forget_questions(self) -> None:
        for name in ("transformer_", "plan_", "questions_"):
            self.__dict__.pop(name, None)

    # --- judging --------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Decision on each model.

        Parameters
        ----------
        X : array-like
            Distances, as for :meth:`judge`.

        Returns
        -------
        decisions : ndarray of str, shape (n_models,)
        """
        return self.judge(X).decisions

    def judge(self, X: ArrayLike, *, labels: Sequence[str] | None = None) -> Found:
        """Decide by distances.

        Parameters
        ----------
        X : array-like
            For :class:`~skzest.ReuseDetector`, distances of suspects to the owner's model, shape
            (n_models,) or (n_models, n_distances), as for ``fit``. For
            :class:`~skzest.UnlearningVerifier`, distances of candidates to the original and to
            the retrained models, shape (n_models, 1 + n_retrained). NaN where a distance is
            undefined.
        labels : sequence of str, default=None
            Names of the models.

        Returns
        -------
        decisions : ReuseDecisions or UnlearningDecisions

        Warns
        -----
        UserWarning
            If the correction for several suspects needs more unrelated models to find one, or a
            candidate is one of the retrained models.
        """
        check_is_fitted(self)
        measured = self._measured(X)
        found = self._decide(measured, labels)
        warn_each(self._doubts_about(found, measured))
        return found

    def judge_signatures(self, S: ArrayLike, *, labels: Sequence[str] | None = None) -> Found:
        """Decide by signatures; intervals then cover the choice of reference points too.

        Parameters
        ----------
        S : array-like of shape (n_models, n_classes * n_components)
            Signatures under ``plan_``, the plan of ``from_signatures`` or ``from_models``.
        labels : sequence of str, default=None
            Names of the models.

        Returns
        -------
        decisions : ReuseDecisions or UnlearningDecisions
            As :meth:`judge` returns.

        Raises
        ------
        AttributeError
            If this was fitted on distances, so that no plan is known.
        """
        check_is_fitted(self)
        found, doubts = self._judge_signatures(S, labels)
        warn_each(doubts)
        return found

    def judge_models(
        self, models: Sequence[object], *, labels: Sequence[str] | None = None
    ) -> Found:
        """Ask models the fixed questions, and judge them.

        Parameters
        ----------
        models : list of fitted classifiers or queries
        labels : sequence of str, default=None
            Names of the models.

        Returns
        -------
        decisions : ReuseDecisions or UnlearningDecisions
            As :meth:`judge` returns.

        Raises
        ------
        AttributeError
            If this was not made by ``from_models``, so that it has no questions to ask.
        """
        check_is_fitted(self)
        if not hasattr(self, "transformer_") and not hasattr(self, "questions_"):
            kind = type(self).__name__
            raise AttributeError(
                f"this {kind} has no questions to ask: make it with {kind}.from_models, or judge "
                "distances or signatures."
            )
        zoo = check_models(models)
        check_labels(labels, len(zoo))  # before the first question
        found, doubts = self._ask(zoo, labels)
        warn_each(doubts)
        return found

    def _ask(self, models: list[object], labels: Sequence[str] | None) -> tuple[Found, list[str]]:
        return self._judge_signatures(self.transformer_.transform(models), labels)

    def _measured(self, X: ArrayLike) -> Measured:
        kind = type(self).__name__
        remedy = f"Pass distances, or models to judge_models of {kind}.from_models(...)."
        refuse_models(X, "X", remedy)
        return self._measure(X)

    def _judge_signatures(
        self, S: ArrayLike, labels: Sequence[str] | None
    ) -> tuple[Found, list[str]]:
        if not hasattr(self, "plan_"):
            kind = type(self).__name__
            raise AttributeError(
                f"this {kind} was fitted on distances and has no plan: make it with "
                f"{kind}.from_signatures, or judge distances."
            )
        blocks = check_blocks(S, "S", self.plan_, self._signature)
        measured = self._measure_signatures(blocks)
        found = self._decide(measured, labels)
        doubts = self._doubts_about(found, measured)
        return found, [*doubts, *self._known_again(blocks, found.names)]

    # --- what subclasses do ---------------------------------------------------------------

    def _check_params(self, n_known: int) -> None:
        raise NotImplementedError

    def _learn(self, X: ArrayLike) -> None:
        raise NotImplementedError

    def _learn_signatures(self, first: np.ndarray, others: np.ndarray) -> None:
        raise NotImplementedError

    def _measure(self, X: ArrayLike) -> Measured:
        raise NotImplementedError

    def _measure_signatures(self, blocks: np.ndarray) -> Measured:
        raise NotImplementedError

    def _decide(self, measured: Measured, labels: Sequence[str] | None) -> Found:
        raise NotImplementedError

    def _doubts_about(self, found: Found, measured: Measured) -> list[str]:
        """Warnings that go with some decisions."""
        return []

    def _known_again(self, blocks: np.ndarray, names: Sequence[str]) -> list[str]:
        """Warnings about models that are among the known ones."""
        return []


def warn_each(messages: Iterable[str]) -> None:
    """Warn at the line that called the public function which calls this."""
    for message in messages:
        warn(message)
