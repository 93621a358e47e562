# SPDX-License-Identifier: BSD-3-Clause
"""What a model is, in 64 hex digits: the same for a copy, a pickle, another process."""

from . import _arrays, _boosters, _callables, _containers, _sklearn, _torch
from ._base import fingerprint, register_fingerprint

__all__ = ["fingerprint", "register_fingerprint"]

# The last one registered is tried first.
for _kinds in (_containers, _arrays, _sklearn, _torch, _boosters, _callables):
    _kinds.register()
