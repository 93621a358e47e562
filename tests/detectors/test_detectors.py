# SPDX-License-Identifier: BSD-3-Clause
"""relative_distances and ReuseDetector: by hand, by enumeration, and refusals."""

import pickle
import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from skzest import (
    DesignMismatchError,
    LimeSignatureTransformer,
    ReuseDetector,
    distance_interval,
    relative_distances,
    zest_distances,
)
from skzest.detectors._jackknife import of_models, two_way
from skzest.detectors._null import ConformalNull, StudentNull, n_needed

NULLS = ["conformal", "lognormal", "normal"]
UNRELATED = [0.18, 0.22, 0.19, 0.21, 0.2, 0.17, 0.23, 0.2, 0.19]

distances = st.floats(1e-3, 2.0)
null_distances = st.lists(distances, min_size=5, max_size=30, unique=True)


def _quiet(fit, *args, **params):
    """Fit without warnings: short or skewed nulls are drawn on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return fit(*args, **params)


@pytest.fixture(scope="module")
def asked():
    """Signatures of an owner, a copy, and eight models trained on other halves of the data."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    y = np.argmax(np.tanh(X @ rng.normal(size=(6, 8))) @ rng.normal(size=(8, 3)), axis=1)
    halves = [rng.permutation(400)[:60] for _ in range(9)]
    zoo = [LogisticRegression().fit(X[half], y[half]) for half in halves]
    copy = LogisticRegression().fit(X, zoo[0].predict(X))
    lime = LimeSignatureTransformer(X, n_reference=12, n_samples=20)
    S = lime.fit_transform([zoo[0], copy, *zoo[1:]])
    return S[0], S[1], S[2:], lime, [zoo[0], copy, *zoo[1:]]


# ---------------------------------------------------------------- relative distances


def test_relative_distance_by_hand():
    unrelated = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
    found = relative_distances([0.05, 0.2], unrelated, level=0.9)
    assert_allclose(found.relative, [0.25, 1.0])
    # The mean without each: 0.225, 0.2, 0.175, 0.2, 0.2.
    logs = np.log([0.225, 0.2, 0.175, 0.2, 0.2])
    reach = stats.t(4).ppf(0.95) * np.sqrt(4 / 5 * np.sum((logs - logs.mean()) ** 2))
    assert_allclose(found.low, [0.25 * np.exp(-reach), np.exp(-reach)])
    assert_allclose(found.high, [0.25 * np.exp(reach), np.exp(reach)])
    assert len(found) == 2 and found.n_reference is None
    assert_array_equal(found.points_low, found.relative)


def test_one_number_is_one_suspect():
    found = relative_distances(0.1, UNRELATED)
    assert_allclose(found.relative, [0.1 / np.mean(UNRELATED)])


def test_signatures_give_the_distances_and_a_wider_interval(asked):
    owner, copy, unrelated, lime, _ = asked
    with_points = relative_distances(copy, unrelated, owner=owner, plan=lime.plan_)
    D = zest_distances(np.vstack([owner, copy, unrelated]))[0]
    assert_allclose(with_points.d_suspects, D[1:2])
    assert_allclose(with_points.d_unrelated, D[2:])
    bare = relative_distances(D[1], D[2:])
    assert_allclose(with_points.relative, bare.relative)
    assert with_points.low[0] < bare.low[0] < bare.high[0] < with_points.high[0]
    assert with_points.low[0] < with_points.points_low[0] < with_points.points_high[0]
    assert with_points.n_reference == 12


def test_points_that_move_all_distances_alike_cancel(asked):
    # The unrelated models are copies of the suspect: whatever the points, the ratio
    # is 1, while the distance itself is uncertain.
    owner, copy, _, lime, _ = asked
    found = relative_distances(copy, np.tile(copy, (5, 1)), owner=owner, plan=lime.plan_)
    alone = distance_interval(owner, copy, lime.plan_)
    assert alone.high > 1.05 * alone.low
    assert_allclose([found.low[0], found.relative[0], found.high[0]], 1.0)


