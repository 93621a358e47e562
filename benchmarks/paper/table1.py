# SPDX-License-Identifier: BSD-3-Clause
"""Tables 1 and 5: are reused networks found?  The fourteen kinds of reuse of ModelReuse.

Sources know six classes, in two architectures; transferred networks know the other four. The paper
leaves out networks that were *not* reused. Here, networks trained from scratch on the same or the
other classes, with the same or the other architecture, give a false-positive rate.

The unit of a relative distance is the mean distance of unrelated pairs with the same architectures
and classes; the network under test is left out of that mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmarks.paper import drawing
from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.networks import ARCHITECTURES
from benchmarks.paper.relatives import distilled, extracted, pruned, quantised, transferred
from benchmarks.paper.workshop import Workshop
from skzest import zest_distances

TITLE = "Tables 1 and 5: ModelReuse"
PAPER = {
    "reused networks found, cosine": "100% (ModelDiff: 91.7%)",
    "reused networks found, l2": "93.75%",
    "stolen networks found, cosine": "100% (ModelDiff: 0%)",
    "unrelated networks called reused, cosine": None,
    "AUC, cosine": None,
}
SOURCE, TARGET = (0, 1, 2, 3, 4, 5), (6, 7, 8, 9)
DISTANCES = {"cosine": "cosine", "l2": "euclidean"}


@dataclass(frozen=True)
class Suspect:
    """A network compared with a source: how it was made, and its family.

    ``family`` is architecture and classes; ``reused`` says whether it comes from the source.
    """

    kind: str
    network: nn.Module
    family: tuple[str, tuple[int, ...]]
    reused: bool


class Zoo:
    """Sources, everything made from them, and networks from scratch."""

    def __init__(self, bench: Bench):
        self.settings = bench.settings
        self.source_shop = bench.shop.restricted(SOURCE)
        self.target_shop = bench.shop.restricted(TARGET)

    @property
    def shops(self) -> dict[tuple[int, ...], Workshop]:
        return {SOURCE: self.source_shop, TARGET: self.target_shop}

    def scratch(self, architecture: str, classes: tuple[int, ...]) -> list[nn.Module]:
        """Networks from scratch; of the source's classes, the first ones are sources."""
        shop = self.shops[classes]
        seeds = range(self.settings.n_retrained)
        return [shop.final(500 + seed, architecture, keep=()) for seed in seeds]

    def made_from(self, architecture: str, source: int) -> list[Suspect]:
        """The fourteen kinds of reuse of one source."""
        shop, target = self.source_shop, self.target_shop
        net = self.scratch(architecture, SOURCE)[source]
        (other,) = set(ARCHITECTURES) - {architecture}
        seed = 600 + 10 * source

        def name(kind: str) -> str:
            return f"{architecture}{source}_{kind}"

        def transfer(share: float) -> nn.Module:
            return transferred(target, net, name(f"transfer{share:.0%}"), seed, share=share)

        moved = transfer(0.5)
        within: dict[str, Callable] = {
            f"prune {share:.0%}": lambda share=share: pruned(
                shop, net, name(f"prune{share:.0%}"), seed, share=share
            )
            for share in (0.2, 0.5, 0.8)
        } | {
            "quantise": lambda: quantised(net),
            "distil": lambda: distilled(shop, net, name("distil"), seed, architecture),
        }
        beyond: dict[str, Callable] = {
            f"transfer {share:.0%}": lambda share=share: transfer(share) for share in (0.1, 0.5, 1)
        } | {
            f"transfer + prune {share:.0%}": lambda share=share: pruned(
                target, moved, name(f"transfer_prune{share:.0%}"), seed, share=share
            )
            for share in (0.2, 0.5, 0.8)
        } | {
            "transfer + quantise": lambda: quantised(moved),
            "transfer + distil": lambda: distilled(
                target, moved, name("transfer_distil"), seed, architecture
            ),
        }  # fmt: skip
        copy = extracted(shop, net, name("steal"), seed, soft=True, architecture=other)
        stolen = copy[self.settings.epochs]
        return [
            *(Suspect(k, make(), (architecture, SOURCE), True) for k, make in within.items()),
            Suspect("steal", stolen, (other, SOURCE), True),
            *(Suspect(k, make(), (architecture, TARGET), True) for k, make in beyond.items()),
        ]

    def strangers(self, architecture: str, source: int) -> list[Suspect]:
        """Networks from scratch that a source is compared with."""
        (other,) = set(ARCHITECTURES) - {architecture}
        found = []
        for family in ((architecture, SOURCE), (other, SOURCE), (architecture, TARGET)):
            same = family == (architecture, SOURCE)
            kind = f"from scratch, {'same' if family[0] == architecture else 'other'} architecture"
            kind += f", {'same' if family[1] == SOURCE else 'other'} classes"
            for i, net in enumerate(self.scratch(*family)):
                if not (same and i == source):
                    found.append(Suspect(kind, net, family, False))
        return found


