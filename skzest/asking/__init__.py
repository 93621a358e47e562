# SPDX-License-Identifier: BSD-3-Clause
"""Putting a plan to models: batches of masked copies go in, coefficients come out."""

from ._cores import is_worth_sending, note_kept, note_workers
from ._elsewhere import n_workers_for
from ._local_fits import Extent
from ._panel import Panel, queries_of

__all__ = [
    "Extent",
    "Panel",
    "is_worth_sending",
    "n_workers_for",
    "note_kept",
    "note_workers",
    "queries_of",
]
