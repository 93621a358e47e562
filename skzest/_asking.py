# SPDX-License-Identifier: BSD-3-Clause
"""Asking a zoo a plan: render a batch once, put it to every model, keep coefficients only.

The work is cut into *units*, runs of whole reference points that fill one batch. Units depend
on the plan and the batch size alone, never on the number of jobs or of models, so results are
the same bits however the work is spread. Nothing of the size of all masked copies is ever held:
one batch of copies, the scores of one unit, and the coefficients.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from typing import Any

import array_api_compat
import numpy as np
import threadpoolctl
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from . import _points
from .exceptions import QueryError
from .plan import QueryPlan
from .queries import HOST, respond
from .queries._response import raw_scores
from .surrogates import closed_form, coefficients, kernel_weights

__all__ = ["Answer", "ask_zoo", "auto_batch_size", "probe", "sessions"]

logger = logging.getLogger("skzest")

_PROBE_ROWS = 8
_DETERMINISM = 1e-4
_AUTO_BYTES = 8 * 2**20
_AUTO_ROWS = 16384


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


@dataclass(frozen=True)
class _Asked:
    """A query with its place in the zoo, so that errors can name it."""

    name: str
    query: Any
    width: int | None = None


@dataclass
class _BatchSize:
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
        return 1024
    if _points.is_frame(point):
        nbytes, size = point.memory_usage(deep=True).sum(), point.size
    else:
        nbytes, size = point.nbytes, point.size
    if hasattr(space, "auto_rows"):
        return space.auto_rows(int(size))
    return int(np.clip(_AUTO_BYTES // max(int(nbytes), 1), 1, _AUTO_ROWS))


def _auto_rows(plan: QueryPlan, space: Any) -> int:
    """Copies per batch: points of one shape are like the first, else the largest decides."""
    n_points = len(plan) if isinstance(plan.reference, list) else 1
    return min(auto_batch_size(plan.point(n), space) for n in range(n_points))


def _tuned_rows(plan: QueryPlan, asked: list[_Asked], space: Any) -> int:
    """Copies per batch that go quickest per copy, of a quarter of the usual to four times it.

    Asks each model about three times as many copies as are in the largest batch.
    """
    asker = _Asker(plan, asked, _BatchSize(_auto_rows(plan, space)), space)
    usual, paces = asker.size.wanted, {}
    whole = [(n, 0, count) for n, count in enumerate(plan.masks.n_masks)]
    for rows in (usual // 4, usual // 2, usual, 2 * usual, 4 * usual):
        batch = next(_batches(whole, max(rows, 1)))
        n_rows = sum(b - a for _, a, b in batch)
        if n_rows in paces:
            continue
        took = min(_seconds(asker, batch, space) for _ in range(2 if paces else 3))
        if asker.size.fitting < n_rows:
            break  # memory ran out
        paces[n_rows] = took / n_rows
    return min(paces, key=paces.__getitem__, default=asker.size.fitting)


def _seconds(asker: _Asker, batch: list[tuple[int, int, int]], space: Any) -> float:
    start = time.perf_counter()
    for Z in asker._ask(batch):
        space.to_numpy(Z)  # waits for a device
    return time.perf_counter() - start


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


def probe(plan: QueryPlan, name: str, query: Any, batch_size: int | None = None) -> int:
    """Ask a few copies twice: the number of classes, and whether answers repeat.

    Returns the number of columns of the model's scores.

    Raises
    ------
    ValueError
        If the answers differ by more than 1e-4 of their range.
    """
    asked = _Asked(name, query)
    n_rows = min(_PROBE_ROWS, plan.masks.n_masks[0], batch_size or _PROBE_ROWS)
    with sessions([query]):
        while True:
            copies = _render(plan, [(0, 0, n_rows)], query.space)
            try:
                first = query.space.to_numpy(_respond(plan, asked, copies, n_rows))
                break
            except (MemoryError, *query.memory_errors):
                if n_rows == 1:
                    raise
                n_rows //= 2
        if query.deterministic:
            # A copy: a model may answer twice with the same memory.
            first = first.copy()
            again = query.space.to_numpy(_respond(plan, asked, copies, n_rows))
            _check_repeats(name, first, again)
    return first.shape[1]


def _check_repeats(name: str, first: np.ndarray, again: np.ndarray) -> None:
    gap = float(np.max(np.abs(first - again)))
    rounding = 16 * float(np.finfo(first.dtype).eps) * float(np.max(np.abs(first)))
    spread = float(np.ptp(first))
    if gap > max(_DETERMINISM * spread, rounding):
        raise ValueError(
            f"{name} answers the same question differently: two answers to the same "
            f"{len(first)} copies are up to {gap:.3g} apart, their range is {spread:.3g}. Is "
            "dropout or another source of chance left on? Turn it off, or accept the noise "
            "with adapter=functools.partial(as_query, deterministic=False)."
        )


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
    asked = [_Asked(*one) for one in zip(names, queries, widths, strict=True)]
    groups: dict[Any, list[int]] = {}
    for i, query in enumerate(queries):
        groups.setdefault(query.space, []).append(i)

    workers = effective_n_jobs(n_jobs)
    here = [i for i, query in enumerate(queries) if workers == 1 or _stays_here(query.space)]
    runs, tasks = [], []
    with sessions([queries[i] for i in here]):
        for space, members in groups.items():
            zoo = [asked[i] for i in members]
            rows = _tuned_rows(plan, zoo, space) if batch_size == "tune" else batch_size
            size = _BatchSize(rows or _auto_rows(plan, space))
            if workers == 1 or _stays_here(space):
                runs.append(_run_here(plan, zoo, members, size, space, recall))
            else:
                units = list(_units(plan.masks.n_masks, size.wanted))
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


def _stays_here(space: Any) -> bool:
    """Whether models of a space are asked in this process only, as on a GPU."""
    return bool(getattr(space, "stays_here", False))


def _run_here(
    plan: QueryPlan, asked: list[_Asked], members: list[int], size: _BatchSize, space: Any, recall
) -> Iterator[tuple[int, int, list[int], list[Answer]]]:
    """All units of a plan in this process, whose sessions are open, unit by unit."""
    known = None if recall is None else recall.part(0, len(plan), members)
    units = list(_units(plan.masks.n_masks, size.wanted))
    with _one_thread([space]), _asker(plan, asked, size, space, known) as asker:
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
    with _one_thread([space for *_, (_, _, _, space, _, _) in tasks]):
        outcomes = parallel(delayed(_run)(*job) for *_, job in tasks)
        for (start, stop, chosen, _), answers in zip(tasks, outcomes, strict=True):
            yield start, stop, chosen, answers


def _one_thread(spaces: Sequence[Any]) -> Any:
    """BLAS on one thread, if there are models that are asked on the host.

    Always, not only when jobs run side by side: how a product is split over threads may change
    its last bits, and results must not depend on n_jobs. torch keeps its threads, though it may
    share a BLAS with NumPy.
    """
    if all(space != HOST for space in spaces):
        return nullcontext()
    return _one_blas_thread()


class _SharedLimit:
    """BLAS on one thread for as long as anyone wants it; the last to leave turns it back.

    The limit belongs to the process. If each transformer of several threads set and restored
    it by itself, one that ends amid another's work would lift the other's limit, and the other
    would then restore the limit for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                _take_control()
                self._limit = _blas(len(sys.modules)).limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    _take_control()
                    self._limit.restore_original_limits()
                    _take_control()


