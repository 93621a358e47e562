# SPDX-License-Identifier: BSD-3-Clause
"""Decisions where the questions were chosen without each unrelated model in turn.

Under the questions that were chosen without unrelated model j, neither j nor a suspect had a part
in the choice: their scores can be compared, and the other models standardise both. The suspect is
compared with each j in this way (the jackknife+ of R. Barber, E. Candès, A. Ramdas, R. Tibshirani,
Annals of Statistics 49, 2021), so at most 2 alpha of all unrelated suspects have a p-value of at
most alpha, and in practice about alpha. The proof takes choices that are made from the other models
alone. How many questions a rehearsal has for each is decided by all of them, which it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._ensemble import COMBINATIONS, Ranked, as_high, standardised_by, zero_where_undefined
from ._null import SLACK
from ._rule import Settings
from ._several import SeveralDistances
from ._table import Table

__all__ = ["LeftOutInTurn", "LeftOutNull"]


class LeftOutNull:
    """Compares a suspect with one unrelated model at a time.

    Parameters
    ----------
    distances : ndarray of shape (n_unrelated, n_unrelated, n_distances)
        Of all unrelated models (second axis), by the questions without each (first axis).
    members : ndarray of int
        Those that suspects are compared with, except models without any distance.
    settings : Settings
    """

    def __init__(self, distances: np.ndarray, members: np.ndarray, settings: Settings):
        self.distances, self.settings = distances, settings
        self.members = [j for j in members if not np.isnan(distances[j, j]).all()]
        self.contributions: Callable[[np.ndarray], np.ndarray] = COMBINATIONS[settings.combine]

    def judge(self, suspects: np.ndarray) -> Ranked:
        """Judge suspects, shape (n_suspects, n_unrelated, n_distances)."""
        found = Ranked.undecided(len(suspects), suspects.shape[2])
        for i, suspect in enumerate(suspects):
            z = np.array([self._pair(j, suspect[j]) for j in self.members])
            if not np.isnan(z[:, 1]).all():
                self._compare(i, z, found)
        return found

    def _compare(self, i: int, z: np.ndarray, found: Ranked) -> None:
        """Suspect i, by what is known of each member and of the suspect: (n_members, 2, k)."""
        is_used, z = ~np.isnan(z[:, 1]).all(axis=0), zero_where_undefined(z)
        shares = self.contributions(z)
        scores = shares.sum(axis=-1)
        n, alpha = len(z), self.settings.alpha
        n_as_high = int(as_high(scores[:, 0], scores[:, 1]).sum())
        p = (1 + n_as_high) / (n + 1)
        found.p_values[i], found.scores[i] = p, scores[:, 1].mean()
        found.margins[i] = p - alpha * SLACK
        found.ordinary[i] = n_as_high > stats.binom.ppf(self.settings.level, n, alpha)
        found.z[i] = np.where(is_used, z[:, 1].mean(axis=0), np.nan)
        found.shares[i] = shares[:, 1].mean(axis=0)

    def _pair(self, j: int, suspect: np.ndarray) -> np.ndarray:
        """Model j and the suspect, standardised by the other models: (2, n_distances)."""
        others = np.delete(self.distances[j], j, axis=0)
        return standardised_by(others, np.stack([self.distances[j, j], suspect]))


class LeftOutInTurn(SeveralDistances):
    """Decides by distances that depend on which unrelated model was left out.

    Parameters
    ----------
    distances : ndarray of shape (n_unrelated, n_unrelated, n_distances)
        As for :class:`LeftOutNull`.
    names : tuple of str
    groups : list of ndarray of int
        As for :class:`SeveralDistances`.
    settings : Settings
    """

    def __init__(
        self,
        distances: np.ndarray,
        names: tuple[str, ...],
        groups: Sequence[np.ndarray],
        settings: Settings,
    ):
        own = np.stack([of_choice[j] for j, of_choice in enumerate(distances)])
        super().__init__(Table(own, names), groups, settings)
        self.nulls = [LeftOutNull(distances, group, settings) for group in groups]

    def measure(self, X: ArrayLike) -> np.ndarray:
        raise ValueError(
            "the questions were chosen without each unrelated model in turn, so a suspect has as "
            "many distances as there are of these. Judge models, with judge_models."
        )

    def of_answers(self, D: np.ndarray) -> np.ndarray:
        return D

    def _by_suspect(self, measured: np.ndarray) -> np.ndarray:
        return measured.mean(axis=1)
