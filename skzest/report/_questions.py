# SPDX-License-Identifier: BSD-3-Clause
"""The sections on what was asked, and on what the distances do not say."""

from __future__ import annotations

from ..drawing import shorten
from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer
from . import _html as page
from ._zoo import Zoo

__all__ = ["limits", "of_questions"]


def of_questions(zoo: Zoo, asked: LimeSignatureTransformer | QueryPlan) -> str:
    """Everything that determines the questions, and their digest."""
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
        facts.append(("smallest probability", f"{plan.clip:g}"))
    facts.append(("regression", f"<code>{page.escape(shorten(repr(plan.surrogate), 200))}</code>"))
    if plan.kernel_width is not None:
        facts.append(("kernel width", f"{plan.kernel_width:g}"))
    for term, name in (("masks drawn", "sampling"), ("seed", "random_state")):
        drawn = isinstance(asked, LimeSignatureTransformer)
        if drawn and not isinstance(asked.reference, QueryPlan):
            facts.append((term, f"<code>{page.escape(repr(getattr(asked, name)))}</code>"))
    classes = [str(label) for label in zoo.classes]
    more = f" and {len(classes) - 20} more" if len(classes) > 20 else ""
    facts.append((f"{len(classes)} classes", ", ".join(map(page.name, classes[:20])) + more))
    facts.append(("digest of the questions", f"<code>{page.escape(plan.digest)}</code>"))
    return page.section(
        "What was asked",
        page.paragraph(
            "Each reference point was cut into parts. Every model answered masked copies of it, in "
            "which some parts are hidden; a linear regression gives what each part adds to the "
            "score of each class. These coefficients are the model's signature. Only signatures "
            "with the same digest can be compared."
        ),
        page.definitions(facts),
    )


def _range(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def limits() -> str:
    """Conclusions that the distances do not support."""
    return page.section(
        "What this does not say",
        page.items(
            [
                "A distance describes the answers to these questions. Other points, parts or kinds "
                "of answer give other distances.",
                "A small distance does not prove that models are related: models that learned the "
                "same task from similar data are near each other anyway. Which distances are small "
                "must be judged with models that are known to be unrelated.",
                "A large distance does not prove that models are unrelated: a copy that was "
                "changed enough escapes detection.",
                "Intervals cover the choice of reference points, not another training of the same "
                "models.",
            ]
        ),
    )
