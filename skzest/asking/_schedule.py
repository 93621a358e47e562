# SPDX-License-Identifier: BSD-3-Clause
"""Asking a zoo a plan: render a batch once, put it to every model, keep coefficients only.

The work is cut into *units*, runs of whole reference points that fill one batch. Units depend
on the plan and the batch size alone, never on the number of jobs or of models, so results are
the same bits however the work is spread. Nothing of the size of all masked copies is ever held:
one batch of copies, the scores of one unit, and the coefficients.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from ..plan import QueryPlan
from ._asker import Answer, Asker, stays_here, tuned_rows
from ._batches import BatchSize, auto_rows
from ._guard import Asked, sessions
from ._threads import one_thread

__all__ = ["ask_zoo", "asker_for", "units_of"]


def ask_zoo(
    plan: QueryPlan,
    queries: Sequence[Any],
    names: Sequence[str],
    widths: Sequence[int],
    *,
    batch_size: int | str | None = None,
    n_jobs: int | None = None,
    report: Callable[[int], None] | None = None,
    recall: Any = None,
) -> list[Answer]:
    """Put a plan to all models.

    Parameters
    ----------
    plan : QueryPlan
    queries : sequence of Query
    names : sequence of str
        How errors speak of each.
    widths : sequence of int
        Number of columns of each one's scores, as :func:`probe` found it.
    batch_size : int or "tune", optional
        Copies per batch; None takes it from the size of a copy and the device, "tune" tries.
    n_jobs : int, optional
        Tasks at a time, in joblib's terms; the active backend decides what runs them.
    report : callable, optional
        Told the number of questions answered, task by task.
    recall : Recall, optional
        Knows what has been answered before, and stores what is new.

    Returns
    -------
    answers : list of Answer, one per model
    """
    asked = [Asked(*one) for one in zip(names, queries, widths, strict=True)]
    groups: dict[Any, list[int]] = {}
    for i, query in enumerate(queries):
        groups.setdefault(query.space, []).append(i)

    workers = effective_n_jobs(n_jobs)
    here = [i for i, query in enumerate(queries) if workers == 1 or stays_here(query.space)]
    runs, tasks = [], []
    with sessions([queries[i] for i in here]):
        for space, members in groups.items():
            zoo = [asked[i] for i in members]
            rows = tuned_rows(plan, zoo, space) if batch_size == "tune" else batch_size
            size = BatchSize(int(rows or auto_rows(plan, space)))
            if workers == 1 or stays_here(space):
                runs.append(_run_here(plan, zoo, members, size, space, recall))
            else:
                units = list(units_of(plan.masks.n_masks, size.wanted))
                for start, stop, chosen in _tasks(units, members, workers):
                    known = None if recall is None else recall.part(start, stop, chosen)
                    some = [asked[i] for i in chosen]
                    job = (plan.slice(start, stop), some, size, space, os.getpid(), known)
                    tasks.append((start, stop, chosen, job))
        runs.append(_run_elsewhere(tasks, n_jobs, report is not None))
        pieces: list[list[tuple[int, Answer]]] = [[] for _ in queries]
        for start, stop, chosen, answers in chain.from_iterable(runs):
            for i, answer in zip(chosen, answers, strict=True):
                pieces[i].append((start, answer))
            if report is not None:
                report(sum(plan.masks.n_masks[start:stop]) * len(chosen))
    return [Answer.join([answer for _, answer in sorted(p, key=lambda q: q[0])]) for p in pieces]


def _run_here(
    plan: QueryPlan, asked: list[Asked], members: list[int], size: BatchSize, space: Any, recall
) -> Iterator[tuple[int, int, list[int], list[Answer]]]:
    """All units of a plan in this process, whose sessions are open, unit by unit."""
    known = None if recall is None else recall.part(0, len(plan), members)
    units = list(units_of(plan.masks.n_masks, size.wanted))
    with one_thread([space]), asker_for(plan, asked, size, space, known) as asker:
        for (start, stop), answers in zip(units, asker.answers(units), strict=True):
            yield start, stop, members, answers


def _run_elsewhere(
    tasks: list, n_jobs: int | None, as_they_come: bool
) -> Iterator[tuple[int, int, list[int], list[Answer]]]:
    """Tasks through joblib; each is a sliced plan, put to some models."""
    if not tasks:
        return
    # A generator, so that progress is told while the others run.
    parallel = Parallel(n_jobs=n_jobs, return_as="generator" if as_they_come else "list")
    with one_thread([space for *_, (_, _, _, space, _, _) in tasks]):
        outcomes = parallel(delayed(_run)(*job) for *_, job in tasks)
        for (start, stop, chosen, _), answers in zip(tasks, outcomes, strict=True):
            yield start, stop, chosen, answers


def units_of(n_masks: Sequence[int], rows: int) -> Iterator[tuple[int, int]]:
    """Runs of whole points that fit in a batch; a point larger than a batch is a run alone."""
    start, filled = 0, 0
    for n, count in enumerate(n_masks):
        if n > start and filled + count > rows:
            yield start, n
            start, filled = n, 0
        filled += count
    yield start, len(n_masks)


def _tasks(units: list, members: list[int], workers: int) -> Iterator[tuple[int, int, list[int]]]:
    """Spread units over tasks: runs of points, and the models asked.

    Each task pickles its models when it goes to another process, so there are few of them: two
    for each worker. Where there are fewer units than workers the models are spread as well.
    """
    n_runs = min(len(units), 2 * workers)
    n_shares = min(len(members), -(-workers // n_runs)) if n_runs < workers else 1
    for run in np.array_split(np.array(units), n_runs):
        for share in np.array_split(members, n_shares):
            yield int(run[0, 0]), int(run[-1, 1]), [int(i) for i in share]


def _run(
    plan: QueryPlan,
    asked: list[Asked],
    size: BatchSize,
    space: Any,
    parent: int,
    known: Any,
) -> list[Answer]:
    """One task: all units of a (sliced) plan, put to some models."""
    units = list(units_of(plan.masks.n_masks, size.wanted))
    with ExitStack() as stack:
        if os.getpid() != parent:
            stack.enter_context(one_thread([space]))
        stack.enter_context(sessions([a.query for a in asked]))
        asker = stack.enter_context(asker_for(plan, asked, size, space, known))
        answers = list(asker.answers(units))
    return [Answer.join(of_one) for of_one in zip(*answers, strict=True)]


@contextmanager
def asker_for(
    plan: QueryPlan, asked: list[Asked], size: BatchSize, space: Any, known: Any
) -> Iterator[Asker]:
    """What asks the models, or looks up first what is ``known`` of them."""
    if known is None:
        yield Asker(plan, asked, size, space)
    else:
        with known.asker(plan, asked, size, space) as asker:
            yield asker
