# SPDX-License-Identifier: BSD-3-Clause
"""Several distances together: exchangeable ranks, and which of them decided."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skzest import ReuseDetector
from skzest.detectors._ensemble import COMBINATIONS, RankedNull, standardised

RNG = np.random.default_rng(0)
# Three distances that go together, as those of real models do.
COMMON = RNG.normal(size=(40, 1))
UNRELATED = 0.3 * np.exp(0.1 * (COMMON + RNG.normal(size=(40, 3))))

each_combination = pytest.mark.parametrize("combine", COMBINATIONS)
each_null = pytest.mark.parametrize("null", ["conformal", "lognormal"])


def _detector(**params):
    return ReuseDetector(**{"correction": None, **params}).fit(UNRELATED)


# ---------------------------------------------------------------- arithmetic


def test_each_model_is_standardised_by_the_others():
    z = standardised(UNRELATED)
    logs = np.log(UNRELATED)
    others = np.delete(logs, 7, axis=0)
    by_hand = (logs[7] - others.mean(axis=0)) / others.std(axis=0, ddof=1)
    assert_allclose(z[7], by_hand, rtol=1e-3)  # arcsinh is a logarithm to one part in 10,000


@each_combination
def test_score_does_not_depend_on_the_order_of_models_or_distances(combine):
    models, columns = RNG.permutation(40), np.array([2, 0, 1])
    score = COMBINATIONS[combine]
    first = score(standardised(UNRELATED)).sum(axis=-1)
    moved = score(standardised(UNRELATED[models][:, columns])).sum(axis=-1)
    assert_allclose(moved, first[models], rtol=1e-9)


@given(st.floats(1e-3, 1e3), st.integers(0, 2))
def test_units_of_a_distance_do_not_matter(unit, column):
    scaled = UNRELATED.copy()
    scaled[:, column] *= unit
    assert_allclose(standardised(scaled), standardised(UNRELATED), rtol=1e-6, atol=1e-9)


def test_p_value_is_the_rank_of_the_sum_of_squares_by_hand():
    suspect = np.array([[0.2, 0.28, 0.4]])
    z = standardised(np.concatenate([UNRELATED, suspect]))
    score = (np.minimum(z, 0) ** 2).sum(axis=1)
    expected = (1 + (score[:-1] >= score[-1]).sum()) / 41
    detector = _detector()
    assert_allclose(detector.p_values(suspect), [expected])
    assert_allclose(detector.score_samples(suspect), [-score[-1]])


def test_zero_negative_and_equal_distances_are_taken():
    null = UNRELATED.copy()
    null[:, 1] = 1.0  # such as labels at the mistakes of the owner
    null[:3, 2] = [0.0, -0.001, 0.001]
    detector = ReuseDetector(correction=None).fit(null)
    copy, stranger = [0.0, 0.2, -0.01], [0.3, 1.0, 0.3]
    found = detector.judge([copy, stranger])
    assert np.isfinite(found.z).all()
    assert found.decisions.tolist() == ["reused", "unrelated"]


@each_combination
@pytest.mark.parametrize("n_saturated", [1, 2])
def test_a_suspect_that_differs_in_saturated_distances_is_not_accused(combine, n_saturated):
    null = np.random.default_rng(0).lognormal(size=(30, 3))
    null[:, :n_saturated] = 1.0
    far = np.full((3, 3), 5.0)
    far[:, :n_saturated] = [[1.2], [1 + 1e-9], [1e6]]
    detector = ReuseDetector(combine=combine, correction=None).fit(null)
    found = detector.judge(far)
    assert np.isfinite(found.z).all() and np.isfinite(detector.score_samples(far)).all()
    assert found.decisions.tolist() == ["unrelated"] * 3
    near = np.full((1, 3), 0.01)
    assert ReuseDetector(combine=combine).fit(null).judge(near).decisions[0] == "reused"


def test_a_score_that_is_not_a_number_is_no_evidence(monkeypatch):
    monkeypatch.setitem(COMBINATIONS, "broken", lambda z: np.full_like(z, np.nan))
    found = RankedNull(UNRELATED, "broken", 0.05, 0.95).judge(np.full((1, 3), 0.01))
    assert found.p_values.tolist() == [1.0]


@each_combination
@pytest.mark.parametrize("n_distances", [1, 2, 3])
def test_rounding_decides_nothing(combine, n_distances):
    null = np.ones((19, n_distances))
    detector = ReuseDetector(combine=combine).fit(null)
    for less in (0.0, 1e-16, 1e-12):
        suspect = null[:1].copy()
        suspect[0, 0] -= less
        assert detector.p_values(suspect).tolist() == [1.0]
        assert not (detector.decision_function(suspect) < 0).any()
    assert detector.p_values(null[:1] * 0.9).tolist() == [0.05]


# ---------------------------------------------------------------- error rates


@each_combination
def test_p_values_of_exchangeable_models_are_uniform(combine):
    rng, p = np.random.default_rng(1), []
    for _ in range(400):
        D = rng.standard_t(3, size=(20, 1)) + rng.exponential(size=(20, 3)) * [1, 5, 0.1]
        D = np.exp(0.3 * D)
        detector = ReuseDetector(combine=combine, correction=None, alpha=0.2).fit(D[1:])
        p.append(detector.p_values(D[:1])[0])
    shares = np.mean(np.array(p)[:, None] <= [0.05, 0.1, 0.2, 0.5], axis=0)
    limits = stats.binom.ppf(0.999, 400, [0.05, 0.1, 0.2, 0.5]) / 400
    assert (shares <= limits).all()
    assert shares[2] > 0.1  # and are not merely large


def test_bonferroni_holds_its_level_for_few_models():
    rng, p = np.random.default_rng(2), []
    for _ in range(400):
        D = np.exp(rng.normal(size=(8, 1)) + rng.normal(size=(8, 3)))
        p.append(ReuseDetector(null="lognormal", correction=None).fit(D[1:]).p_values(D[:1])[0])
    assert 0.01 < np.mean(np.array(p) <= 0.1) <= stats.binom.ppf(0.999, 400, 0.1) / 400


def _with_distances_missing(rng, n):
    """The nearer a model, the fewer of its three distances are defined."""
    D, nearness = rng.lognormal(0, 0.3, (n, 3)), rng.integers(0, 3, n)
    D *= 0.5 ** nearness[:, None]
    D[nearness >= 1, 0] = D[nearness >= 2, 1] = np.nan
    return D


@pytest.mark.parametrize("params", [{"combine": c} for c in COMBINATIONS] + [{"null": "lognormal"}])
def test_missing_distances_keep_the_level_though_they_go_with_nearness(params):
    rng, p = np.random.default_rng(3), []
    for _ in range(100):
        D = _with_distances_missing(rng, 39 + 8)
        p.append(ReuseDetector(alpha=0.1, correction=None, **params).fit(D[:39]).p_values(D[39:]))
    called = np.mean(np.array(p) <= 0.1, axis=1)  # suspects of one detector are not independent
    assert called.mean() <= 0.1 + 3 * called.std() / np.sqrt(100)
    assert called.mean() > 0.03


@each_combination
def test_a_missing_distance_adds_nothing_whoever_lacks_it(combine):
    """The score of each model, the suspect included, is one function of all."""
    D = _with_distances_missing(np.random.default_rng(4), 20)
    p = [
        ReuseDetector(alpha=0.1, combine=combine).fit(np.delete(D, i, axis=0)).p_values(D[[i]])[0]
        for i in range(20)
    ]
    assert np.sum(np.array(p) <= 0.1) <= 2  # of 20 ranks
    assert_allclose(np.sort(p), np.arange(1, 21) / 20, atol=1 / 20)


def test_unrelated_is_said_by_the_rule_of_ranks():
    """Of models at the limit, at most one in twenty is called unrelated at alpha."""
    rng, said = np.random.default_rng(4), []
    for _ in range(300):
        D = np.exp(0.3 * rng.normal(size=(200, 2)))
        detector = ReuseDetector(alpha=0.1, correction=None).fit(D[:30])
        scores = detector.score_samples(D[30:])
        near = D[30:][np.argsort(scores)[8]]  # fewer than 10 % are as near
        said.append(detector.predict([near])[0] == "unrelated")
    assert np.mean(said) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


# ---------------------------------------------------------------- decisions


def test_what_each_distance_alone_misses_is_found_together():
    normal = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    null = np.exp(0.1 * np.stack([RNG.permutation(normal) for _ in range(6)], axis=1))
    suspect = np.exp(np.full((1, 6), 0.1 * stats.norm.ppf(4 / 60)))  # four are nearer
    alone = [ReuseDetector().fit(null[:, k]).p_values(suspect[0, k])[0] for k in range(6)]
    assert_allclose(alone, 5 / 61)
    assert ReuseDetector().fit(null).predict(suspect).tolist() == ["reused"]


@each_null
def test_the_distances_that_decided_are_named(null):
    pd = pytest.importorskip("pandas")
    names = ["zest", "mistakes", "ddv"]
    frame = pd.DataFrame(UNRELATED, columns=names)
    detector = ReuseDetector(null=null, correction=None).fit(frame)
    assert detector.distance_names_ == tuple(names)
    suspects = pd.DataFrame([[0.3, 0.05, 0.3], [0.05, 0.2, 0.3]], columns=names)
    found = detector.judge(suspects[["ddv", "zest", "mistakes"]], labels=["a", "b"])
    assert found.decided_by == (("mistakes",), ("zest",))
    assert "by mistakes (z -" in found.reasons[0]
    assert found.d_suspects.shape == found.z.shape == found.relative.shape == (2, 3)
    assert_allclose(found.d_suspects, suspects)
    assert (found.low < found.relative).all() and (found.relative < found.high).all()
    frame = found.to_frame()
    assert frame["decided_by"].tolist() == ["mistakes", "zest"]
    assert_allclose(frame["z of mistakes"], found.z[:, 1])
    assert "mistakes" in str(found) and "mistakes" in found._repr_html_()


def test_being_farther_in_one_distance_is_no_excuse():
    near = _detector().score_samples([[0.1, 0.3, 0.3]])
    assert_allclose(_detector().score_samples([[0.1, 0.3, 9.0]]), near, rtol=0.02)


@each_null
@each_combination
def test_decision_function_is_negative_where_p_is_at_most_alpha(null, combine):
    detector = _detector(null=null, combine=combine)
    suspects = 0.3 * np.exp(0.3 * RNG.normal(size=(300, 3)))
    p = detector.p_values(suspects)
    assert 0 < np.mean(p <= 0.05) < 1
    assert_array_equal(detector.decision_function(suspects) < 0, p <= 0.05)
    assert_array_equal(detector.predict(suspects) == "reused", p <= 0.05)


def test_several_suspects_are_corrected_for():
    detector = ReuseDetector().fit(UNRELATED)
    suspects = np.concatenate([UNRELATED[:9] * 1.01, [[0.01, 0.01, 0.01]]])
    with pytest.warns(UserWarning, match="among 10 suspects at alpha=0.05 takes 199 of these"):
        found = detector.judge(suspects)
    assert found.adjusted_p_values[-1] == pytest.approx(10 / 41)


# ---------------------------------------------------------------- undefined distances


def test_a_suspect_is_judged_by_the_distances_that_it_has():
    null = UNRELATED.copy()
    null[:15, 2] = np.nan  # of another architecture
    suspect = [0.2, 0.25, np.nan]
    found = (
        ReuseDetector(correction=None).fit(null).judge([suspect, [0.2, 0.25, 0.1], [np.nan] * 3])
    )
    z = np.zeros((41, 3))
    for k in range(3):
        d = np.append(null[:, k], suspect[k])
        z[~np.isnan(d), k] = standardised(d[~np.isnan(d), None])[:, 0]
    score = (np.minimum(z, 0) ** 2).sum(axis=1)
    assert found.p_values[0] == (1 + (score[:-1] >= score[-1]).sum()) / 41
    assert np.isnan(found.z[0, 2])
    assert found.reasons[0].endswith("(from 2 of 3 distances)")
    assert found.p_values[1] == 1 / 41  # among all
    assert found.decisions[2] == "undecided" and "no distance (NaN)" in found.reasons[2]


def test_a_distance_that_one_other_model_has_is_not_used():
    null = UNRELATED[:30].copy()
    null[2:, 2] = np.nan
    z = standardised(np.concatenate([null, [[0.3, 0.3, 0.001], [0.3, 0.3, np.nan]]]))
    assert np.isfinite(z[[0, 1, 30], 2]).all() and np.isnan(z[2:30, 2]).all()
    assert np.isnan(standardised(null)[:, 2]).all()  # of two, each has one other


def test_unrelated_models_without_any_distance_say_nothing():
    null = np.concatenate([UNRELATED[:20], np.full((20, 3), np.nan)])
    few = ReuseDetector(correction=None).fit(UNRELATED[:20])
    many = ReuseDetector(correction=None).fit(null)
    assert_array_equal(many.p_values(UNRELATED[20:]), few.p_values(UNRELATED[20:]))
    with pytest.raises(ValueError, match=r"alpha=0\.04 with 20 unrelated models"):
        ReuseDetector(alpha=0.04).fit(null)


# ---------------------------------------------------------------- kinds of unrelated models


def test_each_kind_has_its_own_rate():
    near = np.arange(40) < 20  # strangers that are harder: nearer to the owner
    null = UNRELATED * np.where(near, 0.5, 1.0)[:, None]
    kinds = np.where(near, "copies of others", "same recipe")
    suspects = np.exp(0.1 * RNG.normal(size=(200, 3))) * 0.15
    detector = ReuseDetector(correction=None).fit(null[~near])
    assert np.mean(detector.predict(suspects) == "reused") > 0.9
    by_kind = ReuseDetector(correction=None).fit(null, kinds=kinds)
    assert np.mean(by_kind.predict(suspects) == "reused") < 0.2
    table = by_kind.false_positives_
    assert table.kinds == ("copies of others", "same recipe")
    assert table.n_models.tolist() == [20, 20] and table.has_own_limit.all()
    assert table.rate[0] > 0 == table.rate[1]
    assert table.unseen[0] > 0.9 and table.unseen[1] == 0
    assert "copies of others" in str(table)
    assert table.rate @ table.n_models == pytest.approx(2)  # 5 % of 41, rounded down


def test_kinds_of_one_distance():
    null, kinds = UNRELATED[:, 0], ["a"] * 20 + ["b"] * 20
    detector = ReuseDetector(correction=None).fit(null, kinds=kinds)
    parts = [ReuseDetector(correction=None).fit(null[some]) for some in (slice(20), slice(20, 40))]
    assert detector.critical_distance_ == min(part.critical_distance_ for part in parts)
    d = np.linspace(0.1, 0.5, 50)
    assert (detector.p_values(d) >= np.max([part.p_values(d) for part in parts], axis=0)).all()
    assert detector.false_positives_.n_models.tolist() == [20, 20]
    assert ReuseDetector().fit(null).false_positives_ is None


def test_few_models_of_a_kind_have_no_limit_of_their_own():
    kinds = ["a"] * 35 + ["b"] * 5
    detector = ReuseDetector(correction=None).fit(UNRELATED, kinds=kinds)
    assert detector.false_positives_.has_own_limit.tolist() == [True, False]
    assert np.isnan(detector.false_positives_.unseen[0]) and "–" in str(detector.false_positives_)


TWO_KINDS = ["a"] * 15 + ["b"] * 15


@pytest.mark.parametrize("rule", ["conformal", "lognormal", "normal"])
@pytest.mark.parametrize("n_known", [0, 1, 2, 3, 4])
def test_a_distance_that_one_kind_lacks(rule, n_known):
    null = UNRELATED[:30].copy()
    null[n_known:15, 0] = np.nan
    detector = ReuseDetector(alpha=0.1, null=rule).fit(null, kinds=TWO_KINDS)
    assert np.isfinite(detector.false_positives_.unseen).all()
    assert detector.false_positives_.has_own_limit.all()  # by the other distances
    copy, near, far = (
        detector.judge([[0.05, 0.05, 0.05], [0.05, np.nan, np.nan], [0.3, np.nan, np.nan]])
        .to_frame()[["decisions", "p_values"]]
        .to_numpy()
    )
    assert copy[0] == near[0] == "reused"  # nearer than those that have the distance
    assert far[0] != "reused" and np.isfinite([copy[1], near[1], far[1]]).all()


@each_null
def test_unrelated_is_never_said_without_a_p_value(null):
    """Kinds with disjoint distances: each judges what its models have."""
    U = np.exp(0.1 * RNG.normal(size=(60, 3)))
    U[:30, 1:] = U[30:, 0] = U[:, 2] = np.nan
    U[:5, 2] = 1 + 0.1 * np.arange(5)
    detector = ReuseDetector(null=null, correction=None).fit(U, kinds=["a"] * 30 + ["b"] * 30)
    suspects = np.array([[1.0, np.nan, np.nan], [1e-5, np.nan, np.nan], [np.nan, 1e-5, np.nan]])
    found = detector.judge(np.concatenate([suspects, np.full((1, 3), np.nan)]))
    assert found.decisions.tolist() == ["unrelated", "reused", "reused", "undecided"]
    assert_array_equal(np.isnan(found.p_values), [False, False, False, True])
    assert_array_equal(detector.decision_function(suspects) < 0, found.p_values[:3] <= 0.05)


@pytest.mark.parametrize("rule", ["conformal", "lognormal"])
def test_a_kind_without_distances_has_no_limit_of_its_own(rule):
    null = UNRELATED[:30].copy()
    null[2:15] = np.nan
    params = {"alpha": 0.1, "null": rule, "correction": None}
    detector = ReuseDetector(**params).fit(null, kinds=TWO_KINDS)
    assert detector.false_positives_.has_own_limit.tolist() == [False, True]
    without = ReuseDetector(**params).fit(null, kinds=["c"] * 30)
    near = [[0.05, 0.05, 0.05], [1.0, 1.0, 1.0]]
    assert detector.predict(near).tolist() == without.predict(near).tolist()


def test_rates_of_kinds_where_a_curve_has_just_enough_models():
    null = UNRELATED[:30].copy()
    null[3:, 0] = np.nan  # without one of them, too few for a curve
    detector = ReuseDetector(alpha=0.1, null="lognormal").fit(null, kinds=TWO_KINDS)
    assert np.isfinite(detector.false_positives_.rate).all()
    alone = np.r_[0.5, np.full(7, 1.0)]  # without the first, all are equal
    detector = ReuseDetector(alpha=0.1, null="normal")
    with pytest.warns(UserWarning, match="are normal: doubtful"):
        detector.fit(alone, kinds=["a"] * 4 + ["b"] * 4)
    assert np.isnan(detector.false_positives_.unseen[0])


# ---------------------------------------------------------------- form


def test_one_column_is_one_distance():
    row = ReuseDetector(alpha=0.1).fit(UNRELATED[:, 0])
    column = ReuseDetector(alpha=0.1).fit(UNRELATED[:, :1])
    assert column.critical_distance_ == row.critical_distance_ and column.distance_names_ is None
    assert str(column.judge([0.1])) == str(row.judge([0.1]))


def test_one_column_keeps_its_name():
    pd = pytest.importorskip("pandas")
    detector = ReuseDetector().fit(pd.DataFrame({"zest": UNRELATED[:, 0]}))
    other = pd.DataFrame({"boundary": [0.001]})
    for ask in ("predict", "judge", "p_values", "score_samples", "decision_function"):
        with pytest.raises(ValueError, match="columns boundary; expected that of fit: zest"):
            getattr(detector, ask)(other)
    same = other.rename(columns={"boundary": "zest"})
    for remedy in (same, other.to_numpy(), [0.001]):
        assert detector.predict(remedy).tolist() == ["reused"]
    with pytest.raises(ValueError, match="columns zest and boundary; expected"):
        detector.judge(same.join(other))


def test_fitted_detectors_survive_pickle():
    detector = _detector()
    again = pickle.loads(pickle.dumps(detector))
    assert str(again.judge(UNRELATED[:3])) == str(detector.judge(UNRELATED[:3]))
    assert np.isnan([detector.critical_distance_, detector.offset_]).all()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (UNRELATED[:18], "alpha=0.05 with 18 unrelated models"),
        (
            np.where(np.arange(3) == 1, np.nan, UNRELATED),
            "'distance 1' is NaN for all 40 unrelated",
        ),
        (UNRELATED * [1, -1, 1], r"'distance 1' has mean -0.3\d* for 40 unrelated models"),
        (UNRELATED * [1, np.inf, 1], r"X\[0, 1\] is inf, but distances are finite. Pass NaN"),
        (np.full(40, np.nan), "X is NaN for all 40 models, as if the owner's own model were const"),
        (UNRELATED[:3] + UNRELATED[:3].T, r"symmetric matrix of shape \(3, 3\).*the owner's row"),
        (np.where(np.arange(40)[:, None] > 17, np.nan, UNRELATED), "alpha=0.05 with 18 unrelated"),
    ],
)
def test_invalid_distances_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        ReuseDetector().fit(X)


def test_invalid_suspects_and_parameters_are_refused():
    pd = pytest.importorskip("pandas")
    detector = _detector()
    with pytest.raises(ValueError, match=r"X has shape \(3,\); expected \(n_suspects, 3\)"):
        detector.judge([0.1, 0.1, 0.1])
    assert len(detector.judge([[0.1, 0.1, 0.1]])) == 1  # the remedy
    with pytest.raises(ValueError, match=r"X\[1, 2\] is -inf, but distances are finite. Pass NaN"):
        detector.judge([[0.1, 0.1, 0.1], [0.1, 0.1, -np.inf]])
    assert len(detector.judge([[0.1, 0.1, np.nan]])) == 1  # the remedy
    with pytest.raises(ValueError, match=r"X has shape \(1, 2\)"):
        detector.judge([[0.1, 0.1]])
    named = ReuseDetector().fit(pd.DataFrame(UNRELATED, columns=["a", "b", "c"]))
    for taken in ("decisions", "p_values", "adjusted_p_values", "decided_by", "reasons", "z of a"):
        frame = pd.DataFrame(UNRELATED, columns=["a", taken, "c"])
        with pytest.raises(
            ValueError, match=rf"X has a column '{taken}'.*as to 'distance {taken}'"
        ):
            ReuseDetector().fit(frame)
        remedy = frame.rename(columns={taken: f"distance {taken}"})
        found = ReuseDetector().fit(remedy).judge(remedy[:4]).to_frame()
        assert_array_equal(found[remedy.columns], remedy[:4])
        assert set(found["decisions"]) <= {"reused", "unrelated", "undecided"}
    with pytest.raises(ValueError, match="the columns a, b and d; expected those of fit: a, b and"):
        named.judge(pd.DataFrame(UNRELATED, columns=["a", "b", "d"]))
    with pytest.raises(ValueError, match="several columns 'a'; give each its own name"):
        ReuseDetector().fit(pd.DataFrame(UNRELATED, columns=["a", "b", "a"]))
    with pytest.raises(ValueError, match=r"threshold=1\.0 is a limit of one relative distance"):
        ReuseDetector(threshold=1.0).fit(UNRELATED)
    equal = UNRELATED.copy()
    equal[:, 1] = np.where(np.arange(40) < 20, 0.3, 0.1 + 0.2)
    for null in ("normal", "lognormal"):
        with pytest.raises(
            ValueError, match=r"'distance 1': all 40 .* equal, at least up to round"
        ):
            ReuseDetector(null=null).fit(equal)
    assert ReuseDetector().fit(equal).p_values([[0.3, 0.3 - 1e-7, 0.3]]) > 0.05  # the remedy
    zero = UNRELATED.copy()
    zero[0, 2] = 0.0
    with pytest.raises(ValueError, match="'distance 2': null='lognormal' takes logarithms"):
        ReuseDetector(null="lognormal").fit(zero)
    with pytest.raises(ValueError, match="39 kinds for 40 unrelated models; pass one for each"):
        ReuseDetector().fit(UNRELATED, kinds=["a"] * 39)
    with pytest.raises(TypeError, match=r"kinds must be a list .* got 'a+'. Pass \['a+'\] \* 40"):
        ReuseDetector().fit(UNRELATED, kinds="a" * 40)
    for name in ("alpha", "threshold", "level"):
        with pytest.raises(TypeError, match=f"{name} must be a number.* got '0.5'"):
            ReuseDetector(**{name: "0.5"}).fit(UNRELATED[:, 0])
