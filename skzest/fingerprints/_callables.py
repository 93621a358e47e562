# SPDX-License-Identifier: BSD-3-Clause
"""Classes, functions, methods and modules."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from inspect import isroutine

import numpy as np
import scipy.special

from ._base import Piece, register_fingerprint
from ._installed import UnseenError, class_name, named, version_of

__all__ = ["register"]

_BOUND = (types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(lambda value: isinstance(value, type) or isroutine(value), _function)
    register_fingerprint(lambda value: isinstance(value, functools.partial), _partial)
    register_fingerprint(lambda value: isinstance(value, types.ModuleType), _module)
    register_fingerprint(lambda value: isinstance(value, np.ufunc), _ufunc)


def _function(function: object) -> list[Piece]:
    """A class or function by name; a bound method with its owner."""
    owner = getattr(function, "__self__", None)
    if not isinstance(function, _BOUND) or owner is None or isinstance(owner, types.ModuleType):
        return ["named", named(function)]
    name = getattr(function, "__name__", "")
    if getattr(owner, name, None) != function:
        raise UnseenError(f"is bound to an object that has another method {name!r}")
    return ["method", name, (".__self__", owner)]


def _partial(value: functools.partial) -> Iterator[Piece]:
    yield "partial"
    yield class_name(value)
    yield ".func", value.func
    yield ".args", value.args
    yield ".keywords", value.keywords


def _module(module: types.ModuleType) -> list[Piece]:
    version = version_of(module.__name__)
    if version is None:
        raise UnseenError(f"is the module {module.__name__}, which is not an installed package")
    return ["module", f"{module.__name__} {version}"]


def _ufunc(value: np.ufunc) -> list[Piece]:
    for module in (np, scipy.special):
        if getattr(module, value.__name__, None) is value:
            return ["ufunc", value.__name__, (".__module__", module)]
    raise UnseenError("is a ufunc of neither NumPy nor SciPy")
