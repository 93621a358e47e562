# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of models and their distances; matplotlib is imported when one is drawn."""

from ._clustering import check_names
from ._curve import ReferenceCurveDisplay
from ._detection import ReuseDetectionDisplay
from ._distances import ZestDistanceDisplay
from ._explanation import ExplanationDisplay
from ._map import ZooMapDisplay
from ._on_points import draw_image, figure_size, kind_of_point
from ._signature import SignatureDisplay
from ._style import VERMILION, shorten

__all__ = [
    "VERMILION",
    "ExplanationDisplay",
    "ReferenceCurveDisplay",
    "ReuseDetectionDisplay",
    "SignatureDisplay",
    "ZestDistanceDisplay",
    "ZooMapDisplay",
    "check_names",
    "draw_image",
    "figure_size",
    "kind_of_point",
    "shorten",
]
