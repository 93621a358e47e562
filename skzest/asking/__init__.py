# SPDX-License-Identifier: BSD-3-Clause
"""Putting a plan to models: batches of masked copies go in, coefficients come out."""

from ._local_fits import Extent
from ._panel import Panel, queries_of

__all__ = ["Extent", "Panel", "queries_of"]
