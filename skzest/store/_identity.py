# SPDX-License-Identifier: BSD-3-Clause
"""Which model an answer comes from: a model as it is asked, known by its content or by a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from .._validation import check_model_id
from ..fingerprints import fingerprint, register_fingerprint
from ..queries import Query, as_query

__all__ = ["Identity"]


def _pieces_of_query(query: Query) -> list:
    content = query.content()
    return [(".__class__", type(query)), *((f".{name}", content[name]) for name in sorted(content))]


register_fingerprint(lambda value: isinstance(value, Query), _pieces_of_query)


@dataclass(frozen=True)
class Identity:
    """A model, and which of its outputs is asked for.

    Attributes
    ----------
    key : bytes
        What answers are stored under: a digest of `text` and `output`.
    text : str
        ``id:`` and the query's ``model_id``, or ``content:`` and a fingerprint.
    label : str
        For people who look into the file.
    output : str
        "logits", "predict_proba", "decision_function" or "predict".
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
            If it has no ``model_id``, and no fingerprint either.
        """
        text = cls.text_of(query)
        label = query.model_id or type(query.model).__name__
        key = hashlib.sha256(f"{text}\n{output}".encode()).digest()[:16]
        return cls(key, text, label, output)

    @staticmethod
    def text_of(model: Any) -> str:
        """The `text` of a model, a query or a ``model_id``."""
        query = None if isinstance(model, str) else as_query(model)
        model_id = model if query is None else query.model_id
        if model_id is not None:
            return f"id:{check_model_id(model_id)}"
        return f"content:{fingerprint(query)}"

    @property
    def row(self) -> tuple[bytes, str, str, str]:
        """Its row in the table of models."""
        return self.key, self.text, self.label, self.output
