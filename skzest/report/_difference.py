# SPDX-License-Identifier: BSD-3-Clause
"""What two models differ in."""

from __future__ import annotations

import numpy as np

from ..comparing import DistanceExplanation, explain_distance, part_names
from ..displays import (
    VERMILION,
    ExplanationDisplay,
    draw_image,
    figure_size,
    kind_of_point,
    shorten,
)
from . import _html as page
from ._figures import drawn
from ._zoo import Zoo

__all__ = ["of_difference"]

MOST_POINTS = 3
MOST_ROWS = 12
_SAME = 1e-12  # equal but for rounding


def of_difference(zoo: Zoo, pair: tuple[int, int] | None) -> str:
    """What two models differ in."""
    apart = [(i, j) for i, j in zoo.pairs() if zoo.distances[i, j] > _SAME]
    chosen = pair if pair is not None else (apart[0] if apart else None)
    title = "What the nearest two differ in" if pair is None else "What two models differ in"
    if chosen is None:
        return page.section(title, page.paragraph("There are no two models that differ."))
    i, j = chosen
    both = f"{page.name(zoo.labels[i])} and {page.name(zoo.labels[j])}"
    if zoo.distances[i, j] <= _SAME:
        return page.section(title, page.paragraph(f"{both} give the same answers."))
    plan = zoo.plan
    explanation = explain_distance(zoo.signatures[i], zoo.signatures[j], plan, classes=zoo.classes)
    markups = [
        page.paragraph(
            f"The distance between {both}, {explanation.distance:.3g}, is a sum of shares: one for "
            f"each class and each part of each reference point. Half of it comes from "
            f"{_fewest_for_half(explanation.by_point)} of {len(plan)} points."
        ),
        _by_class(explanation),
    ]
    if plan.is_passthrough:
        markups.append(
            page.paragraph(
                "These signatures are the scores themselves (surrogate “passthrough”): a component "
                "is a masked copy, and no part that could be shown."
            )
        )
    else:
        names = (zoo.labels[i], zoo.labels[j])
        largest = np.argsort(-explanation.by_point, kind="stable")[:MOST_POINTS]
        shown = "".join(_point(explanation, int(n), names) for n in largest)
        markups.append(page.paragraph(f"The {len(largest)} points with the largest shares:"))
        markups.append(f'<div class="row">{shown}</div>')
    return page.section(title, *markups, _top(explanation))


def _fewest_for_half(shares: np.ndarray) -> int:
    total = np.cumsum(np.sort(shares)[::-1])
    return int(np.searchsorted(total, 0.5 * total[-1])) + 1


def _by_class(explanation: DistanceExplanation) -> str:
    order = np.argsort(-explanation.by_class, kind="stable")
    rows = [
        [
            page.name(explanation.classes[c]),
            f"{explanation.by_class[c]:.3g}",
            f"{explanation.by_class[c] / explanation.distance:.1%}",
        ]
        for c in order[:MOST_ROWS]
    ]
    if len(order) > MOST_ROWS:
        rest = explanation.by_class[order[MOST_ROWS:]].sum()
        named = f"{len(order) - MOST_ROWS} others"
        rows.append([named, f"{rest:.3g}", f"{rest / explanation.distance:.1%}"])
    return page.table("Shares of the classes", ["class", "share", "of the distance"], rows)


def _top(explanation: DistanceExplanation) -> str:
    plan = explanation.plan
    rows = [
        [
            f"{page.name(shorten(term.name, 60))}, point {plan.indices[term.point]}",
            page.name(term.label),
            f"{term.share / explanation.distance:.1%}",
            f"{term.first:+.3g}",
            f"{term.second:+.3g}",
        ]
        for term in explanation.top(MOST_ROWS)
    ]
    columns = ["part", "class", "of the distance", "first model", "second model"]
    caption = "The largest shares, with the coefficients of signatures scaled to length 1"
    return page.table(caption, columns, rows, n_text=2)


def _point(explanation: DistanceExplanation, n: int, names: tuple[str, str]) -> str:
    plan = explanation.plan
    by_part = explanation.by_part(n)
    first = part_names(plan, n)[int(by_part.argmax())]
    share = explanation.by_point[n] / explanation.distance
    if kind_of_point(plan) == "text":
        caption = f"Point {plan.indices[n]}: {share:.1%} of the distance; “{first}” adds most."
        return _text(plan.point(n), plan.parts[n], by_part / by_part.max(), caption)

    import matplotlib.pyplot as plt

    width, height = figure_size(plan, n)
    if kind_of_point(plan) == "image":
        figure, (beside, ax) = plt.subplots(
            1, 2, figsize=(1.1 * width, 0.65 * height), layout="constrained"
        )
        draw_image(beside, plan, n)
    else:
        figure, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ExplanationDisplay.from_explanation(explanation, point=n, names=names, ax=ax)
    alt = (
        f"Reference point {plan.indices[n]}, with {share:.1%} of the distance, coloured by what "
        f"each part adds; {first} adds most."
    )
    return drawn(figure, alt)


def _text(text: str, parts: np.ndarray, strength: np.ndarray, caption: str) -> str:
    """A text as text, its words coloured; so it can be read aloud, in any script."""
    red, green, blue = (int(VERMILION[k : k + 2], 16) for k in (1, 3, 5))
    starts = np.flatnonzero(np.diff(parts, prepend=-2)).tolist()
    pieces = []
    for start, stop in zip(starts, [*starts[1:], len(text)]):
        piece, part = page.escape(text[start:stop]), int(parts[start])
        if part < 0:
            pieces.append(piece)
        else:
            color = f"rgba({red},{green},{blue},{0.85 * float(strength[part]):.2f})"
            pieces.append(f'<mark style="background:{color}">{piece}</mark>')
    sample = f'<div class="paper sample" dir="auto">{"".join(pieces)}</div>'
    return f"<figure>{sample}<figcaption>{page.escape(caption)}</figcaption></figure>"
