# SPDX-License-Identifier: BSD-3-Clause
"""The section on what two models differ in."""

from __future__ import annotations

import numpy as np

from .._validation import counted
from ..comparing import DistanceExplanation, explain_distance, number, point_text
from ..displays import ExplanationDisplay
from ..drawing import VERMILION, shorten
from . import _html as page
from ._figures import drawn
from ._zoo import Zoo

__all__ = ["of_difference"]

MOST_POINTS = 3
MOST_ROWS = 12
_SAME = 1e-12  # equal up to rounding


def of_difference(zoo: Zoo, pair: tuple[int, int] | None) -> str:
    """The section; without a pair, on the nearest two models that differ."""
    title = "What the nearest two differ in" if pair is None else "What two models differ in"
    chosen = [pair] if pair is not None else zoo.nearest_pairs(1, beyond=_SAME)
    if not chosen:
        return page.section(title, page.paragraph("No two models differ."))
    i, j = chosen[0]
    both = _both(zoo, (i, j))
    if zoo.distances[i, j] <= _SAME:
        return page.section(title, page.paragraph(f"{both} give the same answers."))
    plan, equal = zoo.plan, zoo.nearest_pairs(1)[0]
    markups = []
    if pair is None and zoo.distances[equal] <= _SAME:
        markups.append(
            page.paragraph(
                f"{_both(zoo, equal)} are nearer, but give the same answers. {both} are the "
                "nearest two that differ."
            )
        )
    explanation = explain_distance(zoo.signatures[i], zoo.signatures[j], plan, classes=zoo.classes)
    markups += [
        page.paragraph(
            f"The distance between {both}, {explanation.distance:.3g}, is a sum of shares: one for "
            f"each class and each part of each reference point. Half of it comes from "
            f"{_fewest_for_half(explanation.by_point)} of {len(plan)} points."
        ),
        _by_class(explanation),
    ]
    if explanation.has_common_names:
        markups.append(_by_name(explanation))
    if plan.is_passthrough:
        markups.append(
            page.paragraph(
                "These signatures are the scores themselves (surrogate “passthrough”): a component "
                "is a masked copy, not a part that could be shown."
            )
        )
    else:
        names = (zoo.labels[i], zoo.labels[j])
        largest = np.argsort(-explanation.by_point, kind="stable")[:MOST_POINTS]
        shown = "".join(_point(explanation, int(n), names) for n in largest)
        markups.append(page.paragraph(f"The {len(largest)} points with the largest shares:"))
        markups.append(f'<div class="row">{shown}</div>')
    return page.section(title, *markups, _top(explanation))


def _both(zoo: Zoo, pair: tuple[int, int]) -> str:
    i, j = pair
    return f"{page.name(zoo.labels[i])} and {page.name(zoo.labels[j])}"


def _fewest_for_half(shares: np.ndarray) -> int:
    total = np.cumsum(np.sort(shares)[::-1])
    return int(np.searchsorted(total, 0.5 * total[-1])) + 1


def _percent(share: float) -> str:
    return "<0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _by_class(explanation: DistanceExplanation) -> str:
    by_class = explanation.by_class
    order = np.argsort(-by_class, kind="stable")
    totals = [(explanation.classes[c], float(by_class[c])) for c in order]
    return _totals("Shares of the classes", "class", totals, explanation.distance)


def _by_name(explanation: DistanceExplanation) -> str:
    totals = [*explanation.by_name.items()]
    return _totals("Shares of the parts, over all points", "part", totals, explanation.distance)


def _totals(caption: str, what: str, totals: list[tuple], distance: float) -> str:
    """A table of shares, the largest first; the smallest are summed up."""
    rows = [[page.name(name), share] for name, share in totals[:MOST_ROWS]]
    rest = [share for _, share in totals[MOST_ROWS:]]
    if rest:
        rows.append([counted(len(rest), "other"), sum(rest)])
    cells = [[name, number(share), _percent(share / distance)] for name, share in rows]
    return page.table(caption, [what, "share", "of the distance"], cells)


def _top(explanation: DistanceExplanation) -> str:
    plan = explanation.plan
    rows = [
        [
            f"{page.name(shorten(term.name, 60))}, {point_text(plan, term.point)}",
            page.name(term.label),
            _percent(term.share / explanation.distance),
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
    first = plan.part_names(n)[int(by_part.argmax())]
    picture = plan.picture(n)
    share, named = explanation.by_point[n] / explanation.distance, point_text(plan, n).capitalize()
    if picture.pieces is not None:
        caption = f"{named}: {share:.1%} of the distance; “{first}” adds most."
        return _text(picture.pieces, by_part / by_part.max(), caption)

    import matplotlib.pyplot as plt

    _, (width, height) = picture.layout()
    if picture.has_original:
        figure, (beside, ax) = plt.subplots(
            1, 2, figsize=(1.1 * width, 0.65 * height), layout="constrained"
        )
        picture.draw_original(beside)
    else:
        figure, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ExplanationDisplay.from_explanation(explanation, point=n, names=names, ax=ax)
    alt = (
        f"{named}, with {share:.1%} of the distance, coloured by what "
        f"each part adds; {first} adds most."
    )
    return drawn(figure, alt)


def _text(pieces: list[tuple[str, int]], strength: np.ndarray, caption: str) -> str:
    """A text as text with its words in colour, so that it can be read aloud, in any script."""
    red, green, blue = (int(VERMILION[k : k + 2], 16) for k in (1, 3, 5))
    markups = []
    for piece, part in pieces:
        markup = page.escape(piece)
        if part >= 0:
            color = f"rgba({red},{green},{blue},{0.85 * float(strength[part]):.2f})"
            markup = f'<mark style="background:{color}">{markup}</mark>'
        markups.append(markup)
    sample = f'<div class="paper sample" dir="auto">{"".join(markups)}</div>'
    return f"<figure>{sample}<figcaption>{page.escape(caption)}</figcaption></figure>"
