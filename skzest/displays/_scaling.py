# SPDX-License-Identifier: BSD-3-Clause
"""Multidimensional scaling: points of a plane whose distances approximate given ones. Arrays only.

Not :class:`sklearn.manifold.MDS`: it does not accept unknown distances, and majorisation takes
four times as many steps as SciPy's L-BFGS to the same stress (1,000 models: 2.4 s and 0.5 s).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components, shortest_path
from sklearn.decomposition import KernelPCA
from threadpoolctl import threadpool_limits

from ..comparing import slices

MOST_STARTS = 8
_START_CELLS = 10**6  # of all distance matrices of random starts: one start for 1,000 models
_CELLS = 2**15  # of a distance matrix, worked on at a time: they fit a cache
_TOLERANCE = 1e-7  # of the squared error, from step to step
_MOST_STEPS = 300


def largest_connected(D):
    """Indices of the largest set of models that known distances connect."""
    known = ~np.isnan(D)
    if known.all():
        return np.arange(len(D))
    np.fill_diagonal(known, True)
    _, of = connected_components(known, directed=False)
    return np.flatnonzero(of == np.argmax(np.bincount(of)))


def classical(D):
    """Classical scaling (Torgerson): the plane of largest variance of the squared distances."""
    if len(D) == 1 or not D.any():
        return np.zeros((len(D), 2))
    plane = KernelPCA(2, kernel="precomputed", random_state=0)
    return plane.fit_transform(-0.5 * D * D)


def least_stress(D, start):
    """Positions of least stress near `start`, and their squared error; NaN in `D` is ignored."""

    def of_flat(flat):
        error, gradient = squared_error(D, flat.reshape(start.shape))
        return error, gradient.ravel()

    options = {"ftol": _TOLERANCE, "maxiter": _MOST_STEPS}
    found = minimize(of_flat, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape), found.fun


def squared_error(D, X):
    """Squared errors of the distances between points, summed over rows, and the gradient (n, 2)."""
    total, gradient = 0.0, np.empty_like(X)
    x, y = X.T
    for rows in slices(len(D), max(1, _CELLS // len(D))):
        dx, dy = x[rows, None] - x, y[rows, None] - y
        drawn = np.sqrt(dx * dx + dy * dy)
        error = drawn - D[rows]
        np.copyto(error, 0.0, where=np.isnan(error))
        total += np.einsum("ij,ij->", error, error)
        np.divide(error, drawn, out=error, where=drawn > 0)
        # Each pair is in two rows.
        gradient[rows, 0] = 4 * np.einsum("ij,ij->i", error, dx)
        gradient[rows, 1] = 4 * np.einsum("ij,ij->i", error, dy)
    return total, gradient


def stress(D, X):
    """Kruskal's stress-1: root of squared errors over squared distances; 0 where all are 0."""
    total = np.nansum(D * D)
    return float(np.sqrt(squared_error(D, X)[0] / total)) if total > 0 else 0.0


def positions(D, method, random_state):
    """Positions (n, 2) of models whose known distances connect them."""
    unit = np.nanmax(D) or 1.0
    D = D / unit
    complete = D
    if np.isnan(D).any():
        # Start from shortest paths through other models.
        # csgraph reads values near 0 as "no edge".
        edges = np.where(np.isnan(D), np.inf, np.maximum(D, 1e-6))
        complete = np.where(np.isnan(D), shortest_path(edges, directed=False), D)
        np.fill_diagonal(complete, 0.0)
    X = classical(complete)
    if method == "stress" and len(D) > 2 and D.any():
        n_random = min(MOST_STARTS, _START_CELLS // D.size)
        rng = np.random.default_rng(random_state)
        starts = [X, *rng.normal(scale=np.nanmean(D), size=(n_random, len(D), 2))]
        # L-BFGS solves systems so small that threads only wait for each other.
        with threadpool_limits(1, "blas"):
            X, _ = min((least_stress(D, start) for start in starts), key=lambda found: found[1])
    return unit * _turned(X)


def _turned(X):
    """Centred, with the longest extent across and signs that do not depend on the start."""
    X = X - X.mean(axis=0)
    _, _, axes = np.linalg.svd(X, full_matrices=False)
    X = X @ axes.T
    X = np.pad(X, [(0, 0), (0, 2 - X.shape[1])])
    strongest = X[np.abs(X).argmax(axis=0), [0, 1]]
    return X * np.where(strongest < 0, -1.0, 1.0)


def nearest_tree(D):
    """Edges (n - 1, 2) of the minimum spanning tree: which models are truly nearest.

    Prim's algorithm on rows. Not SciPy's, which reads distances near 0 as "no edge" and sorts all
    pairs: of 5,000 models in 14 s, where this takes 0.1 s.
    """
    D = np.where(np.isnan(D), np.inf, D)
    outside = np.ones(len(D), dtype=bool)
    nearest, joined_at = np.zeros(len(D), dtype=int), np.full(len(D), np.inf)
    edges, new = [], 0
    for _ in range(len(D) - 1):
        outside[new] = False
        closer = outside & (D[new] <= joined_at)
        nearest[closer], joined_at[closer] = new, D[new, closer]
        joined_at[new] = np.inf
        new = int(np.argmin(np.where(outside, joined_at, np.inf)))
        edges.append((nearest[new], new))
    return np.array(edges, dtype=int).reshape(-1, 2)
