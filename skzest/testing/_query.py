# SPDX-License-Identifier: BSD-3-Clause
"""Checks that a query keeps its contract."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from array_api_compat import device as device_of
from joblib import wrap_non_picklable_objects

from ..exceptions import QueryError
from ..queries import OUTPUTS, RESPONSES, Query, Space, choose_output, respond
from ..queries import Inputs as Batch
from ._equal import identical

__all__ = ["check_query"]


def check_query(query: Query, X: Batch) -> None:
    """Check that a query keeps the contract of :class:`~skzest.queries.Query`.

    It is asked for everything that it offers: the whole batch, twice, in pieces, in another
    order, and as a copy that went through pickle. A query with ``deterministic=False`` need
    not repeat its answers.

    Parameters
    ----------
    query : Query
        With at least 2 classes.
    X : ndarray, DataFrame or list of str
        At least 4 inputs of the model, not all alike.

    Raises
    ------
    AssertionError
        With what is wrong.
    ValueError
        If there are fewer than 4 inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest.queries import as_query
    >>> from skzest.testing import check_query
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> check_query(as_query(GaussianNB().fit(X, [0, 1, 0, 1, 1, 0])), X)
    """
    n = len(X)
    if n < 4:
        raise ValueError(f"X has {n} inputs; pass at least 4, so that batches can be split.")
    _check_description(query)
    batch = query.space.asarray(X) if isinstance(X, np.ndarray) else X
    with query.session():
        for output in query.outputs:
            _check_answer(query, batch, output, n)
            _check_preprocess(query, batch, output)
            _check_memory(query, batch, output, n)
            if query.deterministic:
                _check_same_answers(query, batch, output, n)
        _check_responses(query, batch, n)
    _check_pickle(query, batch)


def _check_description(query: Query) -> None:
    assert isinstance(query, Query), f"{type(query).__name__} does not subclass Query"
    assert isinstance(query.outputs, tuple), f"outputs is {query.outputs!r}, not a tuple"
    assert query.outputs, "outputs is empty: the model cannot be asked for anything"
    unknown = [output for output in query.outputs if output not in OUTPUTS]
    assert not unknown, f"outputs holds {unknown}, which are none of {OUTPUTS}"
    assert isinstance(query.space, Space), f"space is {query.space!r}, not a Space"
    assert hash(query.space) == hash(query.space), "space has no stable hash"
    assert query.space == query.space, "space does not equal itself"
    if query.classes_ is not None:
        assert isinstance(query.classes_, np.ndarray), "classes_ is neither None nor an ndarray"
        assert query.classes_.ndim == 1, f"classes_ has shape {query.classes_.shape}"
        labels = query.classes_.tolist()
        assert len(set(labels)) == len(labels), f"classes_ holds a label twice: {labels}"


def _check_answer(query: Query, batch: Batch, output: str, n: int) -> None:
    before = copy.deepcopy(batch)
    given = query.ask(batch, output)
    assert identical(before, batch), f"asking for {output} changed the batch in place"
    home = query.space.asarray(np.zeros(1))
    at_home = isinstance(given, type(home)) and device_of(given) == device_of(home)
    assert at_home, f"{output} is a {type(given).__name__} that does not lie in {query.space!r}"
    answer = query.space.to_numpy(given)
    if output == "predict":
        assert answer.shape == (n,), f"labels have shape {answer.shape}; expected ({n},)"
        return  # respond() finds labels that are not classes
    assert answer.dtype.kind == "f", f"{output} has dtype {answer.dtype}; expected floats"
    n_classes = "n_classes" if query.classes_ is None else len(query.classes_)
    binary = output == "decision_function" and n_classes in ("n_classes", 2)
    fits = answer.ndim == 2 and answer.shape[0] == n and n_classes in ("n_classes", answer.shape[1])
    assert fits or (binary and answer.shape == (n,)), (
        f"{output} has shape {answer.shape} for a batch of {n}; expected ({n}, {n_classes})"
    )
    bad = np.count_nonzero(~np.isfinite(answer))
    assert bad == 0, f"{output} holds {bad} non-finite numbers"


def _check_preprocess(query: Query, batch: Batch, output: str) -> None:
    calls = []

    def spy(X: Batch) -> Batch:
        calls.append(len(X))
        return X if query.preprocess is None else query.preprocess(X)

    watched = copy.copy(query)
    watched.preprocess = spy
    watched.ask(batch, output)
    assert len(calls) == 1, (
        f"preprocess was called {len(calls)} times for one batch; ask() calls self.prepare(X) once"
    )


def _check_memory(query: Query, batch: Batch, output: str, n: int) -> None:
    """An answer stays as it is while other batches are answered."""
    first = query.ask(_rows(batch, np.arange(n - 1)), output)
    kept = np.array(query.space.to_numpy(first))
    query.ask(_rows(batch, np.arange(n - 1, 0, -1)), output)
    assert identical(kept, query.space.to_numpy(first)), (
        f"{output}: answering another batch changed an answer that was given before; return a copy"
    )


def _check_same_answers(query: Query, batch: Batch, output: str, n: int) -> None:
    """The rows of a batch do not know of each other, nor of what was asked before."""

    def ask(rows: np.ndarray) -> np.ndarray:
        return query.space.to_numpy(query.ask(_rows(batch, rows), output))

    whole = query.space.to_numpy(query.ask(batch, output))
    again = query.space.to_numpy(query.ask(batch, output))
    _assert_close(whole, again, f"{output}: the same batch, asked twice")
    order = np.arange(n)
    pieces = np.concatenate([ask(rows) for rows in (order[:1], order[1:3], order[3:])])
    _assert_close(whole, pieces, f"{output}: the batch, asked in pieces")
    mixed = np.random.default_rng(0).permutation(n)
    _assert_close(whole[mixed], ask(mixed), f"{output}: the batch, asked in another order")


def _check_responses(query: Query, batch: Batch, n: int) -> None:
    widths = {}
    for response in RESPONSES:
        try:
            choose_output(query, response)
        except QueryError:
            continue
        try:
            scores = query.space.to_numpy(respond(query, batch, response, n=n))
        except QueryError as error:
            raise AssertionError(f"response={response!r} is offered, and fails: {error}") from error
        widths[response] = scores.shape[1]
    assert widths, f"no response follows from {query.outputs}"
    assert len(set(widths.values())) == 1, (
        f"the number of classes depends on the response: {widths}"
    )


def _check_pickle(query: Query, batch: Batch) -> None:
    try:
        # As joblib does it, which also takes functions without a module.
        wrapped = wrap_non_picklable_objects(query, keep_wrapper=False)
        twin = pickle.loads(pickle.dumps(wrapped))
    except Exception as error:
        raise AssertionError(f"{query!r} does not pickle: {error}") from error
    assert twin.outputs == query.outputs, "a pickled copy has other outputs"
    assert twin.space == query.space, "a pickled copy has another space"
    if not query.deterministic:
        return
    for output in query.outputs:
        with query.session():
            here = query.space.to_numpy(query.ask(batch, output))
        with twin.session():
            there = twin.space.to_numpy(twin.ask(batch, output))
        _assert_close(here, there, f"{output}: a pickled copy")


def _assert_close(expected: np.ndarray, given: np.ndarray, what: str) -> None:
    assert expected.shape == given.shape, f"{what}, gives shape {given.shape}, not {expected.shape}"
    if expected.dtype.kind != "f":
        assert np.array_equal(expected, given), f"{what}, gives other labels"
        return
    # Kernels are chosen by batch size, so the last digits may differ.
    rounding = 1e-4 if expected.dtype.itemsize < 8 else 1e-7
    gap, scale = np.max(np.abs(expected - given)), np.max(np.abs(expected))
    assert gap <= rounding * scale, f"{what}, gives answers up to {gap:.3g} apart"


def _rows(batch: Batch, rows: np.ndarray) -> Batch:
    if isinstance(batch, (list, tuple)):
        return [batch[i] for i in rows]
    return batch.iloc[rows] if hasattr(batch, "iloc") else batch[rows]
