# SPDX-License-Identifier: BSD-3-Clause
"""What decides the power of rehearsed questions?

Four owners of digits (two networks, a deeper network, a forest), strangers of five kinds, half of
them trained on nine tenths of the owner's own data, and copies by thieves who differ in what they
train (five learners), what they ask about (four kinds of inputs, 600 queries) and what they are
answered (labels or probabilities); see ``_thieves.py``. Each row changes one thing of the default:
the number of copies, of strangers and of foreign copies, the pool, the number of questions, and how
questions are chosen and weighted.

Columns: ``tpr`` is the share of copies found at a false-positive rate of 5 % (by rank among
strangers that had no part in choosing), ``auc`` the chance that a copy is nearer than a stranger.
``foreign tpr`` and ``foreign auc`` compare with copies of other owners in place of strangers, and
``both`` is the share found at 5 % against strangers as well as against copies of others.

- ``rehearsed``: copies from labels; every learner and kind of inputs was rehearsed;
- ``other learner``, ``other inputs``: the thief's was left out of the rehearsal;
- ``soft``: copies from probabilities, of rehearsed kinds;
- ``weights``: pruned, rounded, perturbed and further trained networks; none was rehearsed.

Means over owners and ``--repeats`` random choices of who is rehearsed with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks._common import show, write_table
from benchmarks.decisions._thieves import INPUTS, LEARNERS, OWNERS, Size, thieves
from skzest.rehearsal import discriminate

TAKES = "10 min"
NEEDS = "no data"
QUICK = {"repeats": 1, "only": "default"}
SMALL = Size(strangers=60, learners=1, queries=60, each=40)


@dataclass(frozen=True)
class Setup:
    """What is varied."""

    copies: int = 24
    strangers: int = 30
    foreign: int = 15
    kinds: tuple | None = None
    pool: int | None = None
    questions: int = 64
    score: str = "discriminant"
    source: str = "rehearsed"
    answers: str = "label"
    rehearse_weights: bool = False


# --- choosing and scoring -----------------------------------------------------------------


def separation(A, is_copy):
    """Difference of mean agreements in pooled standard deviations."""
    copies, others = A[is_copy], A[~is_copy]
    variance = (copies.var(axis=0) + others.var(axis=0)) / 2
    return (copies.mean(axis=0) - others.mean(axis=0)) / np.sqrt(variance + 0.01)


def log_odds(A, is_copy):
    """Logarithm of how much more often copies agree."""
    p, q = ((A[rows].sum(axis=0) + 0.5) / (rows.sum() + 1) for rows in (is_copy, ~is_copy))
    return np.log(p / q)


def best_by(measure, *, equal=False):
    """The questions with the largest weights, which count by these or alike."""

    def choose(A, is_copy, n):
        weights = measure(A, is_copy)
        chosen = np.argsort(-weights, kind="stable")[:n]
        return chosen, np.ones(n) if equal else weights[chosen]

    return choose


def logistic(A, is_copy, n):
    """Regularised logistic regression on the questions that separate best."""
    chosen, _ = best_by(separation)(A, is_copy, n)
    model = LogisticRegression(C=0.1, class_weight="balanced").fit(A[:, chosen], is_copy)
    return chosen, model.coef_[0]


def discriminant(A, is_copy, n):
    """The library's: the shrunken discriminant, halved until n questions are left."""
    found = discriminate(A, is_copy, n)
    return found.indices, found.weights


def discriminant_of_best(A, is_copy, n):
    """The shrunken discriminant of the questions that separate best, each by itself."""
    chosen, _ = best_by(separation)(A, is_copy, n)
    found = discriminate(A[:, chosen], is_copy, n)
    return chosen[found.indices], found.weights


SCORES = {
    "discriminant": discriminant,
    "discriminant of best": discriminant_of_best,
    "separation": best_by(separation),
    "equal": best_by(separation, equal=True),
    "log odds": best_by(log_odds),
    "logistic": logistic,
}


# --- one owner ----------------------------------------------------------------------------


def agreement(t, owner, setup, rng):
    """Agreement of all members with an owner at its pool."""
    pool = t.pool(owner, setup.kinds)
    if setup.pool is not None and setup.pool < len(pool):
        pool = rng.choice(pool, setup.pool, replace=False)
    me = t.of(role="owner", owner=owner)[0]
    if setup.answers == "label":
        return (t.labels[:, pool] == t.labels[me, pool]).astype(float)
    shares = t.shares[:, pool].astype(np.float32)
    return np.minimum(shares, shares[me]).sum(axis=2)


def drawn(rng, members, n):
    return rng.permutation(members)[:n]


