# SPDX-License-Identifier: BSD-3-Clause
"""From models to signatures, for those who start with models."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from ..signature import LimeSignatureTransformer

__all__ = ["ask_first"]


def ask_first(transformer: Any, models: list) -> tuple[LimeSignatureTransformer, np.ndarray]:
    """The fitted transformer and the signatures of the first models that it asks."""
    if not isinstance(transformer, LimeSignatureTransformer):
        transformer = LimeSignatureTransformer(transformer, sampling="fractional", n_samples="auto")
    if hasattr(transformer, "plan_"):
        return transformer, np.asarray(transformer.transform(models))
    lime = clone(transformer)
    return lime, np.asarray(lime.fit_transform(models))
