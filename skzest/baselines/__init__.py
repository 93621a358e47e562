# SPDX-License-Identifier: BSD-3-Clause
"""Other distances between models, each an array of shape (n_models, n_models).

Detectors, clustering and displays take these arrays exactly as they take those of
:func:`~skzest.zest_distances`. Each distance is one function in one file; ``BASELINES`` lists
them with their source and their number of questions.
"""

from ._asking import ask_copies, ask_named, ask_points, plan_of_points
from ._boundary import boundary_distances, boundary_points
from ._combined import combined_distances
from ._copies import copy_label_distances, passthrough_distances
from ._correlation import correlation_distances
from ._fixed import FixedQuestions
from ._mistakes import mistake_distances, victim_mistakes
from ._modeldiff import ddv_distances, ddv_pairs
from ._predictions import prediction_distances
from ._prepared import prepare_questions
from ._registry import BASELINES, Baseline, baseline_distances
from ._scores import Scores
from ._weights import weight_distances

__all__ = [
    "BASELINES",
    "Baseline",
    "FixedQuestions",
    "Scores",
    "ask_copies",
    "ask_named",
    "ask_points",
    "baseline_distances",
    "boundary_distances",
    "boundary_points",
    "combined_distances",
    "copy_label_distances",
    "correlation_distances",
    "ddv_distances",
    "ddv_pairs",
    "mistake_distances",
    "passthrough_distances",
    "plan_of_points",
    "prediction_distances",
    "prepare_questions",
    "victim_mistakes",
    "weight_distances",
]
