# SPDX-License-Identifier: BSD-3-Clause
"""One batch, one model: what is given to the model is protected, what it answers is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from array_api_compat import array_namespace

from .. import _points
from .._points import Points
from ..exceptions import PartialAnswerError, QueryError, ServiceError, passable, warn
from ..queries import Array, Query, as_response, first_look, raw_scores
from ._batches import Batch

__all__ = ["OF_BATCH", "Respondent", "Witness", "guarded_scores", "own", "rounding", "sessions"]


# A model whose answers move by more than this share of their range with the rest of the batch is
# warned of.
OF_BATCH = 2e-2
# What models of fixed size are often exported for.
_USUAL_SIZES = (1, 2, 4, 8, 10, 16, 20, 32, 50, 64, 100, 128, 256)
# Words of a line of a batch that is watched, and lines that a fast memory holds.
_LINE, _LINES = 1021, 64
_FLOAT32 = float(np.finfo(np.float32).eps)


def rounding(eps: float, largest: float) -> float:
    """How far apart rounding may take two scores of this size."""
    # What is rounded to a short float is summed in float32.
    return (16 if eps <= _FLOAT32 else 4) * eps * largest


@dataclass(frozen=True)
class Witness:
    """A few questions with the answers that a model gave: they are asked again later.

    In other batches the answers may be apart by ``tolerance`` of their range.
    """

    questions: Batch
    copies: Points
    scores: np.ndarray
    tolerance: float

    def rows(self, which: slice) -> Points:
        """Some of the copies, in memory of their own: a model may change what it was given."""
        return own(_points.rows(self.copies, which.start, which.stop))


@dataclass
class Respondent:
    """A model as it is asked: its query, its name in errors, and what the first look showed.

    Attributes
    ----------
    name : str
    query : Query
    output : str
        What it is asked for: "logits", "predict_proba", "decision_function" or "predict".
    response : str
        What its answers are turned into; see :func:`~skzest.queries.respond`.
    clip : float
        Smallest probability under "logit".
    given : str or None
        What it answers with, which may be something else; None before the first look.
    n_columns : int or None
        Number of columns of its scores; None before the first look.
    witness : Witness or None
        None before the first look, and for models that need not repeat their answers.
    batch_size : int or None
        Rows of a call that the caller insists on; a model that refuses fewer gets that many.
    takes_fewer : bool
        Whether it takes batches of fewer rows.
    seconds : float
        Time of the first look's first call; 0.0 if it is not known.
    """

    name: str
    query: Query
    output: str
    response: str
    clip: float
    given: str | None = None
    n_columns: int | None = None
    witness: Witness | None = field(default=None, repr=False)
    batch_size: int | None = None
    takes_fewer: bool = True
    seconds: float = 0.0

    @property
    def labels(self) -> np.ndarray:
        """Label of each column of the scores; unnamed columns count from 0."""
        if self.query.classes_ is None:
            return np.arange(self.n_columns or 0)
        return np.asarray(self.query.classes_)

    def scores_from(self, raw: Array) -> Array:
        """Scores of the response from what the model answered, in memory of their own."""
        # Infinite scores are reported with their reference point, not as a NumPy warning.
        try:
            with np.errstate(invalid="ignore", over="ignore"):
                return as_response(raw, self.given or self.output, self.response, self.clip)
        except QueryError as error:
            raise QueryError(f"{self.name} {error}") from error

    def eps(self, scores: Array) -> float:
        """Rounding unit of the model's scores, relative to the largest."""
        own = float(array_namespace(scores).finfo(scores.dtype).eps)
        return max(self.query.eps, own)

    def is_clear(self, raw: Array) -> np.ndarray:
        """Which answers rounding cannot turn into another label; all if labels are not compared.

        Kernels for other batch sizes round differently: of two classes with nearly the same score
        either may be the largest, and that is no change of the model.
        """
        if self.response != "label" or self.given == "predict" or raw.shape[1] < 2:
            return np.ones(len(raw), dtype=bool)
        Z = self.query.space.to_numpy(raw)
        second, largest = np.partition(Z, -2, axis=1)[:, -2:].T
        # NaN is reported elsewhere.
        return ~(largest - second <= 2 * OF_BATCH * np.ptp(Z))

    def recognise(self, raw: Array) -> None:
        """Find out what the model answers with, whatever it was asked for."""
        try:
            self.given = first_look(self.query, raw, self.output, self.response, name=self.name)
        except QueryError as error:
            raise QueryError(f"{self.name}: {error}") from error
        step = self.query.rounding
        if self.given == "predict_proba" and self.response == "logit" and step > self.clip:
            warn(
                f"{self.name} answers in steps of {step:.3g}, so its zeros stand for anything "
                f"below that, and clip={self.clip:g} makes them outweigh all else. Pass "
                f"clip={step:.3g}.",
                UserWarning,
            )

    @cached_property
    def is_careful(self) -> bool:
        """Whether the model is known to leave its batch as it is."""
        return _is_careful(self.query)

    @property
    def memory_errors(self) -> tuple[type[BaseException], ...]:
        """What tells that a batch was too large."""
        return (MemoryError, *getattr(self.query, "memory_errors", ()))


