# SPDX-License-Identifier: BSD-3-Clause
"""For those who write a query or a masker of their own, and for tests that need quick models."""

from __future__ import annotations

import copy
import json
import pickle
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from joblib import wrap_non_picklable_objects
from sklearn.base import BaseEstimator, clone

from .exceptions import QueryError
from .queries import (
    OUTPUTS,
    RESPONSES,
    CallableQuery,
    Query,
    Space,
    choose_output,
    respond,
)

__all__ = ["RowAsLinearModel", "check_masker", "check_query"]


class RowAsLinearModel(BaseEstimator):
    """Adapter that reads a row of numbers as a linear model.

    With it the models of a :class:`~skzest.LimeSignatureTransformer` are the rows of a 2-D
    array, so that scikit-learn's own estimator checks run on it in full, and tests have as
    many models as they like at no cost. The row is repeated (or cut) to fill the weights, and
    each weight has a fixed factor of its own in [0.5, 1.5), so that classes differ.

    Parameters
    ----------
    n_features : int
        Numbers in one input, all axes together.
    n_classes : int, default=2
        Classes of the model.

    Attributes
    ----------
    takes_rows : bool
        True: says that models are the rows of a 2-D array.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import respond
    >>> from skzest.testing import RowAsLinearModel
    >>> query = RowAsLinearModel(n_features=3)([1.0, -2.0])
    >>> X = np.eye(3)
    >>> bool(np.allclose(respond(query, 2 * X), 2 * respond(query, X)))
    True
    """

    takes_rows = True

    def __init__(self, n_features: int, n_classes: int = 2):
        self.n_features = n_features
        self.n_classes = n_classes

    def __call__(self, row: Any) -> CallableQuery:
        """Query of one row, answering with logits."""
        row = np.asarray(row, dtype=np.float64)
        if row.ndim != 1 or row.size == 0:
            raise ValueError(f"a row of shape {row.shape} is no model; pass a 1-D row of numbers.")
        size = self.n_classes * self.n_features
        # Multiples of the golden ratio, modulo 1, never repeat: no two classes are alike.
        factors = 0.5 + np.arange(size) * 0.6180339887498949 % 1.0
        weights = (np.resize(row, size) * factors).reshape(self.n_classes, self.n_features)
        return CallableQuery(partial(_linear_logits, weights), output="logits")


def _linear_logits(weights: np.ndarray, X: Any) -> np.ndarray:
    X = np.asarray(X)
    return X.reshape(len(X), -1) @ weights.T


