# SPDX-License-Identifier: BSD-3-Clause
"""An ONNX model is looked through before a runtime sees it; nothing of it is run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

__all__ = ["check_onnx"]

_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_MOST_NODES = 1_000_000
# Above this many numbers a constant is weights, and below it may be a shape.
_SMALL = 1024


def check_onnx(data: bytes, max_bytes: int, *, may_loop: bool) -> None:
    """Refuse a model that reads other files, brings its own operators, or asks for too much.

    Parameters
    ----------
    data : bytes
    max_bytes : int
        The largest array that the graph may declare, or make of constants.
    may_loop : bool
        Whether ``Loop`` is allowed, which may never end.

    Raises
    ------
    ValueError
        With what is wrong.
    ImportError
        If the package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "to look through an ONNX file before it is opened, install onnx: "
            'pip install "skzest[onnx]".'
        ) from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own class
        raise ValueError(f"it is not a whole ONNX model ({error}).") from error
    constants: dict[str, np.ndarray] = {}
    n_nodes = 0
    for graph in _graphs(model):
        for tensor in _tensors(graph):
            _check_tensor(tensor, max_bytes)
            if math.prod(tensor.dims) <= _SMALL and tensor.name:
                constants[tensor.name] = onnx.numpy_helper.to_array(tensor)
        for value in (*_values(graph, "input"), *_values(graph, "output")):
            _check_declared(value, max_bytes)
        for node in graph.node:
            n_nodes += 1
            _check_operator(node, may_loop)
            if node.op_type == "Constant":
                _note_constant(node, constants)
    if n_nodes > _MOST_NODES:
        raise ValueError(f"its graph has {n_nodes:,} nodes.")
    for graph in _graphs(model):
        for node in graph.node:
            _check_growth(node, constants, max_bytes)
    _check_inferred(model, max_bytes)


def _graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The graph of a model, those inside its nodes, and its functions, which have nodes as well."""
    waiting = [model.graph, *model.functions]
    for training in model.training_info:
        waiting += [training.initialization, training.algorithm]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _values(graph: GraphProto, side: str) -> list[ValueInfoProto]:
    """Declared inputs or outputs; those of a function are names only."""
    return [value for value in getattr(graph, side) if hasattr(value, "type")]


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """All arrays that a graph holds itself, dense ones and the values of sparse ones."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else []
            yield from attribute.tensors
            single = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for sparse in (*attribute.sparse_tensors, *single):
                yield from (sparse.values, sparse.indices)


def _check_tensor(tensor: TensorProto, max_bytes: int) -> None:
    import onnx

    name = tensor.name[:80]
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        places = [entry.value for entry in tensor.external_data if entry.key == "location"]
        raise ValueError(
            f"its array {name!r} lies in another file, {str(places)[:120]}. Save the model as one "
            "file: onnx.save(onnx.load(path), other)."
        )
    if any(dim < 0 for dim in tensor.dims):
        raise ValueError(f"its array {name!r} has the shape {list(tensor.dims)}.")
    n_numbers = math.prod(tensor.dims)
    if tensor.data_type not in onnx.TensorProto.DataType.values() or not tensor.data_type:
        raise ValueError(f"its array {name!r} has the unknown data type {tensor.data_type}.")
    if n_numbers > max_bytes:
        raise ValueError(f"its array {name!r} has the shape {list(tensor.dims)}, above max_bytes.")
    _check_length(tensor, n_numbers)


