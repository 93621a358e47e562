# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite models: floats, scales and zero points, batches of any size."""

import pickle

import numpy as np
import pytest
from model_files import WEIGHTS, tflite

from skzest import LimeSignatureTransformer, zest_distances
from skzest.exceptions import QueryError
from skzest.fingerprints import fingerprint
from skzest.queries import LiteRTQuery
from skzest.testing import check_query

interpreter = pytest.importorskip("ai_edge_litert.interpreter")

X = np.random.default_rng(1).integers(0, 10, (12, 4)).astype(np.float64)


def bare(data, X):
    """Answers of the interpreter alone, row by row, in the integers or floats that it holds."""
    net = interpreter.Interpreter(model_content=data)
    net.allocate_tensors()
    given, scores = net.get_input_details()[0], net.get_output_details()[0]
    rows = []
    for row in X:
        values, (scale, zero) = row, given["quantization"]
        if scale:
            values = np.clip(np.rint(row / scale) + zero, -128, 127)
        net.set_tensor(given["index"], values[None].astype(given["dtype"]))
        net.invoke()
        rows.append(net.get_tensor(scores["index"])[0])
    scale, zero = scores["quantization"]
    return (np.array(rows, dtype=np.float64) - zero) * (scale or 1.0)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
def test_answers_are_those_of_the_bare_interpreter(quantised, softmax):
    data = tflite(quantised=quantised, softmax=softmax)
    query = LiteRTQuery(data)
    output = "predict_proba" if softmax else "logits"
    assert query.outputs == (output,)
    np.testing.assert_allclose(query.ask(X, output), bare(data, X), atol=1e-6)


def test_scales_and_zero_points_are_applied_on_both_sides():
    exact, rounded = X @ WEIGHTS.T, LiteRTQuery(tflite(quantised=True)).ask(X, "logits")
    assert np.abs(rounded - exact).max() <= 2.0 + 1e-6  # half a step of 4
    assert np.abs(rounded - exact).max() > 0


def test_keeps_the_contract():
    for quantised in (False, True):
        check_query(LiteRTQuery(tflite(quantised=quantised)), X)
    check_query(LiteRTQuery(tflite(softmax=True)), X)


def test_rows_are_asked_at_once_and_the_batch_changes_nothing():
    query = LiteRTQuery(tflite())
    assert query.rows is None
    whole = query.ask(X, "logits")
    assert tuple(query.runtime.get_input_details()[0]["shape"]) == X.shape
    np.testing.assert_allclose(query.ask(X[:5], "logits"), whole[:5], rtol=1e-6)


def test_a_quantised_input_that_cuts_copies_off_is_told():
    query = LiteRTQuery(tflite(quantised=True))
    with pytest.warns(UserWarning, match=r"its input holds -14 to 113.5: \d+% of them are cut off"):
        query.ask(X * 100, "logits")
    assert LiteRTQuery(tflite(quantised=True), preprocess=lambda X: X / 100).ask(
        X * 100, "logits"
    ).shape == (12, 3)


def test_rounding_is_the_step_of_the_answers():
    assert LiteRTQuery(tflite(quantised=True, softmax=True)).rounding == 1 / 256
    assert LiteRTQuery(tflite(softmax=True)).rounding == 0


def test_zeros_of_quantised_probabilities_are_told_and_clip_mends_it():
    import warnings

    zoo = [LiteRTQuery(tflite(k * WEIGHTS, quantised=True, softmax=True)) for k in (1, 2)]
    lime = LimeSignatureTransformer(X, n_reference=4, n_samples=32)
    with pytest.warns(UserWarning, match=r"answers in steps of 0.00391.* Pass clip=0.00391"):
        lime.fit_transform(zoo)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lime.set_params(clip=1 / 256).fit_transform(zoo)


def test_pickles_and_fingerprints_by_its_bytes():
    first, twin, other = (LiteRTQuery(tflite(WEIGHTS * k)) for k in (1, 1, 2))
    assert fingerprint(first.content()) == fingerprint(twin.content())
    assert fingerprint(first.content()) != fingerprint(other.content())
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(again.ask(X, "logits"), first.ask(X, "logits"))


def test_a_quantised_twin_is_near_and_another_network_far():
    other = np.random.default_rng(5).integers(-9, 10, WEIGHTS.shape).astype(np.float64)
    models = [tflite(), tflite(quantised=True), tflite(other)]
    lime = LimeSignatureTransformer(X, n_reference=8, n_samples=64, sampling="fractional")
    D = zest_distances(lime.fit_transform([LiteRTQuery(m) for m in models]))
    assert D[0, 1] < 0.02 < 0.2 < D[0, 2]


def test_what_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(tflite())
    query = LiteRTQuery(path)
    assert repr(query) == "LiteRTQuery(net.tflite)"
    with pytest.raises(QueryError, match=r"has shape \(any, 4\), and copies of shape \(any, 3\)"):
        query.ask(X[:, :3], "logits")
    with pytest.raises(ValueError, match="LiteRT cannot open"):
        LiteRTQuery(b"TFL3 but no model")
