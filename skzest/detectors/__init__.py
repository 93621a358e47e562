# SPDX-License-Identifier: BSD-3-Clause
"""From distances to decisions: was it copied, was it forgotten, and how sure is that?"""

from ._decisions import ReuseDecisions
from ._null import Assumption
from ._relative import RelativeDistances, relative_distances
from ._reuse import ReuseDetector
from ._sequential import sequential_distance
from ._unlearning import UnlearningVerdicts, UnlearningVerifier

__all__ = [
    "Assumption",
    "RelativeDistances",
    "ReuseDecisions",
    "ReuseDetector",
    "UnlearningVerdicts",
    "UnlearningVerifier",
    "relative_distances",
    "sequential_distance",
]
