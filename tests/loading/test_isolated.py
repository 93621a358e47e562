# SPDX-License-Identifier: BSD-3-Clause
"""Models in a child process: the same answers, and its end is an error and no more."""

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from loading import hostile_files as hostile
from model_files import linear, tflite
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, load_model
from skzest.exceptions import QueryError
from skzest.fingerprints import fingerprint
from skzest.loading import IsolatedQuery, Limits
from skzest.loading import _isolated as module
from skzest.queries import LiteRTQuery, OnnxQuery
from skzest.testing import check_query

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


class Odd:
    """A classifier that does something else when a batch of some length comes."""

    classes_ = np.array(["no", "yes"])

    def predict_proba(self, X):
        if len(X) == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if len(X) == 2:
            raise RuntimeError("an odd\nbatch")
        if len(X) == 3:
            return [bytearray(2**31) for _ in X]
        if len(X) == 5:
            os.write(1, b"noise on standard output")
        return np.full((len(X), 2), 0.5)


@pytest.fixture(scope="module")
def onnx_query():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    query = IsolatedQuery(linear([None, 4], 4))
    yield query
    query.close()


def test_answers_are_those_of_the_runtime_alone(onnx_query):
    expected = OnnxQuery(linear([None, 4], 4)).ask(X, "logits")
    np.testing.assert_array_equal(onnx_query.ask(X, "logits"), expected)
    check_query(onnx_query, X)


def test_signatures_are_those_of_the_runtime_alone(onnx_query):
    lime = LimeSignatureTransformer(X, n_reference=4, n_samples=32)
    S = lime.fit_transform([onnx_query, OnnxQuery(linear([None, 4], 4))])
    np.testing.assert_array_equal(S[0], S[1])


def test_quantised_models_texts_and_labels_travel():
    pytest.importorskip("ai_edge_litert")
    query = IsolatedQuery(tflite(quantised=True, softmax=True), classes=["a", "b", "c"])
    assert query.rounding == 1 / 256
    assert query.classes_.tolist() == ["a", "b", "c"]
    expected = LiteRTQuery(tflite(quantised=True, softmax=True)).ask(X, "predict_proba")
    np.testing.assert_array_equal(query.ask(X, "predict_proba"), expected)
    model = LogisticRegression().fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    labels = IsolatedQuery(pickle.dumps(model), trust=True)
    assert labels.ask(X, "predict").tolist() == model.predict(X).tolist()


def test_preprocess_runs_in_this_process(onnx_query):
    seen = []
    query = IsolatedQuery(linear([None, 4], 4), preprocess=lambda X: seen.append(os.getpid()) or -X)
    np.testing.assert_array_equal(query.ask(X, "logits"), onnx_query.ask(-X, "logits"))
    assert seen == [os.getpid()]


def test_a_crash_is_an_error_and_the_next_batch_goes_on():
    cloudpickle = pytest.importorskip("cloudpickle")

    data = cloudpickle.dumps(Odd())
    query = load_model(data, isolated=True, trust=True, limits=Limits(memory=2**30))
    half = np.full((4, 2), 0.5)
    with pytest.raises(QueryError, match=r"crashed when it was asked \(SIGSEGV\)"):
        query.ask(X[:1], "predict_proba")
    np.testing.assert_array_equal(query.ask(X[:4], "predict_proba"), half)
    with pytest.raises(QueryError, match="RuntimeError: an odd batch"):
        query.ask(X[:2], "predict_proba")
    with pytest.raises(QueryError, match="ran out of its limit of memory, 1,073,741,824 bytes"):
        query.ask(X[:3], "predict_proba")
    assert query.ask(X[:5], "predict_proba").shape == (5, 2)  # in spite of the noise


def test_a_refused_file_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Child", None)
    with pytest.raises(ValueError, match="was not opened: it is a pickle"):
        load_model(hostile.pickled(tmp_path), isolated=True)
    assert not hostile.marker(tmp_path).exists()


def test_a_damaged_file_is_the_same_error_as_without_a_child():
    pytest.importorskip("onnx")
    damaged = linear([None, 4], 4)[:-30]
    with pytest.raises(ValueError, match="was not opened: it is not a whole ONNX model"):
        load_model(damaged)
    with pytest.raises(ValueError, match="was not opened: it is not a whole ONNX model"):
        load_model(damaged, isolated=True)


def test_it_is_known_by_its_bytes_whatever_its_limits(onnx_query):
    twin = pickle.loads(pickle.dumps(onnx_query))
    twin.limits = Limits(seconds=1)
    assert fingerprint(twin.content()) == fingerprint(onnx_query.content())


def test_a_child_starts_without_scikit_learn():
    code = "import sys, skzest.loading._child; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_children_end_with_their_query_and_few_live_at_a_time(onnx_query, monkeypatch):
    monkeypatch.setattr(module, "_MOST_CHILDREN", 1)
    first = IsolatedQuery(linear([None, 4], 4, seed=1))
    process = first.child._process
    second = IsolatedQuery(linear([None, 4], 4, seed=2))
    assert process.poll() is not None  # the one that was asked longest ago
    expected = OnnxQuery(linear([None, 4], 4, seed=1)).ask(X, "logits")
    np.testing.assert_array_equal(first.ask(X, "logits"), expected)  # and starts again
    last = first.child._process
    del first, second
    last.wait(timeout=60)


@pytest.mark.parametrize(
    ("limits", "error", "match"),
    [
        ({"memory": 0}, ValueError, "memory=0 must be positive"),
        ({"seconds": float("inf")}, ValueError, "must be positive and finite"),
        ({"processor_seconds": "1"}, TypeError, "processor_seconds='1' must be a number"),
    ],
)
def test_limits_are_checked(limits, error, match):
    with pytest.raises(error, match=match):
        Limits(**limits)
