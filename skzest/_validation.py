# SPDX-License-Identifier: BSD-3-Clause
"""Checks of what users hand in: lists of models, whole numbers, choices."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

_ASKABLE = ("predict_proba", "decision_function", "predict", "forward")


def check_models(models: object, name: str = "models") -> list:
    """Return a zoo as a plain list, whatever kind of sequence it came in.

    Never goes through ``np.asarray``: pipelines, ensembles and ``nn.Sequential`` have
    ``__len__`` and ``__getitem__``, and NumPy would unpack them into their steps.

    Parameters
    ----------
    models : list, tuple, 1-D object array or pandas Series of models
    name : str, default="models"
        The parameter.

    Raises
    ------
    TypeError
        If ``models`` is a single model, or a container without an order.
    ValueError
        If it is empty.
    """
    if isinstance(models, np.ndarray):
        if models.ndim != 1:
            raise TypeError(
                f"{name} must be one-dimensional; got an array of shape {models.shape}. "
                "Pass a list of models."
            )
        zoo = list(models)
    elif isinstance(models, (list, tuple)):
        zoo = list(models)
    elif _is_series(models):
        zoo = list(getattr(models, "array", ()))
    else:
        raise TypeError(_not_a_zoo(models, name))
    if not zoo:
        raise ValueError(f"{name} is empty; at least one model is needed.")
    return zoo


def _is_series(models: object) -> bool:
    # By behaviour, so that pandas need not be there.
    return hasattr(models, "iloc") and getattr(models, "ndim", None) == 1


def _not_a_zoo(models: object, name: str) -> str:
    kind = type(models).__name__
    if isinstance(models, Mapping):
        return f"{name} is a {kind}; pass list({name}.values()), and keep the names beside it."
    if isinstance(models, AbstractSet):
        return f"{name} is a {kind}, which has no order; pass a list."
    if _is_model(models):
        return f"{name} is a single {kind}; wrap it in a list: [model]."
    return f"{name} must be a list, tuple or 1-D object array of models; got {kind}."


def check_roles(first: str, model: object, roles: Mapping[str, object]) -> list[list]:
    """Models of each role as a plain list; the same object has one role, once.

    Parameters
    ----------
    first : str
        What errors call a model that stands by itself.
    model : object
    roles : dict of str to sequence of models
        The others, by parameter. Sequences may be empty.

    Raises
    ------
    TypeError
        If one of them is not a sequence of models.
    ValueError
        If the same object is given twice.
    """
    zoos = [
        [] if isinstance(zoo, (list, tuple)) and not zoo else check_models(zoo, name)
        for name, zoo in roles.items()
    ]
    taken = {id(model): first}
    for name, zoo in zip(roles, zoos):
        for i, other in enumerate(zoo):
            this = f"{name}[{i}]"
            earlier = taken.setdefault(id(other), this)
            if earlier != this:
                raise ValueError(
                    f"{earlier} and {this} are the same object. Leave one of them out."
                )
    return zoos


def refuse_models(values: object, name: str, remedy: str) -> None:
    """Refuse a model, or a list of models, in place of numbers."""
    if hasattr(values, "iloc") or (isinstance(values, np.ndarray) and values.dtype != object):
        return
    flat = values.ravel().tolist() if isinstance(values, np.ndarray) else values
    first = flat[0] if isinstance(flat, (list, tuple)) and flat else flat
    if _is_model(first):
        raise TypeError(f"{name} must be numbers; got a model ({type(first).__name__}). {remedy}")


def _is_model(value: object) -> bool:
    """Whether this can be asked; a frame, whose columns are attributes, cannot."""
    methods = (*_ASKABLE, "ask")
    return not hasattr(value, "iloc") and (
        callable(value) or any(hasattr(value, method) for method in methods)
    )


def name_model(position: int, model: object) -> str:
    """How errors speak of one model of a zoo."""
    return f"models[{position}] ({type(model).__name__})"


def check_whole(value: object, name: str, *, minimum: int = 1) -> int:
    """A whole number of at least ``minimum``; booleans and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {value}.")
    return int(value)


def check_real(value: object, name: str) -> float:
    """A number; booleans, texts and arrays are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number; got {value!r}.")
    return float(value)


def counted(n: int, noun: str) -> str:
    """``1 model`` or ``3 models``, for messages."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(words: Iterable[object], last: str = "and") -> str:
    """``a, b and c``, for messages."""
    *head, tail = map(str, words)
    return f"{', '.join(head)} {last} {tail}" if head else tail


def check_choice(value: object, name: str, choices: Iterable[object], remedy: str = "") -> None:
    """Refuse a value that is not one of a few choices.

    Parameters
    ----------
    value : object
    name : str
        The parameter.
    choices : iterable
        Strings, and None or booleans where those may be given.
    remedy : str, default=""
        Sentences to add to the message.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> from skzest._validation import check_choice
    >>> check_choice("optimum", "alignment", ("nearest", "optimal"))
    Traceback (most recent call last):
    ...
    ValueError: alignment must be 'nearest' or 'optimal'; got 'optimum'. Did you mean 'optimal'?
    """
    choices = list(choices)
    # By identity first: an array compared with a string is an array.
    if any(value is c or (isinstance(value, str) and value == c) for c in choices):
        return
    known = [c for c in choices if isinstance(c, str)]
    close = difflib.get_close_matches(value.lower(), known, 1) if isinstance(value, str) else []
    hints = [f"Did you mean {close[0]!r}?"] if close else []
    raise ValueError(
        " ".join(
            [f"{name} must be {listed(map(repr, choices), 'or')}; got {value!r}.", *hints, remedy]
        ).rstrip()
    )


def check_choices(values: Sequence[str], name: str, choices: Iterable[object]) -> list[str]:
    """A list of a few choices; refuses a single string, an empty list and an unknown choice.

    Examples
    --------
    >>> from skzest._validation import check_choices
    >>> check_choices("clean", "inputs", ("clean", "noisy"))
    Traceback (most recent call last):
    ...
    TypeError: inputs must be a list of names; got 'clean'. Pass inputs=['clean'].
    """
    choices = list(choices)
    if isinstance(values, str):
        check_choice(values, name, choices)
        raise TypeError(
            f"{name} must be a list of names; got {values!r}. Pass {name}=[{values!r}]."
        )
    values = list(values)
    if not values:
        raise ValueError(f"{name} is empty. Give at least one of {listed(map(repr, choices))}.")
    for value in values:
        check_choice(value, f"each of {name}", choices)
    return values


def check_n_reference(n_reference: object, n_available: int) -> int:
    """How many reference points to use of those there are."""
    if n_reference is None:
        return min(128, n_available)
    n_reference = check_whole(n_reference, "n_reference")
    if n_reference > n_available:
        raise ValueError(
            f"n_reference={n_reference}, but reference has only {n_available} points. "
            "Lower n_reference, or pass more points."
        )
    return n_reference


def check_model_id(model_id: object) -> str | None:
    """A name for a model: a string that is not empty and can be written to a file, or None."""
    if model_id is not None and not (isinstance(model_id, str) and model_id):
        raise TypeError(f"model_id must be a non-empty string or None; got {model_id!r}.")
    try:
        (model_id or "").encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"model_id={model_id!a} has a character that cannot be encoded, at position "
            f"{error.start}, as file names in another encoding have. Pass "
            'model_id.encode("ascii", "backslashreplace").decode().'
        ) from error
    return model_id
