# SPDX-License-Identifier: BSD-3-Clause
"""Refuse a model that is given twice: it says nothing about how much separate models differ."""

from __future__ import annotations

import numpy as np

__all__ = ["SAME", "check_not_the_same", "check_objects"]

# Signatures at this distance are equal up to rounding of scores in float32.
SAME = 1e-9


def check_objects(models: list, names: list[str]) -> None:
    """Refuse the same object twice, before anything is asked."""
    first: dict[int, int] = {}
    for i, model in enumerate(models):
        earlier = first.setdefault(id(model), i)
        if earlier != i:
            raise ValueError(
                f"{names[earlier]} and {names[i]} are the same object. Leave one of them out."
            )


def check_not_the_same(distances: np.ndarray, one: str, names: list[str]) -> None:
    """Refuse signatures that are equal to that of ``one``; ``names`` are those of the others."""
    for i in np.flatnonzero(np.abs(distances) <= SAME):
        raise ValueError(
            f"{names[i]} and {one} have the same signature, so they are the same model or copies. "
            f"Leave {names[i]} out, or train it separately, from another seed or sample."
        )
