# SPDX-License-Identifier: BSD-3-Clause
"""From models to signatures, with everything refused that can be refused before asking all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from ..comparing import check_plan
from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer
from ._relative import check_varies

__all__ = ["Asker", "as_transformer", "ask_first"]

# A transformer, or the reference data or plan of one.
Asker = LimeSignatureTransformer | QueryPlan | ArrayLike | Sequence[str]


def ask_first(
    transformer: Asker, name: str, first: object, others: Sequence[object]
) -> tuple[LimeSignatureTransformer, np.ndarray]:
    """The fitted transformer, and the signatures of the first models that it asks.

    The first one, which errors call ``name``, is asked before the others: if it is constant, their
    answers are worth nothing.
    """
    lime = as_transformer(transformer)
    if hasattr(lime, "plan_"):
        check_plan(lime.plan_, minimum=2)
    else:
        lime = clone(lime)
        _check_several_points(lime)
        lime.fit([first, *others])
    S = np.asarray(lime.transform([first]))
    check_varies(S, name, lime.plan_)
    return lime, np.concatenate([S, np.asarray(lime.transform(others))]) if len(others) else S


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
