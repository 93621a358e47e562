# SPDX-License-Identifier: BSD-3-Clause
"""What do distances find of suspects that fight back?

The zoos are those of decisions/power: digits, and CIFAR-10 as far as decisions/train_networks has
come. Copies of three kinds, rounded, pruned, and trained on the owner's labels, are disguised:

- "masked: another model" and "masked: at random": what has flat patches is recognised as a masked
  copy, and answered by an unrelated model, or with random probabilities;
- "one digit", "temperature 5", "top-1 only": probabilities are rounded, flattened, or replaced by
  the label;
- "5 % of labels wrong": the two largest probabilities are exchanged for one question in twenty;
- "tuned against the questions": the thief knows all questions of the ensemble, rehearsed ones
  included, and trains the copy to answer them as an unrelated model does; "... , new questions" is
  the same copy, asked others that were drawn from another seed.

The table has the share found at 5 % by each distance and by ensembles, among unrelated models of
the owner's recipe. The rate at which plain points are mistaken for masked copies is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from benchmarks._common import show, write_table
from benchmarks.decisions._answers import Remembered
from benchmarks.decisions._owner_distances import questions_for
from benchmarks.decisions._rehearsed import Rehearsal
from benchmarks.decisions._sklearn_tasks import digits
from benchmarks.decisions._sklearn_zoos import zoo_of
from benchmarks.decisions._zoos import Model, Zoo, cifar
from benchmarks.decisions.power import ALPHA, columns, p_values

TAKES = "10 min, after decisions/power"
NEEDS = "torch for CIFAR-10; --data with CIFAR-10 (else digits)"
QUICK = {"unrelated": 20, "each": 1, "owners": 1, "candidates": 400}
BASES = ("rounded", "pruned", "labels", "labels, 12000 queries", "labels, 6000 queries")
TUNED, NEW = "tuned against the questions", "tuned against the questions, new questions"

# --- disguises: from a batch, the copy and an unrelated model to probabilities -------------------


def flat(X: np.ndarray) -> np.ndarray:
    """Which images have flat patches: one colour, not black or white, in a tenth of all pixels."""
    if X.ndim == 2:
        X = X.reshape(len(X), 8, 8, 1)
    pixels = X.reshape(len(X), -1, X.shape[-1]).astype(float)
    found = np.zeros(len(X), dtype=bool)
    for i, image in enumerate(pixels):
        colours, counts = np.unique(image.round(6), axis=0, return_counts=True)
        extreme = (colours <= pixels.min() + 1e-6) | (colours >= pixels.max() - 1e-6)
        inner = counts[~extreme.all(axis=1)]
        # Digits have 17 greys: a tenth of their pixels may have the same one by chance.
        fractions = np.any(np.abs(colours * 16 - np.round(colours * 16)) > 1e-3, axis=1)
        odd = counts[~extreme.all(axis=1) & fractions] if X.shape[-1] == 1 else inner
        found[i] = len(odd) > 0 and odd.max() >= 0.1 * len(image)
    return found


def unlike_masked(X, copy: Remembered, other: Remembered) -> np.ndarray:
    return np.where(flat(X)[:, None], other.shares(X), copy.shares(X))


def random_if_masked(X, copy: Remembered, other: Remembered) -> np.ndarray:
    shares = copy.shares(X)
    noise = np.stack([_rng(x).dirichlet(np.full(shares.shape[1], 0.3)) for x in X])
    return np.where(flat(X)[:, None], noise, shares)


def one_digit(X, copy: Remembered, other: Remembered) -> np.ndarray:
    shares = copy.shares(X).round(1)
    return shares / shares.sum(axis=1, keepdims=True)


def tempered(X, copy: Remembered, other: Remembered) -> np.ndarray:
    powers = np.exp(copy.scores(X) / 5)
    return powers / powers.sum(axis=1, keepdims=True)


def top_only(X, copy: Remembered, other: Remembered) -> np.ndarray:
    shares = copy.shares(X)
    return np.eye(shares.shape[1])[shares.argmax(axis=1)]


def some_wrong(X, copy: Remembered, other: Remembered) -> np.ndarray:
    shares = copy.shares(X)
    wrong = np.flatnonzero([_rng(x).random() < 0.05 for x in X])
    first, second = np.argsort(-shares[wrong], axis=1)[:, :2].T
    exchanged = shares.copy()
    exchanged[wrong, first], exchanged[wrong, second] = shares[wrong, second], shares[wrong, first]
    return exchanged


def _rng(x: np.ndarray) -> np.random.Generator:
    """The same question always gets the same answer."""
    digest = blake2b(np.ascontiguousarray(x), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


DISGUISES: dict[str, Callable] = {
    "none": lambda X, copy, other: copy.shares(X),
    "masked: another model": unlike_masked,
    "masked: at random": random_if_masked,
    "one digit": one_digit,
    "temperature 5": tempered,
    "top-1 only": top_only,
    "5 % of labels wrong": some_wrong,
}


def disguised(copy: Model, other: Model, name: str) -> Model:
    """A copy behind a disguise, as a suspect of its own."""

    def load():
        return lambda X: DISGUISES[name](X, copy.answers, other.answers)

    answers = Remembered(load, None, "predict_proba")
    return replace(copy, kind=f"{copy.kind}|{name}", answers=answers)


def tuned(zoo: Zoo, owner: Model, copy: Model, other: Model, n_candidates: int) -> Model:
    """A copy that was trained to answer the published questions as an unrelated model does."""
    part = questions_for(zoo, owner, shared=True)
    rehearsal = Rehearsal(zoo, owner, n_candidates=n_candidates)
    chosen = [
        rehearsal.candidates[rehearsal.pool(response).choose(64).indices]
        for response in ("labels", "scores")
    ]
    X = np.concatenate([part.copies, part.points, *chosen])
    y = other.answers.labels(X)

    def load():
        return zoo.retrained(copy.name, X, y)

    path = copy.answers.path.with_name(f"{copy.name}_tuned_against.npz")
    output = copy.answers.output
    return replace(copy, kind=f"{copy.kind}|{TUNED}", answers=Remembered(load, path, output))


# --- the table -----------------------------------------------------------------------------------


def found_by(zoo: Zoo, owner: Model, suspects: list[Model], n: int, seed: int) -> Iterator[dict]:
    """For each suspect and method: is its p-value at most 5 %?"""
    honest = [m for m in zoo.models if m.role in ("unrelated", "chooser", "rehearsed", "foreign")]
    shown = replace(zoo, models=[owner, *honest, *suspects])
    models, by_method, _ = columns(shown, owner, n, seed=seed)
    roles = np.array([m.role for m in models])
    known, at = np.flatnonzero(roles == "unrelated"), np.flatnonzero(roles == "copy")
    p = {name: p_values(D, known, at) for name, D in by_method.items()}
    for i, s in enumerate(at):
        kind, _, disguise = models[s].kind.partition("|")
        disguise = NEW if seed else disguise
        row = {"task": zoo.task, "copy": kind, "disguise": disguise}
        yield row | {name: float(v[i] <= ALPHA) for name, v in p.items()}


def fights(zoo: Zoo, owner: Model, n_candidates: int) -> Iterator[dict]:
    around = zoo.around(owner)
    copies = [m for m in around if m.role == "copy" and m.kind in BASES]
    # Not among those that calibrate: a suspect that answers as one of them would repeat it.
    others = [m for m in around if m.role == "chooser"][-4:]
    pairs = [(copy, others[i % len(others)]) for i, copy in enumerate(copies)]
    suspects = [disguised(copy, other, name) for name in DISGUISES for copy, other in pairs]
    adapted = [tuned(zoo, owner, copy, other, n_candidates) for copy, other in pairs]
    yield from found_by(zoo, owner, suspects + adapted, n_candidates, 0)
    yield from found_by(zoo, owner, adapted, n_candidates, 1)
    for model in [*around, *adapted]:
        model.answers.save()


def add_options(parser) -> None:
    parser.add_argument("--owners", type=int, default=2, help="of digits")
    parser.add_argument("--unrelated", type=int, default=99, help="of digits")
    parser.add_argument(
        "--each", type=int, default=4, help="copies of each kind and owner of digits"
    )
    parser.add_argument("--candidates", type=int, default=4000, help="questions to choose from")


def main(args) -> None:
    zoos = [
        zoo_of(
            digits(), "network", args.cache,
            n_owners=args.owners, n_unrelated=args.unrelated, n_each=args.each,
        )
    ]  # fmt: skip
    zoos += [] if args.data is None else [cifar(args.data, args.cache)]
    rows = []
    for zoo in zoos:
        for owner in zoo.owners:
            if any(m.role == "copy" for m in zoo.around(owner)):
                rows += fights(zoo, owner, args.candidates)
        show([zoo.task, "plain points taken for masked:", flat(zoo.points).mean()])
    table = []
    keys = ("task", "copy", "disguise")
    for group in dict.fromkeys(tuple(row[key] for key in keys) for row in rows):
        some = [row for row in rows if tuple(row[key] for key in keys) == group]
        means = {name: np.mean([row[name] for row in some]) for name in some[0] if name not in keys}
        table.append(dict(zip(keys, group)) | {"n": len(some)} | means)
        show([*group, len(some), *(f"{name} {value:.2f}" for name, value in means.items())])
    write_table(args.results / "fighting_back.csv", table, digits=3)
