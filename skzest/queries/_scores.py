# SPDX-License-Identifier: BSD-3-Clause
"""The answer to one batch as an array of floats, (n, n_classes), or the reason why it is not."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from array_api_compat import array_namespace

from ..exceptions import PartialAnswerError, QueryError
from ._base import Array, Inputs, Query, as_numpy
from ._labels import shortened

__all__ = ["raw_scores", "two_columns"]


def raw_scores(query: Query, X: Inputs, output: str, n: int) -> Array:
    """The answer to one batch as floats of shape (n, n_classes), labels as one-hot."""
    try:
        answer = query.ask(X, output)
    except PartialAnswerError as error:  # what was answered can be kept
        error.answer = _checked(query, error.answer, output, len(error.answer))
        raise
    return _checked(query, answer, output, n)


def _checked(query: Query, answer: Array, output: str, n: int) -> Array:
    if output == "predict":
        return query.space.asarray(_one_hot_of_labels(query, answer, n))
    return _as_scores(query, answer, output, n)


def two_columns(scores: Array, output: str, classes: np.ndarray | None) -> Array:
    """One column as two where two classes are known; all other answers as they are.

    A sigmoid is a softmax over half the log-odds and minus that.
    """
    one_column = scores.ndim == 1 or scores.shape[1:] == (1,)
    if output == "predict" or classes is None or len(classes) != 2 or not one_column:
        return scores
    xp, scores = array_namespace(scores), scores.reshape(-1)
    if output == "logits":
        return xp.stack([-scores / 2, scores / 2], axis=1)
    return xp.stack([1 - scores, scores], axis=1) if output == "predict_proba" else scores


def _one_hot_of_labels(query: Query, answer: Array, n: int) -> np.ndarray:
    labels = as_numpy(answer)
    if labels.shape == (n, 1):
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise QueryError(
            f"{query!r} returned labels of shape {labels.shape} for a batch of {n}; expected "
            f'({n},). If they are scores, say which: CallableQuery(func, output="logits"), for '
            "instance. Models with several outputs are not supported."
        )
    assert query.classes_ is not None
    # A dictionary, not searchsorted: classes may be unsorted, strings, booleans or objects.
    column_of = {label: column for column, label in enumerate(query.classes_.tolist())}
    try:
        columns = [column_of.get(label, -1) for label in labels.tolist()]
    except TypeError as error:  # a list or a dict for a label
        raise QueryError(
            f"{query!r} returned rows that are not labels ({error}); expected one of its classes, "
            f"{shortened(query.classes_)}, for each copy."
        ) from error
    if -1 in columns:
        stranger = labels.tolist()[columns.index(-1)]
        raise QueryError(
            f"{query!r} returned the label {stranger!r}, which is none of its {len(column_of)} "
            f"classes, {shortened(query.classes_)}. Complete the list: CallableQuery(func, "
            'output="predict", classes=...).'
        )
    scores = np.zeros((n, len(column_of)))
    scores[np.arange(n), columns] = 1.0
    return scores


def _as_scores(query: Query, answer: Array, output: str, n: int) -> Array:
    """The answer as floats of shape (n, n_classes), or a QueryError."""
    try:
        xp = array_namespace(answer)
    except TypeError:
        raise QueryError(
            f"{query!r} returned a {type(answer).__name__}; expected an array of {query.space!r}."
        ) from None
    scores = _as_float(xp, query, answer)
    if output == "decision_function" and scores.shape == (n, 1) and not _has_one_class(query):
        scores = scores[:, 0]
    if output == "decision_function" and scores.shape == (n,):
        scores = xp.stack([-scores, scores], axis=1)
    if scores.shape == (n,) or (scores.shape == (n, 1) and not _has_one_class(query)):
        raise QueryError(f"{_fact(query, scores, output, n)}. {_of_one_column(as_numpy(scores))}")
    _check_shape(query, scores, output, n)
    return _row_after_row(scores)


def _has_one_class(query: Query) -> bool:
    return query.classes_ is not None and len(query.classes_) == 1


def _row_after_row(scores: Array) -> Array:
    """The same in C order: how numbers lie in memory may show in the last bits of products.

    Naive Bayes answers class after class, and scores from a store lie row after row.
    """
    return scores.contiguous() if hasattr(scores, "contiguous") else np.ascontiguousarray(scores)


def _as_float(xp: ModuleType, query: Query, answer: Array) -> Array:
    if not getattr(answer.dtype, "isnative", True):
        answer = answer.astype(answer.dtype.newbyteorder("="))
    if answer.dtype in (xp.float64, xp.float32):
        return answer
    if xp.isdtype(answer.dtype, "real floating"):
        if xp.finfo(answer.dtype).bits >= 32:
            return answer
        query._short_eps = float(xp.finfo(answer.dtype).eps)
        return xp.astype(answer, xp.float32)
    if xp.isdtype(answer.dtype, ("bool", "integral")):
        return xp.astype(answer, xp.float64)
    raise QueryError(
        f"{query!r} returned an array of dtype {answer.dtype} and shape {tuple(answer.shape)}; "
        'expected real numbers. If they are labels, use CallableQuery(func, output="predict", '
        'classes=...) and response="label".'
    )


def _of_one_column(numbers: np.ndarray) -> str:
    """What to do with one number per copy."""
    score = (
        "if they are scores of a regressor or a ranker, use "
        'CallableQuery(func, output="decision_function") and response="decision_function".'
    )
    if np.array_equal(numbers, np.round(numbers)):
        return (
            'If the numbers are labels, use CallableQuery(func, output="predict", classes=...) and '
            f'response="label"; {score}'
        )
    if numbers.min() >= 0 and numbers.max() <= 1:
        return (
            "If the numbers are probabilities p of the second of two classes, return the columns "
            '[1 - p, p], or for a network use TorchQuery(model, output="predict_proba", '
            f"classes=[0, 1]) or KerasQuery(model, classes=[0, 1]); {score}"
        )
    return (
        "If the numbers are log-odds s of the second of two classes, return the columns "
        "[-s / 2, s / 2], or for a network use TorchQuery(model, classes=[0, 1]) or "
        f"KerasQuery(model, classes=[0, 1]); {score}"
    )


def _fact(query: Query, scores: Array, output: str, n: int) -> str:
    n_classes = "n_classes" if query.classes_ is None else len(query.classes_)
    return (
        f"{query!r} returned {output} of shape {tuple(scores.shape)} for a batch of {n}; "
        f"expected ({n}, {n_classes})"
    )


def _check_shape(query: Query, scores: Array, output: str, n: int) -> None:
    fact = _fact(query, scores, output, n)
    if scores.ndim == 3:
        raise QueryError(
            f"{fact}. Models with several outputs are not supported: wrap a function that returns "
            "one of them in CallableQuery."
        )
    if scores.ndim != 2 or scores.shape[0] != n:
        raise QueryError(f"{fact}. Each copy must get one row, in the same order.")
    if query.classes_ is not None and scores.shape[1] != len(query.classes_):
        raise QueryError(
            f"{fact}, as it has the classes {shortened(query.classes_)}. Return a column for each "
            "class, or pass the labels of the columns as classes=."
        )
