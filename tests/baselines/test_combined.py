# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skzest import CallableQuery, LimeSignatureTransformer, TabularMasker, zest_distances
from skzest.baselines import ask_copies, ask_points, combined_distances, passthrough_distances
from skzest.baselines._combined import _parted
from skzest.baselines._copies import centred

# One point (1, 1, 1) with fill 0 and all eight masks: copies are the corners of a cube.
CUBE = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=bool)


def _model(main, pair=(0.0, 0.0), triple=0.0):
    """Scores [s, -s]: main effects of three parts, and interactions, as +1 and -1."""

    def scores(X):
        x, y, z = (2 * X - 1).T
        s = X @ main + pair[0] * x * y + pair[1] * y * z + triple * x * y * z
        return np.stack([s, -s], axis=1)

    return CallableQuery(scores, output="logits")


def _plan(zoo, masks=CUBE):
    lime = LimeSignatureTransformer(
        np.ones((2, 3)),
        n_reference=1,
        n_samples=len(masks),
        masker=TabularMasker(fill=0.0),
        sampling=lambda k, n, rng: masks,
    )
    return lime.fit(zoo).plan_


def test_both_halves_by_hand():
    zoo = [
        _model([1, 0, 0], (1, 0)),
        _model([1, 1, 0], (0, 2)),  # main at 45 degrees, interactions at right angles
        _model([0, 1, 0], (3, 0), 4),  # main at right angles, interactions cos 3/5
        _model([-1, 0, 0], (1, 1)),
    ]
    plan = _plan(zoo)
    main = np.array([0, 1 - np.sqrt(0.5), 1, 2])
    rest = np.array([0, 1, 0.4, 1 - np.sqrt(0.5)])
    for share in (0, 0.25, 0.5, 1):
        D = combined_distances(zoo, plan, share=share)
        assert_allclose(D[0], main ** (1 - share) * rest**share, atol=1e-14)
        assert_array_equal(D, D.T)


def test_models_without_interactions_are_compared_by_main_effects():
    zoo = [_model([1, 0, 0]), _model([1, 1, 0]), _model([1, 1, 0], (1, 0))]
    D = combined_distances(zoo, _plan(zoo))
    near = 1 - np.sqrt(0.5)
    assert_allclose(D, [[0, near, np.sqrt(near)], [near, 0, 0], [np.sqrt(near), 0, 0]], atol=1e-7)


def test_parts_add_up_to_the_scores_and_are_orthogonal():
    X, y = load_iris(return_X_y=True)
    zoo = [KNeighborsClassifier(k).fit(X, y) for k in (3, 9)]
    plan = LimeSignatureTransformer(X, n_reference=6, n_samples=12).fit(zoo).plan_
    scores = ask_copies(zoo, plan)
    main, rest = _parted(scores)
    assert_allclose(main, LimeSignatureTransformer(plan).fit_transform(zoo), atol=1e-10)
    fitted = centred(scores).transpose(0, 2, 1) - rest.reshape(2, 3, -1)
    for i in range(2):
        assert np.abs(rest[i]).max() > 0.1
        assert abs(np.sum(fitted[i] * rest[i].reshape(3, -1))) < 1e-9 * np.sum(fitted[i] ** 2)


def test_no_share_of_interactions_is_zest():
    X, y = load_iris(return_X_y=True)
    zoo = [KNeighborsClassifier(k).fit(X, y) for k in (1, 5, 25)]
    plan = LimeSignatureTransformer(X, n_reference=6, n_samples=12).fit(zoo).plan_
    D = zest_distances(LimeSignatureTransformer(plan).fit_transform(zoo))
    assert_allclose(combined_distances(zoo, plan, share=0), D, atol=1e-12)
    between = combined_distances(zoo, plan)[0, 1:]
    assert (between > np.minimum(D[0, 1:], passthrough_distances(zoo, plan)[0, 1:])).all()


def test_classes_that_a_model_lacks_are_left_out():
    X, y = load_iris(return_X_y=True)
    zoo = [KNeighborsClassifier(5).fit(X, y), KNeighborsClassifier(5).fit(X[y > 0], y[y > 0])]
    plan = LimeSignatureTransformer(X, n_reference=6, n_samples=12).fit(zoo).plan_
    D = combined_distances(zoo, plan)
    assert np.isfinite(D).all() and D[0, 1] > 0.01


def test_constant_model_is_nan():
    constant = CallableQuery(lambda X: np.full((len(X), 2), 0.5))
    zoo = [_model([1, 0, 0], (1, 0)), constant]
    with pytest.warns(UserWarning, match=r"models \[1\] gave the same scores"):
        D = combined_distances(zoo, _plan(zoo))
    assert np.isnan(D[0, 1])


def test_logistic_regressions_have_no_interactions():
    X, y = load_iris(return_X_y=True)
    zoo = [LogisticRegression(C=C, max_iter=2000).fit(X, y) for C in (0.01, 10)]
    plan = LimeSignatureTransformer(X, n_reference=6, n_samples=12, clip=1e-300).fit(zoo).plan_
    D = zest_distances(LimeSignatureTransformer(plan).fit_transform(zoo))
    assert_allclose(combined_distances(zoo, plan), D, rtol=1e-9)


@pytest.mark.parametrize("share", [-0.1, 1.5, np.nan])
def test_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        combined_distances([_model([1, 0, 0])], share=share)


def test_questions_without_interactions_are_refused():
    zoo = [_model([1, 0, 0], (1, 0))]
    with pytest.raises(ValueError, match="fits exactly, so no interactions"):
        combined_distances(zoo, _plan(zoo, CUBE[[0, 1, 2, 4]]))
    with pytest.raises(ValueError, match="a point has only one copy"):
        combined_distances(ask_points(zoo, np.ones((3, 3))))


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_models_without_a_class_in_common_have_no_distance(share):
    X, y = load_iris(return_X_y=True)
    first, second = X[y < 2], X[y > 0]
    zoo = [
        KNeighborsClassifier(5).fit(first, np.array(["a", "b"])[y[y < 2]]),
        KNeighborsClassifier(5).fit(second, np.array(["c", "d"])[y[y > 0] - 1]),
    ]
    lime = LimeSignatureTransformer(X, n_reference=6, n_samples=12)
    with pytest.warns(UserWarning, match="share none"):
        plan = lime.fit(zoo).plan_
    nothing_shared = pytest.warns(UserWarning, match="nothing in common")
    with pytest.warns(UserWarning, match="share none"), nothing_shared:
        D = combined_distances(zoo, plan, share=share)
    assert np.isnan(D[0, 1])
