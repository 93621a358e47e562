# SPDX-License-Identifier: BSD-3-Clause
"""Hostile and broken model files, by name: functions of a folder that give a path or bytes."""

import bz2
import functools
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
from model_files import graph, linear, tflite


class Marked:
    """Unpickling this writes a file: proof that code was run."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def marker(folder):
    return folder / "executed"


def pickled(folder, protocol=4):
    return pickle.dumps(Marked(marker(folder)), protocol=protocol)


def named(name, build):
    """A file of some name, whatever it holds."""

    def write(folder):
        path = folder / name
        path.write_bytes(build(folder))
        return path

    return write


# --- ONNX --------------------------------------------------------------------------------------


def _onnx():
    import onnx

    return onnx


def _node(*args, **attributes):
    return _onnx().helper.make_node(*args, **attributes)


def _float():
    return _onnx().TensorProto.FLOAT


def small_graph(nodes, constants=(), **changes):
    """A model of one input ``x`` of four numbers and one output ``y``."""
    inputs = [("x", _float(), changes.get("x", [None, 4]))]
    return graph(nodes, inputs, [("y", _float(), changes.get("y", [None, 4]))], constants)


def _edited(edit, data=None):
    model = _onnx().load_model_from_string(data or linear([None, 4], 4))
    edit(model)
    return model.SerializeToString()


def _outside(tensor, location):
    tensor.ClearField("raw_data")
    tensor.data_location = _onnx().TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location


def external(location):
    """Weights in a file elsewhere; the file exists, so a runtime that followed would succeed."""

    def write(folder):
        secret = np.ones(12, dtype=np.float32).tobytes()
        (folder / "secret.bin").write_bytes(secret)
        (folder.parent / "secret.bin").write_bytes(secret)
        if not (folder / "link.bin").exists():
            (folder / "link.bin").symlink_to(folder / "secret.bin")
        place = location.replace("FOLDER", str(folder))
        path = folder / "model.onnx"
        path.write_bytes(_edited(lambda m: _outside(m.graph.initializer[0], place)))
        return path

    return write


def external_in_constant(folder):
    tensor = _onnx().numpy_helper.from_array(np.ones(4, np.float32), "c")
    _outside(tensor, "/etc/hostname")
    nodes = [_node("Constant", [], ["c"], value=tensor), _node("Add", ["x", "c"], ["y"])]
    return small_graph(nodes)


def external_without_location(folder):
    def edit(model):
        entry = model.graph.initializer[0].external_data.add()
        entry.key, entry.value = "location", "/etc/hostname"

    return _edited(edit)


def _branch(nodes, initializers=()):
    helper = _onnx().helper
    out = helper.make_tensor_value_info("b", _float(), None)
    return helper.make_graph(nodes, "branch", [], [out], list(initializers))


def _choice(branch):
    condition = {"yes": np.array(True)}
    return small_graph(
        [_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)], condition
    )


def external_in_branch(folder):
    tensor = _onnx().numpy_helper.from_array(np.ones(4, np.float32), "w")
    _outside(tensor, "../secret.bin")
    return _choice(_branch([_node("Add", ["x", "w"], ["b"])], [tensor]))


def foreign_operator(domain, where="graph"):
    def build(folder):
        node = _node("Run", ["x"], ["b" if where == "branch" else "y"], domain=domain)
        if where == "branch":
            return _choice(_branch([node]))
        if where == "function":
            helper = _onnx().helper
            model = _onnx().load_model_from_string(small_graph([_node("Relu", ["x"], ["y"])]))
            opsets = [helper.make_opsetid(domain, 1)]
            model.functions.append(
                helper.make_function("ai.onnx", "F", ["x"], ["y"], [node], opsets)
            )
            return model.SerializeToString()
        return small_graph([node])

    return build


def _shape(*dims):
    return np.array(dims, dtype=np.int64)


BOMBS = {
    "constant of shape": lambda: (
        [_node("ConstantOfShape", ["s"], ["c"]), _node("ReduceMax", ["c"], ["y"])],
        {"s": _shape(33_000, 33_000)},
    ),
    "constant of shape in a node": lambda: (
        [
            _node("Constant", [], ["s"], value_ints=[2**20, 2**20]),
            _node("ConstantOfShape", ["s"], ["c"]),
            _node("ReduceMax", ["c"], ["y"]),
        ],
        {},
    ),
    "expand": lambda: (
        [_node("Expand", ["x", "s"], ["e"]), _node("ReduceMax", ["e"], ["y"])],
        {"s": _shape(100_000, 100_000, 1, 4)},
    ),
    "tile": lambda: (
        [_node("Tile", ["x", "s"], ["e"]), _node("ReduceMax", ["e"], ["y"])],
        {"s": _shape(2**20, 2**20)},
    ),
    "range": lambda: (
        [
            _node("Range", ["a", "b", "c"], ["r"]),
            _node("Cast", ["r"], ["f"], to=_float()),
            _node("ReduceMax", ["f"], ["y"]),
        ],
        {"a": np.int64(0), "b": np.int64(2**40), "c": np.int64(1)},
    ),
    "random normal": lambda: (
        [
            _node("RandomNormal", [], ["r"], shape=[2**20, 2**20]),
            _node("ReduceMax", ["r"], ["y"]),
        ],
        {},
    ),
    "one hot": lambda: (
        [
            _node("OneHot", ["i", "d", "v"], ["o"]),
            _node("ReduceMax", ["o"], ["y"]),
        ],
        {"i": _shape(1, 2), "d": _shape(2**40), "v": np.array([0, 1], np.float32)},
    ),
    "resize": lambda: (
        [
            _node("Reshape", ["x", "four"], ["i"]),
            _node("Resize", ["i", "", "", "s"], ["r"]),
            _node("ReduceMax", ["r"], ["y"]),
        ],
        {"four": _shape(-1, 1, 2, 2), "s": _shape(1, 1, 2**20, 2**20)},
    ),
    "pad": lambda: (
        [_node("Pad", ["x", "p"], ["r"]), _node("ReduceMax", ["r"], ["y"])],
        {"p": _shape(0, 0, 2**40, 0)},
    ),
    "doubling": lambda: (
        [
            *[_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(40)],
            _node("ReduceMax", ["c40"], ["m"]),
            _node("Add", ["x", "m"], ["y"]),
        ],
        {"c0": np.ones((1, 4), np.float32)},
    ),
}


def bomb(name):
    return lambda folder: small_graph(*BOMBS[name]())


def declared(**shapes):
    return lambda folder: small_graph([_node("Relu", ["x"], ["y"])], **shapes)


def loop(grows=False, nested=False):
    """A loop that never ends, or that doubles an array in each turn."""

    def build(folder):
        onnx = _onnx()
        helper, kinds = onnx.helper, onnx.TensorProto
        if grows:
            body = [
                _node("Identity", ["go"], ["go_on"]),
                _node("Concat", ["v", "v"], ["w"], axis=0),
            ]
        else:
            body = [_node("Identity", ["go"], ["go_on"]), _node("Sin", ["v"], ["w"])]
        inner = helper.make_graph(
            body,
            "body",
            [
                helper.make_tensor_value_info("i", kinds.INT64, []),
                helper.make_tensor_value_info("go", kinds.BOOL, []),
                helper.make_tensor_value_info("v", kinds.FLOAT, None),
            ],
            [
                helper.make_tensor_value_info("go_on", kinds.BOOL, []),
                helper.make_tensor_value_info("w", kinds.FLOAT, None),
            ],
        )
        turning = _node("Loop", ["", "yes", "x"], ["b" if nested else "z"], body=inner)
        if nested:
            return _choice(_branch([turning]))
        last = _node("ReduceMax", ["z"], ["y"], axes=[0])
        return small_graph([turning, last], {"yes": np.array(True)})

    return build


def lying_array(dims, dtype=None):
    def edit(model):
        array = model.graph.initializer[0]
        del array.dims[:]
        array.dims.extend(dims)
        if dtype is not None:
            array.data_type = dtype

    return lambda folder: _edited(edit)


def lying_strings(folder):
    tensor = _onnx().numpy_helper.from_array(np.array(["a", "b"], dtype=object), "words")
    tensor.dims[0] = 2**40
    return _edited(lambda model: model.graph.initializer.append(tensor))


def cut(share, build=lambda: linear([None, 4], 4)):
    return lambda folder: build()[: int(len(build()) * share)]


def lying_length(folder):
    data = bytearray(linear([None, 4], 4))
    at = data.index(b"\x3a")  # field 7, the graph: its length follows
    data[at + 1 : at + 2] = b"\xff\xff\xff\xff\x7f"
    return bytes(data)


def nested_branches(folder):
    """Graphs in attributes of nodes of graphs, far deeper than any writer would go."""

    def wrapped(field, content):
        length, size = len(content), b""
        while length >= 128:
            size, length = size + bytes([length % 128 + 128]), length // 128
        return bytes([field << 3 | 2]) + size + bytes([length]) + content

    inner = b""
    for _ in range(5_000):
        inner = wrapped(1, wrapped(5, wrapped(6, inner)))
    return b"\x08\x08" + wrapped(7, inner)


def circle(folder):
    return small_graph([_node("Add", ["x", "b"], ["a"]), _node("Relu", ["a"], ["b"])])


def growth_by_data(folder):
    """Asks for as much memory as its input says, which no look at the graph can see."""
    nodes = [
        _node("ReduceMax", ["x"], ["m"], keepdims=0),
        _node("Mul", ["m", "big"], ["n"]),
        _node("Cast", ["n"], ["i"], to=_onnx().TensorProto.INT64),
        _node("Reshape", ["i", "one"], ["s"]),
        _node("ConstantOfShape", ["s"], ["c"]),
        _node("ReduceMax", ["c"], ["z"], keepdims=0),
        _node("Add", ["x", "z"], ["y"]),
    ]
    return small_graph(nodes, {"big": np.float32(1e9), "one": _shape(1)})


# --- TensorFlow Lite -----------------------------------------------------------------------------


def flipped(at, value):
    def build(folder):
        data = bytearray(tflite())
        data[at : at + len(value)] = value
        return bytes(data)

    return build


def _huge_tensor(folder):
    return tflite(np.ones((3, 4)), rows=2**30)


def _custom_operator(folder):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite(), 0))
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "RunShell"
    return _packed(model)


def _packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _wrong_index(folder):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite(), 0))
    model.subgraphs[0].operators[0].inputs = [1, 10**6, -1]
    return _packed(model)


def _short_buffer(folder):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite(), 0))
    model.buffers[1].data = model.buffers[1].data[:3]
    return _packed(model)


# --- archives ------------------------------------------------------------------------------------


def archive(members, **options):
    def build(folder):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", **options) as made:
            for name, content in members:
                data = content(folder) if callable(content) else content
                made.writestr(name, data)
        return stream.getvalue()

    return build


def object_array(folder):
    stream = io.BytesIO()
    np.save(stream, np.array([Marked(marker(folder))], dtype=object), allow_pickle=True)
    return stream.getvalue()


@functools.lru_cache
def _forest():
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    X = np.random.default_rng(0).normal(size=(40, 4))
    model = RandomForestClassifier(2, random_state=0).fit(X, X[:, 0] > 0)
    return skops.io.dumps(model)


def skops_file(edit_schema=None, edit_member=None, extra=()):
    """A file of a forest, with its schema or its arrays tampered with."""

    def build(folder):
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(_forest())) as old, zipfile.ZipFile(stream, "w") as new:
            schema = json.loads(old.read("schema.json"))
            for name in old.namelist():
                data = old.read(name)
                if name == "schema.json":
                    data = json.dumps(edit_schema(schema) if edit_schema else schema).encode()
                elif edit_member:
                    data = edit_member(data)
                new.writestr(name, data)
            for name, data in extra:
                new.writestr(name, data)
        return stream.getvalue()

    return build


def tampered_nodes(**changes):
    """A change of the arrays of nodes that decision trees are built of."""

    def edit(data):
        if data[:6] != b"\x93NUMPY":
            return data
        array = np.load(io.BytesIO(data), allow_pickle=False)
        if array.dtype.names is None or "left_child" not in array.dtype.names:
            return data
        for name, value in changes.items():
            array[name][array["left_child"] != -1] = value
        stream = io.BytesIO()
        np.save(stream, array)
        return stream.getvalue()

    return edit


def _other_type(schema):
    schema["__class__"], schema["__module__"] = "system", "posix"
    schema["__loader__"] = "FunctionNode"
    schema["content"] = {"module_path": "posix", "function": "system"}
    return schema


def _unknown_loader(schema):
    return {**schema, "__loader__": "EvilNode"}


def _circle(schema):
    return {**schema, "content": {"__loader__": "CachedNode", "__id__": schema["__id__"]}}


def _deep(schema):
    for _ in range(400):
        schema = {"__loader__": "DictNode", "content": schema}
    return schema


def _lying_file(schema):
    return {**schema, "file": "../../etc/passwd"}


# --- safetensors ---------------------------------------------------------------------------------


def safetensors(header, payload=b"\0" * 64, length=None):
    def build(folder):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        data = payload(folder) if callable(payload) else payload
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    return build


def _entry(shape=(2, 4), offsets=(0, 32), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


WHOLE = {"weight": _entry(), "bias": _entry((2,), (32, 40))}


# --- random damage -------------------------------------------------------------------------------


def damaged(data, seed):
    """The same bytes, but for one to four of them."""
    rng, data = np.random.default_rng(seed), bytearray(data)
    for _ in range(rng.integers(1, 5)):
        data[rng.integers(len(data))] = rng.choice([0, 255, rng.integers(256)])
    return bytes(data)


# --- boosters ------------------------------------------------------------------------------------


def boosted(library, folder):
    """A file of a small native model, in the format of its library."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    if library == "lightgbm":
        import lightgbm

        params = {"objective": "binary", "verbose": -1, "num_threads": 1}
        return lightgbm.train(params, lightgbm.Dataset(X, y), 3).model_to_string().encode()
    if library == "xgboost":
        import xgboost

        params = {"objective": "binary:logistic", "nthread": 1}
        return bytes(xgboost.train(params, xgboost.DMatrix(X, y), 3).save_raw("json"))
    import catboost

    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoost({"loss_function": "Logloss", "iterations": 3, **quiet}).fit(X, y)
    model.save_model(str(folder / "m.cbm"))
    return (folder / "m.cbm").read_bytes()


