# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skzest import (
    CallableQuery,
    DesignMismatchError,
    LimeSignatureTransformer,
    crossvalidated_distances,
    split_half_plans,
    zest_distances,
)

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 6))


def _network(seed):
    rng = np.random.default_rng(seed)
    W, V = 2 * rng.normal(size=(6, 8)), rng.normal(size=(8, 3))
    return CallableQuery(lambda X: np.tanh(X @ W) @ V, output="logits")


ZOO = [_network(seed) for seed in range(3)]
PLAN = LimeSignatureTransformer(X, n_reference=40).fit(ZOO).plan_


def _signatures(plan, zoo=ZOO):
    return LimeSignatureTransformer.from_plan(plan).fit_transform(zoo)


# ---------------------------------------------------------------- halves of the masks


def test_halves_share_points_and_parts_but_no_masks():
    a, b = split_half_plans(PLAN, n_samples=33, sampling="bernoulli", random_state=4)
    for half in (a, b):
        assert_array_equal(half.indices, PLAN.indices)
        assert half.masks.n_masks == (16,) * len(PLAN)
        assert half.point_digest(3) == PLAN.point_digest(3)
        assert half.surrogate is PLAN.surrogate
    assert len({a.digest, b.digest, PLAN.digest}) == 3
    again = split_half_plans(PLAN, n_samples=33, sampling="bernoulli", random_state=4)
    assert (again[0].digest, again[1].digest) == (a.digest, b.digest)
    other = split_half_plans(PLAN, n_samples=33, sampling="bernoulli", random_state=5)
    assert other[0].digest != a.digest
    # Entries agree by chance alone: 40 points x 15 masks x 6 parts, the first mask apart.
    agree = np.mean([np.mean(ma[1:] == mb[1:]) for ma, mb in zip(a.masks, b.masks)])
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(40 * 15 * 6)


def test_halves_by_default_are_fractions_of_auto_size():
    a, b = split_half_plans(PLAN)
    assert a.masks.n_masks == b.masks.n_masks == (32,) * len(PLAN)
    for mask in a.masks:
        assert_array_equal(mask.sum(axis=0), 16)


# ---------------------------------------------------------------- distances by hand


def test_distances_by_hand():
    S_a, S_b = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 1.0], [1.0, 4.0]])
    # <a0, b0> = 4, <a1, b1> = 4, <a0, b1> = 2, <a1, b0> = 1
    D = crossvalidated_distances(S_a, S_b)
    assert_allclose(D, [[0, 1 - 1.5 / 4], [1 - 1.5 / 4, 0]])
    D = crossvalidated_distances(S_a, S_b, distance="sqeuclidean")
    assert_allclose(D, [[0, 5], [5, 0]])
    D = crossvalidated_distances(S_a, S_b, distance="euclidean")
    assert_allclose(D, np.sqrt([[0, 5], [5, 0]]))


def test_distances_can_be_negative():
    S_a, S_b = [[1.0, 0.1], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.1]]
    D = crossvalidated_distances(S_a, S_b, distance="sqeuclidean")
    assert_allclose(D[0, 1], -0.01)
    assert_allclose(crossvalidated_distances(S_a, S_b, distance="euclidean")[0, 1], -0.1)
    assert crossvalidated_distances(S_a, S_b)[0, 1] < 0


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_without_noise_it_is_the_plain_distance(distance):
    S = np.random.default_rng(0).normal(size=(4, 30))
    D = crossvalidated_distances(S, S.copy(), distance=distance)
    assert_allclose(D, zest_distances(S, distance=distance), atol=1e-14)
    assert_array_equal(D, D.T)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e300])
def test_very_small_and_very_large_coefficients(scale):
    S_a, S_b = np.random.default_rng(0).normal(size=(2, 3, 30)) + 1
    scaled = S_a * scale, S_b * scale
    assert_allclose(crossvalidated_distances(*scaled), crossvalidated_distances(S_a, S_b), 1e-6)
    of_scaled, of_one = (
        crossvalidated_distances(*halves, distance="euclidean") for halves in (scaled, (S_a, S_b))
    )
    assert_allclose(of_scaled, of_one * scale, rtol=1e-6)


