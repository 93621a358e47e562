# SPDX-License-Identifier: BSD-3-Clause
"""Zoos of scikit-learn's models: honest ones, and copies by every kind of thief.

Thieves ask about points that their victim did not learn from. An owner rehearses with its own
learner and training points, as they are and with noise, by labels and by probabilities; or
*widely*, in every way of the thieves.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from benchmarks.decisions._answers import Remembered
from benchmarks.decisions._sklearn_tasks import Task, repeated, take
from benchmarks.decisions._zoos import WIDE, Model, Zoo
from skzest.rehearsal import rehearse

REHEARSED = ("labels", "soft")


class Workshop:
    """Trains the models of one task and one owner's learner, each once, and keeps them.

    Models are registered with a role and a kind, and trained when they are first needed.
    """

    def __init__(self, task: Task, learner: str, cache: Path):
        self.task, self.learner = task, learner
        order = np.random.default_rng(0).permutation(len(task.y))
        self.pool, self.rest = order[: task.n_pool], order[task.n_pool :]
        self.folder = cache / "zoos" / f"{task.name}_{learner}".replace(" ", "_")
        self.models: list[Model] = []
        self._make: dict[str, Callable] = {}
        self._made: dict[str, Any] = {}

    def add(self, name: str, role: str, kind: str, owner: int | None, make: Callable) -> None:
        self._make[name] = make
        path = self.folder / f"{name}.npz"
        answers = Remembered(lambda: self.answering(self.model(name)), path, "predict_proba")
        self.models.append(Model(name, role, kind, owner, answers))

    def model(self, name: str):
        if name not in self._made:
            path = self.folder / f"{name}.joblib"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                joblib.dump(self._make[name](), path)
            self._made[name] = joblib.load(path)
        return self._made[name]

    def answering(self, model) -> Callable:
        """Probabilities of all classes; a model that has not seen a class gives it none."""
        columns = np.searchsorted(np.unique(self.task.y), model.classes_)

        def shares(X):
            found = np.zeros((len(X), len(np.unique(self.task.y))))
            found[:, columns] = model.predict_proba(X)
            return found

        return shares

    def fitted(self, learner: str, X, y, seed: int):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # short trainings
            return self.task.learners[learner](seed).fit(X, y)

    # --- honest models --------------------------------------------------------------------

    def honest(self, seed: int, learner: str | None = None):
        rows = self.own_rows(seed)
        return self.fitted(learner or self.learner, *self._data(rows), seed)

    def own_rows(self, seed: int) -> np.ndarray:
        return np.random.default_rng([seed, 1]).permutation(self.rest)[: self.task.n_own]

    def other_rows(self, seed: int) -> np.ndarray:
        return np.setdiff1d(self.rest, self.own_rows(seed))

    def _data(self, rows):
        return take(self.task.X, rows), self.task.y[rows]

    # --- thieves --------------------------------------------------------------------------

    def rehearsed(self, victim: str, rows, i: int, seed: int, *, wide: bool = False):
        """The i-th copy of a victim that an owner with these rows makes to learn from.

        If `wide`, in every way in which thieves make theirs.
        """
        task, names = self.task, list(self.task.learners)
        few, other = wide and i % 4 == 0, wide and i % 2 == 0
        inputs = ("clean", "noisy", "mixed", "far") if wide else ("clean", "noisy")
        inputs = inputs[i // 4 % 4 if wide else i % 2] if task.moves and not few else "clean"
        learner = names[i // 2 % len(names)] if other else self.learner
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # short trainings
            [made] = rehearse(
                self.model(victim),
                take(task.X, rows),
                learners=task.learners[learner](seed),
                inputs=[inputs],
                answers=[("label", "soft", "sampled")[i // 2 % 3]],
                n_copies=1,
                n_queries=task.n_queries // (10 if few else 1),
                random_state=seed,
            )
        return made

    def stolen(self, victim: str, rows, kind: str, seed: int):
        """A model trained on a victim's answers to questions made from these rows.

        The words of the kind say how, as in "soft, 800 mixed queries".
        """
        rng = np.random.default_rng(seed)
        number = re.search(r"\d+", kind)
        n = int(number[0]) if number else self.task.n_queries // (10 if "few" in kind else 1)
        X = take(self.task.X, rng.choice(rows, n))
        if "mixed" in kind:
            X = (X + rng.permutation(X)) / 2
        if "far" in kind:
            X = np.stack([rng.permutation(column) for column in X.T], axis=1)
        shares = self.model(victim).predict_proba(X)
        classes = self.model(victim).classes_
        if kind.startswith("soft"):  # every class in proportion to its probability
            X = repeated(X, 4)
            levels = np.repeat(np.cumsum(shares, axis=1), 4, axis=0)
            y = classes[(rng.random((len(levels), 1)) > levels[:, :-1]).sum(axis=1)]
        else:
            y = classes[shares.argmax(axis=1)]
        others = [name for name in self.task.learners if name != self.learner]
        learner = others[seed % len(others)] if "other" in kind else self.learner
        return self.fitted(learner, X, y, seed)

    def changed(self, victim: str, rows, kind: str, seed: int):
        """A victim's model with other weights."""
        model = copy.deepcopy(self.model(victim))
        rng = np.random.default_rng(seed)
        last = model[-1] if hasattr(model, "steps") else model
        if kind == "fine-tuned":
            return tuned(model, *self._data(rng.permutation(rows)[: self.task.n_own]), seed)
        change = _pruned if kind == "pruned" else _rounded
        if hasattr(last, "estimators_"):
            change_of_trees(last, kind, rng)
        elif hasattr(last, "coefs_"):
            last.coefs_ = [change(w, seed) for w in last.coefs_]
        else:
            name = "coef_" if hasattr(last, "coef_") else "feature_log_prob_"
            setattr(last, name, change(getattr(last, name), seed))
        return model

    def retrained(self, name: str, X, y):
        """A network trained on these labels, and on its own answers to a thief's points."""
        model = copy.deepcopy(self.model(name))
        Xs = take(self.task.X, self.other_rows(0)[: 2 * len(X)])
        X, y = np.concatenate([X, Xs]), np.concatenate([model.classes_[y], model.predict(Xs)])
        for _ in range(20):
            model.partial_fit(X, y)
        return self.answering(model)


