# SPDX-License-Identifier: BSD-3-Clause
"""What was asked, and what the answers do not say."""

from __future__ import annotations

from typing import Any

from ..drawing import shorten
from ..plan import QueryPlan
from . import _html as page
from ._zoo import Zoo

__all__ = ["limits", "of_questions"]


def of_questions(zoo: Zoo, asked: Any) -> str:
    """All that decides what was asked, and the digest by which it is known again."""
    plan = zoo.plan
    n_masks = list(plan.masks.n_masks)
    facts = [
        ("reference points", f"{len(plan)}"),
        ("parts of a point", _range(plan.n_parts.tolist())),
        ("masked copies of a point", _range(n_masks)),
        ("questions to each model", f"{plan.n_queries:,}"),
        ("masker", f"<code>{page.escape(shorten(repr(plan.masker), 300))}</code>"),
        ("kind of answer", f"<code>{page.escape(plan.response)}</code>"),
    ]
    if plan.response == "logit":
        facts.append(("least probability", f"{plan.clip:g}"))
    facts.append(("regression", f"<code>{page.escape(shorten(repr(plan.surrogate), 200))}</code>"))
    if plan.kernel_width is not None:
        facts.append(("kernel width", f"{plan.kernel_width:g}"))
    for term, name in (("masks drawn", "sampling"), ("seed", "random_state")):
        if hasattr(asked, name) and not isinstance(asked.reference, QueryPlan):
            facts.append((term, f"<code>{page.escape(repr(getattr(asked, name)))}</code>"))
    classes = [str(label) for label in zoo.classes]
    more = f" and {len(classes) - 20} more" if len(classes) > 20 else ""
    facts.append((f"{len(classes)} classes", ", ".join(map(page.name, classes[:20])) + more))
    facts.append(("digest of the questions", f"<code>{page.escape(plan.digest)}</code>"))
    return page.section(
        "What was asked",
        page.paragraph(
            "Each reference point was cut into parts. Copies of it, in which some of the parts are "
            "hidden, were put to every model; a linear regression tells how much each part adds to "
            "the score of each class. These coefficients are a model's signature. Signatures are "
            "comparable under one digest only."
        ),
        page.definitions(facts),
    )


def _range(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def limits() -> str:
    """What is not to be concluded."""
    return page.section(
        "What this does not say",
        page.items(
            [
                "A distance is about answers to these questions. Other points, other parts or "
                "another kind of answer give other distances.",
                "Near is not yet related: models that learned one task from like data come near "
                "to each other by themselves. What is near must be judged by models that are "
                "known to be unrelated.",
                "Far is not yet unrelated: who takes a model far enough away is not seen.",
                "Intervals cover the choice of reference points, and not another training of the "
                "same models.",
            ]
        ),
    )
