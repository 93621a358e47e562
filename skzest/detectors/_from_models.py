# SPDX-License-Identifier: BSD-3-Clause
"""From models to signatures, for those who start with models."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..signature import LimeSignatureTransformer

__all__ = ["ask_first", "ask_more"]


def ask_first(transformer: Any, models: list) -> tuple[LimeSignatureTransformer, np.ndarray]:
    """The fitted transformer and the signatures of the first models that it asks."""
    if not isinstance(transformer, LimeSignatureTransformer):
        transformer = LimeSignatureTransformer(transformer, sampling="fractional", n_samples="auto")
    if hasattr(transformer, "plan_"):
        return transformer, np.asarray(transformer.transform(models))
    lime = clone(transformer)
    return lime, np.asarray(lime.fit_transform(models))


def ask_more(judge: Any, models: Any, *, what: str, instead: str) -> np.ndarray:
    """Signatures of models under the questions that a judge was made with.

    ``what`` the judge is called, and what it can judge ``instead``, are for the error of one that
    was not made by ``from_models``.
    """
    check_is_fitted(judge)
    if not hasattr(judge, "transformer_"):
        raise AttributeError(
            f"this {what} knows no questions to ask: make it by "
            f"{type(judge).__name__}.from_models, or judge {instead}."
        )
    return np.asarray(judge.transformer_.transform(models))
