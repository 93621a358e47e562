# SPDX-License-Identifier: BSD-3-Clause
"""Appendix B: are classes matched correctly if labels are not known to correspond?

The classes of the final network are known; those of the other are in random order. The other is the
network itself, its checkpoint some epochs earlier, another seed, or a network transferred to six of
the ten classes.
"""

from __future__ import annotations

import numpy as np

from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.relatives import transferred
from skzest import ClassAligner

TITLE = "Appendix B: alignment of classes"
ALIGNMENTS = ("greedy", "sequential", "nearest", "optimal")
SUBSET = (7, 2, 9, 0, 5, 3)
PAPER = {
    f"right, {kind}, greedy": "100%"
    for kind in ("itself, permuted", "some epochs earlier, permuted", "transferred to six classes")
} | {"right, another seed, permuted, greedy": None}


def share_right(template, suspect, order, alignment: str, n_classes: int) -> float:
    """Share of the smaller model's classes that are matched correctly; `order` is the suspect's."""
    S = np.stack([template.ravel(), np.full(template.size, np.nan)])
    S[1].reshape(n_classes, -1)[: len(order)] = suspect
    smaller, larger = (0, 1) if len(order) == n_classes else (1, 0)
    aligner = ClassAligner(n_classes, template=smaller, alignment=alignment).fit(S)
    met = aligner.match(S[larger : larger + 1])[0].classes
    return float(np.mean(order[met] == np.arange(n_classes)) if smaller == 0
                 else np.mean(np.asarray(met) == order))  # fmt: skip


def run(bench: Bench) -> list[Finding]:
    s, shop = bench.settings, bench.shop
    rng = np.random.default_rng(0)
    six = shop.restricted(SUBSET)
    zoo = []
    for seed in range(s.n_seeds):
        networks = shop.trained(seed)
        zoo += [networks[s.epochs], networks[s.epochs - s.gap]]
    zoo += [
        transferred(six, shop.final(v), f"transferred_{v}", 400 + v, share=1.0)
        for v in range(s.n_victims)
    ]
    n = shop.n_classes
    S = bench.signatures(bench.lime(), zoo).reshape(len(zoo), n, -1)
    final, earlier, fewer = S[: 2 * s.n_seeds : 2], S[1 : 2 * s.n_seeds : 2], S[2 * s.n_seeds :]
    cases = {
        "itself, permuted": [(a, a) for a in final],
        "some epochs earlier, permuted": list(zip(final, earlier, strict=True)),
        "another seed, permuted": [
            (a, b) for i, a in enumerate(final) for j, b in enumerate(final) if i != j
        ],
    }
    findings = []
    for alignment in ALIGNMENTS:
        for kind, pairs in cases.items():
            shares = []
            for a, b in pairs:
                order = rng.permutation(n)
                shares.append(share_right(a, b[order], order, alignment, n))
            findings.append(Finding.of(f"right, {kind}, {alignment}", shares, percent=True))
        shares = []
        for v, suspect in enumerate(fewer):
            order = rng.permutation(len(SUBSET))
            classes = np.array(SUBSET)[order]
            shares.append(share_right(final[v], suspect[order], classes, alignment, n))
        findings.append(
            Finding.of(f"right, transferred to six classes, {alignment}", shares, percent=True)
        )
    bench.write("alignment", [vars(finding) for finding in findings])
    return findings
