# SPDX-License-Identifier: BSD-3-Clause
"""Asking with a store of answers: look up first, ask what is missing, store it as it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from .. import _points
from .._points import Points
from ..exceptions import ModelChangedError, PartialAnswerError, warn
from ..plan import QueryPlan
from ..queries import Array
from ..store import AnswerStore, Connection, Identity, Ledger, mask_keys
from ..store import Piece as StoredPiece
from ._asker import Asker
from ._batches import Batch, Piece
from ._first_look import SharedCopies, by_halves_of, gap_of, look_at, tolerance_of
from ._guard import Respondent, Witness, guarded_scores, own

__all__ = ["CachedAnswers", "CachedTask"]


class CachedAnswers:
    """What a store knows about some models and the points of a plan.

    Parameters
    ----------
    store : AnswerStore
    plan : QueryPlan
    respondents : list of Respondent
    """

    def __init__(self, store: AnswerStore, plan: QueryPlan, respondents: list[Respondent]):
        self.store, self._plan, self._respondents = store, plan, respondents
        self._copies = SharedCopies(plan)
        self._connection: Connection | None = None

    @cached_property
    def identities(self) -> list[Identity]:
        """Per model, what its answers are filed under."""
        found = []
        for asked in self._respondents:
            try:
                found.append(Identity.of(asked.query, asked.output))
            except TypeError as error:
                raise TypeError(f"{asked.name}: {error}") from error
        return found

    @cached_property
    def _first_of(self) -> dict[bytes, int]:
        """The first model of each identity."""
        return {who.key: i for i, who in reversed(list(enumerate(self.identities)))}

    @cached_property
    def point_digests(self) -> list[bytes]:
        """Per point, what answers about it are filed under."""
        return [self._plan.point_digest(n) for n in range(len(self._plan))]

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep one connection for all first looks.

        It outlives those of the tasks, as SQLite clears up when the last closes.
        """
        with self.store.connect() as self._connection:
            try:
                yield
            finally:
                self._connection = None

    def for_task(self, start: int, stop: int, members: Sequence[int]) -> CachedTask:
        """What a task needs that puts points ``start:stop`` to some of the models."""
        identities = [self.identities[i] for i in members]
        return CachedTask(self.store, identities, self.point_digests[start:stop])

    # --- before the long run --------------------------------------------------------------

    def look(self, i: int, questions: Batch, n_rows: int) -> None:
        """The first look at model ``i``; of its stored answers at most ``n_rows`` are asked again.

        Raises
        ------
        ModelChangedError
            If answers differ from those that are stored.
        """
        asked = self._respondents[i]
        stored_questions, stored = self._sample(i, n_rows)
        if stored is None:
            look_at(asked, questions, self._copies.of(questions, asked.query.space))
        elif not asked.query.deterministic:
            asked.n_columns = stored.shape[1]
        else:
            self._compare(i, stored_questions, stored)
        self._refuse_double(i, n_rows)

    def _compare(self, i: int, questions: Batch, stored: np.ndarray) -> None:
        """Whether a model still gives the answers that are stored."""
        asked = self._respondents[i]
        answer, copies = self._answers(asked, questions)
        if answer.shape[1] != stored.shape[1]:
            fact = f"{stored.shape[1]} columns are stored and it gave {answer.shape[1]}"
            raise ModelChangedError(self._changed(i, fact))
        gap = gap_of(asked, stored, answer)
        asked.n_columns = answer.shape[1]
        asked.witness = Witness(questions, copies, answer, tolerance_of(gap))
        if not gap.exceeds(self.store.tolerance):
            return
        # Was the model changed, or does it answer differently in other batches?
        by_halves = by_halves_of(asked)
        if not by_halves.exceeds(1e-4) or gap.exceeds(tolerance_of(by_halves)):
            fact = f"{questions.n_rows} scores asked again are {gap}"
            raise ModelChangedError(self._changed(i, fact))
        warn(
            f"{asked.name} gives a different answer to the same input when the rest of the batch "
            f"changes: {questions.n_rows} stored answers and new ones are {gap}. Both are used.",
            UserWarning,
        )

    def _answers(self, asked: Respondent, questions: Batch) -> tuple[np.ndarray, Points]:
        """Scores of a model for a few questions, and the copies."""
        space = asked.query.space
        copies = self._copies.of(questions, space)
        raw, _ = guarded_scores(asked, own(copies), questions.n_rows)
        return np.array(space.to_numpy(asked.scores_from(raw))), copies

    def _refuse_double(self, i: int, n_rows: int) -> None:
        """Two models of one zoo with one identity would be given each other's answers."""
        a, b = self._respondents[self._first_of[self.identities[i].key]], self._respondents[i]
        if a.query is b.query or not (a.query.deterministic and b.query.deterministic):
            return
        n_points = min(len(self._plan), n_rows)
        middles = [(n, self._plan.n_questions[n] // 2) for n in range(n_points)]
        questions = Batch(tuple(Piece(n, k, k + 1) for n, k in middles))
        first, second = (self._answers(asked, questions)[0] for asked in (a, b))
        gap = gap_of(a, first, second)
        if not gap.size <= gap.allowed(self.store.tolerance):
            raise ValueError(
                f"{a.name} and {b.name} are stored under the same {self._identity(i)}, and answer "
                f"differently: {n_points} scores are {gap}. Give each model its own model_id, or "
                "leave out cache=."
            )

    @cached_property
    def _mask_keys(self) -> list[np.ndarray]:
        return [mask_keys(self._plan.questions(n)) for n in range(len(self._plan))]

    def _sample(self, i: int, n_rows: int) -> tuple[Batch, np.ndarray | None]:
        """Questions that model ``i`` has answered, about as many points, and its scores."""
        plan, identity, connection = self._plan, self.identities[i], self._connection
        assert connection is not None
        rng = np.random.default_rng(0)
        pieces, rows = [], []
        for n in rng.permutation(len(plan)).tolist():
            scores, known = connection.find(identity, self.point_digests[n], self._mask_keys[n])
            if scores is not None:
                row = int(rng.choice(np.flatnonzero(known)))
                pieces.append(Piece(n, row, row + 1))
                rows.append(scores[row : row + 1])
            if len(pieces) == n_rows:
                break
        if len({row.shape[1] for row in rows}) > 1:
            raise ModelChangedError(self._changed(i, "answers of different widths are stored"))
        questions, asked = Batch(tuple(pieces)), self._respondents[i]
        if not rows:
            return questions, None
        stored = _as_float(np.concatenate(rows), identity)
        if asked.given is None:
            asked.recognise(stored)
        is_clear = asked.is_clear(stored)
        if is_clear.any():
            questions, stored = questions.only(is_clear), stored[is_clear]
        return questions, asked.scores_from(stored)

    def _identity(self, i: int) -> str:
        text = self.identities[i].text
        return f"model_id={text[3:]!r}" if text.startswith("id:") else f"fingerprint {text[8:16]}"

    def _changed(self, i: int, fact: str) -> str:
        return (
            f"{self._respondents[i].name} ({self._identity(i)}) no longer gives the answers in "
            f"{self.store.path}: {fact}. If it is another model, give it another model_id. If the "
            "stored answers are to go, AnswerStore(path).forget(model). If it runs on other "
            f"hardware, raise AnswerStore(path, tolerance={self.store.tolerance:g})."
        )


class CachedTask:
    """What one task needs of :class:`CachedAnswers`."""

    def __init__(
        self, store: AnswerStore | Ledger, identities: list[Identity], point_digests: list[bytes]
    ):
        self.store, self.identities, self.point_digests = store, identities, point_digests

    def of_models(self, part: slice) -> CachedTask:
        """What is needed for some of the models."""
        return CachedTask(self.store, self.identities[part], self.point_digests)

    @contextmanager
    def asker(self, *settings: Any) -> Iterator[CachingAsker]:
        """What asks the models of the task, and looks up answers first."""
        with self.store.connect() as connection:
            yield CachingAsker(self, connection, *settings)

    def with_ledger(self, plan: QueryPlan) -> CachedTask:
        """The same for a worker, which may be out of reach of the store."""
        questions = [(q, mask_keys(plan.questions(n))) for n, q in enumerate(self.point_digests)]
        with self.store.connect() as connection:
            ledger = Ledger.of(connection, self.identities, questions)
        return CachedTask(ledger, self.identities, self.point_digests)


class CachingAsker(Asker):
    """Asks for the answers that are missing, and stores them batch by batch, model by model."""

    def __init__(self, task: CachedTask, connection: Connection | Ledger, *settings: Any):
        super().__init__(*settings)
        self._connection, self._point_digests = connection, task.point_digests
        self._identities = dict(zip(map(id, self.respondents), task.identities, strict=True))
        self._keys: dict[int, np.ndarray] = {}

    def scores(self, unit: Batch) -> Iterator[Array]:
        """As those of :class:`Asker`, looked up first."""
        points = [piece.point for piece in unit.pieces]
        self._keys = {n: mask_keys(self.plan.questions(n)) for n in points}
        found = {(n, i): self._find(n, i) for n in points for i in range(len(self.respondents))}
        missing: dict[tuple[Piece, ...], list[int]] = {}
        for i in range(len(self.respondents)):
            gaps = tuple(Piece(n, a, b) for n in points for a, b in _gaps(found[n, i][1]))
            missing.setdefault(gaps, []).append(i)
        for gaps, members in missing.items():
            for batch, answers in self.answers(gaps, [self.respondents[i] for i in members]):
                for i, Z in zip(members, answers, strict=True):
                    for piece, rows in batch.by_piece(Z):
                        n, a, b = piece
                        found[n, i] = _filled(*found[n, i], a, b, rows)
        return (
            _points.concatenate([self._response(found.pop((n, i))[0], r) for n in points])
            for i, r in enumerate(self.respondents)
        )

    def _find(self, n: int, i: int) -> tuple[np.ndarray | None, np.ndarray]:
        asked = self.respondents[i]
        identity = self._identities[id(asked)]
        scores, known = self._connection.find(identity, self._point_digests[n], self._keys[n])
        if scores is not None and asked.n_columns not in (None, scores.shape[1]):
            return None, np.zeros_like(known)
        self._connection.count_reused(int(known.sum()))
        return scores, known

    def received(self, asked: Respondent, batch: Batch, raw: Array) -> tuple[Array, Array]:
        """The raw scores of a batch, stored, and the scores of questions behind it."""
        behind = asked.scores_from(raw[batch.n_rows :])
        return self._stored(asked, batch, raw[: batch.n_rows]), behind

    def _stored(self, asked: Respondent, batch: Batch, raw: Array) -> np.ndarray:
        identity = self._identities[id(asked)]
        Z = self.space.to_numpy(raw)
        Z = Z.astype(np.uint8) if asked.output == "predict" else np.array(Z)
        # Scores that are not finite are refused by the caller, and may be an accident: these
        # questions are asked again the next time.
        self._connection.put(
            [
                StoredPiece(identity, self._point_digests[n], a, self._keys[n][a:b], rows)
                for (n, a, b), rows in batch.by_piece(Z)
                if np.isfinite(rows).all()
            ]
        )
        return Z

    def received_in_part(self, asked: Respondent, batch: Batch, error: PartialAnswerError) -> None:
        """The answers that came before a failure, stored."""
        known = error.known[: batch.n_rows]
        pieces = [
            Piece(n, start + a, start + b)
            for (n, start, _), of_piece in batch.by_piece(known)
            for a, b in _gaps(~of_piece)
        ]
        self._stored(asked, Batch(tuple(pieces)), error.answer[: int(known.sum())])

    def _response(self, scores: np.ndarray | None, asked: Respondent) -> Array:
        assert scores is not None
        # Point by point whether stored or new, so that both have the same last bits.
        Z = self.space.asarray(_as_float(scores, self._identities[id(asked)]))
        return asked.scores_from(Z)


def _as_float(scores: np.ndarray, identity: Identity) -> np.ndarray:
    return scores.astype(np.float64) if identity.output == "predict" else scores


def _gaps(known: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of rows whose answers are missing."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _filled(
    scores: np.ndarray | None, known: np.ndarray, start: int, stop: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if scores is None:
        scores = np.empty((len(known), rows.shape[1]), dtype=rows.dtype)
    elif scores.dtype != rows.dtype:
        scores = scores.astype(np.promote_types(scores.dtype, rows.dtype))
    scores[start:stop] = rows
    known[start:stop] = True
    return scores, known