def test_interval_of_points_by_hand(asked):
    owner, copy, unrelated, lime, _ = asked
    found = relative_distances(copy, unrelated, owner=owner, plan=lime.plan_)
    W = np.stack([owner, copy, *unrelated]).reshape(10, 3, -1)
    logs = []
    for n in range(12):
        kept = W[:, :, lime.plan_.column_point != n].reshape(10, -1)
        D = zest_distances(kept)[0]
        logs.append(np.log(D[1] / D[2:].mean()))
    reach = stats.t(11).ppf(0.975) * np.sqrt(11 / 12 * np.sum((logs - np.mean(logs)) ** 2))
    assert_allclose(found.points_high / found.relative, np.exp(reach))


def test_the_owner_itself_is_surely_at_zero(asked):
    owner, _, unrelated, lime, _ = asked
    found = relative_distances(2 * owner, unrelated, owner=owner, plan=lime.plan_)
    assert (found.relative[0], found.low[0], found.high[0]) == (0.0, 0.0, 0.0)


def test_constant_suspects_have_no_relative_distance(asked):
    owner, copy, unrelated, lime, _ = asked
    suspects = np.stack([0 * copy, copy])
    found = relative_distances(suspects, unrelated, owner=owner, plan=lime.plan_)
    assert np.isnan([found.relative[0], found.low[0], found.high[0]]).all()
    assert found.low[1] < found.relative[1] < found.high[1]


def test_negative_distances_keep_their_interval_in_order():
    # Cross-validated distances of near-copies can be below zero.
    found = relative_distances([-0.01], UNRELATED)
    assert found.low[0] < found.relative[0] < found.high[0] < 0


def test_variances_of_both_choices_add_up():
    error, freedom = two_way(np.array([3.0]), 11, 4.0, 21)
    assert_allclose(error, 5.0)
    assert_allclose(freedom, 25**2 / (81 / 10 + 256 / 20))
    error, freedom = two_way(np.array([0.0]), 11, 4.0, 21)
    assert_allclose([error[0], freedom[0]], [4.0, 20.0])


@given(null_distances, distances, st.floats(0.01, 100))
def test_relative_distances_do_not_depend_on_units(null, d, unit):
    first = relative_distances(d, null)
    second = relative_distances(unit * d, unit * np.array(null))
    for one, other in ((first.relative, second.relative), (first.high, second.high)):
        assert_allclose(one, other, rtol=1e-6)


def test_error_of_a_mean_that_one_model_makes():
    assert of_models(np.array([0.0, 0.0, 1.0])) == np.inf
    assert relative_distances([0.5], [0.0, 0.0, 0.0, 0.0, 1.0]).high[0] == np.inf


# ---------------------------------------------------------------- p-values


def test_conformal_p_values_by_hand():
    detector = _quiet(ReuseDetector(alpha=0.2).fit, [0.3, 0.1, 0.2, 0.4])
    p = detector.p_values([0.05, 0.1, 0.15, 0.35, 0.4, 3, np.nan])
    assert_allclose(p, [0.2, 0.4, 0.4, 0.8, 1.0, 1.0, np.nan])


@pytest.mark.parametrize("m", [4, 6])
def test_conformal_p_values_are_super_uniform_over_all_orders(m):
    # Of m + 1 exchangeable models any may be the suspect: the level holds for ties and all.
    values = np.array([0.2, 0.1, 0.3, 0.3, 0.5, 0.6, 0.1])[: m + 1]
    p = []
    for order in permutations(range(m + 1)):
        suspect, *null = values[list(order)]
        p.append(ConformalNull(np.array(null)).p_values(np.array(suspect)).item())
    levels = np.arange(1, m + 2) / (m + 1)
    shares = np.array([np.mean(np.array(p) <= a + 1e-12) for a in levels])
    assert (shares <= levels + 1e-12).all()
    assert shares[-1] == 1 and (shares[:-1] < levels[:-1] - 1e-3).any()  # the ties
    distinct = np.arange(m + 1.0)
    p = [ConformalNull(np.delete(distinct, i)).p_values(distinct[i]).item() for i in range(m + 1)]
    assert_allclose(np.sort(p), levels)


@pytest.mark.parametrize("null", ["lognormal", "normal"])
def test_student_p_values_are_those_of_the_next_of_a_sample(null):
    values = np.array([-1.0, -0.8, -1.3, -1.1, -0.9, -1.2])
    to = np.exp if null == "lognormal" else lambda x: x + 3
    detector = ReuseDetector(null=null).fit(to(values))
    # The prediction interval of textbooks, and its one-sided p-value.
    t = (-1.6 - values.mean()) / (values.std(ddof=1) * np.sqrt(7 / 6))
    assert_allclose(detector.p_values(to(np.array([-1.6]))), stats.t(5).cdf(t))


