# SPDX-License-Identifier: BSD-3-Clause
"""Faults of a model, one function each: from the right answer to a batch to a wrong one."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WITH_COLUMNS = ("logits", "predict_proba", "decision_function")
ANY = (*WITH_COLUMNS, "predict")
N_CLASSES = 3


@dataclass
class Call:
    """One call of a model: what it was given, and what it should answer."""

    batch: object
    right: np.ndarray  # (n, n_classes), or (n,) labels
    before: np.ndarray | None  # the right answer to the call before
    other: np.ndarray  # what another model answers
    n_wrong: int  # calls answered wrongly, with this one
    rng: np.random.Generator
    memory: dict = field(default_factory=dict)  # of the model, from call to call


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    ``outputs`` are those that it applies to. A ``lie`` is well formed: nothing but its content
    is wrong. A ``model`` is, from the start, simply another model. Signatures within
    ``rounding`` of their largest value of the right ones are right.
    """

    name: str
    fault: Callable[[Call], object]
    outputs: tuple[str, ...] = ANY
    lie: bool = False
    model: bool = False
    rounding: float = 1e-6
    maskers: tuple[str, ...] = ("table", "image", "text", "audio")


class FaultyModel:
    """Answers rightly for ``start`` calls, and then with a fault."""

    def __init__(self, answer, other, kind: Kind | None, start: float, seed: int):
        self.answer, self.other, self.kind, self.start = answer, other, kind, start
        self.n_calls = self.n_rows = 0
        self._before: np.ndarray | None = None
        self._memory: dict = {}
        self._rng, self._lock = np.random.default_rng(seed), threading.Lock()

    def __call__(self, batch):
        with self._lock:
            self.n_calls += 1
            self.n_rows += len(batch)
            right, before = self.answer(batch), self._before
            self._before = right
            if self.kind is None or self.n_calls <= self.start:
                return right.copy()
            n_wrong = self.n_calls - int(self.start)
            other = self.other(batch)
            call = Call(batch, right.copy(), before, other, n_wrong, self._rng, self._memory)
            return self.kind.fault(call)


class Estimator:
    """The same model with scikit-learn's methods."""

    def __init__(self, model: FaultyModel, output: str):
        self.classes_ = np.arange(N_CLASSES)
        setattr(self, output, model)


class Injected(RuntimeError):
    """Raised by a model, on purpose."""


# --- well-formed lies -----------------------------------------------------------------------


def _previous(call):
    n = len(call.right)
    if call.before is None:
        return call.right[::-1]
    return np.resize(call.before, (n, *call.right.shape[1:]))


def _stale(call):
    return call.memory.setdefault(len(call.right), call.right)


def _swapped(call):
    if call.right.ndim == 1:
        return (call.right + 1) % N_CLASSES
    return call.right[:, [1, 0, *range(2, N_CLASSES)]]


def _scaled(call):
    return 1.2 * call.right


def _sharper(call):
    powers = call.right**1.3
    return powers / powers.sum(axis=1, keepdims=True)


def _mixed(call, share):
    """Towards the answer to another question: probabilities stay probabilities."""
    return (1 - share) * call.right + share * call.right[call.rng.permutation(len(call.right))]


def _noise(size):
    return lambda c: c.right + size * np.ptp(c.right) * c.rng.normal(size=c.right.shape)


def _one_hot(call):
    return np.eye(N_CLASSES)[call.right.argmax(axis=1)]


