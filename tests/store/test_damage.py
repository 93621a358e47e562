# SPDX-License-Identifier: BSD-3-Clause
"""Whatever happens to the file: the same answers, answers asked again, or one clear error."""

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skzest.store import AnswerStore, Identity, Piece, StoreStats, _rows, mask_keys

N_POINTS = 12
WHOS = [Identity(b"%d" % i, f"id:{i}", str(i), "logits") for i in range(3)]
MASKS = mask_keys(np.random.default_rng(0).random((40, 6)) < 0.5)


def _scores(i, n):
    return np.random.default_rng([i, n]).normal(size=(40, 5))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "answers.sqlite"
    with AnswerStore(path).connect() as connection:
        for n in range(N_POINTS):
            connection.put(
                [Piece(who, b"%d" % n, 0, MASKS, _scores(i, n)) for i, who in enumerate(WHOS)]
            )
    return path


@pytest.fixture
def damaged(whole, tmp_path):
    return shutil.copy(whole, tmp_path / "answers.sqlite")


def _use(path, may_differ=False):
    """What a run does with a store; the number of answers that have to be asked again."""
    n_missing = 0
    with AnswerStore(path).connect() as connection:
        for i, who in enumerate(WHOS):
            for n in range(N_POINTS):
                scores, known = connection.find(who, b"%d" % n, MASKS)
                if scores is not None and not may_differ:
                    assert_array_equal(scores[known], _scores(i, n)[known])
                if not known.all():
                    n_missing += int((~known).sum())
                    connection.put([Piece(who, b"%d" % n, 0, MASKS, _scores(i, n))])
        connection.count_reused(1)
    stats = AnswerStore(path).stats()
    assert all(isinstance(count, int) for count in vars(stats).values())
    return n_missing


def _outcome(path):
    try:
        return _use(path)
    except (OSError, ValueError) as error:
        return str(error)


def _flip(data, rng):
    for at in rng.integers(0, len(data), int(rng.choice([1, 5, 50]))):
        data[at] ^= 1 << int(rng.integers(8))


def _zero(data, rng):
    at = int(rng.integers(len(data)))
    data[at : at + int(rng.integers(1, 2000))] = b""[:0].ljust(len(data[at : at + 2000]), b"\0")


def _cut(data, rng):
    del data[int(rng.integers(len(data))) :]


def _swap(data, rng):
    a, b = (4096 * int(k) for k in rng.integers(0, len(data) // 4096, 2))
    data[a : a + 4096], data[b : b + 4096] = data[b : b + 4096], data[a : a + 4096]


@pytest.mark.parametrize("seed", range(10))
def test_random_damage_never_gives_a_wrong_answer_or_a_raw_error(damaged, seed, whole):
    outcomes = []
    for k in range(30):
        rng = np.random.default_rng([seed, k])
        data = bytearray(whole.read_bytes())
        [_flip, _zero, _cut, _swap][k % 4](data, rng)
        for suffix in ("-wal", "-shm"):
            damaged.with_name(damaged.name + suffix).unlink(missing_ok=True)
        damaged.write_bytes(data)
        outcomes.append(_outcome(damaged))
        assert isinstance(outcomes[-1], int) or outcomes[-1].startswith(str(damaged)), outcomes[-1]
    assert len(set(outcomes)) > 1, "the damage could be noticed"


_LIES = [None, -1, 0, 1, 7, 2**62, 0.5, "x", "<f4", "|O8", b"", b"\0" * 320, b"\xed\xa0\x80"]


@pytest.mark.parametrize("sealed", [False, True], ids=["as it is", "with a checksum that fits"])
@pytest.mark.parametrize(
    "column", ["request", "model", "question", "start", "masks", "dtype", "n_classes", "scores"]
)
def test_columns_that_lie_are_not_believed(damaged, column, sealed):
    for lie in _LIES:
        with closing(sqlite3.connect(damaged)) as db, db:
            names = "model, question, start, masks, dtype, n_classes, scores"
            row, *content = db.execute(f"SELECT rowid, {names} FROM requests LIMIT 1").fetchone()
            try:
                db.execute(f"UPDATE requests SET {column} = ? WHERE rowid = ?", (lie, row))
            except sqlite3.IntegrityError:
                continue  # such as NULL, where the table has none
            if sealed:
                (*content,) = db.execute(
                    f"SELECT {names} FROM requests WHERE rowid = ?", (row,)
                ).fetchone()
                seal = _rows._hash(content)
                db.execute("UPDATE requests SET checksum = ? WHERE rowid = ?", (seal, row))
        # Whoever knows how to seal a row can write any answers; they still must have its form.
        assert _use(damaged, may_differ=sealed) <= 40


@pytest.mark.parametrize("value", ["many", b"\xff", 0.5, 2**62, -3])
def test_counters_that_lie_are_whole_numbers(damaged, value):
    with closing(sqlite3.connect(damaged)) as db, db:
        db.execute("UPDATE counters SET value = ?", (value,))
    assert _use(damaged) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE counters",
        "ALTER TABLE requests ADD COLUMN more",
        "CREATE TRIGGER t AFTER INSERT ON models BEGIN DELETE FROM requests; END",
        "PRAGMA user_version = 0",
    ],
)
def test_other_tables_than_a_stores_are_refused(damaged, statement):
    with closing(sqlite3.connect(damaged)) as db, db:
        db.execute(statement)
    for use in (_use, lambda path: AnswerStore(path).stats()):
        with pytest.raises(ValueError, match=r"or is damaged: its tables are not those of a store"):
            use(damaged)


def test_scores_that_are_not_finite_are_asked_again(damaged):
    with closing(sqlite3.connect(damaged)) as db, db:
        db.execute("DELETE FROM requests")
    bad = _scores(0, 0)
    bad[3, 1] = np.nan
    with AnswerStore(damaged).connect() as connection:
        connection.put([Piece(WHOS[0], b"0", 0, MASKS, bad)])
        assert connection.find(WHOS[0], b"0", MASKS)[0] is None
    assert AnswerStore(damaged).stats() - StoreStats() != StoreStats()


def test_the_advice_works(damaged):
    damaged.write_bytes(b"not a database" * 1000)
    with pytest.raises(ValueError, match="Pass another path as cache=, or move this file away"):
        _use(damaged)
    damaged.rename(damaged.with_suffix(".old"))
    assert _use(damaged) == 3 * N_POINTS * 40
    assert _use(damaged) == 0
