# SPDX-License-Identifier: BSD-3-Clause
"""The paper's figure 4: related and unrelated models of text and audio, epoch by epoch.

Every recipe is trained from several seeds with a checkpoint after each epoch. At epoch ``e`` a
model is compared with

- a *related* one: its own checkpoint ``gap`` epochs later;
- *unrelated* ones: the checkpoints of the other seeds at that same later epoch, so both sides have
  the same architecture, data and amount of training.

It writes ``fig4.csv`` and ``fig4.png`` and prints the table: mean and standard deviation of related
distances over seeds and of unrelated ones over ordered pairs of seeds; "closer" is
``1 - related / unrelated``. A dotted line marks where the learning rate drops. The paper's networks
and data are larger: all of AG News, and Speech Commands; here 6,000 articles, 1,200 spoken digits,
and four fifths of the speakers in the test split of Speech Commands (about 3,900 clips).

Networks and answers are kept in the cache, so an interrupted run resumes; ``--only`` renews the
rows of some panels and keeps the others. Without ``--data`` stand-ins made of digits are used, to
check that everything runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._common import machine, read_table, write_table
from benchmarks.paper.recipes import RECIPES, accuracy, ask, restore, train
from benchmarks.paper.tasks import Task, ag_news, speech_commands, spoken_digits
from skzest import AudioMasker, LimeSignatureTransformer, TextMasker, zest_distances

TAKES = "5 h"
NEEDS = "torch, matplotlib; --data with AG News and spoken digits (else stand-ins)"
QUICK = {"seeds": 2, "points": 2, "only": ["text linear"]}


@dataclass(frozen=True)
class Experiment:
    """One panel: a recipe, its data, and how many epochs lie between relatives."""

    name: str
    recipe: str
    load: Callable
    masker: Callable[[Task], object]
    gap: int
    n_masks: int
    paper: float | None = None

    def transformer(
        self, task: Task, n_reference: int, n_samples: int | None = None
    ) -> LimeSignatureTransformer:
        """Asks about points of the task, with as many masks as the figure's if none is given."""
        return LimeSignatureTransformer(
            task.train_inputs,
            n_reference=n_reference,
            n_samples=self.n_masks if n_samples is None else n_samples,
            masker=self.masker(task),
            n_classes=len(task.classes),
        )


EXPERIMENTS = (
    Experiment(
        "text LSTM",
        "text LSTM",
        ag_news,
        lambda task: TextMasker(),
        gap=2,
        n_masks=128,
        paper=0.9268,
    ),
    Experiment(
        "text linear", "text linear", ag_news, lambda task: TextMasker(), gap=2, n_masks=128
    ),
    Experiment(
        "audio M5",
        "audio M5",
        spoken_digits,
        lambda task: AudioMasker(task.extra["sample_rate"], n_segments=16),
        gap=4,
        n_masks=64,
        paper=0.8117,
    ),
    Experiment(
        "audio M5, Speech Commands",
        "audio M5",
        speech_commands,
        lambda task: AudioMasker(task.extra["sample_rate"], n_segments=16),
        gap=4,
        n_masks=64,
        paper=0.8117,
    ),
)


def signatures(experiment: Experiment, task: Task, args, log: Callable) -> tuple:
    """Signatures (n_seeds, n_epochs, n_columns) and test accuracies (n_seeds, n_epochs)."""
    recipe = RECIPES[experiment.recipe]
    name = experiment.name.replace(" ", "_").replace(",", "")
    lime = experiment.transformer(task, args.points).fit([ask(restore(recipe, task), task)])
    log(f"{experiment.name}: {lime.plan_}")
    rows, right = [], []
    for seed in range(args.seed, args.seed + args.seeds):
        folder = args.cache / "fig4" / "checkpoints" / name / f"seed{seed}"
        states = train(recipe, task, seed, folder=folder, log=log)
        path = args.cache / "fig4" / "signatures" / f"{name}-{lime.plan_.digest[:8]}-seed{seed}.npz"
        if not path.exists():
            models = [restore(recipe, task, state) for state in states]
            start = time.perf_counter()
            S = lime.transform([ask(model, task) for model in models])
            log(f"{experiment.name} seed {seed}: asked in {time.perf_counter() - start:.0f} s")
            _save(path, S=S, accuracy=[accuracy(model, task) for model in models])
        with np.load(path) as file:
            rows.append(file["S"])
            right.append(file["accuracy"])
    return np.array(rows), np.array(right)


