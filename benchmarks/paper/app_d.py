# SPDX-License-Identifier: BSD-3-Clause
"""Appendix D: the distance grows with the number of epochs between two relatives."""

from __future__ import annotations

import numpy as np

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding

TITLE = "Appendix D: epochs between relatives"
PAPER = {
    "distance, 1 epoch apart": "0.0035",
    "distance, 5 epochs apart": None,
    "distance, 10 epochs apart": "0.0070",
    "distance, 20 epochs apart": "0.0120",
    "distance, 50 epochs apart": "0.0630",
}


def run(bench: Bench) -> list[Finding]:
    s = bench.settings
    earlier = [s.epochs - gap for gap in s.gaps]
    found = []
    for seed in range(s.n_seeds):
        networks = bench.shop.trained(seed)
        zoo = [networks[epoch] for epoch in (*earlier, s.epochs)]
        found.append(bench.distances(bench.lime(), zoo)[-1, :-1])
    found = np.array(found)
    bench.write(
        "app_d",
        [
            {"gap": gap, "distance": column.mean(), "sd": column.std(ddof=1)}
            for gap, column in zip(s.gaps, found.T, strict=True)
        ],
    )
    figure, (ax,) = drawing.panels(1)
    drawing.band(ax, s.gaps, found, "related")
    ax.set(xlabel="epochs before the end", ylabel="distance to the end", ylim=(0, None))
    bench.save_figure("app_d", figure)
    return [
        Finding.of(f"distance, {gap} epoch{'s' * (gap > 1)} apart", column)
        for gap, column in zip(s.gaps, found.T, strict=True)
    ]
