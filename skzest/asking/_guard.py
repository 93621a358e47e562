# SPDX-License-Identifier: BSD-3-Clause
"""One batch, one model: what is given to the model is protected, what it answers is checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from .. import _points
from ..exceptions import QueryError
from ..queries import Query, as_response, first_look, raw_scores
from ._batches import Batch, Renderer

__all__ = [
    "FIRST_LOOK_ROWS",
    "Gap",
    "Respondent",
    "Witness",
    "by_halves_of",
    "check_witness",
    "guarded_scores",
    "look_at",
    "rounding",
    "sessions",
    "tolerance_of",
]

FIRST_LOOK_ROWS = 8

# Of the range of the scores: two answers to one question further apart than this differ; and a
# model whose answers move by more than this with the rest of the batch is warned of.
_DETERMINISM = 1e-4
_OF_BATCH = 2e-2


def rounding(eps: float, largest: float) -> float:
    """How far apart rounding may take two scores of this size."""
    return 16 * eps * largest


@dataclass(frozen=True)
class Gap:
    """How far apart two answers to the same copies are, beside their range and rounding."""

    size: float
    range: float
    rounding: float

    @classmethod
    def between(cls, first: np.ndarray, second: np.ndarray) -> Gap:
        """Scores of shape (n, n_classes); infinitely far where the shapes differ."""
        size = np.inf if first.shape != second.shape else float(np.max(np.abs(second - first)))
        eps = float(np.finfo(first.dtype).eps)
        return cls(size, float(np.ptp(first)), rounding(eps, float(np.max(np.abs(first)))))

    def allowed(self, tolerance: float) -> float:
        """The size up to which two answers are the same: a share of the range, or rounding."""
        return max(tolerance * self.range, self.rounding)

    def exceeds(self, tolerance: float) -> bool:
        """Whether the answers differ; not so for NaN, which is reported elsewhere."""
        return self.size > self.allowed(tolerance)

    def __str__(self) -> str:
        return f"up to {self.size:.3g} apart, and their range is {self.range:.3g}"


@dataclass(frozen=True)
class Witness:
    """A few questions with the answers that a model gave: they are asked again later.

    In other batches the answers may be apart by ``tolerance`` of their range.
    """

    questions: Batch
    copies: Any
    scores: np.ndarray
    tolerance: float = _OF_BATCH

    def rows(self, which: slice) -> Any:
        """Some of the copies."""
        return _points.rows(self.copies, which.start, which.stop)


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
    full_rows : int or None
        Rows of every call, for a model that takes batches of one size only.
    own_copies : bool
        Whether it changes the batches it is given, and so gets copies of its own.
    """

    name: str
    query: Query
    output: str
    response: str
    clip: float
    given: str | None = None
    n_columns: int | None = None
    witness: Witness | None = field(default=None, repr=False)
    full_rows: int | None = None
    own_copies: bool = False

    @property
    def labels(self) -> np.ndarray:
        """Label of each column of the scores; unnamed columns count from 0."""
        if self.query.classes_ is None:
            return np.arange(self.n_columns or 0)
        return np.asarray(self.query.classes_)

    def scores_from(self, raw: Any) -> Any:
        """Scores of the response from what the model answered, in memory of their own."""
        # Infinite scores are reported with their reference point, not as a NumPy warning.
        with np.errstate(invalid="ignore", over="ignore"):
            return as_response(raw, self.given or self.output, self.response, self.clip)

    def recognise(self, raw: Any) -> None:
        """Find out what the model answers with, whatever it was asked for."""
        try:
            self.given = first_look(self.query, raw, self.output, self.response, name=self.name)
        except QueryError as error:
            raise QueryError(f"{self.name}: {error}") from error

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
        entered = _ENTERED.get()
        for query in queries:
            if id(query) not in entered:
                stack.enter_context(query.session())
                entered |= {id(query)}
        token = _ENTERED.set(entered)
        stack.callback(_ENTERED.reset, token)
        yield


# --- one answer -----------------------------------------------------------------------------


