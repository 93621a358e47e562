# SPDX-License-Identifier: BSD-3-Clause
"""A model that is given twice says nothing about how much separate models differ."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

__all__ = ["SAME", "TakenPart", "check_not_the_same"]

# Signatures at this distance are equal up to rounding of scores in float32.
SAME = 1e-9


def check_not_the_same(distances: np.ndarray, one: str, names: list[str]) -> None:
    """Refuse signatures that are equal to that of ``one``; ``names`` are those of the others."""
    for i in np.flatnonzero(np.abs(distances) <= SAME):
        raise ValueError(
            f"{names[i]} and {one} have the same signature, so they are the same model or copies. "
            f"Leave {names[i]} out, or train it separately, from another seed or sample."
        )


class TakenPart:
    """Which objects had a part in a decision; does not keep them alive, and forgets when pickled.

    Parameters
    ----------
    roles : dict of str to sequence of models
    """

    def __init__(self, roles: Mapping[str, Sequence[object]]):
        self._models: dict[str, weakref.ref] = {}
        for name, zoo in roles.items():
            for i, model in enumerate(zoo):
                with suppress(TypeError):  # not every object can be referred to weakly
                    self._models[f"{name}[{i}]"] = weakref.ref(model)

    def __reduce__(self) -> tuple[type[TakenPart], tuple[dict]]:
        return TakenPart, ({},)

    def role_of(self, model: object) -> str | None:
        """What the model was given as, such as ``copies[0]``."""
        return next((role for role, known in self._models.items() if known() is model), None)
