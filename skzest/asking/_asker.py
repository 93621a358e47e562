# SPDX-License-Identifier: BSD-3-Clause
"""Units of a plan, put to models: scores come in, coefficients stay."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import array_api_compat
import numpy as np

from .. import _points
from .._points import Points
from ..exceptions import PartialAnswerError
from ..plan import QueryPlan, coefficients, kernel_weights
from ..queries import Array, Space, shared_inputs
from ._batches import (
    Batch,
    BatchSize,
    Piece,
    Renderer,
    auto_rows,
    batches_of,
    whole_points,
)
from ._first_look import FIRST_LOOK_ROWS, check_witness
from ._guard import Respondent, Witness, guarded_scores, rounding

logger = logging.getLogger("skzest")

__all__ = ["Asker", "Extent", "PointCoefficients", "tuned_rows"]

# Questions that are asked again as a run goes on: at most this share of a plan.
_AGAIN = 0.02
# Where batches may not grow, a batch is cut shorter once so many are due.
_WORTH_A_CALL = 4


@dataclass
class Extent:
    """How far one model's scores move.

    Attributes
    ----------
    first : ndarray of shape (n_classes,)
        Scores of one question.
    deviation : float
        No score is farther from these.
    eps : float
        Rounding unit of the scores.
    """

    first: np.ndarray
    deviation: float
    eps: float

    @property
    def is_constant(self) -> bool:
        """Whether the scores move no more than rounding does."""
        return self.deviation <= rounding(self.eps, float(np.max(np.abs(self.first))))

    def joined(self, other: Extent) -> Extent:
        """Of the scores of both."""
        between = float(np.max(np.abs(other.first - self.first)))
        deviation = max(self.deviation, other.deviation + between)
        return Extent(self.first, deviation, max(self.eps, other.eps))


@dataclass
class PointCoefficients:
    """What one model's answers about a run of points come down to.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, n_columns of these points)
        Coefficients, or the scores themselves where they are kept.
    extent : Extent
    """

    coef: np.ndarray
    extent: Extent

    @classmethod
    def join(cls, runs: Sequence[PointCoefficients]) -> PointCoefficients:
        """Those of consecutive runs of points as one."""
        coef = np.concatenate([run.coef for run in runs], axis=1)
        return cls(coef, reduce(Extent.joined, [run.extent for run in runs]))


def _n_known(respondents: list[Respondent]) -> int:
    """How many questions all models with a witness can be asked again."""
    return min((len(r.witness.scores) for r in respondents if r.witness is not None), default=0)


class Check(NamedTuple):
    """Answers to rows of a model's witness, from ``start`` on, in a batch of ``n_rows``."""

    asked: Respondent
    start: int
    scores: Array
    n_rows: int


