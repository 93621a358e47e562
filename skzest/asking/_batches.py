# SPDX-License-Identifier: BSD-3-Clause
"""Batches of masked copies: how many rows, of which points, rendered where the models are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import _points
from ..plan import QueryPlan
from ..queries import HOST

__all__ = [
    "BatchSize",
    "after",
    "auto_batch_size",
    "auto_rows",
    "batches_of",
    "place_point",
    "render_batch",
]


_AUTO_BYTES = 8 * 2**20
_AUTO_ROWS = 16384


@dataclass
class BatchSize:
    """Copies per batch: what was asked for, and what memory turned out to hold."""

    wanted: int
    fitting: int = 0

    def __post_init__(self) -> None:
        self.fitting = self.fitting or self.wanted


def auto_batch_size(point: Any, space: Any = HOST) -> int:
    """Copies per batch from the size of one copy and the device alone.

    So results repeat to the bit. On the host 8 MiB of copies, and at most 16,384 of them: a
    forest takes milliseconds before its first answer, and a linear model soon leaves the
    processor's caches. Other spaces have rules of their own, ``auto_rows``.
    """
    if isinstance(point, str):
        # A network makes some thousand numbers of a text, as of an image of 32 x 32. An LSTM on
        # a CPU is quickest with 64 texts, by 5% before 256 and by a half before 1,024.
        return space.auto_rows(3072) if hasattr(space, "auto_rows") else 1024
    if _points.is_frame(point):
        nbytes, size = point.memory_usage(deep=True).sum(), point.size
    else:
        nbytes, size = point.nbytes, point.size
    if hasattr(space, "auto_rows"):
        return space.auto_rows(int(size))
    return int(np.clip(_AUTO_BYTES // max(int(nbytes), 1), 1, _AUTO_ROWS))


def auto_rows(plan: QueryPlan, space: Any) -> int:
    """Copies per batch: points of one shape are like the first, else the largest decides."""
    n_points = len(plan) if isinstance(plan.reference, list) else 1
    return min(auto_batch_size(plan.point(n), space) for n in range(n_points))


def batches_of(pieces: list, rows: int) -> Iterator[list[tuple[int, int, int]]]:
    """Cut (point, first row, last row) pieces into batches of at most ``rows`` rows."""
    batch: list[tuple[int, int, int]] = []
    room = rows
    for n, start, stop in pieces:
        while start < stop:
            taken = min(room, stop - start)
            batch.append((n, start, start + taken))
            start, room = start + taken, room - taken
            if room == 0:
                yield batch
                batch, room = [], rows
    if batch:
        yield batch


def after(pieces: list[tuple[int, int, int]], rows: int) -> list[tuple[int, int, int]]:
    """What is left of pieces without their first ``rows`` rows."""
    left = []
    for n, start, stop in pieces:
        skipped = min(rows, stop - start)
        rows -= skipped
        if start + skipped < stop:
            left.append((n, start + skipped, stop))
    return left


def place_point(plan: QueryPlan, space: Any, n: int) -> tuple[Any, Any, Any, Any]:
    """A point, its parts, its fill and its masks, where the models want them."""
    point, parts, fill, masks = plan.point(n), plan.parts[n], plan.fills[n], plan.masks[n]
    if plan.array_points:
        arrays = (point, parts.astype(np.int64), fill, masks)
        point, parts, fill, masks = (space.asarray(a) for a in arrays)
    return point, parts, fill, masks


def render_batch(
    plan: QueryPlan, batch: list[tuple[int, int, int]], space: Any, place: Any = None
) -> Any:
    """Masked copies of one batch, where the models want them."""
    place = partial(place_point, plan, space) if place is None else place
    if len(batch) == 1:
        return _render_piece(plan, batch[0], place)
    pieces = (_render_piece(plan, piece, place) for piece in batch)
    if not plan.array_points or isinstance(plan.reference, list) or space != HOST:
        return _points.concatenate(list(pieces))
    # Piece by piece into one array: each leaves its memory, still in the cache, to the next.
    # Making all and then joining them takes three times as long.
    first = next(pieces)
    copies = np.empty((sum(b - a for _, a, b in batch), *first.shape[1:]), dtype=first.dtype)
    copies[: len(first)] = first
    filled = len(first)
    for piece in pieces:
        copies[filled : filled + len(piece)] = piece
        filled += len(piece)
    return copies


def _render_piece(plan: QueryPlan, piece: tuple[int, int, int], place: Any) -> Any:
    """Masked copies ``start:stop`` of one point."""
    n, start, stop = piece
    point, parts, fill, masks = place(n)
    copies = plan.masker.render(point, parts, fill, masks[start:stop])
    # Points of different shapes: a batch is a list of copies, even if those that happen to share
    # it are of one shape.
    return list(copies) if isinstance(plan.reference, list) else copies
