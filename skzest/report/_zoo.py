# SPDX-License-Identifier: BSD-3-Clause
"""What is known of the models that a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..comparing import distance_interval
from ..detectors import ReuseDecisions
from ..plan import QueryPlan
from . import _html as page

__all__ = ["Zoo"]


@dataclass
class Zoo:
    """What is known of the models."""

    signatures: np.ndarray
    distances: np.ndarray
    plan: QueryPlan
    classes: np.ndarray
    labels: list[str]
    groups: np.ndarray | None
    kinds: list[str] | None

    def __len__(self) -> int:
        return len(self.labels)

    def pairs(self) -> list[tuple[int, int]]:
        """All pairs that have a distance, the nearest first."""
        first, second = np.triu_indices(len(self), 1)
        d = self.distances[first, second]
        order = [k for k in np.argsort(d, kind="stable") if not np.isnan(d[k])]
        return [(int(first[k]), int(second[k])) for k in order]

    def check_pair(self, pair: Any) -> None:
        """Refuse what is no pair of different models with a distance."""
        if pair is None:
            return
        i, j = pair
        if not (0 <= i < len(self) and 0 <= j < len(self) and i != j):
            raise ValueError(
                f"pair={pair!r} is no pair of different models; there are {len(self)}, from 0."
            )
        if np.isnan(self.distances[i, j]):
            raise ValueError(
                f"pair={pair!r}: {self.labels[i]!r} and {self.labels[j]!r} have no distance (NaN)."
            )

    def summary(self, verdicts: list) -> str:
        """The page in some sentences."""
        pairs = self.pairs()
        were = "models were" if len(self) > 1 else "model was"
        said = [
            f"{len(self)} {were} asked the same {self.plan.n_queries:,} questions about "
            f"{len(self.plan)} reference points."
        ]
        for found in verdicts:
            said.append(_counted(found))
        if pairs:
            said.append(f"Nearest: {self._told(pairs[0])}.")
        if len(pairs) > 1:
            said.append(f"Farthest: {self._told(pairs[-1])}.")
        lost = np.flatnonzero(np.isnan(self.distances.diagonal()))
        if len(lost):
            names = ", ".join(page.name(self.labels[i]) for i in lost)
            said.append(f"Without a distance, as they answer every question alike: {names}.")
        return page.items(said)

    def _told(self, pair: tuple[int, int]) -> str:
        i, j = pair
        both = f"{page.name(self.labels[i])} and {page.name(self.labels[j])}"
        return f"{both}, at {self.distances[i, j]:.3g} {self.interval(pair)}"

    def interval(self, pair: tuple[int, int]) -> str:
        """The 95 % interval of a distance; nothing where there are too few points for one."""
        i, j = pair
        if len(self.plan) < 2:
            return ""
        found = distance_interval(self.signatures[i], self.signatures[j], self.plan)
        return f"[{found.low:.3g}, {found.high:.3g}]"


def _counted(found: Any) -> str:
    verdicts = found.decisions
    what = "suspect" if isinstance(found, ReuseDecisions) else "candidate"
    counts = {str(verdict): 0 for verdict in verdicts}
    for verdict in verdicts:
        counts[str(verdict)] += 1
    listed = ", ".join(f"{n} “{page.escape(verdict)}”" for verdict, n in counts.items())
    return f"Of {len(verdicts)} {what}{'s' if len(verdicts) > 1 else ''}: {listed}."
