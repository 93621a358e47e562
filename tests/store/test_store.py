# SPDX-License-Identifier: BSD-3-Clause
"""The store of answers: what goes in comes out, whoever writes beside it, whatever breaks."""

import copy
import os
import pickle
import shutil
import sqlite3
import threading
from contextlib import closing

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from skzest.queries import CallableQuery, as_query
from skzest.store import (
    AnswerStore,
    Identity,
    Piece,
    StoreStats,
    _connection,
    _database,
    _rows,
    check_cache,
    mask_keys,
)

VICTIM = Identity(b"victim", "id:victim", "victim", "logits")
SUSPECT = Identity(b"suspect", "id:suspect", "suspect", "logits")
RNG = np.random.default_rng(0)
MASKS = mask_keys(RNG.random((20, 6)) < 0.5)
SCORES = RNG.normal(size=(20, 3))


def _piece(who=VICTIM, question=b"point", start=0, stop=20, masks=MASKS, scores=SCORES):
    return Piece(who, question, start, masks[start:stop], scores[start:stop])


def _edit(store, statement, *values):
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute(statement, values)


# --- what goes in comes out --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
def test_answers_come_back_to_the_bit_in_their_precision(store, dtype):
    scores = np.array([[0.1, -0.0, np.pi], [1e-40, 3e38, -1]]).astype(dtype)
    with store.connect() as connection:
        connection.put([_piece(stop=2, scores=scores)])
    with store.connect() as connection:
        found, known = connection.find(VICTIM, b"point", MASKS[:2])
    assert known.all()
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert_array_equal(
        found.view(f"u{found.itemsize}"), scores.astype(found.dtype).view(f"u{found.itemsize}")
    )


def test_rows_of_arrays_in_any_layout_keep_their_place(store):
    with store.connect() as connection:
        connection.put([_piece(scores=np.asfortranarray(SCORES))])
        assert_array_equal(connection.find(VICTIM, b"point", MASKS)[0], SCORES)


def test_nothing_is_found_of_other_models_points_and_masks(store):
    with store.connect() as connection:
        connection.put([_piece()])
        others = [(SUSPECT, b"point", MASKS), (VICTIM, b"other", MASKS)]
        for who, question, masks in [*others, (VICTIM, b"point", MASKS + 64)]:
            scores, known = connection.find(who, question, masks)
            assert scores is None
            assert not known.any()


def test_the_first_masks_of_more_are_found(store):
    with store.connect() as connection:
        connection.put([_piece(stop=12)])
        fewer, known = connection.find(VICTIM, b"point", MASKS[:5])
        assert_array_equal(fewer, SCORES[:5])
        assert known.all()
        more, known = connection.find(VICTIM, b"point", MASKS)
        assert_array_equal(known, np.arange(20) < 12)
        assert_array_equal(more[:12], SCORES[:12])


def test_requests_of_several_sizes_are_put_together(store):
    other = MASKS + 64
    with store.connect() as connection:
        connection.put([_piece(start=15), _piece(stop=4), _piece(masks=other, scores=SCORES + 1)])
        connection.put([_piece(start=2, stop=15)])
        scores, known = connection.find(VICTIM, b"point", MASKS)
        assert known.all()
        assert_array_equal(scores, SCORES)
        mixed = np.concatenate([MASKS[:10], other[10:]])
        scores, known = connection.find(VICTIM, b"point", mixed)
        assert known.all()
        assert_array_equal(scores, np.concatenate([SCORES[:10], SCORES[10:] + 1]))


def test_the_first_answer_stays(store):
    with store.connect() as connection:
        connection.put([_piece()])
        connection.put([_piece(scores=SCORES + 1)])
        assert_array_equal(connection.find(VICTIM, b"point", MASKS)[0], SCORES)
    assert store.stats().rows_stored == 20


def test_answers_of_two_precisions_lose_none(store):
    single = SCORES.astype(np.float32)
    with store.connect() as connection:
        connection.put([_piece(stop=10, scores=single), _piece(start=10)])
        scores, _ = connection.find(VICTIM, b"point", MASKS)
    assert scores.dtype == np.float64
    assert_array_equal(scores, np.concatenate([single[:10], SCORES[10:]]))