def _take_control() -> None:
    """From threadpoolctl 3.8 on, only the thread that set a limit first can change it."""
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


_one_blas_thread = _SharedLimit()


@lru_cache(maxsize=1)
def _blas(n_modules: int) -> threadpoolctl.ThreadpoolController:
    # Kept, as looking through the process's libraries takes 3 ms, until modules come in that
    # may bring a BLAS of their own.
    return threadpoolctl.ThreadpoolController()


def _units(n_masks: Sequence[int], rows: int) -> Iterator[tuple[int, int]]:
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
    asked: list[_Asked],
    size: _BatchSize,
    space: Any,
    parent: int,
    known: Any,
) -> list[Answer]:
    """One task: all units of a (sliced) plan, put to some models."""
    units = list(_units(plan.masks.n_masks, size.wanted))
    with ExitStack() as stack:
        if os.getpid() != parent:
            stack.enter_context(_one_thread([space]))
        stack.enter_context(sessions([a.query for a in asked]))
        asker = stack.enter_context(_asker(plan, asked, size, space, known))
        answers = list(asker.answers(units))
    return [Answer.join(of_one) for of_one in zip(*answers, strict=True)]


@contextmanager
def _asker(
    plan: QueryPlan, asked: list[_Asked], size: _BatchSize, space: Any, known: Any
) -> Iterator[_Asker]:
    """What asks the models, or looks up first what is ``known`` of them."""
    if known is None:
        yield _Asker(plan, asked, size, space)
    else:
        with known.asker(plan, asked, size, space) as asker:
            yield asker


