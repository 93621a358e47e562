# SPDX-License-Identifier: BSD-3-Clause
"""Which distance finds reused networks at the same number of questions?

The networks are those of ``benchmarks/paper/table1.py`` (six classes, two architectures, fourteen
kinds of reuse) plus three more kinds: fine-tuned, and extracted with the same architecture from
labels and from probabilities. Each is compared with its source by Zest and by every baseline in
``skzest.baselines``, none of which asks more questions than Zest. So are networks trained from
scratch with the same architecture and classes as the reused ones.

A relative distance is divided by the mean distance of the source to networks from scratch; the
network under test is left out of that mean. For each distance and kind the table has

- ``accuracy``: the mean of the share of reused networks below 1 and of other networks above 1;
- ``auc``, and ``tpr``, the share of reused networks found at a false-positive rate of 5%;

with 95% bootstrap intervals over networks, where reused and other networks are resampled
separately. Networks of one source are not independent, so the intervals are somewhat too short.
"-" means that the distance is not defined: labels say nothing about other classes, and weights
nothing about another architecture.

Without ``--data`` it runs on digits, in minutes; with it, on CIFAR-10 too. ``--cifar`` names the
networks of the paper's suite (``out/benchmarks/paper/small``), which then need not be trained
again.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import machine, write_table
from benchmarks.paper import relatives
from benchmarks.paper.bench import Bench
from benchmarks.paper.networks import ARCHITECTURES
from benchmarks.paper.settings import SCALES
from benchmarks.paper.table1 import SOURCE, Suspect, Zoo
from skzest import zest_distances
from skzest.baselines import BASELINES, baseline_distances

TAKES = "15 min on digits, 5 h on CIFAR-10"
NEEDS = "torch; --data with CIFAR-10 (else digits)"
QUICK = {
    "sources": 1, "scratch": 3, "epochs": 6, "points": 4, "train": 512,
    "architectures": ["residual"],
}  # fmt: skip
ZEST = {
    "zest": {},
    "zest, probabilities": {"response": "predict_proba"},
    "passthrough": {"surrogate": "passthrough"},
    "passthrough, probabilities": {"surrogate": "passthrough", "response": "predict_proba"},
}
OTHERS = [name for name in BASELINES if name not in ("passthrough", "weights")]
ANY_CLASSES = (*ZEST, "ddv", "correlation")  # defined where classes differ
LEVEL = 0.05


class WiderZoo(Zoo):
    """The networks of Table 1, and three more kinds of reuse."""

    def made_from(self, architecture: str, source: int) -> list[Suspect]:
        shop = self.source_shop
        net = self.scratch(architecture, SOURCE)[source]
        name, seed = f"{architecture}{source}", 700 + 10 * source
        family = (architecture, SOURCE)
        found = [
            Suspect(
                "fine-tune", relatives.continued(shop, net, f"{name}_tuned", seed), family, True
            )
        ]
        for kind, soft in (("extract, labels", False), ("extract, probabilities", True)):
            copies = relatives.extracted(
                shop, net, f"{name}_{kind}", seed, soft=soft, architecture=architecture
            )
            found.append(Suspect(kind, copies[self.settings.epochs], family, True))
        return found + super().made_from(architecture, source)


# --- distances to a source ------------------------------------------------------------------


def distances(bench: Bench, zoo: Zoo, source, suspects: list[Suspect]) -> tuple[dict, dict]:
    """Distances from a source to its suspects by method, and the questions each method asked."""
    shop = zoo.source_shop
    networks = [source, *(s.network for s in suspects)]
    counts = np.array([net.linear.out_features for net in networks])
    queries = [shop.query(net) for net in networks]
    found, asked = {}, {}
    for name, params in ZEST.items():
        lime = bench.lime(shop, **params)
        S = lime.fit_transform(queries)
        by_place = zest_distances(S[:1], S)[0, 1:]
        n_classes = lime.n_classes_
        matched = zest_distances(S[:1], S, n_classes=n_classes, alignment="greedy")[0, 1:]
        found[name] = np.where(counts[1:] == counts[0], by_place, matched)
        asked[name] = lime.plan_.n_queries
    plan = bench.lime(shop).fit(queries).plan_
    points, y = shop.task.test_inputs, shop.task.test_labels
    for name, D in baseline_distances(queries, plan, points, y, names=OTHERS).items():
        found[name] = D[0, 1:].copy()
        asked[name] = BASELINES[name].n_queries(plan, len(points))
        if name not in ANY_CLASSES:
            found[name][counts[1:] != counts[0]] = np.nan
    found["weights"], asked["weights"] = _weights(source, suspects), 0
    return found, asked


def _weights(source, suspects: list[Suspect]) -> np.ndarray:
    """White box: only for networks of the source's own shape."""
    shapes = [p.shape for p in source.parameters()]
    alike = [[p.shape for p in s.network.parameters()] == shapes for s in suspects]
    networks = [source, *(s.network for s, fits in zip(suspects, alike, strict=True) if fits)]
    found = np.full(len(suspects), np.nan)
    found[alike] = BASELINES["weights"].function(networks)[0, 1:]
    return found