def _softmax(call):
    powers = np.exp(call.right - call.right.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _some_labels_wrong(call):
    wrong = call.rng.random(len(call.right)) < 0.3
    return np.where(wrong, (call.right + 1) % N_CLASSES, call.right)


NOT_PROBABILITIES = ("logits", "decision_function")
LIES = [
    Kind("frozen: the first row for all", lambda c: np.repeat(c.right[:1], len(c.right), 0)),
    Kind("the answer to the batch before", _previous),
    Kind("the first answer to a batch of this size", _stale),
    Kind("rows permuted", lambda c: c.right[c.rng.permutation(len(c.right))]),
    Kind("rows reversed", lambda c: c.right[::-1]),
    Kind("rows shifted by one", lambda c: np.roll(c.right, 1, axis=0)),
    Kind("classes swapped", _swapped, model=True),
    Kind("scaled", _scaled, NOT_PROBABILITIES, model=True),
    Kind("offset", lambda c: c.right + 2.0, NOT_PROBABILITIES, rounding=1e-5, model=True),
    Kind("drift", lambda c: c.right * (1 + 0.02 * c.n_wrong), NOT_PROBABILITIES),
    Kind("sharper", _sharper, ("predict_proba",), model=True),
    Kind("noise of 1 %", _noise(0.01), NOT_PROBABILITIES),
    Kind("noise of 30 %", _noise(0.3), NOT_PROBABILITIES),
    Kind("mixed with other rows, 1 %", lambda c: _mixed(c, 0.01), WITH_COLUMNS),
    Kind("mixed with other rows, 30 %", lambda c: _mixed(c, 0.3), WITH_COLUMNS),
    Kind("some labels wrong", _some_labels_wrong, ("predict",)),
    Kind("another model", lambda c: c.other, model=True),
    Kind("constant", lambda c: np.repeat(c.memory.setdefault("a", c.right[:1]), len(c.right), 0)),
    Kind("zeros", lambda c: np.zeros_like(c.right)),
    Kind("probabilities as logits", _softmax, NOT_PROBABILITIES, model=True),
    Kind("one-hot", _one_hot, WITH_COLUMNS, model=True),
    Kind("whole numbers", lambda c: np.rint(c.right).astype(int), NOT_PROBABILITIES, model=True),
]
LIES = [Kind(**{**vars(kind), "lie": True}) for kind in LIES]


# --- answers of a wrong form ----------------------------------------------------------------


def _changing_columns(call):
    return call.right if call.n_wrong % 2 else call.right[:, :2]


def _more_columns(call):
    return np.column_stack([call.right, call.right[:, :1]])


def _ragged(call):
    return [list(row)[: 1 + i % 3] for i, row in enumerate(call.right)]


def _masked(call):
    return np.ma.masked_greater(call.right, np.median(call.right))


def _sparse(call):
    from scipy.sparse import csr_array

    return csr_array(call.right)


def _with_nan(cell):
    def fault(call):
        answer = call.right.astype(float)
        answer[cell] = np.nan
        return answer

    return fault


def _with(value):
    def fault(call):
        answer = call.right.astype(float)
        answer[len(answer) // 2] = value
        return answer

    return fault


def _negative(call):
    answer = call.right.copy()
    answer[:, 0] -= 1.2
    answer[:, 1] += 1.2
    return answer


def _objects(call):
    answer = call.right.astype(object)
    answer[len(answer) // 2 :] = None
    return answer


def _logits(call):
    return np.log(call.right) - np.log(call.right).mean(axis=1, keepdims=True)


FORMS = [
    Kind("fewer rows", lambda c: c.right[:-1]),
    Kind("more rows", lambda c: np.concatenate([c.right, c.right[:1]])),
    Kind("no rows", lambda c: c.right[:0]),
    Kind("fewer columns", lambda c: c.right[:, :2], WITH_COLUMNS, model=True),
    Kind("more columns", _more_columns, WITH_COLUMNS, model=True),
    Kind("columns that change", _changing_columns, WITH_COLUMNS),
    Kind("1-D", lambda c: c.right[:, 0], WITH_COLUMNS),
    Kind("3-D", lambda c: c.right.reshape(len(c.right), -1, 1)),
    Kind("transposed", lambda c: c.right.T, WITH_COLUMNS),
    Kind("flat", lambda c: c.right.ravel(), WITH_COLUMNS),
    Kind("a number", lambda c: 0.5),
    Kind("None", lambda c: None),
    Kind("strings", lambda c: c.right.astype(str)),
    Kind("bytes", lambda c: c.right.tobytes()),
    Kind("objects", _objects),
    Kind("a dict", lambda c: {"answer": c.right}),
    Kind("a dict per row", lambda c: [{"answer": row} for row in c.right]),
    Kind("a set", lambda c: {0, 1}),
    Kind("a generator", lambda c: (row for row in c.right)),
    Kind("a pair of answers", lambda c: (c.right, c.right)),
    Kind("ragged lists", _ragged, WITH_COLUMNS),
    Kind("an empty list", lambda c: []),
    Kind("a masked array", _masked),
    Kind("complex", lambda c: c.right + 1j),
    Kind("dates", lambda c: c.right.astype("datetime64[s]"), NOT_PROBABILITIES),
    Kind("records", lambda c: np.zeros(len(c.right), dtype=[("a", float), ("b", float)])),
    Kind("NaN in a cell", _with_nan((0, 0)), WITH_COLUMNS),
    Kind("NaN in a row", _with(np.nan)),
    Kind("NaN everywhere", _with_nan(slice(None))),
    Kind("infinity", _with(np.inf)),
    Kind("minus infinity", _with(-np.inf)),
    Kind("huge numbers", lambda c: c.right * 1e308 * 10, NOT_PROBABILITIES),
    Kind("logits as probabilities", _logits, ("predict_proba",)),
    Kind("rows that sum to 0.7", lambda c: 0.7 * c.right, ("predict_proba",)),
    Kind("percentages", lambda c: 100 * c.right, ("predict_proba",)),
    Kind("negative probabilities", _negative, ("predict_proba",)),
    Kind("a row of zeros", _with(0.0), ("predict_proba",)),
    Kind("labels out of the list", lambda c: c.right + N_CLASSES, ("predict",)),
    Kind("labels as text", lambda c: np.array(["abc"[i] for i in c.right]), ("predict",)),
    Kind("labels that are lists", lambda c: [[i] * 2 for i in c.right], ("predict",)),
    Kind("labels between classes", lambda c: c.right + 0.5, ("predict",)),
]


# --- errors and side effects ----------------------------------------------------------------


def _raises(error, share=1.0):
    def fault(call):
        if call.rng.random() < share:
            raise error
        return call.right

    return fault


def _raises_once(call):
    if call.n_wrong == 1:
        raise Injected("injected: only this time")
    return call.right


def _out_of_memory(call):
    if len(call.right) > 5:
        raise MemoryError(f"injected: {len(call.right)} rows are too many")
    return call.right


def _write(batch, value=0.37):
    if isinstance(batch, list):
        batch[:] = [type(copy)() if isinstance(copy, str) else copy * 0 for copy in batch]
    else:
        batch[...] = value


def _writes(call):
    _write(call.batch)
    return call.right


def _forces_writing(call):
    if isinstance(call.batch, np.ndarray):
        call.batch.flags.writeable = True
    return _writes(call)


def _changes_it_later(call):
    for kept in call.memory.setdefault("batches", []):
        if isinstance(kept, np.ndarray):
            kept.flags.writeable = True
        _write(kept)
    call.memory["batches"].append(call.batch)
    return call.right


def _warns(call):
    warnings.warn("injected: a warning of the model's own", UserWarning, stacklevel=2)
    return call.right


EVENTS = [
    Kind("an exception", _raises(Injected("injected: no answer"))),
    Kind("an exception now and then", _raises(Injected("injected: no answer"), 0.3)),
    Kind("an exception once", _raises_once),
    Kind("time-out", _raises(TimeoutError("injected: no answer within 10 s"), 0.5)),
    Kind("connection reset", _raises(ConnectionResetError("injected: reset by peer"))),
    Kind("end of iteration", _raises(StopIteration("injected"))),
    Kind("no memory for more than 5 rows", _out_of_memory),
    Kind("writes into the batch", _writes),
    Kind("writes into a read-only batch", _forces_writing),
    Kind("changes earlier batches", _changes_it_later),
    Kind("a warning", _warns),
]


# --- harmless forms -------------------------------------------------------------------------


def _same_memory(call):
    held = call.memory.setdefault("held", np.empty((4096, *call.right.shape[1:])))
    held[: len(call.right)] = call.right
    return held[: len(call.right)]


def _every_second(call):
    return np.repeat(call.right, 2, axis=0)[::2]


def _read_only(call):
    call.right.flags.writeable = False
    return call.right


def _columns_in_another_order(call):
    import pandas as pd

    return pd.DataFrame(call.right, columns=range(N_CLASSES))[[2, 0, 1]]


def _rows_in_another_order(call):
    import pandas as pd

    answer = pd.DataFrame(call.right) if call.right.ndim == 2 else pd.Series(call.right)
    return answer.iloc[call.rng.permutation(len(answer))]


HARMLESS = [
    Kind("rounded to 5 digits", lambda c: c.right.round(5), WITH_COLUMNS, rounding=2e-3),
    Kind("rounded to 3 digits", lambda c: c.right.round(3), WITH_COLUMNS, rounding=0.1),
    Kind("float16", lambda c: c.right.astype(np.float16), WITH_COLUMNS, rounding=2e-2),
    Kind("float32", lambda c: c.right.astype(np.float32), WITH_COLUMNS, rounding=1e-5),
    Kind("long double", lambda c: c.right.astype(np.longdouble), WITH_COLUMNS),
    Kind("big-endian", lambda c: c.right.astype(c.right.dtype.newbyteorder(">"))),
    Kind("8-bit labels", lambda c: c.right.astype(np.uint8), ("predict",)),
    Kind("labels as floats", lambda c: c.right.astype(float), ("predict",)),
    Kind("the same memory every time", _same_memory),
    Kind("not contiguous", _every_second),
    Kind("column after column", lambda c: np.asfortranarray(c.right), WITH_COLUMNS),
    Kind("read-only", _read_only),
    Kind("nested lists", lambda c: c.right.tolist()),
    Kind("objects that are numbers", lambda c: c.right.astype(object), WITH_COLUMNS),
    Kind("sparse", _sparse, WITH_COLUMNS),
    Kind("a frame, columns in another order", _columns_in_another_order, WITH_COLUMNS),
    Kind("a frame, rows in another order", _rows_in_another_order),
]

KINDS = {kind.name: kind for kind in (*LIES, *FORMS, *EVENTS, *HARMLESS)}
