# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of distances between models; matplotlib is imported when one is drawn."""

from ._curve import ReferenceCurveDisplay
from ._distances import ZestDistanceDisplay

__all__ = ["ReferenceCurveDisplay", "ZestDistanceDisplay"]
