# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t as student

from skzest import (
    CallableQuery,
    DesignMismatchError,
    LimeSignatureTransformer,
    distance_interval,
    zest_distances,
)
from skzest.comparing import jackknife_t, point_sums


def _zoo(n_models=3, n_columns=6, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)

    def model(W, V):
        return CallableQuery(lambda X: np.tanh(X @ W) @ V, output="logits")

    return [
        model(rng.normal(size=(n_columns, 8)), rng.normal(size=(8, n_classes)))
        for _ in range(n_models)
    ]


@pytest.fixture(scope="module")
def asked():
    X = np.random.default_rng(1).normal(size=(40, 6))
    lime = LimeSignatureTransformer(X, n_reference=12, n_samples=20)
    return lime.fit_transform(_zoo()), lime.plan_


# ---------------------------------------------------------------- the interval


def test_interval_by_hand():
    # Orthogonal in point 0, equal in points 1 and 2, all of length 1: distances 1/3, and 0, 1/2,
    # 1/2 without each point; with length 2 in point 2 the 0 goes too.
    sums = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    interval = jackknife_t(sums, 0.9)
    without = np.array([0.25, 0.5, 0.75])
    assert_allclose(interval.estimate, 0.5)
    assert_allclose(interval.standard_error, np.sqrt(2 / 3 * np.sum((without - 0.5) ** 2)))
    logs = np.log(without)
    error = np.sqrt(2 / 3 * np.sum((logs - logs.mean()) ** 2))
    reach = student(2).ppf(0.95) * error
    assert_allclose([interval.low, interval.high], [0.5 * np.exp(-reach), 2.0])
    assert interval.n_reference == 3 and interval.level == 0.9