@pytest.mark.parametrize("m", [5, 20])
def test_student_null_holds_its_level_for_few_models(m):
    rng = np.random.default_rng(m)
    draws = rng.normal(size=(3000, m + 1))
    p = np.array([StudentNull(d[:m], logarithm=False).p_values(d[m]).item() for d in draws])
    for alpha in (0.01, 0.05, 0.1):
        assert abs(np.mean(p <= alpha) - alpha) < 4 * np.sqrt(alpha * (1 - alpha) / 3000)
    # Treating mean and deviation as known would not: so the test could fail.
    naive = stats.norm.cdf((draws[:, m] - draws[:, :m].mean(1)) / draws[:, :m].std(1, ddof=1))
    if m == 5:
        assert np.mean(naive <= 0.01) > 0.03


@given(null_distances, st.lists(st.floats(0, 3.0), min_size=2), st.sampled_from(NULLS))
def test_p_values_are_probabilities_that_grow_with_distance(null, suspects, kind):
    detector = _quiet(ReuseDetector(alpha=0.5, null=kind).fit, null)
    p = detector.p_values(np.sort(suspects))
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) >= 0).all()


@given(null_distances, st.randoms(use_true_random=False), st.sampled_from(NULLS))
def test_order_of_unrelated_models_does_not_matter(null, random, kind):
    shuffled = random.sample(null, len(null))
    first, second = (_quiet(ReuseDetector(alpha=0.5, null=kind).fit, d) for d in (null, shuffled))
    d = np.linspace(0.01, 2, 9)
    assert_allclose(first.p_values(d), second.p_values(d), rtol=1e-9)
    assert_allclose(first.critical_distance_, second.critical_distance_, rtol=1e-9)


# ---------------------------------------------------------------- verdicts


@given(null_distances, st.sampled_from([0.2, 0.3, 0.5]), st.sampled_from(NULLS))
def test_decision_function_is_negative_where_p_is_at_most_alpha(null, alpha, kind):
    detector = _quiet(ReuseDetector(alpha=alpha, null=kind, correction=None).fit, null)
    critical = detector.critical_distance_
    d = np.concatenate([null, [critical * (1 - 1e-6), critical * (1 + 1e-6)]])
    d = d[~np.isclose(d, critical, rtol=1e-9)]
    assert_array_equal(detector.decision_function(d) < 0, detector.p_values(d) <= alpha)
    assert_array_equal(detector.predict(d) == "reused", detector.p_values(d) <= alpha)
    assert_allclose(detector.score_samples(d), d / np.mean(null))
    assert detector.unrelated_distance_ >= critical * (1 - 1e-12)


def test_verdicts_by_ranks_by_hand():
    # Of 19, at alpha = 5 %: 4 or more as near happen with P = 1.3 % if the share is alpha, 3 or
    # more with 6.7 %; so from the fourth on the share is surely larger.
    null = np.arange(1, 20) / 10
    detector = ReuseDetector().fit(null)
    d = np.array([0.05, 0.1, 0.25, 0.35, 0.4, 1.5])
    said = [detector.predict([one])[0] for one in d]
    assert said == ["reused", "undecided", "undecided", "undecided", "unrelated", "unrelated"]
    assert stats.binom.sf(3, 19, 0.05) < 0.05 < stats.binom.sf(2, 19, 0.05)
    limits = (detector.critical_distance_, detector.unrelated_distance_)
    assert limits == pytest.approx((0.1, 0.4))


@pytest.mark.parametrize("m", [5, 20])
def test_unrelated_is_wrong_at_most_as_often_as_the_level_allows(m):
    # "unrelated" claims that more than alpha of all unrelated models are as near.
    rng = np.random.default_rng(m)
    truth = stats.norm.ppf(0.1)
    limits = [
        StudentNull(rng.normal(size=m), logarithm=False).unrelated_from(0.1, 0.9)
        for _ in range(2000)
    ]
    assert abs(np.mean(np.array(limits) >= truth) - 0.9) < 4 * np.sqrt(0.09 / 2000)


