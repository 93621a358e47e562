# SPDX-License-Identifier: BSD-3-Clause
"""Several distances at once: standardised by all models, combined into a score, and ranked.

Every model, the suspect among them, is standardised by all others and scored in the same way. So
if the suspect is exchangeable with the unrelated models, its rank among them is uniform, however
the distances depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from scipy import stats

from ._null import SLACK, TIES, StudentNull, n_needed

__all__ = [
    "COMBINATIONS",
    "NARROWEST",
    "EnsembleNull",
    "Ranked",
    "RankedNull",
    "SmallestP",
    "as_high",
    "in_deviations",
    "logarithms",
    "standardised",
]

# Below this share of the mean distance, logarithms bend towards a straight line through zero.
_SMALL = 0.01
# Deviations of logarithms below this are rounding.
NARROWEST = 1e-6
_TOGETHER = 256  # suspects


class Ranked(NamedTuple):
    """What an ensemble finds about each suspect.

    Attributes
    ----------
    p_values : ndarray of shape (n_suspects,)
    scores : ndarray of shape (n_suspects,)
        The larger, the less like an unrelated model.
    margins : ndarray of shape (n_suspects,)
        Negative where the p-value is at most alpha.
    ordinary : ndarray of bool, shape (n_suspects,)
        Whether more than alpha of all unrelated models score as high, with confidence.
    z : ndarray of shape (n_suspects, n_distances)
        Standardised distances; NaN where one was not used.
    shares : ndarray of shape (n_suspects, n_distances)
        What each distance contributes to the score.
    n_compared : ndarray of shape (n_suspects,)
        Number of unrelated models that each was compared with.
    """

    p_values: np.ndarray
    scores: np.ndarray
    margins: np.ndarray
    ordinary: np.ndarray
    z: np.ndarray
    shares: np.ndarray
    n_compared: np.ndarray

    @classmethod
    def undecided(cls, n_suspects: int, n_distances: int) -> Ranked:
        """Nothing is known about any suspect yet."""
        row, table = np.full(n_suspects, np.nan), np.full((n_suspects, n_distances), np.nan)
        no = np.zeros(n_suspects, dtype=bool)
        return cls(row, row.copy(), row.copy(), no, table, table.copy(), np.zeros(n_suspects))


# ---------------------------------------------------------------- scores of models


def logarithms(distances: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Logarithms that also suit zero and negative distances, in units of those of known models."""
    unit = _SMALL * np.abs(known).mean(axis=-2, keepdims=True)
    return np.arcsinh(distances / np.where(unit > 0, unit, 1.0))


def standardised(distances: np.ndarray) -> np.ndarray:
    """Logarithms, less the mean of those of the other models, over their deviation.

    Parameters
    ----------
    distances : ndarray of shape (..., n_models, n_distances)
        May be zero or negative: ``arcsinh`` is a logarithm except near zero.

    Returns
    -------
    z : ndarray of the same shape
        Equivariant: permuting the models permutes it.
    """
    values = logarithms(distances, distances)
    n = values.shape[-2]
    gaps = values - values.mean(axis=-2, keepdims=True)
    own = gaps * gaps * (n / (n - 1))  # what a model adds to the sum of squares
    deviations = np.sqrt(np.maximum((gaps * gaps).sum(axis=-2, keepdims=True) - own, 0) / (n - 2))
    return in_deviations(gaps * (n / (n - 1)), deviations)


def in_deviations(gaps: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Gaps between logarithms over their deviation; 0 for a gap that is rounding."""
    return np.where(np.abs(gaps) < NARROWEST, 0.0, gaps) / np.maximum(deviations, NARROWEST)


def _squares(z: np.ndarray) -> np.ndarray:
    return np.minimum(z, 0.0) ** 2


def _smallest(z: np.ndarray) -> np.ndarray:
    first = np.arange(z.shape[-1]) == z.argmin(axis=-1)[..., None]
    return np.where(first, -z, 0.0)


def _whitened(z: np.ndarray) -> np.ndarray:
    """Squares of what is negative once the correlation among the other models is taken out."""
    values, vectors = np.linalg.eigh(_correlations(z))
    # The symmetric root keeps each whitened distance as near as possible to the distance itself.
    along = np.einsum("...ji,...j->...i", vectors, z) / np.sqrt(values)
    return _squares(np.einsum("...ij,...j->...i", vectors, along))


def _correlations(z: np.ndarray) -> np.ndarray:
    """For each model, correlations among the others, halfway to none: (..., n_models, k, k).

    A distance that is the same for all others is correlated with none.
    """
    n, k = z.shape[-2:]
    gaps = z - z.mean(axis=-2, keepdims=True)
    products = gaps[..., :, None] * gaps[..., None, :]
    among = products.sum(axis=-3, keepdims=True) - products * (n / (n - 1))
    spread, total = np.einsum("...ii->...i", among), np.einsum("...ii->...i", products.sum(axis=-3))
    varies = spread > TIES * np.maximum(total, 1.0)[..., None, :]  # less is left by rounding
    scale = np.sqrt(np.where(varies, spread, np.inf))
    found = among / (scale[..., :, None] * scale[..., None, :])
    return np.where(np.eye(k) > 0, 1.0, np.clip(found, -1.0, 1.0) / 2)


def as_high(others: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Whether scores are as high as one of a suspect, or equal but for rounding.

    A score that is not a number is as high as any, and so never evidence.
    """
    return ~(others < just_below(own))


def just_below(scores: np.ndarray) -> np.ndarray:
    """Scores from here on are equal to these but for rounding."""
    return scores - TIES * (1 + np.abs(scores))


# From z to what each distance contributes to the score, which is their sum.
COMBINATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "squares": _squares,
    "minimum": _smallest,
    "whitened": _whitened,
}