_ENTERED: ContextVar[frozenset[int]] = ContextVar("queries in session", default=frozenset())


@contextmanager
def sessions(queries: Sequence[Query]) -> Iterator[None]:
    """Enter the session of every query that is not in one: once around a whole run."""
    with ExitStack() as stack:
        entered = set(_ENTERED.get())
        for query in queries:
            if id(query) not in entered:
                stack.enter_context(query.session())
                entered.add(id(query))
        token = _ENTERED.set(frozenset(entered))
        stack.callback(_ENTERED.reset, token)
        yield


# --- one answer -----------------------------------------------------------------------------


def guarded_scores(asked: Respondent, copies: Points, n_rows: int) -> tuple[Array, bool]:
    """Ask one model about some copies, and protect them for the models that are asked next.

    Returns
    -------
    scores : array of shape (n_rows, n_columns)
        As the model gives them. They may lie in memory that it uses again for its next answer.
    is_intact : bool
        False if the model changed the copies in spite of all.
    """
    given, n_given = _given(asked, copies, n_rows)
    is_intact = _watch(given) if given is copies and not asked.is_careful else _always
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            scores = raw_scores(asked.query, given, asked.output, n_given)[:n_rows]
    except asked.memory_errors:
        raise
    except ServiceError as error:  # it has been asked again already
        raise _named(error, asked, n_rows) from error.__cause__
    except Exception as error:
        if given is copies and isinstance(error, ValueError) and "read-only" in str(error):
            asked.query.own_copies = True  # a step with copy=False writes into what it is given
            return guarded_scores(asked, copies, n_rows)
        if asked.takes_fewer and n_given < (asked.batch_size or 0):
            asked.takes_fewer = False
            try:
                return guarded_scores(asked, copies, n_rows)
            except Exception:
                asked.takes_fewer = True  # the error had another cause
        named = _named(error, asked, n_rows)
        if named is error and asked.n_columns is None:
            _advise_on_size(error, asked, copies, n_rows)
        raise named from named.__cause__ or error.__cause__
    if asked.n_columns is not None and scores.shape[1] != asked.n_columns:
        raise QueryError(
            f"{asked.name} gave {scores.shape[1]} columns of scores for {n_rows} copies, and "
            f"{asked.n_columns} before. Its classes must not depend on the batch."
        )
    if is_intact():
        return scores, True
    asked.query.own_copies = True
    warn(
        f"{asked.name} changed the batch of {n_rows} copies that it was given. From now on it "
        "gets copies of its own, which takes time; a preprocess= that copies its input does so "
        "without this warning.",
        UserWarning,
    )
    return scores, False


