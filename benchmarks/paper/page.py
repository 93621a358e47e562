# SPDX-License-Identifier: BSD-3-Clause
"""The page: the paper's numbers and ours side by side, from the results that are there."""

from __future__ import annotations

import csv
import json
import re
from importlib import import_module
from pathlib import Path

from benchmarks.paper.bench import Finding

EXPERIMENTS = [
    *("fig2", "fig3", "app_d", "fig5", "agreement", "fig6", "app_g"),
    *("alignment", "table1", "ours"),
]
SCALES = ("small", "full")
INTRODUCTION = """\
# The paper, reproduced

*A Zest of LIME: Towards Architecture-Independent Model Distances* (ICLR 2022), by
`python -m benchmarks.paper`; this page is written by that command from the tables beside it.
Numbers are means, in brackets the standard deviation over networks or pairs of them; "not run"
is what no run has filled yet.

- **small**: {small}
- **full**: the paper's setting, ResNet-20, 200 epochs, 128 points with 1,000 masks each, all of
  the CIFAR-10 that the folder has; meant for one GPU.

Seconds include the training of every network that an experiment uses, also of one that several
share; answers that the store had already are not counted.
"""
SMALL = """residual networks of 8 layers (75,000 parameters, first convolution with stride 2), 6,000
  images of CIFAR-10, 24 epochs (learning rate 0.1, a tenth from epochs 13 and 19 on). Questions:
  32 points, with 64 fold-over masks for one of 8 to 15 parts, 128 for one of 16 to 31.
  The machine had other work as well: an epoch, 2.5 s on a free core, took 5 to 14."""
OF_DIGITS = (
    "- **digits**: a stand-in, to see that everything runs; it says nothing about the paper.\n"
)


def write_page(results: Path) -> Path:
    """Write ``README.md`` into the folder of results."""
    scales = [*SCALES]
    introduction = INTRODUCTION.format(small=SMALL)
    if (results / "digits").is_dir():
        scales.append("digits")
        introduction += "\n" + OF_DIGITS
    parts = [introduction]
    notes = _notes(Path(__file__).with_name("notes.md"))
    for name in EXPERIMENTS:
        parts.append(_section(results, name, scales, notes.get(name, "")))
        if name == "app_d":
            parts.append(_figure_4(results, notes.get("fig4", "")))
    path = results / "README.md"
    path.write_text("\n".join(parts))
    return path


def _section(results: Path, name: str, scales: list[str], notes: str) -> str:
    module = import_module(f"benchmarks.paper.{name}")
    records = {}
    for scale in scales:
        path = results / scale / f"{name}.json"
        if path.exists():
            records[scale] = json.loads(path.read_text())
    found = {
        scale: {entry["quantity"]: Finding(**entry) for entry in record["findings"]}
        for scale, record in records.items()
    }
    quantities = list(module.PAPER)
    for of_scale in found.values():
        quantities += [quantity for quantity in of_scale if quantity not in quantities]
    head = ["", "paper", *scales, "pairs or networks", "date", "machine", "seconds"]
    lines = [f"## {module.TITLE}", "", _row(head), _row(["---"] * len(head))]
    for quantity in quantities:
        cells = []
        for scale in scales:
            one = found.get(scale, {}).get(quantity)
            cells.append("not run" if one is None else one.text)
        holders = [scale for scale in scales if quantity in found.get(scale, {})]
        numbers = [str(found[scale][quantity].n or "") for scale in holders]
        facts = [
            " / ".join(str(records[scale][key]) for scale in holders)
            for key in ("date", "machine", "seconds")
        ]
        paper = module.PAPER.get(quantity) or "–"
        lines.append(_row([quantity, paper, *cells, " / ".join(numbers), *facts]))
    pictures = [
        f"![{module.TITLE}, {scale}]({scale}/{name}.png)"
        for scale in scales
        if (results / scale / f"{name}.png").exists()
    ]
    tables = [
        f"[{scale}/{name}.csv]({scale}/{name}.csv)"
        for scale in scales
        if (results / scale / f"{name}.csv").exists()
    ]
    if tables:
        lines += ["", "Table: " + ", ".join(tables)]
    for block in (*pictures, notes):
        if block:
            lines += ["", block]
    return "\n".join([*lines, ""])


def _figure_4(results: Path, notes: str) -> str:
    """Texts and sounds, from the table that ``benchmarks.paper.fig4`` writes."""
    paper = {"text LSTM": "92.68%", "text linear": "–", "audio M5": "81.17%"}
    last = {}
    path = results / "fig4.csv"
    if path.exists():
        with open(path, newline="") as file:
            last = {row["experiment"]: row for row in csv.DictReader(file)}
    lines = ["## Figure 4: text and audio", "", _row(["", "paper", "small", "full"])]
    lines.append(_row(["---"] * 4))
    for name, of_paper in paper.items():
        ours = f"{float(last[name]['closer']):.2%}" if name in last else "not run"
        lines.append(_row([f"related closer, at the end, {name}", of_paper, ours, "not run"]))
    lines += ["", "By `python -m benchmarks.paper.fig4`, 128 points, 5 seeds."]
    if path.exists():
        lines += ["", "Table: [fig4.csv](fig4.csv)", "", "![Figure 4](fig4.png)"]
    return "\n".join([*lines, *(["", notes] if notes else []), ""])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _notes(path: Path) -> dict[str, str]:
    """Paragraphs by experiment: the sections of a Markdown file."""
    if not path.exists():
        return {}
    parts = re.split(r"^## (\S+)\n", path.read_text(), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