def test_large_answers_are_stored_in_parts(store, monkeypatch):
    monkeypatch.setattr(_rows, "_MAX_BYTES", 3 * 24)
    with store.connect() as connection:
        connection.put([_piece()])
        (n_parts,) = connection._db.execute("SELECT COUNT(*) FROM requests").fetchone()
        assert n_parts == 7
        assert_array_equal(connection.find(VICTIM, b"point", MASKS)[0], SCORES)
    assert store.stats().rows_asked == 20


@pytest.mark.parametrize("n_parts", [1, 7, 8, 9, 63, 64, 65, 300])
def test_mask_keys_tell_masks_apart(n_parts):
    masks = np.unique(RNG.random((200, n_parts)) < 0.5, axis=0)
    keys = mask_keys(masks)
    assert keys.shape == (len(masks),)
    assert len(np.unique(keys)) == len(masks)
    assert_array_equal(mask_keys(masks[:1]), keys[:1])


# --- counting and forgetting --------------------------------------------------------------


def test_counts_last_and_are_added_up(store):
    with store.connect() as connection:
        connection.put([_piece(stop=5), _piece(SUSPECT, stop=5)])
        connection.put([_piece(start=5), _piece(question=b"other")])
        connection.count_reused(7)
    before = store.stats()
    assert before == StoreStats(rows_asked=45, rows_reused=7, pairs_stored=3, rows_stored=45)
    with store.connect() as connection:
        connection.count_reused(1)
        assert connection.stats() - before == StoreStats(rows_reused=1)
    assert store.stats() - before == StoreStats(rows_reused=1)


def test_a_model_is_forgotten_by_name_or_by_content(store):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    who = Identity.of(as_query(model), "predict_proba")
    with store.connect() as connection:
        connection.put([_piece(), _piece(SUSPECT), _piece(who), _piece(who, b"other", stop=5)])
    assert store.forget("suspect") == 20
    assert store.forget(pickle.loads(pickle.dumps(model))) == 25
    assert store.forget("suspect") == store.forget(model) == 0
    assert store.stats().rows_stored == 20
    with store.connect() as connection:
        assert connection.find(VICTIM, b"point", MASKS)[1].all()


def test_models_are_told_apart_by_what_is_asked_and_how():
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    other = LogisticRegression(C=2).fit([[0.0], [1.0]], [0, 1])
    keys = [
        Identity.of(as_query(model), "predict_proba"),
        Identity.of(as_query(model), "predict"),
        Identity.of(as_query(other), "predict_proba"),
        Identity.of(as_query(model, preprocess=np.exp), "predict_proba"),
        Identity.of(as_query(model, preprocess=np.expm1), "predict_proba"),
        Identity.of(CallableQuery(model.predict_proba), "predict_proba"),
        Identity.of(as_query(model, model_id="a"), "predict_proba"),
        Identity.of(as_query(model, model_id="b"), "predict_proba"),
    ]
    assert len({who.key for who in keys}) == len(keys)
    again = Identity.of(as_query(pickle.loads(pickle.dumps(model))), "predict_proba")
    assert again == keys[0]
    named = Identity.of(as_query(other, model_id="a", preprocess=np.exp), "predict_proba")
    assert named.key == keys[6].key, "the name stands for everything"


def test_a_model_id_must_be_a_string_that_can_be_written(store):
    for model_id in (3, "", b"a"):
        with pytest.raises(TypeError, match="model_id must be a non-empty string or None; got"):
            CallableQuery(np.exp, model_id=model_id)
    name = os.fsdecode(b"mod\xe8le.npz")
    for give in (lambda name: CallableQuery(np.exp, model_id=name), store.forget):
        with pytest.raises(ValueError, match=r"cannot be encoded, at position 3.*backslashreplace"):
            give(name)
    advised = name.encode("ascii", "backslashreplace").decode()
    query = CallableQuery(lambda batch: batch, model_id=advised)
    assert Identity.of(query, "predict_proba").text == f"id:{advised}"
    assert store.forget(advised) == 0


# --- the file -----------------------------------------------------------------------------


