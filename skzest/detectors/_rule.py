# SPDX-License-Identifier: BSD-3-Clause
"""From distances to a verdict: what the rules for one distance and for several share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from .._validation import check_choice, check_real
from ..comparing import check_level, p_value
from ._decisions import REUSED, UNDECIDED, UNRELATED, ReuseDecisions, check_labels
from ._ensemble import COMBINATIONS
from ._null import Assumption, check_enough, n_needed
from ._relative import check_n_unrelated, few_unrelated
from ._table import Table

__all__ = ["Rule", "Settings", "called"]

# Fewest models of a kind for a curve of their own.
_FEWEST_FOR_CURVE = 5


@dataclass(frozen=True)
class Settings:
    """The parameters of a :class:`~skzest.ReuseDetector`."""

    alpha: float
    null: str
    threshold: float | None
    correction: str | None
    level: float
    combine: str

    def check(self, n_unrelated: int, n_distances: int = 1) -> None:
        """Refuse what cannot be, before any model is asked."""
        check_real(self.alpha, "alpha")
        if not 0 < self.alpha < 1:
            hint = " For 5 %, pass 0.05." if self.alpha >= 1 else ""
            raise ValueError(f"alpha must be between 0 and 1; got {self.alpha!r}.{hint}")
        check_level(self.level)
        check_choice(self.correction, "correction", ("fdr", None))
        check_choice(self.combine, "combine", COMBINATIONS)
        if self.threshold is not None and not check_real(self.threshold, "threshold") > 0:
            raise ValueError(
                f"threshold must be positive, like a relative distance; got {self.threshold!r}."
            )
        if self.threshold is not None and n_distances > 1:
            raise ValueError(
                f"threshold={self.threshold} is a limit of one relative distance, but there are "
                f"{n_distances}. Pass threshold=None to decide by alpha, or one distance."
            )
        self.check_number(n_unrelated)

    def check_number(self, n_unrelated: int) -> None:
        """Refuse fewer unrelated models than the null distribution needs."""
        check_n_unrelated(n_unrelated)
        check_enough(self.null, n_unrelated, self.alpha if self.threshold is None else None)

    def check_known(self, table: Table) -> None:
        """Refuse several distances if too few unrelated models have them."""
        if self.null == "conformal":
            check_enough(self.null, self.n_calibrating(table.distances), self.alpha)
            return
        for name, n in zip(table.names, (~np.isnan(table.distances)).sum(axis=0)):
            try:
                check_enough(self.null, int(n), self.alpha)
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error

    def n_calibrating(self, distances: np.ndarray) -> int:
        """Models that are ranked: with any distance. A curve takes those with the same distance."""
        has = ~np.isnan(distances.reshape(len(distances), -1))
        return int(has.any(axis=1).sum() if self.null == "conformal" else has.sum(axis=0).max())

    @property
    def fewest_of_kind(self) -> int:
        """Models that a kind needs to calibrate a limit of its own."""
        return n_needed(self.alpha) if self.null == "conformal" else _FEWEST_FOR_CURVE

    def adjusted(self, p: np.ndarray) -> np.ndarray:
        """P-values corrected for the number of suspects; NaN is not one of them."""
        known = ~np.isnan(p)
        if self.correction is None or known.sum() < 2:
            return p
        adjusted = p.copy()
        adjusted[known] = false_discovery_control(p[known])
        return adjusted


def called(reused: np.ndarray, unrelated: np.ndarray) -> np.ndarray:
    """Decisions as words; a suspect that is both is "reused"."""
    return np.where(reused, REUSED, np.where(unrelated, UNRELATED, UNDECIDED))


class Rule:
    """Decides on suspects by their distances; fitted to those of unrelated models.

    Attributes
    ----------
    settings : Settings
    distances : ndarray of shape (n_unrelated,) or (n_unrelated, n_distances)
        Of the unrelated models.
    groups : sequence of ndarray of int
        Unrelated models that a suspect must be nearer than, each group by itself; the first holds
        all.
    unit : float
        Their mean; NaN for several.
    assumption : Assumption or None
        Of a parametric null.
    critical, unrelated_from : float
        Limits of the distance; NaN for several.
    """

    settings: Settings
    distances: np.ndarray
    groups: Sequence[np.ndarray]
    unit: float = np.nan
    assumption: Assumption | None = None
    critical: float = np.nan
    unrelated_from: float = np.nan

    def p_values(self, X: Any) -> np.ndarray:
        """Probability that an unrelated model is as near, for each suspect by itself."""
        raise NotImplementedError

    def score_samples(self, X: Any) -> np.ndarray:
        """The higher, the more like an unrelated model."""
        raise NotImplementedError

    def decision_function(self, X: Any) -> np.ndarray:
        """Negative for "reused"."""
        raise NotImplementedError

    def measure(self, X: Any) -> Any:
        """What :meth:`decide` takes, from distances of suspects."""
        raise NotImplementedError

    def of_answers(self, D: np.ndarray) -> Any:
        """What :meth:`decide` takes, from distances that ``SuspectQuestions`` measured."""
        return self.measure(D)

    def decide(self, measured: Any, labels: Sequence[str] | None) -> ReuseDecisions:
        """Verdicts with everything that they rest on."""
        raise NotImplementedError

    def _result(
        self,
        p_values: np.ndarray,
        adjusted: np.ndarray,
        labels: Sequence[str] | None,
        **by_rule: Any,
    ) -> ReuseDecisions:
        """Verdicts with what all rules add to what each of them finds."""
        settings = self.settings
        return ReuseDecisions(
            p_values=p_values,
            adjusted_p_values=adjusted,
            null_distances=self.distances,
            critical=self.critical,
            unrelated_from=self.unrelated_from,
            alpha=settings.alpha,
            level=settings.level,
            null=settings.null,
            threshold=settings.threshold,
            labels=check_labels(labels, len(p_values)),
            **by_rule,
        )

    def _said(self, adjusted: np.ndarray) -> list[str]:
        """Adjusted p-values in words, and for how many suspects they are adjusted."""
        n = int((~np.isnan(adjusted)).sum())
        among = "" if self.settings.correction is None or n < 2 else f" among {n} suspects"
        return [f"p {p_value(p)}{among}" for p in adjusted]

    def doubts(self) -> list[str]:
        """Warnings about the unrelated models."""
        doubts = few_unrelated(self.settings.n_calibrating(self.distances))
        if self.assumption is not None and self.assumption.doubtful:
            other = ", or the other curve" if self._are_positive else ""
            doubts.append(
                f"{self.assumption}. The p-values depend on it; use null='conformal' with at "
                f"least {n_needed(self.settings.alpha)} unrelated models{other}."
            )
        return doubts

    def doubts_about(self, found: ReuseDecisions) -> list[str]:
        """A warning if the correction for several suspects leaves none that could be found."""
        settings, p = self.settings, found.p_values[~np.isnan(found.p_values)]
        by_rank = settings.null == "conformal" and settings.threshold is None
        if not by_rank or settings.correction is None or len(p) < 2 or REUSED in found.decisions:
            return []
        sizes = [settings.n_calibrating(self.distances[group]) for group in self.groups]
        nearest = [n for n in sizes if 1 / (n + 1) == p.min()]
        if not nearest:
            return []
        n, needed = nearest[0], n_needed(settings.alpha / len(p))
        kind, these = "", "these"
        if n < sizes[0]:
            kind, these = " of a kind", "each kind with a limit of its own"
        name = next(name for name, one in zip(found.names, found.p_values) if one == p.min())
        return [
            f"{name} is nearer than all {n} unrelated models{kind}, but finding a single one "
            f"among {len(p)} suspects at alpha={settings.alpha} takes {needed} of {these}. Train "
            f"more, or use null={'lognormal' if self._are_positive else 'normal'!r}."
        ]

    @property
    def _are_positive(self) -> bool:
        """Whether all distances have a logarithm."""
        return not (self.distances <= 0).any()