def _check_length(tensor: TensorProto, n_numbers: int) -> None:
    """Refuse an array whose shape and data do not go together."""
    import onnx

    if tensor.data_type == onnx.TensorProto.STRING:
        held, wanted = len(tensor.string_data), n_numbers
    elif tensor.HasField("raw_data"):
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        bits = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}.get(name)
        if bits is None:
            bits = 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        held, wanted = len(tensor.raw_data), -(-n_numbers * bits // 8)
    else:
        lists = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
        held, wanted = max(len(getattr(tensor, name)) for name in lists), n_numbers
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        if name.startswith("COMPLEX"):
            wanted *= 2
        elif name.endswith(("INT4", "E2M1", "INT2")):
            wanted = held  # packed in several ways, which the runtime checks
    if held != wanted:
        raise ValueError(
            f"its array {tensor.name[:80]!r} has the shape {list(tensor.dims)}, for which it holds "
            f"{held:,} values or bytes in place of {wanted:,}."
        )


def _dims(value: ValueInfoProto) -> list[int]:
    """Lengths of the axes of a declared value; an axis without one counts once."""
    shape = value.type.tensor_type.shape
    return [dim.dim_value for dim in shape.dim if dim.HasField("dim_value")]


def _check_declared(value: ValueInfoProto, max_bytes: int) -> None:
    dims = _dims(value)
    if any(dim < 0 for dim in dims) or math.prod(dims) * 4 > max_bytes:
        raise ValueError(
            f"it declares {value.name[:80]!r} with the shape {dims}, which is more than "
            f"max_bytes={max_bytes:,} allows."
        )


def _check_operator(node: NodeProto, may_loop: bool) -> None:
    if node.domain not in _DOMAINS:
        raise ValueError(
            f"it uses the operator {node.op_type[:80]!r} of the domain {node.domain[:80]!r}, and "
            "only those of ai.onnx and ai.onnx.ml are known not to run code of their own. If you "
            "trust whoever made it, pass trust=True."
        )
    if node.op_type == "Loop" and not may_loop:
        raise ValueError(
            "it has a Loop, which may never end; pass isolated=True, so that it is stopped "
            "after limits.seconds."
        )


def _note_constant(node: NodeProto, constants: dict[str, np.ndarray]) -> None:
    import onnx

    for attribute in node.attribute:
        if attribute.name == "value" and math.prod(attribute.t.dims) <= _SMALL:
            constants[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
        elif attribute.name in ("value_ints", "value_int") and len(attribute.ints) <= _SMALL:
            constants[node.output[0]] = np.array(attribute.ints or [attribute.i])


def _check_growth(node: NodeProto, constants: dict[str, np.ndarray], max_bytes: int) -> None:
    """Refuse a node that makes a large array of small constants."""

    def constant(position: int) -> list[float]:
        found = constants.get(node.input[position]) if position < len(node.input) else None
        numeric = found is not None and found.dtype.kind in "iuf"
        return [float(x) for x in found.ravel()] if found is not None and numeric else []

    kind, n_numbers = node.op_type, 0.0
    if kind == "ConstantOfShape":
        n_numbers = math.prod(constant(0))
    elif kind in ("Expand", "Tile"):
        n_numbers = math.prod(abs(x) for x in constant(1))
    elif kind in ("Resize", "Upsample"):
        n_numbers = max(math.prod(constant(i)) if constant(i) else 0 for i in (1, 2, 3))
    elif kind in ("OneHot", "Pad"):
        n_numbers = max(constant(1), default=0)
    elif kind == "Range" and all(constant(i) for i in range(3)) and constant(2)[0]:
        n_numbers = (constant(1)[0] - constant(0)[0]) / constant(2)[0]
    elif kind in ("RandomNormal", "RandomUniform"):
        n_numbers = math.prod(x for a in node.attribute if a.name == "shape" for x in a.ints)
    if not n_numbers * 4 <= max_bytes:
        raise ValueError(
            f"its {kind} makes an array of {4 * n_numbers:.3g} bytes or more, above "
            f"max_bytes={max_bytes:,}."
        )


def _check_inferred(model: ModelProto, max_bytes: int) -> None:
    """Refuse a model with a large array anywhere between its inputs and outputs."""
    import onnx

    for tensor in model.graph.initializer:  # weights are not needed for shapes
        if math.prod(tensor.dims) > _SMALL:
            for name in ("raw_data", "float_data", "double_data", "int32_data", "int64_data"):
                tensor.ClearField(name)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # what cannot be inferred is for the runtime to refuse
        return
    for value in inferred.graph.value_info:
        _check_declared(value, max_bytes)
