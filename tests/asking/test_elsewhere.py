# SPDX-License-Identifier: BSD-3-Clause
"""Models are sent once, a lost worker is survived, and one process writes the store."""

import os
import signal
import sqlite3
import threading
from dataclasses import dataclass
from functools import partial

import joblib
import numpy as np
import pytest
from counting import Noted
from joblib.externals.loky.backend.reduction import dumps, loads
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.utils.parallel import delayed

from skzest import AnswerStore, CallableQuery, LimeSignatureTransformer
from skzest.asking import _schedule, _workers
from skzest.asking._elsewhere import Parcel, UnreadableError, opened_once, outcomes_of, sendable

X = load_iris().data


def _lime(n_jobs=2, **params):
    params = {"n_reference": 64, "n_samples": 64, "n_jobs": n_jobs, "batch_size": 32} | params
    return LimeSignatureTransformer(X, **params)


def _assert_same(given, model):
    model.seconds = 0.0
    expected = _lime(n_jobs=1).fit_transform([model.query()])
    assert_allclose(given, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


# ---------------------------------------------------------------- parcels and lost work


def test_a_parcel_is_opened_once_while_it_is_in_use_or_the_latest(tmp_path):
    model = Noted(tmp_path)
    first, second = (Parcel.of([model, number]) for number in range(2))
    assert opened_once(first)[1] == 0
    in_use = opened_once(first)
    assert (model.count("pickled"), model.count("opened")) == (2, 1)
    for parcel in (second, second, first, second):
        opened_once(parcel)
    assert opened_once(first) is in_use and model.count("opened") == 3
    del in_use
    opened_once(second), opened_once(first)
    assert model.count("opened") == 5
    assert opened_once(model) is model


def _missing():
    raise ModuleNotFoundError("No module named 'elsewhere'")


class Unreadable:
    def __reduce__(self):
        return _missing, ()


def test_a_pickle_that_cannot_be_read_says_why():
    with pytest.raises(UnreadableError, match="ModuleNotFoundError: No module named 'elsewhere'"):
        opened_once(Parcel.of(Unreadable()))


def _lost_once(number, lost, error):
    """Lose a call the first time it is made."""
    if number == 3 and not lost:
        lost.append(number)
        raise error
    return number, number**2


@pytest.mark.parametrize("is_final", [False, True])
def test_lost_calls_are_made_again_and_errors_of_the_call_are_not(is_final):
    lost, error = [], OSError("a worker is gone")

    def call(number):
        return delayed(_lost_once)(number, lost, error)

    with joblib.parallel_config("threading"):
        outcomes = outcomes_of(call, 8, 2, lambda error: is_final)
        if is_final:
            with pytest.raises(OSError, match="gone"):
                list(outcomes)
        else:
            assert sorted(outcomes) == [(n, n**2) for n in range(8)]
    assert lost == [3]


def test_calls_that_are_always_lost_end_in_the_error(caplog):
    def call(number):
        return delayed(_lost_once)(3, [], OSError("a worker is gone"))

    with joblib.parallel_config("threading"), pytest.raises(OSError, match="gone"):
        list(outcomes_of(call, 2, 2, lambda error: False))
    assert caplog.text.count("2 of 2 tasks are sent again: a worker is gone") == 2


# ---------------------------------------------------------------- processes of this machine


def _asked_while_a_worker_is_killed(model):
    ended, killed = threading.Event(), []

    def kill():
        while not ended.wait(0.01):
            if model.workers and model.count("rows") >= 200:
                os.kill(model.workers[0], signal.SIGKILL)
                killed.append(model.workers[0])
                return

    killer = threading.Thread(target=kill)
    killer.start()
    given = _lime().fit_transform([model.query()])
    ended.set()
    killer.join()
    assert killed
    return given


def test_a_killed_process_is_survived(tmp_path, caplog):
    model = Noted(tmp_path, seconds=0.08)  # long enough for processes to be started
    with joblib.parallel_config("loky"):
        _assert_same(_asked_while_a_worker_is_killed(model), model)
    assert "are sent again" in caplog.text


def test_answers_before_an_error_are_stored(tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    lime = _lime(n_reference=32, cache=store)
    plan = lime.fit([Noted(tmp_path).query()]).plan_
    model = Noted(tmp_path, bad=plan.point(15))  # the last of a task of 8, in units of 2
    with joblib.parallel_config("threading"), pytest.raises(RuntimeError, match="out of order"):
        lime.transform([model.query()])
    before = store.stats()
    assert sum(plan.n_questions[8:14]) <= before.rows_stored < plan.n_queries
    model.bad = None
    lime.transform([model.query()])
    assert (store.stats() - before).rows_asked == plan.n_queries - before.rows_stored


class _TwoArguments(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")


class _HoldsALock(Exception):
    def __init__(self):
        super().__init__("7: busy")
        self.lock = threading.Lock()


class _LosesAttributes(Exception):
    def __reduce__(self):
        return type(self), self.args


class _Frozen(Exception):
    def __setattr__(self, name, value):
        if name != "__traceback__":  # which Python itself sets
            raise AttributeError(f"cannot assign to {name}")
        super().__setattr__(name, value)


class _Failing:
    """Answers the first look, and fails after it; counts in a file, for it may run elsewhere."""

    def __init__(self, make, path):
        self.make, self.path = make, path

    def __call__(self, batch):
        if len(batch) > 8:
            with self.path.open("a") as file:
                file.write("x")
            raise self.make()
        return np.tanh(np.asarray(batch)[:, :3])


_ERRORS = {
    "two arguments": partial(_TwoArguments, 7, "busy"),
    "lock": _HoldsALock,
    "loses attributes": partial(_LosesAttributes, "7: busy"),
    "frozen": partial(_Frozen, "7: busy"),
    "usual": partial(KeyError, "7: busy"),
}


@pytest.mark.parametrize("kind", _ERRORS)
def test_an_error_of_any_kind_arrives_with_its_name_and_text(kind):
    error = _ERRORS[kind]()
    arrived = loads(dumps(_workers._FailedTask(sendable(error), None))).error
    assert "7: busy" in str(arrived)
    # Which errors pickle, other packages may change: distributed teaches it how to.
    is_kept = isinstance(arrived, type(error))
    assert is_kept or kind in ("two arguments", "lock", "frozen")
    assert is_kept or (type(arrived) is RuntimeError and type(error).__name__ in str(arrived))


@pytest.mark.parametrize(
    ("backend", "kind"),
    [("loky", "two arguments"), *(("threading", kind) for kind in _ERRORS)],
)
def test_an_error_of_a_model_is_no_lost_worker(backend, kind, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(_schedule, "is_worth_sending", lambda seconds: True)
    model = CallableQuery(_Failing(_ERRORS[kind], tmp_path / "calls"), output="logits")
    with joblib.parallel_config(backend), pytest.raises(Exception, match="7: busy") as found:
        _lime().fit_transform([model])
    expected = RuntimeError if backend == "loky" else type(_ERRORS[kind]())
    assert isinstance(found.value, expected)
    assert "sent again" not in caplog.text
    assert len((tmp_path / "calls").read_text()) <= 4  # tasks


def test_an_error_that_takes_no_note_is_raised_as_it_is():
    def fails(batch):
        raise _Frozen("no such feature")

    with pytest.raises(_Frozen, match="no such feature"):
        _lime(n_jobs=1).fit_transform([CallableQuery(fails)])


@dataclass(frozen=True)
class _Refusal(Exception):
    """Refuses even a traceback, which contexts set."""

    code: int


@pytest.mark.parametrize("n_answered", [0, 3], ids=["first look", "later"])
@pytest.mark.parametrize("cached", [False, True])
def test_an_error_that_no_context_lets_pass_is_told_in_another(store, n_answered, cached):
    def fails(batch):
        nonlocal n_answered
        n_answered -= 1
        if n_answered < 0:
            raise _Refusal(17)
        return np.tanh(np.asarray(batch)[:, :3])

    lime = _lime(n_jobs=1, batch_size=64, cache=store if cached else None)
    with pytest.raises(RuntimeError, match="_Refusal: 17") as found:
        lime.fit_transform([CallableQuery(fails, output="logits", model_id="fails")])
    assert isinstance(found.value.__cause__, _Refusal)


# ---------------------------------------------------------------- a dask cluster


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config("dask"),
    ):
        yield client


def _forbid():
    sqlite3.kept, sqlite3.connect = sqlite3.connect, None


def _allow():
    sqlite3.connect = sqlite3.kept


def test_models_are_sent_once_results_and_progress_are_the_same(client, tmp_path, capsys):
    model = Noted(tmp_path)
    given = _lime(verbose=1).fit_transform([model.query()])
    assert model.count("pickled") == 1
    assert 1 <= model.count("opened") == len(model.workers) <= 2
    shown = capsys.readouterr().err.split("questions answered")
    assert len(shown) > 2 and "(100%)" in shown[-1]  # not at the end only
    _assert_same(given, model)


def test_workers_do_not_open_the_store(client, tmp_path):
    model, store = Noted(tmp_path), AnswerStore(tmp_path / "answers.sqlite")
    client.run(_forbid)
    with pytest.raises(TypeError, match="not callable"):
        client.submit(store.stats, pure=False).result()
    _lime(n_reference=20, cache=store).fit_transform([model.query()])
    n_asked = model.count("rows")
    lime = _lime(cache=store)
    given = lime.fit_transform([model.query()])
    client.run(_allow)
    assert store.stats().rows_stored == lime.plan_.n_queries
    assert model.count("rows") - n_asked < lime.plan_.n_queries - 200
    _assert_same(given, model)


def test_a_killed_worker_is_survived(client, tmp_path):
    model = Noted(tmp_path, seconds=0.05)
    _assert_same(_asked_while_a_worker_is_killed(model), model)


@pytest.mark.parametrize("kind", _ERRORS)
def test_an_error_on_a_worker_arrives_with_its_name_and_text(client, kind, tmp_path, caplog):
    model = CallableQuery(_Failing(_ERRORS[kind], tmp_path / "calls"), output="logits")
    with pytest.raises(Exception, match="7: busy") as found:
        _lime().fit_transform([model])
    name = type(_ERRORS[kind]()).__name__
    assert name in (type(found.value).__name__, str(found.value).partition(":")[0])
    assert "sent again" not in caplog.text


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_of_a_dask_cluster_serve(tmp_path, n_threads):
    distributed = pytest.importorskip("distributed")
    model = Noted(tmp_path)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=n_threads, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        lime = _lime(n_jobs=-1, cache=tmp_path / "answers.sqlite")
        given = lime.fit_transform([model.query()])
    assert model.count("opened") == 1
    _assert_same(given, model)