def test_points_can_leave_undecided_what_the_distance_alone_would_not(asked):
    owner, _, unrelated, lime, _ = asked
    detector = ReuseDetector.from_signatures(owner, unrelated[1:], lime.plan_, null="lognormal")
    suspect = unrelated[:1]
    d = detector.judge_signatures(suspect).d_suspects
    bare = ReuseDetector(null="lognormal").fit(detector.null_distances_)
    # A little nearer than the suspect: the distance is beyond it, its interval is not.
    detector._rule.unrelated_from = bare._rule.unrelated_from = 0.99 * d[0]
    assert bare.predict(d).tolist() == ["unrelated"]
    assert detector.judge_signatures(suspect).decisions.tolist() == ["undecided"]
    detector._rule.unrelated_from = 0.2 * d[0]
    assert detector.judge_signatures(suspect).decisions.tolist() == ["unrelated"]


def test_several_suspects_are_corrected_for():
    null = np.arange(1, 100) / 100
    suspects = np.concatenate([[0.001, 0.002], np.linspace(0.3, 0.9, 8)])
    detector = ReuseDetector().fit(null)
    found = detector.judge(suspects)
    assert_allclose(found.p_values[:2], 0.01)
    # Two at rank 2 of 10: 0.01 * 10 / 2.
    assert_allclose(found.adjusted_p_values[:2], 0.05)
    assert found.decisions.tolist() == ["reused"] * 2 + ["unrelated"] * 8
    alone = clone(detector).set_params(correction=None).fit(null)
    assert_array_equal(alone.judge(suspects).adjusted_p_values, found.p_values)


def test_one_of_many_may_need_more_unrelated_models():
    detector = ReuseDetector().fit(np.arange(1, 20) / 10)
    with pytest.warns(
        UserWarning, match="a single one among 3 suspects at alpha=0.05 takes 59 of these"
    ):
        said = detector.predict([0.01, 1.0, 1.2])
    assert said[0] == "undecided"
    assert detector.predict([0.01, 0.01, 0.01]).tolist() == ["reused"] * 3
    enough = ReuseDetector().fit(np.arange(1, 60) / 10)
    assert enough.predict([0.01, 1.0, 1.2])[0] == "reused"


@pytest.mark.parametrize("unit", [1.0, 0.1])
@pytest.mark.parametrize("null", ["lognormal", "normal"])
def test_reasons_are_in_the_relative_units_of_their_column(null, unit):
    unrelated = unit * np.array([0.40, 0.55, 0.50, 0.60, 0.45, 0.52, 0.48])
    detector = ReuseDetector(null=null).fit(unrelated)
    begin = f"{detector.unrelated_distance_ / unrelated.mean():.3g}"
    found = detector.judge([0.43 * unit, 0.5 * unit, 1e-9 * unit])
    assert found.decisions.tolist() == ["undecided", "unrelated", "reused"]
    assert f"not certainly beyond {begin}, where" in found.reasons[0]
    assert found.reasons[1] == f"1 is ordinary between unrelated models (from {begin} on)"


def test_tiny_p_values_are_not_spelled_out():
    unrelated = [0.40, 0.55, 0.50, 0.60, 0.45, 0.52, 0.48]
    found = ReuseDetector(null="lognormal").fit(unrelated).judge([1e-200])
    assert 0 < found.p_values[0] < 1e-6
    assert found.reasons == ("p < 1e-6, at most 0.05",)


def test_p_values_of_several_suspects_say_that_they_are_adjusted():
    unrelated = np.random.default_rng(0).lognormal(-1.0, 0.2, size=(39, 2))
    suspects = [[0.01, 0.02], [0.4, 0.4]]
    for X, Y in ((unrelated[:, 0], [0.01, 0.4]), (unrelated, suspects)):
        found = ReuseDetector().fit(X).judge(Y)
        assert found.reasons[0].startswith("p = 0.05 among 2 suspects, at most 0.05")
        assert found.p_values[0] == 1 / 40
        alone = ReuseDetector().fit(X).judge(Y[:1])
        single = ReuseDetector(correction=None).fit(X).judge(Y)
        assert alone.reasons[0] == single.reasons[0] != found.reasons[0]
        assert "among" not in alone.reasons[0]


def test_too_few_models_for_unrelated_are_named():
    detector = ReuseDetector(alpha=0.5, level=0.999).fit([0.3, 0.4, 0.5, 0.6, 0.7])
    assert np.isinf(detector.unrelated_distance_)
    assert "too few unrelated models" in detector.judge([0.65]).reasons[0]


