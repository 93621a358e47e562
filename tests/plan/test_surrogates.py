# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import (
    BayesianRidge,
    HuberRegressor,
    Lasso,
    LinearRegression,
    Ridge,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from skzest import CallableQuery, LimeSignatureTransformer
from skzest.plan._linear_fit import _FACTORS, LinearFit
from skzest.plan._surrogates import (
    check_surrogate,
    closed_form,
    coefficients,
    kernel_weights,
    n_masks_needed,
)


def _masks_and_scores(n_masks=60, n_parts=7, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    masks = rng.random((n_masks, n_parts)) < 0.5
    masks[0] = True
    return masks, rng.normal(size=(n_masks, n_classes)) + 3.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "surrogate",
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        Ridge(),
        Ridge(alpha=7.5, fit_intercept=False),
        Ridge(alpha=0.25, solver="svd"),
    ],
    ids=repr,
)
def test_closed_form_equals_scikit_learns_own_fit(surrogate, weighted):
    masks, scores = _masks_and_scores()
    weights = kernel_weights(masks, 0.4) if weighted else None
    operator = LinearFit(masks, weights, **closed_form(surrogate)).operator
    expected = surrogate.fit(masks.astype(float), scores, sample_weight=weights).coef_
    assert np.abs(expected).max() > 0.1
    assert_allclose((operator @ scores).T, expected, atol=1e-12)


def test_underdetermined_least_squares_has_the_smallest_norm():
    masks, scores = _masks_and_scores(n_masks=5, n_parts=9)
    operator = LinearFit(masks, fit_intercept=False).operator
    expected = np.linalg.lstsq(masks.astype(float), scores, rcond=None)[0]
    assert_allclose(operator @ scores, expected, atol=1e-12)


def test_nearly_collinear_masks_take_the_accurate_path():
    # Two parts that differ in one mask of 4,000: the Gram matrix would lose digits.
    rng = np.random.default_rng(0)
    masks = rng.random((20_000, 3)) < 0.5
    masks[:, 1] = masks[:, 0]
    masks[0, 1] = ~masks[0, 0]
    gram = np.linalg.cond((masks - masks.mean(0)).T @ (masks - masks.mean(0)))
    assert gram > 1e4, "the data must reach the second path"
    truth = np.array([[1.0], [-2.0], [3.0]])
    assert_allclose(LinearFit(masks)(masks @ truth), truth, atol=1e-9)


