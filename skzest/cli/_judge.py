# SPDX-License-Identifier: BSD-3-Clause
"""``skzest judge``: were suspects made from the owner's model?"""

from __future__ import annotations

import argparse
import json

import numpy as np

from ..detectors import ReuseDetector
from ._models import load_models, model_names
from ._questions import columns_named, run_params, transformer_for

__all__ = ["run"]

_COLUMNS = ("relative", "low", "high", "p_values", "adjusted_p_values")


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Judge suspects; see ``skzest judge --help``."""
    lime = transformer_for(options, **run_params(options))
    owner, *others = load_models([options.owner, *options.unrelated, *options.suspect], options)
    unrelated, suspects = others[: len(options.unrelated)], others[len(options.unrelated) :]
    with columns_named(lime.reference):
        detector = ReuseDetector.from_models(
            owner, unrelated, lime, alpha=options.alpha, null=options.null
        )
        found = detector.judge_models(suspects, labels=model_names(options.suspect))
    if not options.json:
        return str(found), 0
    columns = {"distance": found.d_suspects.tolist()}
    columns |= {name: getattr(found, name).tolist() for name in _COLUMNS}
    plan = detector.transformer_.plan_
    judged = [
        {"model": text, "decision": str(found.decisions[i])}
        | {name: _number(column[i]) for name, column in columns.items()}
        for i, text in enumerate(options.suspect)
    ]
    result = {"suspects": judged, "digest": plan.digest, "n_questions": plan.n_queries}
    return json.dumps(result), 0


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
