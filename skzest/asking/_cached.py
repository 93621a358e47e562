# SPDX-License-Identifier: BSD-3-Clause
"""Asking a zoo with a store of answers: look up first, ask what is missing, store as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from ..exceptions import ModelChangedError
from ..plan import QueryPlan
from ..queries import as_response, choose_output
from ..store import AnswerStore, Connection, Identity, Piece, mask_keys
from ._asker import Asker
from ._batches import batches_of, render_batch
from ._guard import Asked, Gap, probe, scores_of, sessions

__all__ = ["Recall"]

_CHECK_ROWS = 8


class Recall:
    """What a store knows of some models and the points of a plan.

    Parameters
    ----------
    store : AnswerStore
    plan : QueryPlan
    queries : sequence of Query
    names : sequence of str
        How errors speak of each.
    """

    def __init__(
        self, store: AnswerStore, plan: QueryPlan, queries: Sequence[Any], names: Sequence[str]
    ):
        self.store = store
        self._plan = plan
        self._zoo = [Asked(name, query) for name, query in zip(names, queries, strict=True)]
        self._widths: dict[int, int] = {}

    @cached_property
    def whos(self) -> list[Identity]:
        """Per model, what its answers are filed under."""
        whos = []
        for name, query in ((a.name, a.query) for a in self._zoo):
            try:
                whos.append(Identity.of(query, choose_output(query, self._plan.response)))
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from error
        return whos

    @cached_property
    def questions(self) -> list[bytes]:
        """Per point, what answers at it are filed under."""
        return [self._plan.point_digest(n) for n in range(len(self._plan))]

    def held_open(self) -> Connection:
        """A connection for the whole run: SQLite clears up when the last one closes."""
        return self.store.connect()

    def part(self, start: int, stop: int, chosen: Sequence[int]) -> _Part:
        """What a task needs to know that puts points ``start:stop`` to the chosen models."""
        return _Part(self.store, [self.whos[i] for i in chosen], self.questions[start:stop])

    # --- before the long run --------------------------------------------------------------

    def probe(self, i: int) -> int:
        """Number of classes of model ``i``, and whether it still answers as it did.

        Where answers are stored, a few of them are asked again; else the model is probed as one
        that was never met.

        Raises
        ------
        ModelChangedError
            If answers differ from those that are stored.
        """
        if i not in self._widths:
            with self.store.connect() as connection:
                self._widths[i] = self._check(connection, i)
                self._refuse_double(i)
        return self._widths[i]

    def _refuse_double(self, i: int) -> None:
        """Two models of one zoo with one identity would be given each other's answers."""
        first = next(j for j, who in enumerate(self.whos) if who.key == self.whos[i].key)
        a, b = self._zoo[first], self._zoo[i]
        if a.query is b.query or not (a.query.deterministic and b.query.deterministic):
            return
        n_points = min(len(self._plan), _CHECK_ROWS)
        middles = [(n, self._plan.masks.n_masks[n] // 2) for n in range(n_points)]
        places = [(n, k, k + 1) for n, k in middles]
        answers = [self._answer_to(places, asked) for asked in (a, b)]
        gap = Gap.between(*answers)
        if not gap.size <= gap.allowed(self.store.tolerance):
            raise ValueError(
                f"{a.name} and {b.name} are filed under one {self._identity(i)}, and answer "
                f"differently: {n_points} scores are up to {gap.size:.3g} apart, of "
                f"{gap.spread:.3g}. Give each model a model_id of its own, or go without cache=."
            )

    def _check(self, connection: Connection, i: int) -> int:
        plan, a = self._plan, self._zoo[i]
        places, stored = self._sample(connection, i)
        if stored is None:
            return probe(plan, a.name, a.query)
        if not a.query.deterministic:
            return stored.shape[1]
        answer = self._answer_to(places, a)
        if answer.shape[1] != stored.shape[1]:
            fact = f"{stored.shape[1]} columns are stored and it gave {answer.shape[1]}"
            raise ModelChangedError(self._changed(i, fact))
        gap = Gap.between(stored, answer)
        if not gap.size <= gap.allowed(self.store.tolerance):
            fact = (
                f"{len(places)} scores asked again are up to {gap.size:.3g} off, of "
                f"{gap.spread:.3g}"
            )
            raise ModelChangedError(self._changed(i, fact))
        return stored.shape[1]

    def _answer_to(self, places: list[tuple[int, int, int]], asked: Asked) -> np.ndarray:
        """Scores of a model for a few copies, one at each place."""
        space = asked.query.space
        with sessions([asked.query]):
            copies = render_batch(self._plan, places, space)
            return space.to_numpy(scores_of(self._plan, asked, copies, len(places)))

    def _sample(
        self, connection: Connection, i: int
    ) -> tuple[list[tuple[int, int, int]], np.ndarray | None]:
        """A few questions that model ``i`` has answered, at as many points, and its scores."""
        plan, who = self._plan, self.whos[i]
        rng = np.random.default_rng(0)
        places, rows = [], []
        for n in rng.permutation(len(plan)).tolist():
            scores, known = connection.find(who, self.questions[n], mask_keys(plan.masks[n]))
            if scores is not None:
                row = int(rng.choice(np.flatnonzero(known)))
                places.append((n, row, row + 1))
                rows.append(scores[row : row + 1])
            if len(places) == _CHECK_ROWS:
                break
        if len({row.shape[1] for row in rows}) > 1:
            raise ModelChangedError(self._changed(i, "answers of different widths are stored"))
        if not rows:
            return [], None
        stored = _as_float(np.concatenate(rows), who)
        return places, _as_response(stored, who, plan)

    def _identity(self, i: int) -> str:
        text = self.whos[i].text
        return f"model_id={text[3:]!r}" if text.startswith("id:") else f"fingerprint {text[8:16]}"

    def _changed(self, i: int, fact: str) -> str:
        return (
            f"{self._zoo[i].name} ({self._identity(i)}) no longer gives the answers in "
            f"{self.store.path}: {fact}. If it is another model, give it another model_id. If the "
            "stored answers are to go, AnswerStore(path).forget(model). If it runs on other "
            f"hardware, raise AnswerStore(path, tolerance={self.store.tolerance:g})."
        )


class _Part:
    """What one task needs of a :class:`Recall`; it travels to other processes."""

    def __init__(self, store: AnswerStore, whos: list[Identity], questions: list[bytes]):
        self.store, self.whos, self.questions = store, whos, questions

    @contextmanager
    def asker(self, *args: Any) -> Iterator[Asker]:
        """What asks the models of the task, and looks answers up first."""
        with self.store.connect() as connection:
            yield _RecallingAsker(self, connection, *args)


class _RecallingAsker(Asker):
    """Asks for what is not stored, and stores it batch by batch and model by model."""

    def __init__(self, part: _Part, connection: Connection, *args: Any):
        super().__init__(*args)
        self.connection, self.whos, self.questions = connection, part.whos, part.questions
        self.keys: dict[int, np.ndarray] = {}

    def scores(self, start: int, stop: int) -> list[list[Any]]:
        """As those of :class:`Asker`, looked up first."""
        points = range(start, stop)
        self.keys = {n: mask_keys(self.plan.masks[n]) for n in points}
        found = {(n, i): self._find(n, i) for n in points for i in range(len(self.asked))}
        missing: dict[tuple, list[int]] = {}
        for i in range(len(self.asked)):
            gaps = tuple((n, a, b) for n in points for a, b in _gaps(found[n, i][1]))
            missing.setdefault(gaps, []).append(i)
        for gaps, members in missing.items():
            for batch in batches_of(list(gaps), self.size.fitting):
                answers = self._ask(batch, [self.asked[i] for i in members])
                for i, Z in zip(members, answers, strict=True):
                    for (n, a, b), rows in _cut(batch, Z):
                        found[n, i] = _filled(*found[n, i], a, b, rows)
        return [
            [self._response(found[n, i][0], who) for i, who in enumerate(self.whos)] for n in points
        ]

    def _find(self, n: int, i: int) -> tuple[np.ndarray | None, np.ndarray]:
        scores, known = self.connection.find(self.whos[i], self.questions[n], self.keys[n])
        width = self.asked[i].width
        if scores is not None and width is not None and scores.shape[1] != width:
            return None, np.zeros_like(known)
        self.connection.count_reused(int(known.sum()))
        return scores, known

    def _put_to(self, asked: Asked, batch: list[tuple[int, int, int]], copies: Any) -> np.ndarray:
        n_rows = sum(b - a for _, a, b in batch)
        who = self.whos[self.asked.index(asked)]
        Z = self.space.to_numpy(scores_of(self.plan, asked, copies, n_rows, raw=who.output))
        Z = Z.astype(np.uint8) if who.output == "predict" else np.ascontiguousarray(Z)
        # What is not finite is refused by the caller, and may be an accident: ask again then.
        self.connection.put(
            [
                Piece(who, self.questions[n], a, self.keys[n][a:b], rows)
                for (n, a, b), rows in _cut(batch, Z)
                if np.isfinite(rows).all()
            ]
        )
        return Z

    def _response(self, scores: np.ndarray | None, who: Identity) -> Any:
        assert scores is not None
        # Point by point whether stored or new, so that the last bits do not tell which.
        return _as_response(self.space.asarray(_as_float(scores, who)), who, self.plan)


def _as_response(scores: Any, who: Identity, plan: QueryPlan) -> Any:
    with np.errstate(invalid="ignore", over="ignore"):
        return as_response(scores, who.output, plan.response, plan.clip)


def _as_float(scores: np.ndarray, who: Identity) -> np.ndarray:
    return scores.astype(np.float64) if who.output == "predict" else scores


def _gaps(known: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of rows that are not known."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _cut(batch: list[tuple[int, int, int]], Z: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """The rows of a batch, point by point."""
    start = 0
    for piece in batch:
        stop = start + piece[2] - piece[1]
        yield piece, Z[start:stop]
        start = stop


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
