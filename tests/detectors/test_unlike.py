# SPDX-License-Identifier: BSD-3-Clause
"""Suspects that are unlike all models that calibrate are pointed out."""

import warnings

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, ReuseDetector
from skzest.detectors._unlike import Crowd, unlike

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5))
Y = np.argmax(X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(300, 3)), axis=1)
LIME = LimeSignatureTransformer(X, n_reference=16, n_samples=16)
EASY = {"alpha": 0.1, "correction": None}


def _model(seed):
    rows = np.random.default_rng(seed).permutation(300)[:100]
    return LogisticRegression().fit(X[rows], Y[rows])


OWNER, *UNRELATED = map(_model, range(12))
WRONG = LogisticRegression().fit(X, (Y + 1) % 3)


def test_range_of_the_unrelated_models_by_hand():
    of_unrelated = np.linspace(0.8, 0.9, 9)
    said = unlike("accuracy", np.array([0.99, 1.01, 0.71, 0.69, np.nan]), of_unrelated, [*"abcde"])
    assert len(said) == 2
    assert said[0].startswith("b is unlike the unrelated models: its accuracy is 1.01, theirs is")
    assert said[1].startswith("d is unlike")
    assert not unlike("accuracy", np.array([0.0]), of_unrelated[:8], ["a"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "wrong is unlike the unrelated models: its mean distance to them is 1"),
        ({"distances": ["zest"]}, "wrong is unlike .* its agreement with them is 0"),
        ({"distances": ["zest", "predictions"], "y": Y}, "wrong is unlike .* its accuracy is 0"),
    ],
)
def test_a_suspect_of_another_kind_causes_a_warning(params, message):
    detector = ReuseDetector.from_models(OWNER, UNRELATED, LIME, **params, **EASY)
    with pytest.warns(UserWarning, match=message):
        detector.judge_models([WRONG], labels=["wrong"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.judge_models([*map(_model, range(20, 24)), OWNER])


def test_questions_that_the_owner_fixed_say_nothing_about_the_crowd():
    detector = ReuseDetector.from_models(OWNER, UNRELATED, LIME, distances=["boundary"], **EASY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.judge_models([WRONG])
    assert Crowd(np.zeros((9, 1)), {}, None).unlike({}, ["a"]) == []


def test_a_model_that_always_says_the_same_is_told_by_its_agreement():
    detector = ReuseDetector.from_models(OWNER, UNRELATED, LIME, distances=["predictions"], **EASY)
    with pytest.warns(UserWarning, match="suspect 0 is unlike .* agreement"):
        detector.judge_models([DummyClassifier().fit(X, Y)])