def guarded_scores(asked: Respondent, copies: Any, n_rows: int) -> tuple[Any, bool]:
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
    except Exception as error:
        if given is copies and isinstance(error, ValueError) and "read-only" in str(error):
            asked.own_copies = True  # a step with copy=False writes into what it is given
            return guarded_scores(asked, copies, n_rows)
        raise _named(error, asked, n_rows) from error.__cause__
    if asked.n_columns is not None and scores.shape[1] != asked.n_columns:
        raise QueryError(
            f"{asked.name} gave {scores.shape[1]} columns of scores for {n_rows} copies, and "
            f"{asked.n_columns} before. Its classes must not depend on the batch."
        )
    if is_intact():
        return scores, True
    asked.own_copies = True
    warnings.warn(
        f"{asked.name} changed the batch of {n_rows} copies that it was given. From now on it "
        "gets copies of its own, which takes time; a preprocess= that copies its input does so "
        "without this warning.",
        UserWarning,
        stacklevel=2,
    )
    return scores, False


def _given(asked: Respondent, copies: Any, n_rows: int) -> tuple[Any, int]:
    """The batch that the model gets, and its number of rows.

    NumPy batches are read-only, which scikit-learn heeds. Data frames and lists, and all that
    goes to a model that writes into its batch, are copied. A model that takes batches of one
    size only gets rows repeated up to that size.
    """
    full = asked.full_rows
    if full is not None and n_rows < full:
        repeated = [copies] * (full // n_rows) + [_points.rows(copies, 0, full % n_rows)]
        return _points.concatenate(repeated if full % n_rows else repeated[:-1]), full
    if asked.own_copies or not hasattr(copies, "dtype"):
        return _own(copies), n_rows
    if isinstance(copies, np.ndarray):
        copies.flags.writeable = False
    return copies, n_rows


def _own(copies: Any) -> Any:
    """A batch in memory of its own."""
    if isinstance(copies, list):
        return [_own(copy) if hasattr(copy, "dtype") else copy for copy in copies]
    return copies.clone() if hasattr(copies, "clone") else copies.copy()


def _named(error: Exception, asked: Respondent, n_rows: int) -> Exception:
    """The same error, which now says which model was asked."""
    if isinstance(error, QueryError):
        return QueryError(f"{asked.name}: {error}")
    if hasattr(error, "add_note"):  # Python 3.11
        error.add_note(f"skzest was asking {asked.name} about {n_rows} masked copies.")
    return error


# --- whether a model changed its batch ------------------------------------------------------


def _always() -> bool:
    return True


def _watch(copies: Any) -> Callable[[], bool]:
    """Note what a batch holds; what is returned tells whether it still does."""
    if isinstance(copies, np.ndarray):
        before = _sum_of_words(copies)
        return lambda: _sum_of_words(copies) == before
    if hasattr(copies, "is_inference") and not copies.is_inference():
        version = copies._version  # torch counts what is written into a tensor
        return lambda: copies._version == version
    return _always  # data frames, lists and texts: every model has copies of its own


def _sum_of_words(copies: np.ndarray) -> int:
    """Sum of a batch read as whole numbers, which costs a fraction of copying it."""
    data = np.ascontiguousarray(copies).reshape(-1).view(np.uint8)
    words = data[: data.size // 8 * 8].view(np.uint64)
    return int(np.add.reduce(words)) + int(data[words.size * 8 :].sum())


def _is_careful(query: Query) -> bool:
    """Whether a model is scikit-learn's through and through, which heeds read-only arrays."""
    model = query.model
    if query.preprocess is not None or not hasattr(model, "get_params"):
        return False
    parts = [model, *model.get_params().values()]
    return not any(callable(p) or isinstance(p, type) for p in parts) and all(
        type(p).__module__.partition(".")[0] in ("sklearn", "numpy", "builtins") for p in parts
    )


# --- the first look -------------------------------------------------------------------------


def look_at(
    asked: Respondent, questions: Batch, render: Renderer, full_rows: int | None = None
) -> None:
    """Ask a few questions twice: how many columns there are, and whether answers repeat.

    Sets ``n_columns`` and ``witness`` of the model. ``full_rows`` is the batch size that the
    caller insists on: a model that refuses fewer rows gets that many.

    Raises
    ------
    ValueError
        If two answers to the same copies are more than 1e-4 of their range apart.

    Warns
    -----
    UserWarning
        If the answer to a copy depends on the rest of the batch.
    """
    copies = render(questions)
    raw, intact = _first_answer(asked, copies, questions.n_rows, full_rows)
    asked.recognise(raw)
    first = _as_numpy(asked, asked.scores_from(raw))
    asked.n_columns = first.shape[1]
    if asked.query.deterministic:
        asked.witness = Witness(questions, copies if intact else render(questions), first)
        _check_repeats(asked)


def _first_answer(
    asked: Respondent, copies: Any, n_rows: int, full_rows: int | None
) -> tuple[Any, bool]:
    try:
        return guarded_scores(asked, copies, n_rows)
    except Exception as error:
        if full_rows is None or n_rows >= full_rows or isinstance(error, asked.memory_errors):
            raise
        asked.full_rows = full_rows
        try:
            return guarded_scores(asked, copies, n_rows)
        except Exception:
            raise error from None


def _as_numpy(asked: Respondent, scores: Any) -> np.ndarray:
    """The scores in NumPy's memory, and no longer in the model's."""
    return np.array(asked.query.space.to_numpy(scores))


def _again(asked: Respondent, start: int, stop: int) -> np.ndarray:
    """Answers to rows of the witness, asked once more."""
    assert asked.witness is not None
    copies = _points.rows(asked.witness.copies, start, stop)
    raw, _ = guarded_scores(asked, copies, stop - start)
    return _as_numpy(asked, asked.scores_from(raw))


def by_halves_of(asked: Respondent) -> Gap:
    """The witness asked in two halves, beside the answers to the whole."""
    assert asked.witness is not None
    n_rows = len(asked.witness.scores)
    middle = n_rows // 2
    halves = [(0, middle), (middle, n_rows)] if middle else [(0, n_rows)]
    again = np.concatenate([_again(asked, *half) for half in halves])
    return Gap.between(asked.witness.scores, again)


def tolerance_of(by_halves: Gap) -> float:
    """How far apart answers in other batches may be, of a model that depends on the batch."""
    moves = by_halves.exceeds(_DETERMINISM) and by_halves.range > 0
    return max(_OF_BATCH, 10 * by_halves.size / by_halves.range) if moves else _OF_BATCH


def _check_repeats(asked: Respondent) -> None:
    """Ask again in two halves, which shows chance, and answers that depend on the batch."""
    assert asked.witness is not None
    first, n_rows = asked.witness.scores, len(asked.witness.scores)
    by_halves = by_halves_of(asked)
    if not by_halves.exceeds(_DETERMINISM):
        return
    gap = Gap.between(first, _again(asked, 0, n_rows))
    if gap.exceeds(_DETERMINISM):
        raise ValueError(
            f"{asked.name} answers the same question differently: two answers to the same "
            f"{n_rows} copies are {gap}. Is dropout or another source of chance left on? Turn it "
            "off, or accept the noise with "
            "adapter=functools.partial(as_query, deterministic=False)."
        )
    # Kernels for other batch sizes round differently, and short floats do so visibly.
    asked.witness = replace(asked.witness, tolerance=tolerance_of(by_halves))
    if by_halves.exceeds(_OF_BATCH):
        asked.witness = None
        warnings.warn(
            f"{asked.name} gives a different answer to the same input when the rest of the batch "
            f"changes: answers to {n_rows} copies at once and in two halves are {by_halves}. Is "
            "a batch norm in training mode, or are texts padded to the longest of a batch? As "
            "it is, distances depend on batch_size.",
            UserWarning,
            stacklevel=2,
        )


# --- later on -------------------------------------------------------------------------------


def check_witness(asked: Respondent, start: int, again: np.ndarray, n_rows: int) -> None:
    """Compare answers to rows of the witness from ``start`` on, asked in a batch of ``n_rows``.

    Raises
    ------
    QueryError
        If the model no longer answers as it did.
    """
    assert asked.witness is not None
    scores = asked.witness.scores
    gap = replace(
        Gap.between(scores[start : start + len(again)], again), range=float(np.ptp(scores))
    )
    if not gap.exceeds(_DETERMINISM):
        return
    if not gap.exceeds(asked.witness.tolerance):
        # Perhaps the rest of the batch matters: does the question alone get the same answer?
        alone = Gap.between(scores, _again(asked, 0, len(scores)))
        if not alone.exceeds(_DETERMINISM):
            return
    raise QueryError(
        f"{asked.name} no longer answers as it did at the start: in a batch of {n_rows} copies, "
        f"the answers to {len(again)} that it had been asked before are {gap}. Was it replaced, "
        "or does it mix up answers under load? Ask again in smaller batches (batch_size=), or "
        "accept the noise with adapter=functools.partial(as_query, deterministic=False)."
    )
