# SPDX-License-Identifier: BSD-3-Clause
"""Figure 6: was it unlearned?  Reference points are the images to be forgotten.

Exact unlearning is training without these images; the control is training with them, from another
seed. Both are compared with the original. Approximate unlearning starts from the original or, for
amnesiac unlearning, undoes steps of its training.

Exact unlearning is visible only as far as a network knows its training images. It is therefore
repeated with networks trained on the unmodified images, without shifts and mirroring.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.unlearning import (
    amnesiac,
    by_heart,
    forgotten_rows,
    relabelled,
    retrained,
    tuned_on_others,
)
from skzest import zest_distances

TITLE = "Figure 6: unlearning"
PAPER = {
    "exact, further than the control": "144.56 (15.39)%",
    "exact, further than the control, images not augmented": None,
    "CIFAR-100: exact, further than the control": "140.51 (9.10)%",
    "amnesiac, distance over the control's": "almost 0",
    "random labels, distance over the control's": "almost 0",
    "fine-tuning on the others, distance over the control's": "almost 0",
}
APPROXIMATE = ("amnesiac", "random labels", "fine-tuning on the others")


def signatures(bench: Bench) -> dict[str, np.ndarray]:
    """Rows by kind; (n_victims, 2, n_columns) for approximate ones: before, after."""
    s, shop = bench.settings, bench.shop
    victims = range(s.n_victims)
    originals = [shop.final(seed) for seed in range(s.n_seeds)]
    pairs = {
        "amnesiac": [amnesiac(shop, 300 + v) for v in victims],
        "random labels": [
            (originals[v], relabelled(shop, originals[v], f"relabelled_{v}", 310 + v))
            for v in victims
        ],
        "fine-tuning on the others": [
            (originals[v], tuned_on_others(shop, originals[v], f"tuned_on_others_{v}", 320 + v))
            for v in victims
        ],
    }
    exact = [retrained(shop, 200 + v) for v in victims]
    lime = bench.lime(rows=forgotten_rows(shop))
    flat = [net for kind in APPROXIMATE for pair in pairs[kind] for net in pair]
    S = bench.signatures(lime, [*originals, *exact, *flat])
    n, m = s.n_seeds, s.n_victims
    found = {"original": S[:n], "exact": S[n : n + m]}
    approximate = S[n + m :].reshape(len(APPROXIMATE), m, 2, -1)
    return found | dict(zip(APPROXIMATE, approximate, strict=True))


def compare(S: dict[str, np.ndarray], distance: str = "cosine") -> dict[str, np.ndarray]:
    """Distances to the original: control and exact (n_victims, ...), approximate (n_victims,)."""
    n_victims = len(S["exact"])
    D = zest_distances(S["original"], distance=distance)
    found = {
        "control": np.array([np.delete(D[v], v) for v in range(n_victims)]),
        "exact": zest_distances(S["original"][:n_victims], S["exact"], distance=distance),
    }
    for kind in APPROXIMATE:
        pairs = [zest_distances(a, b, distance=distance) for a, b in S[kind]]
        found[kind] = np.array(pairs)
    return found


def not_augmented(bench: Bench) -> tuple[list[Finding], dict[str, list[nn.Module]]]:
    """How much further exact unlearning is than the control, for networks without augmentation.

    Returns
    -------
    findings : list of Finding
        One, or none where the settings leave these networks out.
    networks : dict of str to list of Module
    """
    shop, n = bench.shop, bench.settings.n_by_heart
    if not n:
        return [], {}
    originals = [by_heart(shop, 220 + i, without=False) for i in range(n)]
    exact = [by_heart(shop, 230 + i, without=True) for i in range(n)]
    D = bench.distances(bench.lime(rows=forgotten_rows(shop)), originals + exact)
    control = D[:n, :n].sum(axis=1) / (n - 1)
    further = D[:n, n:].mean(axis=1) / control - 1
    name = "exact, further than the control, images not augmented"
    networks = {"original, not augmented": originals, "exact, not augmented": exact}
    return [Finding.of(name, further, percent=True)], networks


def run(bench: Bench) -> list[Finding]:
    shop = bench.shop
    of_by_heart, learned_by_heart = not_augmented(bench)
    found = compare(signatures(bench))
    control = found["control"].mean(axis=1)
    bench.write(
        "fig6",
        [
            {"kind": kind, "distance": d.mean(), "sd": d.std(ddof=1) if d.size > 1 else 0.0}
            for kind, d in found.items()
        ],
    )
    figure, (ax,) = drawing.panels(1, width=6)
    names = list(found)
    error = [d.std(ddof=1) if d.size > 1 else 0.0 for d in found.values()]
    ax.barh(names, [d.mean() for d in found.values()], xerr=error, color=drawing.OTHERS[0])
    ax.invert_yaxis()
    ax.set(xlabel="distance to the original, asked about the forgotten images")
    bench.save_figure("fig6", figure)
    rows = forgotten_rows(shop)
    right = {
        name: [
            float((shop.logits(net).argmax(axis=1)[rows] == shop.task.train_labels[rows]).mean())
            for net in networks
        ]
        for name, networks in {
            "original": [shop.final(v) for v in range(bench.settings.n_victims)],
            "exact": [retrained(shop, 200 + v) for v in range(bench.settings.n_victims)],
            "amnesiac": [amnesiac(shop, 300 + v)[1] for v in range(bench.settings.n_victims)],
            **learned_by_heart,
        }.items()
    }
    further = found["exact"].mean(axis=1) / control - 1
    return [
        Finding.of("exact, further than the control", further, percent=True),
        *of_by_heart,
        *(
            Finding.of(f"{kind}, distance over the control's", found[kind] / control)
            for kind in APPROXIMATE
        ),
        *(
            Finding.of(f"accuracy on the forgotten images, {name}", values, percent=True)
            for name, values in right.items()
        ),
    ]  # fmt: skip
