# SPDX-License-Identifier: BSD-3-Clause
"""Distances from sums of products, without holding the signatures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice, check_whole, counted
from ._interval import DistanceInterval, check_level, jackknife_t
from ._metrics import half_square_to_angle, power_of_two, row_squares

__all__ = ["DISTANCES_FROM_SUMS", "PointSums", "RunningProducts"]

# Of two squared lengths: a difference below this is rounding.
_ROUNDING = 1e-14

DISTANCES_FROM_SUMS = ("cosine", "angular", "euclidean")


class RunningProducts:
    """Inner products of all pairs of signatures, summed over reference points as they arrive.

    A signature of 1,000 classes at 128 points of 200 parts takes 200 MB; the sums of a zoo of 50
    such models take 400 kB.

    Parameters
    ----------
    present : ndarray of bool, shape (n_models, n_classes)
        Which classes each model has.
    by_point : bool, default=False
        Also keep the products of each point.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import zest_distances
    >>> from skzest.comparing import RunningProducts
    >>> W = np.random.default_rng(0).normal(size=(3, 2, 10))  # models, classes, components
    >>> sums = RunningProducts(np.ones((3, 2), dtype=bool))
    >>> sums.add(W[..., :4])
    >>> sums.add(W[..., 4:])
    >>> bool(np.allclose(sums.distances("cosine"), zest_distances(W.reshape(3, -1))))
    True
    """

    def __init__(self, present: np.ndarray, *, by_point: bool = False):
        self.present = np.asarray(present, dtype=bool)
        n_models = len(self.present)
        self._products = np.zeros((n_models, n_models))
        self._squares = np.zeros(self.present.shape)
        # Each model in a unit of its own, so that squares neither overflow nor vanish; 0 as long
        # as all its coefficients are.
        self._unit = np.zeros(n_models)
        self._points: list[tuple[np.ndarray, np.ndarray]] | None = [] if by_point else None

    def add(self, W: np.ndarray, n_columns: ArrayLike | None = None) -> None:
        """Add the coefficients at some points.

        Parameters
        ----------
        W : ndarray of shape (n_models, n_classes, n_columns of these points)
            Rows of classes that a model lacks are ignored.
        n_columns : array-like of int, shape (n_points,), optional
            Columns of each point; None is one point.
        """
        W = np.where(self.present[:, :, None], W, 0.0)
        peak = np.maximum(W.max(axis=(1, 2), initial=0.0), -W.min(axis=(1, 2), initial=0.0))
        is_first = (self._unit == 0) & (peak > 0)
        self._unit[is_first] = power_of_two(peak[is_first])
        W /= np.where(self._unit > 0, self._unit, 1.0)[:, None, None]
        if self._points is None:
            self._add(W)
            return
        edges = np.cumsum([W.shape[2]] if n_columns is None else n_columns)[:-1]
        self._points += [self._add(of_point) for of_point in np.split(W, edges, axis=2)]

    def _add(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = np.ascontiguousarray(W).reshape(len(W), -1)
        products, squares = flat @ flat.T, row_squares(W)
        self._products += products
        self._squares += squares
        return products, squares

    def leave_out(self, models: ArrayLike) -> None:
        """Give no distance to some models, by a mask of shape (n_models,)."""
        models = np.asarray(models, dtype=bool)
        for products, squares in [(self._products, self._squares), *(self._points or ())]:
            products[models] = products[:, models] = squares[models] = 0.0

    def point_sums(self) -> PointSums:
        """What each point contributes to each cosine distance; needs ``by_point``."""
        assert self._points is not None
        present = self.present.astype(np.float64)
        return PointSums(
            np.stack([products for products, _ in self._points]),
            np.stack([squares @ present.T for _, squares in self._points]),
        )

    def distances(self, distance: str = "cosine") -> np.ndarray:
        """Distances over the classes that both models have, shape (n_models, n_models).

        NaN for models whose coefficients are all zero, and for pairs without a common class.
        All come from sums: a cosine distance below about 1e-14 is rounding, and so are angular
        and Euclidean distances below about 1e-7 of the largest.
        """
        check_choice(distance, "distance", DISTANCES_FROM_SUMS)
        present = self.present.astype(np.float64)
        ours = self._squares @ present.T  # |x_i|^2 over the classes of j
        undefined = (ours == 0) | (ours.T == 0)
        if distance == "euclidean":
            unit = np.maximum(self._unit[:, None], self._unit)
            mine = self._unit[:, None] / np.where(unit > 0, unit, 1.0)
            whole = mine**2 * ours + mine.T**2 * ours.T
            square = whole - 2 * mine * mine.T * self._products
            D = unit * np.sqrt(np.where(square > _ROUNDING * whole, square, 0.0))
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                D = np.clip(1 - self._products / np.sqrt(ours * ours.T), 0.0, 2.0)
            D = half_square_to_angle(D) if distance == "angular" else D
        np.fill_diagonal(D, 0.0)
        D[undefined] = np.nan
        return D


class PointSums:
    """What each reference point contributes to the cosine distances of a zoo.

    Made by :func:`~skzest.model_distances` with ``return_sums=True``.

    Parameters
    ----------
    products : ndarray of shape (n_reference, n_models, n_models)
        Inner products of the models' coefficients at each point.
    squares : ndarray of shape (n_reference, n_models, n_models)
        Squared lengths of the first model's coefficients, over the classes of the second.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import distance_interval
    >>> from skzest.comparing import PointSums
    >>> W = np.random.default_rng(0).normal(size=(8, 2, 10))  # points, models, columns
    >>> products = W @ W.swapaxes(1, 2)
    >>> squares = np.repeat(np.einsum("nii->ni", products)[:, :, None], 2, axis=2)
    >>> interval = PointSums(products, squares).interval(0, 1)
    >>> x, y = W.transpose(1, 0, 2).reshape(2, -1)
    >>> bool(np.isclose(interval.estimate, 1 - x @ y / np.sqrt((x @ x) * (y @ y))))
    True
    """

    def __init__(self, products: np.ndarray, squares: np.ndarray):
        self.products, self.squares = products, squares

    def __repr__(self) -> str:
        n_reference, n_models, _ = self.products.shape
        of = counted(n_models, "model")
        return f"<PointSums of {of} at {counted(n_reference, 'reference point')}>"

    def of_pair(self, i: int, j: int) -> np.ndarray:
        """Sums of two models, shape (n_reference, 3).

        For ``u`` and ``v``, the signatures scaled to length 1: ``|u_n|^2``, ``|v_n|^2`` and
        ``|u_n - v_n|^2`` at each point ``n``. NaN if a signature is zero.

        Raises
        ------
        IndexError
            If the zoo has no such model.
        TypeError
            If a position is not a whole number.
        """
        i, j = self._position(i), self._position(j)
        ours, theirs = self.squares[:, i, j], self.squares[:, j, i]
        with np.errstate(invalid="ignore", divide="ignore"):
            P, Q = ours / ours.sum(), theirs / theirs.sum()
            inner = self.products[:, i, j] / np.sqrt(ours.sum() * theirs.sum())
        gap = P + Q - 2 * inner
        return np.stack([P, Q, np.where(gap < _ROUNDING * (P + Q), 0.0, gap)], axis=1)

    def interval(self, i: int, j: int, *, level: float = 0.95) -> DistanceInterval:
        """Confidence interval of the distance of two models.

        The same as :func:`~skzest.distance_interval` of their signatures, up to rounding: a
        distance below about 1e-14 is 0.

        Parameters
        ----------
        i, j : int
            Positions of the models in the zoo.
        level : float, default=0.95
            Confidence level.

        Returns
        -------
        interval : DistanceInterval

        Raises
        ------
        IndexError
            If the zoo has no such model.
        TypeError
            If a position is not a whole number.
        ValueError
            If `level` is not between 0 and 1, or there are fewer than 2 points.
        """
        check_level(level)
        if len(self.products) < 2:
            raise ValueError(
                f"an interval needs at least 2 reference points; got {len(self.products)}. Ask "
                "about more points: n_reference=."
            )
        return jackknife_t(self.of_pair(i, j), level)

    def _position(self, i: int) -> int:
        n_models = self.products.shape[1]
        position = check_whole(i, "the position of a model", minimum=0)
        if position >= n_models:
            raise IndexError(
                f"there is no model {position}: the zoo has {counted(n_models, 'model')}, counted "
                f"from 0. Pass at most {n_models - 1}."
            )
        return position