def test_threshold_of_the_paper():
    detector = ReuseDetector(threshold=1.0).fit(UNRELATED)
    mean = np.mean(UNRELATED)
    found = detector.judge([0.5 * mean, 0.99 * mean, 1.5 * mean], labels=["a", "b", "c"])
    assert found.decisions.tolist() == ["reused", "undecided", "unrelated"]
    assert detector.critical_distance_ == detector.unrelated_distance_ == mean
    assert found.threshold == detector.offset_ == 1.0
    assert "b " in str(found) and "undecided" in str(found)


def test_suspect_without_a_distance_is_undecided():
    found = ReuseDetector(alpha=0.1, correction="fdr").fit(UNRELATED).judge([np.nan, 0.25])
    assert found.decisions.tolist() == ["undecided", "unrelated"]
    assert np.isnan(found.p_values[0]) and np.isnan(found.adjusted_p_values[0])
    # A single one is left: nothing to correct.
    assert found.adjusted_p_values[1] == found.p_values[1]
    for threshold in (1.0, None):
        detector = ReuseDetector(alpha=0.1, threshold=threshold).fit(UNRELATED)
        assert detector.predict([np.nan]).tolist() == ["undecided"]


# ---------------------------------------------------------------- from models


def test_models_signatures_and_distances_agree(asked):
    owner, copy, unrelated, lime, zoo = asked
    params = {"null": "lognormal", "alpha": 0.05}
    of_models_ = ReuseDetector.from_models(zoo[0], zoo[2:], clone(lime), **params)
    of_signatures = ReuseDetector.from_signatures(owner, unrelated, lime.plan_, **params)
    of_distances = ReuseDetector(**params).fit(zest_distances(owner[None], unrelated)[0])
    first = of_models_.judge_models(zoo[1:2], labels=["copy"])
    second = of_signatures.judge_signatures(copy)
    third = of_distances.judge(zest_distances(owner[None], copy[None])[0])
    for other in (second, third):
        assert_allclose(other.p_values, first.p_values, rtol=1e-6)
        assert_array_equal(other.decisions, first.decisions)
    assert first.decisions.tolist() == ["reused"]
    assert_allclose([second.low, second.high], [first.low, first.high])
    assert third.low < first.low + 1 and third.n_reference is None
    assert str(first).splitlines()[1].startswith("copy")
    fitted = ReuseDetector.from_models(zoo[0], zoo[2:], lime, **params)
    assert fitted.transformer_ is lime
    assert_allclose(fitted.null_distances_, of_models_.null_distances_)


def test_reference_data_alone_is_enough(asked):
    *_, lime, zoo = asked
    detector = ReuseDetector.from_models(zoo[0], zoo[2:], lime.reference, null="lognormal")
    assert detector.transformer_.sampling == "fractional"
    assert detector.judge_models(zoo[1:2]).decisions.tolist() == ["reused"]


def test_a_detector_of_distances_has_no_plan_and_no_questions(asked):
    owner, copy, unrelated, lime, zoo = asked
    bare = ReuseDetector(alpha=0.2).fit(UNRELATED)
    with pytest.raises(
        AttributeError, match=r"fitted on distances .*: make it with.*from_signatures"
    ):
        bare.judge_signatures(copy)
    of_signatures = ReuseDetector.from_signatures(owner, unrelated, lime.plan_, alpha=0.2)
    with pytest.raises(AttributeError, match=r"has no questions to ask.*from_models"):
        of_signatures.judge_models(zoo[1:2])


# ---------------------------------------------------------------- scikit-learn conventions


def test_clone_params_and_unfitted():
    detector = ReuseDetector(alpha=0.1, null="normal", threshold=0.9, correction=None, level=0.8)
    params = {"alpha": 0.1, "null": "normal", "threshold": 0.9, "correction": None, "level": 0.8}
    params["combine"] = "squares"
    assert detector.get_params() == params
    assert clone(detector.fit(UNRELATED)).get_params() == params
    assert not hasattr(clone(detector), "null_distances_")
    for method in ("predict", "judge", "p_values", "score_samples", "decision_function"):
        with pytest.raises(NotFittedError, match="is not fitted"):
            getattr(ReuseDetector(), method)([0.1])
    with pytest.raises(NotFittedError, match="is not fitted"):
        ReuseDetector().judge_models([])


