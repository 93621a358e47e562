# SPDX-License-Identifier: BSD-3-Clause
"""Putting a plan to models: batches of masked copies go in, coefficients come out."""

from ._asker import Answer
from ._batches import BatchSize, auto_rows
from ._cached import Recall
from ._guard import Asked, probe, sessions
from ._schedule import ask_zoo, asker_for, units_of
from ._threads import one_thread

__all__ = [
    "Answer",
    "Asked",
    "BatchSize",
    "Recall",
    "ask_zoo",
    "asker_for",
    "auto_rows",
    "one_thread",
    "probe",
    "sessions",
    "units_of",
]
