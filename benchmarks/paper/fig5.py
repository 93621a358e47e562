# SPDX-License-Identifier: BSD-3-Clause
"""Figure 5: extracted copies approach their victim; unrelated networks do not.

A copy with the same architecture is trained from fresh weights on the victim's answers to the
training images: predicted labels or probabilities. The figure shows its distance to the victim
by epoch, next to that of networks with other seeds at the same epoch.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.relatives import extracted
from skzest import zest_distances

TITLE = "Figure 5: extraction"
PAPER = {
    "relative distance at the end, labels": "0.80 (19.96% closer)",
    "relative distance at the end, probabilities": None,
    "CIFAR-100: relative distance at the end": "0.60 (section 5.2), 54.87% closer (section 1)",
}
KINDS = {"extracted, labels": False, "extracted, probabilities": True}


def copies(bench: Bench, victim: int) -> dict[str, dict[int, nn.Module]]:
    """Copies of a victim by kind and epoch."""
    shop = bench.shop
    return {
        kind: extracted(
            shop,
            shop.final(victim),
            f"extracted_{'soft' if soft else 'hard'}_{victim}",
            seed=100 + victim,
            soft=soft,
        )
        for kind, soft in KINDS.items()
    }


def signatures(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    """Of trainings, (n_seeds, n_epochs, n_columns), and of copies, (n_victims, n_kinds, ...)."""
    s = bench.settings
    trained = [bench.shop.trained(seed) for seed in range(s.n_seeds)]
    made = [nets for victim in range(s.n_victims) for nets in copies(bench, victim).values()]
    zoo = [nets[epoch] for nets in [*trained, *made] for epoch in s.looked_at]
    S = bench.signatures(bench.lime(), zoo)
    S = S.reshape(len(trained) + len(made), len(s.looked_at), -1)
    return S[: s.n_seeds], S[s.n_seeds :].reshape(s.n_victims, len(KINDS), *S.shape[1:])


def compare(
    trained: np.ndarray, made: np.ndarray, distance: str = "cosine"
) -> dict[str, np.ndarray]:
    """Distances to the victim at its end, (n_victims, n_epochs), by kind; unrelated: the mean."""
    found: dict[str, list] = {kind: [] for kind in ("unrelated", *KINDS)}
    for victim, of_victim in enumerate(made):
        goal = trained[victim, -1:]
        others = np.delete(trained, victim, axis=0)
        apart = [zest_distances(goal, other, distance=distance)[0] for other in others]
        found["unrelated"].append(np.mean(apart, axis=0))
        for kind, S in zip(KINDS, of_victim, strict=True):
            found[kind].append(zest_distances(goal, S, distance=distance)[0])
    return {kind: np.array(rows) for kind, rows in found.items()}


def run(bench: Bench) -> list[Finding]:
    s = bench.settings
    found = compare(*signatures(bench))
    bench.write(
        "fig5",
        [
            {"epoch": epoch}
            | {kind: rows[:, e].mean() for kind, rows in found.items()}
            | {f"{kind}, relative": (rows / found["unrelated"])[:, e].mean()
               for kind, rows in found.items() if kind in KINDS}
            for e, epoch in enumerate(s.looked_at)
        ],
    )  # fmt: skip
    figure, (ax,) = drawing.panels(1, width=5)
    for kind, rows in found.items():
        drawing.band(ax, s.looked_at, rows, kind)
    drawing.drops(ax, bench.shop.schedule)
    ax.set(xlabel="epoch of the copy", ylabel="distance to the victim", ylim=(0, None))
    ax.legend(frameon=False)
    bench.save_figure("fig5", figure)
    relative = {kind: found[kind][:, -1] / found["unrelated"][:, -1] for kind in KINDS}
    accuracies = [
        bench.shop.accuracy(copies(bench, victim)["extracted, labels"][s.epochs])
        for victim in range(s.n_victims)
    ]
    return [
        Finding.of("relative distance at the end, labels", relative["extracted, labels"]),
        Finding.of(
            "relative distance at the end, probabilities", relative["extracted, probabilities"]
        ),
        Finding.of("test accuracy of copies, labels", accuracies, percent=True),
    ]
