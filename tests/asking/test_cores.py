# SPDX-License-Identifier: BSD-3-Clause
"""Short work stays in this process, long work is spread, and threads do not outnumber the cores."""

import threading
import time
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from counting import Counted
from joblib.parallel import ThreadingBackend
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from skzest import AnswerStore, LimeSignatureTransformer
from skzest.asking import _cores
from skzest.asking._cores import is_worth_sending, note_kept, note_workers, share_of_threads
from skzest.asking._schedule import _guesses
from skzest.asking._task import Task

X, Y = load_iris(return_X_y=True)
MODEL = LogisticRegression(max_iter=500).fit(X, Y)


class Placed(Counted):
    """Notes which threads ask, and takes some time for batches larger than a first look."""

    def __init__(self, seconds=0.0):
        super().__init__(MODEL.predict_proba)
        self.seconds, self.threads = seconds, []

    def __call__(self, batch):
        if len(batch) > 8:
            time.sleep(self.seconds)
            self.threads.append(threading.current_thread())
        return super().__call__(batch)


def _lime(**params):
    params = {"n_reference": 40, "n_samples": 30, "batch_size": 32} | params
    return LimeSignatureTransformer(X, **params)


def _threads_of(zoo, **params):
    """Where the models are asked after their first looks, once the answers are found right."""
    queries = [model.query("predict_proba", model_id=str(i)) for i, model in enumerate(zoo)]
    given = _lime(**params).fit_transform(queries)
    threads = {thread for model in zoo for thread in model.threads}
    n_rows = [model.n_rows for model in zoo]
    assert_allclose(given, _lime().fit_transform(queries), rtol=0, atol=1e-10)
    # As in one job, each question is asked once, and a few are asked again.
    assert_allclose([model.n_rows for model in zoo], 2 * np.array(n_rows), rtol=0.05)
    return threads


def test_short_work_stays_here_even_if_it_could_not_be_sent(monkeypatch):
    monkeypatch.setattr(_cores, "_WORTH_SENDING", 1e6)
    monkeypatch.setattr(_cores, "_WORTH_STARTING", 1e6)
    model = Placed()
    model.lock = threading.Lock()  # does not pickle
    with joblib.parallel_config("loky"):
        assert _threads_of([model], n_jobs=2) == {threading.current_thread()}


@pytest.mark.parametrize("stores", [False, True])
def test_long_work_starts_here_and_is_spread(stores, tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite") if stores else None
    with joblib.parallel_config("threading"):
        threads = _threads_of([Placed(0.02)], n_jobs=2, cache=store)
    assert threading.current_thread() in threads and len(threads) == 3


def test_long_work_of_few_batches_is_spread_by_models():
    with joblib.parallel_config("threading"):
        threads = _threads_of([Placed(0.02) for _ in range(16)], n_jobs=2, batch_size=2000)
    assert threading.current_thread() in threads and len(threads) == 3


def test_a_guess_lies_between_one_first_look_a_batch_and_one_for_eight_rows():
    asked = [SimpleNamespace(seconds=0.1), SimpleNamespace(seconds=0.3)]
    plan, size = SimpleNamespace(n_queries=800), SimpleNamespace(wanted=100)
    least, guess = _guesses(Task(plan, 0, 1, (0, 1), asked, size, None))
    assert least == pytest.approx(8 * 0.4)
    assert guess == pytest.approx(np.sqrt(8 * 100) * 0.4)


def test_processes_start_once_the_work_kept_here_would_have_repaid_it(monkeypatch):
    monkeypatch.setattr(_cores._Workers, "latest", -np.inf)
    monkeypatch.setattr(_cores._Workers, "kept", 0.0)
    short = _cores._WORTH_SENDING / 2
    seconds = (_cores._WORTH_SENDING + _cores._WORTH_STARTING) / 2
    with joblib.parallel_config("threading"):
        assert is_worth_sending(seconds) and not is_worth_sending(short)
    with joblib.parallel_config("loky"):
        assert not is_worth_sending(seconds)
        note_kept(seconds)
        assert is_worth_sending(seconds) and not is_worth_sending(short)
        note_workers()
        assert is_worth_sending(2 * _cores._WORTH_SENDING) and not is_worth_sending(short)


class Cluster(ThreadingBackend):
    """A backend that is none of joblib's own, as dask's and Ray's."""


def test_all_work_goes_to_a_cluster_which_may_hold_what_is_not_here():
    joblib.register_parallel_backend("cluster", Cluster)
    with joblib.parallel_config("cluster"):
        assert is_worth_sending(0.0)


def _n_threads():
    return [pool["num_threads"] for pool in threadpool_info()]


def test_threads_are_shared_among_jobs_and_given_back():
    before = _n_threads()
    with share_of_threads(10_000):
        assert set(_n_threads()) == {1}
    assert _n_threads() == before
    with threadpool_limits(1), share_of_threads(1):
        assert set(_n_threads()) == {1}, "a limit that the caller has set stays"


def test_threads_of_torch_are_shared_among_jobs_and_given_back():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    with share_of_threads(10_000):
        assert torch.get_num_threads() == 1
        new = []
        thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert new == [1]
    assert torch.get_num_threads() == before
