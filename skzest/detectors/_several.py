# SPDX-License-Identifier: BSD-3-Clause
"""Decisions by several distances together, and which of them decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._validation import counted, listed
from ..comparing import number
from ._decisions import NO_DISTANCE, REUSED, UNRELATED, ReuseDecisions
from ._ensemble import EnsembleNull, Ranked, RankedNull, SmallestP, standardised
from ._null import FEWEST, SLACK, StudentNull, fit_curve
from ._relative import from_distances
from ._rule import Rule, Settings, called
from ._table import Table, check_columns

__all__ = ["SeveralDistances"]


class SeveralDistances(Rule):
    """Compares a score of several distances with those of unrelated models.

    Parameters
    ----------
    table : Table
        Distances of the unrelated models.
    groups : list of ndarray of int
        Unrelated models that a suspect must be nearer than, each group by itself; the first
        holds all.
    settings : Settings
    """

    def __init__(self, table: Table, groups: Sequence[np.ndarray], settings: Settings):
        self.settings, self.distances, self.names = settings, table.distances, table.names
        self.groups = groups
        fewest = [FEWEST] + [settings.fewest_of_kind] * (len(groups) - 1)
        self.nulls: list[EnsembleNull] = [
            self._null(self.distances[group], n) for group, n in zip(groups, fewest)
        ]

    def _null(self, distances: np.ndarray, fewest: int) -> EnsembleNull:
        """Of models of a group; curves only for distances that so many of them have."""
        settings = self.settings
        if settings.null == "conformal":
            return RankedNull(distances, settings.combine, settings.alpha, settings.level)
        curves: list[StudentNull | None] = []
        for name, d in zip(self.names, distances.T):
            known = d[~np.isnan(d)]
            try:
                curves.append(fit_curve(settings.null, known) if len(known) >= fewest else None)
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error
        return SmallestP(curves, settings.alpha, settings.level)

    def judge(self, suspects: np.ndarray) -> Ranked:
        """The verdict of the group that finds a suspect most like its own models.

        A group in which none of a suspect's distances can be used (p-value NaN) has no say.
        """
        by_group = [null.judge(suspects) for null in self.nulls]
        return by_group[0]._replace(
            p_values=np.fmax.reduce([found.p_values for found in by_group]),
            margins=np.fmax.reduce([found.margins for found in by_group]),
            ordinary=np.any([found.ordinary for found in by_group], axis=0),
        )

    def p_values(self, X: ArrayLike) -> np.ndarray:
        return self.judge(self.measure(X)).p_values

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        return -self.judge(self.measure(X)).scores

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        return self.judge(self.measure(X)).margins

    def measure(self, X: ArrayLike) -> np.ndarray:
        return check_columns(X, "X", self.names)

    def decide(self, measured: np.ndarray, labels: Sequence[str] | None) -> ReuseDecisions:
        settings, found = self.settings, self.judge(measured)
        adjusted = settings.adjusted(found.p_values)
        reused = adjusted <= settings.alpha * SLACK
        decisions = called(reused, found.ordinary)
        decided_by = [
            self._decided_by(shares) if is_reused else ()
            for shares, is_reused in zip(found.shares, reused)
        ]
        distances = self._by_suspect(measured)
        relative, low, high = self._relative(distances)
        return self._result(
            found.p_values,
            adjusted,
            labels,
            decisions=decisions,
            reasons=tuple(self._reasons(found, adjusted, decisions, decided_by)),
            d_suspects=distances,
            relative=relative,
            low=low,
            high=high,
            distances=self.names,
            z=found.z,
            null_z=standardised(self.distances),
            decided_by=tuple(decided_by),
        )

    def _by_suspect(self, measured: np.ndarray) -> np.ndarray:
        """Distances of the suspects, (n_suspects, n_distances)."""
        return measured

    def _decided_by(self, shares: np.ndarray) -> tuple[str, ...]:
        """The fewest distances that make up half of the score, the largest share first."""
        order = np.argsort(-shares, kind="stable")
        half = np.searchsorted(np.cumsum(shares[order]), shares.sum() / 2 * (1 - 1e-9)) + 1
        return tuple(self.names[k] for k in order[:half])

    def _relative(self, measured: np.ndarray) -> np.ndarray:
        """Relative distances with the ends of their intervals, each (n_suspects, n_distances).

        NaN for a distance that fewer than two unrelated models have.
        """
        ends = np.full((3, *measured.shape), np.nan)
        for k, (d, null) in enumerate(zip(measured.T, self.distances.T)):
            known = null[~np.isnan(null)]
            if len(known) >= 2:
                found = from_distances(d, known, self.settings.level)
                ends[:, :, k] = found.relative, found.low, found.high
        return ends

    def _reasons(
        self,
        found: Ranked,
        adjusted: np.ndarray,
        decisions: np.ndarray,
        decided_by: Sequence[tuple[str, ...]],
    ) -> Iterator[str]:
        for i, (decision, p) in enumerate(zip(decisions, self._said(adjusted))):
            if np.isnan(found.p_values[i]):
                yield NO_DISTANCE
                continue
            if decision == REUSED:
                by = self._named(found.z[i], decided_by[i])
                said = f"{p}, at most {self.settings.alpha:g}, by {by}"
            elif decision == UNRELATED:
                said = f"{p}, which is ordinary between unrelated models"
            else:
                said = f"{p}, and not certainly ordinary between unrelated models"
            yield said + self._used(found.z[i])

    def _named(self, z: np.ndarray, names: Sequence[str]) -> str:
        return listed(f"{name} (z {number(z[self.names.index(name)])})" for name in names)

    def _used(self, z: np.ndarray) -> str:
        n_used, n = int((~np.isnan(z)).sum()), len(self.names)
        return "" if n_used == n else f" (from {n_used} of {counted(n, 'distance')})"
