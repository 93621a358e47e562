# SPDX-License-Identifier: BSD-3-Clause
"""Figure 2: related and unrelated networks, epoch by epoch.

At epoch ``t`` a network is compared with its own checkpoint ``gap`` epochs later, and with
those of the other seeds at that later epoch.
"""

from __future__ import annotations

import numpy as np

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding
from skzest import zest_distances

TITLE = "Figure 2: a network and itself some epochs later"
PAPER = {
    "related closer, at the end": "99.27 (0.19)%",
    "related closer, mean over all epochs": None,
    "CIFAR-100, ResNet-50: related closer": "98.75 (0.12)%",
}


def signatures(bench: Bench) -> np.ndarray:
    """Signatures of all networks at all compared epochs, (n_seeds, n_epochs, n_columns)."""
    s = bench.settings
    zoo = [bench.shop.trained(seed)[epoch] for seed in range(s.n_seeds) for epoch in s.looked_at]
    S = bench.signatures(bench.lime(), zoo)
    return S.reshape(s.n_seeds, len(s.looked_at), -1)


def compare(bench: Bench, S: np.ndarray, distance: str = "cosine") -> tuple[np.ndarray, np.ndarray]:
    """Distances: related (n_epochs, n_seeds), unrelated (n_epochs, n_seeds, n_seeds - 1)."""
    s = bench.settings
    step = s.gap // s.every
    n_seeds, n_epochs = S.shape[:2]
    other = ~np.eye(n_seeds, dtype=bool)
    related, unrelated = [], []
    for e in range(n_epochs - step):
        D = zest_distances(S[:, e], S[:, e + step], distance=distance)
        related.append(np.diagonal(D))
        unrelated.append(D[other].reshape(n_seeds, -1))
    return np.array(related), np.array(unrelated)


def run(bench: Bench) -> list[Finding]:
    s = bench.settings
    related, unrelated = compare(bench, signatures(bench))
    epochs = s.looked_at[: len(related)]
    accuracies = [
        [bench.shop.accuracy(bench.shop.trained(seed)[epoch]) for seed in range(s.n_seeds)]
        for epoch in epochs
    ]
    closer = 1 - related / unrelated.mean(axis=2)
    bench.write(
        "fig2",
        [
            {
                "epoch": epoch,
                "accuracy": np.mean(accuracies[e]),
                "related": related[e].mean(),
                "related_sd": related[e].std(ddof=1),
                "unrelated": unrelated[e].mean(),
                "unrelated_sd": unrelated[e].std(ddof=1),
                "closer": closer[e].mean(),
            }
            for e, epoch in enumerate(epochs)
        ],
    )
    figure, (ax,) = drawing.panels(1)
    drawing.band(ax, epochs, unrelated.reshape(len(epochs), -1).T, "unrelated")
    drawing.band(ax, epochs, related.T, "related")
    drawing.drops(ax, bench.shop.schedule)
    ax.set(xlabel="epoch t", ylabel=f"distance to epoch t + {s.gap}", ylim=(0, None))
    ax.legend(frameon=False)
    bench.save_figure("fig2", figure)
    at_end = [bench.shop.accuracy(bench.shop.final(seed)) for seed in range(s.n_seeds)]
    return [
        Finding.of("related closer, at the end", closer[-1], percent=True),
        Finding.of("related closer, mean over all epochs", closer.mean(axis=0), percent=True),
        Finding.of("unrelated distance, at the end", unrelated[-1].ravel()),
        Finding.of("test accuracy at the end", at_end, percent=True),
    ]
