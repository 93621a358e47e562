# SPDX-License-Identifier: BSD-3-Clause
"""Which defaults separate related from unrelated networks best, over all experiments.

For each way to ask and to compare: the AUC over all pairs of an experiment, and how many
standard deviations of the unrelated distances the related ones lie below their mean. Baselines ask
no more questions; those that start from a victim are in ``benchmarks/decisions/model_reuse.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmarks.paper import fig5, table1
from benchmarks.paper.bench import Bench, Finding
from benchmarks.paper.networks import ARCHITECTURES
from benchmarks.paper.workshop import Workshop
from skzest import zest_distances
from skzest.baselines import baseline_distances

TITLE = "Ours: which defaults separate best"
PAPER: dict[str, str | None] = {}


@dataclass(frozen=True)
class Way:
    """A way to ask (parameters of the transformer) and to compare, or a baseline."""

    name: str
    params: dict = field(default_factory=dict)
    distance: str = "cosine"
    alignment: str | None = None
    baseline: str | None = None


NO_INTERCEPT = LinearRegression(fit_intercept=False)
WAYS = (
    Way("default"),
    Way("no intercept", {"surrogate": NO_INTERCEPT}),
    Way("probabilities", {"response": "predict_proba"}),
    Way("labels", {"response": "label"}),
    Way("logits as they come", {"response": "raw"}),
    Way("the copies without regression", {"surrogate": "passthrough"}),
    Way(
        "the copies without regression, probabilities",
        {"surrogate": "passthrough", "response": "predict_proba"},
    ),
    Way("l1", distance="cityblock"),
    Way("l2", distance="euclidean"),
    Way("classes matched, greedy", alignment="greedy"),
    Way("classes matched, optimal", alignment="optimal"),
    Way("fill: black", {"fill": "zero"}),
    Way("fill: mean of the part", {"fill": "part_mean"}),
    Way("Bernoulli, as many masks", {"sampling": "bernoulli"}),
    Way(
        "the released code's (Bernoulli, no intercept, logits as they come, greedy)",
        {"sampling": "bernoulli", "surrogate": NO_INTERCEPT, "response": "raw"},
        alignment="greedy",
    ),
    *(
        Way(f"baseline: {name}", baseline=name)
        for name in ("copy labels", "predictions", "correlation")
    ),
)


@dataclass(frozen=True)
class Case:
    """Pairs of networks of one experiment: a row is (one, another)."""

    networks: list[nn.Module]
    related: np.ndarray
    unrelated: np.ndarray
    shop: Workshop


def cases(bench: Bench) -> dict[str, Case]:
    """Related and unrelated pairs of all experiments; each unrelated one has a counterpart."""
    return {
        "later epoch": _later(bench),
        **{kind: _copies(bench, kind) for kind in fig5.KINDS},
        **_reuse(bench),
    }


def _later(bench: Bench) -> Case:
    s = bench.settings
    n = s.n_seeds
    trained = [bench.shop.trained(seed) for seed in range(n)]
    networks = [nets[s.epochs - s.gap] for nets in trained] + [nets[s.epochs] for nets in trained]
    pairs = np.array([(i, n + j) for i in range(n) for j in range(n)])
    same = pairs[:, 0] == pairs[:, 1] - n
    return Case(networks, pairs[same], pairs[~same], bench.shop)


def _copies(bench: Bench, kind: str) -> Case:
    """A copy and its victim, against the copy and the other seeds."""
    s = bench.settings
    n = s.n_seeds
    copies = [fig5.copies(bench, victim)[kind][s.epochs] for victim in range(s.n_victims)]
    networks = [bench.shop.final(seed) for seed in range(n)] + copies
    pairs = np.array([(n + i, j) for i in range(s.n_victims) for j in range(n)])
    own = pairs[:, 0] - n == pairs[:, 1]
    return Case(networks, pairs[own], pairs[~own], bench.shop)


def _reuse(bench: Bench) -> dict[str, Case]:
    """What was made of the sources of Table 1 with their classes, by kind."""
    zoo = table1.Zoo(bench)
    kinds = {
        "pruned, quantised": lambda kind: kind.startswith(("prune", "quantise")),
        "distilled": lambda kind: kind == "distil",
        "stolen by another architecture": lambda kind: kind == "steal",
    }
    found: dict[str, Case] = {}
    for name, belongs in kinds.items():
        networks: list[nn.Module] = []
        related, unrelated = [], []
        for architecture in ARCHITECTURES:
            sources = zoo.scratch(architecture, table1.SOURCE)
            first = len(networks)
            networks += sources
            for source in range(zoo.settings.n_sources):
                for suspect in zoo.made_from(architecture, source):
                    if suspect.family[1] == table1.SOURCE and belongs(suspect.kind):
                        here = len(networks)
                        networks.append(suspect.network)
                        for j in range(len(sources)):
                            (related if j == source else unrelated).append((here, first + j))
        found[name] = Case(networks, np.array(related), np.array(unrelated), zoo.source_shop)
    return found


def by(bench: Bench, way: Way) -> Callable[[Case], np.ndarray]:
    """Distances between the networks of a case, in one way."""

    def measure(case: Case) -> np.ndarray:
        lime = bench.lime(case.shop, **way.params)
        if way.baseline is not None:
            queries = [case.shop.query(net) for net in case.networks]
            plan, points = lime.fit(queries).plan_, case.shop.task.test_inputs
            return baseline_distances(queries, plan, points, names=[way.baseline])[way.baseline]
        S = bench.signatures(lime, case.networks)
        n_classes = None if way.alignment is None else lime.n_classes_
        return zest_distances(
            S, distance=way.distance, n_classes=n_classes, alignment=way.alignment
        )

    return measure


def separation(D: np.ndarray, case: Case) -> tuple[float, float]:
    """AUC of relative distances over all pairs, and the gap. The first of a pair is the suspect.

    The unit of a suspect's distances is its mean unrelated one. The gap of a suspect is the
    difference between that mean and its related distance, over the standard deviation of all
    unrelated distances about their suspect's mean.
    """
    related, unrelated = D[tuple(case.related.T)], D[tuple(case.unrelated.T)]
    suspects = case.unrelated[:, 0]
    means = {suspect: unrelated[suspects == suspect].mean() for suspect in set(suspects)}
    about = unrelated - np.array([means[suspect] for suspect in suspects])
    spread = np.sqrt((about**2).sum() / max(1, len(about) - len(means)))
    gaps = [
        (means[suspect] - d) / spread for (suspect, _), d in zip(case.related, related, strict=True)
    ]
    truth = np.r_[np.ones(len(related)), np.zeros(len(unrelated))]
    units = [means[suspect] for suspect in (*case.related[:, 0], *suspects)]
    relative = np.r_[related, unrelated] / units
    return float(roc_auc_score(truth, -relative)), float(np.mean(gaps))


def run(bench: Bench) -> list[Finding]:
    rows, findings = [], []
    of_experiments = cases(bench)
    for way in WAYS:
        measure = by(bench, way)
        row: dict = {"way": way.name}
        for name, case in of_experiments.items():
            row[f"AUC, {name}"], row[f"gap, {name}"] = separation(measure(case), case)
        names = list(of_experiments)
        row["AUC, mean"] = np.mean([row[f"AUC, {name}"] for name in names])
        # The mean of logarithms: each experiment counts alike, whatever its scale.
        row["gap, geometric mean"] = np.exp(
            np.mean([np.log(max(row[f"gap, {name}"], 0.01)) for name in names])
        )
        bench.log(f"{way.name}: AUC {row['AUC, mean']:.3f}, gap {row['gap, geometric mean']:.1f}")
        rows.append(row)
        findings += [
            Finding(f"AUC, {way.name}", row["AUC, mean"], None, len(names)),
            Finding(f"gap, {way.name}", row["gap, geometric mean"], None, len(names)),
        ]
    bench.write("ours", rows)
    return findings
