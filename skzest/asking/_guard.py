# SPDX-License-Identifier: BSD-3-Clause
"""One batch, one model: scores, guarded against what models do to what they are given."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from .. import _points
from ..exceptions import QueryError
from ..plan import QueryPlan
from ..queries import raw_scores, respond
from ._batches import render_batch

__all__ = ["PROBE_ROWS", "Asked", "Gap", "probe", "scores_of", "sessions"]


PROBE_ROWS = 8
_DETERMINISM = 1e-4
_OF_BATCH = 2e-2


@dataclass(frozen=True)
class Asked:
    """A query with its place in the zoo, so that errors can name it."""

    name: str
    query: Any
    width: int | None = None


@dataclass(frozen=True)
class Gap:
    """How far two answers to the same copies are apart, the range of the first, and rounding."""

    size: float
    spread: float
    rounding: float

    @classmethod
    def between(cls, first: np.ndarray, second: np.ndarray) -> Gap:
        """Scores of shape (n, n_classes); infinite where the shapes differ."""
        apart = first.shape != second.shape
        size = np.inf if apart else float(np.max(np.abs(second - first)))
        rounding = 16 * float(np.finfo(first.dtype).eps) * float(np.max(np.abs(first)))
        return cls(size, float(np.ptp(first)), rounding)

    def allowed(self, tolerance: float) -> float:
        """The size up to which two answers are the same: a part of the range, or rounding."""
        return max(tolerance * self.spread, self.rounding)


_ENTERED: ContextVar[frozenset[int]] = ContextVar("queries in session", default=frozenset())


@contextmanager
def sessions(queries: Sequence[Any]) -> Iterator[None]:
    """Enter the session of every query, but of those that are in one: once around a whole run."""
    with ExitStack() as stack:
        entered = _ENTERED.get()
        for query in queries:
            if id(query) not in entered:
                stack.enter_context(query.session())
                entered |= {id(query)}
        token = _ENTERED.set(entered)
        stack.callback(_ENTERED.reset, token)
        yield


def scores_of(
    plan: QueryPlan, asked: Asked, copies: Any, n_rows: int, raw: str | None = None
) -> Any:
    """Scores of one model for some copies; under ``raw`` that output as it comes."""
    try:
        # Infinite logits are reported with their reference point, not as a NumPy warning.
        with np.errstate(invalid="ignore", over="ignore"):
            scores = _guarded(plan, asked.query, copies, n_rows, raw)
    except QueryError as error:
        raise QueryError(f"{asked.name}: {error}") from error
    except Exception as error:
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(f"skzest was asking {asked.name}.")
        raise
    if asked.width is not None and scores.shape[1] != asked.width:
        raise QueryError(
            f"{asked.name} gave {scores.shape[1]} columns of scores to {n_rows} copies, and "
            f"{asked.width} before. Its classes must not depend on the batch."
        )
    return scores


def _guarded(plan: QueryPlan, query: Any, copies: Any, n_rows: int, raw: str | None) -> Any:
    """Scores for a batch that the model cannot spoil for those who come after it.

    Steps with ``copy=False`` write into what they are given. NumPy batches are therefore
    read-only, which scikit-learn heeds; a model that insists, and any that is asked with
    data frames or lists, gets a copy of its own.
    """

    def scores_of(batch: Any) -> Any:
        if raw is None:
            return respond(query, batch, plan.response, plan.clip, n=n_rows)
        scores = raw_scores(query, batch, raw, n_rows)
        # A copy: some runtimes answer every batch with the same memory.
        return array_api_compat.array_namespace(scores).asarray(scores, copy=True)

    if _points.is_frame(copies):
        return scores_of(copies.copy())
    if isinstance(copies, list):
        return scores_of([_own(c) for c in copies])
    if not isinstance(copies, np.ndarray):
        return scores_of(copies)
    copies.flags.writeable = False
    try:
        return scores_of(copies)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        return scores_of(copies.copy())


def _own(copy: Any) -> Any:
    """An array or tensor in memory of its own; texts as they are."""
    if isinstance(copy, np.ndarray):
        return copy.copy()
    return copy.clone() if hasattr(copy, "clone") else copy


def probe(plan: QueryPlan, name: str, query: Any, batch_size: int | None = None) -> int:
    """Ask a few copies twice: the number of classes, and whether answers repeat.

    Returns the number of columns of the model's scores.

    Raises
    ------
    ValueError
        If the answers differ by more than 1e-4 of their range.

    Warns
    -----
    UserWarning
        If a copy's answer depends on what else is in the batch.
    """
    asked = Asked(name, query)
    n_rows = min(PROBE_ROWS, plan.masks.n_masks[0], batch_size or PROBE_ROWS)
    with sessions([query]):
        while True:
            copies = render_batch(plan, [(0, 0, n_rows)], query.space)
            try:
                first = query.space.to_numpy(scores_of(plan, asked, copies, n_rows))
                break
            except (MemoryError, *query.memory_errors):
                if n_rows == 1:
                    raise
                n_rows //= 2
        if query.deterministic:
            # A copy: a model may answer twice with the same memory.
            _check_repeats(plan, asked, copies, first.copy())
    return first.shape[1]


def _check_repeats(plan: QueryPlan, asked: Asked, copies: Any, first: np.ndarray) -> None:
    """Ask again in two halves, which shows chance, and answers that depend on the batch."""
    name, n_rows, space = asked.name, len(first), asked.query.space
    middle = n_rows // 2
    halves = [(0, middle), (middle, n_rows)] if middle else [(0, n_rows)]
    again = np.concatenate(
        [
            space.to_numpy(scores_of(plan, asked, _points.rows(copies, a, b), b - a)).copy()
            for a, b in halves
        ]
    )
    of_batch = Gap.between(first, again)
    if of_batch.size <= of_batch.allowed(_DETERMINISM):
        return
    gap = Gap.between(first, space.to_numpy(scores_of(plan, asked, copies, n_rows)))
    if gap.size > gap.allowed(_DETERMINISM):  # not so for NaN, which the caller reports
        raise ValueError(
            f"{name} answers the same question differently: two answers to the same "
            f"{len(first)} copies are up to {gap.size:.3g} apart, their range is "
            f"{gap.spread:.3g}. Is "
            "dropout or another source of chance left on? Turn it off, or accept the noise "
            "with adapter=functools.partial(as_query, deterministic=False)."
        )
    # Kernels for other sizes of batch round otherwise, and short floats do so visibly.
    if of_batch.size > _OF_BATCH * of_batch.spread:
        warnings.warn(
            f"{name} answers a question differently in other company: {n_rows} copies asked at "
            f"once and in two halves are up to {of_batch.size:.3g} apart, their range is "
            f"{of_batch.spread:.3g}. Is a batch norm in training mode, or are texts padded to the "
            "longest of a batch? As it is, distances depend on batch_size.",
            UserWarning,
            stacklevel=2,
        )
