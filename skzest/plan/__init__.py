# SPDX-License-Identifier: BSD-3-Clause
"""What is asked: reference points, their parts and masks, frozen and with a digest."""

from ._building import build_plan, redraw_masks
from ._columns import (
    check_same_columns,
    check_same_design,
    class_labels,
    feature_names,
    names_of,
    parse_feature_names,
)
from ._designs import SAMPLINGS, auto_n_samples, order_rng, point_rng, sample_masks
from ._fields import check_form, check_labels, expect, field_of_file, plain_labels, told
from ._file import sha256
from ._linear_fit import LinearFit
from ._masks import PackedMasks
from ._plan import QueryPlan
from ._surrogates import (
    PASSTHROUGH,
    check_kernel_width,
    check_surrogate,
    closed_form,
    coefficients,
    kernel_weights,
)

__all__ = [
    "PASSTHROUGH",
    "SAMPLINGS",
    "LinearFit",
    "PackedMasks",
    "QueryPlan",
    "auto_n_samples",
    "build_plan",
    "check_form",
    "check_kernel_width",
    "check_labels",
    "check_same_columns",
    "check_same_design",
    "check_surrogate",
    "class_labels",
    "closed_form",
    "coefficients",
    "expect",
    "feature_names",
    "field_of_file",
    "kernel_weights",
    "names_of",
    "order_rng",
    "parse_feature_names",
    "plain_labels",
    "point_rng",
    "redraw_masks",
    "sample_masks",
    "sha256",
    "told",
]
