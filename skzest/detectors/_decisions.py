# SPDX-License-Identifier: BSD-3-Clause
"""What is said of suspects, with all that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["REUSED", "UNDECIDED", "UNRELATED", "ReuseDecisions", "check_labels"]

REUSED, UNRELATED, UNDECIDED = "reused", "unrelated", "undecided"


@dataclass(frozen=True)
class ReuseDecisions:
    """What a :class:`~skzest.ReuseDetector` says of some suspects; ``print`` shows a table.

    Attributes
    ----------
    decisions : ndarray of str, shape (n_suspects,)
        "reused", "unrelated" or "undecided"; :class:`~skzest.ReuseDetector` says what each means.
    d_suspects : ndarray of shape (n_suspects,)
        Distances to the owner's model.
    relative, low, high : ndarrays of shape (n_suspects,)
        Relative distances with the ends of their intervals.
    p_values : ndarray of shape (n_suspects,)
        Chance that an unrelated model comes as near, each suspect by itself.
    adjusted_p_values : ndarray of shape (n_suspects,)
        Corrected for the number of suspects; the same where `correction` is None.
    null_distances : ndarray of shape (n_unrelated,)
        Distances of the unrelated models to the owner's model.
    critical : float
        A single suspect below this distance is "reused".
    unrelated_from : float
        A suspect at this distance or farther is "unrelated".
    alpha, level : float
        False-positive rate and confidence level.
    null : str
        Kind of the null distribution.
    threshold : float or None
        Fixed threshold of relative distance, where that is what decides.
    labels : tuple of str or None
        Names of the suspects.
    n_reference : int or None
        Number of reference points; None where only distances were given.
    """

    decisions: np.ndarray
    d_suspects: np.ndarray
    relative: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_values: np.ndarray
    adjusted_p_values: np.ndarray
    null_distances: np.ndarray
    critical: float
    unrelated_from: float
    alpha: float
    level: float
    null: str
    threshold: float | None = None
    labels: tuple[str, ...] | None = None
    n_reference: int | None = None

    def __len__(self) -> int:
        return len(self.decisions)

    def __str__(self) -> str:
        labels = self.labels or tuple(str(i) for i in range(len(self)))
        width = max(len("suspect"), *map(len, labels))
        lines = [f"{'suspect':<{width}}  relative distance ({self.level:.0%})    p      decision"]
        for i, label in enumerate(labels):
            interval = f"{self.relative[i]:6.3f} [{self.low[i]:.3f}, {self.high[i]:.3f}]"
            p = f"{self.adjusted_p_values[i]:.2g}"
            lines.append(f"{label:<{width}}  {interval:<25}  {p:<7} {self.decisions[i]}")
        return "\n".join(lines)


def check_labels(labels: Any, n_models: int) -> tuple[str, ...] | None:
    """Names of models, one for each."""
    if labels is None:
        return None
    labels = tuple(str(label) for label in labels)
    if len(labels) != n_models:
        raise ValueError(f"{len(labels)} labels for {n_models} models; give one for each.")
    return labels
