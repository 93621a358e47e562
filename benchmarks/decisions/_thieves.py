# SPDX-License-Identifier: BSD-3-Clause
"""Four models of digits, strangers, and copies by every kind of thief; and what all of them answer.

Owners and strangers learn from one part of the digits, thieves ask about a second part, and the
owners rehearse and take candidate questions from a third part, which is nobody's training data. A
second set of rehearsed copies is made from the owner's own training data.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import astuple, dataclass
from itertools import product

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from benchmarks._common import seconds
from skzest.baselines import ask_points
from skzest.rehearsal import candidate_questions, rehearse, rehearse_weights

INPUTS = ("clean", "noisy", "mixed", "far")
ANSWERS = ("label", "soft")
WEIGHTS = ("pruned", "rounded", "perturbed")


def network(*hidden, seed=None):
    params = {"max_iter": 40, "tol": 0.0, "n_iter_no_change": 40, "learning_rate_init": 5e-3}
    return MLPClassifier(hidden, batch_size=64, random_state=seed, **params)


LEARNERS = {
    "network": network(48),
    "deeper network": network(32, 32),
    "forest": RandomForestClassifier(40),
    "SVM": SVC(),
    "logistic regression": LogisticRegression(C=0.5, max_iter=300),
}
OWNERS = ("network", "network", "deeper network", "forest")


@dataclass(frozen=True)
class Member:
    """One model: its role, the owner it was made from, and how."""

    role: str
    owner: int = -1
    learner: str = ""
    inputs: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Thieves:
    """Members and their answers to the candidate questions.

    ``labels`` has shape (n_members, n_questions), ``shares`` (n_members, n_questions, 10), NaN for
    models without probabilities. At questions near a boundary ``owner_of`` is its owner, else -1.
    """

    members: list
    labels: np.ndarray
    shares: np.ndarray
    kinds: np.ndarray
    owner_of: np.ndarray
    accuracy: np.ndarray

    def of(self, **wanted):
        """Positions of the members with these attributes."""
        return np.array(
            [
                i
                for i, member in enumerate(self.members)
                if all(getattr(member, key) == value for key, value in wanted.items())
            ],
            dtype=int,
        )

    def pool(self, owner, kinds=None):
        """Positions of the questions that an owner may choose from."""
        mine = (self.owner_of == -1) | (self.owner_of == owner)
        return np.flatnonzero(mine if kinds is None else mine & np.isin(self.kinds, kinds))


def parts_of_digits():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return [(X[rows] / 16, y[rows]) for rows in np.split(order, [500, 1000])]


@dataclass(frozen=True)
class Size:
    """Numbers of strangers, of kinds of learners, of a thief's queries, of candidates a kind."""

    strangers: int = 120
    learners: int = len(LEARNERS)
    queries: int = 600
    each: int = 600


def family(size):
    """Yield (member, model)."""
    (A, a), (B, b), (P, _) = parts_of_digits()
    rng = np.random.default_rng(1)
    owners = [_fitted(LEARNERS[name], A, a, seed) for seed, name in enumerate(OWNERS)]
    for i, owner in enumerate(owners):
        yield Member("owner", i, OWNERS[i]), owner
    both, labels = np.concatenate([A, B]), np.concatenate([a, b])
    names = list(LEARNERS)
    for i in range(size.strangers):
        # Those of the owner's recipe, and others; on half of all data each.
        name = ("network", *names)[i % (len(names) + 1)]
        rows = rng.permutation(len(both))[:500] if i % 2 else rng.permutation(500)[:450]
        model = _fitted(LEARNERS[name], both[rows], labels[rows], 100 + i)
        yield Member("stranger", -1, name), model
    for i, owner in enumerate(owners):
        for role, X in (("rehearsed", P), ("thief", B), ("rehearsed on own data", A)):
            answers = ANSWERS[:1] if "own data" in role else ANSWERS
            for learner, inputs, answer in product(names[: size.learners], INPUTS, answers):
                how = {"learners": LEARNERS[learner], "inputs": [inputs], "answers": [answer]}
                how |= {"n_queries": size.queries, "random_state": int(rng.integers(2**31))}
                [made] = rehearse(owner, X, n_copies=1, **how)
                yield Member(role, i, learner, inputs, answer), made
        if OWNERS[i] == "forest":
            continue
        for change in WEIGHTS:
            for role, seed in (("rehearsed", 10), ("thief", 20)):
                how = {"changes": [change], "n_copies": 3, "random_state": seed}
                for made in rehearse_weights(owner, **how):
                    yield Member(role, i, OWNERS[i], change, "weights"), made
        if "network" in OWNERS[i]:
            for seed in range(3):
                yield Member("thief", i, OWNERS[i], "tuned", "weights"), _tuned(owner, B, b, seed)


