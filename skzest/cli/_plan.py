# SPDX-License-Identifier: BSD-3-Clause
"""``skzest plan``: questions in a file, which knows nothing of any model."""

from __future__ import annotations

import argparse
from collections.abc import Sized

import numpy as np

from ..queries import OUTPUTS, Query
from ._questions import check_folder, reference_for, transformer_for

__all__ = ["run"]


class Nobody(Query):
    """Stands in for the models, on which questions do not depend."""

    outputs = OUTPUTS
    classes_ = np.arange(2)

    def ask(self, X: Sized, output: str) -> np.ndarray:
        """The same for every question."""
        return np.zeros(len(X), dtype=int) if output == "predict" else np.full((len(X), 2), 0.5)


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Write a plan; see ``skzest plan --help``."""
    check_folder(options.output, "-o")
    lime = transformer_for(options, reference_for(options))
    plan = lime.fit([Nobody(None)]).plan_
    plan.save(options.output)
    what = f"{plan.n_queries:,} questions about {len(plan)} points"
    return f"{options.output}: {what}\ndigest {plan.digest}", 0
