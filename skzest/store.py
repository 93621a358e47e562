# SPDX-License-Identifier: BSD-3-Clause
"""Answers on disk, so that nothing that was answered is asked again.

What is stored is the raw answer of a model (logits, probabilities, ...) to masked copies of one
reference point, under what the model is and what the copies are made of. Everything that happens
to answers afterwards (response, clip, surrogate, distance) and everything that merely groups
questions (number of points, number of masks, batch size) can change, and the answers still serve.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from types import TracebackType
from typing import Any

import numpy as np

from ._identity import Identity

__all__ = ["AnswerStore", "Piece", "Session", "StoreStats", "check_cache", "mask_keys"]

logger = logging.getLogger("skzest")

_FORMAT = 1
_APPLICATION_ID = 0x736B7A74  # "skzt": tells our files from others that SQLite can read
_PATIENCE = 60.0  # seconds that a process waits for the others
_MAX_BYTES = 64 * 2**20  # of scores per row; SQLite refuses a billion

_SCHEMA = """
CREATE TABLE models (
    model BLOB PRIMARY KEY, identity TEXT NOT NULL, label TEXT NOT NULL, output TEXT NOT NULL
);
CREATE TABLE requests (
    request BLOB PRIMARY KEY, model BLOB NOT NULL, question BLOB NOT NULL,
    start INTEGER NOT NULL, masks BLOB NOT NULL,
    dtype TEXT NOT NULL, n_classes INTEGER NOT NULL, scores BLOB NOT NULL,
    checksum BLOB NOT NULL
);
CREATE INDEX by_pair ON requests (model, question);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class StoreStats:
    """What a store has been asked for, over all processes that ever used it, and what it holds.

    Subtract two of them to see what happened in between. A *pair* is a model and a reference
    point, a *row* one question: a masked copy put to a model.

    Attributes
    ----------
    pairs_asked, rows_asked : int
        Asked of the models, and then stored.
    rows_reused : int
        Taken from the store instead.
    rows_probed, rows_checked : int
        Asked to see whether answers repeat, and whether stored answers still hold.
    rows_damaged : int
        Found with a wrong checksum, and thrown away.
    pairs_stored, rows_stored : int
        Held now.
    """

    pairs_asked: int = 0
    rows_asked: int = 0
    rows_reused: int = 0
    rows_probed: int = 0
    rows_checked: int = 0
    rows_damaged: int = 0
    pairs_stored: int = 0
    rows_stored: int = 0

    def __sub__(self, other: StoreStats) -> StoreStats:
        """What has been added since."""
        return StoreStats(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


_COUNTERS = tuple(f.name for f in fields(StoreStats) if not f.name.endswith("stored"))


@dataclass(frozen=True)
class Piece:
    """Answers to consecutive masks of one point: those from ``start`` on."""

    who: Identity
    question: bytes
    start: int
    masks: np.ndarray
    scores: np.ndarray


class AnswerStore:
    """A file of answers, for the ``cache=`` of :class:`~skzest.LimeSignatureTransformer`.

    Any number of processes on one machine may read and write it at once, and may be killed at
    any moment: what was answered before is kept, whole.

    Parameters
    ----------
    path : path
        A file, made when it is first used, in a folder that exists. Keep it on a local disk:
        SQLite's log does not work over a network.
    tolerance : float, default=1e-3
        When answers are found, a few are asked again; by this part of the range of the scores
        they may differ, as they do between a processor and a graphics card.

    Notes
    -----
    An SQLite database in WAL mode, without pickle. Scores are kept in the model's dtype, so
    that what is read is what was answered, to the bit; each row carries a checksum, and a row
    that is damaged is thrown away and asked again. A loss of power may cost the last answers,
    but damages none.

    Models are known by their content (:func:`~skzest.fingerprints.fingerprint`) or, where a
    query has one, by its ``model_id``.

    Examples
    --------
    >>> import tempfile, os
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import AnswerStore, LimeSignatureTransformer
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [GaussianNB().fit(X, y), GaussianNB().fit(X[::2], y[::2])]
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = AnswerStore(os.path.join(folder.name, "answers.sqlite"))
    >>> lime = LimeSignatureTransformer(X, n_reference=5, n_samples=50, cache=store)
    >>> S = lime.fit_transform(zoo)
    >>> store.stats().pairs_asked, store.stats().rows_asked
    (10, 500)
    >>> before = store.stats()
    >>> more = lime.set_params(n_reference=8).fit_transform(zoo)
    >>> (store.stats() - before).pairs_asked
    6
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike, *, tolerance: float = 1e-3):
        self.path = os.path.abspath(os.fspath(path))
        self.tolerance = tolerance

    def __repr__(self) -> str:
        return f"AnswerStore({self.path!r})"

    def session(self) -> Session:
        """A connection, to be used by one thread and closed: a context manager."""
        return Session(self.path)

    def stats(self) -> StoreStats:
        """How much was asked, reused and is held."""
        with self.session() as session:
            return session.stats()

    def forget(self, model: Any) -> int:
        """Delete all answers of a model.

        Parameters
        ----------
        model : model, Query or str
            A text is a ``model_id``.

        Returns
        -------
        n_rows : int
            Number of answers deleted.
        """
        with self.session() as session:
            return session.forget(Identity.text_of(model))


class Session:
    """One connection to a store."""

    def __init__(self, path: str):
        self._path = path
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._begun: set[tuple[bytes, bytes]] = set()
        with self._explained():
            self._db = _connect(path)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what was counted, and disconnect."""
        try:
            if any(self._counts.values()):
                with self._writing():
                    pass
        finally:
            self._db.close()

    def count(self, **amounts: int) -> None:
        """Add to counters of :class:`StoreStats`; written with the next answers or at the end."""
        for name, amount in amounts.items():
            self._counts[name] += amount

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
            found = self._read(request)
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

    def _read(self, request: bytes) -> np.ndarray | None:
        row = self._db.execute(
            "SELECT model, question, start, masks, dtype, n_classes, scores, checksum "
            "FROM requests WHERE request = ?",
            (request,),
        ).fetchone()
        if row is None:  # forgotten by another process in the meantime
            return None
        *content, checksum = row
        if _checksum(content) != checksum:
            logger.warning("%s: a damaged answer was thrown away", self._path)
            self.count(rows_damaged=len(row[3]) // 8)
            with self._writing() as db:
                db.execute("DELETE FROM requests WHERE request = ?", (request,))
            return None
        scores = np.frombuffer(row[6], dtype=row[4]).reshape(-1, row[5])
        return scores.astype(scores.dtype.newbyteorder("="), copy=False)

    def put(self, pieces: Sequence[Piece]) -> None:
        """Store answers, all of them or none; what another process has stored stays."""
        pieces = [part for piece in pieces for part in _halved(piece)]
        begun = {(piece.who.key, piece.question) for piece in pieces} - self._begun
        n_rows = sum(len(piece.masks) for piece in pieces)
        with self._writing(pairs_asked=len(begun), rows_asked=n_rows) as db:
            for piece in pieces:
                db.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)", piece.who.row)
                content = _content(piece)
                db.execute(
                    "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (_hash(content[:4]), *content, _checksum(content)),
                )
        self._begun |= begun

    # --- bookkeeping ----------------------------------------------------------------------

    def stats(self) -> StoreStats:
        """How much was asked, reused and is held."""
        counted = dict(self._db.execute("SELECT name, value FROM counters"))
        pairs, rows = self._db.execute(
            "SELECT (SELECT COUNT(*) FROM (SELECT DISTINCT model, question FROM requests)), "
            "(SELECT COALESCE(SUM(LENGTH(masks)), 0) / 8 FROM requests)"
        ).fetchone()
        known = {name: counted.get(name, 0) + self._counts[name] for name in _COUNTERS}
        return StoreStats(**known, pairs_stored=pairs, rows_stored=rows)

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
    def _writing(self, **amounts: int) -> Iterator[sqlite3.Connection]:
        """A transaction that waits its turn; counters go with it."""
        counts = {name: n + amounts.get(name, 0) for name, n in self._counts.items()}
        with self._explained(), _transaction(self._db) as db:
            yield db
            db.executemany(
                "INSERT INTO counters VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                [(name, n) for name, n in counts.items() if n],
            )
        self._counts = dict.fromkeys(_COUNTERS, 0)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(
                f"{self._path}: {error}. Answers stored so far are kept; put that right (room on "
                "the disk, rights, the folder, a process that hangs) and run again to go on."
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self._path} is not a store of answers: {error}. Give another path to cache=."
            ) from error


