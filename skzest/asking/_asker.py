# SPDX-License-Identifier: BSD-3-Clause
"""Units of a plan, put to models: scores come in, coefficients stay."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import array_api_compat
import numpy as np

from .. import _points
from ..plan import QueryPlan, closed_form, coefficients, kernel_weights
from ..queries import HOST
from ._batches import BatchSize, after, auto_rows, batches_of, place_point, render_batch
from ._guard import Asked, scores_of
from ._threads import one_thread

logger = logging.getLogger("skzest")

__all__ = ["Answer", "Asker", "stays_here", "tuned_rows"]


@dataclass
class Answer:
    """What one model said to a run of points.

    ``coef`` has shape (n_classes, n_components of these points); ``first``, of shape
    (n_classes,), is the first row of scores; no score is farther from it than ``spread``.
    ``eps`` is the rounding unit of the scores.
    """

    coef: np.ndarray
    first: np.ndarray
    spread: float
    eps: float

    @property
    def is_constant(self) -> bool:
        """Whether the scores move no more than rounding does."""
        return self.spread <= 16 * self.eps * float(np.max(np.abs(self.first)))

    @classmethod
    def join(cls, answers: Sequence[Answer]) -> Answer:
        """Answers to consecutive runs as one."""
        first = answers[0].first
        return cls(
            coef=np.concatenate([a.coef for a in answers], axis=1),
            first=first,
            spread=max(a.spread + float(np.max(np.abs(a.first - first))) for a in answers),
            eps=max(a.eps for a in answers),
        )


def stays_here(space: Any) -> bool:
    """Whether models of a space are asked in this process only, as on a GPU."""
    return bool(getattr(space, "stays_here", False))


class Asker:
    """Puts units of one plan to the models of one space."""

    def __init__(self, plan: QueryPlan, asked: list[Asked], size: BatchSize, space: Any):
        self.plan, self.asked, self.size, self.space = plan, asked, size, space
        self.form = None if plan.is_passthrough else closed_form(plan.surrogate)
        # One point: of its masks a batch takes the next part, or all and those of the next point.
        self.place = lru_cache(maxsize=1)(partial(place_point, plan, space))

    def answers(self, units: Sequence[tuple[int, int]]) -> Iterator[list[Answer]]:
        """Answers of all models, unit by unit."""
        # A device of its own goes on with one unit while the one before is looked at here.
        ahead = int(stays_here(self.space))
        waiting: deque[tuple[int, list]] = deque()
        for start, stop in units:
            waiting.append((start, self.scores(start, stop)))
            if len(waiting) > ahead:
                yield self._settle(*waiting.popleft())
        while waiting:
            yield self._settle(*waiting.popleft())

    def _settle(self, start: int, scores: list[list[Any]]) -> list[Answer]:
        """From the scores of a unit, whose first point is ``start``, to answers."""
        answers = []
        for n, of_point in enumerate(scores, start):
            operator = None if self.form is None else self._operator(n)
            centre = self._centre(n)
            each = zip(self.asked, of_point, strict=True)
            answers.append([self._answer(n, a.name, Z, operator, centre) for a, Z in each])
        return [Answer.join(of_one) for of_one in zip(*answers, strict=True)]

    def _operator(self, n: int) -> Any:
        """What takes scores to coefficients, in the space where the scores are.

        Worked out on the host: a device takes longer for small eigenvalue problems, and is
        busy with the next unit.
        """
        if self.space == HOST:
            return self.plan.operator(n)
        with one_thread([HOST]):
            operator = self.plan.operator(n)
        return self.space.asarray(operator) if self.space.has_float64 else operator

    def _centre(self, n: int) -> Any:
        """Weights of the mean that is taken off the scores, shape (1, n_masks), or None.

        The rows of a centred operator sum to zero, but where a narrow kernel makes its entries
        large they do so only to their own rounding: without this, all digits are lost at a
        width of 0.03.
        """
        if self.form is None or not self.form["fit_intercept"] or self.plan.kernel_width is None:
            return None
        weights = kernel_weights(self.plan.masks[n], self.plan.kernel_width)
        assert weights is not None
        centre = (weights / weights.sum())[None, :]
        return self.space.asarray(centre) if self.space.has_float64 else centre

    def scores(self, start: int, stop: int) -> list[list[Any]]:
        """Per point and model, scores of shape (n_masks, n_classes)."""
        counts = self.plan.masks.n_masks[start:stop]
        whole = [(n, 0, count) for n, count in zip(range(start, stop), counts, strict=True)]
        per_batch = [self._ask(batch) for batch in batches_of(whole, self.size.fitting)]
        stops = np.cumsum(counts)
        scores: list[list[Any]] = [[] for _ in counts]
        for i in range(len(self.asked)):
            Z = _points.concatenate([batch[i] for batch in per_batch])
            for p, (high, count) in enumerate(zip(stops, counts, strict=True)):
                scores[p].append(Z[int(high) - count : int(high)])
        return scores

    def _ask(
        self, batch: list[tuple[int, int, int]], asked: list[Asked] | None = None
    ) -> list[Any]:
        """Scores of the models for one batch; halved for as long as memory runs out."""
        asked = self.asked if asked is None else asked
        n_rows = sum(b - a for _, a, b in batch)
        try:
            copies = render_batch(self.plan, batch, self.space, self.place)
            return [self._put_to(a, batch, copies) for a in asked]
        except self._memory_errors() as error:
            if n_rows == 1:
                raise
            # What was found too large meanwhile, by a batch before, is not tried again.
            half = self.size.fitting = min(-(-n_rows // 2), self.size.fitting)
            logger.warning("out of memory at %d copies (%s); now %d", n_rows, error, half)
        halves, left = [], batch
        while left:
            smaller = next(batches_of(left, self.size.fitting))
            halves.append(self._ask(smaller, asked))
            left = after(left, sum(b - a for _, a, b in smaller))
        return [_points.concatenate(list(of_one)) for of_one in zip(*halves, strict=True)]

    def _put_to(self, asked: Asked, batch: list[tuple[int, int, int]], copies: Any) -> Any:
        """Scores of one model for the copies of one batch."""
        return scores_of(self.plan, asked, copies, sum(b - a for _, a, b in batch))

    def _memory_errors(self) -> tuple[type[BaseException], ...]:
        extra = (getattr(a.query, "memory_errors", ()) for a in self.asked)
        return (MemoryError, *(e for errors in extra for e in errors))

    def _answer(self, n: int, name: str, Z: Any, operator: Any, centre: Any) -> Answer:
        """One point, one model: scores to coefficients and extent."""
        space = self.space
        if not space.has_float64:
            Z, space = space.to_numpy(Z), HOST
        xp = array_api_compat.array_namespace(Z)
        # One pass for two questions: NaN and infinity carry through to the maximum.
        with np.errstate(invalid="ignore", over="ignore"):
            spread = float(xp.max(xp.abs(Z - Z[:1])))
        if not np.isfinite(spread):
            self.refuse_non_finite(n, name, space.to_numpy(Z))
        if self.plan.is_passthrough:
            Z = xp.astype(Z, xp.float64, copy=False)
            centred = Z - xp.mean(Z, axis=0)
            coef = space.to_numpy(centred - xp.mean(centred, axis=1, keepdims=True)).T
        elif operator is not None:
            scores = xp.astype(Z, operator.dtype, copy=False)
            if centre is not None:
                scores = scores - centre @ scores
            coef = space.to_numpy(operator @ scores).T
        else:
            masks = self.plan.masks[n]
            weights = kernel_weights(masks, self.plan.kernel_width)
            scores = np.asarray(space.to_numpy(Z), dtype=np.float64)
            coef = coefficients(self.plan.surrogate, masks, scores, weights).T
        first = np.array(space.to_numpy(Z[0]), dtype=np.float64)  # a view would keep all of Z
        eps = float(xp.finfo(Z.dtype).eps)
        return Answer(np.asarray(coef, dtype=np.float64), first, spread, eps)

    def refuse_non_finite(self, n: int, name: str, Z: np.ndarray) -> None:
        """Raise ValueError: a model gave scores at point ``n`` that are not finite."""
        bad = Z.size - np.count_nonzero(np.isfinite(Z))
        raise ValueError(
            f"{name} gave {bad} non-finite scores of {Z.size} at reference point "
            f"{int(self.plan.indices[n])}. Is an input outside the range it was trained for, or "
            "a weight NaN? Scores are never imputed."
        )


def tuned_rows(plan: QueryPlan, asked: list[Asked], space: Any) -> int:
    """Copies per batch that go quickest per copy, of a quarter of the usual to four times it.

    Asks each model about three times as many copies as are in the largest batch.
    """
    asker = Asker(plan, asked, BatchSize(auto_rows(plan, space)), space)
    usual = asker.size.wanted
    paces: dict[int, float] = {}
    whole = [(n, 0, count) for n, count in enumerate(plan.masks.n_masks)]
    for rows in (usual // 4, usual // 2, usual, 2 * usual, 4 * usual):
        batch = next(batches_of(whole, max(rows, 1)))
        n_rows = sum(b - a for _, a, b in batch)
        if n_rows in paces:
            continue
        took = min(_seconds(asker, batch, space) for _ in range(2 if paces else 3))
        if asker.size.fitting < n_rows:
            break  # memory ran out
        paces[n_rows] = took / n_rows
    return min(paces, key=paces.__getitem__, default=asker.size.fitting)


def _seconds(asker: Asker, batch: list[tuple[int, int, int]], space: Any) -> float:
    start = time.perf_counter()
    for Z in asker._ask(batch):
        space.to_numpy(Z)  # waits for a device
    return time.perf_counter() - start
