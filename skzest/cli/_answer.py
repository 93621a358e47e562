# SPDX-License-Identifier: BSD-3-Clause
"""``skzest answer``: the answers of a model in a file, for whoever chose the questions."""

from __future__ import annotations

import argparse

from ..baselines import ask_copies
from ..plan import QueryPlan
from ._models import load_models
from ._questions import check_folder

__all__ = ["run"]


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Answer questions; see ``skzest answer --help``."""
    check_folder(options.output, "-o")
    plan = QueryPlan.load(options.plan)
    models = load_models([options.model], options)
    scores = ask_copies(models, plan, cache=options.cache)
    scores.save(options.output)
    what = f"{len(scores.classes)} classes, {plan.n_queries:,} questions"
    return f"{options.output}: {what}\ndigest {scores.plan.digest}", 0
