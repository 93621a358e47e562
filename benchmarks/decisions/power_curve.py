# SPDX-License-Identifier: BSD-3-Clause
"""How much must a copy agree with its owner before it is found?

*Excess fidelity* is a copy's agreement with its owner beyond that of unrelated models of the same
accuracy. On digits, thieves ask 100 to 50,000 mixtures of two points, for labels or for
probabilities, of owners that learned from 450 points or from 120; the owners have rehearsed with 2
to 24 copies. The first table has the share found at 5 % by owner, answers, number of queries and
method. The second one has it by excess, over all copies of decisions/power and of this benchmark,
with the number of copies: where it does not exceed 5 % by more than chance, nothing is found.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.stats import binomtest

from benchmarks._common import read_table, show, write_table
from benchmarks.decisions._rehearsed import Rehearsal
from benchmarks.decisions._sklearn_tasks import digits
from benchmarks.decisions._sklearn_zoos import zoo_of
from benchmarks.decisions.power import ALPHA, METHODS, STRANGERS, agreement, columns, p_values

TAKES = "15 min"
NEEDS = "no data; the results of decisions/power"
AFTER = ("decisions/power",)
QUICK = {"queries": [200], "own": [450], "owners": 1, "each": 1, "unrelated": 20, "candidates": 400}
COPIES = (2, 4, 8, 16)  # rehearsed; "rehearsal, labels" has 24
BINS = (-1, -0.02, 0, 0.01, 0.02, 0.03, 0.05, 0.1, 1)


def copies_of(zoo, owner, n_own: int, n_candidates: int) -> list[dict]:
    """One row for each copy, with its p-value by method."""
    models, by_method, _ = columns(zoo, owner, n_candidates)
    answers = [owner.answers, *(model.answers for model in models)]
    for n in COPIES:
        rehearsal = Rehearsal(zoo, owner, n_candidates=n_candidates, n_copies=n)
        d = rehearsal.distances(answers, "labels")[1:, None]
        by_method[f"rehearsal, labels, {2 * n} copies in all"] = d
    roles = np.array([model.role for model in models])
    same, at = np.flatnonzero(roles == "unrelated"), np.flatnonzero(roles == "copy")
    strangers = np.flatnonzero(np.isin(roles, list(STRANGERS)))
    accuracy, _, excess = agreement(zoo, owner, models, strangers)
    p = {name: p_values(D, same, at) for name, D in by_method.items()}
    right = np.mean(owner.answers.labels(zoo.points) == zoo.y)
    rows = []
    for i, s in enumerate(at):
        kind = models[s].kind
        number = re.search(r"\d+", kind)
        rows.append(
            {
                "owner's points": n_own, "owner's accuracy": right, "kind": kind,
                "answers": kind.partition(",")[0], "queries": int(number[0]) if number else 0,
                "accuracy": accuracy[s], "excess": excess[s],
                "p": {name: v[i] for name, v in p.items()},
            }
        )  # fmt: skip
    return rows


def by_queries(rows: list[dict]) -> list[dict]:
    """Mean excess and share found, by owner, answers and number of queries."""
    keys = ("owner's points", "answers", "queries")
    table = []
    asked = [row for row in rows if row["queries"]]
    for group in dict.fromkeys(tuple(row[key] for key in keys) for row in asked):
        some = [row for row in asked if tuple(row[key] for key in keys) == group]
        line = dict(zip(keys, group)) | {"n": len(some)}
        line |= {
            name: np.mean([row[name] for row in some])
            for name in ("owner's accuracy", "accuracy", "excess")
        }
        names = [name for name in some[0]["p"] if name in METHODS or "in all" in name]
        line |= {name: np.mean([row["p"][name] <= ALPHA for row in some]) for name in names}
        table.append(line)
    return table


def by_excess(rows: list[dict], earlier: list[dict]) -> list[dict]:
    """Share found by excess, for the copies of each task."""
    found = {"digits": [(row["excess"], row["p"]) for row in rows]}
    for row in earlier:
        p = {name: float(row[f"p, {name}"]) for name in METHODS if row.get(f"p, {name}")}
        task = row["task"]
        found.setdefault(task, []).append((float(row["excess"]), p))
    found["all"] = [one for of_task in found.values() for one in of_task]
    table = []
    for task, copies in found.items():
        for low, high in pairwise(BINS):
            some = [p for excess, p in copies if low <= excess < high]
            for name in METHODS if some else ():
                n = sum(name in p for p in some)
                if n:
                    k = sum(p[name] <= ALPHA for p in some if name in p)
                    interval = binomtest(k, n).proportion_ci()
                    table.append(
                        {
                            "task": task, "excess from": low, "to": high, "method": name, "n": n,
                            "found": k / n, "low": interval.low, "high": interval.high,
                        }
                    )  # fmt: skip
    return table


def add_options(parser) -> None:
    parser.add_argument(
        "--queries", nargs="+", type=int, default=[100, 200, 400, 800, 1600, 3200, 6400, 50_000]
    )
    parser.add_argument("--own", nargs="+", type=int, default=[450, 120], help="owner's points")
    parser.add_argument("--owners", type=int, default=2)
    parser.add_argument("--unrelated", type=int, default=99)
    parser.add_argument("--each", type=int, default=3, help="copies of each kind and owner")
    parser.add_argument("--candidates", type=int, default=4000, help="questions to choose from")


def main(args) -> None:
    rows = []
    for n_own in args.own:
        task = digits()
        thefts = [f"{answer}, {n} mixed queries" for n in args.queries
                  for answer in (("labels", "soft") if n <= 1600 else ("labels",))]  # fmt: skip
        name = "digits" if n_own == task.n_own else f"digits of {n_own} points"
        zoo = zoo_of(
            replace(task, n_own=n_own, name=name), "network", args.cache, thefts=thefts,
            n_owners=args.owners, n_unrelated=args.unrelated, n_each=args.each,
        )  # fmt: skip
        for owner in zoo.owners:
            rows += copies_of(zoo, owner, n_own, args.candidates)
            show([zoo.task, owner.name, len(rows), "copies so far"])
    queries = by_queries(rows)
    write_table(args.results / "power_by_queries.csv", queries, digits=3)
    for line in queries:
        show(line, digits=2)
    earlier = read_table(args.results / "power_copies.csv")
    table = by_excess(rows, earlier)
    write_table(args.results / "power_curve.csv", table, digits=3)
    for line in table:
        if line["task"] == "all":
            show(line, digits=2)
