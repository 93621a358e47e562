# SPDX-License-Identifier: BSD-3-Clause
"""Appendix G: Figures 2, 5 and 6 with other distances between the same signatures."""

from __future__ import annotations

from benchmarks.paper import fig2, fig5, fig6
from benchmarks.paper.bench import Bench, Finding

TITLE = "Appendix G: other distances"
DISTANCES = {
    "cosine": "cosine",
    "l1": "cityblock",
    "l2": "euclidean",
    "l-infinity": "chebyshev",
}
PAPER = {
    f"{figure}, {name}": "the same picture"
    for figure in (
        "Figure 2: related closer",
        "Figure 5: relative distance, labels",
        "Figure 6: exact further",
    )
    for name in DISTANCES
    if name != "cosine"
}


def run(bench: Bench) -> list[Finding]:
    trained = fig2.signatures(bench)
    of_copies = fig5.signatures(bench)
    of_unlearning = fig6.signatures(bench)
    findings = []
    for name, distance in DISTANCES.items():
        related, unrelated = fig2.compare(bench, trained, distance)
        closer = 1 - related[-1] / unrelated[-1].mean(axis=1)
        findings.append(Finding.of(f"Figure 2: related closer, {name}", closer, percent=True))
    for name, distance in DISTANCES.items():
        found = fig5.compare(*of_copies, distance)
        relative = found["extracted, labels"][:, -1] / found["unrelated"][:, -1]
        findings.append(Finding.of(f"Figure 5: relative distance, labels, {name}", relative))
    for name, distance in DISTANCES.items():
        found = fig6.compare(of_unlearning, distance)
        further = found["exact"].mean(axis=1) / found["control"].mean(axis=1) - 1
        findings.append(Finding.of(f"Figure 6: exact further, {name}", further, percent=True))
    bench.write("app_g", [vars(finding) for finding in findings])
    return findings
