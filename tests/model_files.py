# SPDX-License-Identifier: BSD-3-Clause
"""Small model files, written for tests by the schemas of their formats.

No converter to TensorFlow Lite can be installed in a small environment, so those networks are
written as flat buffers, by the schema that LiteRT brings along.
"""

import numpy as np

WEIGHTS = np.random.default_rng(0).integers(-9, 10, (3, 4)).astype(np.float64)


def graph(nodes, inputs, outputs, constants=(), metadata=()):
    """Bytes of an ONNX model of nodes, (name, type, shape) inputs and outputs, and named arrays."""
    import onnx

    values = [
        [onnx.helper.make_tensor_value_info(*one) for one in side] for side in (inputs, outputs)
    ]
    arrays = [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in dict(constants).items()]
    made = onnx.helper.make_graph(nodes, "g", *values, initializer=arrays)
    model = onnx.helper.make_model(
        made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.helper.set_model_props(model, dict(metadata))
    return model.SerializeToString()


def linear(shape, width, n_classes=3, *, softmax=False, metadata=(), seed=0):
    """Bytes of an ONNX model that flattens its input of a shape and multiplies it by weights."""
    import onnx

    weights = np.random.default_rng(seed).normal(size=(width, n_classes)).astype(np.float32)
    node = onnx.helper.make_node
    nodes = [node("Flatten", ["x"], ["flat"]), node("MatMul", ["flat", "w"], ["z"])]
    if softmax:
        nodes.append(node("Softmax", ["z"], ["y"], axis=1))
    output = "y" if softmax else "z"
    return graph(
        nodes,
        [("x", onnx.TensorProto.FLOAT, shape)],
        [(output, onnx.TensorProto.FLOAT, [None, n_classes])],
        {"w": weights},
        metadata,
    )


def _schema():
    import ai_edge_litert.schema_py_generated

    return ai_edge_litert.schema_py_generated


def _tensor(name, shape, buffer, kind, scale=None, zero_point=0):
    schema = _schema()
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name, list(shape), buffer, kind
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
    return tensor


def _operator(code, inputs, options_type=0, options=None):
    operator = _schema().OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, [inputs[-1] + 1]
    operator.builtinOptionsType, operator.builtinOptions = options_type, options
    return operator


def tflite(weights=WEIGHTS, *, quantised=False, softmax=False, rows=1):
    """Bytes of a network of one fully connected layer and, if wanted, a softmax."""
    import flatbuffers

    schema = _schema()
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
