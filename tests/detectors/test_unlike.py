# SPDX-License-Identifier: BSD-3-Clause
"""Suspects that are unlike all models that calibrate are pointed out."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from skzest import CallableQuery, LimeSignatureTransformer, ReuseDetector
from skzest.detectors._unlike import Crowd, unlike
from skzest.rehearsal import candidate_questions, rehearse

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
    assert Crowd(np.zeros((9, 1)), {}, None, {}).unlike({}, ["a"]) == []


def test_answers_to_rehearsed_questions_by_hand():
    """Those of the unrelated models are the owner's in 3 of 10 questions, a copy's in 9."""
    owner, others = np.arange(10) // 5, np.tile(np.arange(10) // 5 + 2, (9, 1))
    others[:, :3] = owner[:3]
    others[range(9), range(9)] = 9  # each has one of its own, so that they agree in 8
    copy, nonsense = np.where(np.arange(10) == 7, 9, owner), np.full(10, 7)
    crowd = Crowd(np.ones((9, 1)), {"rehearsal": others}, None, {"rehearsal": owner})
    given = {"rehearsal": np.stack([copy, nonsense, owner])}
    [said] = crowd.unlike(given, ["copy", "nonsense", "owner"])
    assert said.startswith(
        "nonsense is unlike the unrelated models: its agreement with them or the"
    )
    assert "owner's model is 0, theirs is 0.8 to 0.8." in said
    # Without the owner's model in the measure, a copy would be unlike, too.
    by_others = Crowd(crowd.distances, crowd.labels, None, {})
    assert len(by_others.unlike(given, ["copy", "nonsense", "owner"])) == 3


@pytest.mark.parametrize("n_unrelated", [18, 36])  # left out in turn, and divided
def test_a_rehearsal_alone_tells_nonsense_from_copies_and_strangers(n_unrelated):
    digits, labels = load_digits(return_X_y=True)

    def forest(seed, rows=slice(900), answers=labels):
        return ExtraTreesClassifier(4, max_depth=8, random_state=seed).fit(
            digits[rows], answers[rows]
        )

    owner, *unrelated = map(forest, range(n_unrelated + 1))
    points = digits[900:]
    candidates = candidate_questions(points, owner, n_candidates=400)
    copies = rehearse(owner, points, n_copies=4)
    detector = ReuseDetector.from_models(owner, unrelated, candidates, copies=copies, **EASY)
    thefts = [forest(s, slice(900, None), owner.predict(digits)) for s in range(100, 103)]

    def nonsense(one, other):
        def answer(images):
            return np.where(np.rint(images.sum(axis=1)) % 2, one, other)

        return CallableQuery(answer, output="predict", classes=range(10))

    with pytest.warns(UserWarning, match="unlike") as said:
        detector.judge_models([nonsense(k, k + 1) for k in range(4)])
    assert len(said) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.judge_models([owner, *thefts, *map(forest, range(200, 206))])


def test_a_model_that_always_says_the_same_is_told_by_its_agreement():
    detector = ReuseDetector.from_models(OWNER, UNRELATED, LIME, distances=["predictions"], **EASY)
    with pytest.warns(UserWarning, match="suspect 0 is unlike .* agreement"):
        detector.judge_models([DummyClassifier().fit(X, Y)])
