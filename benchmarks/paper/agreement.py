# SPDX-License-Identifier: BSD-3-Clause
"""Section 4.3: do two networks predict the same labels?  A distance without masks.

Related: the victim some epochs earlier. Unrelated: another seed. Extracted: a copy made from
predicted labels. Near the victim's decision boundary, points lie on the line between two images
with different predicted labels, at the change of the label found by bisection.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.fig5 import copies
from benchmarks.paper.workshop import Workshop

TITLE = "Section 4.3: agreement of predictions"
PAPER = {
    "extracted, 128 points": "93.28 (1.06)%",
    "unrelated, 128 points": "91.52 (2.27)%",
    "extracted, 1280 points": "92.27 (0.22)%",
    "unrelated, 1280 points": "91.59 (0.76)%",
    "related, near the boundary": "41.92 (2.82)%",
    "extracted, near the boundary": "32.36 (1.84)%",
    "unrelated, near the boundary": "35.23 (2.60)%",
}
N_BOUNDARY, N_HALVINGS = 128, 20


def predicted(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([net(batch).argmax(dim=1) for batch in x.split(256)])


def near_boundary(net: nn.Module, x: torch.Tensor, seed: int) -> torch.Tensor:
    """Points between images of different predicted labels, just before the label changes."""
    rng = np.random.default_rng(seed)
    labels = predicted(net, x)
    first, second = torch.as_tensor(rng.integers(len(x), size=(2, 8 * N_BOUNDARY))).to(x.device)
    differ = torch.nonzero(labels[first] != labels[second])[:N_BOUNDARY, 0]
    here, there = x[first[differ]].clone(), x[second[differ]].clone()
    label = labels[first[differ]]
    for _ in range(N_HALVINGS):
        middle = (here + there) / 2
        same = (predicted(net, middle) == label)[:, None, None, None]
        here, there = torch.where(same, middle, here), torch.where(same, there, middle)
    return here


def pairs(bench: Bench):
    """Each victim with its related, extracted and unrelated networks."""
    s, shop = bench.settings, bench.shop
    for victim in range(s.n_victims):
        networks = shop.trained(victim)
        yield (
            networks[s.epochs],
            {
                "related": [networks[s.epochs - s.gap]],
                "extracted": [copies(bench, victim)["extracted, labels"][s.epochs]],
                "unrelated": [shop.final(seed) for seed in range(s.n_seeds) if seed != victim],
            },
        )


def test_images(shop: Workshop, n: int) -> torch.Tensor:
    return shop.task.collate(shop.task.test_inputs[:n]).to(shop.device)


def run(bench: Bench) -> list[Finding]:
    s, shop = bench.settings, bench.shop
    found: dict[str, list[float]] = {}
    for v, (victim, groups) in enumerate(pairs(bench)):
        sets = {f"{n} points": test_images(shop, n) for n in s.agreement_points}
        sets["near the boundary"] = near_boundary(victim, test_images(shop, s.n_test), seed=v)
        for where, x in sets.items():
            labels = predicted(victim, x)
            for kind, networks in groups.items():
                shares = [float((predicted(net, x) == labels).float().mean()) for net in networks]
                found.setdefault(f"{kind}, {where}", []).extend(shares)
    findings = [Finding.of(name, values, percent=True) for name, values in found.items()]
    bench.write("agreement", [vars(finding) for finding in findings])
    _draw(bench, findings)
    return findings


def _draw(bench: Bench, findings: list[Finding]) -> None:
    kinds = ("related", "extracted", "unrelated")
    places = list(dict.fromkeys(f.quantity.split(", ")[1] for f in findings))
    found = {finding.quantity: finding for finding in findings}
    figure, (ax,) = drawing.panels(1, width=5)
    for k, kind in enumerate(kinds):
        here = [found[f"{kind}, {place}"] for place in places]
        x = np.arange(len(places)) + 0.25 * (k - 1)
        error = [f.spread or 0 for f in here]
        ax.bar(x, [f.value for f in here], 0.22, yerr=error, label=kind, color=drawing.OTHERS[k])
    ax.set_xticks(range(len(places)), places)
    ax.set(ylabel="agreement with the victim", ylim=(0, 1.3))
    ax.legend(frameon=False, ncols=3)
    bench.save_figure("agreement", figure)
