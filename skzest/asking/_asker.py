# SPDX-License-Identifier: BSD-3-Clause
"""Units of a plan, put to models, batch by batch; a few questions are asked again meanwhile."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from .. import _points
from .._points import Points
from ..exceptions import PartialAnswerError
from ..plan import QueryPlan
from ..queries import Array, Space, shared_inputs
from ._batches import Batch, BatchSize, Piece, Renderer, batches_of, whole_points
from ._first_look import FIRST_LOOK_ROWS, check_witness
from ._guard import Respondent, Witness, guarded_scores
from ._local_fits import LocalFits, PointCoefficients

logger = logging.getLogger("skzest")

__all__ = ["Asker"]

# Questions that are asked again as a run goes on: at most this share of a plan.
_AGAIN = 0.02
# Where batches may not grow, a batch is cut shorter once so many are due.
_WORTH_A_CALL = 4


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
        self.fits = LocalFits(plan, space, keep_scores)
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

    def _settle(
        self, unit: Batch, scores: Iterator[Array], checks: list[Check]
    ) -> list[PointCoefficients]:
        """From the scores of a unit to coefficients, once the answers given again agree."""
        for check in checks:
            scores_again = self.space.to_numpy(check.scores)
            check_witness(check.asked, check.start, scores_again, check.n_rows)
        return self.fits(unit, zip(self.respondents, scores, strict=True))

    def memory_errors(self, respondents: list[Respondent]) -> tuple[type[BaseException], ...]:
        """What tells that a batch was too large for one of them."""
        return tuple({error for r in respondents for error in r.memory_errors})


def _taken(answers: list[list[Array]]) -> Iterator[list[Array]]:
    """Answers of each model, which are no longer held here."""
    answers.reverse()
    while answers:
        yield answers.pop()
