# SPDX-License-Identifier: BSD-3-Clause
"""The section on decisions: what was decided, and on what grounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validation import counted
from ..comparing import interval_text, number, p_value
from ..detectors import Decisions, ReuseDecisions, UnlearningDecisions
from ..displays import DistanceStripsDisplay, ReuseDetectionDisplay
from . import _html as page
from ._figures import drawn

__all__ = ["of_decisions"]


def of_decisions(decisions: Sequence[Decisions]) -> str:
    """The section; one table for each result."""
    markups = []
    for found in decisions:
        if isinstance(found, ReuseDecisions):
            markups.append(_reuse(found) if found.distances is None else _ensemble(found))
        elif isinstance(found, UnlearningDecisions):
            markups.append(_unlearning(found))
    return page.section("Decisions", *markups)


def _reuse(found: ReuseDecisions) -> str:
    n_unrelated, order = len(found.null_distances), np.argsort(found.d_suspects, kind="stable")
    rows = [
        [
            page.name(found.names[i]),
            _decision(found, i),
            number(found.d_suspects[i]),
            interval_text(found.relative[i], found.low[i], found.high[i]),
            _p(found.p_values[i]),
            _p(found.adjusted_p_values[i]),
        ]
        for i in order
    ]
    columns = ["suspect", "decision", "distance", f"relative ({found.level:.0%} interval)"]
    columns += ["p", "p, all suspects"]
    alt = (
        f"Relative distances of {counted(len(found), 'suspect')} with intervals, and those of "
        f"{counted(n_unrelated, 'unrelated model')}; the nearest suspect is "
        f"{found.names[order[0]]}. The table has the same numbers."
    )
    return (
        page.paragraph(
            "Was a suspect made from the owner's model? A relative distance is the distance to "
            f"the owner's model in units of the mean distance of unrelated models. {_rule(found)}"
        )
        + page.table("Suspects, the nearest first", columns, rows, n_text=2)
        + drawn(ReuseDetectionDisplay.from_decisions(found).figure_, alt)
    )


def _ensemble(found: ReuseDecisions) -> str:
    names, z = found.distances or (), np.asarray(found.z)
    order = np.argsort(found.p_values, kind="stable")
    rows = [
        [
            page.name(found.names[i]),
            _decision(found, i),
            _p(found.p_values[i]),
            _p(found.adjusted_p_values[i]),
            *(
                _marked(number(z[i, k]), name in found.decided_by[i])
                for k, name in enumerate(names)
            ),
        ]
        for i in order
    ]
    columns = ["suspect", "decision", "p", "p, all suspects", *names]
    n_unrelated = counted(len(found.null_distances), "unrelated model")
    alt = (
        f"Standardised distances of {counted(len(found), 'suspect')} and of {n_unrelated}, a strip "
        "for each distance. The table has the same numbers."
    )
    return (
        page.paragraph(
            f"Was a suspect made from the owner's model? {counted(len(names), 'distance')} decided"
            f"{' together' if len(names) > 1 else ''}. Each is standardised by the unrelated "
            f"models; negative ones are near, and those in bold decided. {_rule(found)}"
        )
        + page.table("Suspects, the most suspicious first", columns, rows, n_text=2)
        + drawn(DistanceStripsDisplay.from_decisions(found).figure_, alt)
    )


def _marked(text: str, decided: bool) -> str:
    return f"<strong>{text}</strong>" if decided else text


def _p(p: float) -> str:
    return p_value(p).removeprefix("= ")


def _rule(found: ReuseDecisions) -> str:
    n_unrelated = len(found.null_distances)
    if found.threshold is not None:
        return (
            f"Fixed threshold of the relative distance: {number(found.threshold)}, in units of "
            f"{n_unrelated} unrelated models."
        )
    return (
        f"False-positive rate: {number(found.alpha)}. Null distribution: "
        f"{page.escape(found.null)}, from the distances of {n_unrelated} unrelated models."
    )


def _unlearning(found: UnlearningDecisions) -> str:
    rows = [
        [
            page.name(found.names[i]),
            _decision(found, i),
            number(found.d_original[i]),
            number(found.d_retrained[i]),
            interval_text(found.trace_left[i], found.low[i], found.high[i]),
        ]
        for i in range(len(found))
    ]
    columns = ["candidate", "decision", "to the original", "to retrained"]
    columns += [f"trace left ({found.level:.0%} interval)"]
    return page.paragraph(
        "Was data forgotten? This is a heuristic: behaviour can be evidence against unlearning, "
        "but cannot prove it."
    ) + page.table("Candidates", columns, rows, n_text=2)


def _decision(found: Decisions, i: int) -> str:
    reason = f'<span class="reason">{page.escape(found.reasons[i])}</span>'
    return f"<strong>{page.escape(found.decisions[i])}</strong>{reason}"
