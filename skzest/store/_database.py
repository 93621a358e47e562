# SPDX-License-Identifier: BSD-3-Clause
"""The file of a store: an SQLite database in WAL mode, made by whoever comes first."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["explained", "open_database", "transaction"]

_FORMAT = 1
_APPLICATION_ID = 0x736B7A74  # "skzt": tells our files from others that SQLite can read
_PATIENCE = 60.0  # seconds that a process waits for the others

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


def open_database(path: str) -> sqlite3.Connection:
    """Open a store, and make it if it is not there."""
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
    with transaction(db):
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
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All that is written inside, or nothing; waits until no other process writes."""
    # IMMEDIATE: a transaction that starts by reading cannot wait when it comes to write.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: str) -> Iterator[None]:
    """SQLite's errors as those of a store, with what can be done."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(
            f"{path}: {error}. Answers stored so far are kept; put that right (room on "
            "the disk, rights, the folder, a process that hangs) and run again to go on."
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not a store of answers, or a damaged one: {error}. Give another path to "
            "cache=, or move this file away."
        ) from error
