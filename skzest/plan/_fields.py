# SPDX-License-Identifier: BSD-3-Clause
"""Fields of a file: labels as plain arrays, and checks that name the field that does not fit."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["check_form", "check_labels", "expect", "field_of_file", "plain_labels", "told"]

# Numbers that compare and sort, and strings.
_LABELS = "bifuU"


@contextmanager
def field_of_file(name: str) -> Iterator[None]:
    """Whatever goes wrong with a field is a ValueError with its name."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{name}: {told(error)}") from error


def told(error: Exception) -> str:
    """An error in a message; one that no check has raised says its type."""
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def expect(found: object, expected: object, what: str) -> None:
    """Refuse a property of a field that is not the expected one."""
    if found != expected:
        raise ValueError(f"{found} {what}, expected {expected}.")


def check_form(array: np.ndarray, kinds: str, shape: tuple[int, ...]) -> None:
    """Refuse an array of other kinds of values, of another shape, or with infinite ones."""
    if array.dtype.kind not in kinds:
        raise ValueError(f"{array.dtype} as type of its values.")
    expect(array.shape, shape, "as shape")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("it holds values that are not finite.")


# --- labels ---------------------------------------------------------------------------------


def check_labels(classes: np.ndarray) -> None:
    """Refuse labels that are not different numbers or strings."""
    check_form(classes, _LABELS, (classes.size,))
    if not classes.size or len(set(classes.tolist())) < classes.size:
        raise ValueError("there are none, or one appears twice.")


def plain_labels(classes: np.ndarray) -> np.ndarray:
    """Labels as an array of strings or numbers.

    Raises
    ------
    TypeError
        If they are of other kinds, or of several.
    """
    labels = classes.tolist()
    if classes.dtype.kind in _LABELS:
        return classes
    one_kind = {str} == set(map(type, labels)) or all(isinstance(i, numbers.Real) for i in labels)
    plain = np.array(labels) if one_kind else classes
    # Beyond 64 bits integers stay objects, and strings lose the zeros at their end.
    if plain.dtype.kind not in _LABELS or plain.tolist() != labels:
        raise TypeError(
            f"labels {labels[:5]} are neither all strings nor all numbers, so a file cannot keep "
            "them. Give the models labels of one kind, such as "
            f"CallableQuery(model.predict_proba, classes={[str(label) for label in labels[:5]]})."
        )
    return plain
