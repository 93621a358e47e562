# SPDX-License-Identifier: BSD-3-Clause
"""Python's own containers, and classes derived from them."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from ._base import Piece, attributes, fingerprint, register_fingerprint
from ._installed import class_name

__all__ = ["register"]


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(lambda value: isinstance(value, (list, tuple)), _sequence)
    register_fingerprint(lambda value: isinstance(value, (set, frozenset)), _set)
    register_fingerprint(lambda value: isinstance(value, dict), _dict)
    register_fingerprint(lambda value: isinstance(value, enum.Enum), _enum)


def _kind(value: object) -> Iterator[Piece]:
    yield class_name(value)
    yield from attributes(getattr(value, "__dict__", {}))


def _sequence(value: list | tuple) -> Iterator[Piece]:
    yield from _kind(value)
    for i, item in enumerate(value):
        yield f"[{i}]", item


def _dict(value: dict) -> Iterator[Piece]:
    yield from _kind(value)
    # In order: some models run through a dictionary of layers.
    for key, item in value.items():
        yield f".key({key!r:.40})", key
        yield f"[{key!r:.40}]", item


def _set(value: set | frozenset) -> Iterator[Piece]:
    yield from _kind(value)
    # The order in which items are shown changes from process to process.
    yield from sorted(fingerprint(item) for item in value)


def _enum(value: enum.Enum) -> list[Piece]:
    return [class_name(value), value.name]
