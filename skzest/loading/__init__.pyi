# SPDX-License-Identifier: BSD-3-Clause
from ._isolated import IsolatedQuery
from ._limits import Limits
from ._load import load_model
from ._reference import Reference, load_reference

__all__ = ["IsolatedQuery", "Limits", "Reference", "load_model", "load_reference"]