def _given(asked: Respondent, copies: Points, n_rows: int) -> tuple[Points, int]:
    """The batch that the model gets, and its number of rows.

    NumPy batches are read-only, which scikit-learn heeds. Data frames and lists, and all that
    goes to a model that writes into its batch, are copied. A model that takes batches of one
    size only gets rows repeated up to that size.
    """
    full = asked.batch_size
    if full is not None and n_rows < full and not asked.takes_fewer:
        repeated = [copies] * (full // n_rows) + [_points.rows(copies, 0, full % n_rows)]
        return _points.concatenate(repeated if full % n_rows else repeated[:-1]), full
    if asked.query.own_copies or not hasattr(copies, "dtype"):
        return own(copies), n_rows
    if isinstance(copies, np.ndarray):
        copies.flags.writeable = False
    return copies, n_rows


def _advise_on_size(error: Exception, asked: Respondent, copies: Points, n_rows: int) -> None:
    """Note the size of a batch that the model does take, if it is among the usual ones."""
    for size in _USUAL_SIZES:
        many = _points.take(copies, np.arange(size) % n_rows)
        try:
            raw_scores(asked.query, many, asked.output, size)
        except Exception:
            continue
        _note(
            error,
            f"It does answer {size} copies at a time. If it takes batches of one size only, pass "
            f"batch_size={size}.",
        )
        return


def own(copies: Points) -> Points:
    """A batch in memory of its own."""
    if isinstance(copies, list):
        return [own(copy) if hasattr(copy, "dtype") else copy for copy in copies]
    return copies.clone() if hasattr(copies, "clone") else copies.copy()


def _named(error: Exception, asked: Respondent, n_rows: int) -> Exception:
    """The same error, which now says which model was asked."""
    if isinstance(error, PartialAnswerError):
        return PartialAnswerError(f"{asked.name}: {error}", error.known, error.answer)
    if isinstance(error, QueryError):
        kind = ServiceError if isinstance(error, ServiceError) else QueryError
        return kind(f"{asked.name}: {error}")
    if isinstance(error, StopIteration):  # it would end a loop of ours without a word
        return RuntimeError(
            f"{asked.name} raised StopIteration when asked about {n_rows} masked copies. Does it "
            "draw from an iterator that has run out? Make a new one for each batch."
        )
    passed = passable(error)
    _note(passed, f"skzest was asking {asked.name} about {n_rows} masked copies.")
    return passed


def _note(error: Exception, text: str) -> None:
    """Add a note to an error of a model, if it takes one."""
    if hasattr(error, "add_note"):  # Python 3.11
        with suppress(Exception):  # some refuse attributes
            error.add_note(text)


# --- whether a model changed its batch ------------------------------------------------------


def _always() -> bool:
    return True


def _watch(copies: Points) -> Callable[[], bool]:
    """Note what a batch holds; what is returned tells whether it still does."""
    if isinstance(copies, np.ndarray):
        before = _sums_of_words(copies)
        return lambda: _sums_of_words(copies) == before
    if hasattr(copies, "is_inference") and not copies.is_inference():
        version = copies._version  # torch counts what is written into a tensor
        return lambda: copies._version == version
    return _always  # data frames, lists and texts: every model has copies of its own


def _sums_of_words(copies: np.ndarray) -> bytes:
    """Sums of a batch that change with its values and with their places, also among each other.

    The batch is read as whole numbers in lines of a prime length, which are summed along and
    across. That takes about as long as one sum, and a tenth of a hash.
    """
    data = np.ascontiguousarray(copies).reshape(-1).view(np.uint8)
    n_lines = data.size // (8 * _LINE)
    lines = data[: n_lines * 8 * _LINE].view(np.uint64).reshape(n_lines, _LINE)
    along, across = np.empty(n_lines, dtype=np.uint64), np.zeros(_LINE, dtype=np.uint64)
    for start in range(0, n_lines, _LINES):
        some = lines[start : start + _LINES]
        np.add.reduce(some, axis=1, out=along[start : start + _LINES])
        across += np.add.reduce(some, axis=0)
    return along.tobytes() + across.tobytes() + data[lines.nbytes :].tobytes()


def _is_careful(query: Query) -> bool:
    """Whether a model is scikit-learn's through and through, which heeds read-only arrays."""
    model = query.model
    if query.preprocess is not None or not hasattr(model, "get_params"):
        return False
    parts = [model, *model.get_params().values()]
    return not any(callable(p) or isinstance(p, type) for p in parts) and all(
        type(p).__module__.partition(".")[0] in ("sklearn", "numpy", "builtins") for p in parts
    )
