# SPDX-License-Identifier: BSD-3-Clause
"""Which copies does each distance find, and which do ensembles and rehearsal find?

For digits, a made table, AG News and CIFAR-10, owners are compared with unrelated models, with
copies of others, and with copies of their own by every kind of thief (``_zoos.py``). Every method
asks each suspect at most as many questions as Zest does; an ensemble shares that number between
masked copies, plain points and rehearsal, which asks 64. Its distances are few, and were chosen on
digits; an ensemble of all has every distance that its questions allow. Owners rehearse with their
own learner, by labels and probabilities; *of all kinds* is in every way of the thieves, and
*without foreign* is without copies of other models.

A suspect is judged by itself, by its rank among unrelated models of the owner's recipe. The table
has one row for each task, method and kind of copy:

- ``found``: share with a p-value of at most 5 %, with its 95 % interval (Clopper-Pearson; copies of
  one owner are not independent, so it is somewhat too short), and ``found_1`` at 1 %, which takes
  99 unrelated models;
- ``auc``, against unrelated models of the owner's recipe, and ``auc_foreign``, against copies of
  other models; ties count against the method;
- ``rehearsed``: whether the owner has rehearsed this kind.

The kinds "same recipe", "other recipe" and "copy of another model" are unrelated to the owner, and
their ``found`` is a false-positive rate; models of the same recipe are left out in turn. For
``calibrated`` "all", models of all three kinds calibrate together, each left out in turn.

``power_copies.csv`` has one row for each copy, with its *excess fidelity*: its agreement with the
owner beyond that of unrelated models of the same accuracy (a straight line fitted to them).

CIFAR-10 takes the networks that decisions/train_networks has made so far. Answers are kept, so the
table is made anew in minutes; ``--tasks`` renews the rows of some tasks.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from benchmarks._common import read_table, show, write_table
from benchmarks.decisions._owner_distances import CHOSEN, EVERY, distances, questions_for
from benchmarks.decisions._rehearsed import Rehearsal
from benchmarks.decisions._sklearn_tasks import digits, news, table
from benchmarks.decisions._sklearn_zoos import zoo_of
from benchmarks.decisions._zoos import WIDE, Model, Zoo, cifar
from skzest import ReuseDetector

TAKES = "30 min; CIFAR-10 after decisions/train_networks"
NEEDS = "torch for CIFAR-10; --data with AG News and CIFAR-10 (else digits and the table)"
QUICK = {
    "tasks": ["digits"],
    "unrelated": 20,
    "each": 1,
    "owners": 1,
    "candidates": 400,
    "learners": 1,
}
ALPHA = 0.05
STRANGERS = {"unrelated": "same recipe", "recipe": "other recipe",
             "stranger's copy": "copy of another model"}  # fmt: skip
# Methods in the table of copies.
METHODS = (
    "zest", "predictions", "mistakes", "rehearsal, labels", "ensemble, labels",
    "ensemble with rehearsal, labels", "ensemble with rehearsal, scores",
)  # fmt: skip
TASKS = ("digits", "table", "AG News", "CIFAR-10")


# --- distances to one owner ----------------------------------------------------------------------


def columns(
    zoo: Zoo, owner: Model, n_candidates: int, *, seed: int = 0
) -> tuple[list[Model], dict[str, np.ndarray], dict[str, int]]:
    """Models around an owner, their distances by method, (n_models, n_distances), and questions.

    The seed is that of the questions.
    """
    around = zoo.around(owner)
    answers = [model.answers for model in around]
    asked = questions_for(zoo, owner, shared=False, seed=seed)
    alone = distances(asked, answers)
    part = questions_for(zoo, owner, shared=True, seed=seed)
    together = distances(part, answers)
    learned = rehearsals(zoo, owner, answers, n_candidates, seed)
    found = {name: d[:, None] for name, d in (alone | learned).items()}
    questions = asked.n_asked | dict.fromkeys(learned, 64)
    by_labels = [name for name in learned if name.endswith("labels")]
    for response, names in CHOSEN.items():
        for ensemble, chosen in (("ensemble", names), ("ensemble of all", EVERY[response])):
            D = np.stack([together[name] for name in chosen], axis=1)
            n = sum({n: n for n in (part.n_asked[name] for name in chosen)}.values())
            found[f"{ensemble}, {response}"] = D
            questions[f"{ensemble}, {response}"] = n
            for name in by_labels if ensemble == "ensemble" else by_labels[:1]:
                both = f"{ensemble} with {name.partition(',')[0]}, {response}"
                found[both] = np.column_stack([D, learned[name]])
                questions[both] = n + 64
    zoo.save()
    return around[1:], {name: D[1:] for name, D in found.items()}, questions


def rehearsals(zoo, owner, answers, n_candidates, seed) -> dict[str, np.ndarray]:
    """Distances by rehearsed questions, (n_models,), for each way of rehearsing."""
    ways = {"rehearsal": {}, "rehearsal without foreign": {"foreign": False}}
    if any(model.kind == WIDE for model in zoo.models):
        ways["rehearsal of all kinds"] = {"wide": True}
    found = {}
    for way, params in ways.items():
        rehearsal = Rehearsal(zoo, owner, n_candidates=n_candidates, seed=seed, **params)
        for response in ("labels", "scores") if way == "rehearsal" else ("labels",):
            found[f"{way}, {response}"] = rehearsal.distances(answers, response)
    return found


def p_values(D: np.ndarray, known: np.ndarray, suspects: np.ndarray) -> np.ndarray:
    """Of suspects at rows `suspects`, by unrelated models at rows `known`, without itself."""
    D = D[:, 0] if D.shape[1] == 1 else D
    p = np.full(len(suspects), np.nan)
    outside = ~np.isin(suspects, known)

    def judge(known, suspects):
        detector = ReuseDetector(alpha=ALPHA, correction=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return detector.fit(D[known]).p_values(D[suspects])

    if outside.any():
        p[outside] = judge(known, suspects[outside])
    if D.ndim == 1:  # the rank among the others
        n_as_near = (D[known] <= D[suspects[~outside], None]).sum(axis=1)  # itself, too
        p[~outside] = n_as_near / len(known)
        return p
    for i in np.flatnonzero(~outside):
        p[i] = judge(known[known != suspects[i]], suspects[[i]])[0]
    return p


def judged(zoo: Zoo, owner: Model, n_candidates: int) -> list[dict]:
    """One row for each suspect, copy or not, with its p-values by method."""
    models, by_method, questions = columns(zoo, owner, n_candidates)
    roles = np.array([model.role for model in models])
    suspects = np.flatnonzero(np.isin(roles, ["copy", *STRANGERS]))
    same = np.flatnonzero(roles == "unrelated")
    every = np.flatnonzero(np.isin(roles, list(STRANGERS)))
    foreign = np.flatnonzero(roles == "stranger's copy")
    accuracy, fidelity, excess = agreement(zoo, owner, models, every)
    p = {name: p_values(D, same, suspects) for name, D in by_method.items()}
    p_every = {name: p_values(D, every, suspects) for name, D in by_method.items()}
    beyond = {name: nearer(D, foreign, suspects, same) for name, D in by_method.items()}
    return [
        {
            "task": zoo.task.partition(",")[0], "zoo": zoo.task, "owner": owner.name,
            "model": models[s].name, "role": roles[s],
            "kind": STRANGERS.get(roles[s], models[s].kind),
            "rehearsed": models[s].kind in zoo.rehearsed, "accuracy": accuracy[s],
            "fidelity": fidelity[s], "excess": excess[s], "n_unrelated": len(same),
            "questions": questions, "p": {name: v[i] for name, v in p.items()},
            "p_all": {name: v[i] for name, v in p_every.items()},
            "beyond": {name: v[i] for name, v in beyond.items()},
        }
        for i, s in enumerate(suspects)
    ]  # fmt: skip


def judged_once(zoo: Zoo, owner: Model, n_candidates: int, cache: Path) -> list[dict]:
    """The rows of :func:`judged`, kept for as long as the zoo stays the same."""
    said = f"{n_candidates} {CHOSEN} {EVERY} {[model.name for model in zoo.around(owner)]}"
    name = f"{zoo.task}_{owner.name}".replace(" ", "_").replace(",", "")
    path = cache / "power" / f"{name}_{blake2b(said.encode(), digest_size=4).hexdigest()}.json"
    if not path.exists():
        rows = json.dumps(judged(zoo, owner, n_candidates), default=lambda number: number.item())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rows)
    return json.loads(path.read_text())


def nearer(D, foreign, suspects, same) -> np.ndarray:
    """Share of the foreign copies that are farther than each suspect.

    Of an ensemble, the distance of a model is its p-value among unrelated models of the recipe.
    """
    if not len(foreign):
        return np.full(len(suspects), np.nan)
    score = D[:, 0] if D.shape[1] == 1 else p_values(D, same, np.arange(len(D)))
    return (score[foreign] > score[suspects][:, None]).mean(axis=1)


def agreement(zoo: Zoo, owner: Model, models: list[Model], strangers: np.ndarray) -> tuple:
    """Accuracy, fidelity and excess fidelity of models on the plain points."""
    said = np.stack([model.answers.labels(zoo.points) for model in models])
    accuracy = (said == np.searchsorted(np.unique(zoo.y), zoo.y)).mean(axis=1)
    fidelity = (said == owner.answers.labels(zoo.points)).mean(axis=1)
    line = np.polyfit(accuracy[strangers], fidelity[strangers], 1)
    return accuracy, fidelity, fidelity - np.polyval(line, accuracy)


# --- the tables ----------------------------------------------------------------------------------


def summary(rows: list[dict]) -> Iterator[dict]:
    """One line for each task, method and kind, and for several kinds together."""
    for task in dict.fromkeys(row["task"] for row in rows):
        of_task = [row for row in rows if row["task"] == task]
        copies = [row for row in of_task if row["role"] == "copy"]
        groups = {
            "all": copies,
            "all rehearsed": [row for row in copies if row["rehearsed"]],
            "all not rehearsed": [row for row in copies if not row["rehearsed"]],
            "excess of 3 points or more": [row for row in copies if row["excess"] >= 0.03],
        }
        for row in of_task:
            groups.setdefault(row["kind"], []).append(row)
        for method in of_task[0]["p"]:
            for kind, members in groups.items():
                some = [row for row in members if method in row["p"]]
                for calibrated, name in (("same recipe", "p"), ("all", "p_all")):
                    if some and (name == "p" or kind in ("all", *STRANGERS.values())):
                        yield _line(task, method, kind, calibrated, some, name)


def _line(task, method, kind, calibrated, rows, name) -> dict:
    p = np.array([row[name][method] for row in rows])
    known, m = ~np.isnan(p), rows[0]["n_unrelated"]
    line = {"task": task, "method": method, "kind": kind, "calibrated": calibrated}
    line |= {"rehearsed": _common([row["rehearsed"] for row in rows]), "n": int(known.sum())}
    line |= {"questions": rows[0]["questions"].get(method)}
    if known.any():
        n_found, n = int((p[known] <= ALPHA).sum()), int(known.sum())
        interval = binomtest(n_found, n).proportion_ci()
        line |= {"found": n_found / n, "low": interval.low, "high": interval.high}
        line["found_1"] = (p[known] <= 0.01).mean() if m >= 99 else np.nan
        if name == "p":
            line["auc"] = 1 - ((p[known] * (m + 1) - 1) / m).mean()
            line["auc_foreign"] = np.mean([row["beyond"][method] for row in rows])
    return line


def _common(values: list[bool]) -> object:
    return values[0] if len(set(values)) == 1 else ""


def by_copy(rows: list[dict]) -> list[dict]:
    """One line for each copy of an owner."""
    names = ("task", "zoo", "owner", "kind", "rehearsed", "accuracy", "fidelity", "excess")
    return [
        {name: row[name] for name in names} | {f"p, {m}": row["p"][m] for m in METHODS}
        for row in rows
        if row["role"] == "copy"
    ]


def renew(path: Path, lines: list[dict]) -> None:
    """Write the lines of these tasks, and keep those of others."""
    tasks = {line["task"] for line in lines}
    earlier = read_table(path) if path.exists() else []
    kept = [line for line in earlier if line["task"] not in tasks]
    write_table(path, [*kept, *lines], digits=3)


def report(lines: list[dict]) -> None:
    for task in dict.fromkeys(line["task"] for line in lines):
        of_task = [x for x in lines if x["task"] == task and x["calibrated"] == "same recipe"]
        methods = list(dict.fromkeys(line["method"] for line in of_task))
        kinds = list(dict.fromkeys(line["kind"] for line in of_task))
        for number in ("found", "auc"):
            print(f"\n{task}: {number}\n{'':<34}" + "".join(f"{k[:14]:>16}" for k in kinds))
            for method in methods:
                cells = [
                    next((x.get(number, np.nan) for x in of_task
                          if (x["method"], x["kind"]) == (method, kind)), np.nan)
                    for kind in kinds
                ]  # fmt: skip
                print(f"{method:<34}" + "".join(f"{cell:>16.2f}" for cell in cells))


def zoos(args) -> Iterator[Zoo]:
    """The zoos of the tasks asked for, as far as their data is there."""
    for task in args.tasks:
        if task == "CIFAR-10":
            if args.data is not None:
                yield cifar(args.data, args.cache)
        elif task != "AG News" or args.data is not None:
            made = {"digits": digits, "table": table, "AG News": lambda: news(args.data)}[task]()
            for learner in made.owners[: args.learners]:
                yield zoo_of(
                    made, learner, args.cache,
                    n_owners=args.owners, n_each=args.each,
                    n_unrelated=args.unrelated,
                )  # fmt: skip


def add_options(parser) -> None:
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--learners", type=int, help="owners' learners of each task; default: all")
    parser.add_argument("--owners", type=int, default=2, help="of each learner")
    parser.add_argument("--unrelated", type=int, default=99, help="by each learner")
    parser.add_argument("--each", type=int, default=4, help="copies of each kind and owner")
    parser.add_argument("--candidates", type=int, default=4000, help="questions to choose from")


def main(args) -> None:
    rows = []
    for zoo in zoos(args):
        for owner in zoo.owners:
            roles = {m.role for m in zoo.around(owner)}
            if not {"unrelated", "chooser", "rehearsed", "foreign", "copy"} <= roles:
                continue
            start = time.perf_counter()
            rows += judged_once(zoo, owner, args.candidates, args.cache)
            show([zoo.task, owner.name, f"{time.perf_counter() - start:.0f} s"])
    lines = list(summary(rows))
    renew(args.results / "power.csv", lines)
    renew(args.results / "power_copies.csv", by_copy(rows))
    report(lines)
