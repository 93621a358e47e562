# SPDX-License-Identifier: BSD-3-Clause
"""Batches of masked copies: their questions, their size, and how they are rendered."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np

from .. import _points
from .._points import Point, Points
from ..maskers import takes_out
from ..plan import QueryPlan
from ..queries import HOST, Array, Space

__all__ = [
    "Batch",
    "BatchSize",
    "Piece",
    "Renderer",
    "auto_batch_size",
    "auto_rows",
    "batches_of",
    "spaced_questions",
    "units_of",
    "whole_points",
]

_AUTO_BYTES = 8 * 2**20
_AUTO_ROWS = 16384
_A_FEW = 8


class Piece(NamedTuple):
    """Questions ``start:stop`` about one reference point."""

    point: int
    start: int
    stop: int

    @property
    def n_rows(self) -> int:
        """Number of questions."""
        return self.stop - self.start


@dataclass(frozen=True)
class Batch:
    """Questions that are put to a model in one call: pieces of one or more points."""

    pieces: tuple[Piece, ...]

    @cached_property
    def n_rows(self) -> int:
        """Number of questions."""
        return sum(stop - start for _, start, stop in self.pieces)

    def by_piece(self, scores: Array) -> Iterator[tuple[Piece, Array]]:
        """The rows of an answer that belong to each piece."""
        start = 0
        for piece in self.pieces:
            yield piece, scores[start : start + piece.n_rows]
            start += piece.n_rows

    def only(self, which: Sequence[bool] | np.ndarray) -> Batch:
        """Some of the pieces."""
        return Batch(tuple(p for p, is_wanted in zip(self.pieces, which, strict=True) if is_wanted))

    def without(self, n_rows: int) -> Batch:
        """What is left after the first ``n_rows`` questions."""
        left = []
        for piece in self.pieces:
            skipped = min(n_rows, piece.n_rows)
            n_rows -= skipped
            if skipped < piece.n_rows:
                left.append(piece._replace(start=piece.start + skipped))
        return Batch(tuple(left))


def batches_of(pieces: Iterable[Piece], rows: int) -> Iterator[Batch]:
    """Cut pieces into batches of at most ``rows`` questions, in order."""
    held: list[Piece] = []
    room = rows
    for point, start, stop in pieces:
        while start < stop:
            taken = min(room, stop - start)
            held.append(Piece(point, start, start + taken))
            start, room = start + taken, room - taken
            if room == 0:
                yield Batch(tuple(held))
                held, room = [], rows
    if held:
        yield Batch(tuple(held))


def whole_points(n_questions: Sequence[int], start: int = 0) -> list[Piece]:
    """One piece for each point, counted from ``start``, with all its questions."""
    return [Piece(n, 0, int(count)) for n, count in enumerate(n_questions, start)]


def units_of(n_questions: Sequence[int], rows: int) -> Iterator[tuple[int, int]]:
    """Runs of whole points that fit in a batch; a point larger than a batch is a run of its own."""
    start, filled = 0, 0
    for n, count in enumerate(n_questions):
        if n > start and filled + count > rows:
            yield start, n
            start, filled = n, 0
        filled += count
    yield start, len(n_questions)


def spaced_questions(n_questions: Sequence[int], n: int) -> Batch:
    """At most ``n`` questions, spread evenly over all of a plan; the first is among them."""
    stops = np.cumsum(n_questions)
    chosen = np.unique(np.linspace(0, stops[-1] - 1, n).astype(int))
    points = np.searchsorted(stops, chosen, side="right")
    rows = chosen - (stops[points] - np.asarray(n_questions)[points])
    return Batch(tuple(Piece(p, k, k + 1) for p, k in zip(points.tolist(), rows.tolist())))


# --- sizes ----------------------------------------------------------------------------------


@dataclass
class BatchSize:
    """Copies per batch: the size that was wanted, and the size that fits into memory.

    ``is_limit`` says that no batch may be larger by a few rows: the caller set the size, or
    memory ran out.
    """

    wanted: int
    is_limit: bool = False
    fitting: int = 0

    def __post_init__(self) -> None:
        self.fitting = self.fitting or self.wanted

    @property
    def most(self) -> int:
        """Rows that a call may have, with questions that are asked again."""
        is_limit = self.is_limit or self.fitting < self.wanted
        return self.fitting if is_limit else self.fitting + _A_FEW


def auto_batch_size(point: Point, space: Space = HOST) -> int:
    """Copies per batch from the size of one copy and the device alone, so that results repeat.

    On the host 8 MiB of copies, and at most 16,384 of them: a forest takes milliseconds before
    its first answer, and a linear model soon leaves the processor's caches. Other spaces have
    rules of their own, ``auto_rows``.
    """
    if isinstance(point, str):
        # A network makes numbers of every word, so its memory grows with the length. An LSTM on a
        # CPU is quickest with 256 short texts: by 8% over 64, by half over 1,024.
        size, n_bytes = max(2 * len(point), 768), _AUTO_BYTES // 1024
    elif _points.is_frame(point):
        size, n_bytes = point.size, point.memory_usage(deep=True).sum()
    else:
        size, n_bytes = point.size, point.nbytes
    if hasattr(space, "auto_rows"):
        return space.auto_rows(int(size))
    return int(np.clip(_AUTO_BYTES // max(int(n_bytes), 1), 1, _AUTO_ROWS))


def auto_rows(plan: QueryPlan, space: Space) -> int:
    """Copies per batch for a plan: the largest point decides."""
    n_points = len(plan) if isinstance(plan.reference, list) else 1
    return min(auto_batch_size(plan.point(n), space) for n in range(n_points))


# --- rendering ------------------------------------------------------------------------------


class _Memory:
    """Memory for one batch after another: new pages cost as much as the copies written to them.

    A batch that a model keeps, or a part of it, stays as it is.
    """

    def __init__(self) -> None:
        self._bytes = memoryview(b"")
        self._last: Callable[[], np.ndarray | None] = lambda: None

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array, in the memory of the last one if nobody looks at that any more."""
        size = math.prod(shape)
        if self._last() is not None or len(self._bytes) < size * dtype.itemsize:
            # With room for the questions that the next batch may ask again.
            n_bytes = (shape[0] + _A_FEW) * math.prod(shape[1:]) * dtype.itemsize
            self._bytes = np.empty(n_bytes, dtype=np.uint8).data
        flat = np.frombuffer(self._bytes, dtype, size)
        self._last = weakref.ref(flat)  # it lives as long as any view of it
        return flat.reshape(shape)


