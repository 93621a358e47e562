# SPDX-License-Identifier: BSD-3-Clause
"""The child process: opens one model, holds itself to limits, and answers batch after batch.

Requests are lines of JSON on standard input; their arrays lie in a file that both processes have.
Answers are lines of JSON on standard output, each followed by the bytes of its array: nothing
that comes from here is unpickled by the parent.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ..queries import Query, as_numpy
from ._kinds import kind_of
from ._limits import Limits
from ._open import Opening, open_bytes

__all__ = ["serve"]

# Imported before memory is limited, as they reserve more than they use.
_LIBRARIES = {
    "onnx": ("onnx", "onnxruntime"),
    "tflite": ("ai_edge_litert.interpreter",),
    "skops": ("skops.io",),
    "safetensors": ("safetensors.torch",),
    "torch": ("torch",),
    "torchscript": ("torch",),
    "torch export": ("torch",),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    "catboost": ("catboost",),
    "keras": ("keras",),
    "hdf5": ("keras",),
}


def serve() -> None:
    """Answer requests until the parent closes the pipe."""
    # Libraries print to standard output, so answers go through a handle of their own.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    server: Server | None = None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            if server is None:
                server = Server(request)
                _reply(answers, {})
            elif "output" not in request:
                _reply(answers, server.open())
            else:
                _reply(answers, *server.answer(request))
        except BaseException as error:  # the parent says what it was, in its own words
            kind, text = type(error).__name__, str(error)
            _reply(answers, {"error": kind, "text": text[:2000]})


def _reply(stream: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    stream.write(json.dumps({**head, "n_bytes": len(body)}).encode() + b"\n" + body)
    stream.flush()


class Server:
    """A model file and what it is opened with."""

    def __init__(self, request: dict[str, Any]):
        self.path = request["path"]
        with open(self.path, "rb") as file:
            self.data = file.read(request["n_data"])
            self.opening: Opening = pickle.loads(file.read(request["n_opening"]))
        self.limits = Limits(**request["limits"])
        for library in _LIBRARIES.get(kind_of(self.data) or "", ()):
            _import(library)

    def open(self) -> dict[str, Any]:
        """Open the model within limits, and say what the parent must know to stand for it."""
        self.limits.hold_memory()
        self.limits.hold_processor()
        self.query: Query = open_bytes(self.data, self.opening)
        self.query.session().__enter__()
        classes = self.query.classes_
        return {
            "outputs": self.query.outputs,
            "classes": None if classes is None else classes.tolist(),
            "rounding": float(self.query.rounding),
            "model": repr(self.query)[:200],
        }

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer to one batch, which lies in the shared file."""
        self.limits.hold_processor()
        batch = self._batch(request)
        output, space = request["output"], self.query.space
        if isinstance(batch, np.ndarray) and batch.dtype.kind != "O":
            batch = space.asarray(batch)
        scores = as_numpy(space.to_numpy(self.query.ask(batch, output)))
        if scores.dtype.kind not in "iufb":
            return {"shape": scores.shape, "labels": scores.ravel().tolist()}, b""
        scores = np.ascontiguousarray(scores)
        return {"shape": scores.shape, "dtype": scores.dtype.str}, scores.tobytes()

    def _batch(self, request: dict[str, Any]) -> Any:
        if "dtype" not in request:
            with open(self.path, "rb") as file:
                return pickle.loads(file.read(request["n_data"]))
        shape, dtype = tuple(request["shape"]), np.dtype(request["dtype"])
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(self.path, dtype, mode="r", shape=shape).view(np.ndarray)


def _import(name: str) -> None:
    load: Callable[[str], Any] = __import__
    try:
        load(name)
    except ImportError:  # said, with a remedy, when the model is opened
        return
