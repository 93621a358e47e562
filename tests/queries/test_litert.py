# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite models: floats, scales and zero points, batches of any size.

No converter to this format can be installed in a small environment, so the models are written
here, as flat buffers, by the schema that LiteRT brings along.
"""

import pickle

import numpy as np
import pytest

from skzest import LimeSignatureTransformer, zest_distances
from skzest.exceptions import QueryError
from skzest.fingerprints import fingerprint
from skzest.queries import LiteRTQuery
from skzest.testing import check_query

interpreter = pytest.importorskip("ai_edge_litert.interpreter")
flatbuffers = pytest.importorskip("flatbuffers")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

N_FEATURES, N_CLASSES = 4, 3
WEIGHTS = np.random.default_rng(0).integers(-9, 10, (N_CLASSES, N_FEATURES)).astype(np.float64)
X = np.random.default_rng(1).integers(0, 10, (12, N_FEATURES)).astype(np.float64)


def _tensor(name, shape, buffer, kind, scale=None, zero_point=0):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name, list(shape), buffer, kind
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
    return tensor


def _operator(code, inputs, options_type=0, options=None):
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, [inputs[-1] + 1]
    operator.builtinOptionsType, operator.builtinOptions = options_type, options
    return operator


def tflite(weights=WEIGHTS, *, quantised=False, softmax=False, rows=1):
    """Bytes of a network of one fully connected layer and, if wanted, a softmax."""
    kind = schema.TensorType.INT8 if quantised else schema.TensorType.FLOAT32
    held = np.asarray(weights, np.int8 if quantised else np.float32)
    n_classes, n_features = weights.shape

    def scaled(scale, zero_point):
        return {"scale": scale, "zero_point": zero_point} if quantised else {}

    tensors = [
        _tensor("weights", held.shape, 1, kind, **scaled(1.0, 0)),
        _tensor("copies", (rows, n_features), 0, kind, **scaled(0.5, -100)),
        _tensor("scores", (rows, n_classes), 0, kind, **scaled(4.0, 3)),
    ]
    options = schema.FullyConnectedOptionsT()
    # The activations come first in this operator, then the weights; -1 is no bias.
    first = _operator(0, [1, 0, -1], schema.BuiltinOptions.FullyConnectedOptions, options)
    first.outputs = [2]
    operators, codes = [first], [schema.BuiltinOperator.FULLY_CONNECTED]
    if softmax:
        tensors.append(_tensor("p", (rows, n_classes), 0, kind, **scaled(1 / 256, -128)))
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        operators.append(_operator(1, [2], schema.BuiltinOptions.SoftmaxOptions, options))
        codes.append(schema.BuiltinOperator.SOFTMAX)
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, operators
    graph.inputs, graph.outputs = [1], [len(tensors) - 1]
    model = schema.ModelT()
    model.version, model.subgraphs = 3, [graph]
    model.operatorCodes = []
    for code in codes:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 4 if quantised and code == codes[0] else 2 if quantised else 1
        model.operatorCodes.append(entry)
    empty, data = schema.BufferT(), schema.BufferT()
    data.data = np.frombuffer(held.tobytes(), dtype=np.uint8)
    model.buffers = [empty, data]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


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
