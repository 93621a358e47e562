# SPDX-License-Identifier: BSD-3-Clause
"""The cosine of two signatures as sums over reference points.

``cos(x, y) = sum_n <x_n, y_n> / sqrt(sum_n |x_n|^2 sum_n |y_n|^2)``: three numbers per point are
all that is needed to know the distance over any set of the points, without another question.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import QueryPlan, check_same_columns, check_same_design, names_of
from ._metrics import row_squares

__all__ = ["check_pair", "check_plan", "cosine_distance", "point_sums", "unit_pair"]


def check_plan(plan: Any, minimum: int = 1) -> QueryPlan:
    """Refuse what is no plan, or has too few points."""
    if not isinstance(plan, QueryPlan):
        raise TypeError(
            f"plan must be a QueryPlan, such as plan_ of the LimeSignatureTransformer that made "
            f"the signatures; got {type(plan).__name__}."
        )
    if len(plan) < minimum:
        raise ValueError(
            f"the plan has {len(plan)} reference point{'' if len(plan) == 1 else 's'}; at least "
            f"{minimum} are needed to see how much they differ. Raise n_reference."
        )
    return plan


def check_pair(S1: Any, S2: Any, plan: QueryPlan) -> tuple[np.ndarray, np.ndarray]:
    """Two signatures under a plan as (n_classes, n_components) arrays."""
    names = names_of(S1), names_of(S2)
    check_same_columns(*names, "S1", "S2")
    return check_signature(S1, "S1", plan, names[0]), check_signature(S2, "S2", plan, names[1])


def check_signature(S: Any, name: str, plan: QueryPlan, names: Any = None) -> np.ndarray:
    """One signature under a plan as an (n_classes, n_components) array."""
    check_same_design(names, plan.digest, name, "plan")
    S = np.asarray(S, dtype=np.float64)
    if S.ndim == 2 and len(S) == 1:
        S = S[0]
    if S.ndim != 1:
        raise ValueError(
            f"{name} must be the signature of one model, a 1-D row; got shape {S.shape}. Pass "
            "one row of the matrix, such as S[0]."
        )
    if not S.size or S.size % plan.n_components:
        raise ValueError(
            f"{name} has {S.size} columns, and the plan {plan.n_components} components per class; "
            "expected a multiple. Pass the plan_ of the transformer that made the signatures."
        )
    if np.isinf(S).any():
        raise ValueError(f"{name} holds infinite values; coefficients are finite, or NaN.")
    return S.reshape(-1, plan.n_components)


def point_sums(W1: np.ndarray, W2: np.ndarray, n_columns: np.ndarray) -> np.ndarray:
    """Shares of the points in what the cosine is made of.

    Parameters
    ----------
    W1, W2 : ndarrays of shape (n_classes, n_components)
        Classes that either lacks are NaN; they are left out.
    n_columns : ndarray of int, shape (n_points,)
        How many components each point has.

    Returns
    -------
    sums : ndarray of shape (n_points, 3)
        For ``u`` and ``v``, the signatures scaled to length 1: ``|u_n|^2``, ``|v_n|^2`` and
        ``|u_n - v_n|^2``. All NaN where one signature has no length.
    """
    u, v, _ = unit_pair(W1, W2)
    starts = np.concatenate([[0], np.cumsum(n_columns)[:-1]])
    columns = np.stack([row_squares(w.T) for w in (u, v, u - v)], axis=1)
    return np.add.reduceat(columns, starts, axis=0)


def unit_pair(W1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two signatures over the classes that they share, each scaled to length 1.

    Returns
    -------
    u, v : ndarrays of shape (n_shared, n_components)
        NaN where a signature has no length.
    shared : ndarray of bool, shape (n_classes,)
        Which classes these are: those that are NaN in neither.
    """
    if len(W1) != len(W2):
        raise ValueError(
            f"S1 has {len(W1)} classes and S2 has {len(W2)}. Transform both with one fitted "
            "LimeSignatureTransformer."
        )
    shared = ~(np.isnan(W1).any(axis=1) | np.isnan(W2).any(axis=1))
    return _unit(W1[shared]), _unit(W2[shared]), shared


def _unit(W: np.ndarray) -> np.ndarray:
    peak = np.abs(W).max(initial=0.0)
    if peak == 0:
        return np.full_like(W, np.nan)
    W = W / peak  # so that no square overflows, or vanishes
    return W / np.sqrt(np.sum(W * W))


def cosine_distance(sums: np.ndarray) -> np.ndarray:
    """``1 - cos`` from sums over points, shape (..., 3).

    The gap carries the digits: with ``P, Q, G`` the three sums, ``P + Q - G`` is twice the inner
    product, so ``1 - cos = (G - (sqrt(P) - sqrt(Q))^2) / (2 sqrt(P Q))``.
    """
    P, Q, G = sums[..., 0], sums[..., 1], sums[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = (G - (np.sqrt(P) - np.sqrt(Q)) ** 2) / (2 * np.sqrt(P * Q))
        return np.clip(distance, 0.0, 2.0)
