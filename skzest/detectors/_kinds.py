# SPDX-License-Identifier: BSD-3-Clause
"""Kinds of unrelated models, and how often a model of each would be called "reused"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from .._validation import check_models, counted
from ..comparing import ShownAsTable, TableText, interval_text, number
from ._null import SLACK
from ._rule import Settings
from ._rules import called_reused
from ._table import Table

__all__ = ["FalsePositives", "by_kind", "check_kinds", "false_positives", "groups_of"]


@dataclass(frozen=True, repr=False)
class FalsePositives(ShownAsTable):
    """False-positive rates by kind of unrelated model; ``print`` shows a table.

    Attributes
    ----------
    kinds : tuple of str
    n_models : ndarray of int, shape (n_kinds,)
        Unrelated models of each kind.
    rate, low, high : ndarrays of shape (n_kinds,)
        Share that would be called "reused" by one limit for all kinds, each model judged by all
        others, and the ends of its 95 % interval (Clopper-Pearson). A model without any distance
        is not called "reused".
    unseen : ndarray of shape (n_kinds,)
        The same share if no model of the kind calibrates.
    has_own_limit : ndarray of bool, shape (n_kinds,)
        Whether enough models of the kind have distances for a limit of its own: then suspects must
        be below that limit, too, and the rate of the kind is at most ``alpha``.
    alpha : float
        The nominal rate.
    threshold : float or None
        Fixed threshold of the relative distance, if one decides. Then there is no nominal rate,
        and no kind has a limit of its own.

    Notes
    -----
    `rate` and `unseen` are NaN where the other models cannot calibrate: they are too few,
    or their distances are equal and a curve is to be fitted.
    """

    kinds: tuple[str, ...]
    n_models: np.ndarray
    rate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unseen: np.ndarray
    has_own_limit: np.ndarray
    alpha: float
    threshold: float | None = None

    def _frame(self) -> tuple[dict[str, object], Sequence[str]]:
        names = ("n_models", "rate", "low", "high", "unseen", "has_own_limit")
        return {name: getattr(self, name) for name in names}, self.kinds

    def _text(self) -> TableText:
        columns = ["kind", "models", "called reused (95%)", "if none calibrates", "own limit"]
        rows = [
            [
                kind,
                str(self.n_models[i]),
                interval_text(self.rate[i], self.low[i], self.high[i]),
                number(self.unseen[i]),
                "yes" if self.has_own_limit[i] else "no",
            ]
            for i, kind in enumerate(self.kinds)
        ]
        title = "How often unrelated models would be called reused"
        return TableText(title, columns, rows, self._note())

    def _note(self) -> str:
        note = f"Nominal rate: {self.alpha:g}. A kind with its own limit keeps it."
        if self.threshold is not None:
            limit = number(self.threshold)
            note = f"Intervals of relative distances below {limit} decide: no rate is kept."
        if np.isnan([*self.rate, *self.unseen]).any():
            note += " –: the other models cannot calibrate: they are too few, or equally far."
        return note


def by_kind(unrelated: object) -> tuple[list[object], list[str] | None]:
    """Unrelated models as a list, and the kind of each if they are given by kind."""
    if not isinstance(unrelated, Mapping):
        return check_models(unrelated, "unrelated"), None
    of_kind: dict[str, list[object]] = {}
    for kind, models in unrelated.items():
        if str(kind) in of_kind:
            raise ValueError(
                f"unrelated has two kinds that read {str(kind)!r}; give each its own name, or put "
                "their models into one list."
            )
        of_kind[str(kind)] = check_models(models, f"unrelated[{kind!r}]")
    kinds = [kind for kind, models in of_kind.items() for _ in models]
    return [model for models in of_kind.values() for model in models], kinds


def check_kinds(kinds: Sequence[object] | None, n_unrelated: int) -> np.ndarray | None:
    """The kind of each unrelated model as text."""
    if kinds is None:
        return None
    if isinstance(kinds, str):
        raise TypeError(
            f"kinds must be a list of names, one for each unrelated model; got {kinds!r}. Pass "
            f"[{kinds!r}] * {n_unrelated} for models of one kind."
        )
    named = [str(kind) for kind in kinds]
    if len(named) != n_unrelated:
        models = counted(n_unrelated, "unrelated model")
        raise ValueError(f"{counted(len(named), 'kind')} for {models}; pass one for each.")
    return np.array(named)


def groups_of(kinds: np.ndarray | None, table: Table, settings: Settings) -> list[np.ndarray]:
    """All unrelated models, then those of each kind that has enough for a limit of its own."""
    groups = [np.arange(len(table.distances))]
    if kinds is not None:
        groups += [group for group in _members(kinds) if _has_own_limit(group, table, settings)]
    return groups


def _has_own_limit(group: np.ndarray, table: Table, settings: Settings) -> bool:
    """Whether a kind, which is not all there are, has enough models with distances."""
    n_known = settings.n_calibrating(table.distances[group])
    enough = len(group) < len(table.distances) and n_known >= settings.fewest_of_kind
    return enough and settings.threshold is None


def false_positives(kinds: np.ndarray, table: Table, settings: Settings) -> FalsePositives:
    """Judge each unrelated model by all others, and each kind by the other kinds."""
    one_less = replace(settings, alpha=_level_of_one_less(table, settings))
    everyone, members = np.arange(len(kinds)), _members(kinds)
    called = np.array([_share_called(everyone[[j]], table, one_less) for j in everyone])
    rate = np.array([called[group].mean() for group in members])
    ends = [_interval(called[group]) for group in members]
    return FalsePositives(
        kinds=tuple(_in_order(kinds)),
        n_models=np.array([len(group) for group in members]),
        rate=rate,
        low=np.array([low for low, _ in ends]),
        high=np.array([high for _, high in ends]),
        unseen=np.array([_share_called(group, table, settings) for group in members]),
        has_own_limit=np.array([_has_own_limit(group, table, settings) for group in members]),
        alpha=settings.alpha,
        threshold=settings.threshold,
    )


def _level_of_one_less(table: Table, settings: Settings) -> float:
    """Without a suspect there is one model less: as many may be as near as with one."""
    if settings.null != "conformal" or settings.threshold is not None:
        return settings.alpha
    m = settings.n_calibrating(table.distances)
    return int(settings.alpha * SLACK * (m + 1)) / m


def _interval(called: np.ndarray) -> tuple[float, float]:
    """Ends of the interval of a share; NaN if it is unknown for some models."""
    if np.isnan(called).any():
        return np.nan, np.nan
    found = stats.binomtest(int(called.sum()), len(called)).proportion_ci()
    return found.low, found.high


def _share_called(group: np.ndarray, table: Table, settings: Settings) -> float:
    """The share of some models that is called "reused" if only the others calibrate."""
    others = np.setdiff1d(np.arange(len(table.distances)), group)
    try:
        return float(called_reused(table, settings, others, group).mean())
    except ValueError:  # too few, or equal ones, are left to calibrate
        return np.nan


def _members(kinds: np.ndarray) -> list[np.ndarray]:
    """The models of each kind."""
    return [np.flatnonzero(kinds == kind) for kind in _in_order(kinds)]


def _in_order(kinds: np.ndarray) -> list[str]:
    return list(dict.fromkeys(kinds.tolist()))
