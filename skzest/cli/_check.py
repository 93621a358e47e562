# SPDX-License-Identifier: BSD-3-Clause
"""``skzest check``: is a model near a signed one? For builds, which stop where it is not."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import numpy as np

from ..comparing import DistanceExplanation, distance_interval, explain_distance
from ..plan import QueryPlan
from ._models import model_names
from ._sign import signed
from ._signed import SignedModel, in_blocks

__all__ = ["run"]

_TOP = 5


def run(options: argparse.Namespace) -> tuple[str, int]:
    """Check a model; see ``skzest check --help``."""
    base = SignedModel.load(options.against)
    plan = QueryPlan.load(_plan_path(options))
    if plan.digest != base.digest:
        raise ValueError(
            f"{options.against} answers other questions (digest {base.digest[:8]}) than "
            f"{_plan_path(options)} asks ({plan.digest[:8]}). Pass the plan that it was signed "
            "under: --plan."
        )
    rows, labels = in_blocks(
        [base, signed(plan, options)],
        [options.against, options.model],
        "Pass the labels of the columns: --classes A,B,...",
    )
    explanation = explain_distance(rows[0], rows[1], plan, classes=labels)
    interval = distance_interval(rows[0], rows[1], plan, level=options.level)
    distance = interval.estimate
    is_near = distance <= options.max_distance
    (name,) = model_names([options.model])
    verdict = "near" if is_near else "far from"
    facts = [
        ("distance", f"{distance:.4g}"),
        (f"{options.level:.0%} interval", f"{interval.low:.4g} to {interval.high:.4g}"),
        ("limit", f"{options.max_distance:g}"),
        ("questions", f"{plan.n_queries:,} about {len(plan)} points, digest {plan.digest[:8]}"),
    ]
    if explanation.left_out:
        facts.append(("classes of one model only", ", ".join(map(str, explanation.left_out))))
    title = f"### {_cell(name)} is {verdict} {_cell(os.path.basename(options.against))}\n"
    changes = [_changes(explanation)] if distance > 0 else []
    return "\n".join([title, _table(("", ""), facts), *changes]), int(not is_near)


def _plan_path(options: argparse.Namespace) -> str:
    if options.plan is not None:
        return options.plan
    beside = os.path.join(os.path.dirname(options.against), "plan.npz")
    if not os.path.exists(beside):
        raise FileNotFoundError(f"{beside}: there is no plan beside the signature; pass --plan.")
    return beside


def _changes(explanation: DistanceExplanation) -> str:
    total = explanation.distance
    parts = [
        (f"{term.share / total:.1%}", term.label, f"{term.point} (row {term.row})", term.name)
        for term in explanation.top(_TOP)
    ]
    order = np.argsort(-explanation.by_class, kind="stable")[:_TOP].tolist()
    classes = [(f"{explanation.by_class[c] / total:.1%}", explanation.classes[c]) for c in order]
    return "\n".join(
        [
            "\nParts that changed most:\n",
            _table(("share", "class", "reference point", "part"), parts),
            "\nClasses that changed most:\n",
            _table(("share", "class"), classes),
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    """Text that means nothing to Markdown."""
    text = " ".join(str(value).split())
    return "".join(f"\\{c}" if c in "\\|*_`<>[]#" else c for c in text)
