# SPDX-License-Identifier: BSD-3-Clause
"""Who answers: a model as it is asked, known by its content or by a name that is vouched for."""

from __future__ import annotations

import functools
import hashlib
import types
from dataclasses import dataclass
from typing import Any

from ..fingerprints import fingerprint, register_fingerprint
from ..queries import Query, as_query

__all__ = ["Identity"]


def _pieces_of_query(query: Query) -> list:
    content = query.content()
    return ["query", (".__class__", type(query)), *((f".{k}", content[k]) for k in sorted(content))]


register_fingerprint(lambda value: isinstance(value, Query), _pieces_of_query)


@dataclass(frozen=True)
class Identity:
    """A query under one of its outputs.

    Attributes
    ----------
    key : bytes
        What answers are stored under.
    text : str
        ``id:`` and the query's ``model_id``, or ``content:`` and a fingerprint.
    label : str
        For people.
    output : str
        What is asked for: "logits", "predict_proba", ...
    """

    key: bytes
    text: str
    label: str
    output: str

    @classmethod
    def of(cls, query: Query, output: str) -> Identity:
        """The identity of a query.

        Raises
        ------
        TypeError
            If it has no ``model_id`` and its content cannot be read.
        """
        text = cls.text_of(query)
        label = query.model_id or type(query.model).__name__
        key = hashlib.sha256(f"{text}\n{output}".encode()).digest()[:16]
        return cls(key, text, label, output)

    @staticmethod
    def text_of(model: Any) -> str:
        """What a model, a query or a ``model_id`` is filed under."""
        if isinstance(model, str):
            return f"id:{model}"
        query = as_query(model)
        if query.model_id is not None:
            return f"id:{query.model_id}"
        _refuse_functions(query)
        return f"content:{fingerprint(query)}"

    @property
    def row(self) -> tuple[bytes, str, str, str]:
        """As a row of a table."""
        return self.key, self.text, self.label, self.output


def _refuse_functions(query: Query) -> None:
    function = query.model
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
        name = getattr(function, "__qualname__", type(function).__name__)
        raise TypeError(
            f"{query!r} asks the function {name}, and what a function answers may come from "
            "anywhere: its content does not tell. Name the model with model_id=, as in "
            'CallableQuery(func, model_id="victim, version 3"), and change the name whenever the '
            "model changes; or go without cache=."
        )
