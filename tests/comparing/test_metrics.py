# SPDX-License-Identifier: BSD-3-Clause
"""Distances of plain rows of numbers, by hand and in extended precision."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skzest.comparing._metrics import (
    DISTANCES,
    distance_matrix,
    half_square_to_angle,
    in_range,
    paired_distances,
    row_lengths,
    run_parallel,
    slices,
    unit_rows,
)

nan = np.nan
X3 = np.array([[3.0, 0.0, 4.0], [0.0, 5.0, 0.0], [-6.0, 0.0, -8.0]])
seeds = st.integers(0, 2**32 - 1)


# ---------------------------------------------------------------- rows


def test_ordinary_rows_are_in_range_as_they_are():
    rows, unit, lengths = in_range(X3)
    assert rows is X3
    assert unit.tolist() == [1, 1, 1] and lengths.tolist() == [5, 5, 10]


def test_rows_out_of_range_are_divided_by_powers_of_two():
    X = np.array([[3e200, 4e200], [3e-200, -4e-200], [0.0, 0.0], [3.0, 4.0], [5e-324, 0.0]])
    rows, unit, lengths = in_range(X)
    assert_array_equal(rows * unit[:, None], X)
    assert_array_equal(np.frexp(unit)[0], 0.5)
    peak = np.abs(rows).max(axis=1)
    assert np.all((peak[[0, 1, 3, 4]] >= 1) & (peak[[0, 1, 3, 4]] < 2))
    assert_allclose(unit * lengths, [5e200, 5e-200, 0, 5, 5e-324])
    assert_allclose(row_lengths(X), unit * lengths)


def test_unit_rows_by_hand():
    X = np.array([[3.0, 4.0], [-3e200, 4e200], [0.0, 0.0]])
    assert_allclose(unit_rows(X), [[0.6, 0.8], [-0.6, 0.8], [nan, nan]])


def test_half_squares_by_hand():
    assert_allclose(
        half_square_to_angle(np.array([0.0, 0.5, 1.0, 1.5, 2.0])), [0, 1 / 3, 1 / 2, 2 / 3, 1]
    )


def test_slices_cover_a_range():
    assert [list(range(7))[s] for s in slices(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(slices(0, 3)) == []


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parallel_results_keep_the_order_of_the_tasks(n_jobs):
    tasks = [(k, 2) for k in range(5)]
    assert run_parallel(pow, tasks, n_jobs, threads=True) == [0, 1, 4, 9, 16]


# ---------------------------------------------------------------- pairs of rows


def test_paired_distances_by_hand():
    Y = X3[[1, 2, 2]]
    assert_allclose(paired_distances(X3, Y, "cosine"), [1, 1, 0], atol=1e-15)
    assert_allclose(paired_distances(X3, Y, "angular"), [1 / 2, 1 / 2, 0], atol=1e-15)
    assert_allclose(paired_distances(X3, Y, "euclidean"), [50**0.5, 125**0.5, 0])
    assert_allclose(paired_distances(X3[:1], X3[2:], "cosine"), [2])
    assert_allclose(paired_distances(X3[:1], X3[2:], "angular"), [1])


def test_rows_of_zeros_have_a_length_but_no_angle():
    zero = np.zeros_like(X3)
    assert np.isnan(paired_distances(X3, zero, "cosine")).all()
    assert_allclose(paired_distances(X3, zero, "euclidean"), [5, 5, 10])
    for distance, expected in [("cosine", nan), ("angular", nan), ("euclidean", 5.0)]:
        D = distance_matrix(X3[:1], zero[:1], distance)
        assert_array_equal(D, [[expected]])
    D = distance_matrix(np.array([[1.0, 0.0], [0.0, 0.0]]), None, "cosine")
    assert_array_equal(D, [[0.0, nan], [nan, 0.0]])


def test_rows_that_are_nearly_opposite_keep_their_digits():
    for size in (1e-9, 1e-6, 1e-3):
        x, y = np.array([[1.0, 0.0]]), np.array([[-1.0, size]])
        for D in (distance_matrix(x, y, "angular"), paired_distances(x, y, "angular")):
            assert_allclose(1 - D, np.arctan(size) / np.pi, rtol=1e-6)


# ---------------------------------------------------------------- missing blocks

HOLES = np.array([[3.0, 4.0, 1.0, 0.0], [4.0, 3.0, nan, nan], [nan, nan, 0.0, 2.0]])
PRESENT = ~np.isnan(HOLES[:, ::2])


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("cosine", [[0, 1 / 25, 1], [1 / 25, 0, nan], [1, nan, 0]]),
        ("angular", [[0, 0.0903344706, 0.5], [0.0903344706, 0, nan], [0.5, nan, 0]]),
        ("euclidean", [[0, 2**0.5, 5**0.5], [2**0.5, 0, nan], [5**0.5, nan, 0]]),
        ("cityblock", [[0, 2, 3], [2, 0, nan], [3, nan, 0]]),
        ("chebyshev", [[0, 1, 2], [1, 0, nan], [2, nan, 0]]),
        (lambda x, y: len(x), [[0, 2, 2], [2, 0, nan], [2, nan, 0]]),
    ],
)
def test_missing_blocks_by_hand(distance, expected):
    D = distance_matrix(HOLES, None, distance, present=(PRESENT, PRESENT))
    assert_allclose(D, expected, rtol=1e-8)
    D = distance_matrix(HOLES, HOLES[1:], distance, present=(PRESENT, PRESENT[1:]))
    off = ~np.eye(3, dtype=bool)[:, 1:]
    assert_allclose(D[off], np.array(expected)[:, 1:][off], rtol=1e-8)


# ---------------------------------------------------------------- in extended precision


def truth(x, y, distance):
    x, y = (row[~np.isnan(x + y)].astype(np.longdouble) for row in (x, y))
    if distance == "euclidean":
        return np.sqrt(np.sum((x - y) ** 2))
    if distance in ("cityblock", "chebyshev"):
        return {"cityblock": np.sum, "chebyshev": np.max}[distance](np.abs(x - y))
    u, v = x / np.sqrt(x @ x), y / np.sqrt(y @ y)
    if distance == "cosine":
        return np.sum((u - v) ** 2) / 2
    return 2 / np.pi * np.arctan2(np.sqrt(np.sum((u - v) ** 2)), np.sqrt(np.sum((u + v) ** 2)))


extended = pytest.mark.skipif(
    np.finfo(np.longdouble).maxexp <= 1024, reason="this platform has no extended precision"
)


@extended
@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=50)
@given(seed=seeds, holes=st.booleans())
def test_rows_beside_huge_and_tiny_rows_are_right(distance, seed, holes):
    rng = np.random.default_rng(seed)
    S = rng.normal(size=(6, 12)) * 10.0 ** rng.integers(-140, 140, size=(6, 3)).repeat(4, axis=1)
    S *= 10.0 ** rng.choice([-150, 0, 150], size=(6, 1))
    S[1] = S[0] * (1 + 10.0 ** rng.integers(-9, -1) * rng.normal(size=12))
    S[3] = -S[2] * (1 + 1e-5 * rng.normal(size=12))
    present = np.ones((6, 3), dtype=bool)
    if holes:
        present = rng.random((6, 3)) < 0.7
        present[:, 0] = True
        S[~present.repeat(4, axis=1)] = nan
    D = distance_matrix(S, None, distance, present=(present, present) if holes else None)
    assert_array_equal(D, D.T)
    for i, j in combinations(range(6), 2):
        exact = truth(S[i], S[j], distance)
        # Of two unit vectors, whose last digits differ.
        rounding = {"cosine": 1e-15 * np.sqrt(exact), "angular": 1e-15}.get(distance, 0.0)
        assert_allclose(D[i, j], float(exact), rtol=1e-8, atol=float(rounding))


def test_small_distances_beside_a_huge_row_by_hand():
    X = np.array([[1e200, 0.0], [3.0, 0.0], [3.0, 4.0]])
    D = distance_matrix(X, None, "euclidean")
    assert_allclose(D, [[0, 1e200, 1e200], [1e200, 0, 4], [1e200, 4, 0]])
    assert_allclose(distance_matrix(X, None, "cosine"), [[0, 0, 0.4], [0, 0, 0.4], [0.4, 0.4, 0]])
