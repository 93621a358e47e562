# SPDX-License-Identifier: BSD-3-Clause
"""Warnings of ReuseDetector about what cannot be found, and remedies that work."""

import warnings

import numpy as np
import pytest

from skzest import ReuseDetector

KINDS = ["a", "b", "c"]


def _drawn(n, n_distances):
    shape = (n, n_distances) if n_distances > 1 else n
    return np.random.default_rng(n).lognormal(-1, 0.2, shape)


def _near_and_far(X, factor=0.001):
    """A suspect nearer than all unrelated models, and an ordinary one."""
    return np.stack([factor * np.nanmin(X, axis=0), np.nanmean(X, axis=0)])


# ---------------------------------------------------------------- one copy among several suspects


@pytest.mark.parametrize("n_distances", [1, 2])
def test_a_single_copy_that_the_smallest_kind_cannot_show(n_distances):
    X = _drawn(57, n_distances)
    message = (
        r"suspect 0 is nearer than all 19 unrelated models of a kind, but .* among 2 suspects at "
        r"alpha=0\.05 takes 39 of each kind with a limit of its own\. Train more, or "
        r"use null='lognormal'"
    )
    with pytest.warns(UserWarning, match=message):
        found = ReuseDetector().fit(X, kinds=np.repeat(KINDS, 19)).judge(_near_and_far(X))
    assert found.adjusted_p_values[0] == pytest.approx(0.1)
    more = _drawn(117, n_distances)
    for detector, known in ((ReuseDetector(), more), (ReuseDetector(null="lognormal"), X)):
        detector.fit(known, kinds=np.repeat(KINDS, len(known) // 3))  # the remedies
        assert detector.predict(_near_and_far(X))[0] == "reused"


def test_models_without_distances_are_not_counted():
    X = _drawn(60, 2)
    X[19:] = np.nan
    with pytest.warns(UserWarning, match="nearer than all 19 unrelated .* takes 39 of these"):
        ReuseDetector().fit(X).judge(_near_and_far(X))
    X[4:] = np.nan
    with pytest.warns(UserWarning, match="4 unrelated models: their mean distance is not well"):
        ReuseDetector(null="lognormal").fit(X)


@pytest.mark.parametrize("n_distances", [1, 2])
def test_a_suspect_that_is_not_the_nearest_causes_no_warning(n_distances):
    X, kinds = _drawn(57, n_distances), np.repeat(KINDS, 19)
    X[0] *= 0.0001  # nearer than the suspect
    detector = ReuseDetector().fit(X, kinds=kinds)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.judge(_near_and_far(X[1:]))
        ReuseDetector(correction=None).fit(X[1:]).judge(_near_and_far(X[1:]))


def test_the_curve_that_is_advised_takes_negative_distances():
    d = np.linspace(-0.02, 0.2, 30)
    with pytest.warns(UserWarning, match="takes 39 of these. Train more, or use null='normal'"):
        ReuseDetector().fit(d).judge([-9.0, 0.1])
    assert ReuseDetector(null="normal").fit(d).predict([-9.0, 0.1])[0] == "reused"


# ---------------------------------------------------------------- no limit that can be met


def test_negative_distances_can_be_below_a_negative_limit():
    d = np.append(-0.01, np.linspace(0.02, 0.2, 20))
    for null in ("conformal", "normal"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            detector = ReuseDetector(null=null, alpha=0.05 if null == "conformal" else 0.01).fit(d)
        assert detector.critical_distance_ < 0
        assert detector.predict([-0.5]).tolist() == ["reused"]


def test_a_limit_of_zero_is_never_met():
    d = np.append(0.0, np.linspace(0.02, 0.2, 20))
    with pytest.warns(UserWarning, match=r"the limit is 0\. Train more unrelated models\.$"):
        detector = ReuseDetector().fit(d)
    assert detector.predict([0.0]).tolist() == ["undecided"]
    more = np.append(d, np.linspace(0.02, 0.2, 20))  # the remedy
    assert ReuseDetector().fit(more).predict([0.0]).tolist() == ["reused"]


def test_remedies_without_logarithms():
    with pytest.warns(UserWarning, match=r"the limit is -0.* Train more unrelated models\.$"):
        ReuseDetector(null="normal").fit([0.0, 0.1, 0.2, 0.3, 0.05, 0.4])
    skewed = np.append(-0.01, np.exp(np.arange(12.0)))
    with pytest.warns(UserWarning, match=r"with at least 19 unrelated models\.$"):
        ReuseDetector(null="normal").fit(skewed)
    with pytest.warns(UserWarning, match=r"19 unrelated models, or the other curve\.$"):
        ReuseDetector(null="normal").fit(skewed[1:])