def test_parts_that_never_differ_share_their_weight():
    masks, _ = _masks_and_scores(n_parts=3)
    masks = np.column_stack([masks, masks[:, 0]])
    coef = LinearFit(masks)(masks @ np.array([[2.0], [0.0], [1.0], [4.0]]))
    assert_allclose(coef[:, 0], [3.0, 0.0, 1.0, 3.0], atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize(("n_masks", "n_parts"), [(60, 7), (60, 59), (40, 60), (1000, 200)])
def test_operator_is_the_pseudoinverse_whichever_way_it_is_computed(n_masks, n_parts, alpha):
    masks, _ = _masks_and_scores(n_masks, n_parts)
    A = masks - masks.mean(axis=0)
    stacked = np.vstack([A, np.sqrt(alpha) * np.eye(n_parts)])
    expected = np.linalg.pinv(stacked)[:, :n_masks]
    fit = LinearFit(masks, alpha=alpha)
    assert_allclose(fit.operator, expected, atol=1e-9)
    scores = np.random.default_rng(1).normal(size=(n_masks, 3))
    assert_allclose(fit(scores), expected @ scores, atol=1e-8)


@pytest.mark.parametrize(
    "surrogate",
    [Lasso(alpha=0.01), LinearRegression(positive=True), Ridge(alpha=np.arange(1.0, 5))],
)
def test_other_linear_regressors_are_fitted_by_their_own_code(surrogate):
    masks, scores = _masks_and_scores()
    assert closed_form(surrogate) is None
    coef = coefficients(surrogate, masks, scores, None)
    assert coef.shape == (7, 4)
    assert_allclose(coef.T, surrogate.fit(masks.astype(float), scores).coef_)


@pytest.mark.parametrize("surrogate", [BayesianRidge(), HuberRegressor()], ids=repr)
def test_single_target_regressors_are_fitted_class_by_class(surrogate):
    masks, scores = _masks_and_scores()
    coef = coefficients(surrogate, masks, scores, None)
    for k in range(4):
        assert_allclose(coef[:, k], surrogate.fit(masks.astype(float), scores[:, k]).coef_)


def test_kernel_weights_by_hand():
    masks = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    # cosine distances to the whole: 0, 1 - 1/2, 1
    expected = np.sqrt(np.exp(-(np.array([0.0, 0.5, 1.0]) ** 2) / 0.25**2))
    assert_allclose(kernel_weights(masks, 0.25), expected)
    assert kernel_weights(masks, None) is None


def test_number_of_masks_needed():
    assert n_masks_needed(LinearRegression(), 7) == 8
    assert n_masks_needed(LinearRegression(fit_intercept=False), 7) == 7
    assert n_masks_needed(Ridge(), 7) == 2
    assert n_masks_needed(Ridge(alpha=0), 7) == 8
    assert n_masks_needed("passthrough", 7) == 2


def test_surrogates_that_cannot_serve_are_refused():
    with pytest.raises(ValueError, match="surrogate must be 'passthrough' or None; got 'linear'"):
        check_surrogate("linear")
    for alpha in (-1.0, np.nan, "one"):
        with pytest.raises(ValueError, match="The 'alpha' parameter of Ridge must be"):
            check_surrogate(Ridge(alpha=alpha))
    with pytest.raises(TypeError, match="must be a linear regressor"):
        check_surrogate(LinearRegression)
    with pytest.raises(TypeError, match="DecisionTreeRegressor has no coef_ after fit"):
        coefficients(DecisionTreeRegressor(), *_masks_and_scores(), None)
    masks, scores = _masks_and_scores()
    with pytest.raises(TypeError, match="KNeighborsRegressor does not accept sample_weight"):
        coefficients(KNeighborsRegressor(), masks, scores, np.ones(60))


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_counts_are_as_exact_as_a_fit_by_singular_values(fit_intercept):
    masks, scores = _masks_and_scores(n_masks=900, n_parts=150)
    scores += 1e3  # an offset that the intercept takes
    form = {"alpha": 0.0, "fit_intercept": fit_intercept}
    design = np.column_stack([np.ones(900), masks]) if fit_intercept else masks.astype(float)
    expected = np.linalg.lstsq(design, scores, rcond=None)[0][int(fit_intercept) :]
    assert_allclose(LinearFit(masks, **form)(scores), expected, atol=1e-11)


def test_equal_masks_are_factored_once(monkeypatch):
    made, gram = [], LinearFit._gram
    monkeypatch.setattr(LinearFit, "_gram", lambda fit: made.append(1) or gram(fit))
    _FACTORS.clear()
    masks, scores = _masks_and_scores()
    first = LinearFit(masks)(scores)
    assert np.array_equal(LinearFit(masks.copy())(scores), first)
    assert len(made) == 1
    others = [
        LinearFit(masks, alpha=1.0),
        LinearFit(masks, fit_intercept=False),
        LinearFit(masks, kernel_weights(masks, 0.5)),
        LinearFit(masks[:-1]),
        LinearFit(masks.reshape(-1, 6)),
    ]
    assert len(made) == 1 + len(others)
    assert not any(np.array_equal(fit._factor, LinearFit(masks)._factor) for fit in others)


def test_a_plan_is_checked_and_answered_with_one_factor_a_point(monkeypatch):
    made, gram = [], LinearFit._gram
    monkeypatch.setattr(LinearFit, "_gram", lambda fit: made.append(1) or gram(fit))
    _FACTORS.clear()
    X = np.random.default_rng(0).normal(size=(20, 9))
    models = [CallableQuery(lambda B, k=k: np.tanh(B[:, :k]), output="logits") for k in (3, 3)]
    lime = LimeSignatureTransformer(X, n_reference=6, n_samples=200)
    lime.fit_transform(models)
    lime.transform(models)
    assert len(made) == 6
