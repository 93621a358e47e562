# SPDX-License-Identifier: BSD-3-Clause
"""Clusters of near models, and the model that represents each. Arrays only."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ._clustering import complete_subset

SHARE = 2 / 3


def clusters_of(D):
    """The cluster of each model, the largest first: 0, 1 and so on; -1 where a distance is missing.

    Average linkage, cut at two thirds of the height at which the last two clusters merge.
    """
    of = np.full(len(D), -1)
    known = complete_subset(D)
    if len(known) < 2:
        return of
    merges = linkage(squareform(D[np.ix_(known, known)], checks=False), "average")
    _, found = np.unique(fcluster(merges, SHARE * merges[-1, 2], "distance"), return_inverse=True)
    sizes = np.bincount(found)
    rank = np.empty(len(sizes), dtype=int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    of[known] = rank[found]
    return of


def medoids(D, clusters):
    """The model of each cluster with the least sum of distances to the others of it."""
    found = []
    for cluster in range(clusters.max() + 1):
        members = np.flatnonzero(clusters == cluster)
        found.append(members[D[np.ix_(members, members)].sum(axis=1).argmin()])
    return np.array(found, dtype=int)


def representatives(D, most, always=()):
    """At most `most` models to be named: `always`, then the medoids of the largest clusters.

    All models, if they are no more than `most`.
    """
    if len(D) <= most:
        return np.arange(len(D))
    chosen = dict.fromkeys(int(i) for i in (*always, *medoids(D, clusters_of(D))))
    return np.array([*chosen][: max(most, len(always))], dtype=int)
