# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite models, asked through LiteRT, which is imported in functions only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._validation import listed
from ..exceptions import QueryError
from ._graph import GraphQuery, library, threads_for
from ._inputs import Input
from ._probabilities import fault_of

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

__all__ = ["LiteRTQuery"]


class LiteRTQuery(GraphQuery):
    """A TensorFlow Lite classifier, in floats or quantised.

    Copies go in as they are, in the values that the network was trained on: where an input is
    quantised, its scale and zero point are applied, and those of the output to the answers. The
    interpreter is resized to the batch; a graph that allows only one size is asked in pieces of
    that size. The query pickles by the bytes of the model.

    Parameters
    ----------
    model : str, path or bytes
        A ``.tflite`` file, or what it holds.
    output : {"auto", "logits", "predict_proba", "decision_function"}, default="auto"
        What the scores are. ``"auto"`` looks at the answers to a few random inputs: rows that
        are never negative and sum to 1 are probabilities, others logits.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns; None means 0..n_classes-1.
    preprocess : callable, default=None
        Applied to every batch; returns an array, or a dict of arrays by name of input.
    mean, std : number or sequence of one per channel, default=None
        In place of `preprocess`, for images: see :class:`~skzest.queries.ImageNormalizer`.
    n_threads : int, default=None
        Threads of the interpreter. None is what ``n_jobs`` leaves to a worker process, and in
        the main process what LiteRT chooses.
    name : str, default=None
        What errors call the model; None is the name of its file.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, in place of the bytes of the model.

    Attributes
    ----------
    rounding : float
        The step in which a quantised network answers, 1/256 for most probabilities; else 0.

    Raises
    ------
    TypeError
        If `model` is neither a path nor bytes.
    ValueError
        If LiteRT cannot open it, or it does not have one output of scores.

    Notes
    -----
    Probabilities in 8 bits are multiples of 1/256, and zero stands for all that is smaller.
    With ``response="logit"``, pass ``clip=1/256``, so that such zeros do not outweigh the rest.

    Examples
    --------
    >>> from skzest.queries import LiteRTQuery
    >>> query = LiteRTQuery("network_int8.tflite")                      # doctest: +SKIP
    >>> query.outputs                                                   # doctest: +SKIP
    ('predict_proba',)
    """

    def _open(self) -> Interpreter:
        litert = library("ai_edge_litert.interpreter", "litert")
        threads = threads_for(self.n_threads)
        try:
            interpreter = litert.Interpreter(model_content=self.model, num_threads=threads or None)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"LiteRT cannot open {self!r}: {error}") from error
        return interpreter

    def _describe(self, output: str) -> None:
        details = self.runtime.get_input_details()
        self.inputs = tuple(_input(self, one) for one in details)
        outputs = [one for one in self.runtime.get_output_details() if len(one["shape"]) == 2]
        if len(outputs) != 1:
            shapes = [str(tuple(o["shape"])) for o in self.runtime.get_output_details()]
            raise ValueError(
                f"{self!r} has outputs of shape {listed(shapes)}; a classifier has one of shape "
                "(n, n_classes)."
            )
        # Scale and zero point of the output; a scale of 0 where it holds floats.
        self._output = tuple(outputs[0]["quantization"])
        self.rounding = float(self._output[0])
        self.rows = None
        if not self._can_resize():
            self.rows = int(details[0]["shape"][0])
            self._runtime = None
        self.outputs = (self._recognised() if output == "auto" else output,)

    def _can_resize(self) -> bool:
        """Whether several rows at once get the answers that they get one by one."""
        probe = self._probe()
        assert probe is not None  # all axes but the first have a length
        try:
            together = self._run({name: rows[:3] for name, rows in probe.items()}, "scores")
            alone = [
                self._run({name: rows[i : i + 1] for name, rows in probe.items()}, "scores")
                for i in range(3)
            ]
        except QueryError:
            return False
        rows = np.concatenate(alone)
        # A step more or less where a quantised answer lies between two.
        allowed = 1.5 * self.rounding + 1e-4 * float(np.abs(rows).max())
        return together.shape == rows.shape and float(np.abs(together - rows).max()) <= allowed

    def _recognised(self) -> str:
        probe = self._probe()
        assert probe is not None
        rows = self._in_pieces(probe, "scores")
        in_unit = rows.shape[1] == 1 and rows.min() >= 0 and rows.max() <= 1
        is_certain = in_unit or (rows.shape[1] > 1 and fault_of(rows) is None)
        return "predict_proba" if is_certain else "logits"

    def _run(self, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        with self._lock:
            interpreter = self.runtime
            self._resize(interpreter, feeds)
            try:
                for one in interpreter.get_input_details():
                    interpreter.set_tensor(one["index"], feeds[one["name"]])
                interpreter.invoke()
            except (RuntimeError, ValueError) as error:
                raise QueryError(f"{self!r} failed: {error}") from error
            found = next(o for o in interpreter.get_output_details() if len(o["shape"]) == 2)
            answer = interpreter.get_tensor(found["index"])
        scale, zero_point = self._output
        if not scale:
            return answer
        return (answer.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)

    def _resize(self, interpreter: Interpreter, feeds: dict[str, np.ndarray]) -> None:
        details = interpreter.get_input_details()
        changed = [d for d in details if tuple(d["shape"]) != feeds[d["name"]].shape]
        for one in changed:
            interpreter.resize_tensor_input(one["index"], feeds[one["name"]].shape)
        if changed:
            try:
                interpreter.allocate_tensors()
            except RuntimeError as error:
                if "memory" in str(error).lower() or "alloc" in str(error).lower():
                    raise MemoryError(f"{self!r}: {error}") from error
                raise QueryError(f"{self!r} cannot be resized to its batch: {error}") from error


def _input(query: LiteRTQuery, one: dict) -> Input:
    shape = tuple(int(s) for s in one["shape"])
    if not shape:
        raise ValueError(f"{query!r} has the input {one['name']!r} without axes, not a batch.")
    scale, zero_point = one["quantization"]
    dtype = np.dtype(one["dtype"])
    if dtype.kind == "f":
        scale = 0.0
    return Input(one["name"], (None, *shape[1:]), dtype, float(scale), int(zero_point))
