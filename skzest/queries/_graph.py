# SPDX-License-Identifier: BSD-3-Clause
"""A model that is a file: known by its bytes, opened by a runtime in every process anew."""

from __future__ import annotations

import importlib
import os
import threading
from abc import abstractmethod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice, check_whole
from ..exceptions import warn
from ._base import OUTPUTS, Inputs, Model, Preprocess, Query
from ._inputs import Input, feeds_for
from ._labels import as_classes
from ._normalizer import ImageNormalizer
from ._scores import two_columns

__all__ = ["GraphQuery", "bytes_of", "library", "threads_for"]

_PROBE_ROWS = 8


class GraphQuery(Query):
    """Base of the queries whose model is a graph in a file.

    A subclass opens its runtime in `_open` and answers in `_run`. Everything else is here: the
    bytes that pickle and identify the model, the layout of batches, and batches of fixed size.

    Parameters
    ----------
    model : str, path or bytes
        The file, or what it holds.
    output : {"auto", "logits", "predict_proba", "decision_function"}, default="auto"
        What the scores are. ``"auto"`` looks at the answers to a few random inputs: rows that
        are never negative and sum to 1 are probabilities.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns, where the file does not name them; None means 0..n_classes-1.
    preprocess : callable, default=None
        Applied to every batch; returns an array, or a dict of arrays by name of input.
    mean, std : number or sequence of one per channel, default=None
        In place of `preprocess`, for images: see :class:`ImageNormalizer`.
    n_threads : int, default=None
        Threads of the runtime. None is what ``n_jobs`` leaves to a worker process, and in the
        main process what the runtime chooses.
    name : str, default=None
        What errors call the model; None is the name of its file.
    deterministic, model_id
        As in :class:`Query`.
    """

    inputs: tuple[Input, ...]
    # The number of rows that a graph takes at a time, if it takes one number only.
    rows: int | None = None

    def __init__(
        self,
        model: Model,
        *,
        output: str = "auto",
        classes: ArrayLike | None = None,
        preprocess: Preprocess | None = None,
        mean: ArrayLike | None = None,
        std: ArrayLike | None = None,
        n_threads: int | None = None,
        name: str | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        check_choice(output, "output", ("auto", *OUTPUTS[:3]))
        if mean is not None or std is not None:
            if preprocess is not None:
                raise ValueError("give either preprocess=, or mean= and std=.")
            preprocess = ImageNormalizer(mean, std)
        data, of_file = bytes_of(model)
        self.name = of_file if name is None else name
        super().__init__(
            data, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        self.n_threads = None if n_threads is None else check_whole(n_threads, "n_threads")
        self.classes_ = None if classes is None else as_classes(classes)
        self._begin()
        self._describe(output)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._runtime: Any = None
        self._is_checked = False

    def __getstate__(self) -> dict[str, object]:
        opened = ("_lock", "_runtime", "_is_checked")
        return {name: value for name, value in vars(self).items() if name not in opened}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._begin()

    def __copy__(self) -> GraphQuery:
        twin = type(self).__new__(type(self))
        twin.__setstate__(self.__getstate__())
        return twin

    # --- what a subclass does -------------------------------------------------------------

    @abstractmethod
    def _open(self) -> Any:
        """A runtime that has loaded the model."""

    @abstractmethod
    def _describe(self, output: str) -> None:
        """Set `inputs`, `rows`, `outputs` and `classes_` from what the file declares."""

    @abstractmethod
    def _run(self, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        """Answer to arrays by name of input, of as many rows as the graph takes."""

    # --- asking ---------------------------------------------------------------------------

    @property
    def runtime(self) -> Any:
        """The runtime of this process, opened when it is first needed."""
        with self._lock:
            if self._runtime is None:
                self._runtime = self._open()
            return self._runtime

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Raw answer of the graph to one batch, as a NumPy array."""
        self.check_offered(output)
        prepared = self.prepare(X)
        feeds = feeds_for(self, prepared, self.inputs)
        if not self._is_checked:
            self._is_checked = True
            self._warn_of_range(prepared)
        answer = self._in_pieces(feeds, output)
        return two_columns(answer, output, self.classes_)

    def _in_pieces(self, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        """The answer, batch of fixed size by batch of fixed size; the last one is padded."""
        if self.rows is None:
            return self._run(feeds, output)
        n, pieces = len(next(iter(feeds.values()))), []
        for start in range(0, n, self.rows):
            rows = np.minimum(np.arange(start, start + self.rows), n - 1)
            piece = {name: array[rows] for name, array in feeds.items()}
            pieces.append(self._run(piece, output)[: n - start])
        return np.concatenate(pieces)

    def _warn_of_range(self, prepared: Inputs) -> None:
        """Warn of copies that a quantised input cuts off."""
        first = self.inputs[0]
        if not first.scale or len(self.inputs) > 1:
            return
        low, high = first.held
        values = np.asarray(prepared)
        beyond = float(np.mean((values < low - first.scale) | (values > high + first.scale)))
        if beyond > 0.1:
            warn(
                f"{self!r} gets copies with values of {values.min():.4g} to {values.max():.4g}, "
                f"and its input holds {low:.4g} to {high:.4g}: {beyond:.0%} of them are cut off. "
                "Pass preprocess=, or mean= and std=, which scale them.",
                UserWarning,
            )

    # --- describing -----------------------------------------------------------------------

    def _probe(self) -> dict[str, np.ndarray] | None:
        """A few random rows, or None if the graph does not say what it takes."""
        rng = np.random.default_rng(0)
        feeds = {}
        for one in self.inputs:
            if one.dtype.kind not in "iuf" or None in one.shape[1:]:
                return None
            shape = (_PROBE_ROWS, *(s for s in one.shape[1:] if s is not None))
            if one.dtype.kind == "f":
                feeds[one.name] = rng.normal(size=shape).astype(one.dtype)
            else:  # indices as well: 0 and 1 are in every table
                feeds[one.name] = rng.integers(0, 2, shape).astype(one.dtype)
        return feeds

    # --- identity -------------------------------------------------------------------------

    def content(self) -> dict[str, object]:
        """The bytes of the file, and all that decides how it is asked."""
        names = ("model", "preprocess", "outputs", "classes_")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


def bytes_of(model: Model) -> tuple[bytes, str]:
    """The bytes of a model and how errors name it.

    Raises
    ------
    TypeError
        If it is neither a path nor bytes.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model), f"{len(model):,} bytes"
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        return path.read_bytes(), path.name
    raise TypeError(f"a model file is given by its path or its bytes; got {type(model).__name__}.")


def library(name: str, extra: str) -> ModuleType:
    """A module of an optional library.

    Raises
    ------
    ImportError
        If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{name.partition(".")[0]} is not installed: pip install "skzest[{extra}]".'
        ) from error


def threads_for(n_threads: int | None) -> int:
    """Number of threads for a runtime, 0 where it may choose.

    joblib tells its worker processes their share of the cores in this variable.
    """
    if n_threads is not None:
        return n_threads
    share = os.environ.get("OMP_NUM_THREADS", "")
    return int(share) if share.isdigit() else 0