def tuned(model, X, y, seed):
    """Trained a little further on other data."""
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "estimators_"):
        return model.set_params(warm_start=True, n_estimators=len(last) + 15).fit(X, y)
    if hasattr(model, "steps"):
        X = model[:-1].transform(X)
    for _ in range(2):
        last.partial_fit(X, y)
    return model


def _pruned(weights, seed):
    limit = np.quantile(np.abs(weights), (0.2, 0.35, 0.5)[seed % 3])
    return np.where(np.abs(weights) < limit, 0.0, weights)


def _rounded(weights, seed):
    step = np.abs(weights).max() / (2 ** (4 + seed % 3 - 1) - 1)
    return np.round(weights / step) * step


def change_of_trees(forest, kind, rng):
    """A third of the trees is left out, or leaves keep one digit."""
    if kind == "pruned":
        kept = rng.permutation(len(forest.estimators_))[: 2 * len(forest.estimators_) // 3]
        forest.estimators_ = [forest.estimators_[i] for i in kept]
        forest.n_estimators = len(kept)
        return
    for tree in forest.estimators_:
        value = tree.tree_.value
        value[:] = value.round(1)
        value /= value.sum(axis=-1, keepdims=True)


def zoo_of(
    task: Task, learner: str, cache: Path, *, n_owners=2, n_unrelated=99, n_each=4, thefts=None
) -> Zoo:
    """All models of a task around the owners with one learner.

    `thefts` are the kinds of copies by answers; by default those of :func:`thefts_of`.
    """
    shop = Workshop(task, learner, cache)
    n_few = min(12, n_unrelated // 5)  # copies of others, other recipes
    for i in range(n_unrelated):
        name = f"unrelated{i:02d}"
        shop.add(name, "unrelated", "honest", None, lambda i=i: shop.honest(1000 + i))
    for i in range(4 * n_few):
        shop.add(f"chooser{i:02d}", "chooser", "honest", None, lambda i=i: shop.honest(2000 + i))
    others = [name for name in task.learners if name != learner]
    for i in range(n_few):
        other = others[i % len(others)]
        shop.add(
            f"recipe{i:02d}", "recipe", "honest", None,
            lambda i=i, other=other: shop.honest(3000 + i, other),
        )  # fmt: skip
        shop.add(
            f"chooser_recipe{i:02d}", "chooser", WIDE, None,
            lambda i=i, other=other: shop.honest(9000 + i, other),
        )  # fmt: skip
    by_answers = thefts_of(task)
    for i in range(n_few):
        kind = by_answers[i % len(by_answers)]
        shop.add(
            f"foreign{i:02d}", "stranger's copy", kind, None,
            lambda i=i, kind=kind: shop.stolen(
                f"unrelated{i:02d}", shop.other_rows(1000 + i), kind, 4000 + i
            ),
        )  # fmt: skip
    for o in range(n_owners):
        _around_owner(shop, o, by_answers if thefts is None else thefts, n_each, n_few)
    X, y = take(task.X, shop.pool), task.y[shop.pool]
    return Zoo(
        f"{task.name}, {learner}", shop.models, X, X, y, task.masker, task.n_points, REHEARSED,
        shop.retrained,
    )  # fmt: skip


def thefts_of(task: Task) -> list[str]:
    """Kinds of copies that are made by asking."""
    found = [*REHEARSED, "labels, few queries", "labels, other architecture"]
    return found + (["labels, mixed queries", "labels, far queries"] if task.moves else [])


def _around_owner(shop: Workshop, o: int, by_answers: list[str], n_each: int, n_few: int) -> None:
    owner, own, others = f"owner{o}", shop.own_rows(o), shop.other_rows(o)
    shop.add(owner, "owner", "honest", o, lambda: shop.honest(o))
    for kind, seed in (("", 5000), (WIDE, 50_000)):
        for i in range(2 * n_few):
            for role, victim in (("rehearsed", owner), ("foreign", f"chooser{i:02d}")):
                shop.add(
                    f"{owner}_rehearsal_{role}{i:02d}{kind}", role, kind, o,
                    lambda i=i, victim=victim, kind=kind, seed=seed: shop.rehearsed(
                        victim, own, i, seed + i, wide=kind == WIDE
                    ),
                )  # fmt: skip
    for make, kinds in (
        (shop.stolen, by_answers),
        (shop.changed, ["fine-tuned", "pruned", "rounded"]),
    ):
        for kind in kinds:
            for i in range(n_each):
                shop.add(
                    f"{owner}_{kind}_{i}".replace(" ", "_").replace(",", ""), "copy", kind, o,
                    lambda i=i, kind=kind, make=make: make(owner, others, kind, 7000 + i),
                )  # fmt: skip
