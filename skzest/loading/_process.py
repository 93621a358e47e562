# SPDX-License-Identifier: BSD-3-Clause
"""One child process from its start to its end, as the parent sees it."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import QueryError
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
    def is_usable(self) -> bool:
        """Whether it runs, and belongs to this process."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, X: Any, output: str) -> np.ndarray:
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
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._clock(seconds):
            try:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline(_MOST_LINE)
                head = json.loads(line) if line.endswith(b"\n") else None
                n_bytes = int(head["n_bytes"]) if isinstance(head, dict) else -1
                body = self._process.stdout.read(n_bytes) if 0 < n_bytes < _MOST_ANSWER else b""
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                head, n_bytes, body = None, -1, b""
        if not isinstance(head, dict) or len(body) != n_bytes:
            raise QueryError(f"{self.name}: {self._end_of_child(doing)}")
        if "error" in head:
            raise self._error(str(head["error"]), str(head.get("text", "")))
        return head, body

    @contextmanager
    def _clock(self, seconds: float) -> Iterator[None]:
        def stop() -> None:
            self._timed_out = True
            self._process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BaseException:  # an interrupt between request and answer leaves them out of step
            self.close()
            raise
        finally:
            timer.cancel()

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
