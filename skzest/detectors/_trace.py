# SPDX-License-Identifier: BSD-3-Clause
"""The trace that points leave in a model, and the share of it that another model has.

Arrays end in an axis of length ``1 + n_points``: distances over all points, then those without
each point. It has length 1 if only distances are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from ..comparing import jackknife_error, leave_one_out
from ._jackknife import two_way
from ._null import TIES

__all__ = ["Share", "Trace", "all_and_without"]


class Share(NamedTuple):
    """The trace, or a share of it, with its interval; NaN if it is undefined."""

    left: float = np.nan
    low: float = np.nan
    high: float = np.nan


class Trace:
    """Distances of the original to retrained models, and among these.

    Parameters
    ----------
    among : ndarray of shape (n_retrained, n_retrained, 1 + n_points)
    original : ndarray of shape (n_retrained, 1 + n_points)
    """

    def __init__(self, among: np.ndarray, original: np.ndarray):
        self.among, self.original = among, original

    def size(self, level: float) -> Share:
        """The trace of the original with its interval."""
        return self._interval(self.original, level, lambda d, d_original, d_among: _gap(d, d_among))

    def share(self, to_retrained: np.ndarray, level: float) -> Share:
        """Share of the trace that a model has, with its interval; NaN if there is no trace."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self._interval(
                to_retrained,
                level,
                lambda d, d_original, d_among: _gap(d, d_among) / _gap(d_original, d_among),
            )
        return found if np.isfinite(found.left) else Share()

    def only(self, kept: np.ndarray) -> Trace:
        """The same with some of the retrained models, by a mask of them."""
        return Trace(self.among[np.ix_(kept, kept)], self.original[kept])

    def _interval(self, to_retrained: np.ndarray, level: float, value: Callable) -> Share:
        """Student's interval of a function of three mean distances."""
        # If only distances to the model are known, nothing is known about its points.
        m, n_points = len(self.among), to_retrained.shape[-1] - 1
        among, original = (d[..., : 1 + n_points] for d in (self.among, self.original))
        own = among.sum(axis=1) / (m - 1)  # of each retrained model to the others
        means = [to_retrained.mean(axis=0), original.mean(axis=0), own.mean(axis=0)]
        values = value(*means)
        estimate = float(values[0])
        over_points = jackknife_error(values[1:]) if n_points else np.zeros(())

        D = among[:, :, 0]
        without = [(d[:, 0].sum() - d[:, 0]) / (m - 1) for d in (to_retrained, original)]
        without.append((D.sum() - 2 * D.sum(axis=0)) / ((m - 1) * (m - 2)))
        over_models = jackknife_error(value(*without))
        # The model itself varies as retrained ones do; value() is linear in its first argument.
        step = value(means[0][0] + 1, means[1][0], means[2][0]) - estimate
        of_itself = own[:, 0].std(ddof=1) * abs(step)
        error, freedom = two_way(over_points, n_points, np.hypot(over_models, of_itself), m)
        reach = float(stdtrit(freedom, (1 + level) / 2) * error)
        return Share(estimate, estimate - reach, estimate + reach)


def _gap(d: np.ndarray, d_among: np.ndarray) -> np.ndarray:
    """By how much mean distances are larger; 0 if they are equal but for rounding."""
    gap = d - d_among
    return np.where(np.abs(gap) <= TIES * np.abs(d_among), 0.0, gap)


def all_and_without(sums: np.ndarray) -> np.ndarray:
    """Distances over all points, then those without each: (n_pairs, 1 + n_points)."""
    distances, without = leave_one_out(sums)
    return np.concatenate([distances[:, None], without], axis=1)
