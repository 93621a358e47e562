# SPDX-License-Identifier: BSD-3-Clause
"""From signatures to distances: how far apart, how sure, and what makes the difference."""

from ._alignment import ClassAligner, ClassMatch
from ._crossvalidated import crossvalidated_distances, split_half_plans
from ._curve import ReferenceCurve, reference_curve
from ._distances import ZestDistanceTransformer, zest_distances
from ._explanation import (
    DistanceExplanation,
    DistanceShare,
    columns_of,
    explain_distance,
    point_text,
)
from ._interval import DistanceInterval, check_level, distance_interval, jackknife_ends, jackknife_t
from ._metrics import slices
from ._nearest import nearest_models
from ._point_sums import (
    cosine_distance,
    jackknife_error,
    leave_one_out,
    point_sums,
    point_sums_to,
    unit_pair,
)
from ._running import DISTANCES_FROM_SUMS, PointSums, RunningProducts
from ._signatures import Signatures, check_plan
from ._tables import ShownAsTable, TableText, escape, interval_text, number, p_value

__all__ = [
    "DISTANCES_FROM_SUMS",
    "ClassAligner",
    "ClassMatch",
    "DistanceExplanation",
    "DistanceInterval",
    "DistanceShare",
    "PointSums",
    "ReferenceCurve",
    "RunningProducts",
    "ShownAsTable",
    "Signatures",
    "TableText",
    "ZestDistanceTransformer",
    "check_level",
    "check_plan",
    "columns_of",
    "cosine_distance",
    "crossvalidated_distances",
    "distance_interval",
    "escape",
    "explain_distance",
    "interval_text",
    "jackknife_ends",
    "jackknife_error",
    "jackknife_t",
    "leave_one_out",
    "nearest_models",
    "number",
    "p_value",
    "point_sums",
    "point_sums_to",
    "point_text",
    "reference_curve",
    "slices",
    "split_half_plans",
    "unit_pair",
    "zest_distances",
]
