# SPDX-License-Identifier: BSD-3-Clause
"""Answers on disk, so that no question is asked twice."""

from ._connection import Piece, Session, StoreStats, mask_keys
from ._identity import Identity
from ._store import AnswerStore, check_cache

__all__ = [
    "AnswerStore",
    "Identity",
    "Piece",
    "Session",
    "StoreStats",
    "check_cache",
    "mask_keys",
]