def check_cache(cache: Any) -> AnswerStore | None:
    """The store that a ``cache=`` means.

    Raises
    ------
    TypeError
        If it is neither a path, a store nor None.
    """
    if cache is None or isinstance(cache, AnswerStore):
        return cache
    if isinstance(cache, (str, os.PathLike)):
        return AnswerStore(cache)
    raise TypeError(f"cache must be a path, an AnswerStore or None; got {cache!r}.")


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


# --- the file -----------------------------------------------------------------------------


def _connect(path: str) -> sqlite3.Connection:
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; give cache= a file in it, such as answers.sqlite.")
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"{path}: the folder does not exist; make it first.")
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        _check_format(path, db)
        _use_log(db)
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _check_format(path: str, db: sqlite3.Connection) -> None:
    if _is_ours(path, db):
        return
    # Under the lock: another process may be making the store at this moment.
    with _transaction(db):
        if _is_ours(path, db):
            return
        if db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() != (0,):
            raise ValueError(
                f"{path} is a database of something else, not a store of answers. Give another "
                "path."
            )
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {_FORMAT}")


def _is_ours(path: str, db: sqlite3.Connection) -> bool:
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    if owner != _APPLICATION_ID:
        return False
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _FORMAT:
        raise ValueError(
            f"{path} has format {version}, this version reads up to {_FORMAT}. Update skzest."
        )
    return True


def _use_log(db: sqlite3.Connection) -> None:
    """Write-ahead log, in which readers and a writer do not wait for each other."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # This change of mode does not wait for others by itself.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    # IMMEDIATE: a transaction that starts by reading cannot wait when it comes to write.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