def test_swapping_the_halves_changes_nothing():
    S_a, S_b = np.random.default_rng(0).normal(size=(2, 4, 30)) + 1
    assert_allclose(crossvalidated_distances(S_a, S_b), crossvalidated_distances(S_b, S_a))


def test_missing_classes_are_left_out_pair_by_pair():
    S = np.random.default_rng(0).normal(size=(2, 3, 4)) + 5 * np.arange(1, 5)
    S[:, 2, 2:] = np.nan
    D = crossvalidated_distances(*S)
    assert_allclose(D[0, 2], crossvalidated_distances(*S[:, [0, 2], :2])[0, 1])
    assert_allclose(D[0, 1], crossvalidated_distances(*S[:, :2])[0, 1])


# ---------------------------------------------------------------- what it is for


def test_noise_cancels_in_expectation_where_the_plain_distance_keeps_it():
    truth_plan = split_half_plans(PLAN, n_samples=128, sampling="foldover")[0]  # all 64 masks
    S = _signatures(truth_plan)
    truth = zest_distances(S, distance="euclidean")[0, 1] ** 2
    plain, across = [], []
    for seed in range(30):
        a, b = split_half_plans(PLAN, n_samples=32, sampling="foldover", random_state=seed)
        S_a, S_b = _signatures(a, ZOO[:2]), _signatures(b, ZOO[:2])
        plain.append(zest_distances(S_a[0], S_a[1], distance="euclidean") ** 2)
        across.append(crossvalidated_distances(S_a, S_b, distance="sqeuclidean")[0, 1])
    error = np.std(across, ddof=1) / np.sqrt(30)
    assert abs(np.mean(across) - truth) < 3 * error
    assert np.mean(plain) - truth > 5 * error


# ---------------------------------------------------------------- refusals


def test_signatures_that_are_all_noise_have_no_cosine():
    S_a, S_b = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[-1.0, 0.0], [1.0, 1.0]])
    with pytest.warns(UserWarning, match=r"two halves of models \[0\] do not agree"):
        D = crossvalidated_distances(S_a, S_b)
    assert np.isnan(D[0]).all() and D[1, 1] == 0
    # A constant model was warned of when it was asked.
    D = crossvalidated_distances([[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]])
    assert np.isnan(D[0]).all()


def test_wrong_inputs_are_refused():
    S = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"'angular'\. Other distances are not functions of inner"):
        crossvalidated_distances(S, S, distance="angular")
    with pytest.raises(ValueError, match=r"S_a has shape \(2, 3\) and S_b \(2, 2\)"):
        crossvalidated_distances(S, S[:, :2])
    with pytest.raises(ValueError, match="row 0 of S_b is infinite in 3 columns"):
        crossvalidated_distances(S, S * np.inf)
    with pytest.raises(ValueError, match="NaN in different columns"):
        crossvalidated_distances(S, np.where(np.eye(2, 3), np.nan, S))
    with pytest.raises(ValueError, match="needs at least 16 masks for 6 parts; n_samples=15"):
        split_half_plans(PLAN, n_samples=31, sampling="foldover")
    with pytest.raises(TypeError, match="n_samples must be an integer"):
        split_half_plans(PLAN, n_samples=31.5)
    scores = LimeSignatureTransformer(X, n_reference=4, surrogate="passthrough").fit(ZOO).plan_
    with pytest.raises(ValueError, match="halves of the masks have no columns in common"):
        split_half_plans(scores)


def test_columns_of_one_set_of_masks_are_refused_by_name():
    pytest.importorskip("pandas")
    frames = [
        LimeSignatureTransformer.from_plan(half).set_output(transform="pandas").fit_transform(ZOO)
        for half in split_half_plans(PLAN.take(3))
    ]
    assert crossvalidated_distances(*frames).shape == (3, 3)
    with pytest.raises(DesignMismatchError, match="so the same masks; their noise does not"):
        crossvalidated_distances(frames[0], frames[0])
    with pytest.raises(ValueError, match="different feature names"):
        crossvalidated_distances(frames[0], frames[1].iloc[:, 1:])
