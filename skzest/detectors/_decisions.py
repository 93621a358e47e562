# SPDX-License-Identifier: BSD-3-Clause
"""Decisions on models, with everything they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validation import counted
from ..comparing import ShownAsTable, TableText, interval_text, number

__all__ = [
    "LIKE_ORIGINAL",
    "LIKE_RETRAINED",
    "NO_DISTANCE",
    "REUSED",
    "UNDECIDED",
    "UNRELATED",
    "Decisions",
    "ReuseDecisions",
    "UnlearningDecisions",
    "check_distance_names",
    "check_labels",
]

REUSED, UNRELATED, UNDECIDED = "reused", "unrelated", "undecided"
LIKE_ORIGINAL, LIKE_RETRAINED = "no different from the original", "like retrained"
NO_DISTANCE = "no distance (NaN), as for a constant model or one without a class in common"


@dataclass(frozen=True, kw_only=True, repr=False)
class Decisions(ShownAsTable):
    """What the results of all detectors have in common; ``print`` shows a table.

    Attributes
    ----------
    decisions : ndarray of str, shape (n_models,)
        One decision for each model.
    reasons : tuple of str
        What each decision rests on.
    low, high : ndarrays of shape (n_models,)
        Ends of the intervals of the measured quantity.
    level : float
        Confidence level of the intervals.
    labels : tuple of str or None
        Names of the models.
    """

    decisions: np.ndarray
    reasons: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    level: float
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.decisions)

    # What subclasses say: the kind of model, the question, the measured quantity, and the
    # attributes that are columns of a DataFrame.
    _kind: ClassVar[str]
    _question: ClassVar[str]
    _measured: ClassVar[tuple[str, str]]
    _columns: ClassVar[tuple[str, ...]]
    _stored: ClassVar[dict[str, str]] = {}  # attributes of columns that have another name

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, or "suspect 0" and so on."""
        return self.labels or tuple(f"{self._kind} {i}" for i in range(len(self)))

    def _frame(self) -> tuple[dict[str, object], Sequence[str] | None]:
        columns = {name: getattr(self, self._stored.get(name, name)) for name in self._columns}
        return columns, self.labels

    def _text(self) -> TableText:
        attribute, title = self._measured
        values = map(interval_text, getattr(self, attribute), self.low, self.high)
        columns = [self._kind, f"{title} ({self.level:.0%})", "decision", "because"]
        rows = [list(row) for row in zip(self.names, values, self.decisions, self.reasons)]
        return TableText(self._question, columns, rows)


@dataclass(frozen=True, kw_only=True, repr=False)
class ReuseDecisions(Decisions):
    """What a :class:`~skzest.ReuseDetector` decided; ``print`` shows a table.

    Attributes
    ----------
    decisions : ndarray of str, shape (n_suspects,)
        "reused", "unrelated" or "undecided"; see :class:`~skzest.ReuseDetector`.
    reasons : tuple of str
        What each decision rests on.
    d_suspects : ndarray of shape (n_suspects,)
        Distances to the owner's model.
    relative, low, high : ndarrays of shape (n_suspects,)
        Relative distances with the ends of their intervals.
    p_values : ndarray of shape (n_suspects,)
        Probability that an unrelated model is at least as near, for each suspect by itself.
    adjusted_p_values : ndarray of shape (n_suspects,)
        Corrected for the number of suspects; equal to `p_values` without a correction.
    null_distances : ndarray of shape (n_unrelated,)
        Distances of the unrelated models to the owner's model.
    critical : float
        A single suspect below this distance is "reused".
    unrelated_from : float
        A suspect at this distance or farther is "unrelated".
    alpha, level : float
        False-positive rate, and confidence level of the intervals.
    null : str
        Kind of the null distribution.
    threshold : float or None
        Fixed threshold of the relative distance, if one decided.
    labels : tuple of str or None
        Names of the suspects.
    n_reference : int or None
        Number of reference points; None if only distances were given.
    distances : tuple of str or None
        Names of the distances, if there are several. Then `d_suspects`, `relative`, `low` and
        `high` have shape (n_suspects, n_distances), `null_distances` has shape (n_unrelated,
        n_distances), and `critical` and `unrelated_from` are NaN.
    z, null_z : ndarray of shape (n_suspects or n_unrelated, n_distances) or None
        Several distances, standardised by the unrelated models; negative ones are near. NaN where
        one is undefined, or fewer than two other models have it.
    decided_by : tuple of tuple of str
        For several distances, those that make up half of the score of a model that is "reused",
        the largest share first; empty for other models.
    """

    d_suspects: np.ndarray
    relative: np.ndarray
    p_values: np.ndarray
    adjusted_p_values: np.ndarray
    null_distances: np.ndarray
    critical: float
    unrelated_from: float
    alpha: float
    null: str
    threshold: float | None = None
    n_reference: int | None = None
    distances: tuple[str, ...] | None = None
    z: np.ndarray | None = None
    null_z: np.ndarray | None = None
    decided_by: tuple[tuple[str, ...], ...] = ()

    _kind = "suspect"
    _question = "Was it made from the owner's model?"
    _measured = "relative", "relative distance"
    _columns = (
        *("decisions", "distance", "relative", "low", "high"),
        *("p_values", "adjusted_p_values", "reasons"),
    )
    _stored: ClassVar = {"distance": "d_suspects"}

    def _frame(self) -> tuple[dict[str, object], Sequence[str] | None]:
        if self.distances is None or self.z is None:
            return super()._frame()
        columns: dict[str, object] = {name: getattr(self, name) for name in _OF_SEVERAL}
        columns["decided_by"] = [", ".join(names) for names in self.decided_by]
        columns |= dict(zip(self.distances, self.d_suspects.T))
        columns |= {_z_of(name): z for name, z in zip(self.distances, self.z.T)}
        return columns | {"reasons": self.reasons}, self.labels

    def _text(self) -> TableText:
        if self.distances is None or self.z is None:
            return super()._text()
        columns = [self._kind, *self.distances, "decision", "because"]
        rows = [
            [name, *map(number, z), decision, reason]
            for name, z, decision, reason in zip(self.names, self.z, self.decisions, self.reasons)
        ]
        note = "Distances are standardised by the unrelated models; negative ones are near."
        return TableText(self._question, columns, rows, note)


