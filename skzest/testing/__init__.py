# SPDX-License-Identifier: BSD-3-Clause
"""For authors of queries and maskers, and for tests that need models at no cost."""

from ._masker import check_masker
from ._query import check_query
from ._rows import RowAsLinearModel

__all__ = ["RowAsLinearModel", "check_masker", "check_query"]
