# SPDX-License-Identifier: BSD-3-Clause
"""Questions that are asked again: at the first look, and later as a run goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import _points
from .._points import Points
from ..exceptions import QueryError, warn
from ..plan import QueryPlan
from ..queries import Array, Space
from ._batches import Batch, Renderer
from ._guard import OF_BATCH, Respondent, Witness, guarded_scores, own, rounding

__all__ = [
    "FIRST_LOOK_ROWS",
    "Gap",
    "SharedCopies",
    "by_halves_of",
    "check_witness",
    "gap_of",
    "look_at",
    "tolerance_of",
]

FIRST_LOOK_ROWS = 8

# Of the range of the scores: two answers to one question further apart than this differ.
_DETERMINISM = 1e-4


@dataclass(frozen=True)
class Gap:
    """How far apart two answers to the same copies are, beside their range and rounding."""

    size: float
    range: float
    rounding: float

    @classmethod
    def between(cls, first: np.ndarray, second: np.ndarray, eps: float) -> Gap:
        """Scores of shape (n, n_classes) of this rounding unit; infinitely far if shapes differ."""
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.inf if first.shape != second.shape else float(np.max(np.abs(second - first)))
        return cls(size, float(np.ptp(first)), rounding(eps, float(np.max(np.abs(first)))))

    def allowed(self, tolerance: float) -> float:
        """The size up to which two answers are the same: a share of the range, or rounding."""
        return max(tolerance * self.range, self.rounding)

    def exceeds(self, tolerance: float) -> bool:
        """Whether the answers differ; not so for NaN, which is reported elsewhere."""
        return self.size > self.allowed(tolerance)

    def __str__(self) -> str:
        return f"up to {self.size:.3g} apart, and their range is {self.range:.3g}"


def gap_of(asked: Respondent, first: np.ndarray, second: np.ndarray) -> Gap:
    """How far apart two answers of a model to the same copies are."""
    return Gap.between(first, second, asked.eps(first))


# --- the first look -------------------------------------------------------------------------


class SharedCopies:
    """Copies of the questions of first looks; models that get the same questions share them.

    Every model keeps a few as its witness: 8 photographs each would be gigabytes in a large zoo.
    """

    def __init__(self, plan: QueryPlan):
        self._plan = plan
        self._latest: dict[Space, tuple[Batch, Points]] = {}

    def of(self, questions: Batch, space: Space) -> Points:
        """Copies in a space, which nobody may change."""
        if space not in self._latest or self._latest[space][0] != questions:
            self._latest[space] = questions, Renderer(self._plan, space)(questions)
        return self._latest[space][1]


def look_at(asked: Respondent, questions: Batch, kept: Points) -> None:
    """Ask a few questions twice: what the model answers with, and whether answers repeat.

    Sets ``given``, ``n_columns`` and ``witness`` of the model.

    Parameters
    ----------
    asked : Respondent
    questions : Batch
    kept : array, DataFrame or list
        Their copies; the model gets copies of these.

    Raises
    ------
    ValueError
        If two answers to the same copies are more than 1e-4 of their range apart.

    Warns
    -----
    UserWarning
        If the answer to a copy depends on the rest of the batch.
    """
    start = time.perf_counter()
    raw, _ = guarded_scores(asked, own(kept), questions.n_rows)
    asked.seconds = time.perf_counter() - start
    asked.recognise(raw)
    first = _as_numpy(asked, asked.scores_from(raw))
    asked.n_columns = first.shape[1]
    is_clear = asked.is_clear(raw)
    if not asked.query.deterministic or not is_clear.any():
        return
    if not is_clear.all():  # asked again without the others, as the rest of a batch may matter
        questions = questions.only(is_clear)
        kept = _points.take(kept, np.flatnonzero(is_clear))
        raw, _ = guarded_scores(asked, own(kept), questions.n_rows)
        first = _as_numpy(asked, asked.scores_from(raw))
    asked.witness = Witness(questions, kept, first, OF_BATCH)
    _check_repeats(asked)


def _as_numpy(asked: Respondent, scores: Array) -> np.ndarray:
    """The scores in NumPy's memory, and no longer in the model's."""
    return np.array(asked.query.space.to_numpy(scores))


def _again(asked: Respondent, which: Sequence[int]) -> np.ndarray:
    """Answers to rows of the witness, asked once more in this order."""
    assert asked.witness is not None
    copies = _points.take(asked.witness.copies, which)
    raw, _ = guarded_scores(asked, copies, len(which))
    return _as_numpy(asked, asked.scores_from(raw))


def by_halves_of(asked: Respondent) -> Gap:
    """The witness asked in two halves, beside the answers to the whole.

    In reverse order: a model that mixes up rows would mix them up alike otherwise.
    """
    assert asked.witness is not None
    n_rows = len(asked.witness.scores)
    backwards, middle = range(n_rows)[::-1], n_rows // 2
    halves = [backwards[:middle], backwards[middle:]] if middle else [backwards]
    again = np.concatenate([_again(asked, half) for half in halves])[::-1]
    return gap_of(asked, asked.witness.scores, again)


def tolerance_of(by_halves: Gap) -> float:
    """How far apart answers in other batches may be, of a model that depends on the batch."""
    moves = by_halves.exceeds(_DETERMINISM) and by_halves.range > 0
    return max(OF_BATCH, 10 * by_halves.size / by_halves.range) if moves else OF_BATCH


def _check_repeats(asked: Respondent) -> None:
    """Ask again in two halves, which shows chance, and answers that depend on the batch."""
    assert asked.witness is not None
    first, n_rows = asked.witness.scores, len(asked.witness.scores)
    by_halves = by_halves_of(asked)
    if not by_halves.exceeds(_DETERMINISM):
        return
    gap = gap_of(asked, first, _again(asked, range(n_rows)))
    if gap.exceeds(_DETERMINISM):
        raise ValueError(
            f"{asked.name} answers the same question differently: two answers to the same "
            f"{n_rows} copies are {gap}. Is dropout or another source of chance left on? Turn it "
            "off, or accept the noise with "
            "adapter=functools.partial(as_query, deterministic=False)."
        )
    # Kernels for other batch sizes round differently, and short floats do so visibly.
    asked.witness = replace(asked.witness, tolerance=tolerance_of(by_halves))
    if by_halves.exceeds(OF_BATCH):
        asked.witness = None
        warn(
            f"{asked.name} gives a different answer to the same input when the rest of the batch "
            f"changes: answers to {n_rows} copies at once and in two halves are {by_halves}. Is "
            "a batch norm in training mode, or are texts padded to the longest of a batch? As "
            "it is, distances depend on batch_size.",
            UserWarning,
        )


# --- later on -------------------------------------------------------------------------------


def check_witness(asked: Respondent, start: int, again: np.ndarray, n_rows: int) -> None:
    """Compare answers to rows of the witness from ``start`` on, asked in a batch of ``n_rows``.

    Raises
    ------
    QueryError
        If the model no longer answers as it did.
    """
    assert asked.witness is not None
    scores = asked.witness.scores
    gap = replace(
        gap_of(asked, scores[start : start + len(again)], again), range=float(np.ptp(scores))
    )
    if not gap.exceeds(_DETERMINISM):
        return
    if not gap.exceeds(asked.witness.tolerance):
        # Perhaps the rest of the batch matters: does the question alone get the same answer?
        alone = gap_of(asked, scores, _again(asked, range(len(scores))))
        if not alone.exceeds(_DETERMINISM):
            return
    raise QueryError(
        f"{asked.name} no longer answers as it did at the start: in a batch of {n_rows} copies, "
        f"the answers to {len(again)} that it had been asked before are {gap}. Was it replaced, "
        "or does it mix up answers under load? Ask again in smaller batches (batch_size=), or "
        "accept the noise with adapter=functools.partial(as_query, deterministic=False)."
    )
