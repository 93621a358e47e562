# SPDX-License-Identifier: BSD-3-Clause
"""Functions and classes: by name where a library vouches for it, else by name and byte code."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from ._base import register_fingerprint

__all__ = ["cell_pieces", "class_pieces", "register"]

_LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "joblib",
    "numpy",
    "pandas",
    "scipy",
    "skimage",
    "sklearn",
    "skzest",
    "torch",
    "torchvision",
}


_CachedFunction = type(functools.lru_cache(len))


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(_is_compiled, _compiled)
    register_fingerprint(lambda value: isinstance(value, types.ModuleType), _module)
    register_fingerprint(lambda value: isinstance(value, types.CodeType), _code)
    register_fingerprint(lambda value: isinstance(value, types.MethodType), _method)
    register_fingerprint(lambda value: isinstance(value, functools.partial), _partial)
    register_fingerprint(lambda value: isinstance(value, types.FunctionType), _function)
    register_fingerprint(lambda value: isinstance(value, type), class_pieces)


def _module_name(value: Any) -> str:
    name = getattr(value, "__module__", None) or ""
    # What the main script is called in a process that multiprocessing has spawned.
    return "__main__" if name == "__mp_main__" else name


def _from_library(name: str) -> bool:
    return name.partition(".")[0] in _LIBRARIES


def class_pieces(cls: type) -> Iterator[Any]:
    """Name; of a class that no library vouches for, also what its methods do."""
    yield "class"
    for base in cls.__mro__:
        module = _module_name(base)
        if base is cls or not _from_library(module):
            yield f"{module}.{base.__qualname__}"
        if not _from_library(module):
            yield from _body(base)


def _body(cls: type) -> Iterator[Any]:
    for name, value in sorted(vars(cls).items()):
        step = f".{name}"
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        elif isinstance(value, functools.cached_property):
            value = value.func
        while isinstance(value, (types.FunctionType, _CachedFunction)):
            # Without the globals that it refers to: loggers, devices and the like.
            yield name
            inner = getattr(value, "__wrapped__", None)
            if isinstance(value, types.FunctionType):
                yield step, value.__code__
                yield step, value.__defaults__
                yield step, value.__kwdefaults__
                if inner is None:  # what a decorator holds besides is its own
                    yield from cell_pieces(value)
            value = inner
        if not name.startswith("__") and isinstance(value, (bool, int, float, str, tuple)):
            yield name
            yield step, value


def _function(function: types.FunctionType) -> Iterator[Any]:
    """Name, code, and every variable from outside that the code refers to."""
    yield "function"
    yield f"{_module_name(function)}.{function.__qualname__}"
    if _from_library(_module_name(function)) and "<locals>" not in function.__qualname__:
        return
    yield ".__code__", function.__code__
    yield ".__defaults__", function.__defaults__
    yield ".__kwdefaults__", function.__kwdefaults__
    yield from cell_pieces(function)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name
            yield f".{name}", function.__globals__[name]


def cell_pieces(function: types.FunctionType) -> Iterator[Any]:
    """The variables of outer functions that a function refers to."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            yield f".{name}", cell.cell_contents
        except ValueError:  # a variable that has no value yet
            yield f"{name} is empty"


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _code(code: types.CodeType) -> Iterator[Any]:
    # Neither file nor line: a function is the same after a blank line above it.
    yield "code"
    yield code.co_code
    yield ".co_consts", code.co_consts
    for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
        yield ",".join(names)
    yield f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}"


def _method(method: types.MethodType) -> list:
    return ["method", method.__func__.__name__, (".__self__", method.__self__)]


def _partial(value: functools.partial) -> list:
    return ["partial", (".func", value.func), (".args", value.args), (".keywords", value.keywords)]


def _module(module: types.ModuleType) -> list:
    return ["module", module.__name__]


def _is_compiled(value: Any) -> bool:
    """Functions written in C or Cython, and NumPy's dispatched ones."""
    return isinstance(
        value, (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)
    ) or type(value).__name__ in ("cython_function_or_method", "_ArrayFunctionDispatcher")


def _compiled(function: Any) -> Iterator[Any]:
    yield "compiled"
    yield f"{_module_name(function)}.{function.__qualname__}"
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        yield ".__self__", owner
