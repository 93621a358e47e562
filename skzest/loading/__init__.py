# SPDX-License-Identifier: BSD-3-Clause
"""From files to references."""

from ._reference import Reference, load_reference

__all__ = ["Reference", "load_reference"]
