# SPDX-License-Identifier: BSD-3-Clause
"""Figures of models and their distances; matplotlib is imported when one is drawn."""

from ._clustering import check_names
from ._curve import ReferenceCurveDisplay
from ._detection import ReuseDetectionDisplay
from ._distances import ZestDistanceDisplay
from ._explanation import ExplanationDisplay
from ._families import clusters_of, medoids
from ._map import ZooMapDisplay
from ._signature import SignatureDisplay
from ._strips import DistanceStripsDisplay

__all__ = [
    "DistanceStripsDisplay",
    "ExplanationDisplay",
    "ReferenceCurveDisplay",
    "ReuseDetectionDisplay",
    "SignatureDisplay",
    "ZestDistanceDisplay",
    "ZooMapDisplay",
    "check_names",
    "clusters_of",
    "medoids",
]
