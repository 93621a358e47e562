# SPDX-License-Identifier: BSD-3-Clause
"""From files to references and models, without running code that a file holds."""

from ._isolated import IsolatedQuery
from ._limits import Limits
from ._load import load_model
from ._reference import Reference, load_reference

__all__ = ["IsolatedQuery", "Limits", "Reference", "load_model", "load_reference"]
