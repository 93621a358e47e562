# SPDX-License-Identifier: BSD-3-Clause
"""Which class is which: labels from wherever they are, and zoos whose labels do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ..exceptions import QueryError, warn
from ._base import Array, Inputs, Query, as_numpy

__all__ = [
    "array_in_order",
    "as_classes",
    "check_comparable_columns",
    "classes_of_config",
    "in_order",
    "shortened",
]

_REMEDY = (
    "CallableQuery(model.predict_proba, classes=...), TorchQuery(model, classes=...) or "
    "TransformersQuery(pipeline, classes=...)"
)


def as_classes(classes: ArrayLike) -> np.ndarray:
    """Labels of the columns as a 1-D array.

    Raises
    ------
    ValueError
        If they are not distinct labels in one row.
    """
    labels = np.asarray(classes)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(
            f"classes has shape {labels.shape}; expected (n_classes,), one label per column."
        )
    seen = labels.tolist()
    if len(set(seen)) < len(seen):
        twice = next(label for label in seen if seen.count(label) > 1)
        raise ValueError(f"classes holds {twice!r} more than once; give each column its own label.")
    return labels


def shortened(labels: ArrayLike) -> str:
    """Labels for a message: all of up to eight, else the first and the last."""
    shown = [repr(label) for label in np.asarray(labels).tolist()]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:4], "...", *shown[-2:]])


# --- from a model's own description -------------------------------------------------------


def classes_of_config(model: object) -> np.ndarray | None:
    """Labels in ``model.config.id2label``, as models of transformers have them.

    None without one, and where it holds placeholders ("LABEL_0") only. A label that several
    columns share has the number of its column added.
    """
    id2label = getattr(getattr(model, "config", None), "id2label", None)
    if not isinstance(id2label, Mapping) or not id2label:
        return None
    by_column = {int(column): str(label) for column, label in id2label.items()}
    if sorted(by_column) != list(range(len(by_column))):
        return None
    labels = [by_column[column] for column in range(len(by_column))]
    if labels == [f"LABEL_{column}" for column in range(len(labels))]:
        return None
    return np.array([f"{x} ({i})" if labels.count(x) > 1 else x for i, x in enumerate(labels)])


# --- from the answers ----------------------------------------------------------------------


def array_in_order(query: Query, answer: Array, X: Inputs, output: str) -> np.ndarray:
    """The answer as a NumPy array of its own, :func:`in_order`.

    Raises
    ------
    QueryError
        If the answer cannot be read as an array.
    """
    try:
        # A copy: some models answer every batch in the same memory.
        return np.array(as_numpy(in_order(query, answer, X, output)))
    except QueryError:
        raise
    except (TypeError, ValueError) as error:
        raise QueryError(
            f"{query!r} returned a {type(answer).__name__} that cannot be read as an array "
            f"({error}); return an array with one row per copy."
        ) from error


def in_order(query: Query, answer: Array, X: Inputs, output: str) -> Array:
    """The answer with its rows in the order of the batch and its columns in that of `classes_`.

    A data frame says which row and which column is which. If the query does not know its
    classes yet, the columns of the first answer name them.
    """
    if hasattr(answer, "iloc"):
        answer = _rows_in_order(answer, X)
    if output == "predict" or not hasattr(answer, "columns"):
        return answer
    numbers, columns = np.asarray(answer), list(answer.columns)
    if columns in (list(range(len(columns))), [f"column_{i}" for i in range(len(columns))]):
        return numbers
    if query.classes_ is None:
        query.learn_classes(as_classes(columns))
        return numbers
    places = _places(query.classes_.tolist(), columns)
    if places is None:
        raise QueryError(
            f"{query!r} returned a data frame with the columns {shortened(columns)}, and its "
            f"classes are {shortened(query.classes_)}. Rename the columns, or return "
            "frame.to_numpy() with the columns in the order of the classes."
        )
    return numbers[:, places]


def _rows_in_order(answer: Array, X: Inputs) -> Array:
    batch = X.index if hasattr(X, "iloc") else range(len(answer))
    given, wanted = list(answer.index), list(batch)
    if given == wanted or len(set(given)) < len(given) or set(given) != set(wanted):
        return answer
    return answer.loc[wanted]


def _places(classes: list, columns: list) -> list[int] | None:
    """Where each class stands among the columns, by its label or else by its spelling."""
    for key in (lambda label: label, str):
        place = {key(column): i for i, column in enumerate(columns)}
        if len(classes) == len(columns) and all(key(label) in place for label in classes):
            return [place[key(label)] for label in classes]
    return None


# --- in a zoo --------------------------------------------------------------------------------


def check_comparable_columns(
    names: Sequence[str], classes: Sequence[np.ndarray | None], widths: Sequence[int]
) -> None:
    """Check that the columns of a zoo's scores can be placed beside each other.

    Called where widths are known, with one entry per model. In ``transform``, an entry for
    the fitted ``classes_`` goes first. Not needed where ``n_classes=`` says that labels are
    0..n_classes-1.

    Parameters
    ----------
    names : sequence of str
        How messages call the models.
    classes : sequence of ndarray or None
        Labels of each model's columns; None means unnamed.
    widths : sequence of int
        Number of each model's columns.

    Raises
    ------
    ValueError
        If some labels are text and others numbers, or unnamed columns are as many as the
        labels of another model, which are not 0..n_classes-1.

    Warns
    -----
    UserWarning
        Where columns may fit but need not: labels that overlap in part or not at all, unnamed
        columns beside labels of another number, unnamed columns of different numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import check_comparable_columns
    >>> check_comparable_columns(["a", "b"], [np.array([0, 1, 2]), np.array([0, 2])], [3, 2])
    >>> check_comparable_columns(["a", "b"], [np.array([1, 2]), None], [2, 2])
    Traceback (most recent call last):
    ...
    ValueError: a has the labels 1, 2 and b has 2 unnamed columns, which count as 0, 1...
    """
    named: dict[frozenset, str] = {}
    unnamed: dict[int, str] = {}
    for name, labels, width in zip(names, classes, widths, strict=True):
        if labels is None:
            unnamed.setdefault(width, name)
        else:
            named.setdefault(frozenset(np.asarray(labels).tolist()), name)
    _check_kinds(named, unnamed)
    for message in _doubts(named, unnamed):
        warn(message)
        return  # one of a kind is enough to look at the zoo


def _check_kinds(named: dict[frozenset, str], unnamed: dict[int, str]) -> None:
    text = next((labels for labels in named if any(map(_is_text, labels))), None)
    number = next((labels for labels in named if not all(map(_is_text, labels))), None)
    if text is not None and number is not None:
        raise ValueError(
            f"{named[text]} has the text labels {_set(text)} and {named[number]} the labels "
            f"{_set(number)}, some of which are numbers, so their classes cannot be matched by "
            f"label. Train them on the same labels, or name the columns of one: {_REMEDY}."
        )
    for labels, width in ((labels, width) for labels in named for width in unnamed):
        if labels != set(range(width)) and (len(labels) == width or labels is text):
            raise ValueError(
                f"{_beside(labels, named, width, unnamed)}, so their classes cannot be matched by "
                f"label. Name the columns with classes=: {_REMEDY}."
            )


def _is_text(label: object) -> bool:
    return isinstance(label, (str, bytes))


def _doubts(named: dict[frozenset, str], unnamed: dict[int, str]) -> Iterator[str]:
    for labels, width in ((labels, width) for labels in named for width in unnamed):
        if labels != set(range(width)):
            yield (
                f"{_beside(labels, named, width, unnamed)}. If that is not what they are, name "
                f"them with classes=: {_REMEDY}."
            )
    for few, many in combinations(unnamed, 2):
        yield (
            f"{unnamed[few]} has {few} unnamed columns and {unnamed[many]} has {many}; they are "
            "compared by position. If they are classes, name them with classes= or match them "
            'with alignment="greedy"; vectors that are not class scores cannot be compared so.'
        )
    for one, other in combinations(named, 2):
        if not (one <= other or other <= one):
            yield _of_partial_overlap(one, named[one], other, named[other])


def _beside(
    labels: frozenset, named: dict[frozenset, str], width: int, unnamed: dict[int, str]
) -> str:
    return (
        f"{named[labels]} has the labels {_set(labels)} and {unnamed[width]} has {width} unnamed "
        f"columns, which count as {shortened(np.arange(width))}"
    )


def _of_partial_overlap(one: frozenset, a: str, other: frozenset, b: str) -> str:
    shared = one & other
    how = f"share only {_set(shared)}" if shared else "share none"
    return (
        f"{a} has the labels {_set(one)} and {b} has {_set(other)}: they {how}. Classes are "
        "matched by label, and those that one of two models lacks are left out of their "
        "distance. If the same classes go by different labels, name the columns of one as those "
        f"of the other: {_REMEDY}."
    )


def _set(labels: frozenset) -> str:
    try:
        return shortened(sorted(labels))
    except TypeError:
        return shortened(sorted(labels, key=repr))