def _fitted(learner, X, y, seed):
    learner = copy.deepcopy(learner)
    if "random_state" in learner.get_params():
        learner.set_params(random_state=seed)
    return learner.fit(X, y)


def _tuned(owner, X, y, seed):
    owner = copy.deepcopy(owner)
    owner.set_params(learning_rate_init=1e-3)
    rng = np.random.default_rng(seed)
    for _ in range(8):
        rows = rng.permutation(len(X))[:400]
        owner.partial_fit(X[rows], y[rows])
    return owner


def _pool(owners, P, n_each):
    """Candidates of every kind; those at the boundary for each owner."""
    kinds = ("plain", "masked", "mixed", "noise")
    shared = candidate_questions(P, n_candidates=4 * n_each, kinds=kinds)
    points, kinds, owner_of = [shared.points], [shared.kinds], [np.full(len(shared), -1)]
    for i, owner in enumerate(owners):
        how = {"kinds": ("boundary",), "n_candidates": n_each, "random_state": i}
        near = candidate_questions(P, owner, **how)
        points.append(near.points)
        kinds.append(near.kinds)
        owner_of.append(np.full(len(near), i))
    return np.concatenate(points), np.concatenate(kinds), np.concatenate(owner_of)


def thieves(folder, size):
    """The answers of the family, from the folder if they are there."""
    sizes = "_".join(map(str, astuple(size)))
    path = folder / "rehearsal" / f"digits_{sizes}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        took = seconds(lambda: np.savez(path, **_answers(size)))
        print(f"family trained and asked in {took:.0f} s", flush=True)
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    members = [Member(str(r), int(o), *map(str, rest)) for r, o, *rest in data.pop("members")]
    return Thieves(members, **data)


def _answers(size):
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", message="Got `batch_size` less")
    _, _, (P, p) = parts_of_digits()
    members, labels, shares, accuracy, questions = [], [], [], [], None
    batch, owners = [], []
    for member, model in family(size):
        members.append([member.role, member.owner, member.learner, member.inputs, member.answer])
        accuracy.append(np.mean(model.predict(P) == p))
        batch.append(model)
        if member.role == "owner":
            owners.append(model)
            if len(owners) < len(OWNERS):
                continue
            questions, kinds, owner_of = _pool(owners, P, size.each)
        for one in batch:
            said = ask_points([one], questions, response="label", n_classes=10)
            labels.append(said.labels[0].astype(np.uint8))
            shares.append(_shares(one, questions))
        batch = []
    return {
        "members": np.array(members, dtype=str), "labels": np.stack(labels),
        "shares": np.stack(shares), "kinds": kinds, "owner_of": owner_of,
        "accuracy": np.array(accuracy),
    }  # fmt: skip


def _shares(model, questions):
    """Probabilities of all ten classes, or NaN."""
    if not hasattr(model, "predict_proba"):
        return np.full((len(questions), 10), np.nan, dtype=np.float16)
    said = ask_points([model], questions, response="predict_proba", n_classes=10)
    return np.nan_to_num(said.values[0]).astype(np.float16)
