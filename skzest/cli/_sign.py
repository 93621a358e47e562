# SPDX-License-Identifier: BSD-3-Clause
"""``skzest sign``: the signature of a model in a file, and nothing else of it."""

from __future__ import annotations

import argparse

from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer
from ._models import load_models
from ._questions import check_folder, columns_named, run_params, verbosity
from ._signed import SignedModel

__all__ = ["run", "signed"]


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Sign a model; see ``skzest sign --help``."""
    check_folder(options.output, "-o")
    plan = QueryPlan.load(options.plan)
    found = signed(plan, options)
    found.save(options.output)
    what = f"{len(found.classes)} classes, {found.n_questions:,} questions"
    return f"{options.output}: {what}\ndigest {found.digest}", 0


def signed(plan: QueryPlan, options: argparse.Namespace) -> SignedModel:
    """The signature of the model that the options name, under a plan."""
    if plan.asks_once:
        raise ValueError(
            "the plan asks a single question about each point, as rehearsed questions do, so "
            "there is no signature. Write the answers: skzest answer MODEL --plan FILE -o FILE."
        )
    run = run_params(options)
    lime = LimeSignatureTransformer.from_plan(plan, verbose=verbosity(options), **run)
    models = load_models([options.model], options)
    with columns_named(plan.reference, "skzest plan "):
        (row,) = lime.fit_transform(models)
    signature = row.reshape(lime.n_classes_, lime.n_components_)
    return SignedModel(signature, lime.classes_, plan.digest, plan.n_queries)