@dataclass(frozen=True, kw_only=True, repr=False)
class UnlearningDecisions(Decisions):
    """What an :class:`~skzest.UnlearningVerifier` decided; ``print`` shows a table.

    Attributes
    ----------
    decisions : ndarray of str, shape (n_candidates,)
        "no different from the original", "like retrained" or "undecided".
    reasons : tuple of str
        What each decision rests on.
    trace_left, low, high : ndarrays of shape (n_candidates,)
        Share of the trace that is left, on average 1 for models like the original and 0 for
        retrained ones, with the ends of its interval. NaN with fewer than 3 retrained models.
    d_original : ndarray of shape (n_candidates,)
        Distances to the original.
    d_retrained : ndarray of shape (n_candidates,)
        Mean distances to the retrained models other than itself; NaN if there are none.
    level : float
        Confidence level of the intervals.
    labels : tuple of str or None
        Names of the candidates.
    """

    trace_left: np.ndarray
    d_original: np.ndarray
    d_retrained: np.ndarray

    _kind = "candidate"
    _question = "Was the data forgotten?"
    _measured = "trace_left", "trace left"
    _columns = (
        *("decisions", "trace_left", "low", "high"),
        *("d_original", "d_retrained", "reasons"),
    )


# Columns of a DataFrame of several distances, before those that are named by the distances.
_OF_SEVERAL = ("decisions", "p_values", "adjusted_p_values")


def _z_of(distance: str) -> str:
    return f"z of {distance}"


def check_distance_names(names: Sequence[str], where: str) -> None:
    """Refuse names of distances that are other columns of ``ReuseDecisions.to_frame()``."""
    taken = {*_OF_SEVERAL, "decided_by", "reasons", *map(_z_of, names)}
    for name in names:
        if name in taken:
            raise ValueError(
                f"{where} has a column {name!r}, but a column of that name in to_frame() of the "
                f"decisions holds something else. Rename it, as to 'distance {name}'."
            )


def check_labels(labels: Sequence[object] | None, n_models: int) -> tuple[str, ...] | None:
    """Names of models, one for each."""
    if labels is None:
        return None
    if isinstance(labels, str):
        raise TypeError(
            f"labels must be a list of names, one for each model; got {labels!r}. For one model, "
            f"pass [{labels!r}]."
        )
    labels = tuple(str(label) for label in labels)
    if len(labels) != n_models:
        given, models = counted(len(labels), "label"), counted(n_models, "model")
        raise ValueError(f"{given} for {models}; pass one for each.")
    return labels
