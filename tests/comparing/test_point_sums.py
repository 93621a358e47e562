# SPDX-License-Identifier: BSD-3-Clause
"""The cosine as sums over points, with all points and without each."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skzest import zest_distances
from skzest.comparing import cosine_distance, jackknife_error, leave_one_out, point_sums
from skzest.comparing._point_sums import one_minus_cosine, point_starts, unit_pair

nan = np.nan


def test_first_components_of_points():
    assert point_starts(np.array([2, 1, 4])).tolist() == [0, 2, 3]


def test_point_sums_by_hand():
    # Two classes, points of one and two components; lengths are 5 and 13.
    W1, W2 = np.array([[3.0, 0, 0], [0, 4, 0]]), np.array([[0, 5.0, 0], [0, 0, 12]])
    sums = point_sums(W1, W2, np.array([1, 2]))
    assert_allclose(sums[:, 0], [9 / 25, 16 / 25])
    assert_allclose(sums[:, 1], [0, 1])
    assert_allclose(sums[:, 2], [9 / 25, (5 / 13) ** 2 + (4 / 5) ** 2 + (12 / 13) ** 2])
    assert_allclose(cosine_distance(sums.sum(axis=0)), 1.0)


def test_unit_pair_by_hand():
    W1, W2 = np.array([[3.0, 4.0], [1.0, 1.0]]), np.array([[0.0, 2.0], [nan, nan]])
    u, v, shared = unit_pair(W1, W2)
    assert_allclose(u, [[0.6, 0.8]])
    assert_allclose(v, [[0, 1]])
    assert shared.tolist() == [True, False]
    u, v, shared = unit_pair(W1[::-1], W2)
    assert np.isfinite(u).all() and shared.tolist() == [True, False]
    assert np.isnan(unit_pair(0 * W1, W2)[0]).all()
    u, v, shared = unit_pair(W1[:1], W2[1:])
    assert u.shape == v.shape == (0, 2) and not shared.any()


def test_cosines_by_hand():
    # Lengths 3 and 4 at a right angle, equal vectors, opposite ones, and one of length zero.
    P, Q = np.array([9.0, 4.0, 1.0, 0.0]), np.array([16.0, 4.0, 1.0, 1.0])
    assert_allclose(one_minus_cosine(P, Q, np.array([25.0, 0.0, 4.0, 1.0])), [1, 0, 2, nan])


@given(st.integers(0, 10_000), st.floats(1e-9, 1), st.sampled_from([1e-180, 1.0, 1e180]))
def test_distance_from_sums_is_the_distance(seed, gap, scale):
    rng = np.random.default_rng(seed)
    W1 = rng.normal(size=(3, 7))
    W2 = W1 + gap * rng.normal(size=(3, 7))
    sums = point_sums(scale * W1, W2, np.array([2, 1, 4]))
    distance, without = leave_one_out(sums)
    assert_allclose(distance, zest_distances(W1.ravel(), W2.ravel()), rtol=1e-6)
    for k, columns in enumerate([[0, 1], [2], [3, 4, 5, 6]]):
        rest = np.delete(np.arange(7), columns)
        expected = zest_distances(W1[:, rest].ravel(), W2[:, rest].ravel())
        assert_allclose(without[k], expected, rtol=1e-6, atol=1e-25)


def test_leaving_out_one_point_by_hand():
    # Orthogonal in point 0, equal in points 1 and 2, all of length 1.
    sums = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    distance, without = leave_one_out(np.stack([sums, sums[::-1]]))
    assert_allclose(distance, [1 / 3, 1 / 3])
    assert_allclose(without, [[0, 1 / 2, 1 / 2], [1 / 2, 1 / 2, 0]])


def test_nothing_is_left_without_the_point_that_holds_everything():
    sums = np.array([[0.5, 0.0, 0.5], [0.5, 1.0, 0.3], [0.1, 0.0, 0.1]])
    distance, without = leave_one_out(sums)
    assert np.isfinite(distance)
    assert_array_equal(np.isnan(without), [False, True, False])
    # The other points hold rounding errors, in one of the models.
    sums[[0, 2], 1] = 1e-31
    assert_array_equal(np.isnan(leave_one_out(sums)[1]), [False, True, False])


def test_rounding_errors_count_as_zero():
    sums = np.array([[1.0, 1.0, 1e-33], [1.0, 1.0, 1e-33]])
    distance, without = leave_one_out(sums)
    assert distance == 0 and without.tolist() == [0, 0]


def test_jackknife_error_by_hand():
    # Of a mean of n values: their standard deviation over the root of n.
    x = np.array([1.0, 4.0, 2.0, 7.0])
    without = (x.sum() - x) / 3
    assert_allclose(jackknife_error(without), x.std(ddof=1) / 2)
    assert_array_equal(
        jackknife_error(np.array([[1.0, nan], [1.0, np.inf], [2.0, 2.0]])),
        [
            np.inf,
            np.inf,
            0,
        ],
    )
