# SPDX-License-Identifier: BSD-3-Clause
"""The Open Inference Protocol (version 2 of KServe's): tensors as JSON, and as bytes beside it.

The binary form is the extension ``binary_tensor_data``: the JSON goes first, its length is in a
header, and the bytes of the tensors follow in order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ._secrets import Headers
from ._service import Damaged

__all__ = ["DATATYPES", "Tensor", "TensorSpec", "decode", "encode", "read_specs"]

DATATYPES = {
    "BOOL": "?",
    **{f"{'U' * (kind == 'u')}INT{8 * n}": f"<{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)},
    **{f"FP{8 * n}": f"<f{n}" for n in (2, 4, 8)},
}
_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class TensorSpec:
    """What a server says about an input or output; -1 in a shape is any number."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A name and its values: numbers, or an object array of bytes under the datatype BYTES."""

    name: str
    values: np.ndarray

    @property
    def datatype(self) -> str | None:
        """The protocol's name of the dtype; None for one that it lacks."""
        if self.values.dtype == object:
            return "BYTES"
        little = self.values.dtype.newbyteorder("<")
        return next((name for name, code in DATATYPES.items() if np.dtype(code) == little), None)


def read_specs(metadata: Mapping[str, object], what: str) -> list[TensorSpec]:
    """The "inputs" or "outputs" of a model's metadata; a server may list none."""
    try:
        listed = metadata.get(what) or []
        return [
            TensorSpec(str(one["name"]), str(one["datatype"]), tuple(map(int, one["shape"])))
            for one in listed  # type: ignore[attr-defined]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"the metadata's {what} cannot be read ({error!r})") from error


# --- requests -------------------------------------------------------------------------------


def encode(
    tensors: Sequence[Tensor], output: str | None, *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request.

    Parameters
    ----------
    tensors : sequence of Tensor
    output : str or None
        The output that is wanted; None takes what the server gives.
    binary : bool
        Whether tensors go, and are to come back, as bytes.
    """
    inputs, chunks = [], []
    for tensor in tensors:
        entry: dict[str, object] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.values.shape),
        }
        if binary:
            chunks.append(_as_bytes(tensor.values))
            entry["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            entry["data"] = _as_list(tensor.values)
        inputs.append(entry)
    request: dict[str, object] = {"inputs": inputs}
    if output is not None:
        parameters = {"parameters": {"binary_data": True}} if binary else {}
        request["outputs"] = [{"name": output, **parameters}]
    elif binary:
        request["parameters"] = {"binary_data_output": True}
    head = json.dumps(request, allow_nan=False).encode()
    if not binary:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", _LENGTH: str(len(head))}
    return b"".join([head, *chunks]), headers


def _as_list(values: np.ndarray) -> list:
    if values.dtype == object:
        return [text.decode() for text in values.ravel()]
    # float32 as the float64 of the same value: its digits bring back the same bits.
    return values.ravel().tolist()


def _as_bytes(values: np.ndarray) -> bytes:
    if values.dtype == object:
        return b"".join(len(text).to_bytes(4, "little") + text for text in values.ravel())
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()


# --- answers --------------------------------------------------------------------------------


def decode(content: bytes, headers: Headers) -> dict[str, np.ndarray]:
    """The outputs in an answer, by name.

    Raises
    ------
    Damaged
        If the answer does not keep the protocol.
    """
    try:
        length = int(headers.get(_LENGTH, len(content)))
        answer, rest = json.loads(content[:length]), memoryview(content)[length:]
        outputs = {}
        for entry in answer["outputs"]:
            size = (entry.get("parameters") or {}).get("binary_data_size")
            if size is None:
                flat = _from_list(entry["data"], entry["datatype"])
            else:
                if not 0 <= size <= len(rest):
                    raise Damaged(f"{size} bytes are announced, and {len(rest)} are there")
                flat = _from_bytes(rest[:size], entry["datatype"])
                rest = rest[size:]
            outputs[entry["name"]] = _shaped(flat, entry["shape"])
        return outputs
    except Damaged:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"it does not keep the protocol ({error!r})") from error


def _from_list(data: list, datatype: str) -> np.ndarray:
    if datatype == "BYTES":
        return np.array(data, dtype=object)
    return np.array(data, dtype=_dtype(datatype))


def _from_bytes(data: memoryview, datatype: str) -> np.ndarray:
    if datatype != "BYTES":
        return np.frombuffer(data, dtype=_dtype(datatype))
    texts = []
    while data:
        size = int.from_bytes(data[:4], "little")
        if 4 + size > len(data):
            raise Damaged("a text is cut off")
        texts.append(bytes(data[4 : 4 + size]).decode())
        data = data[4 + size :]
    return np.array(texts, dtype=object)


def _dtype(datatype: str) -> str:
    if datatype not in DATATYPES:
        raise Damaged(f"an output has the datatype {datatype!r}, which NumPy lacks")
    return DATATYPES[datatype]


def _shaped(flat: np.ndarray, shape: list[int]) -> np.ndarray:
    if flat.size != math.prod(shape):
        raise Damaged(f"an output of shape {shape} has {flat.size} values")
    return flat.reshape(shape)