def test_equal_models_have_an_interval_of_zero_width(asked):
    S, plan = asked
    interval = distance_interval(S[0], 3 * S[0], plan)
    assert (interval.estimate, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_one_point_that_makes_all_the_difference_leaves_everything_open():
    sums = np.array([[1.0, 1.0, 0.5]] + [[1.0, 1.0, 0.0]] * 5)
    interval = jackknife_t(sums, 0.95)
    assert (interval.low, interval.high) == (0.0, 2.0)
    assert 0 < interval.estimate < 0.1


@pytest.mark.parametrize("noise", [0.0, 1e-17])
def test_one_point_that_holds_all_coefficients_leaves_everything_open(asked, noise):
    S, plan = asked
    for seed in range(20):
        rng = np.random.default_rng(seed)
        lonely = noise * rng.normal(size=(3, plan.n_components))
        point = int(rng.integers(len(plan)))
        of_point = plan.column_point == point
        lonely[:, of_point] = rng.normal(size=(3, of_point.sum()))
        for other in (S[0], lonely.ravel()):
            interval = distance_interval(lonely.ravel(), other, plan)
            assert (interval.low, interval.high) == (0.0, 2.0)
            assert 0 <= interval.estimate <= 2
            assert interval.standard_error == np.inf
            assert "nan" not in str(interval)


def test_estimate_is_the_zest_distance_and_lies_inside(asked):
    S, plan = asked
    interval = distance_interval(S[0], S[1], plan)
    assert_allclose(interval.estimate, zest_distances(S[0], S[1]))
    assert interval.low < interval.estimate < interval.high
    assert interval.estimate in interval and interval.high + 1e-9 not in interval
    assert str(interval).endswith("(95%, 12 points)")
    narrower = distance_interval(S[0], S[1], plan, level=0.5)
    assert interval.low < narrower.low < narrower.high < interval.high


def test_interval_is_symmetric_and_ignores_scale(asked):
    S, plan = asked
    first = distance_interval(S[0], S[1], plan)
    for other in (distance_interval(S[1], S[0], plan), distance_interval(7 * S[0], S[1], plan)):
        assert_allclose([other.low, other.high], [first.low, first.high])


def test_order_of_points_does_not_matter():
    sums = point_sums(*np.random.default_rng(0).normal(size=(2, 2, 12)), np.full(6, 2))
    a, b = jackknife_t(sums, 0.95), jackknife_t(sums[::-1], 0.95)
    assert_allclose([a.low, a.high, a.standard_error], [b.low, b.high, b.standard_error])


def test_missing_classes_are_left_out(asked):
    S, plan = asked
    short = S[1].reshape(3, -1).copy()
    short[2] = np.nan
    interval = distance_interval(S[0], short.ravel(), plan)
    kept = S.reshape(3, 3, -1)[:, :2].reshape(3, -1)
    expected = distance_interval(kept[0], kept[1], plan)
    assert_allclose([interval.low, interval.high], [expected.low, expected.high])


def test_constant_models_have_no_interval(asked):
    S, plan = asked
    interval = distance_interval(S[0], 0 * S[0], plan)
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()


def test_coverage_of_normal_points():
    # Truth: <u, v> = 1, lengths 2 and 2 in expectation, so the cosine is 1/2.
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        common, own = rng.normal(size=(2, 20, 10)), rng.normal(size=(2, 20, 10))
        W1, W2 = (common[0] + own[k] for k in (0, 1))
        sums = point_sums(W1.reshape(1, -1), W2.reshape(1, -1), np.full(20, 10))
        held += 0.5 in jackknife_t(sums, 0.95)
    assert 0.92 <= held / 400 <= 0.98


# ---------------------------------------------------------------- refusals


def test_wrong_inputs_are_refused(asked):
    S, plan = asked
    with pytest.raises(TypeError, match=r"plan must be a QueryPlan.*got ndarray"):
        distance_interval(S[0], S[1], S)
    with pytest.raises(ValueError, match="plan has 1 reference point; at least 2"):
        distance_interval(S[0], S[1], plan.take(1))
    with pytest.raises(ValueError, match=r"S1 must be the signature of one model.*\(3, 216\)"):
        distance_interval(S, S[1], plan)
    with pytest.raises(ValueError, match="S2 has 215 columns, and the plan 72 components"):
        distance_interval(S[0], S[1, 1:], plan)
    with pytest.raises(ValueError, match="S1 has 216 columns and S2 has 144"):
        distance_interval(S[0], S[1, :144], plan)
    with pytest.raises(ValueError, match="row 0 of S2 is infinite in"):
        distance_interval(S[0], np.where(S[1] > 0, np.inf, S[1]), plan)
    with pytest.raises(TypeError, match=r"S1 must be numbers; got a model \(CallableQuery\)"):
        distance_interval(*_zoo(2), plan)
    half = plan.take(6)
    assert plan.n_components % half.n_components == 0  # the other plan fits the width
    with pytest.raises(ValueError, match="6 classes of the plan's 36 components, but n_classes=3"):
        distance_interval(S[0], S[1], half, n_classes=3)
    assert distance_interval(S[0], S[1], plan, n_classes=3) == distance_interval(S[0], S[1], plan)
    for level, hint in ((0, "between 0 and 1; got 0"), (95, "For 95 %, pass 0.95")):
        with pytest.raises(ValueError, match=hint):
            distance_interval(S[0], S[1], plan, level=level)
    with pytest.raises(TypeError, match=r"level must be a number such as 0\.95; got '95 %'"):
        distance_interval(S[0], S[1], plan, level="95 %")


def test_signatures_of_other_questions_are_refused(asked):
    pd = pytest.importorskip("pandas")
    S, plan = asked
    X = np.random.default_rng(1).normal(size=(40, 6))
    lime = LimeSignatureTransformer(X, n_reference=12, n_samples=21)
    other = lime.set_output(transform="pandas").fit_transform(_zoo())
    assert isinstance(other, pd.DataFrame)
    assert distance_interval(other.iloc[0], other.iloc[1], lime.plan_).low > 0
    with pytest.raises(DesignMismatchError, match="S1 and plan were asked different questions"):
        distance_interval(other.iloc[0], S[1], plan)
