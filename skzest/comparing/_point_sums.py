# SPDX-License-Identifier: BSD-3-Clause
"""The cosine of two signatures as sums over reference points.

``cos(x, y) = sum_n <x_n, y_n> / sqrt(sum_n |x_n|^2 sum_n |y_n|^2)``: three numbers per point give
the distance over any set of the points, without another question.
"""

from __future__ import annotations

import numpy as np

from ._metrics import unit_rows

# Rows that differ only in their last bits are about the square of a rounding unit apart.
_ROUNDING = 1e-30
# Share of a squared length below which the other points may hold rounding errors only.
_NOTHING = 1e-10


def point_sums(W1: np.ndarray, W2: np.ndarray, n_columns: np.ndarray) -> np.ndarray:
    """What each point contributes to the cosine.

    Parameters
    ----------
    W1, W2 : ndarrays of shape (n_classes, n_components)
        Classes that either model lacks are NaN; they are left out.
    n_columns : ndarray of int, shape (n_points,)
        Number of components of each point.

    Returns
    -------
    sums : ndarray of shape (n_points, 3)
        For ``u`` and ``v``, the signatures scaled to length 1: ``|u_n|^2``, ``|v_n|^2`` and
        ``|u_n - v_n|^2``. All NaN if a signature is zero.
    """
    return point_sums_to(W1, W2[None], n_columns)[0]


def point_sums_to(W: np.ndarray, others: np.ndarray, n_columns: np.ndarray) -> np.ndarray:
    """What each point contributes to the cosines of one signature and some others.

    Parameters
    ----------
    W : ndarray of shape (n_classes, n_components)
    others : ndarray of shape (n_others, n_classes, n_components)
    n_columns : ndarray of int, shape (n_points,)

    Returns
    -------
    sums : ndarray of shape (n_others, n_points, 3)
        As :func:`point_sums`.
    """
    shared = ~(np.isnan(W).any(axis=-1) | np.isnan(others).any(axis=-1))[..., None]
    u, v = (
        unit_rows(np.where(shared, w, 0.0).reshape(len(others), -1)).reshape(others.shape)
        for w in (W, others)
    )
    columns = np.stack([np.einsum("jck,jck->jk", w, w) for w in (u, v, u - v)], axis=-1)
    return np.add.reduceat(columns, point_starts(n_columns), axis=1)


def point_starts(n_columns: np.ndarray) -> np.ndarray:
    """The first component of each point."""
    return np.cumsum(n_columns) - n_columns


def unit_pair(W1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two signatures over the classes that they share, each scaled to length 1.

    Returns
    -------
    u, v : ndarrays of shape (n_shared, n_components)
        NaN if the signature is zero.
    shared : ndarray of bool, shape (n_classes,)
        The classes that neither model lacks.
    """
    shared = ~(np.isnan(W1).any(axis=1) | np.isnan(W2).any(axis=1))
    u, v = (unit_rows(W[shared].reshape(1, -1)).reshape(-1, W.shape[1]) for W in (W1, W2))
    return u, v, shared


def cosine_distance(sums: np.ndarray) -> np.ndarray:
    """``1 - cos`` from sums over points, shape (..., 3)."""
    return np.clip(one_minus_cosine(*np.moveaxis(sums, -1, 0)), 0.0, 2.0)


def one_minus_cosine(P: np.ndarray, Q: np.ndarray, G: np.ndarray) -> np.ndarray:
    """``1 - cos`` of two vectors from their squared lengths and their squared difference.

    The difference carries the digits: ``P + Q - G`` is twice the inner product, so
    ``1 - cos = (G - (sqrt(P) - sqrt(Q))^2) / (2 sqrt(P Q))``. NaN where a length is zero.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return (G - (np.sqrt(P) - np.sqrt(Q)) ** 2) / (2 * np.sqrt(P * Q))


def leave_one_out(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances over all points, and without each of them.

    Parameters
    ----------
    sums : ndarray of shape (..., n_points, 3)

    Returns
    -------
    distances : ndarray of shape (...,)
        0 where the two models differ in their last bits only.
    without : ndarray of shape (..., n_points)
        NaN where the point left out holds all coefficients of a model.
    """
    total, rest = sums.sum(axis=-2, keepdims=True), _without_each(sums)
    nothing_left = (rest[..., :2] < _NOTHING * total[..., :2]).any(axis=-1)
    distances, without = (_rounded(cosine_distance(each)) for each in (total, rest))
    return distances[..., 0], np.where(nothing_left, np.nan, without)


def _rounded(distances: np.ndarray) -> np.ndarray:
    return np.where(distances < _ROUNDING, 0.0, distances)


def _without_each(sums: np.ndarray) -> np.ndarray:
    """Sums over all points but one, for each point; both of shape (..., n_points, 3).

    Added up from both ends: subtracting a point from the total would leave rounding errors where
    that point holds everything.
    """
    before, after = np.zeros_like(sums), np.zeros_like(sums)
    np.cumsum(sums[..., :-1, :], axis=-2, out=before[..., 1:, :])
    np.cumsum(sums[..., :0:-1, :], axis=-2, out=after[..., -2::-1, :])
    return before + after


def jackknife_error(without: np.ndarray) -> np.ndarray:
    """Standard error from the values that leave out one item each, along the last axis.

    Infinite where one of the values is not finite.
    """
    n = without.shape[-1]
    with np.errstate(invalid="ignore"):
        gaps = without - without.mean(axis=-1, keepdims=True)
        error = np.sqrt((n - 1) / n * np.sum(gaps**2, axis=-1))
    return np.where(np.isfinite(without).all(axis=-1), error, np.inf)
