# SPDX-License-Identifier: BSD-3-Clause
"""The number of copies per batch that takes a zoo the least time, by trial."""

from __future__ import annotations

import time

from ..plan import QueryPlan
from ..queries import Space
from ._asker import Asker
from ._batches import Batch, BatchSize, auto_rows, batches_of, whole_points
from ._guard import Respondent

__all__ = ["tuned_rows"]


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
