# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the fields of a file, which name the field that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["expect", "field_of_file", "told"]


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
