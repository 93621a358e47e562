# SPDX-License-Identifier: BSD-3-Clause
"""What was decided, on what grounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..detectors import ReuseDecisions
from ..displays import ReuseDetectionDisplay
from . import _html as page
from ._figures import drawn, number

__all__ = ["of_decisions"]


def of_decisions(verdicts: list) -> str:
    """What was decided, on what grounds."""
    markups = [_reuse(v) if isinstance(v, ReuseDecisions) else _unlearning(v) for v in verdicts]
    return page.section("Decisions", *markups)


def _reuse(found: ReuseDecisions) -> str:
    labels = found.labels or tuple(f"suspect {i}" for i in range(len(found)))
    if found.threshold is None:
        rule = (
            f"False-positive rate: {found.alpha:.3g}. "
            f"Null distribution: {page.escape(found.null)}, of the distances of "
            f"{len(found.null_distances)} unrelated models."
        )
    else:
        rule = (
            f"Fixed threshold of relative distance: {found.threshold:.3g}, with "
            f"{len(found.null_distances)} unrelated models as the unit."
        )
    rows = [
        [
            page.name(labels[i]),
            f"<strong>{page.escape(found.decisions[i])}</strong>",
            number(found.d_suspects[i]),
            f"{number(found.relative[i])} [{number(found.low[i])}, {number(found.high[i])}]",
            number(found.p_values[i], 2),
            number(found.adjusted_p_values[i], 2),
        ]
        for i in np.argsort(found.d_suspects, kind="stable")
    ]
    columns = ["suspect", "decision", "distance", f"relative ({found.level:.0%} interval)"]
    columns += ["p", "p, all suspects"]
    display = ReuseDetectionDisplay.from_decisions(found)
    nearest = labels[int(np.argsort(found.d_suspects, kind="stable")[0])]
    alt = (
        f"Relative distances of {len(found)} suspects with intervals beside those of "
        f"{len(found.null_distances)} unrelated models; the nearest suspect is {nearest}. The "
        "table has the same numbers."
    )
    return (
        page.paragraph(
            "Was a suspect made from the owner's model? A relative distance is the distance to "
            f"the owner's model in units of the mean distance of unrelated models. {rule}"
        )
        + page.table("Suspects, the nearest first", columns, rows, n_text=2)
        + drawn(display.figure_, alt)
    )


def _unlearning(found: Any) -> str:
    labels = found.labels or tuple(f"candidate {i}" for i in range(len(found)))
    rows = [
        [
            page.name(labels[i]),
            f"<strong>{page.escape(found.decisions[i])}</strong>",
            page.escape(found.reasons[i]),
            number(found.d_original[i]),
            number(found.d_retrained[i]),
            f"{number(found.trace_left[i])} [{number(found.low[i])}, {number(found.high[i])}]",
        ]
        for i in range(len(found))
    ]
    columns = ["candidate", "verdict", "because", "to the original", "to retrained"]
    columns += [f"trace left ({found.level:.0%} interval)"]
    return page.paragraph(
        "Was data forgotten? A heuristic: behaviour can speak against unlearning, and cannot "
        "prove it."
    ) + page.table("Candidates", columns, rows, n_text=3)