def damaged_booster(library, data):
    """The same with a node that leads outside, or with its end cut off."""
    if library == "lightgbm":
        return data.replace(b"left_child=", b"left_child=999999 ", 1)
    if library == "xgboost":
        model = json.loads(data)
        tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
        tree["left_children"] = [10**6 for _ in tree["left_children"]]
        return json.dumps(model).encode()
    return data[: len(data) // 2]


# --- the set -------------------------------------------------------------------------------------

# Refused before a runtime sees them.
ONNX = {
    **{
        f"external data, {name}": external(place)
        for name, place in {
            "relative": "secret.bin",
            "relative, upwards": "../secret.bin",
            "absolute": "FOLDER/secret.bin",
            "linked": "link.bin",
            "of the system": "/etc/passwd",
        }.items()
    },
    "external data in a constant": external_in_constant,
    "external data in a branch": external_in_branch,
    "external data, half declared": external_without_location,
    "operator of the runtime's own": foreign_operator("com.microsoft"),
    "operator of a stranger": foreign_operator("evil"),
    "operator of a stranger in a branch": foreign_operator("evil", "branch"),
    "operator of a stranger in a function": foreign_operator("evil", "function"),
    **{f"memory bomb, {name}": bomb(name) for name in BOMBS},
    "huge input": declared(x=[2**20, 2**20]),
    "huge output": declared(y=[2**20, 2**20]),
    "loop without an end": loop(),
    "loop in a branch": loop(nested=True),
    "array larger than its data": lying_array([2**16, 2**16]),
    "array smaller than its data": lying_array([2, 2]),
    "array of a size that overflows": lying_array([2**62, 2**62]),
    "array of negative size": lying_array([-4, -3]),
    "array of an unknown type": lying_array([4, 3], 9999),
    "more strings than there are": lying_strings,
    "cut at a quarter": cut(0.25),
    "cut in the middle": cut(0.5),
    "cut before the end": cut(0.98),
    "lying length": lying_length,
    "branches in branches": nested_branches,
    "circle": circle,
    "noise that begins as a model does": lambda folder: b"\x08\x08" + bytes(range(200)),
}
LITERT = {
    "cut at a quarter": cut(0.25, tflite),
    "cut in the middle": cut(0.5, tflite),
    "cut before the end": cut(0.98, tflite),
    "root beyond the end": flipped(0, b"\xff\xff\xff\x7f"),
    "root in itself": flipped(0, b"\x04\0\0\0"),
    "huge tensor": _huge_tensor,
    "custom operator": _custom_operator,
    "operator on a tensor that is not there": _wrong_index,
    "weights that are too short": _short_buffer,
    "only the mark": lambda folder: b"\x1c\0\0\0TFL3",
    "pickle with the mark": lambda folder: b"(V\n0TFL3\n0" + pickled(folder, 0),
}
PICKLES = {
    **{
        f"pickle named {name}": named(name, pickled)
        for name in ("m.onnx", "m.tflite", "m.skops", "m.safetensors", "m.npz", "m.txt", "m.pkl")
    },
    **{
        f"pickle of protocol {protocol}": functools.partial(pickled, protocol=protocol)
        for protocol in (0, 1, 2, 3, 5)
    },
    **{
        f"pickle in {kind.__name__}": (lambda folder, kind=kind: kind.compress(pickled(folder)))
        for kind in (gzip, zlib, bz2, lzma)
    },
    "archive of torch": archive([("m/data.pkl", pickled), ("m/version", b"3")]),
    "TorchScript": archive([("m/data.pkl", pickled), ("m/code/__torch__.py", b"import os")]),
    "exported torch program": archive([("serialized_exported_program.json", b"{}")]),
    "Keras archive": archive([("config.json", b"{}"), ("model.weights.h5", b"")]),
    "HDF5": lambda folder: b"\x89HDF\r\n\x1a\n" + b"\0" * 64,
    "archive of a pickle": archive([("model.pkl", pickled)]),
    "archive of an archive": archive([("inner.zip", archive([("model.pkl", pickled)]))]),
    "npz of objects": archive([("a.npy", object_array)]),
    "array of objects": object_array,
}
ARCHIVES = {
    "zip bomb": archive([("schema.json", b" " * 2**25)], compression=zipfile.ZIP_DEFLATED),
    "member that leads outside": skops_file(extra=[("../../evil", b"x")]),
    "member with an absolute path": skops_file(extra=[("/tmp/evil", b"x")]),
    "member with a drive": skops_file(extra=[("C:\\evil", b"x")]),
    "archive cut in the middle": lambda folder: _forest()[: len(_forest()) // 2],
    "archive of nothing": archive([]),
    "schema that is not JSON": archive([("schema.json", b"{" * 100)]),
    "schema that is a list": archive([("schema.json", b"[]")]),
    "schema nested deeply": archive([("schema.json", b"[" * 10**5 + b"]" * 10**5)]),
    "schema of objects in objects": skops_file(_deep),
    "type that runs a program": skops_file(_other_type),
    "loader that does not exist": skops_file(_unknown_loader),
    "object in itself": skops_file(_circle),
    "array in another file": skops_file(_lying_file),
    "tree that leads outside": skops_file(edit_member=tampered_nodes(left_child=10**6)),
    "tree in a circle": skops_file(edit_member=tampered_nodes(left_child=0)),
    "tree of negative indices": skops_file(edit_member=tampered_nodes(right_child=-7)),
    "tree that asks beyond its features": skops_file(edit_member=tampered_nodes(feature=10**6)),
}
SAFETENSORS = {
    "length beyond the file": safetensors(WHOLE, length=2**60),
    "length of nothing": safetensors(WHOLE, length=0),
    "header that is not JSON": safetensors(b"{not json}"),
    "cut": lambda folder: safetensors(WHOLE, b"\0" * 40)(folder)[:-20],
    "offsets beyond the file": safetensors({"weight": _entry(offsets=(0, 2**40))}),
    "offsets that run backwards": safetensors({"weight": _entry(offsets=(32, 0))}),
    "offsets that overlap": safetensors({**WHOLE, "bias": _entry((2,), (0, 8))}),
    "shape that overflows": safetensors({"weight": _entry((2**62, 2**62))}),
    "unknown type": safetensors({"weight": _entry(dtype="PICKLE")}),
    "pickle for weights": safetensors({"w": _entry((1,), (0, 4))}, pickled),
    "other weights": safetensors({"strange": _entry()}, b"\0" * 32),
}
