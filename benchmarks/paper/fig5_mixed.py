# SPDX-License-Identifier: BSD-3-Clause
"""Figure 5 with more queries than training images: thieves ask about mixtures of two images.

Every step of a copy's training asks the victim about images that nobody has seen: halves of two
shifted and mirrored training images, added. So a training from scratch asks as many different
questions as there are epochs times images.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.workshop import Objective
from skzest import zest_distances

TITLE = "Figure 5 with more queries than training images"
PAPER = {
    "relative distance at the end, labels of mixtures": None,
    "relative distance at the end, probabilities of mixtures": None,
}
KINDS = {"labels of mixtures": False, "probabilities of mixtures": True}


def answers_to_mixtures(teacher: nn.Module, *, soft: bool) -> Objective:
    """Cross-entropy with a teacher's answers to mixtures of the images of a batch."""

    def loss(net: nn.Module, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        mixed = (x + x.roll(1, dims=0)) / 2
        with torch.no_grad():
            said = teacher(mixed).float()
        target = said.softmax(dim=1) if soft else said.argmax(dim=1)
        return F.cross_entropy(net(mixed).float(), target)

    return loss


def copied(bench: Bench, victim: int, kind: str) -> nn.Module:
    """A copy with the victim's architecture, from fresh weights."""
    shop, seed, soft = bench.shop, 120 + victim, KINDS[kind]
    objective = answers_to_mixtures(shop.final(victim), soft=soft)
    name = f"mixed_{'soft' if soft else 'hard'}_{victim}"
    start = shop.fresh("residual", seed)
    return shop.train(name, start, seed, objective=objective)[bench.settings.epochs]


def run(bench: Bench) -> list[Finding]:
    s, shop = bench.settings, bench.shop
    trained = [shop.final(seed) for seed in range(s.n_seeds)]
    make = partial(copied, bench)
    made = {kind: [make(victim, kind) for victim in range(s.n_victims)] for kind in KINDS}
    S = bench.signatures(bench.lime(), [*trained, *(net for nets in made.values() for net in nets)])
    D = zest_distances(S)
    rows, findings = [], []
    for k, (kind, nets) in enumerate(made.items()):
        at = s.n_seeds + k * s.n_victims
        unrelated = [D[v, : s.n_seeds].sum() / (s.n_seeds - 1) for v in range(s.n_victims)]
        relative = [D[v, at + v] / unrelated[v] for v in range(s.n_victims)]
        findings.append(Finding.of(f"relative distance at the end, {kind}", relative))
        right = [shop.accuracy(net) for net in nets]
        findings.append(Finding.of(f"test accuracy of copies, {kind}", right, percent=True))
        rows += [
            {"kind": kind, "victim": v, "distance": D[v, at + v], "relative": relative[v]}
            for v in range(s.n_victims)
        ]
    bench.write("fig5_mixed", rows)
    return findings
