# SPDX-License-Identifier: BSD-3-Clause
"""The page: the paper's numbers and ours side by side, from the results available."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

from benchmarks._common import read_table
from benchmarks.paper.bench import Finding

EXPERIMENTS = [
    *("fig2", "fig3", "app_d", "fig5", "fig5_mixed", "agreement", "fig6", "fig6_shared", "app_g"),
    *("alignment", "table1", "ours"),
]
SCALES = ("small", "medium", "full")
INTRODUCTION = """\
# The paper, reproduced

*A Zest of LIME: Towards Architecture-Independent Model Distances* (ICLR 2022), by
`python -m benchmarks paper/suite`. That command writes this page from the tables next to it.
Numbers are means, with the standard deviation over networks or pairs of networks in brackets;
"not run" marks what no run has filled in yet.

- **small**: {small}
- **medium**: the same networks with stride 1, all 18,000 images in the folder, 28 epochs of one
  cycle; 81% of the test images right. In the background of a small machine: about 14 s an epoch
  on one core, some five hours of it in all. (The seconds of rows with the first network include
  9,000 in which its training was suspended.)
- **full**: the paper's setting, ResNet-20, 200 epochs, 128 points with 1,000 masks each, all
  CIFAR-10 images in the folder; meant for one GPU.

Seconds include the training of every network an experiment uses, even when several experiments
share it; answers already in the store are not counted.
"""
SMALL = """residual networks of 8 layers (75,000 parameters, first convolution with stride 2), 6,000
  images of CIFAR-10, 24 epochs (learning rate 0.1, a tenth from epochs 13 and 19 on). Questions:
  32 points, with 64 fold-over masks for a point with 8 to 15 parts and 128 for one with 16 to 31.
  The machine was busy with other work: an epoch takes 2.5 s on a free core and took 5 to 14 s."""
OF_DIGITS = (
    "- **digits**: a stand-in to check that everything runs; it says nothing about the paper.\n"
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
    """Texts and sounds, from the table written by ``paper/fig4``."""
    paper = {"text LSTM": "92.68%", "text linear": "–", "audio M5": "81.17%",
             "audio M5, Speech Commands": "81.17%"}  # fmt: skip
    last = {}
    path = results / "fig4.csv"
    if path.exists():
        last = {row["experiment"]: row for row in read_table(path)}
    lines = ["## Figure 4: text and audio", "", _row(["", "paper", "here", "full"])]
    lines.append(_row(["---"] * 4))
    for name, of_paper in paper.items():
        ours = f"{float(last[name]['closer']):.2%}" if name in last else "not run"
        lines.append(_row([f"related closer, at the end, {name}", of_paper, ours, "not run"]))
    lines += ["", "From `python -m benchmarks paper/fig4`, 128 points, 5 seeds."]
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