# A point, its parts, its fill and its masks.
_Arrays: TypeAlias = tuple[Point, Array, Array, Array]


class Renderer:
    """Makes the masked copies of one plan in the array space of the models."""

    def __init__(self, plan: QueryPlan, space: Space):
        self.plan, self.space = plan, space
        # The last point only: a batch takes more of its questions, or goes on to the next point.
        self._held: tuple[int, _Arrays] | None = None
        self._memory = _Memory()
        self._takes_out = takes_out(plan.masker)

    def __call__(self, batch: Batch, extra: Points | None = None) -> Points:
        """Masked copies of a batch, with the copies ``extra`` behind them."""
        with self.space.rendering():
            return self._rendered(batch, extra)

    def _rendered(self, batch: Batch, extra: Points | None) -> Points:
        plan = self.plan
        one_array = plan.array_points and not isinstance(plan.reference, list)
        if one_array and self.space.is_host:
            return self._written(batch, extra)
        behind = [] if extra is None else [extra]
        return _points.concatenate([*map(self._copies, batch.pieces), *behind])

    def _written(self, batch: Batch, extra: Points | None) -> np.ndarray:
        """The copies of arrays on the host, each written once."""
        point = self.plan.point(batch.pieces[0].point)
        n_rows = batch.n_rows + (0 if extra is None else len(extra))
        copies = self._memory.array((n_rows, *point.shape), point.dtype)
        for piece, rows in batch.by_piece(copies):
            if self._takes_out:
                self._copies(piece, out=rows)
            else:
                rows[...] = self._copies(piece)
        if extra is not None:
            copies[batch.n_rows :] = extra
        return copies

    def _copies(self, piece: Piece, **out: np.ndarray) -> Points:
        point, parts, fill, masks = self._arrays(piece.point)
        copies = self.plan.masker.render(point, parts, fill, masks[piece.start : piece.stop], **out)
        # Points of different shapes: a batch is a list of copies, even if those that happen to
        # share it have one shape.
        return list(copies) if isinstance(self.plan.reference, list) else copies

    def _arrays(self, n: int) -> _Arrays:
        """A point, its parts, its fill and its distinct masks, in the space of the models."""
        if self._held is None or self._held[0] != n:
            plan = self.plan
            point, parts, fill, masks = (
                plan.point(n),
                plan.parts[n],
                plan.fills[n],
                plan.questions(n),
            )
            if plan.array_points:
                parts = parts.astype(np.int64)
            arrays = point, parts, fill, masks
            if plan.array_points and not self.space.is_host:
                arrays = tuple(map(self.space.asarray, arrays))
            self._held = n, arrays
        return self._held[1]
