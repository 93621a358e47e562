# SPDX-License-Identifier: BSD-3-Clause
"""Figure 3: the distance and its deviation against the number of reference points.

Networks halfway through training and near its end are compared with the end. The deviation is over
random reference sets, which :func:`skzest.reference_curve` draws from one plan.
"""

from __future__ import annotations

import numpy as np

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding
from skzest import reference_curve

TITLE = "Figure 3: how many reference points"
PAPER = {
    "deviation with 1 point, half way against the end": "about 0.3",
    "deviation with the most points, half way against the end": "almost 0",
    "mean with 1 point over mean with the most": "the mean stays",
}


def epochs(bench: Bench) -> tuple[int, int]:
    """Halfway, and the compared epoch nearest to 95% of the training."""
    s = bench.settings
    earlier = [epoch for epoch in s.looked_at if epoch < s.epochs]
    return s.epochs // 2, min(earlier, key=lambda epoch: abs(epoch - 0.95 * s.epochs))


def run(bench: Bench) -> list[Finding]:
    s = bench.settings
    half, late = epochs(bench)
    lime = bench.lime(n_reference=s.most_points)
    zoo = [
        bench.shop.trained(seed)[epoch]
        for seed in range(s.n_seeds)
        for epoch in (half, late, s.epochs)
    ]
    S = bench.signatures(lime, zoo)
    pairs = [(3 * i + j, 3 * i + 2) for j in (0, 1) for i in range(s.n_seeds)]
    sizes = [n for n in 2 ** np.arange(11) if n < s.most_points] + [s.most_points]
    curve = reference_curve(S, lime.plan_, pairs=pairs, sizes=sizes)
    mean = curve.mean.reshape(2, s.n_seeds, -1)
    std = curve.std.reshape(2, s.n_seeds, -1)
    names = [f"epochs {half}, {s.epochs}", f"epochs {late}, {s.epochs}"]
    bench.write(
        "fig3",
        [
            {
                "pair": name,
                "points": int(size),
                "distance": mean[j, :, k].mean(),
                "deviation": std[j, :, k].mean(),
            }
            for j, name in enumerate(names)
            for k, size in enumerate(sizes)
        ],
    )
    figure, axes = drawing.panels(2)
    for j, name in enumerate(names):
        drawing.band(axes[0], sizes, mean[j], name, drawing.OTHERS[j])
        drawing.band(axes[1], sizes, std[j], name, drawing.OTHERS[j])
    axes[0].set(ylabel="distance (mean over reference sets)")
    axes[1].set(ylabel="standard deviation over reference sets")
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.set(xlabel="reference points", ylim=(0, None))
    axes[0].legend(frameon=False)
    bench.save_figure("fig3", figure)
    return [
        Finding.of("deviation with 1 point, half way against the end", std[0, :, 0]),
        Finding.of("deviation with the most points, half way against the end", std[0, :, -1]),
        Finding.of("deviation with 1 point, late against the end", std[1, :, 0]),
        Finding.of("deviation with the most points, late against the end", std[1, :, -1]),
        Finding.of("mean with 1 point over mean with the most", mean[0, :, 0] / mean[0, :, -1]),
    ]
