# SPDX-License-Identifier: BSD-3-Clause
"""Putting a plan to models: batches of masked copies go in, coefficients come out."""

from ._asker import PointCoefficients
from ._panel import Panel, queries_of

__all__ = ["Panel", "PointCoefficients", "queries_of"]