def test_fit_again_forgets_the_models(asked):
    owner, copy, unrelated, lime, _ = asked
    detector = ReuseDetector.from_signatures(owner, unrelated, lime.plan_, alpha=0.2)
    detector.fit(UNRELATED)
    with pytest.raises(AttributeError, match="was fitted on distances and has no plan"):
        detector.judge_signatures(copy)


def test_detectors_survive_pickle(asked):
    owner, copy, unrelated, lime, _ = asked
    detector = ReuseDetector.from_signatures(owner, unrelated, lime.plan_, null="lognormal")
    again = pickle.loads(pickle.dumps(detector))
    first, second = (d.judge_signatures(copy) for d in (detector, again))
    assert_array_equal(first.low, second.low)
    assert str(first) == str(second)


def test_tags_say_that_one_distance_or_several_are_taken():
    tags = get_tags(ReuseDetector())
    assert tags.input_tags.one_d_array and tags.input_tags.two_d_array and tags.input_tags.allow_nan


def test_a_column_counts_as_a_row():
    row, column = UNRELATED, np.array(UNRELATED)[:, None]
    first, second = (ReuseDetector(alpha=0.1).fit(d) for d in (row, column))
    assert first.critical_distance_ == second.critical_distance_
    assert_array_equal(first.p_values(row), second.p_values(column))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("alpha", "needed"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.2, 4), (1 / 3, 2), (0.03, 33)]
)
def test_number_of_models_that_a_level_needs(alpha, needed):
    assert n_needed(alpha) == needed
    null = np.arange(1.0, needed + 1)
    assert _quiet(ReuseDetector(alpha=alpha).fit, null).p_values(0.5) <= alpha
    if needed > 2:
        message = rf"alpha={alpha} with {needed - 1} unrelated.* so {needed} unrelated models"
        with pytest.raises(ValueError, match=message):
            ReuseDetector(alpha=alpha).fit(null[1:])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": 0.0}, "alpha must be between 0 and 1; got 0.0"),
        ({"alpha": 5}, r"got 5\. For 5 %, pass 0\.05"),
        ({"level": 95}, r"level must be between 0 and 1; got 95"),
        ({"null": "gamma"}, r"null must be 'conformal', .* or 'normal'; got 'gamma'"),
        ({"correction": "bonferroni"}, "correction must be 'fdr' or None; got 'bonferroni'"),
        ({"threshold": 0}, "threshold must be positive, like a relative distance; got 0"),
        ({"combine": "sum"}, "combine must be 'squares', 'minimum' or 'whitened'; got 'sum'"),
    ],
)
def test_parameters_out_of_range_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        ReuseDetector(**params).fit(UNRELATED)


@pytest.mark.parametrize(
    ("null", "d", "message"),
    [
        ("conformal", [0.1], "1 unrelated model; at least 2 are needed"),
        (
            "conformal",
            [0.0] * 5,
            "X has mean 0; the distances of unrelated models must be positive",
        ),
        ("conformal", [0.1, np.nan], "X holds 1 values that are not finite"),
        ("conformal", [0.1, np.inf], "X holds 1 values that are not finite"),
        ("conformal", np.ones((5, 5)), r"X must hold the distances to one model.*\(5, 5\)"),
        ("normal", [0.1, 0.2], "fits a curve to 2 distances; at least 3"),
        ("normal", [0.1, 0.1, 0.1], "all 3 unrelated distances are equal"),
        (
            "normal",
            [0.1 + 0.2, 0.3, 0.3],
            "3 unrelated distances are equal, at least up to rounding",
        ),
        ("lognormal", [0.1 + 0.2, 0.3, 0.3], "equal, at least up to rounding, so null='lognormal'"),
        ("normal", np.array([0.3, 0.3 + 1e-11, 0.3]), "at least up to rounding"),
        (
            "lognormal",
            [0.1, -0.1, 0.2, 0.3],
            r"smallest unrelated distance is -0\.1.*null='normal'",
        ),
    ],
)
def test_invalid_distances_are_refused(null, d, message):
    with pytest.raises(ValueError, match=message):
        ReuseDetector(null=null, alpha=0.5).fit(d)


def test_other_containers_are_refused():
    detector = ReuseDetector(alpha=0.1).fit(UNRELATED)
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        detector.predict(sparse.csr_array(np.eye(3)))
    with pytest.raises(ValueError, match="Complex data not supported"):
        detector.predict(np.array([1j]))
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        detector.predict([])


