# SPDX-License-Identifier: BSD-3-Clause
"""Clusters of a zoo, and the models that represent them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist

from skzest.displays._clustering import complete_subset
from skzest.displays._families import clusters_of, medoids, representatives

CORNERS = np.array([[0, 0], [50, 0], [25, 43]])  # of a triangle, equally far from each other


def around_corners(*corners):
    """Distances of models at the corners, each with a few steps to the side."""
    X = np.array([CORNERS[corner] + [0.5 * step, 0] for corner, step in corners], dtype=float)
    return cdist(X, X)


THREE_TWO_ONE = around_corners((1, 0), (0, 0), (0, 1), (0, 2), (1, 1), (2, 0))


def test_clusters_are_numbered_by_size():
    D, clusters = THREE_TWO_ONE, [1, 0, 0, 0, 1, 2]
    assert_array_equal(clusters_of(D), clusters)
    assert_array_equal(medoids(D, np.array(clusters)), [2, 0, 5])


def test_a_model_without_distances_is_in_no_cluster():
    D = around_corners((0, 0), (0, 1), (1, 0), (1, 1))
    D[1], D[:, 1] = np.nan, np.nan
    assert_array_equal(clusters_of(D), [1, -1, 0, 0])
    assert_array_equal(clusters_of(np.full((2, 2), np.nan)), [-1, -1])
    assert_array_equal(medoids(D, np.full(4, -1)), [])


def test_copies_are_one_cluster():
    assert_array_equal(clusters_of(np.zeros((4, 4))), [0, 0, 0, 0])


def test_some_are_named_always_and_then_the_medoids():
    D = THREE_TWO_ONE
    assert_array_equal(representatives(D, 6), np.arange(6))
    assert_array_equal(representatives(D, 4, [3]), [3, 2, 0, 5])
    assert_array_equal(representatives(D, 2, [3]), [3, 2])
    assert_array_equal(representatives(D, 2, [3, 4, 1]), [3, 4, 1])
    assert_array_equal(representatives(D, 5, [2]), [2, 0, 5])


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(0, 30))
def test_models_with_most_gaps_are_left_out_first(seed, n, n_gaps):
    rng = np.random.default_rng(seed)
    D = np.zeros((n, n))
    for i, j in rng.integers(n, size=(n_gaps, 2)):
        D[i, j] = D[j, i] = np.nan
    kept = complete_subset(D)
    assert len(kept) >= 1
    gaps = np.isnan(D) & ~np.eye(n, dtype=bool)
    assert not gaps[np.ix_(kept, kept)].any()
    left_out = np.setdiff1d(np.arange(n), kept)
    if len(left_out):
        assert gaps.sum(axis=1).argmax() in left_out