def judged(bench: Bench, zoo: Zoo, architectures: list[str]) -> tuple[list[dict], dict]:
    """Every network compared with a source: its kind and its relative distances."""
    rows, asked = [], {}
    for architecture in architectures:
        for source in range(zoo.settings.n_sources):
            net = zoo.scratch(architecture, SOURCE)[source]
            suspects = zoo.made_from(architecture, source) + zoo.strangers(architecture, source)
            begin = time.perf_counter()
            found, asked = distances(bench, zoo, net, suspects)
            bench.log(f"{architecture} {source}: compared in {time.perf_counter() - begin:.0f} s")
            for i, suspect in enumerate(suspects):
                relation = (suspect.family[0] == architecture, suspect.family[1] == SOURCE)
                row = {"kind": suspect.kind, "family": relation, "reused": suspect.reused}
                peers = [
                    j
                    for j, s in enumerate(suspects)
                    if not s.reused and s.family == suspect.family and j != i
                ]
                rows.append(row | {m: d[i] / np.mean(d[peers]) for m, d in found.items()})
    return rows, asked


# --- the table ------------------------------------------------------------------------------


def power(reused: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Accuracy at 1, AUC, and the share of reused networks found at 5% of the others."""
    accuracy = ((reused < 1).mean() + (others >= 1).mean()) / 2
    others = np.sort(others)
    above = (
        len(others)
        - (np.searchsorted(others, reused, "left") + np.searchsorted(others, reused, "right")) / 2
    )  # others above each reused network; ties count half
    tpr = (reused < others[int(LEVEL * len(others))]).mean()
    return accuracy, above.mean() / len(others), tpr


def with_intervals(reused: np.ndarray, others: np.ndarray, n_draws: int = 500) -> dict:
    """The three numbers with the 2.5% and 97.5% points of their bootstrap."""
    rng = np.random.default_rng(0)
    draws = [
        power(rng.choice(reused, len(reused)), rng.choice(others, len(others)))
        for _ in range(n_draws)
    ]
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    row = {}
    for i, (name, value) in enumerate(
        zip(("accuracy", "auc", "tpr"), power(reused, others), strict=True)
    ):
        row |= {name: value, f"{name}_low": low[i], f"{name}_high": high[i]}
    return row


def table(task: str, rows: list[dict], asked: dict) -> list[dict]:
    """One line per method and kind of reuse, and for all kinds with and without other classes."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["reused"]))
    of = {kind: {kind} for kind in kinds}
    of["all, same classes"] = {kind for kind in kinds if not kind.startswith("transfer")}
    of["all"] = set(kinds)
    found = []
    for method, n_questions in asked.items():
        for kind, belonging in of.items():
            if kind == "all" and method not in ANY_CLASSES:
                continue
            chosen = [r for r in rows if r["reused"] and r["kind"] in belonging]
            families = {r["family"] for r in chosen}
            rest = [r for r in rows if not r["reused"] and r["family"] in families]
            reused, others = (
                np.array([r[method] for r in part if np.isfinite(r[method])])
                for part in (chosen, rest)
            )
            line = {"task": task, "method": method, "questions": n_questions, "kind": kind}
            line |= {"reused": len(reused), "others": len(others)}
            if len(reused) and len(others):
                line |= with_intervals(reused, others)
            found.append(line)
    return found


def report(lines: list[dict]) -> None:
    for task in dict.fromkeys(line["task"] for line in lines):
        for number in ("accuracy", "auc", "tpr"):
            of_task = [line for line in lines if line["task"] == task]
            methods = list(dict.fromkeys(line["method"] for line in of_task))
            kinds = list(dict.fromkeys(line["kind"] for line in of_task))
            print(f"\n{task}: {number}\n{'':<24}" + "".join(f"{m[:13]:>14}" for m in methods))
            for kind in kinds:
                by_method = {line["method"]: line for line in of_task if line["kind"] == kind}
                values = [by_method.get(method, {}).get(number) for method in methods]
                cells = ["-" if value is None else f"{value:.2f}" for value in values]
                print(f"{kind:<24}" + "".join(f"{cell:>14}" for cell in cells))
    print()
    for line in lines:
        if line["kind"].startswith("all"):
            interval = f"{line['auc']:.3f} [{line['auc_low']:.3f}, {line['auc_high']:.3f}]"
            tpr = f"{line['tpr']:.2f} [{line['tpr_low']:.2f}, {line['tpr_high']:.2f}]"
            counts = f"{line['reused']} reused, {line['others']} others"
            print(
                f"{line['task']:<10}{line['method']:<28}{line['kind']:<19}"
                f"{line['questions']:>6} questions, "
                f"{counts}: AUC {interval}, TPR at 5% {tpr}"
            )


def add_options(parser) -> None:
    parser.add_argument("--cifar", type=Path, help="networks of paper/suite at the small scale")
    parser.add_argument("--sources", type=int, default=3, help="digits: of each architecture")
    parser.add_argument("--scratch", type=int, default=8, help="digits: of each architecture")
    parser.add_argument(
        "--architectures", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES),
        help="of the sources",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, default=10, help="digits: of each training")
    parser.add_argument("--points", type=int, default=32, help="digits: reference points")
    parser.add_argument("--train", type=int, default=1000, help="digits: training images")
    parser.add_argument("--tasks", nargs="+", choices=["digits", "CIFAR-10"])


def main(args) -> None:
    torch.set_num_threads(1)
    digits = replace(
        SCALES["digits"],
        n_train=args.train,
        epochs=args.epochs,
        short=min(3, args.epochs),
        n_points=args.points,
        n_sources=args.sources,
        n_retrained=args.scratch,
    )
    out = args.cache / "model_reuse"
    sizes = f"{args.train}_{args.epochs}"
    tasks = {"digits": (digits, None, out / f"digits_{sizes}")}
    if args.data is not None:
        cifar = args.cifar or out / "cifar"
        tasks["CIFAR-10"] = (SCALES["small"], args.data, cifar)
    lines = []
    for name, (settings, data, folder) in tasks.items():
        if args.tasks is None or name in args.tasks:
            bench = Bench(settings, data, folder, args.results, f"1 of {os.cpu_count()} CPU cores")
            rows, asked = judged(bench, WiderZoo(bench), args.architectures)
            lines += table(name, rows, asked)
            write_table(args.results / "model_reuse.csv", lines, digits=4, missing="-")
    report(lines)
    print(f"\n{time.strftime('%Y-%m-%d')}, one core of {machine()}")
