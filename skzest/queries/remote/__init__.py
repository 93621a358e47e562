# SPDX-License-Identifier: BSD-3-Clause
"""Models behind an address."""

from ._http import HttpQuery, ServiceQuery
from ._remote import RemoteQuery

__all__ = ["HttpQuery", "RemoteQuery", "ServiceQuery"]
