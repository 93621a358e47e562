# SPDX-License-Identifier: BSD-3-Clause
"""Several distances at once: standardised by all models, combined into a score, and ranked.

Every model, the suspect among them, is standardised by all others and scored in the same way: a
distance that it lacks adds nothing. So if the suspect is exchangeable with the unrelated models,
its rank among them is uniform, however the distances, and which of them are defined, depend on
each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from scipy import stats

from ._null import SLACK, TIES, StudentNull

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
    "standardised_by",
    "zero_where_undefined",
]

# Below this share of the mean distance, logarithms bend towards a straight line through zero.
_SMALL = 0.01
# Deviations of logarithms below this are rounding.
NARROWEST = 1e-6
# Other models with a distance, without which it is not standardised.
_FEWEST = 2
_TOGETHER = 256  # suspects


class Ranked(NamedTuple):
    """What an ensemble finds about each suspect.

    Attributes
    ----------
    p_values : ndarray of shape (n_suspects,)
        NaN where no distance could be used.
    scores : ndarray of shape (n_suspects,)
        The larger, the less like an unrelated model.
    margins : ndarray of shape (n_suspects,)
        Negative where the p-value is at most alpha.
    ordinary : ndarray of bool, shape (n_suspects,)
        Whether more than alpha of all unrelated models score as high, with confidence.
    z : ndarray of shape (n_suspects, n_distances)
        Standardised distances; NaN where one is undefined, or fewer than two others have it.
    shares : ndarray of shape (n_suspects, n_distances)
        What each distance contributes to the score.
    """

    p_values: np.ndarray
    scores: np.ndarray
    margins: np.ndarray
    ordinary: np.ndarray
    z: np.ndarray
    shares: np.ndarray

    @classmethod
    def undecided(cls, n_suspects: int, n_distances: int) -> Ranked:
        """Nothing is known about any suspect yet."""
        row, table = np.full(n_suspects, np.nan), np.zeros((n_suspects, n_distances))
        no = np.zeros(n_suspects, dtype=bool)
        return cls(row, row.copy(), row.copy(), no, np.full_like(table, np.nan), table)


# ---------------------------------------------------------------- scores of models


def logarithms(distances: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Logarithms that also suit zero and negative distances, in units of those of known models."""
    n = (~np.isnan(known)).sum(axis=-2, keepdims=True)
    unit = _SMALL * np.nansum(np.abs(known), axis=-2, keepdims=True) / np.maximum(n, 1)
    return np.arcsinh(distances / np.where(unit > 0, unit, 1.0))


def standardised(distances: np.ndarray) -> np.ndarray:
    """Logarithms, less the mean of those of the other models that have them, over their deviation.

    Parameters
    ----------
    distances : ndarray of shape (..., n_models, n_distances)
        May be zero or negative: ``arcsinh`` is a logarithm except near zero. NaN if undefined.

    Returns
    -------
    z : ndarray of the same shape
        Equivariant: permuting the models permutes it. NaN where a distance is undefined, or fewer
        than two others have it.
    """
    n = (~np.isnan(distances)).sum(axis=-2, keepdims=True)
    has = n > _FEWEST  # the model itself is one of them
    n = np.where(has, n, _FEWEST + 1)
    values = logarithms(np.where(has, distances, np.nan), distances)
    gaps = values - np.nansum(values, axis=-2, keepdims=True) / n
    own = gaps * gaps * (n / (n - 1))  # what a model adds to the sum of squares
    others = np.nansum(gaps * gaps, axis=-2, keepdims=True) - own
    return in_deviations(gaps * (n / (n - 1)), np.sqrt(np.maximum(others, 0) / (n - 2)))


def standardised_by(others: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """The same for models that are not among the others.

    Parameters
    ----------
    others : ndarray of shape (n_others, n_distances)
    distances : ndarray of shape (n_models, n_distances)

    Returns
    -------
    z : ndarray of shape (n_models, n_distances)
    """
    z = np.full(distances.shape, np.nan)
    known = (~np.isnan(others)).sum(axis=0) >= _FEWEST
    values = logarithms(distances[:, known], others[:, known])
    others = logarithms(others[:, known], others[:, known])
    gaps = values - np.nanmean(others, axis=0)
    z[:, known] = in_deviations(gaps, np.nanstd(others, axis=0, ddof=1))
    return z


def in_deviations(gaps: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Gaps between logarithms over their deviation; 0 for a gap that is rounding."""
    return np.where(np.abs(gaps) < NARROWEST, 0.0, gaps) / np.maximum(deviations, NARROWEST)


def zero_where_undefined(z: np.ndarray) -> np.ndarray:
    """What is scored: a distance that a model lacks is neither near nor far."""
    return np.where(np.isnan(z), 0.0, z)


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
        NaN where one is undefined. Models without any are left out, as suspects without any are.
    combine : str
        A key of ``COMBINATIONS``.
    alpha, level : float
    """

    def __init__(self, distances: np.ndarray, combine: str, alpha: float, level: float):
        self.distances = distances[~np.isnan(distances).all(axis=1)]
        self.alpha, self.level = alpha, level
        self.contributions = COMBINATIONS[combine]

    def judge(self, suspects: np.ndarray) -> Ranked:
        """Compare suspects, (n_suspects, n_distances)."""
        found = Ranked.undecided(*suspects.shape)
        known = (~np.isnan(self.distances)).sum(axis=0) >= _FEWEST
        rows = np.flatnonzero((known & ~np.isnan(suspects)).any(axis=1))
        for start in range(0, len(rows), _TOGETHER):
            some = rows[start : start + _TOGETHER]
            self._rank(suspects[some], some, found)
        return found

    def _rank(self, suspects: np.ndarray, rows: np.ndarray, found: Ranked) -> None:
        each = np.broadcast_to(self.distances, (len(rows), *self.distances.shape))
        z = standardised(np.concatenate([each, suspects[:, None]], axis=1))
        shares = self.contributions(zero_where_undefined(z))
        scores = shares.sum(axis=-1)
        others, own = np.sort(scores[:, :-1], axis=1)[:, ::-1], scores[:, -1]
        n = len(self.distances)
        n_as_high = as_high(others, own[:, None]).sum(axis=1)
        rank = int(self.alpha * SLACK * (n + 1))
        found.p_values[rows] = (1 + n_as_high) / (n + 1)
        found.scores[rows] = own
        found.margins[rows] = others[:, min(rank, n) - 1] - just_below(own) if rank else np.inf
        found.ordinary[rows] = n_as_high > stats.binom.ppf(self.level, n, self.alpha)
        found.z[rows], found.shares[rows] = z[:, -1], shares[:, -1]


class SmallestP:
    """The smallest of several p-values of fitted curves, times that of all distances (Bonferroni).

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
        least = p[known, first] * len(self.nulls)
        found.p_values[known] = np.minimum(least, 1.0)
        found.scores[known] = -np.log(least)
        found.margins[known] = np.log(least / self.alpha)
        # Any model as near by that one distance has a smallest p-value as small.
        found.ordinary[known] = suspects[known, first] >= self.ordinary_from[first]
        found.shares[known, first] = 1.0
        return found