def check_query(query: Query, X: Any) -> None:
    """Check that a query keeps the contract of :class:`~skzest.queries.Query`.

    It is asked for everything that it offers: the whole batch, twice, in pieces, in another
    order, and as a copy that went through pickle. A query with ``deterministic=False`` is
    not held to the same answer.

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
            if query.deterministic:
                _check_same_answers(query, batch, output, n)
        _check_responses(query, batch, n)
    _check_pickle(query, batch)


def _check_description(query: Any) -> None:
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


def _check_answer(query: Query, batch: Any, output: str, n: int) -> None:
    before = copy.deepcopy(batch)
    answer = query.ask(batch, output)
    assert _same_batch(before, batch), f"asking for {output} changed the batch in place"
    home = query.space.asarray(np.zeros(1))
    at_home = isinstance(answer, type(home)) and device_of(answer) == device_of(home)
    assert at_home, f"{output} is a {type(answer).__name__} that does not lie in {query.space!r}"
    answer = query.space.to_numpy(answer)
    if output == "predict":
        assert answer.shape == (n,), f"labels have shape {answer.shape}; expected ({n},)"
        return  # respond() finds labels that are no classes
    assert answer.dtype.kind == "f", f"{output} has dtype {answer.dtype}; expected floats"
    n_classes = "n_classes" if query.classes_ is None else len(query.classes_)
    binary = output == "decision_function" and n_classes in ("n_classes", 2)
    fits = answer.ndim == 2 and answer.shape[0] == n and n_classes in ("n_classes", answer.shape[1])
    assert fits or (binary and answer.shape == (n,)), (
        f"{output} has shape {answer.shape} for a batch of {n}; expected ({n}, {n_classes})"
    )
    bad = np.count_nonzero(~np.isfinite(answer))
    assert bad == 0, f"{output} holds {bad} non-finite numbers"


def _check_preprocess(query: Query, batch: Any, output: str) -> None:
    calls = []

    def spy(X):
        calls.append(len(X))
        return X if query.preprocess is None else query.preprocess(X)

    probe = copy.copy(query)
    probe.preprocess = spy
    probe.ask(batch, output)
    assert len(calls) == 1, (
        f"preprocess was called {len(calls)} times for one batch; ask() calls self.prepare(X) once"
    )


def _check_same_answers(query: Query, batch: Any, output: str, n: int) -> None:
    """The rows of a batch do not know of each other, nor of what was asked before."""

    def ask(rows):
        return query.space.to_numpy(query.ask(_rows(batch, rows), output))

    whole = query.space.to_numpy(query.ask(batch, output))
    again = query.space.to_numpy(query.ask(batch, output))
    _assert_close(whole, again, f"{output}: the same batch, asked twice")
    order = np.arange(n)
    pieces = np.concatenate([ask(rows) for rows in (order[:1], order[1:3], order[3:])])
    _assert_close(whole, pieces, f"{output}: the batch, asked in pieces")
    mixed = np.random.default_rng(0).permutation(n)
    _assert_close(whole[mixed], ask(mixed), f"{output}: the batch, asked in another order")


def _check_responses(query: Query, batch: Any, n: int) -> None:
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


def _check_pickle(query: Query, batch: Any) -> None:
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


def _rows(batch: Any, rows: np.ndarray) -> Any:
    if isinstance(batch, (list, tuple)):
        return [batch[i] for i in rows]
    return batch.iloc[rows] if hasattr(batch, "iloc") else batch[rows]


def _same_batch(before: Any, after: Any) -> bool:
    if hasattr(before, "equals"):
        return bool(before.equals(after))
    if isinstance(before, (list, tuple)):
        return before == after
    return repr(before.dtype) == repr(after.dtype) and bool(
        ((before == after) | (before != before)).all()
    )


# --- maskers ---------------------------------------------------------------------------


def check_masker(masker: Any, reference: Any, *, n_points: int = 4, random_state: int = 0) -> None:
    """Check that a masker keeps the rules of :class:`~skzest.maskers.BaseMasker`.

    Parameters
    ----------
    masker : BaseMasker
        It is cloned, and not fitted itself.
    reference : container of points
        Points that the masker is for. Those that are cut into two parts or more say most.
    n_points : int, default=4
        How many points are looked at.
    random_state : int, default=0
        Seed of the masks.

    Raises
    ------
    AssertionError
        With the rule that is broken, and the point where it was.

    Notes
    -----
    The rules: parameters survive ``clone`` and ``fit``; the reference is not modified; parts
    are labelled 0..K-1, each present (and -1 for what belongs to no part, in points that are no
    arrays); cutting, filling and rendering repeat; the fill has the
    point's type, shape and dtype; a mask that keeps all parts gives back the point bit for bit;
    hiding a part turns that part into the fill and changes nothing else; masks may come in
    batches of any size; ``type(masker)(**masker.layout())`` renders the same without being
    fitted; and with ``array_points`` torch renders as NumPy does, if torch can be imported.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import TabularMasker
    >>> from skzest.testing import check_masker
    >>> check_masker(TabularMasker(), np.arange(12.0).reshape(4, 3))
    """
    name = type(masker).__name__
    before, params = copy.deepcopy(reference), repr(masker.get_params(deep=False))
    fitted, again = clone(masker), clone(masker)
    assert fitted.fit(reference) is fitted, f"{name}: fit() does not return self"
    again.fit(reference)
    after = repr(fitted.get_params(deep=False))
    assert params == after, f"{name}: clone or fit changed the parameters, {params} to {after}"

    container = fitted.check_reference(reference)
    indices = list(range(len(container)))[:n_points][::-1]
    points = fitted.take(container, indices)
    rng = np.random.default_rng(random_state)
    for n, index in enumerate(indices):
        where = f"{name}, reference point {index}"
        point = fitted.point(points, n)
        assert _identical(point, fitted.point(container, index)), (
            f"{where}: it is another point after take()"
        )
        _check_point(fitted, again, point, rng, where)
        assert _identical(reference, before), f"{where}: the reference was modified"


def _check_point(masker: Any, again: Any, point: Any, rng: Any, where: str) -> None:
    untouched = copy.deepcopy(point)
    parts = masker.cut(point)
    _check_parts(parts, masker.array_points, where)
    assert _identical(parts, masker.cut(point)), (
        f"{where}: cut() is not deterministic; a second call gave other parts"
    )
    assert _identical(parts, again.cut(point)), (
        f"{where}: cut() is not deterministic; a second fit gave other parts"
    )
    fill = masker.fill_for(point, parts)
    assert _identical(fill, masker.fill_for(point, parts)), (
        f"{where}: fill_for() is not deterministic; a second call gave another fill"
    )
    assert _identical(fill, again.fill_for(point, parts)), (
        f"{where}: fill_for() is not deterministic; a second fit gave another fill"
    )
    assert _describe(fill) == _describe(point), (
        f"{where}: the fill is {_describe(fill)}, but the point is {_describe(point)}"
    )
    if np.any(parts >= 0):  # a point without parts is refused elsewhere, and never rendered
        _check_copies(masker, point, parts, fill, rng, where)
    assert _identical(point, untouched), f"{where}: the point was modified"


def _check_parts(parts: Any, array_points: bool, where: str) -> None:
    assert isinstance(parts, np.ndarray) and parts.dtype.kind in "iu", (
        f"{where}: cut() must return an array of integers; it returned {_describe(parts)}"
    )
    labels = np.unique(parts)
    numbered = labels if array_points else labels[labels != -1]
    assert np.array_equal(numbered, np.arange(numbered.size)), (
        f"{where}: labels of parts must be 0..K-1, each present; they are {labels[:20].tolist()}"
    )


def _check_copies(masker: Any, point: Any, parts: Any, fill: Any, rng: Any, where: str) -> None:
    n_parts = int(parts.max()) + 1
    all_parts, all_but_one = np.ones((1, n_parts), dtype=bool), ~np.eye(n_parts, dtype=bool)
    masks = np.concatenate([all_parts, all_but_one, ~all_parts, rng.random((5, n_parts)) < 0.5])
    given = (parts, fill, masks)
    before = copy.deepcopy(given)
    copies = masker.render(point, parts, fill, masks)
    assert _identical(given, before), f"{where}: render() modified the parts, fill or masks"
    assert len(copies) == len(masks), (
        f"{where}: render() made {len(copies)} copies for {len(masks)} masks"
    )
    assert _identical(_nth(copies, 0), point), (
        f"{where}: under a mask that keeps all parts the copy is {_describe(_nth(copies, 0))} "
        f"that is not the point ({_describe(point)}) bit for bit"
    )
    if isinstance(point, np.ndarray):
        assert not np.may_share_memory(copies, point), f"{where}: a copy is a view of the point"
        _check_arrays(masker, point, parts, fill, masks, copies, where)
    elif hasattr(point, "iloc"):
        _check_frames(point, parts, fill, masks, copies, where)

    assert _identical(copies, masker.render(point, parts, fill, masks)), (
        f"{where}: render() is not deterministic"
    )
    assert _identical(_nth(masker.render(point, parts, fill, masks[2:3]), 0), _nth(copies, 2)), (
        f"{where}: a mask alone gives another copy than the same mask among others"
    )
    layout = masker.layout()
    try:
        stored = json.loads(json.dumps(layout))
    except TypeError as error:
        raise AssertionError(f"{where}: layout() is not fit for JSON: {error}") from error
    twin = type(masker)(**stored)
    assert _identical(copies, twin.render(point, parts, fill, masks)), (
        f"{where}: {type(masker).__name__}(**{stored}), made from layout(), renders other copies"
    )
    if masker.array_points and find_spec("torch") is not None:
        _check_torch(masker, point, parts, fill, masks, copies, where)


def _check_arrays(
    masker: Any, point: Any, parts: Any, fill: Any, masks: Any, copies: Any, where: str
) -> None:
    """What a mask keeps is the point's, what it hides is the fill's."""
    owner = _owner(masker, point, parts, where)
    for mask, masked in zip(masks, copies):
        kept = mask[owner]
        told = mask.astype(int).tolist()
        assert _identical(masked[kept], point[kept]), (
            f"{where}: mask {told} changed something outside of the parts that it hides"
        )
        assert _identical(masked[~kept], fill[~kept]), (
            f"{where}: under mask {told} the hidden parts are not the fill"
        )


def _owner(masker: Any, point: Any, parts: Any, where: str) -> np.ndarray:
    """The part of each element of the point, read off from what rendering hides."""
    n_parts = int(parts.max()) + 1
    all_but_one = ~np.eye(n_parts, dtype=bool)
    hidden = masker.render(np.zeros_like(point), parts, np.ones_like(point), all_but_one) != 0
    assert (hidden.sum(axis=0) == 1).all(), (
        f"{where}: hiding the parts one after the other must hide each element once"
    )
    owner = hidden.argmax(axis=0)
    n_each = np.bincount(parts.ravel()) * (point.size // parts.size)
    fits = np.array_equal(np.bincount(owner.ravel(), minlength=n_parts), n_each)
    # Where the shapes tell which label belongs to which element, look at every one.
    spread = []
    if parts.size == point.size:
        spread = [parts.reshape(point.shape)]
    elif parts.ndim == point.ndim - 1:
        axes = [
            a for a in range(point.ndim) if (*point.shape[:a], *point.shape[a + 1 :]) == parts.shape
        ]
        spread = [np.broadcast_to(np.expand_dims(parts, a), point.shape) for a in axes]
    fits = fits and (not spread or any(np.array_equal(owner, labels) for labels in spread))
    assert fits, f"{where}: hiding a part hides other elements than those that cut() labelled"
    return owner


def _check_frames(point: Any, parts: Any, fill: Any, masks: Any, copies: Any, where: str) -> None:
    for n, mask in enumerate(masks):
        masked, kept = _nth(copies, n), mask[parts]
        told = mask.astype(int).tolist()
        assert _identical(masked.loc[:, kept], point.loc[:, kept]), (
            f"{where}: mask {told} changed something outside of the parts that it hides"
        )
        assert _identical(masked.loc[:, ~kept], fill.loc[:, ~kept]), (
            f"{where}: under mask {told} the hidden parts are not the fill"
        )


def _check_torch(
    masker: Any, point: Any, parts: Any, fill: Any, masks: Any, copies: Any, where: str
) -> None:
    import torch

    try:
        arrays = [torch.tensor(a) for a in (point, parts.astype(np.int64), fill, masks)]
    except TypeError:  # a dtype that torch does not have
        return
    rendered = masker.render(*arrays)
    assert isinstance(rendered, torch.Tensor), (
        f"{where}: given torch tensors, render() returned {_describe(rendered)}. Use "
        "array_api_compat, or set array_points = False"
    )
    assert _identical(rendered.numpy(), copies), f"{where}: torch renders other copies than NumPy"


def _nth(copies: Any, n: int) -> Any:
    """One copy, as a point."""
    return copies.iloc[[n]] if hasattr(copies, "iloc") else copies[n]


def _describe(value: Any) -> str:
    """Type, shape and dtype in words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    if hasattr(value, "iloc"):
        columns = dict(zip(value.columns, map(str, value.dtypes)))
        return f"a {type(value).__name__} of {len(value)} rows with columns {columns}"
    return f"a {type(value).__name__}"


def _identical(a: Any, b: Any) -> bool:
    """Equal to the bit: NaN equals itself, and 0.0 is not -0.0."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.dtype.hasobject or b.dtype.hasobject:
            return _identical(a.tolist(), b.tolist())
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if hasattr(a, "iloc") and hasattr(b, "iloc"):
        a, b = a.reset_index(drop=True), b.reset_index(drop=True)
        return bool((a.dtypes == b.dtypes).all()) and bool(a.equals(b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_identical, a, b))
    return type(a) is type(b) and bool(np.all((a == b) | (a != a)))