def distances(t, owner, setup, rng, suspects, without=lambda member: False):
    """Distances of suspects, of strangers and of copies of others that had no part in choosing."""
    A = agreement(t, owner, setup, rng)
    can_answer = ~np.isnan(A).any(axis=1)
    others = rng.permutation([i for i in range(len(OWNERS)) if i != owner])
    ways = ("label", "soft", *(("weights",) if setup.rehearse_weights else ()))

    def rehearsed(of):
        mine = [i for i in t.of(role=setup.source, owner=of) if t.members[i].answer in ways]
        return np.array([i for i in mine if not without(t.members[i]) and can_answer[i]])

    copies = drawn(rng, rehearsed(owner), setup.copies)
    foreign = drawn(rng, np.concatenate([rehearsed(of) for of in others[:2]]), setup.foreign)
    strangers = rng.permutation([i for i in t.of(role="stranger") if can_answer[i]])
    unrelated, unseen = strangers[: setup.strangers], strangers[setup.strangers :]
    me = t.of(role="owner", owner=owner)  # the best copy of all
    rows = np.concatenate([me, copies, foreign, unrelated]).astype(int)
    is_copy = np.arange(len(rows)) <= len(copies)
    chosen, weights = SCORES[setup.score](A[rows], is_copy, setup.questions)
    d = -A[:, chosen] @ weights
    of_others = [
        i
        for of in others[2:]
        for i in t.of(role="thief", owner=of)
        if t.members[i].answer in ("label", "soft")
    ]
    return tuple(d[[i for i in which if can_answer[i]]] for which in (suspects, unseen, of_others))


def found(d, null):
    """Which suspects are nearer than all but 5 % of the null, and the area under the curve."""
    ranks = (null[:, None] <= d).sum(axis=0)
    auc = np.mean((null[:, None] > d) + 0.5 * (null[:, None] == d))
    return (ranks + 1) / (len(null) + 1) <= 0.05, auc


def measures(d, unseen, of_others):
    """In the order of ``MEASURES``."""
    (near, auc), (near_foreign, auc_foreign) = found(d, unseen), found(d, of_others)
    both = np.mean(near & near_foreign)
    return [near.mean(), auc, near_foreign.mean(), auc_foreign, both]


def columns(t, owner, setup, rng):
    """Measures of one owner and one draw, by column."""
    label = t.of(role="thief", owner=owner, answer="label")
    cases = [
        ("rehearsed", label, None),
        ("soft", t.of(role="thief", owner=owner, answer="soft"), None),
        ("weights", t.of(role="thief", owner=owner, answer="weights"), None),
    ]
    for name, ways in (("learner", LEARNERS), ("inputs", INPUTS)):
        for way in ways:
            which = [i for i in label if getattr(t.members[i], name) == way]
            cases.append((f"other {name}", which, (name, way)))
    rows = {}
    for name, suspects, left_out in cases:
        if not len(suspects):
            continue

        def without(member, left_out=left_out):
            return left_out is not None and getattr(member, left_out[0]) == left_out[1]

        d, unseen, of_others = distances(t, owner, setup, rng, suspects, without)
        if len(d):
            keys = [name] if left_out is None else [name, f"{left_out[0]}: {left_out[1]}"]
            for key in keys:
                rows.setdefault(key, []).append(measures(d, unseen, of_others))
    return {key: np.mean(values, axis=0) for key, values in rows.items()}


MEASURES = ("tpr", "auc", "foreign tpr", "foreign auc", "both")
COLUMNS = ("rehearsed", "other learner", "other inputs", "soft", "weights")


def measured(t, setup, repeats, seed):
    """Mean measures over owners and draws: column -> (5,)."""
    every = {}
    for owner in range(len(OWNERS)):
        for repeat in range(repeats):
            rng = np.random.default_rng([seed, owner, repeat])
            for key, values in columns(t, owner, setup, rng).items():
                every.setdefault(key, []).append(values)
    return {key: np.mean(values, axis=0) for key, values in every.items()}


def variants():
    """What is changed, its value, and the setup."""
    base = Setup()
    yield "default", "", base
    changes = {
        "copies": (4, 8, 12, 40),
        "strangers": (4, 8, 15, 60),
        "foreign": (0, 5, 30),
        "pool": (250, 500, 1000, 2000),
        "questions": (16, 32, 128, 256, 1024),
        "score": tuple(SCORES)[1:],
        "source": ("rehearsed on own data",),
        "answers": ("scores",),
        "rehearse_weights": (True,),
    }
    for name, values in changes.items():
        for value in values:
            yield name, value, replace(base, **{name: value})
    for kind in ("plain", "masked", "mixed", "noise", "boundary"):
        yield "kinds", kind, replace(base, kinds=(kind,), pool=600)
    yield "foreign and questions", "5, 256", replace(base, foreign=5, questions=256)
    more = {"copies": 40, "strangers": 60, "foreign": 5, "questions": 256}
    yield "all", "40 copies, 60 strangers, 5 foreign, 256 questions", replace(base, **more)
    yield "kinds", "without noise", replace(base, kinds=("plain", "masked", "mixed", "boundary"))


def add_options(parser):
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help="rows of one change")


def main(args):
    t = thieves(args.cache, SMALL if args.quick else Size())
    rows, ways = [], []
    for name, value, setup in variants():
        if args.only and name not in ("default", args.only):
            continue
        means = measured(t, setup, args.repeats, args.seed)
        row = {"change": name, "value": value}
        for column in COLUMNS:
            row |= {f"{column} {m}": v for m, v in zip(MEASURES, means[column])}
        rows.append(row)
        show([f"{name} {value}", *(v for c in COLUMNS for v in means[c][[0, 1, 4]])], digits=2)
        if name == "default":
            ways = [{"way": way} | dict(zip(MEASURES, v)) for way, v in means.items() if ":" in way]
    write_table(args.results / "rehearsal.csv", rows, digits=3)
    write_table(args.results / "rehearsal_ways.csv", ways, digits=3)
