# SPDX-License-Identifier: BSD-3-Clause
"""Figure 6 with a control that shares initial weights and the order of the data.

Three networks start from the same weights and see the same images in the same batches: the
original, one without the images to be forgotten, and, as the control, one without as many other
images. All are asked about the images to be forgotten.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.training import Watcher
from benchmarks.paper.unlearning import forgotten_rows, other_rows
from benchmarks.paper.workshop import Workshop
from skzest import zest_distances

TITLE = "Figure 6, the control sharing weights and order"
PAPER = {"exact, further than the control, same weights and order": None}


class Without(Watcher):
    """Leaves rows out of the batches in which they would have been."""

    def __init__(self, rows: np.ndarray):
        super().__init__()
        self.rows = rows

    def batches(self, n_rows: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
        return [batch[~np.isin(batch, self.rows)] for batch in super().batches(n_rows, size, rng)]


def spared_rows(shop: Workshop) -> np.ndarray:
    """As many other images as are to be forgotten."""
    rng = np.random.default_rng(2023)
    return np.sort(rng.permutation(other_rows(shop))[: len(forgotten_rows(shop))])


def without(shop: Workshop, seed: int, name: str, rows: np.ndarray) -> nn.Module:
    """Trained as the network of that seed was, but without these images."""
    name = f"{name}_order{seed}"
    return shop.final(seed, name=name, watcher=Without(rows), keep=())


def run(bench: Bench) -> list[Finding]:
    shop, victims = bench.shop, range(bench.settings.n_victims)
    kinds = {"exact": forgotten_rows(shop), "control": spared_rows(shop)}
    nets = [shop.final(victim) for victim in victims]
    for kind, rows in kinds.items():
        nets += [without(shop, victim, f"without_{kind}", rows) for victim in victims]
    n = len(victims)
    D = zest_distances(bench.signatures(bench.lime(rows=forgotten_rows(shop)), nets))
    exact, control = (np.array([D[v, k * n + v] for v in victims]) for k in (1, 2))
    bench.write(
        "fig6_shared",
        [{"victim": v, "exact": exact[v], "control": control[v]} for v in victims],
    )
    further = exact / control - 1
    return [
        Finding.of(
            "exact, further than the control, same weights and order", further, percent=True
        ),
        Finding.of("distance of the control, same weights and order", control),
    ]
