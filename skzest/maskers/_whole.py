# SPDX-License-Identifier: BSD-3-Clause
"""Points that are asked about as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .._points import Point, Points, concatenate, is_frame
from ._base import BaseMasker
from ._references import numeric_points

__all__ = ["WholeMasker"]


class WholeMasker(BaseMasker):
    """Hides nothing: a copy of a point is the point itself.

    With one part a point has no coefficients, so this is not for signatures. It makes a plan of
    plain questions, which is saved, exchanged and answered as any other.
    """

    def __init__(self, array_points: bool = True):
        self.array_points = array_points

    def check_reference(self, reference: Points) -> Points:
        """The points as they are; arrays must hold numbers."""
        return numeric_points(reference, "WholeMasker") if self.array_points else reference

    def point(self, points: Points, n: int) -> Point:
        """One point; for a DataFrame, a DataFrame of one row."""
        return points.iloc[[n]] if is_frame(points) else points[n]

    def cut(self, point: Point) -> np.ndarray:
        """A single part."""
        return np.zeros(1, dtype=np.uint8)

    def fill_for(self, point: Point, parts: np.ndarray) -> Point:
        """The point, as nothing is hidden."""
        return point

    def render(self, point: Any, parts: Any, fill: Any, masks: Any) -> Points:
        """As many copies as there are masks."""
        if is_frame(point) or isinstance(point, str):
            return concatenate([point if is_frame(point) else [point]] * len(masks))
        return array_namespace(point).stack([point] * len(masks))

    def layout(self) -> dict:
        """Whether points are arrays."""
        return {"array_points": self.array_points}