@dataclass(frozen=True)
class Judged:
    """A suspect's distance to a source, and relative to unrelated networks of its family."""

    architecture: str
    source: int
    suspect: Suspect
    distance: float
    relative: float


def judged(bench: Bench, zoo: Zoo, measure: Callable) -> list[Judged]:
    """All suspects and strangers of all sources.

    Parameters
    ----------
    measure : callable
        From networks to their distances, (n_networks, n_networks).
    """
    found = []
    for architecture in ARCHITECTURES:
        sources = zoo.scratch(architecture, SOURCE)
        for source in range(zoo.settings.n_sources):
            suspects = zoo.made_from(architecture, source) + zoo.strangers(architecture, source)
            D = measure([*sources, *(s.network for s in suspects)])
            m = len(sources)
            scratch = np.array([not s.reused for s in suspects])
            same = np.array([[a is s.network for a in sources] for s in suspects]).T
            unrelated = np.where(same, np.nan, D[:m, m:])
            for j, suspect in enumerate(suspects):
                peers = [
                    i for i, s in enumerate(suspects) if scratch[i] and s.family == suspect.family
                ]
                unit = unrelated[:, [i for i in peers if i != j]]
                if suspect.family == (architecture, SOURCE) and not suspect.reused:
                    unit = unit[~same[:, j]]  # itself as a source
                mean = np.nanmean(unit)
                d = D[source, m + j]
                found.append(Judged(architecture, source, suspect, d, d / mean))
    return found


def run(bench: Bench) -> list[Finding]:
    zoo = Zoo(bench)
    rows: list[dict] = []
    findings = []
    tables = {}
    for name, distance in DISTANCES.items():
        found = judged(bench, zoo, aligned(bench, zoo, distance))
        tables[name] = found
        reused = np.array([j.suspect.reused for j in found])
        relative = np.array([j.relative for j in found])
        steal = np.array([j.suspect.kind == "steal" for j in found])
        findings += [
            Finding(f"reused networks found, {name}", *_share(relative[reused] < 1)),
            Finding(f"stolen networks found, {name}", *_share(relative[steal] < 1)),
            Finding(f"unrelated networks called reused, {name}", *_share(relative[~reused] < 1)),
            Finding(f"AUC, {name}", roc_auc_score(reused, -relative), None, len(found)),
        ]
    for kind in dict.fromkeys(j.suspect.kind for j in tables["cosine"]):
        row = {"kind": kind}
        for name, found in tables.items():
            of_kind = np.array([j.relative for j in found if j.suspect.kind == kind])
            row |= {
                "networks": len(of_kind),
                f"{name}, mean": of_kind.mean(),
                f"{name}, least": of_kind.min(),
                f"{name}, largest": of_kind.max(),
                f"{name}, below 1": (of_kind < 1).mean(),
            }
        rows.append(row)
    bench.write("table1", rows)
    _draw(bench, tables["cosine"])
    return findings


def aligned(bench: Bench, zoo: Zoo, distance: str) -> Callable:
    """Zest's distances; different classes are matched, as in the paper."""
    n = len(SOURCE)

    def measure(networks: list[nn.Module]) -> np.ndarray:
        S = bench.signatures(bench.lime(zoo.source_shop), networks)
        by_place = zest_distances(S, distance=distance)
        matched = zest_distances(S, distance=distance, n_classes=n, alignment="greedy")
        counts = np.array([net.linear.out_features for net in networks])
        return np.where(counts[:, None] == counts, by_place, matched)

    return measure


def _share(values: np.ndarray) -> tuple[float, None, int, bool]:
    return float(values.mean()), None, len(values), True


def _draw(bench: Bench, found: list[Judged]) -> None:
    kinds = list(dict.fromkeys(j.suspect.kind for j in found))
    figure, (ax,) = drawing.panels(1, width=8, height=5)
    for colour, architecture in zip(drawing.OTHERS, ARCHITECTURES):
        chosen = [j for j in found if j.architecture == architecture]
        ax.scatter(
            [j.relative for j in chosen],
            [kinds.index(j.suspect.kind) for j in chosen],
            label=f"source: {architecture}",
            color=colour,
            alpha=0.7,
        )
    ax.axvline(1.0, color="grey", linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(kinds)), kinds)
    ax.invert_yaxis()
    ax.set(xlabel="relative distance", xlim=(0, None))
    ax.legend(frameon=False)
    bench.save_figure("table1", figure)
