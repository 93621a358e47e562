# SPDX-License-Identifier: BSD-3-Clause
"""What a model is, in 64 hex digits: the same for a copy, a pickle, another process."""

from . import _arrays, _code, _sklearn, _torch  # each registers what it knows
from ._base import Walker, fingerprint, register_fingerprint

__all__ = ["Walker", "fingerprint", "register_fingerprint"]

# The last is tried first: classes before their instances, as they have the same attributes.
_arrays.register()
_sklearn.register()
_torch.register()
_code.register()