def test_few_models_and_a_null_that_does_not_fit_cause_warnings():
    with pytest.warns(UserWarning, match="4 unrelated models: their mean distance is not well"):
        ReuseDetector(alpha=0.2).fit([0.1, 0.2, 0.3, 0.4])
    with pytest.warns(UserWarning, match="3 unrelated models"):
        relative_distances([0.1], [0.1, 0.2, 0.3])
    skewed = np.exp(np.arange(12.0))
    message = r"unrelated distances are normal: doubtful .*with at least 19 unrelated models"
    with pytest.warns(UserWarning, match=message):
        detector = ReuseDetector(null="normal").fit(skewed)
    assert detector.assumption_.doubtful and detector.assumption_.n_unrelated == 12
    assert not ReuseDetector(null="lognormal").fit(skewed).assumption_.doubtful
    assert ReuseDetector(alpha=0.1).fit(skewed).assumption_ is None


def test_warnings_point_at_the_line_of_the_caller(asked):
    owner, _, unrelated, lime, zoo = asked
    few = {"alpha": 0.25, "correction": "fdr"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        relative_distances(0.1, [0.1, 0.2, 0.3])
        ReuseDetector(**few).fit([0.1, 0.2, 0.3, 0.4]).predict([0.05, 1.0])
        ReuseDetector(null="normal").fit(np.exp(np.arange(12.0)))
        ReuseDetector.from_signatures(owner, unrelated[:3], lime.plan_, **few)
        ReuseDetector.from_models(zoo[0], zoo[2:5], lime, **few)
    assert len(caught) == 6
    assert {warning.filename for warning in caught} == {__file__}


def test_suspects_that_are_also_unrelated_cause_a_warning(asked):
    owner, _, unrelated, lime, _ = asked
    detector = ReuseDetector.from_signatures(owner, unrelated, lime.plan_, null="lognormal")
    with pytest.warns(UserWarning, match="b has the same signature as unrelated model 3"):
        found = detector.judge_signatures(np.stack([owner, 2 * unrelated[3]]), labels=["a", "b"])
    alone = detector.judge_signatures(owner[None], labels=["a"])
    assert found.relative[0] == alone.relative[0]  # nothing but a warning


def test_wrong_suspects_are_refused(asked):
    owner, copy, unrelated, lime, _ = asked
    detector = ReuseDetector(alpha=0.1).fit(UNRELATED)
    with pytest.raises(ValueError, match="3 labels for 2 models; pass one for each"):
        detector.judge([0.2, 0.2], labels=["a", "b", "c"])
    with pytest.raises(TypeError, match=r"labels must be a list .*; got 'ab'\..* pass \['ab'\]"):
        detector.judge([0.2, 0.2], labels="ab")
    assert detector.judge([0.2], labels=["ab"]).names == ("ab",)  # the remedy
    with pytest.raises(ValueError, match="X holds 1 values that are not finite"):
        detector.predict([np.inf])
    with pytest.raises(ValueError, match="owner is given without plan; signatures need both"):
        relative_distances(copy, unrelated, owner=owner)
    with pytest.raises(ValueError, match="plan is given without owner; signatures need both"):
        relative_distances(copy, unrelated, plan=lime.plan_)
    with pytest.raises(ValueError, match="D_suspect has 215 columns, and the plan 72 components"):
        relative_distances(copy[1:], unrelated, owner=owner, plan=lime.plan_)
    with pytest.raises(ValueError, match="Found array with dim 3"):
        relative_distances(copy, [[[1.0]]], owner=owner, plan=lime.plan_)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        ReuseDetector.from_signatures(owner, unrelated, "plan")


def test_signatures_of_other_questions_are_refused(asked):
    pytest.importorskip("pandas")
    owner, _, unrelated, lime, zoo = asked
    other = clone(lime).set_params(n_samples=21).set_output(transform="pandas")
    frame = other.fit_transform(zoo)
    with pytest.raises(DesignMismatchError, match="D_suspect and plan were asked different"):
        relative_distances(frame, unrelated, owner=owner, plan=lime.plan_)


def test_a_null_without_power_causes_a_warning():
    with pytest.warns(UserWarning, match="no distance is small enough"):
        ReuseDetector(null="normal").fit([0.1, 0.2, 0.3, 0.05, 0.4])
