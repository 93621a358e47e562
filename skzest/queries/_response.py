# SPDX-License-Identifier: BSD-3-Clause
"""From what a model answers to scores: one kind, (n, n_classes), for a whole zoo.

Everything works on NumPy arrays and on torch tensors alike, where they lie.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of

from .._validation import listed
from ..exceptions import QueryError
from ._base import Query, as_numpy

__all__ = [
    "RESPONSES",
    "as_response",
    "check_response",
    "choose_output",
    "raw_scores",
    "respond",
]

RESPONSES = ("logit", "raw", "predict_proba", "decision_function", "label")

# What is asked for each response, the best first.
_OUTPUTS_FOR = {
    "logit": ("logits", "predict_proba"),
    "raw": ("logits", "decision_function"),
    "predict_proba": ("predict_proba", "logits"),
    "decision_function": ("decision_function",),
    # "predict" first: under a tuned threshold, or in SVC, it is not the largest probability.
    "label": ("predict", "predict_proba", "logits", "decision_function"),
}

_SUM_TOLERANCE = 1e-3
_NEGATIVE_TOLERANCE = 1e-6


def check_response(response: Any, clip: Any = 1e-6) -> None:
    """Check the kind of response and its clip, for all who take them as parameters.

    Raises
    ------
    ValueError
        If `response` is unknown, or `clip` is outside (0, 1).
    TypeError
        If `clip` is not a number.
    """
    if not isinstance(response, str) or response not in RESPONSES:
        names = listed([repr(known) for known in RESPONSES], "or")
        raise ValueError(f"response={response!r} is not known; pass {names}.")
    if isinstance(clip, bool) or not isinstance(clip, numbers.Real):
        raise TypeError(f"clip={clip!r} is not a number; pass one in (0, 1), such as 1e-6.")
    if not 0 < float(clip) < 1:
        raise ValueError(
            f"clip={clip!r} is outside (0, 1); pass the least probability that is told from "
            "zero, such as 1e-6."
        )


def choose_output(query: Query, response: str) -> str:
    """Which of its outputs a query is asked for.

    Parameters
    ----------
    query : Query
    response : {"logit", "raw", "predict_proba", "decision_function", "label"}

    Returns
    -------
    output : {"logits", "predict_proba", "decision_function", "predict"}

    Raises
    ------
    ValueError
        If `response` is none of these.
    QueryError
        If the model offers nothing from which the response follows.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest.queries import as_query, choose_output
    >>> choose_output(as_query(GaussianNB().fit([[0.0], [1.0]], [0, 1])), "logit")
    'predict_proba'
    """
    check_response(response)
    output = _output_for(query, response)
    if output is None:
        raise QueryError(_refusal(query, response))
    return output


def _output_for(query: Query, response: str) -> str | None:
    for output in _OUTPUTS_FOR[response]:
        # Labels without a list of classes have no columns.
        if output in query.outputs and not (output == "predict" and query.classes_ is None):
            return output
    return None


def _refusal(query: Query, response: str) -> str:
    fact = (
        f"response={response!r} needs {listed(_OUTPUTS_FOR[response], 'or')}, "
        f"and {query!r} offers {listed(query.outputs) if query.outputs else 'nothing'}"
    )
    with_classes = 'CallableQuery(func, output="predict", classes=...)'
    if response == "label":
        return f"{fact} without the list of classes; use {with_classes}."
    remedies = []
    if "decision_function" in query.outputs and hasattr(query.model, "classes_"):
        remedies.append("wrap the model in sklearn.calibration.CalibratedClassifierCV")
    others = [f'"{other}"' for other in RESPONSES if _output_for(query, other)]
    if others:
        remedies.append(f"pass response={listed(others, 'or')}")
    elif "predict" in query.outputs:
        remedies.append(f'pass response="label" with {with_classes}')
    return f"{fact}; {listed(remedies or ['leave it out'], 'or')}."


def respond(
    query: Query, X: Any, response: str = "logit", clip: float = 1e-6, *, n: int | None = None
) -> Any:
    """Scores of one batch.

    Parameters
    ----------
    query : Query
        The model.
    X : array, DataFrame or list of str, of n copies
        The batch, in ``query.space``.
    response : {"logit", "raw", "predict_proba", "decision_function", "label"}
        "logit" is the logits, or ``log(clip(predict_proba, clip, 1))``, minus their mean over
        classes, so that both are the same quantity. "raw" is logits or decision values as
        they come; "label" is one-hot.
    clip : float, default=1e-6
        Smallest probability that is told from zero, in (0, 1).
    n : int, default=None
        Number of copies in the batch; None is ``len(X)``.

    Returns
    -------
    scores : array of shape (n, n_classes)
        In the space of the answer. float32 and float64 are kept, half precision becomes
        float32, and everything else float64. Decision values of shape (n,) become the
        columns ``[-s, s]``. Non-finite scores pass: the caller knows the reference point.

    Raises
    ------
    QueryError
        If the model cannot give this response, or its answer has the wrong shape, is not
        numeric, or is said to be probabilities and is not.
    ValueError
        If `response` or `clip` is not one of those above.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import CallableQuery, respond
    >>> query = CallableQuery(lambda X: np.exp(X) / np.exp(X).sum(axis=1, keepdims=True))
    >>> bool(np.allclose(respond(query, np.array([[1.0, 2.0, 6.0]])), [[-2.0, -1.0, 3.0]]))
    True
    """
    check_response(response, clip)
    output = choose_output(query, response)
    n = len(X) if n is None else n
    return as_response(raw_scores(query, X, output, n), output, response, clip)


def raw_scores(query: Query, X: Any, output: str, n: int) -> Any:
    """The answer to one batch as floats of shape (n, n_classes), labels as one-hot."""
    answer = query.ask(X, output)
    if output == "predict":
        return query.space.asarray(_one_hot_of_labels(query, answer, n))
    return _as_scores(query, answer, output, n)


def as_response(scores: Any, output: str, response: str, clip: float) -> Any:
    """Turn raw scores of one output into a response; each row is on its own."""
    return scores if output == "predict" else _convert(scores, output, response, clip)


def _one_hot_of_labels(query: Query, answer: Any, n: int) -> np.ndarray:
    labels = as_numpy(answer)
    if labels.shape == (n, 1):
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise QueryError(
            f"{query!r} returned labels of shape {labels.shape} for a batch of {n}; expected "
            f"({n},). If they are scores, wrap the function in CallableQuery with output= their "
            "kind; models with several outputs are not supported."
        )
    assert query.classes_ is not None
    # A dictionary, not searchsorted: classes may be unsorted, strings, booleans or objects.
    column_of = {label: column for column, label in enumerate(query.classes_.tolist())}
    columns = [column_of.get(label, -1) for label in labels.tolist()]
    if -1 in columns:
        stranger = labels.tolist()[columns.index(-1)]
        raise QueryError(
            f"{query!r} returned the label {stranger!r}, which is none of its {len(column_of)} "
            f"classes, {_shortened(query.classes_)}. Is the list of classes complete?"
        )
    scores = np.zeros((n, len(column_of)))
    scores[np.arange(n), columns] = 1.0
    return scores


def _shortened(classes: np.ndarray) -> str:
    shown = [repr(label) for label in classes.tolist()[:5]]
    return ", ".join(shown + ["..."] if len(classes) > 5 else shown)


def _as_scores(query: Query, answer: Any, output: str, n: int) -> Any:
    """The answer as floats of shape (n, n_classes), or a QueryError."""
    try:
        xp = array_namespace(answer)
    except TypeError:
        raise QueryError(
            f"{query!r} returned a {type(answer).__name__}; expected an array of {query.space!r}."
        ) from None
    scores = _as_float(xp, query, answer)
    if output == "decision_function" and scores.shape == (n,):
        scores = xp.stack([-scores, scores], axis=1)
    _check_shape(query, tuple(scores.shape), output, n)
    if output == "predict_proba" and n > 0:
        _check_probabilities(xp, query, scores)
    return _row_after_row(scores)


def _row_after_row(scores: Any) -> Any:
    """The same in C order: how numbers lie in memory may show in the last bits of products.

    Naive Bayes answers class after class, and scores from a store lie row after row.
    """
    return scores.contiguous() if hasattr(scores, "contiguous") else np.ascontiguousarray(scores)


def _as_float(xp: Any, query: Query, answer: Any) -> Any:
    if answer.dtype in (xp.float64, xp.float32):
        return answer
    if xp.isdtype(answer.dtype, "real floating"):
        return xp.astype(answer, xp.float32) if xp.finfo(answer.dtype).bits < 32 else answer
    if xp.isdtype(answer.dtype, ("bool", "integral")):
        return xp.astype(answer, xp.float64)
    raise QueryError(
        f"{query!r} returned an array of dtype {answer.dtype} and shape {tuple(answer.shape)}; "
        'expected real numbers. If they are labels, use CallableQuery(func, output="predict", '
        'classes=...) and response="label".'
    )


def _check_shape(query: Query, shape: tuple, output: str, n: int) -> None:
    n_classes = "n_classes" if query.classes_ is None else len(query.classes_)
    fact = f"{query!r} returned {output} of shape {shape} for a batch of {n}"
    expected = f"expected ({n}, {n_classes})"
    if len(shape) == 1 and shape[0] == n:
        raise QueryError(
            f"{fact}; {expected}. If the model answers with labels, pass "
            'response="label" (and to CallableQuery output="predict" and classes=); if with one '
            "probability p, return the columns [1 - p, p]; if with one score, say "
            'output="decision_function".'
        )
    if len(shape) == 3:
        raise QueryError(
            f"{fact}; {expected}. Models with several outputs are not supported: wrap a "
            "function that gives one of them in CallableQuery."
        )
    if len(shape) != 2 or shape[0] != n:
        raise QueryError(f"{fact}; {expected}. Each copy must get one row, in the same order.")
    if query.classes_ is None and shape[1] < 2:
        raise QueryError(
            f"{fact}; {expected} with at least 2 classes. If the column is the "
            "probability p of one class, return the columns [1 - p, p]; if its score s, [-s, s]."
        )
    if query.classes_ is not None and shape[1] != n_classes:
        raise QueryError(f"{fact}; {expected}, as it has the classes {_shortened(query.classes_)}.")


def _check_probabilities(xp: Any, query: Query, scores: Any) -> None:
    # A product with ones: sums along short rows are 10 times slower, and this is every batch.
    total = scores @ xp.ones(scores.shape[1], dtype=scores.dtype, device=device_of(scores))
    off = xp.abs(total - 1.0)
    if bool(xp.max(off) <= _SUM_TOLERANCE) and bool(xp.min(scores) >= -_NEGATIVE_TOLERANCE):
        return
    least = xp.min(scores, axis=1)
    # Non-finite rows are the caller's to report, with the reference point they come from.
    bad = ((off > _SUM_TOLERANCE) | (least < -_NEGATIVE_TOLERANCE)) & xp.isfinite(total)
    if bool(xp.any(bad)):
        row = int(xp.argmax(xp.astype(bad, xp.int8)))
        raise QueryError(
            f"{query!r} returned numbers that are not probabilities: row {row} sums to "
            f"{float(total[row]):.6g} and its least is {float(least[row]):.6g}. If they are "
            'logits, use CallableQuery(func, output="logits"); one probability per label of a '
            "multilabel model is not supported."
        )


def _convert(scores: Any, output: str, response: str, clip: float) -> Any:
    xp = array_namespace(scores)
    if response == "logit":
        if output == "predict_proba":
            # A clip that the dtype cannot hold would give back the zeros that it is to remove.
            least = max(float(clip), float(xp.finfo(scores.dtype).smallest_normal))
            scores = xp.log(xp.clip(scores, least, 1.0))
        return scores - xp.mean(scores, axis=1, keepdims=True)
    if response == "predict_proba" and output == "logits":
        return _softmax(xp, scores)
    if response == "label":
        return _one_hot_of_largest(xp, scores)
    # A copy: some runtimes answer every batch with the same memory.
    return xp.asarray(scores, copy=True)


def _softmax(xp: Any, scores: Any) -> Any:
    powers = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    return powers / xp.sum(powers, axis=1, keepdims=True)


def _one_hot_of_largest(xp: Any, scores: Any) -> Any:
    classes = xp.arange(scores.shape[1], device=device_of(scores))
    largest = xp.argmax(scores, axis=1, keepdims=True) == classes
    # argmax would turn NaN into a label, and hide it from those who look for it.
    undefined = xp.any(xp.isnan(scores), axis=1, keepdims=True)
    return xp.where(undefined, xp.nan, xp.astype(largest, scores.dtype))
