# SPDX-License-Identifier: BSD-3-Clause
"""From arguments of the command to models that can be asked."""

from __future__ import annotations

import argparse
import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from .. import queries
from ..queries import CallableQuery, Query, RemoteQuery, as_query
from ._signed import is_signature

__all__ = ["load_models", "model_names", "object_of"]

# Parameters of load_model; all others are those of a query.
_OF_FILES = ("trusted", "trust", "isolated", "max_bytes")


def load_models(texts: Sequence[str], options: argparse.Namespace) -> list[Query]:
    """A query for each model."""
    params = dict(options.model_arg)
    if options.preprocess is not None:
        params["preprocess"] = object_of(options.preprocess, "--preprocess")
    if options.classes is not None:
        params["classes"] = options.classes
    # How files are opened is nothing to models that are not in files.
    dropped = _OF_FILES if any(map(_is_file, texts)) else ()
    elsewhere = {name: value for name, value in params.items() if name not in dropped}
    return [_load(text, params if _is_file(text) else elsewhere, options) for text in texts]


def _load(text: str, params: dict[str, Any], options: argparse.Namespace) -> Query:
    if _is_address(text):
        return _at_address(text, params, options)
    if _is_file(text):
        return _from_file(text, params)
    model = object_of(text, "MODEL")
    # Functions have parameters that others lack: output, classes.
    query = CallableQuery if inspect.isroutine(model) else as_query
    return _made(text, query, model, params)


def _from_file(path: str, params: dict[str, Any]) -> Query:
    from ..loading import load_model

    if os.path.isfile(path) and is_signature(path):
        raise ValueError(
            f"{path} is a signature, not a model. Compare a model with it by "
            f"skzest check MODEL --against {path}."
        )
    return as_query(_made(path, load_model, path, params))


def _made(text: str, make: Callable[..., Query], model: Any, params: dict[str, Any]) -> Query:
    """A query; a parameter that it does not have is an error that names the option."""
    try:
        return make(model, **params)
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is None or unknown[1] not in params:
            raise TypeError(f"{text}: {error}") from error
        raise TypeError(_unknown(text, unknown[1])) from error


def _unknown(text: str, name: str) -> str:
    known = {
        parameter
        for query in map(queries.__dict__.get, queries.__all__)
        if inspect.isclass(query)
        for parameter in inspect.signature(query).parameters
    }
    close = difflib.get_close_matches(name, sorted(known - {name}), 1)
    hint = f" Did you mean {close[0]}?" if close else " Leave it out."
    option = f"--{name}" if name in ("classes", "preprocess") else f"--model-arg {name}"
    return f"{text}: a model of this kind does not take {name!r} ({option}).{hint}"


def _at_address(text: str, params: dict[str, Any], options: argparse.Namespace) -> Query:
    secret = None
    if options.token_env is not None:
        if options.token_env not in os.environ:
            raise ValueError(f"--token-env: the environment has no variable {options.token_env}.")
        secret = os.environ[options.token_env]
    params = {"max_questions": options.max_questions, "token": secret, **params}
    return _made(text, RemoteQuery, text, params)


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _is_file(text: str) -> bool:
    return not _is_address(text) and (os.path.exists(text) or ":" not in text)


def object_of(text: str, option: str) -> Any:
    """The object that ``package.module:object`` names; the current folder is searched too."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise ValueError(f"{option} {text!r} is not of the form package.module:object.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"{option} {text!r}: {error}.") from error
    except (Exception, SystemExit) as error:
        raise ValueError(f"{option} {text!r}: importing {module} raised {error!r}.") from error
    for attribute in name.split("."):
        if not hasattr(found, attribute):
            raise ValueError(f"{option} {text!r}: {module} has no {name}.")
        found = getattr(found, attribute)
    return found


def model_names(texts: Sequence[str]) -> list[str]:
    """Short names, or the texts themselves where two short names would be equal."""
    short = [_short(text) for text in texts]
    if len(set(short)) == len(set(texts)):
        return short
    return list(texts)


def _short(text: str) -> str:
    if _is_address(text):
        path = urlsplit(text).path.rstrip("/")
        return path.rpartition("/models/")[2] or text
    return PurePath(text).name if os.path.exists(text) else text
