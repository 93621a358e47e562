# SPDX-License-Identifier: BSD-3-Clause
"""From the scores of a unit to coefficients, and how far the scores move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import array_api_compat
import numpy as np

from ..plan import QueryPlan, coefficients, kernel_weights
from ..queries import Array, Space
from ._batches import Batch
from ._guard import Respondent, rounding

__all__ = ["Extent", "LocalFits", "PointCoefficients"]


@dataclass
class Extent:
    """How far one model's scores move.

    Attributes
    ----------
    first : ndarray of shape (n_classes,)
        Scores of one question.
    deviation : float
        No score is farther from these.
    eps : float
        Rounding unit of the scores.
    """

    first: np.ndarray
    deviation: float
    eps: float

    @property
    def is_constant(self) -> bool:
        """Whether the scores move no more than rounding does."""
        return self.deviation <= rounding(self.eps, float(np.max(np.abs(self.first))))

    def joined(self, other: Extent) -> Extent:
        """Of the scores of both."""
        between = float(np.max(np.abs(other.first - self.first)))
        deviation = max(self.deviation, other.deviation + between)
        return Extent(self.first, deviation, max(self.eps, other.eps))


@dataclass
class PointCoefficients:
    """What one model's answers about a run of points come down to.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, n_columns of these points)
        Coefficients, or the scores themselves where they are kept.
    extent : Extent
    """

    coef: np.ndarray
    extent: Extent

    @classmethod
    def join(cls, runs: Sequence[PointCoefficients]) -> PointCoefficients:
        """Those of consecutive runs of points as one."""
        coef = np.concatenate([run.coef for run in runs], axis=1)
        return cls(coef, reduce(Extent.joined, [run.extent for run in runs]))


class LocalFits:
    """The local regressions of a plan, in the array space of the models.

    Parameters
    ----------
    plan : QueryPlan
    space : Space
    keep_scores : bool, default=False
        Keep the scores of all masks as they are, in place of coefficients.
    """

    def __init__(self, plan: QueryPlan, space: Space, keep_scores: bool = False):
        self.plan, self.space, self.keep_scores = plan, space, keep_scores
        self._on_device = space.is_device and space.has_float64

    def __call__(
        self, unit: Batch, answers: Iterable[tuple[Respondent, Array]]
    ) -> list[PointCoefficients]:
        """What the scores of each model about a unit come down to."""
        scores, extents = [], []
        for asked, Z in answers:
            Z = Z if self._on_device else self.space.to_numpy(Z)
            extents.append(self._extent(unit, asked, Z))
            scores.append(Z)
        by_point = []
        # One fit at a time: it holds its masks as floats, which is more than the scores.
        for of_models in zip(*map(unit.by_piece, scores), strict=True):
            n = of_models[0][0].point
            fit = self._fit_at(n)
            by_point.append([self._coefficients(n, Z, fit) for _, Z in of_models])
        coefs = [np.concatenate(of_one, axis=1) for of_one in zip(*by_point, strict=True)]
        return list(map(PointCoefficients, coefs, extents))

    def _extent(self, unit: Batch, asked: Respondent, Z: Array) -> Extent:
        """How far scores move.

        Raises
        ------
        ValueError
            If they are not all finite.
        """
        xp = array_api_compat.array_namespace(Z)
        # One pass for two questions: NaN and infinity carry through to the maximum.
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = float(xp.max(xp.abs(Z - Z[:1])))
        if not np.isfinite(deviation):
            self._refuse_non_finite(unit, asked.name, self.space.to_numpy(Z))
        first = np.array(self.space.to_numpy(Z[0]), dtype=np.float64)  # a view would keep all of Z
        return Extent(first, deviation, asked.eps(Z))

    def _fit_at(self, n: int) -> Callable[[Array], Array] | None:
        """From scores to coefficients at a point, in the space where the scores are.

        Factored on the host: a device takes longer for small systems of equations, and is busy
        with the next unit.
        """
        fit = None if self.keep_scores else self.plan.fit_at(n)
        if fit is None or not self._on_device:
            return fit
        operator = self.space.asarray(fit.operator)
        if fit.centre is None:
            return lambda Z: operator @ Z
        centre = self.space.asarray(fit.centre)
        return lambda Z: operator @ (Z - centre @ Z)

    def _coefficients(self, n: int, Z: Array, fit: Callable[[Array], Array] | None) -> np.ndarray:
        """Scores of the questions about one point to coefficients, class by class."""
        xp = array_api_compat.array_namespace(Z)
        Z = self.plan.for_each_mask(n, xp.astype(Z, xp.float64, copy=False))
        if fit is None:
            return self._without_fit(n, self.space.to_numpy(Z)).T
        return self.space.to_numpy(fit(Z)).T

    def _without_fit(self, n: int, Z: np.ndarray) -> np.ndarray:
        """Scores kept or centred, or the coefficients of a regressor that has no closed form."""
        if self.keep_scores:
            return Z
        if self.plan.is_passthrough:
            centred = Z - Z.mean(axis=0)
            return centred - centred.mean(axis=1, keepdims=True)
        masks = self.plan.masks[n]
        weights = kernel_weights(masks, self.plan.kernel_width)
        return coefficients(self.plan.surrogate, masks, Z, weights)

    def _refuse_non_finite(self, unit: Batch, name: str, Z: np.ndarray) -> None:
        for piece, of_point in unit.by_piece(Z):
            bad = of_point.size - np.count_nonzero(np.isfinite(of_point))
            if bad:
                raise ValueError(
                    f"{name} gave {bad} non-finite scores of {of_point.size} at reference point "
                    f"{int(self.plan.indices[piece.point])}. Is an input outside the range it was "
                    "trained for, or a weight NaN? Scores are never imputed."
                )
