# SPDX-License-Identifier: BSD-3-Clause
"""The file of a store: an SQLite database in WAL mode, made by whichever process comes first."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["explained", "open_database", "transaction"]

_FORMAT = 1
_APPLICATION_ID = 0x736B7A74  # "skzt": distinguishes our files from others that SQLite can read
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
_WRITABLE = (
    "The file and its folder must be writable; copy the file to a folder where you may write, and "
    "pass that path as cache="
)
_STATEMENTS = [statement.strip() for statement in _SCHEMA.split(";") if statement.strip()]


def open_database(path: str) -> sqlite3.Connection:
    """Open a store, or make it if the file does not exist."""
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; give cache= a file in it, such as answers.sqlite.")
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"{path}: the folder does not exist; make it first.")
    # Reading alone would succeed, and fail when the counters are written at the end of a run.
    for place in (os.path.dirname(path), path):
        if os.path.exists(place) and not os.access(place, os.W_OK):
            raise PermissionError(f"{path}: {place} is read-only. {_WRITABLE}.")
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a damaged file holds anything
    try:
        if not _is_ours(path, db):
            _make(path, db)
        _use_log(db)
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _make(path: str, db: sqlite3.Connection) -> None:
    with transaction(db):
        if _is_ours(path, db):  # another process has made it in the meantime
            return
        if _schema(db):
            raise ValueError(
                f"{path} is another kind of database, not a store of answers. Give another path."
            )
        for statement in _STATEMENTS:
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
            f"{path} has format {version}; this version of skzest reads up to {_FORMAT}. "
            "Update skzest."
        )
    if version != _FORMAT or _schema(db) != set(_STATEMENTS):
        raise sqlite3.DatabaseError("its tables are not those of a store")
    return True


def _schema(db: sqlite3.Connection) -> set[str]:
    return {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master") if sql is not None}


def _use_log(db: sqlite3.Connection) -> None:
    """Write-ahead log, in which readers and a writer do not wait for each other."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # This change of mode does not wait for others by itself.
            if "locked" not in str(error) or time.monotonic() > deadline:
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


# What SQLite says, and what can be done; any other error means that the file is damaged.
_REMEDIES = {
    "readonly": _WRITABLE,
    "unable to open": _WRITABLE,
    "locked": f"Another process has been writing for {_PATIENCE:g} s. Wait or stop it, and run "
    "again to resume",
    "full": "Make room on the disk, and run again to resume",
    "disk i/o": "Check the disk, and run again to resume",
}


@contextmanager
def explained(path: str) -> Iterator[None]:
    """SQLite's errors as those of a store, with what can be done."""
    try:
        yield
    except sqlite3.Error as error:
        for words, remedy in _REMEDIES.items():
            if words in str(error).lower():
                raise OSError(
                    f"{path}: {error}. {remedy}. Answers stored so far are kept."
                ) from error
        raise ValueError(
            f"{path} is not a store of answers, or is damaged: {error}. Pass another path as "
            "cache=, or move this file away."
        ) from error