class _Asker:
    """Puts units of one plan to the models of one space."""

    def __init__(self, plan: QueryPlan, asked: list[_Asked], size: _BatchSize, space: Any):
        self.plan, self.asked, self.size, self.space = plan, asked, size, space
        self.form = None if plan.is_passthrough else closed_form(plan.surrogate)
        # One point: of its masks a batch takes the next part, or all and those of the next point.
        self.place = lru_cache(maxsize=1)(partial(_place, plan, space))

    def answers(self, units: Sequence[tuple[int, int]]) -> Iterator[list[Answer]]:
        """Answers of all models, unit by unit."""
        # A device of its own goes on with one unit while the one before is looked at here.
        ahead, waiting = int(_stays_here(self.space)), deque()
        for start, stop in units:
            waiting.append((start, self._scores(start, stop)))
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
        with _one_thread([HOST]):
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
        centre = (weights / weights.sum())[None, :]
        return self.space.asarray(centre) if self.space.has_float64 else centre

    def _scores(self, start: int, stop: int) -> list[list[Any]]:
        """Per point and model, scores of shape (n_masks, n_classes)."""
        counts = self.plan.masks.n_masks[start:stop]
        whole = [(n, 0, count) for n, count in zip(range(start, stop), counts, strict=True)]
        per_batch = [self._ask(batch) for batch in _batches(whole, self.size.fitting)]
        stops = np.cumsum(counts)
        scores: list[list[Any]] = [[] for _ in counts]
        for i in range(len(self.asked)):
            Z = _points.concatenate([batch[i] for batch in per_batch])
            for p, (high, count) in enumerate(zip(stops, counts, strict=True)):
                scores[p].append(Z[int(high) - count : int(high)])
        return scores

    def _ask(
        self, batch: list[tuple[int, int, int]], asked: list[_Asked] | None = None
    ) -> list[Any]:
        """Scores of the models for one batch; halved for as long as memory runs out."""
        asked = self.asked if asked is None else asked
        n_rows = sum(b - a for _, a, b in batch)
        try:
            copies = _render(self.plan, batch, self.space, self.place)
            return [self._put_to(a, batch, copies) for a in asked]
        except self._memory_errors() as error:
            if n_rows == 1:
                raise
            # What was found too large meanwhile, by a batch before, is not tried again.
            half = self.size.fitting = min(-(-n_rows // 2), self.size.fitting)
            logger.warning("out of memory at %d copies (%s); now %d", n_rows, error, half)
        halves, left = [], batch
        while left:
            smaller = next(_batches(left, self.size.fitting))
            halves.append(self._ask(smaller, asked))
            left = _after(left, sum(b - a for _, a, b in smaller))
        return [_points.concatenate(list(of_one)) for of_one in zip(*halves, strict=True)]

    def _put_to(self, asked: _Asked, batch: list[tuple[int, int, int]], copies: Any) -> Any:
        """Scores of one model for the copies of one batch."""
        return _respond(self.plan, asked, copies, sum(b - a for _, a, b in batch))

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
            self._refuse_non_finite(n, name, space.to_numpy(Z))
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

    def _refuse_non_finite(self, n: int, name: str, Z: np.ndarray) -> None:
        bad = Z.size - np.count_nonzero(np.isfinite(Z))
        raise ValueError(
            f"{name} gave {bad} non-finite scores of {Z.size} at reference point "
            f"{int(self.plan.indices[n])}. Is an input outside the range it was trained for, or "
            "a weight NaN? Scores are never imputed."
        )


def _batches(pieces: list, rows: int) -> Iterator[list[tuple[int, int, int]]]:
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


def _after(pieces: list[tuple[int, int, int]], rows: int) -> list[tuple[int, int, int]]:
    """What is left of pieces without their first ``rows`` rows."""
    left = []
    for n, start, stop in pieces:
        skipped = min(rows, stop - start)
        rows -= skipped
        if start + skipped < stop:
            left.append((n, start + skipped, stop))
    return left


def _place(plan: QueryPlan, space: Any, n: int) -> tuple[Any, Any, Any, Any]:
    """A point, its parts, its fill and its masks, where the models want them."""
    point, parts, fill, masks = plan.point(n), plan.parts[n], plan.fills[n], plan.masks[n]
    if plan.array_points:
        arrays = (point, parts.astype(np.int64), fill, masks)
        point, parts, fill, masks = (space.asarray(a) for a in arrays)
    return point, parts, fill, masks


def _render(
    plan: QueryPlan, batch: list[tuple[int, int, int]], space: Any, place: Any = None
) -> Any:
    """Masked copies of one batch, where the models want them."""
    place = partial(_place, plan, space) if place is None else place
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


def _respond(
    plan: QueryPlan, asked: _Asked, copies: Any, n_rows: int, raw: str | None = None
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
        return scores_of([c.copy() if isinstance(c, np.ndarray) else c for c in copies])
    if not isinstance(copies, np.ndarray):
        return scores_of(copies)
    copies.flags.writeable = False
    try:
        return scores_of(copies)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        return scores_of(copies.copy())
