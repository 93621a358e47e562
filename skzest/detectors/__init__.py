# SPDX-License-Identifier: BSD-3-Clause
"""From distances to decisions: was a model copied, was data forgotten, and how sure is that?"""

from ._decisions import Decisions, ReuseDecisions, UnlearningDecisions
from ._kinds import FalsePositives
from ._null import Assumption
from ._questions import SuspectQuestions
from ._relative import RelativeDistances, relative_distances
from ._reuse import ReuseDetector
from ._sequential import SequentialDistance, sequential_distance
from ._sequential_zoo import SequentialDistances, sequential_distances
from ._unlearning import UnlearningVerifier

__all__ = [
    "Assumption",
    "Decisions",
    "FalsePositives",
    "RelativeDistances",
    "ReuseDecisions",
    "ReuseDetector",
    "SequentialDistance",
    "SequentialDistances",
    "SuspectQuestions",
    "UnlearningDecisions",
    "UnlearningVerifier",
    "relative_distances",
    "sequential_distance",
    "sequential_distances",
]
