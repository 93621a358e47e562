# SPDX-License-Identifier: BSD-3-Clause
"""One connection to a store: answers are looked up, stored and counted."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from types import TracebackType

import numpy as np

from ._database import explained, open_database, transaction
from ._identity import Identity
from ._rows import Piece, decode, encode, stored_masks

__all__ = ["Connection", "StoreStats"]

logger = logging.getLogger("skzest")


@dataclass(frozen=True)
class StoreStats:
    """What a store was used for, by all processes so far, and what it holds.

    Subtract one from a later one to see what happened in between. A *row* is one question: one
    masked copy put to one model. A *pair* is a model and a reference point.

    Attributes
    ----------
    rows_asked : int
        Questions put to models whose answers were then stored. The few questions that check
        whether answers repeat are not stored, and not counted.
    rows_reused : int
        Answers taken from the store instead of asking.
    pairs_stored, rows_stored : int
        Held now.
    """

    rows_asked: int = 0
    rows_reused: int = 0
    pairs_stored: int = 0
    rows_stored: int = 0

    def __sub__(self, earlier: StoreStats) -> StoreStats:
        """What has changed since."""
        return StoreStats(*(a - b for a, b in zip(astuple(self), astuple(earlier), strict=True)))


class Connection:
    """One connection to a store; for one thread at a time."""

    def __init__(self, path: str):
        self._path = path
        self._rows_reused = 0
        with explained(self._path):
            self._db = open_database(path)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what was counted, and disconnect."""
        with explained(self._path), closing(self._db):
            if self._rows_reused:
                with self._writing():
                    pass

    def count_reused(self, n_rows: int) -> None:
        """Add to ``rows_reused``; written with the next answers, or on closing."""
        self._rows_reused += n_rows

    def find(
        self, who: Identity, question: bytes, masks: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Look up the answers of a model to the masks of a point.

        Parameters
        ----------
        who : Identity
        question : bytes
            Digest of the point.
        masks : ndarray of uint64, shape (n_masks,)
            As :func:`mask_keys` gives them.

        Returns
        -------
        scores : ndarray of shape (n_masks, n_classes) or None
            None if no answer is stored.
        known : ndarray of bool, shape (n_masks,)
            Which rows of ``scores`` have been answered.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read, or is damaged. Where one row is damaged, it is thrown away
            and counts as not answered.
        """
        known = np.zeros(len(masks), dtype=bool)
        scores: np.ndarray | None = None
        for place, wanted, found in self._stored(who, question, masks, known):
            if scores is None:
                scores = np.empty((len(masks), found.shape[1]), dtype=found.dtype)
            elif scores.shape[1] != found.shape[1]:
                continue  # asked again; a model whose number of classes changes is refused there
            scores = scores.astype(np.promote_types(scores.dtype, found.dtype), copy=False)
            scores[place][wanted] = found[: len(wanted)][wanted]
            known[place] |= wanted
        return scores, known

    def _stored(
        self, who: Identity, question: bytes, masks: np.ndarray, known: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Rows that answer masks not known so far: where, which of the masks there, scores."""
        pair = (who.key, question)
        with explained(self._path):
            rows = self._db.execute(
                "SELECT rowid, model, question, start, masks, dtype, n_classes, scores, checksum "
                "FROM requests WHERE model = ? AND question = ? ORDER BY rowid",
                pair,
            ).fetchall()
        for row, *values in rows:
            start, stored = values[2:4]
            keys = stored_masks(start, stored)
            if keys is None:
                self._throw_away(row)
                continue
            # The same mask at the same position: designs are nested, and the position in a batch
            # may show in the last bit of an answer.
            keys = keys[: max(len(masks) - start, 0)]
            place = slice(start, start + len(keys))
            wanted = (keys == masks[place]) & ~known[place]
            if not wanted.any():
                continue
            found = decode(values, (*pair, start, stored))
            if found is None:
                self._throw_away(row)
            else:
                yield place, wanted, found

    def _throw_away(self, row: int) -> None:
        logger.warning("%s: a damaged answer was thrown away", self._path)
        with self._writing() as db:
            db.execute("DELETE FROM requests WHERE rowid = ?", (row,))

    def put(self, pieces: Sequence[Piece]) -> None:
        """Store answers, all of them or none; what another process has stored stays."""
        with self._writing(rows_asked=sum(len(piece.masks) for piece in pieces)) as db:
            models = {piece.who.row for piece in pieces}
            db.executemany("INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)", models)
            for piece in pieces:
                db.executemany(
                    "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    encode(piece),
                )

    def stats(self) -> StoreStats:
        """What was asked and reused so far, and what is held."""
        # CAST: a damaged file may hold a text where a number was written.
        count = "(SELECT CAST(value AS INTEGER) FROM counters WHERE name = '{}')"
        with explained(self._path):
            asked, reused, pairs, rows = self._db.execute(
                f"SELECT {count.format('rows_asked')}, {count.format('rows_reused')}, "
                "(SELECT COUNT(*) FROM (SELECT DISTINCT model, question FROM requests)), "
                "(SELECT SUM(LENGTH(masks)) FROM requests)"
            ).fetchone()
        return StoreStats(asked or 0, (reused or 0) + self._rows_reused, pairs, (rows or 0) // 8)

    def forget(self, identity: str) -> int:
        """Delete all answers of what is known under this text; returns how many."""
        of_model = "FROM requests WHERE model IN (SELECT model FROM models WHERE identity = ?)"
        with self._writing() as db:
            n_bytes = db.execute(f"SELECT SUM(LENGTH(masks)) {of_model}", (identity,)).fetchone()[0]
            db.execute(f"DELETE {of_model}", (identity,))
            db.execute("DELETE FROM models WHERE identity = ?", (identity,))
        return (n_bytes or 0) // 8

    @contextmanager
    def _writing(self, rows_asked: int = 0) -> Iterator[sqlite3.Connection]:
        """A transaction that waits its turn and takes the counters along."""
        with explained(self._path), transaction(self._db) as db:
            yield db
            db.executemany(
                "INSERT INTO counters VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                [("rows_asked", rows_asked), ("rows_reused", self._rows_reused)],
            )
        self._rows_reused = 0