class Asker:
    """Puts units of one plan to the models of one array space.

    Parameters
    ----------
    plan : QueryPlan
    respondents : list of Respondent
    size : BatchSize
    space : Space
    keep_scores : bool, default=False
        Keep the scores of all masks as they are, in place of coefficients.
    """

    def __init__(
        self,
        plan: QueryPlan,
        respondents: list[Respondent],
        size: BatchSize,
        space: Space,
        keep_scores: bool = False,
    ):
        self.plan, self.respondents, self.size, self.space = plan, respondents, size, space
        self.keep_scores = keep_scores
        self.render = Renderer(plan, space)
        # Questions asked, questions asked again, and which of these comes next.
        self._n_asked = self._n_again = self._turn = 0
        self._checks: list[Check] = []

    def coefficients(self, units: Sequence[tuple[int, int]]) -> Iterator[list[PointCoefficients]]:
        """Unit by unit, what the answers of each model come down to."""
        # A device works on the next unit while the scores of the last are brought to the host.
        ahead = 1 if self.space.is_device else 0
        waiting: deque[tuple[Batch, Iterator[Array], list[Check]]] = deque()
        for start, stop in units:
            self._checks = []
            unit = Batch(tuple(whole_points(self.plan.n_questions[start:stop], start)))
            waiting.append((unit, self.scores(unit), self._checks))
            if len(waiting) > ahead:
                yield self._settle(*waiting.popleft())
        while waiting:
            yield self._settle(*waiting.popleft())

    # --- asking ---------------------------------------------------------------------------

    def scores(self, unit: Batch) -> Iterator[Array]:
        """Per model, scores of all questions about some points, (n_questions, n_classes).

        All models are asked at once; the answers of each are let go when the next one's are taken.
        """
        answers: list[list[Array]] = [[] for _ in self.respondents]
        for _, scores in self.answers(unit.pieces, self.respondents):
            for of_one, Z in zip(answers, scores, strict=True):
                of_one.append(Z)
        return map(_points.concatenate, _taken(answers))

    def answers(
        self, pieces: Sequence[Piece], respondents: list[Respondent]
    ) -> Iterator[tuple[Batch, list[Array]]]:
        """Batch by batch, scores of some models; smaller batches where memory runs out."""
        left = Batch(tuple(pieces))
        while left.pieces:
            batch, n_again = self._next_batch(left, respondents)
            try:
                with shared_inputs() if len(respondents) > 1 else nullcontext():
                    scores = self.ask(batch, respondents, n_again)
            except self.memory_errors(respondents) as error:
                if batch.n_rows + n_again == 1:
                    raise
                # What was found too large meanwhile, by another task, is not tried again.
                half = self.size.fitting = min(-(-batch.n_rows // 2), self.size.fitting)
                self.size.is_limit = True
                logger.warning("out of memory at %d copies (%s); now %d", batch.n_rows, error, half)
                continue
            if self.size.most == 1 and self._due(0):
                self._ask_alone(respondents)
            yield batch, scores
            left = left.without(batch.n_rows)

    def ask(self, batch: Batch, respondents: list[Respondent], n_again: int = 0) -> list[Array]:
        """Scores of some models for one batch, which is rendered once.

        With it go ``n_again`` questions that were asked before; a change is noticed by them.
        """
        witness = next((r.witness for r in respondents if r.witness is not None), None)
        again = self._turn_of(n_again, respondents)
        extra = witness.rows(again) if witness is not None and n_again else None
        copies = self.render(batch, extra)
        scores = []
        for asked in respondents:
            given, n_rows = self._with_witness(asked, copies, batch.n_rows, witness, again)
            try:
                raw, is_intact = guarded_scores(asked, given, n_rows)
            except PartialAnswerError as error:
                self.received_in_part(asked, batch, error)
                raise
            kept, told = self.received(asked, batch, raw)
            scores.append(kept)
            if n_rows > batch.n_rows:  # compared later: a device need not be waited for now
                self._checks.append(Check(asked, again.start, told, n_rows))
            if not is_intact:
                copies = self.render(batch, extra)
        self._n_asked += batch.n_rows
        self._n_again += n_again
        return scores

    def received(self, asked: Respondent, batch: Batch, raw: Array) -> tuple[Array, Array]:
        """What is kept of the raw scores of a batch, and the scores of questions behind it."""
        scores = asked.scores_from(raw)
        return scores[: batch.n_rows], scores[batch.n_rows :]

    def received_in_part(self, asked: Respondent, batch: Batch, error: PartialAnswerError) -> None:
        """Keep what a model answered before it failed; nothing here."""

    # --- asking again ---------------------------------------------------------------------

    def _due(self, n_rows: int) -> int:
        """How many questions are to be asked again with the next ``n_rows``.

        Up to eight are kept for the last batch, because a lie may begin late.
        """
        n_queries = self.plan.n_queries
        allowed = int(_AGAIN * n_queries)
        at_last = min(allowed // 2, FIRST_LOOK_ROWS)
        n_asked = self._n_asked + n_rows
        due = n_asked * (allowed - at_last) // n_queries - self._n_again
        return max(due + at_last if n_asked >= n_queries else due, 0)

    def _next_batch(self, left: Batch, respondents: list[Respondent]) -> tuple[Batch, int]:
        """The next questions, and how many earlier ones go with them."""
        size = self.size
        batch = next(batches_of(left.pieces, size.fitting))
        room = size.most - batch.n_rows
        due = min(self._due(batch.n_rows), _n_known(respondents), size.most - 1)
        is_last = self._n_asked + batch.n_rows >= self.plan.n_queries
        if size.is_limit and 2 * batch.n_rows < size.most and not is_last:
            return batch, 0  # a model may fail in full batches only
        if due <= room or not (is_last or due >= _WORTH_A_CALL):
            return batch, min(due, max(room, 0))  # another task may find less memory meanwhile
        if is_last:  # half of them with the questions that are left over
            due -= due // 2
        return next(batches_of(left.pieces, size.most - due)), due

    def _ask_alone(self, respondents: list[Respondent]) -> None:
        """One earlier question by itself, where a batch is one question."""
        again = self._turn_of(1, respondents)
        for asked in respondents:
            if asked.witness is not None:
                raw, _ = guarded_scores(asked, asked.witness.rows(again), 1)
                self._checks.append(Check(asked, again.start, asked.scores_from(raw), 1))
        self._n_again += 1

    def _turn_of(self, n_again: int, respondents: list[Respondent]) -> slice:
        """Which rows of the witness come next."""
        start = self._turn if self._turn + n_again <= _n_known(respondents) else 0
        self._turn = start + n_again
        return slice(start, self._turn)

    def _with_witness(
        self, asked: Respondent, copies: Points, n_rows: int, witness: Witness | None, again: slice
    ) -> tuple[Points, int]:
        """The batch for one model, whose witness may not be the one behind the copies."""
        n_again = again.stop - again.start
        if witness is None or not n_again:
            return copies, n_rows
        if asked.witness is None:
            return _points.rows(copies, 0, n_rows), n_rows
        if asked.witness.questions != witness.questions:
            parts = [_points.rows(copies, 0, n_rows), asked.witness.rows(again)]
            return _points.concatenate(parts), n_rows + n_again
        return copies, n_rows + n_again

    def memory_errors(self, respondents: list[Respondent]) -> tuple[type[BaseException], ...]:
        """What tells that a batch was too large for one of them."""
        return tuple({error for r in respondents for error in r.memory_errors})

    # --- from scores to coefficients ------------------------------------------------------

    def _settle(
        self, unit: Batch, scores: Iterator[Array], checks: list[Check]
    ) -> list[PointCoefficients]:
        """From the scores of a unit to coefficients."""
        for check in checks:
            scores_again = self.space.to_numpy(check.scores)
            check_witness(check.asked, check.start, scores_again, check.n_rows)
        fits = [self._fit_at(piece.point) for piece in unit.pieces]
        return [
            self._of_unit(unit, fits, r, Z) for r, Z in zip(self.respondents, scores, strict=True)
        ]

    def _of_unit(
        self,
        unit: Batch,
        fits: list[Callable[[Array], Array] | None],
        asked: Respondent,
        Z: Array,
    ) -> PointCoefficients:
        """One model: scores of the questions of a unit to coefficients and extent."""
        if not self.space.has_float64:
            Z = self.space.to_numpy(Z)
        xp = array_api_compat.array_namespace(Z)
        # One pass for two questions: NaN and infinity carry through to the maximum.
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = float(xp.max(xp.abs(Z - Z[:1])))
        if not np.isfinite(deviation):
            self._refuse_non_finite(unit, asked.name, self.space.to_numpy(Z))
        first = np.array(self.space.to_numpy(Z[0]), dtype=np.float64)  # a view would keep all of Z
        extent = Extent(first, deviation, asked.eps(Z))
        by_piece = unit.by_piece(xp.astype(Z, xp.float64, copy=False))
        coefs = [
            self._of_point(piece.point, of_point, fit)
            for (piece, of_point), fit in zip(by_piece, fits, strict=True)
        ]
        return PointCoefficients(np.concatenate(coefs, axis=1), extent)

    def _fit_at(self, n: int) -> Callable[[Array], Array] | None:
        """From scores to coefficients at a point, in the space where the scores are.

        Factored on the host: a device takes longer for small systems of equations, and is busy
        with the next unit.
        """
        fit = None if self.keep_scores else self.plan.fit_at(n)
        if fit is None or self.space.is_host or not self.space.has_float64:
            return fit
        operator = self.space.asarray(fit.operator)
        if fit.centre is None:
            return lambda Z: operator @ Z
        centre = self.space.asarray(fit.centre)
        return lambda Z: operator @ (Z - centre @ Z)

    def _of_point(self, n: int, Z: Array, fit: Callable[[Array], Array] | None) -> np.ndarray:
        """Scores of the questions about one point to coefficients, class by class."""
        Z = self.plan.for_each_mask(n, Z)
        if fit is None:
            return self._without_fit(n, self.space.to_numpy(Z)).T
        return self.space.to_numpy(fit(Z)).T

    def _without_fit(self, n: int, Z: np.ndarray) -> np.ndarray:
        """Scores kept or centred, or the coefficients of a regressor that has no closed form."""
        if self.keep_scores:
            return Z
        if self.plan.is_passthrough:
            centred = Z - Z.mean(axis=0)
            return centred - centred.mean(axis=1, keepdims=True)
        masks = self.plan.masks[n]
        weights = kernel_weights(masks, self.plan.kernel_width)
        return coefficients(self.plan.surrogate, masks, Z, weights)

    def _refuse_non_finite(self, unit: Batch, name: str, Z: np.ndarray) -> None:
        for piece, of_point in unit.by_piece(Z):
            bad = of_point.size - np.count_nonzero(np.isfinite(of_point))
            if bad:
                raise ValueError(
                    f"{name} gave {bad} non-finite scores of {of_point.size} at reference point "
                    f"{int(self.plan.indices[piece.point])}. Is an input outside the range it was "
                    "trained for, or a weight NaN? Scores are never imputed."
                )


def _taken(answers: list[list[Array]]) -> Iterator[list[Array]]:
    """Answers of each model, which are no longer held here."""
    answers.reverse()
    while answers:
        yield answers.pop()


def tuned_rows(plan: QueryPlan, respondents: list[Respondent], space: Space) -> int:
    """Copies per batch that take the least time per copy, a quarter of the usual to four times it.

    Asks each model about three times as many copies as the largest batch holds.
    """
    asker = Asker(plan, respondents, BatchSize(auto_rows(plan, space)), space)
    usual = asker.size.wanted
    paces: dict[int, float] = {}
    for rows in (usual // 4, usual // 2, usual, 2 * usual, 4 * usual):
        batch = next(batches_of(whole_points(plan.n_questions), max(rows, 1)))
        if batch.n_rows in paces:
            continue
        try:
            took = min(_seconds(asker, batch) for _ in range(2 if paces else 3))
        except asker.memory_errors(respondents):
            break
        paces[batch.n_rows] = took / batch.n_rows
    return min(paces, key=paces.__getitem__, default=max(usual // 4, 1))


def _seconds(asker: Asker, batch: Batch) -> float:
    start = time.perf_counter()
    for Z in asker.ask(batch, asker.respondents):
        asker.space.to_numpy(Z)  # waits for a device
    return time.perf_counter() - start
