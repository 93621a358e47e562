# SPDX-License-Identifier: BSD-3-Clause
"""From models to signatures, with everything refused that can be refused before asking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from ..comparing import check_plan
from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer

__all__ = ["Asker", "as_transformer", "ask_first"]

# A transformer, or the reference data or plan of one.
Asker = LimeSignatureTransformer | QueryPlan | ArrayLike | Sequence[str]


def ask_first(
    transformer: Asker, models: list[object]
) -> tuple[LimeSignatureTransformer, np.ndarray]:
    """The fitted transformer, and the signatures of the first models that it asks."""
    transformer = as_transformer(transformer)
    if hasattr(transformer, "plan_"):
        check_plan(transformer.plan_, minimum=2)
        return transformer, np.asarray(transformer.transform(models))
    lime = clone(transformer)
    _check_several_points(lime)
    return lime, np.asarray(lime.fit_transform(models))


def as_transformer(asker: Asker) -> LimeSignatureTransformer:
    """A transformer that asks a plan, or about data with a design that needs few questions."""
    if isinstance(asker, QueryPlan):
        return LimeSignatureTransformer.from_plan(asker)
    if isinstance(asker, LimeSignatureTransformer):
        return asker
    return LimeSignatureTransformer(asker, sampling="fractional", n_samples="auto")


def _check_several_points(lime: LimeSignatureTransformer) -> None:
    if lime.n_reference == 1 or len(lime.reference) == 1:
        raise ValueError(
            "the transformer has 1 reference point; at least 2 are needed to see how much they "
            "differ. Raise n_reference, or give more points."
        )
