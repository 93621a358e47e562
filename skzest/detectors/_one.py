# SPDX-License-Identifier: BSD-3-Clause
"""Decisions by one distance, relative to the mean distance of unrelated models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..comparing import interval_text, number
from ._decisions import NO_DISTANCE, REUSED, UNDECIDED, UNRELATED, ReuseDecisions
from ._null import SLACK, make_null
from ._relative import RelativeDistances, check_unrelated, from_distances
from ._rule import Rule, Settings, called
from ._table import Table, check_column

__all__ = ["OneDistance"]


class OneDistance(Rule):
    """Compares a distance with its null distribution.

    Parameters
    ----------
    table : Table
        Distances of the unrelated models.
    groups : list of ndarray of int
        Unrelated models that a suspect must be nearer than, each group by itself.
    settings : Settings
    name : str
        What errors call the distances.
    """

    def __init__(self, table: Table, groups: Sequence[np.ndarray], settings: Settings, name: str):
        distances, self.column = check_unrelated(table.distances, name), table.column
        self.settings, self.distances, self.groups = settings, distances, groups
        self.unit = float(distances.mean())
        self.nulls = [make_null(settings.null, distances[group]) for group in groups]
        self.assumption = self.nulls[0].assumption
        alpha = settings.alpha
        if settings.threshold is None:
            self.critical = min(null.critical(alpha) for null in self.nulls)
            limits = [null.unrelated_from(alpha, settings.level) for null in self.nulls]
            self.unrelated_from = min(limits)
        else:
            self.critical = self.unrelated_from = settings.threshold * self.unit

    def doubts(self) -> list[str]:
        doubts = super().doubts()
        doubtful = self.assumption is not None and self.assumption.doubtful
        can_be_negative = (self.distances < 0).any()
        if self.critical <= 0 and not doubtful and not can_be_negative:
            other = ", or use null='lognormal'" if self._are_positive else ""
            doubts.append(
                f"with null={self.settings.null!r} no distance is small enough to be called reused "
                f"at alpha={self.settings.alpha:g}: the limit is {self.critical:.3g}. Train more "
                f"unrelated models{other}."
            )
        return doubts

    def p_values(self, X: ArrayLike) -> np.ndarray:
        return self._p_values(self._suspects(X))

    def _p_values(self, d: np.ndarray) -> np.ndarray:
        return np.max([null.p_values(d) for null in self.nulls], axis=0)

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        return self._suspects(X) / self.unit

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        return self.score_samples(X) - self.critical / self.unit

    def measure(self, X: ArrayLike) -> RelativeDistances:
        return from_distances(self._suspects(X), self.distances, self.settings.level)

    def _suspects(self, X: ArrayLike) -> np.ndarray:
        return check_column(X, "X", self.column)

    def decide(self, measured: RelativeDistances, labels: Sequence[str] | None) -> ReuseDecisions:
        settings = self.settings
        p = self._p_values(measured.d_suspects)
        adjusted = settings.adjusted(p)
        if settings.threshold is None:
            reused = adjusted <= settings.alpha * SLACK
            unrelated = measured.points_low * self.unit >= self.unrelated_from
        else:
            reused = measured.high < settings.threshold
            unrelated = measured.low > settings.threshold
        decisions = called(reused, unrelated)
        return self._result(
            p,
            adjusted,
            labels,
            decisions=decisions,
            reasons=tuple(self._reasons(measured, adjusted, decisions)),
            d_suspects=measured.d_suspects,
            relative=measured.relative,
            low=measured.low,
            high=measured.high,
            n_reference=measured.n_reference,
        )

    def _reasons(
        self, measured: RelativeDistances, adjusted: np.ndarray, decisions: np.ndarray
    ) -> Iterator[str]:
        far = self.unrelated_from / self.unit  # relative, like the column beside it
        for i, (decision, p) in enumerate(zip(decisions, self._said(adjusted))):
            if np.isnan(measured.relative[i]):
                yield NO_DISTANCE
            elif self.settings.threshold is not None:
                ends = interval_text(measured.relative[i], measured.low[i], measured.high[i])
                side = {REUSED: "below", UNRELATED: "above", UNDECIDED: "on both sides of"}
                yield f"{ends} is {side[decision]} {number(self.settings.threshold)}"
            elif decision == REUSED:
                yield f"{p}, at most {self.settings.alpha:g}"
            elif decision == UNRELATED:
                d = number(measured.relative[i])
                yield f"{d} is ordinary between unrelated models (from {number(far)} on)"
            elif np.isfinite(far):
                yield f"{p}, and not certainly beyond {number(far)}, where unrelated models begin"
            else:
                yield f"{p}, and too few unrelated models to call it unrelated"
