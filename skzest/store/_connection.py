# SPDX-License-Identifier: BSD-3-Clause
"""One connection to a store: answers are looked up, put in and counted."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from types import TracebackType
from typing import Any

import numpy as np

from ._database import explained, open_database, transaction
from ._identity import Identity

__all__ = ["Connection", "Piece", "StoreStats", "mask_keys"]

logger = logging.getLogger("skzest")

_MAX_BYTES = 64 * 2**20  # of scores per row; SQLite refuses a billion


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


@dataclass(frozen=True)
class Piece:
    """Answers to consecutive masks of one point: those from ``start`` on."""

    who: Identity
    question: bytes
    start: int
    masks: np.ndarray
    scores: np.ndarray


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
        self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what was counted, and disconnect."""
        try:
            if self._rows_reused:
                with self._writing():
                    pass
        finally:
            self._db.close()

    def count_reused(self, n_rows: int) -> None:
        """Add to ``rows_reused``; written with the next answers, or on closing."""
        self._rows_reused += n_rows

    # --- answers --------------------------------------------------------------------------

    def find(
        self, who: Identity, question: bytes, masks: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Look up the answers of a model to the masks of a point.

        Parameters
        ----------
        who : Identity
        question : bytes
            Digest of the point.
        masks : ndarray of shape (n_masks,)
            As :func:`mask_keys` gives them.

        Returns
        -------
        scores : ndarray of shape (n_masks, n_classes) or None
            None if nothing is known.
        known : ndarray of bool, shape (n_masks,)
            Which rows of ``scores`` have been answered.
        """
        with explained(self._path):
            return self._find(who, question, masks)

    def _find(
        self, who: Identity, question: bytes, masks: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        known = np.zeros(len(masks), dtype=bool)
        scores = None
        for request, start, stored in self._db.execute(
            "SELECT request, start, masks FROM requests WHERE model = ? AND question = ? "
            "ORDER BY rowid",
            (who.key, question),
        ).fetchall():
            keys = np.frombuffer(stored, dtype="<u8")[: max(len(masks) - start, 0)]
            place = slice(start, start + len(keys))
            # The same mask at the same place: designs are nested, and the place in a batch may
            # show in the last bit of an answer.
            wanted = (keys == masks[place]) & ~known[place]
            if not wanted.any():
                continue
            found = self._read(request, (who.key, question, start, stored))
            if found is None:
                continue
            found = found[: len(keys)]
            if scores is None:
                scores = np.empty((len(masks), found.shape[1]), dtype=found.dtype)
            elif scores.dtype != found.dtype:
                scores = scores.astype(np.promote_types(scores.dtype, found.dtype))
            if scores.shape[1] != found.shape[1]:
                continue  # asked again; a model whose classes change is refused there
            scores[place][wanted] = found[wanted]
            known[place] |= wanted
        return (scores if known.any() else None), known

    def _read(self, request: bytes, wanted: tuple) -> np.ndarray | None:
        row = self._db.execute(
            "SELECT model, question, start, masks, dtype, n_classes, scores, checksum "
            "FROM requests WHERE request = ?",
            (request,),
        ).fetchone()
        if row is None:  # forgotten by another process in the meantime
            return None
        *content, checksum = row
        # The second: a damaged index leads to a row that is whole, and another's.
        if _checksum(content) != checksum or tuple(row[:4]) != wanted:
            logger.warning("%s: a damaged answer was thrown away", self._path)
            with self._writing() as db:
                db.execute("DELETE FROM requests WHERE request = ?", (request,))
            return None
        scores = np.frombuffer(row[6], dtype=row[4]).reshape(-1, row[5])
        return scores.astype(scores.dtype.newbyteorder("="), copy=False)

    def put(self, pieces: Sequence[Piece]) -> None:
        """Store answers, all of them or none; what another process has stored stays."""
        pieces = [part for piece in pieces for part in _halved(piece)]
        with self._writing(rows_asked=sum(len(piece.masks) for piece in pieces)) as db:
            for piece in pieces:
                db.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)", piece.who.row)
                content = _content(piece)
                db.execute(
                    "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (_hash(content[:4]), *content, _checksum(content)),
                )

    # --- bookkeeping ----------------------------------------------------------------------

    def stats(self) -> StoreStats:
        """What was asked and reused so far, and what is held."""
        counted = dict(self._db.execute("SELECT name, value FROM counters"))
        pairs, rows = self._db.execute(
            "SELECT (SELECT COUNT(*) FROM (SELECT DISTINCT model, question FROM requests)), "
            "(SELECT COALESCE(SUM(LENGTH(masks)), 0) / 8 FROM requests)"
        ).fetchone()
        reused = counted.get("rows_reused", 0) + self._rows_reused
        return StoreStats(counted.get("rows_asked", 0), reused, pairs, rows)

    def forget(self, identity: str) -> int:
        """Delete all answers of what is known under this text."""
        of_model = "WHERE model IN (SELECT model FROM models WHERE identity = ?)"
        with self._writing() as db:
            (n_rows,) = db.execute(
                f"SELECT COALESCE(SUM(LENGTH(masks)), 0) / 8 FROM requests {of_model}", (identity,)
            ).fetchone()
            db.execute(f"DELETE FROM requests {of_model}", (identity,))
            db.execute("DELETE FROM models WHERE identity = ?", (identity,))
        return n_rows

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


def mask_keys(masks: np.ndarray) -> np.ndarray:
    """A 64-bit key for each of the masks of a point: up to 64 parts the mask itself.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_masks, n_parts)

    Returns
    -------
    keys : ndarray of uint64, little-endian, shape (n_masks,)
    """
    packed = np.packbits(masks, axis=1)
    n_masks, width = packed.shape
    if width <= 8:
        keys = np.zeros((n_masks, 8), dtype=np.uint8)
        keys[:, :width] = packed
        return keys.view("<u8")[:, 0]
    hashes = (hashlib.blake2b(mask, digest_size=8).digest() for mask in packed)
    return np.frombuffer(b"".join(hashes), dtype="<u8")


def _content(piece: Piece) -> tuple:
    scores = np.ascontiguousarray(piece.scores)
    scores = scores.astype(scores.dtype.newbyteorder("<"), copy=False)
    masks = np.ascontiguousarray(piece.masks, dtype="<u8")
    return (
        piece.who.key,
        piece.question,
        piece.start,
        masks.tobytes(),
        scores.dtype.str,
        scores.shape[1],
        scores.tobytes(),
    )


def _hash(content: Sequence[Any]) -> bytes:
    blake = hashlib.blake2b(digest_size=16)
    for value in content:
        raw = value if isinstance(value, bytes) else str(value).encode()
        blake.update(b"%d:" % len(raw))
        blake.update(raw)
    return blake.digest()


_checksum = _hash


def _halved(piece: Piece) -> Iterator[Piece]:
    if piece.scores.nbytes <= _MAX_BYTES or len(piece.masks) == 1:
        yield piece
        return
    middle = len(piece.masks) // 2
    for start, part in ((0, slice(None, middle)), (middle, slice(middle, None))):
        yield from _halved(
            Piece(
                piece.who,
                piece.question,
                piece.start + start,
                piece.masks[part],
                piece.scores[part],
            )
        )