def _save(path: Path, **arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
    unfinished.replace(path)


def table(experiment: Experiment, S: np.ndarray, right: np.ndarray) -> list[dict]:
    """One row for each epoch."""
    n_seeds, n_epochs = S.shape[:2]
    D = zest_distances(S.reshape(n_seeds * n_epochs, -1))
    D = D.reshape(n_seeds, n_epochs, n_seeds, n_epochs)
    other = ~np.eye(n_seeds, dtype=bool)
    rows = []
    for e in range(n_epochs - experiment.gap):
        later = D[:, e, :, e + experiment.gap]
        related, unrelated = np.diagonal(later), later[other]
        rows.append(
            {
                "experiment": experiment.name,
                "epoch": e + 1,
                "accuracy": right[:, e].mean(),
                "related_mean": related.mean(),
                "related_sd": related.std(ddof=1),
                "unrelated_mean": unrelated.mean(),
                "unrelated_sd": unrelated.std(ddof=1),
                "closer": 1 - related.mean() / unrelated.mean(),
            }
        )
    return rows


def earlier(experiment: Experiment, path: Path) -> list[dict]:
    """The rows of an experiment in a table that was written before."""
    rows = read_table(path) if path.exists() else []
    return [
        {name: value if name == "experiment" else float(value) for name, value in row.items()}
        for row in rows
        if row["experiment"] == experiment.name
    ]


def report(experiment: Experiment, rows: list[dict], n_seeds: int) -> None:
    """The table of one experiment, and its last line in words."""
    print(
        f"\n{experiment.name}: {n_seeds} seeds, {n_seeds * (n_seeds - 1)} unrelated pairs, "
        f"relatives {experiment.gap} epochs apart"
    )
    print(f"{'epoch':>6}{'accuracy':>10}{'related':>18}{'unrelated':>18}{'closer':>10}")
    for row in rows:
        pairs = (
            f"{row[f'{kind}_mean']:.4f} ± {row[f'{kind}_sd']:.4f}"
            for kind in ("related", "unrelated")
        )
        numbers = "".join(f"{pair:>18}" for pair in pairs)
        print(f"{row['epoch']:>6}{row['accuracy']:>10.3f}{numbers}{row['closer']:>10.2%}")
    paper = "" if experiment.paper is None else f" (paper: {experiment.paper:.2%})"
    print(f"At the last epoch related models are {rows[-1]['closer']:.2%} closer{paper}.")


def draw(tables: list[tuple[Experiment, list[dict]]], path: Path) -> None:
    """One panel for each experiment."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        1, len(tables), figsize=(4 * len(tables), 3.4), squeeze=False, layout="constrained"
    )
    for ax, (experiment, rows) in zip(axes[0], tables):
        epochs = [row["epoch"] for row in rows]
        for kind, colour in (("unrelated", "tab:orange"), ("related", "tab:blue")):
            mean = np.array([row[f"{kind}_mean"] for row in rows])
            sd = np.array([row[f"{kind}_sd"] for row in rows])
            ax.plot(epochs, mean, color=colour, label=kind, marker="o", markersize=3)
            ax.fill_between(epochs, mean - sd, mean + sd, color=colour, alpha=0.25, linewidth=0)
        ax.set(
            title=f"{experiment.name}: {rows[-1]['closer']:.0%} closer",
            xlabel="epoch",
            ylabel="cosine distance",
            ylim=(0, None),
        )
        ax.xaxis.get_major_locator().set_params(integer=True)
        for drop in RECIPES[experiment.recipe].schedule.drops:  # of the learning rate
            ax.axvline(drop - 0.5, color="grey", linewidth=0.8, linestyle=":")
    axes[0, 0].legend(frameon=False)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def add_options(parser) -> None:
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=128)
    names = [experiment.name for experiment in EXPERIMENTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)


def main(args) -> None:
    begin = time.perf_counter()

    def log(line: str) -> None:
        print(f"[{time.perf_counter() - begin:6.0f} s] {line}", flush=True)

    tables = []
    for experiment in EXPERIMENTS:
        if experiment.name in args.only:
            task = experiment.load(args.data)
            S, right = signatures(experiment, task, args, log)
            rows = table(experiment, S, right)
        else:
            rows = earlier(experiment, args.results / "fig4.csv")
        if rows:
            tables.append((experiment, rows))
    write_table(args.results / "fig4.csv", [row for _, rows in tables for row in rows])
    draw(tables, args.results / "fig4.png")
    for experiment, rows in tables:
        if experiment.name in args.only:
            report(experiment, rows, args.seeds)
    today = time.strftime("%Y-%m-%d")
    print(f"\n{today}, {machine()}; wrote {args.results / 'fig4.csv'}")