# ---------------------------------------------------------------- nulls


class EnsembleNull(Protocol):
    """How suspects compare with unrelated models by several distances."""

    def judge(self, suspects: np.ndarray) -> Ranked:
        """Judge suspects, each by itself."""


class RankedNull:
    """Ranks of scores among unrelated models; assumes only that models are exchangeable.

    Parameters
    ----------
    distances : ndarray of shape (n_unrelated, n_distances)
        NaN where one is undefined.
    combine : str
        A key of ``COMBINATIONS``.
    alpha, level : float
    """

    def __init__(self, distances: np.ndarray, combine: str, alpha: float, level: float):
        self.distances, self.alpha, self.level = distances, alpha, level
        self.contributions = COMBINATIONS[combine]

    def judge(self, suspects: np.ndarray) -> Ranked:
        """Compare suspects, (n_suspects, n_distances), by the distances that each has."""
        found = Ranked.undecided(*suspects.shape)
        has = ~np.isnan(suspects)
        for pattern in np.unique(has, axis=0):
            columns, models = self._comparable(np.flatnonzero(pattern))
            if len(columns) and len(models) >= 2:
                rows = np.flatnonzero((has == pattern).all(axis=1))
                for some in np.array_split(rows, -(-len(rows) // _TOGETHER)):
                    self._rank(suspects, some, columns, models, found)
        return found

    def _comparable(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distances to use, and the unrelated models that have all of them.

        A distance that leaves too few models for a p-value of alpha is not used. This depends on
        which distances are defined, never on their values.
        """
        has = ~np.isnan(self.distances)
        while len(columns):
            models = np.flatnonzero(has[:, columns].all(axis=1))
            if len(models) >= n_needed(self.alpha):
                return columns, models
            columns = np.delete(columns, has[:, columns].sum(axis=0).argmin())
        return columns, columns

    def _rank(
        self,
        suspects: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        models: np.ndarray,
        found: Ranked,
    ) -> None:
        unrelated = self.distances[np.ix_(models, columns)]
        each = np.broadcast_to(unrelated, (len(rows), *unrelated.shape))
        z = standardised(np.concatenate([each, suspects[np.ix_(rows, columns)][:, None]], axis=1))
        shares = self.contributions(z)
        scores = shares.sum(axis=-1)
        others, own = np.sort(scores[:, :-1], axis=1)[:, ::-1], scores[:, -1]
        n = len(models)
        n_as_high = as_high(others, own[:, None]).sum(axis=1)
        rank = int(self.alpha * SLACK * (n + 1))
        found.p_values[rows] = (1 + n_as_high) / (n + 1)
        found.scores[rows] = own
        found.margins[rows] = others[:, min(rank, n) - 1] - just_below(own) if rank else np.inf
        found.ordinary[rows] = n_as_high > stats.binom.ppf(self.level, n, self.alpha)
        found.z[np.ix_(rows, columns)] = z[:, -1]
        found.shares[np.ix_(rows, columns)] = shares[:, -1]
        found.n_compared[rows] = n


class SmallestP:
    """The smallest of several p-values of fitted curves, times their number (Bonferroni).

    Parameters
    ----------
    nulls : list of StudentNull or None
        One for each distance; None for one that is not used.
    alpha, level : float
    """

    def __init__(self, nulls: list[StudentNull | None], alpha: float, level: float):
        self.nulls, self.alpha = nulls, alpha
        self.ordinary_from = np.array(
            [null.unrelated_from(alpha, level) if null else np.nan for null in nulls]
        )

    def judge(self, suspects: np.ndarray) -> Ranked:
        """Compare suspects, (n_suspects, n_distances), by the distances that each has."""
        found = Ranked.undecided(*suspects.shape)
        p = np.full(suspects.shape, np.nan)
        for k, null in enumerate(self.nulls):
            if null is not None:
                p[:, k] = null.p_values(suspects[:, k])
                found.z[:, k] = null.standardised(suspects[:, k])
        p[np.isnan(suspects)] = np.nan
        known = np.flatnonzero(~np.isnan(p).all(axis=1))
        first = np.nanargmin(p[known], axis=1)
        least = p[known, first] * (~np.isnan(p[known])).sum(axis=1)
        found.p_values[known] = np.minimum(least, 1.0)
        found.scores[known] = -np.log(least)
        found.margins[known] = np.log(least / self.alpha)
        # Any model as near by that one distance has a smallest p-value as small.
        found.ordinary[known] = suspects[known, first] >= self.ordinary_from[first]
        found.shares[known, first] = 1.0
        found.n_compared[known] = np.array([null.n if null else 0 for null in self.nulls])[first]
        return found