def test_a_store_is_its_path(store, tmp_path, monkeypatch):
    assert not (tmp_path / "answers.sqlite").exists(), "making the object touches nothing"
    for other in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert other.path == store.path
    monkeypatch.chdir(tmp_path)
    assert check_cache("answers.sqlite").path == check_cache(tmp_path / "answers.sqlite").path
    assert check_cache(None) is None
    assert check_cache(store) is store
    with pytest.raises(TypeError, match="cache must be a path, an AnswerStore or None; got 3"):
        check_cache(3)


def test_a_damaged_answer_is_thrown_away_and_counted(store, caplog):
    with store.connect() as connection:
        connection.put([_piece(), _piece(question=b"other")])
    damaged = SCORES.copy()
    damaged[3, 1] = np.nextafter(damaged[3, 1], 9)
    _edit(store, "UPDATE requests SET scores = ? WHERE question = ?", damaged.tobytes(), b"point")
    with store.connect() as connection:
        assert connection.find(VICTIM, b"point", MASKS)[0] is None
        assert connection.find(VICTIM, b"other", MASKS)[1].all()
    assert "a damaged answer was thrown away" in caplog.text
    with store.connect() as connection:
        connection.put([_piece()])
        assert_array_equal(connection.find(VICTIM, b"point", MASKS)[0], SCORES)


@pytest.mark.parametrize(
    ("column", "value"), [("start", 1), ("dtype", "<f4"), ("n_classes", 6), ("masks", b"\0" * 160)]
)
def test_every_column_is_under_the_checksum(store, column, value):
    with store.connect() as connection:
        connection.put([_piece()])
    _edit(store, f"UPDATE requests SET {column} = ?", value)
    with store.connect() as connection:
        masks = np.zeros(20, dtype="<u8") if column == "masks" else MASKS
        masks = np.concatenate([masks[:1], masks]) if column == "start" else masks
        assert connection.find(VICTIM, b"point", masks)[0] is None


def test_a_transaction_that_fails_leaves_nothing(store, monkeypatch):
    encode = _connection.encode

    def failing(piece):
        if piece.question == b"other":
            raise RuntimeError("broken")
        return encode(piece)

    monkeypatch.setattr(_connection, "encode", failing)
    with store.connect() as connection:
        with pytest.raises(RuntimeError, match="broken"):
            connection.put([_piece(), _piece(question=b"other")])
        assert connection.find(VICTIM, b"point", MASKS)[0] is None
        connection.put([_piece()])
        assert connection.find(VICTIM, b"point", MASKS)[1].all()
    assert store.stats().rows_asked == 20


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be taken for one\n" * 50)
    with pytest.raises(ValueError, match="is not a store of answers, or is damaged"):
        AnswerStore(text).stats()
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE films (title TEXT)")
    with pytest.raises(ValueError, match="is another kind of database"):
        AnswerStore(other).stats()
    with pytest.raises(ValueError, match="is a folder"):
        AnswerStore(tmp_path).stats()
    with pytest.raises(FileNotFoundError, match="the folder does not exist"):
        AnswerStore(tmp_path / "none" / "answers.sqlite").stats()


def test_a_store_of_a_later_version_is_refused(store):
    store.stats()
    _edit(store, "PRAGMA user_version = 99")
    with pytest.raises(ValueError, match=r"has format 99.*Update skzest"):
        store.stats()


def test_a_store_that_cannot_be_written_says_what_is_kept(store, monkeypatch):
    monkeypatch.setattr(_database, "_PATIENCE", 0.01)
    store.stats()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with store.connect() as connection:
            with pytest.raises(OSError, match=r"is locked\. Another process .*kept"):
                connection.put([_piece()])
            other.execute("ROLLBACK")
            connection.put([_piece()])


def test_a_full_disk_says_so_and_loses_nothing(store):
    with store.connect() as connection:
        connection.put([_piece()])
        connection._db.execute("PRAGMA max_page_count = 12")
        with pytest.raises(OSError, match=r"disk is full\. Make room on the disk"):
            connection.put([_piece(question=b"large", scores=np.zeros((20, 3000)))])
        assert_array_equal(connection.find(VICTIM, b"point", MASKS)[0], SCORES)
        connection._db.execute("PRAGMA max_page_count = 10000")
        connection.put([_piece(question=b"last")])
        assert connection.find(VICTIM, b"last", MASKS)[1].all()


