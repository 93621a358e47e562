# SPDX-License-Identifier: BSD-3-Clause
"""One child process from its start to its end, as the parent sees it."""

from __future__ import annotations

import json
import math
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import QueryError
from ..queries import Inputs
from ._limits import Limits
from ._open import Opening

__all__ = ["Child"]

# Not `-m`: the parent's module search path comes as arguments, whatever made it.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from skzest.loading._child import serve; serve()"
)
# Importing the libraries takes this long at most, on a machine that is busy.
_START_SECONDS = 120.0
_MOST_LINE = 2**24
_MOST_ANSWER = 2**32
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (ImportError, NotImplementedError, TypeError, ValueError)
}
_ERRORS["ModuleNotFoundError"] = ImportError


class Child:
    """A child process with a model in it.

    Parameters
    ----------
    data : bytes
        The model file.
    opening : Opening
    limits : Limits
    name : str
        How errors name the model.
    """

    def __init__(self, data: bytes, opening: Opening, limits: Limits, name: str):
        self.limits, self.name = limits, name
        shared = Path("/dev/shm")
        folder = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="skzest-", dir=folder)
        self._path = Path(self._folder.name, "batch")
        self._timed_out = False
        self._owner = os.getpid()
        packed = pickle.dumps(opening)
        self._write(data, packed)
        self._process = self._started()
        self._finalizer = weakref.finalize(self, _end, self._process, self._folder)
        request = {
            "path": str(self._path),
            "n_data": len(data),
            "n_opening": len(packed),
            "limits": asdict(limits),
        }
        try:
            self._request(request, _START_SECONDS, "started")
            self.description, _ = self._request({}, limits.seconds, "opened")
        except BaseException:
            self.close()
            raise

    def _started(self) -> subprocess.Popen[bytes]:
        paths = [path or os.getcwd() for path in sys.path]
        # Few arenas of memory: each reserves address space, which is limited.
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,  # runtimes look for files beside the working directory
            env=environment,
        )

    def _write(self, *parts: bytes | memoryview) -> None:
        # Not mapped: if the child shortened the file, a mapping would kill this process.
        with open(self._path, "r+b" if self._path.exists() else "w+b") as file:
            for part in parts:
                file.write(part)

    # --- asking ---------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it runs, and belongs to this process."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """The answer to one batch.

        Raises
        ------
        QueryError
            If the child crashes, exceeds a limit, or answers falsely.
        """
        request: dict[str, Any] = {"output": output}
        if isinstance(X, np.ndarray) and X.dtype.kind in "iufb":
            X = np.ascontiguousarray(X)
            request |= {"shape": X.shape, "dtype": X.dtype.str}
            self._write(memoryview(X.reshape(-1).view(np.uint8)))
        else:
            packed = pickle.dumps(X)
            request["n_data"] = len(packed)
            self._write(packed)
        head, body = self._request(request, self.limits.seconds, "asked")
        return self._array(head, body)

    def _array(self, head: dict[str, Any], body: bytes) -> np.ndarray:
        try:
            shape = tuple(map(int, head["shape"]))
            if "labels" in head:
                return np.array(head["labels"]).reshape(shape)
            dtype = np.dtype(str(head["dtype"]))
            if dtype.kind not in "iufb" or math.prod(shape) * dtype.itemsize != len(body):
                raise ValueError(f"{len(body)} bytes for {shape}")
            return np.frombuffer(body, dtype).reshape(shape).copy()
        except (KeyError, TypeError, ValueError) as error:
            self.close()
            raise QueryError(f"{self.name}: the child process answered falsely.") from error

    # --- requests ---------------------------------------------------------------------------

    def _request(
        self, request: dict[str, Any], seconds: float, doing: str
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its answer."""
        self._deadline = time.monotonic() + seconds
        try:
            self._send(json.dumps(request).encode() + b"\n")
            line, rest = self._line()
            head = json.loads(line)
            n_bytes = int(head["n_bytes"])
            if not 0 <= n_bytes < _MOST_ANSWER:
                raise ValueError(f"{n_bytes} bytes")
            body = self._bytes(n_bytes, rest)
        except (EOFError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise QueryError(f"{self.name}: {self._end_of_child(doing)}") from error
        except BaseException:  # an interrupt between request and answer leaves them out of step
            self.close()
            raise
        if "error" in head:
            raise self._error(str(head["error"]), str(head.get("text", "")))
        return head, body

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _line(self) -> tuple[bytes, bytes]:
        """The first line of an answer, and what has come of the rest."""
        read = b""
        while b"\n" not in read:
            read += self._read()
            if len(read) > _MOST_LINE:
                raise ValueError("a line without an end")
        line, _, rest = read.partition(b"\n")
        return line, rest

    def _bytes(self, n_bytes: int, rest: bytes) -> bytes:
        pieces, missing = [rest], n_bytes - len(rest)
        while missing > 0:
            pieces.append(self._read())
            missing -= len(pieces[-1])
        if missing:
            raise ValueError(f"{-missing} bytes too many")
        return b"".join(pieces)

    def _read(self) -> bytes:
        """What has come from the child, once something has."""
        assert self._process.stdout is not None
        stream = self._process.stdout.fileno()
        if sys.platform != "win32":  # where only sockets can be waited for
            left = max(self._deadline - time.monotonic(), 0)
            if not select.select([stream], [], [], left)[0]:
                self._timed_out = True
                raise EOFError
        read = os.read(stream, 2**20)
        if not read:
            raise EOFError
        return read

    def _error(self, kind: str, text: str) -> Exception:
        text = "".join(c if c.isprintable() else " " for c in text)
        if kind == "MemoryError" or "bad_alloc" in text or "llocate memory" in text:
            return QueryError(
                f"{self.name}: the child process ran out of its limit of memory, "
                f"{self.limits.memory:,} bytes. Ask smaller batches, or raise limits.memory."
            )
        if kind in _ERRORS:
            return _ERRORS[kind](text)
        return QueryError(text if kind == "QueryError" else f"{self.name}: {kind}: {text}")

    def _end_of_child(self, doing: str) -> str:
        """Why a child no longer answers."""
        self._process.kill()
        code = self._process.wait()
        limits = self.limits
        if self._timed_out:
            return (
                f"the child process took longer than limits.seconds={limits.seconds:g} when it "
                f"was {doing}, and was ended."
            )
        if code == -getattr(signal, "SIGXCPU", 0) != 0:
            return (
                "the child process used more than "
                f"limits.processor_seconds={limits.processor_seconds:g} when it was {doing}."
            )
        if code == -getattr(signal, "SIGABRT", 0) != 0:
            return (
                f"the child process aborted when it was {doing}, as runtimes do that find an error "
                f"or run out of limits.memory={limits.memory:,}."
            )
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"the child process crashed when it was {doing} ({name})."

    def close(self) -> None:
        """End the process."""
        self._finalizer()


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was written last has nobody left to read it
                continue
    folder.cleanup()
