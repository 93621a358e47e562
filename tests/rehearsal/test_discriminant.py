# SPDX-License-Identifier: BSD-3-Clause
"""The weights of questions, against the textbook's formula and on data made for the purpose."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skzest.rehearsal import discriminate
from skzest.rehearsal._discriminant import _SHRINKAGE, _SMOOTHING, _weights

RNG = np.random.default_rng(0)
AGREEMENT, IS_COPY = (RNG.random((30, 8)) < 0.6) * 1.0, np.arange(30) < 12


def test_weights_are_the_inverse_covariance_times_the_gap():
    groups = AGREEMENT[IS_COPY], AGREEMENT[~IS_COPY]
    covariance = sum(np.cov(group.T, bias=True) for group in groups) / 2
    variances = _SHRINKAGE * (np.diag(covariance) + _SMOOTHING)
    gap = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    expected = np.linalg.solve(covariance + np.diag(variances), gap)
    np.testing.assert_allclose(_weights(AGREEMENT, IS_COPY), expected, atol=1e-12)


def test_many_models_and_little_shrinkage_give_the_discriminant_of_scikit_learn(monkeypatch):
    monkeypatch.setattr("skzest.rehearsal._discriminant._SHRINKAGE", 1e-9)
    agreement = RNG.normal(size=(400, 3)) @ RNG.normal(size=(3, 3))
    is_copy = np.arange(400) % 2 == 0
    agreement[is_copy] += [0.5, 0.0, 1.0]
    ours = _weights(agreement, is_copy)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(agreement, is_copy).coef_[0]
    unit = [weights / np.linalg.norm(weights) for weights in (ours, theirs)]
    np.testing.assert_allclose(*unit, atol=1e-5)  # what little is shrunk


def test_questions_that_tell_are_found_among_those_that_do_not():
    agreement = (RNG.random((60, 500)) < 0.7) * 1.0
    is_copy = np.arange(60) < 24
    telling = RNG.permutation(500)[:8]
    agreement[np.ix_(is_copy, telling)] = RNG.random((24, 8)) < 0.95
    agreement[np.ix_(~is_copy, telling)] = RNG.random((36, 8)) < 0.15
    chosen = discriminate(agreement, is_copy, 8)
    assert set(chosen.indices) == set(telling) and (chosen.weights > 0).all()


def test_general_agreement_is_taken_off():
    # All agree on question 0 as far as they agree at all; question 1 adds that to descent.
    general = RNG.normal(size=200)
    is_copy = np.arange(200) < 100
    agreement = np.stack([general, general + is_copy + 0.1 * RNG.normal(size=200)], axis=1)
    weights = dict(zip(*(lambda d: (d.indices, d.weights))(discriminate(agreement, is_copy, 2))))
    assert weights[0] < 0 < weights[1]


def test_copies_are_at_1_over_e_and_others_at_e_on_average():
    chosen = discriminate(AGREEMENT, IS_COPY, 4)
    logs = np.log(chosen.distances(AGREEMENT[:, chosen.indices]))
    assert logs[IS_COPY].mean() == pytest.approx(-1)
    assert logs[~IS_COPY].mean() == pytest.approx(1)


def test_order_of_models_and_of_questions_does_not_matter():
    models, questions = RNG.permutation(30), RNG.permutation(8)
    chosen = discriminate(AGREEMENT, IS_COPY, 5)
    other = discriminate(AGREEMENT[np.ix_(models, questions)], IS_COPY[models], 5)
    np.testing.assert_array_equal(questions[other.indices], chosen.indices)
    np.testing.assert_allclose(other.weights, chosen.weights)
    assert other.centre == pytest.approx(chosen.centre)


def test_constant_questions_are_never_chosen():
    agreement = AGREEMENT.copy()
    agreement[:, :3] = 1.0
    assert set(discriminate(agreement, IS_COPY, 8).indices) == set(range(3, 8))
    assert not len(discriminate(np.ones((4, 3)), np.arange(4) < 2, 2).indices)
