# SPDX-License-Identifier: BSD-3-Clause
"""Multidimensional scaling: points of a plane whose distances approximate given ones. Arrays only.

Not :class:`sklearn.manifold.MDS`: its parameters change names and defaults from release to release,
and it does not accept unknown distances. Its results and these agree (see the tests).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree, shortest_path
from scipy.stats import rankdata

N_STARTS = 8
MOST_STEPS = 500
TOLERANCE = 1e-6  # of the squared error, from step to step


def largest_connected(D):
    """Indices of the largest set of models that known distances connect."""
    known = ~np.isnan(D)
    np.fill_diagonal(known, True)
    n_sets, of = connected_components(known, directed=False)
    if n_sets == 1:
        return np.arange(len(D))
    return np.flatnonzero(of == np.argmax(np.bincount(of)))


def classical(D):
    """Classical scaling (Torgerson): the plane of largest variance of the squared distances."""
    n = len(D)
    centre = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centre @ (D * D) @ centre)
    X = np.zeros((n, 2))
    first = np.argsort(-values)[:2]
    X[:, : len(first)] = vectors[:, first] * np.sqrt(np.maximum(values[first], 0.0))
    return X


def smacof(D, X):
    """Positions of least stress near ``X``, by majorisation (de Leeuw); NaN in ``D`` is ignored.

    Each step is a weighted average that cannot raise the stress.
    """
    weights = (~np.isnan(D)).astype(float)
    np.fill_diagonal(weights, 0.0)
    given = weights * np.nan_to_num(D)
    inverse = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    before = np.inf
    for _ in range(MOST_STEPS):
        drawn = between(X)
        now = ((given - weights * drawn) ** 2).sum()
        if now >= (1 - TOLERANCE) * before:
            break
        before = now
        ratio = np.divide(given, drawn, out=np.zeros_like(drawn), where=drawn > 0)
        X = inverse @ (ratio.sum(axis=1)[:, None] * X - ratio @ X)
    return X


def between(X):
    """Distances between points, (n, n)."""
    x, y = X.T
    return np.hypot(x[:, None] - x, y[:, None] - y)


def stress(D, X):
    """Kruskal's stress-1: root of squared errors over squared distances; 0 where all are 0."""
    pairs = np.triu_indices(len(D), 1)
    given, drawn = D[pairs], between(X)[pairs]
    known = ~np.isnan(given)
    error, total = ((given - drawn)[known] ** 2).sum(), (given[known] ** 2).sum()
    return float(np.sqrt(error / total)) if total > 0 else 0.0


def positions(D, method, random_state):
    """Positions (n, 2) of models whose known distances connect them."""
    complete = D
    if np.isnan(D).any():
        # Start from shortest paths through other models.
        unit = np.nanmax(D) or 1.0
        # csgraph reads values near 0 as "no edge".
        edges = np.where(np.isnan(D), np.inf, np.maximum(D / unit, 1e-6))
        complete = np.where(np.isnan(D), unit * shortest_path(edges, directed=False), D)
        np.fill_diagonal(complete, 0.0)
    X = classical(complete)
    if method == "smacof" and len(D) > 2 and np.nanmax(D) > 0:
        rng = np.random.default_rng(random_state)
        scale = np.nanmean(D)
        starts = [X, *(rng.normal(scale=scale, size=(N_STARTS, len(D), 2)))]
        X = min((smacof(D, start) for start in starts), key=lambda found: stress(D, found))
    return _turned(X)


def _turned(X):
    """Centred, with the longest extent across and signs that do not depend on the start."""
    X = X - X.mean(axis=0)
    _, _, axes = np.linalg.svd(X, full_matrices=False)
    X = X @ axes.T
    X = np.pad(X, [(0, 0), (0, 2 - X.shape[1])])
    strongest = X[np.abs(X).argmax(axis=0), [0, 1]]
    return X * np.where(strongest < 0, -1.0, 1.0)


def nearest_tree(D):
    """Edges (n - 1, 2) of the minimum spanning tree: which models are truly nearest."""
    # Only the order of the distances matters, and csgraph reads values near 0 as "no edge".
    known = ~np.isnan(D)
    ranks = np.zeros(D.shape)
    ranks[known] = rankdata(D[known])
    np.fill_diagonal(ranks, 0.0)
    return np.argwhere(minimum_spanning_tree(ranks).toarray() > 0)
