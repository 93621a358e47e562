# SPDX-License-Identifier: BSD-3-Clause
"""Models of boosting libraries, which live in C++ and have an exact form as text or bytes.

CatBoost's are not here: the bytes of a copy differ from those of its original.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._base import Piece, register_fingerprint
from ._installed import class_name

__all__ = ["register"]


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(lambda value: _is(value, "lightgbm.basic.Booster"), _lightgbm)
    register_fingerprint(lambda value: _is(value, "xgboost.core.Booster"), _xgboost)


def _is(value: object, name: str) -> bool:
    # By name, so that the library is not loaded to ask.
    return name in (f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__)


def _lightgbm(booster: Any) -> Iterator[Piece]:
    yield class_name(booster)
    yield booster.model_to_string(num_iteration=-1)
    # How many trees answer; 0 and -1 are all of them.
    yield ".best_iteration", max(booster.best_iteration, 0)


def _xgboost(booster: Any) -> Iterator[Piece]:
    yield class_name(booster)
    yield bytes(booster.save_raw("ubj"))
