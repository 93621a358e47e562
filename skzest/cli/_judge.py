# SPDX-License-Identifier: BSD-3-Clause
"""``skzest judge``: were suspects made from the owner's model?"""

from __future__ import annotations

import argparse
import json

import numpy as np

from ..detectors import ReuseDecisions, ReuseDetector
from ._models import load_models, model_names
from ._questions import columns_named, reference_for, run_params, transformer_for

__all__ = ["run"]

_P_VALUES = ("p_values", "adjusted_p_values")
_COLUMNS = ("relative", "low", "high", *_P_VALUES)


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Judge suspects; see ``skzest judge --help``."""
    reference = reference_for(options)
    lime = transformer_for(options, reference, **run_params(options))
    owner, *others = load_models([options.owner, *options.unrelated, *options.suspect], options)
    unrelated, suspects = others[: len(options.unrelated)], others[len(options.unrelated) :]
    with columns_named(lime.reference):
        detector = ReuseDetector.from_models(
            owner,
            unrelated,
            lime,
            distances=options.distances,
            y=reference.labels if "mistakes" in (options.distances or ()) else None,
            alpha=options.alpha,
            null=options.null,
        )
        found = detector.judge_models(suspects, labels=model_names(options.suspect))
    if not options.json:
        return str(found), 0
    judged = [
        {"model": text, "decision": str(found.decisions[i])} | _numbers(found, i)
        for i, text in enumerate(options.suspect)
    ]
    return json.dumps({"suspects": judged} | _questions(detector)), 0


def _numbers(found: ReuseDecisions, i: int) -> dict[str, object]:
    """What was measured of one suspect."""
    names = found.distances
    if names is None or found.z is None:
        columns = {"distance": found.d_suspects} | {name: getattr(found, name) for name in _COLUMNS}
        return {name: _number(column[i]) for name, column in columns.items()}
    said: dict[str, object] = {name: _number(getattr(found, name)[i]) for name in _P_VALUES}
    return said | {
        "decided_by": list(found.decided_by[i]),
        "distances": dict(zip(names, map(_number, found.d_suspects[i]))),
        "z": dict(zip(names, map(_number, found.z[i]))),
    }


def _questions(detector: ReuseDetector) -> dict[str, object]:
    if hasattr(detector, "questions_"):
        return {"n_questions": detector.questions_.n_questions}
    plan = detector.plan_
    return {"digest": plan.digest, "n_questions": plan.n_queries}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
