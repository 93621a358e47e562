# SPDX-License-Identifier: BSD-3-Clause
"""From what a model answers to scores: one kind, (n, n_classes), for a whole zoo.

Everything works on NumPy arrays and on torch tensors alike, where they lie.
"""

from __future__ import annotations

import numbers
from types import ModuleType

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of

from .._validation import check_choice, listed
from ..exceptions import QueryError, warn
from ._base import Array, Inputs, Query
from ._probabilities import are_log_odds, are_probabilities, fault_of, may_be_sigmoids, normalised
from ._scores import raw_scores

__all__ = [
    "RESPONSES",
    "as_response",
    "check_response",
    "choose_output",
    "first_look",
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


def check_response(response: object, clip: object = 1e-6) -> None:
    """Check the parameters `response` and `clip`.

    Raises
    ------
    ValueError
        If `response` is unknown, or `clip` is outside (0, 1).
    TypeError
        If `clip` is not a number.
    """
    check_choice(response, "response", RESPONSES)
    if isinstance(clip, bool) or not isinstance(clip, numbers.Real):
        raise TypeError(f"clip={clip!r} is not a number; pass one in (0, 1), such as 1e-6.")
    if not 0 < float(clip) < 1:
        raise ValueError(
            f"clip={clip!r} is outside (0, 1); pass the smallest probability that counts as "
            "different from zero, such as 1e-6."
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
    return _chosen(query, response)


def _chosen(query: Query, response: str) -> str:
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
    others = [f'"{other}"' for other in RESPONSES if _output_for(query, other)]
    if others:
        remedies.append(f"pass response={listed(others, 'or')}")
    elif "predict" in query.outputs:
        remedies.append(f'pass response="label" with {with_classes}')
    if "decision_function" in query.outputs and hasattr(query.model, "classes_"):
        # A zoo may also hold forests and the like.
        remedies[-1] += ' (only "label" also suits models that offer probabilities alone)'
        remedies.append(
            "calibrate the model as it is, with CalibratedClassifierCV(FrozenEstimator(model))"
            ".fit(X, y) of sklearn.calibration and sklearn.frozen"
        )
    return f"{fact}; {listed(remedies or ['leave it out'], 'or')}."


def respond(
    query: Query, X: Inputs, response: str = "logit", clip: float = 1e-6, *, n: int | None = None
) -> Array:
    """Scores of one batch, looked at as if it were the first.

    Whoever asks for many batches calls :func:`choose_output` and, for the first batch,
    :func:`first_look` once, then :func:`raw_scores` and :func:`as_response` for each.

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
        Smallest probability that counts as different from zero, in (0, 1).
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

    Warns
    -----
    UserWarning
        If the model was said to give logits and gives probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import CallableQuery, respond
    >>> query = CallableQuery(lambda X: np.exp(X) / np.exp(X).sum(axis=1, keepdims=True))
    >>> bool(np.allclose(respond(query, np.array([[1.0, 2.0, 6.0]])), [[-2.0, -1.0, 3.0]]))
    True
    """
    check_response(response, clip)
    output = _chosen(query, response)
    scores = raw_scores(query, X, output, len(X) if n is None else n)
    given = first_look(query, scores, output, response)
    return as_response(scores, given, response, clip)


def first_look(
    query: Query, scores: Array, output: str, response: str, *, name: str | None = None
) -> str:
    """What the first answers of a model are, whatever they were said to be.

    Called once per model and run, with the scores of its first batch. What it returns goes
    into :func:`as_response` as `given`, for this batch and for all that follow. Rows that are
    non-negative and sum to 1, up to rounding, are probabilities.

    Parameters
    ----------
    query : Query
    scores : array of shape (n, n_classes)
        As :func:`raw_scores` gives them.
    output : {"logits", "predict_proba", "decision_function", "predict"}
        What the model was asked for, see :func:`choose_output`.
    response : {"logit", "raw", "predict_proba", "decision_function", "label"}
    name : str, default=None
        What warnings call the model; None is ``repr(query)``.

    Returns
    -------
    given : {"logits", "predict_proba", "decision_function", "predict"}
        `output`, or "predict_proba" for a model that was asked for logits and answers with
        probabilities, such as a network that ends in a softmax.

    Raises
    ------
    QueryError
        If the model was asked for probabilities and gives something else, or gives
        probabilities from which the response does not follow.

    Warns
    -----
    UserWarning
        If the model was asked for logits and gives probabilities, or one column that may be.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skzest.queries import CallableQuery, first_look, raw_scores
    >>> query = CallableQuery(lambda X: np.full((len(X), 2), 0.5), output="logits")
    >>> scores = raw_scores(query, np.zeros((3, 1)), "logits", 3)
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     given = first_look(query, scores, "logits", "logit")
    >>> given, len(said)
    ('predict_proba', 1)
    """
    if output == "predict_proba":
        fault = fault_of(scores)
        if fault is not None:
            raise QueryError(_not_probabilities(query, fault))
    elif output == "logits" and scores.shape[1] > 1 and are_probabilities(scores):
        if response == "raw":
            raise QueryError(
                f"{query!r} answers with probabilities: its rows are non-negative and sum to 1, "
                f"so response={response!r} does not follow from them. Return logits, or pass "
                'response="logit", "predict_proba" or "label".'
            )
        if response != "label":
            warn(
                f"{name or repr(query)} was asked for logits and answers with probabilities: its "
                "rows are non-negative and sum to 1. They are treated as probabilities. To confirm "
                f"this, use {query.saying('predict_proba')}.",
                UserWarning,
            )
        return "predict_proba"
    elif output == "logits" and response != "label" and may_be_sigmoids(scores):
        kind = "scores"
        remedy = "return what goes into it, which for a probability p is log(p / (1 - p))"
        if are_log_odds(scores):
            kind, remedy = "log-odds", f"use {query.saying('predict_proba')}"
        warn(
            f"{name or repr(query)} was asked for logits, and all {kind} that it gave are between "
            f"0 and 1, as probabilities are. If it ends in a sigmoid, {remedy}.",
            UserWarning,
        )
    return output


def _not_probabilities(query: Query, fault: str) -> str:
    fact = f"{query!r} returned numbers that are not probabilities: {fault}."
    if fault.endswith("zeros"):
        return f"{fact} Return more digits, or 1 / n_classes in the whole row."
    return (
        f"{fact} If they are logits or log-probabilities, use {query.saying('logits')}; if they "
        "are positive scores, divide each row by its sum. The labels of a multilabel model are "
        "compared one at a time: return the columns [1 - p, p] of one of them."
    )


def as_response(scores: Array, given: str, response: str, clip: float) -> Array:
    """Turn raw scores into a response; each row is on its own.

    Parameters
    ----------
    scores : array of shape (n, n_classes)
        As :func:`raw_scores` gives them.
    given : {"logits", "predict_proba", "decision_function", "predict"}
        What the scores are, as :func:`first_look` found.
    response : {"logit", "raw", "predict_proba", "decision_function", "label"}
    clip : float
        Smallest probability that counts as different from zero.

    Returns
    -------
    scores : array of shape (n, n_classes)

    Raises
    ------
    QueryError
        If the scores should be probabilities, as they were at first, and are not.
    """
    if given == "predict":
        return scores
    if given == "predict_proba":
        scores = normalised(scores)
    return _convert(scores, given, response, clip)


def _convert(scores: Array, output: str, response: str, clip: float) -> Array:
    xp = array_namespace(scores)
    if response == "logit":
        if output == "predict_proba":
            # A clip that the dtype cannot hold would give back the zeros that it is to remove.
            least = max(float(clip), float(xp.finfo(scores.dtype).smallest_normal))
            scores = xp.log(xp.clip(scores, least, 1.0))
        return scores - _row_means(xp, scores)
    if response == "predict_proba" and output == "logits":
        return _softmax(xp, scores)
    if response == "label":
        return _one_hot_of_largest(xp, scores)
    # A copy: some runtimes answer every batch with the same memory.
    return xp.asarray(scores, copy=True)


def _row_means(xp: ModuleType, scores: Array) -> Array:
    if isinstance(scores, np.ndarray):
        # mean() takes four times as long along short rows. Not a product with ones: what it makes
        # of a row depends on the rows before.
        return np.einsum("ij->i", scores)[:, None] / scores.shape[1]
    return xp.mean(scores, axis=1, keepdims=True)


def _softmax(xp: ModuleType, scores: Array) -> Array:
    powers = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    return powers / xp.sum(powers, axis=1, keepdims=True)


def _one_hot_of_largest(xp: ModuleType, scores: Array) -> Array:
    classes = xp.arange(scores.shape[1], device=device_of(scores))
    largest = xp.argmax(scores, axis=1, keepdims=True) == classes
    # argmax would turn NaN into a label, where it would no longer be noticed.
    undefined = xp.any(xp.isnan(scores), axis=1, keepdims=True)
    return xp.where(undefined, xp.nan, xp.astype(largest, scores.dtype))