@pytest.mark.parametrize("place", ["path", "folder"])
def test_a_store_that_is_read_only_says_so_at_once(store, monkeypatch, tmp_path, place):
    with store.connect() as connection:
        connection.put([_piece()])
    frozen = store.path if place == "path" else str(tmp_path)
    monkeypatch.setattr(_database.os, "access", lambda path, mode: str(path) != frozen)
    with pytest.raises(PermissionError, match=r"is read-only\. .*copy the file to a folder"):
        store.stats()
    (tmp_path / "mine").mkdir()
    copied = shutil.copy(store.path, tmp_path / "mine")
    assert AnswerStore(copied).stats().rows_stored == 20


def test_a_disk_that_becomes_read_only_says_so(store, monkeypatch):
    store.stats()
    plain = sqlite3.connect
    monkeypatch.setattr(
        _database.sqlite3,
        "connect",
        lambda path, **kwargs: plain(f"file:{path}?mode=ro", uri=True, **kwargs),
    )
    with (
        store.connect() as connection,
        pytest.raises(OSError, match=r"readonly database\. The file and its folder must be writ"),
    ):
        connection.put([_piece()])


# --- several at once ----------------------------------------------------------------------


def _write(path, seed, own, n_points):
    """Store points: some that nobody else does, some that all do."""
    who = Identity(b"%d" % seed, f"id:{seed}", "", "logits") if own else VICTIM
    for i in np.random.default_rng(seed).permutation(n_points):
        with AnswerStore(path).connect() as connection:
            if not connection.find(who, b"%d" % i, MASKS)[1].all():
                connection.put([_piece(who, b"%d" % i, scores=SCORES + i)])
    return seed


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_four_writers_lose_and_damage_no_answer(store, backend):
    n_points = 6
    with joblib.parallel_config(backend=backend):
        joblib.Parallel(n_jobs=2 if backend == "loky" else 4)(
            joblib.delayed(_write)(store.path, seed, own, n_points)
            for own in (True, False)
            for seed in range(4)
        )
    whos = [Identity(b"%d" % seed, "", "", "logits") for seed in range(4)]
    with store.connect() as connection:
        for who in [*whos, VICTIM]:
            for i in range(n_points):
                assert_array_equal(connection.find(who, b"%d" % i, MASKS)[0], SCORES + i)
        assert connection._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    stats = store.stats()
    assert stats.pairs_stored == 5 * n_points
    assert 5 * n_points * 20 <= stats.rows_asked <= 8 * n_points * 20


def test_many_may_open_a_new_store_at_once(store):
    barrier, seen = threading.Barrier(8), []

    def open_it():
        barrier.wait()
        seen.append(store.stats())

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [StoreStats()] * 8


class Misled:
    """A database whose index leads from every model to the suspect's answers."""

    def __init__(self, db):
        self._db = db

    def execute(self, sql, values=()):
        is_found_by_index = sql.startswith("SELECT rowid")
        return self._db.execute(sql, (SUSPECT.key, *values[1:]) if is_found_by_index else values)

    def __getattr__(self, name):
        return getattr(self._db, name)


def test_an_index_that_leads_to_another_answer_is_noticed(store):
    with store.connect() as connection:
        connection.put([_piece(), _piece(SUSPECT)])
        connection._db = Misled(connection._db)
        assert connection.find(SUSPECT, b"point", MASKS)[0] is not None
        assert connection.find(VICTIM, b"point", MASKS)[0] is None
    assert store.stats().rows_stored == 20


@pytest.mark.parametrize(
    ("tolerance", "error"), [(-1, ValueError), (np.nan, ValueError), ("x", TypeError)]
)
def test_tolerance_is_checked(tmp_path, tolerance, error):
    with pytest.raises(error, match="tolerance must be"):
        AnswerStore(tmp_path / "answers.sqlite", tolerance=tolerance)


def test_a_store_is_a_file():
    with pytest.raises(ValueError, match="is lost with the process"):
        AnswerStore(":memory:")
    assert AnswerStore("~/a.sqlite").path == os.path.expanduser("~/a.sqlite")
