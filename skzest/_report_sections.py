# SPDX-License-Identifier: BSD-3-Clause
"""The sections of a report: decisions, distances, a difference, the questions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _html as page
from ._part_names import part_names
from .detectors import ReuseDecisions
from .displays import ExplanationDisplay, ReuseDetectionDisplay, ZestDistanceDisplay, ZooMapDisplay
from .displays._on_points import draw_image, figure_size, kind_of_point
from .displays._style import VERMILLION, shorten
from .explanation import DistanceExplanation, explain_distance
from .plan import QueryPlan
from .uncertainty import distance_interval

MOST_IN_MATRIX = 25  # models; of more, the nearest pairs are listed
MOST_PAIRS = 15
MOST_POINTS = 3
MOST_ROWS = 12
_SAME = 1e-12  # equal but for rounding


@dataclass
class Zoo:
    """What is known of the models."""

    signatures: np.ndarray
    distances: np.ndarray
    plan: QueryPlan
    classes: np.ndarray
    labels: list[str]
    groups: np.ndarray | None
    kinds: list[str] | None

    def __len__(self) -> int:
        return len(self.labels)

    def pairs(self) -> list[tuple[int, int]]:
        """All pairs that have a distance, the nearest first."""
        first, second = np.triu_indices(len(self), 1)
        d = self.distances[first, second]
        order = [k for k in np.argsort(d, kind="stable") if not np.isnan(d[k])]
        return [(int(first[k]), int(second[k])) for k in order]

    def check_pair(self, pair: Any) -> None:
        """Refuse what is no pair of different models with a distance."""
        if pair is None:
            return
        i, j = pair
        if not (0 <= i < len(self) and 0 <= j < len(self) and i != j):
            raise ValueError(
                f"pair={pair!r} is no pair of different models; there are {len(self)}, from 0."
            )
        if np.isnan(self.distances[i, j]):
            raise ValueError(
                f"pair={pair!r}: {self.labels[i]!r} and {self.labels[j]!r} have no distance (NaN)."
            )

    def summary(self, verdicts: list) -> str:
        """The page in some sentences."""
        pairs = self.pairs()
        were = "models were" if len(self) > 1 else "model was"
        said = [
            f"{len(self)} {were} asked the same {self.plan.n_queries:,} questions about "
            f"{len(self.plan)} reference points."
        ]
        for found in verdicts:
            said.append(_counted(found))
        if pairs:
            said.append(f"Nearest: {self._told(pairs[0])}.")
        if len(pairs) > 1:
            said.append(f"Farthest: {self._told(pairs[-1])}.")
        lost = np.flatnonzero(np.isnan(self.distances.diagonal()))
        if len(lost):
            names = ", ".join(page.name(self.labels[i]) for i in lost)
            said.append(f"Without a distance, as they answer every question alike: {names}.")
        return page.items(said)

    def _told(self, pair: tuple[int, int]) -> str:
        i, j = pair
        both = f"{page.name(self.labels[i])} and {page.name(self.labels[j])}"
        return f"{both}, at {self.distances[i, j]:.3g} {self.interval(pair)}"

    def interval(self, pair: tuple[int, int]) -> str:
        """The 95 % interval of a distance; nothing where there are too few points for one."""
        i, j = pair
        if len(self.plan) < 2:
            return ""
        found = distance_interval(self.signatures[i], self.signatures[j], self.plan)
        return f"[{found.low:.3g}, {found.high:.3g}]"


def _counted(found: Any) -> str:
    verdicts = found.decisions if isinstance(found, ReuseDecisions) else found.verdicts
    what = "suspect" if isinstance(found, ReuseDecisions) else "candidate"
    counts = {str(verdict): 0 for verdict in verdicts}
    for verdict in verdicts:
        counts[str(verdict)] += 1
    listed = ", ".join(f"{n} “{page.escape(verdict)}”" for verdict, n in counts.items())
    return f"Of {len(verdicts)} {what}{'s' if len(verdicts) > 1 else ''}: {listed}."


def _number(value: float, digits: int = 3) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}g}"


def _short(distance: float) -> str:
    """A distance for a narrow column."""
    if np.isnan(distance):
        return "–"
    return "<.001" if 0 < distance < 0.0005 else f"{distance:.3f}"


def _drawn(figure: Any, alt: str, caption: str = "") -> str:
    """The markup of a figure, which is then closed."""
    import matplotlib.pyplot as plt

    try:
        return page.figure(figure, alt, caption)
    finally:
        plt.close(figure)


# --- decisions ----------------------------------------------------------------------------------


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
            _number(found.d_suspects[i]),
            f"{_number(found.relative[i])} [{_number(found.low[i])}, {_number(found.high[i])}]",
            _number(found.p_values[i], 2),
            _number(found.adjusted_p_values[i], 2),
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
        + _drawn(display.figure_, alt)
    )


def _unlearning(found: Any) -> str:
    labels = found.labels or tuple(f"candidate {i}" for i in range(len(found)))
    rows = [
        [
            page.name(labels[i]),
            f"<strong>{page.escape(found.verdicts[i])}</strong>",
            page.escape(found.reasons[i]),
            _number(found.d_original[i]),
            _number(found.d_retrained[i]),
            f"{_number(found.trace_left[i])} [{_number(found.low[i])}, {_number(found.high[i])}]",
        ]
        for i in range(len(found))
    ]
    columns = ["candidate", "verdict", "because", "to the original", "to retrained"]
    columns += [f"trace left ({found.level:.0%} interval)"]
    return page.paragraph(
        "Was data forgotten? A heuristic: behaviour can speak against unlearning, and cannot "
        "prove it."
    ) + page.table("Candidates", columns, rows, n_text=3)


# --- distances ----------------------------------------------------------------------------------


def of_distances(zoo: Zoo) -> str:
    """Heat map, map and tables."""
    markups = [
        page.paragraph(
            "Cosine distances between signatures: 0 for models that attend to the same parts of "
            "the same points in the same proportions, 1 for models that have nothing in common. "
            "Intervals: 95 %, over the choice of reference points."
        ),
    ]
    if len(zoo) > 1:
        markups += [_heat_map(zoo), _map(zoo)]
    pairs = zoo.pairs()
    if pairs:
        rows = [
            [
                f"{page.name(zoo.labels[i])} – {page.name(zoo.labels[j])}",
                f"{zoo.distances[i, j]:.4g}",
                zoo.interval((i, j)),
            ]
            for i, j in pairs[:MOST_PAIRS]
        ]
        listed = "All pairs" if len(pairs) <= MOST_PAIRS else f"The {MOST_PAIRS} nearest pairs"
        columns = ["pair", "distance", "95 % interval"]
        markups.append(page.table(listed, columns, rows))
    if 1 < len(zoo) <= MOST_IN_MATRIX:
        cells = [[_short(d) for d in row] for row in zoo.distances]
        markups.append(page.matrix("Distances between all models", zoo.labels, cells))
    return page.section("Distances", *markups, _models(zoo))


def _models(zoo: Zoo) -> str:
    columns, n_classes = ["model"], len(zoo.classes)
    if zoo.groups is not None:
        columns.append("group")
    if zoo.kinds is not None:
        columns.append("kind")
    n_text = len(columns)
    there = ~np.isnan(zoo.signatures.reshape(len(zoo), n_classes, -1)).any(axis=2)
    rows = []
    for i, label in enumerate(zoo.labels):
        row = [page.name(label)]
        if zoo.groups is not None:
            group = zoo.groups[i]
            row.append("–" if group is None or group != group else page.name(group))
        if zoo.kinds is not None:
            row.append(page.escape(zoo.kinds[i]))
        others = np.delete(zoo.distances[i], i)
        nearest = np.nanmin(others) if (~np.isnan(others)).any() else np.nan
        rows.append([*row, f"{there[i].sum()} of {n_classes}", _number(nearest)])
    return page.table("Models", [*columns, "classes", "nearest other at"], rows, n_text=n_text)


def _heat_map(zoo: Zoo) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models without a leaf: in the summary
        display = ZestDistanceDisplay.from_distances(
            zoo.distances, labels=zoo.labels, groups=zoo.groups
        )
    alt = (
        f"Clustered heat map of the distances between {len(zoo)} models, from top to bottom: "
        + ", ".join(zoo.labels[i] for i in display.order)
    )
    return _drawn(display.figure_, alt, "Models in an order that puts near ones side by side.")


def _map(zoo: Zoo) -> str:
    display = ZooMapDisplay.from_distances(zoo.distances, labels=zoo.labels, groups=zoo.groups)
    alt = (
        f"Map of {len(zoo)} models on which distances are off by {display.stress_:.0%}. The "
        "tables have the distances."
    )
    caption = (
        "A map of the models: near on the map is near in truth, as far as a plane allows. "
        "Directions mean nothing."
    )
    return _drawn(display.figure_, alt, caption)


# --- a difference -------------------------------------------------------------------------------


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
    return _drawn(figure, alt)


def _text(text: str, parts: np.ndarray, strength: np.ndarray, caption: str) -> str:
    """A text as text, its words coloured; so it can be read aloud, in any script."""
    red, green, blue = (int(VERMILLION[k : k + 2], 16) for k in (1, 3, 5))
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


# --- questions ----------------------------------------------------------------------------------


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
