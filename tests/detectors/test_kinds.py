# SPDX-License-Identifier: BSD-3-Clause
"""How often unrelated models of each kind would be called "reused"."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.dummy import DummyClassifier

from skzest import ReuseDetector
from skzest.detectors._kinds import by_kind


def _drawn(n, n_distances=2):
    return np.random.default_rng(n).lognormal(-1, 0.2, (n, n_distances))


def _quiet(detector, X, kinds):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return detector.fit(X, kinds=kinds).false_positives_


def _share_called(detector, X, judged):
    """Of the judged models, by the others, as a user would measure it."""
    others = np.delete(X, judged, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return np.mean(
            detector.set_params(correction=None).fit(others).predict(X[judged]) == "reused"
        )


@pytest.mark.parametrize("m", [10, 40])  # 10 are too few for the ranks, which do not decide
def test_rates_of_a_threshold_are_those_of_judging_by_it(m):
    d, kinds = np.linspace(0.1, 1, m), np.repeat(["near", "far"], m // 2)
    table = _quiet(ReuseDetector(threshold=1.0), d, kinds)
    called = [_share_called(ReuseDetector(threshold=1.0), d, [j]) for j in range(m)]
    assert_array_equal(table.rate, np.reshape(called, (2, -1)).mean(axis=1))
    assert table.rate[0] > 0.3 > table.rate[1] == 0
    unseen = _share_called(ReuseDetector(threshold=1.0), d, np.arange(m // 2))
    assert table.unseen[0] == unseen == 1
    assert not table.has_own_limit.any() and table.threshold == 1.0
    assert "relative distances below 1 decide: no rate is kept" in str(table)
    assert "Nominal rate" not in str(table)


def test_a_threshold_alone_decides_whatever_the_kinds():
    d, kinds = np.linspace(0.1, 1, 40), np.repeat(["near", "far"], 20)
    by_kind = ReuseDetector(threshold=1.0).fit(d, kinds=kinds)
    without = ReuseDetector(threshold=1.0).fit(d)
    assert_array_equal(by_kind.p_values(d), without.p_values(d))
    assert_array_equal(by_kind.predict(d), without.predict(d))


@pytest.mark.parametrize("n_distances", [2, 3])
def test_models_without_distances_do_not_dilute_the_rate(n_distances):
    D = _drawn(25, n_distances)
    D[6] = 0.001
    kinds = np.repeat(["a", "b"], [13, 12])
    full = _quiet(ReuseDetector(), D, kinds)
    D[:6] = np.nan
    table = _quiet(ReuseDetector(), D, kinds)
    assert table.rate.tolist() == full.rate.tolist() == [1 / 13, 0]  # 1 of 19, as of 25
    assert table.n_models.tolist() == [13, 12]
    assert 0 < table.low[0] < table.rate[0] < table.high[0]


def test_a_rate_without_models_that_calibrate_is_unknown():
    D = _drawn(40)
    D[:15] = np.nan  # of the first kind, so 5 + 20 have a distance
    table = _quiet(ReuseDetector(), D, np.repeat(["a", "b"], 20))
    assert np.isfinite(table.rate).all()
    assert table.unseen[0] <= 1 and np.isnan(table.unseen[1])  # 20 and 5 models calibrate
    for null in ("conformal", "lognormal"):
        D[20:] = np.nan
        D[:20] = _drawn(20)
        table = _quiet(ReuseDetector(null=null), D, np.repeat(["a", "b"], 20))
        assert np.isnan(table.unseen[0]) and table.unseen[1] == 0


UNKNOWN = {
    "three models": ([0.2, 0.3, 0.4], ["a", "a", "b"], [True, True]),
    "equal without one": ([0.5, 1.0, 1.0, 1.0, 1.0], ["a", "a", "b", "b", "b"], [True, False]),
}


@pytest.mark.parametrize("null", ["lognormal", "normal"])
@pytest.mark.parametrize("case", UNKNOWN.values(), ids=UNKNOWN)
def test_a_rate_that_needs_a_curve_through_too_few_models_is_unknown(case, null):
    d, kinds, unknown = case
    table = _quiet(ReuseDetector(null=null), d, kinds)
    for values in (table.rate, table.low, table.high):
        assert np.isnan(values).tolist() == unknown
    assert "–: the other models cannot calibrate: they are too few, or equally far" in str(table)
    assert "cannot calibrate" not in str(
        _quiet(ReuseDetector(null=null), [*d, 0.6, 0.7], [*kinds] + ["c"] * 2)
    )


def test_kinds_that_read_alike_lose_no_models():
    near, far = [DummyClassifier() for _ in range(3)], [DummyClassifier() for _ in range(2)]
    with pytest.raises(ValueError, match="two kinds that read '1'; give each its own name"):
        ReuseDetector.from_models(DummyClassifier(), {1: near, "1": far}, np.eye(2))
    for remedy in ({1: near, "other 1": far}, {"1": near + far}):
        models, kinds = by_kind(remedy)
        assert models == near + far and len(kinds) == 5


def test_a_level_that_all_models_meet_is_not_a_rate_of_zero():
    table = _quiet(ReuseDetector(alpha=0.96), np.linspace(0.1, 1, 24), np.repeat(["a", "b"], 12))
    assert table.rate.tolist() == [1, 1]
