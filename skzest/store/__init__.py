# SPDX-License-Identifier: BSD-3-Clause
"""Answers on disk, so that no question is asked twice."""

from ._connection import Connection, StoreStats
from ._identity import Identity
from ._ledger import Ledger
from ._rows import Piece, mask_keys
from ._store import AnswerStore, check_cache

__all__ = [
    "AnswerStore",
    "Connection",
    "Identity",
    "Ledger",
    "Piece",
    "StoreStats",
    "check_cache",
    "mask_keys",
]
