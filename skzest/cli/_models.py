# SPDX-License-Identifier: BSD-3-Clause
"""From what stands on the command line to models that can be asked."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from ..queries import CallableQuery, Query, RemoteQuery, as_query

__all__ = ["load_models", "model_names", "object_of"]


def load_models(texts: Sequence[str], options: argparse.Namespace) -> list[Query]:
    """A query for each model."""
    params = dict(options.model_arg)
    if options.preprocess is not None:
        params["preprocess"] = object_of(options.preprocess, "--preprocess")
    if options.classes is not None:
        params["classes"] = options.classes
    return [_load(text, params, options) for text in texts]


def _load(text: str, params: dict[str, Any], options: argparse.Namespace) -> Query:
    if _is_address(text):
        return _at_address(text, params, options)
    if os.path.exists(text) or ":" not in text:
        from ..loading import load_model

        return as_query(load_model(text, **params))
    model = object_of(text, "MODEL")
    if inspect.isroutine(model):  # it has parameters that others lack: output, classes
        return CallableQuery(model, **params)
    try:
        return as_query(model, **params)
    except TypeError as error:
        raise TypeError(f"{text}: {error}") from error


def _at_address(text: str, params: dict[str, Any], options: argparse.Namespace) -> Query:
    secret = None
    if options.token_env is not None:
        if options.token_env not in os.environ:
            raise ValueError(f"--token-env: the environment has no variable {options.token_env}.")
        secret = os.environ[options.token_env]
    params = {"max_questions": options.max_questions, "token": secret, **params}
    return RemoteQuery(text, **params)


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


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
    """Short names, or the texts themselves where two would be alike."""
    short = [_short(text) for text in texts]
    if len(set(short)) == len(set(texts)):
        return short
    return list(texts)


def _short(text: str) -> str:
    if _is_address(text):
        path = urlsplit(text).path.rstrip("/")
        return path.rpartition("/models/")[2] or text
    return PurePath(text).name if os.path.exists(text) else text
