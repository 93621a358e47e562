# SPDX-License-Identifier: BSD-3-Clause
"""Questions that owners choose by rehearsal, and distances from them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from benchmarks.decisions._answers import Remembered
from benchmarks.decisions._zoos import WIDE, Model, Zoo
from skzest.rehearsal import PoolAnswers, candidate_questions

RESPONSES = {"labels": "label", "scores": "predict_proba"}
ROLES = {"rehearsed": "copy", "foreign": "foreign", "chooser": "unrelated"}


class Rehearsal:
    """What an owner has learned from its own copies, of its model and of choosers.

    Parameters
    ----------
    zoo : Zoo
    owner : Model
    n_candidates : int
        Size of the pool of questions.
    n_copies : int, optional
        Use only this many rehearsed copies, and as many copies of choosers.
    wide : bool
        Use those of all kinds.
    foreign : bool
        Use copies of choosers.
    seed : int
        Of the pool.
    """

    def __init__(
        self,
        zoo: Zoo,
        owner: Model,
        *,
        n_candidates: int = 4000,
        n_copies: int | None = None,
        wide: bool = False,
        foreign: bool = True,
        seed: int = 0,
    ):
        self.owner = owner.answers
        self.candidates = candidate_questions(
            zoo.points,
            owner.answers.query,
            n_candidates=n_candidates,
            masker=copy.deepcopy(zoo.masker),
            random_state=seed,
        ).points
        around = [m for m in zoo.around(owner) if wide or m.kind != WIDE]
        self.models, roles = [], []
        for role, name in ROLES.items():
            found = [m for m in around if m.role == role]
            if role != "chooser":
                found = [m for m in found if (m.kind == WIDE) == wide][:n_copies]
            found = found if foreign or role != "foreign" else []
            self.models += [m.answers for m in found]
            roles += [name] * len(found)
        self.roles = np.array(roles)

    def agreement(self, models: Sequence[Remembered], response: str) -> np.ndarray:
        """How much models agree with the owner on every candidate, from 0 to 1."""
        if response == "labels":
            said = self.owner.labels(self.candidates)
            return np.stack([model.labels(self.candidates) == said for model in models]) * 1.0
        shares = self.owner.shares(self.candidates)
        return np.stack(
            [np.minimum(model.shares(self.candidates), shares).sum(axis=1) for model in models]
        )

    def pool(self, response: str) -> PoolAnswers:
        """The answers from which questions are chosen."""
        shares = self.owner.shares(self.candidates)
        if response == "labels":
            shares = np.eye(shares.shape[1])[shares.argmax(axis=1)]
        return PoolAnswers(
            self.candidates,
            RESPONSES[response],
            shares,
            np.arange(shares.shape[1]),
            self.agreement(self.models, response),
            self.roles,
        )

    def distances(
        self, models: Sequence[Remembered], response: str, n_questions: int = 64
    ) -> np.ndarray:
        """Distances to the owner by the chosen questions, (n_models,)."""
        chosen = self.pool(response).choose(n_questions)
        return chosen.distances(self.agreement(models, response)[:, chosen.indices])
