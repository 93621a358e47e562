# SPDX-License-Identifier: BSD-3-Clause
"""The distribution of distances of unrelated models: by ranks, or by a fitted curve.

Each null has ``p_values(d)``, the probability that an unrelated model is at least as near;
``critical(alpha)``, the distance below which this probability is at most alpha; and
``unrelated_from(alpha, level)``, the distance from which on more than alpha of all unrelated
models are at least as near, with confidence ``level``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .._validation import check_choice

__all__ = [
    "FEWEST",
    "NULLS",
    "SLACK",
    "TIES",
    "Assumption",
    "ConformalNull",
    "Null",
    "StudentNull",
    "check_enough",
    "fit_curve",
    "make_null",
    "n_needed",
]

NULLS = ("conformal", "lognormal", "normal")
FEWEST = 3  # distances that a curve can be fitted to
# Shares are computed in floating point: equal to alpha up to rounding counts as equal.
SLACK = 1 + 1e-12
# Distances or scores nearer than this share of themselves are equal but for rounding.
TIES = 1e-9


@dataclass(frozen=True)
class Assumption:
    """What a parametric null assumes, and whether the distances contradict it.

    Attributes
    ----------
    claim : str
        The assumption in words.
    statistic, p_value : float
        Of the Shapiro-Wilk test. A small p-value contradicts the claim; with few models, a large
        one does not confirm it.
    n_unrelated : int
        Number of distances that were tested.
    """

    claim: str
    statistic: float
    p_value: float
    n_unrelated: int

    @property
    def doubtful(self) -> bool:
        """Whether the test contradicts the claim at 5 %."""
        return self.p_value < 0.05

    def __str__(self) -> str:
        against = "doubtful" if self.doubtful else "not contradicted"
        return (
            f"{self.claim}: {against} (Shapiro-Wilk p = {self.p_value:.2g}, "
            f"{self.n_unrelated} models)"
        )


def n_needed(alpha: float) -> int:
    """Number of unrelated models needed for a p-value by ranks of at most ``alpha``."""
    return int(np.ceil(1 / (alpha * SLACK))) - 1


def check_enough(null: str, n: int, alpha: float | None) -> None:
    """Refuse too few unrelated models; ``alpha`` is None where p-values do not decide."""
    check_choice(null, "null", NULLS)
    if null != "conformal":
        if n < FEWEST:
            raise ValueError(
                f"null={null!r} fits a curve to {n} distances; at least {FEWEST} are needed, and 5 "
                "are advised."
            )
    elif alpha is not None and n < n_needed(alpha):
        raise ValueError(
            f"alpha={alpha} with {n} unrelated models: no p-value by ranks is below 1 / "
            f"({n} + 1) = {1 / (n + 1):.3g}, so {n_needed(alpha)} unrelated models are needed. "
            "Train more, raise alpha, or use null='lognormal'."
        )


def make_null(null: str, distances: np.ndarray) -> Null:
    """The null distribution by its name; :func:`check_enough` has been called."""
    return ConformalNull(distances) if null == "conformal" else fit_curve(null, distances)


def fit_curve(null: str, distances: np.ndarray) -> StudentNull:
    """A parametric null distribution by its name."""
    if null == "lognormal" and not (distances > 0).all():
        raise ValueError(
            f"null='lognormal' takes logarithms, but the smallest unrelated distance is "
            f"{distances.min():.3g}. Use null='normal' or 'conformal'."
        )
    if np.ptp(distances) <= TIES * np.abs(distances).max():
        raise ValueError(
            f"all {len(distances)} unrelated distances are equal, at least up to rounding, so "
            f"null={null!r} has no width. Pass distances of different models, or use "
            "null='conformal'."
        )
    return StudentNull(distances, logarithm=null == "lognormal")


class ConformalNull:
    """Ranks among the unrelated distances; assumes only that models are exchangeable."""

    assumption: Assumption | None = None

    def __init__(self, distances: np.ndarray):
        self.sorted = np.sort(distances - TIES * np.abs(distances))
        self.n = len(distances)

    def p_values(self, d: np.ndarray) -> np.ndarray:
        """``(1 + number of unrelated as near) / (m + 1)``; near ties count as nearer."""
        p = (1 + np.searchsorted(self.sorted, d, side="right")) / (self.n + 1)
        return np.where(np.isnan(d), np.nan, p)

    def critical(self, alpha: float) -> float:
        """Distances below this have p <= alpha; -inf if no distance can."""
        rank = int(alpha * SLACK * (self.n + 1))
        return float(self.sorted[min(rank, self.n) - 1]) if rank else -np.inf

    def unrelated_from(self, alpha: float, level: float) -> float:
        """One-sided binomial test: so many are as near only if their share is above alpha."""
        rank = int(stats.binom.ppf(level, self.n, alpha)) + 1
        return float(self.sorted[rank - 1]) if rank <= self.n else np.inf


class StudentNull:
    """Student's predictive distribution: distances, or their logarithms, are normal.

    With mean and deviation estimated from m models, the next one is ``t`` distributed around the
    mean, with ``m - 1`` degrees of freedom and a scale wider by ``sqrt(1 + 1 / m)``. So the level
    holds for small m, too.
    """

    def __init__(self, distances: np.ndarray, *, logarithm: bool):
        self.n = len(distances)
        self._to: Callable[[np.ndarray], np.ndarray] = np.log if logarithm else np.asarray
        self._back: Callable[[float], float] = np.exp if logarithm else float
        values = self._to(distances)
        self.mean, self.deviation = float(values.mean()), float(values.std(ddof=1))
        what = "logarithms of unrelated distances" if logarithm else "unrelated distances"
        statistic, p = stats.shapiro(values)
        self.assumption = Assumption(f"{what} are normal", float(statistic), float(p), self.n)

    def p_values(self, d: np.ndarray) -> np.ndarray:
        """Probability that the next unrelated model is at least as near; never quite 0."""
        return np.maximum(stats.t.cdf(self.standardised(d), self.n - 1), np.finfo(float).tiny)

    def standardised(self, d: np.ndarray) -> np.ndarray:
        """Distances, or their logarithms, as Student's t."""
        with np.errstate(divide="ignore"):
            x = self._to(np.maximum(d, 0.0) if self._to is np.log else d)
        return (x - self.mean) / (self.deviation * np.sqrt(1 + 1 / self.n))

    def critical(self, alpha: float) -> float:
        """Distances below this have p <= alpha."""
        scale = self.deviation * np.sqrt(1 + 1 / self.n)
        return float(self._back(self.mean + scale * stats.t.ppf(alpha, self.n - 1)))

    def unrelated_from(self, alpha: float, level: float) -> float:
        """Upper confidence limit of the quantile alpha, by the noncentral t distribution."""
        root = np.sqrt(self.n)
        # By symmetry with a positive noncentrality, where SciPy's implementation is best tested.
        factor = -stats.nct.ppf(1 - level, self.n - 1, -root * stats.norm.ppf(alpha)) / root
        return float(self._back(self.mean + factor * self.deviation))


Null = ConformalNull | StudentNull
