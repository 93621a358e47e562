# SPDX-License-Identifier: BSD-3-Clause
"""The rule that suits the distances: one, or several together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ._decisions import REUSED
from ._one import OneDistance
from ._rule import Rule, Settings
from ._several import SeveralDistances
from ._table import Table

__all__ = ["called_reused", "rule_of"]


def rule_of(
    table: Table, groups: Sequence[np.ndarray], settings: Settings, name: str = "X"
) -> Rule:
    """The rule, fitted; ``groups`` are the unrelated models that each need to be beaten."""
    if table.names:
        return SeveralDistances(table, groups, settings)
    return OneDistance(table, groups, settings, name)


def called_reused(
    table: Table, settings: Settings, known: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Which unrelated models would be called "reused" if some of the rest calibrate.

    Parameters
    ----------
    table : Table
    settings : Settings
    known, others : ndarrays of int
        Positions of the models that calibrate, and of those that are judged, each by itself.

    Returns
    -------
    reused : ndarray of bool, shape (n_others,)

    Raises
    ------
    ValueError
        If those that calibrate are too few, or equal.
    """
    rest, settings = table.rows(known), replace(settings, correction=None)
    settings.check_number(settings.n_calibrating(rest.distances))
    rule = rule_of(rest, [np.arange(len(known))], settings)
    suspects = rule.measure(table.distances[others])
    return rule.decide(suspects, None).decisions == REUSED
