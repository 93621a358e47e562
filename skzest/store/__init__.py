# SPDX-License-Identifier: BSD-3-Clause
"""Answers on disk, so that no question is asked twice."""

from ._connection import Connection, Piece, StoreStats, mask_keys
from ._identity import Identity
from ._store import AnswerStore, check_cache

__all__ = [
    "AnswerStore",
    "Connection",
    "Identity",
    "Piece",
    "StoreStats",
    "check_cache",
    "mask_keys",
]
