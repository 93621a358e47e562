# SPDX-License-Identifier: BSD-3-Clause
"""Copies are trained on the owner's answers, in every way that is asked for."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.parallel import delayed

from skzest import CallableQuery
from skzest.rehearsal import _copies, candidate_questions, rehearse
from skzest.rehearsal._inputs import INPUTS, noise

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(max_depth=3)


@pytest.fixture(scope="module")
def owner():
    return LogisticRegression(max_iter=500).fit(X[::2], y[::2])


class Lessons:
    """A learner that remembers what it was taught."""

    def __init__(self):
        self.taught = []

    def __call__(self, points, targets, seed):
        self.taught.append((points, targets, seed))
        return TREE


def test_default_is_the_owners_own_estimator(owner):
    copies = rehearse(owner, X[1::2], n_copies=3)
    assert [type(copy) for copy in copies] == [LogisticRegression] * 3
    assert all(copy is not owner and copy.coef_ is not owner.coef_ for copy in copies)


def test_copies_agree_with_the_owner_more_than_chance_and_differ_from_each_other(owner):
    copies = rehearse(owner, X[1::2], learners=TREE, n_copies=6)
    said = np.array([copy.predict(X) for copy in copies])
    assert np.mean(said == owner.predict(X), axis=1).min() > 0.6
    assert len(np.unique(said, axis=0)) > 1


def test_every_way_is_used_equally_often(owner):
    learners = [Lessons(), Lessons()]
    rehearse(owner, X, learners=learners, answers=["label", "soft"], n_copies=8, n_queries=20)
    assert [len(learner.taught) for learner in learners] == [4, 4]
    targets = [targets for learner in learners for _, targets, _ in learner.taught]
    assert sorted(target.ndim for target in targets) == [1] * 4 + [2] * 4


def test_a_function_is_taught_points_and_the_owners_answers(owner):
    for answer in ("label", "soft"):
        rehearse(owner, X, learners=(taught := Lessons()), answers=[answer], n_copies=4)
        for points, targets, seed in taught.taught:
            said = owner.predict(points) if answer == "label" else owner.predict_proba(points)
            np.testing.assert_allclose(targets, said)
            assert points.shape == X.shape and isinstance(seed, int)


def test_sampled_labels_follow_the_probabilities(owner):
    taught = Lessons()
    how = {"inputs": ["clean"], "answers": ["sampled"], "n_copies": 1, "n_queries": 4000}
    rehearse(owner, X[50:51].repeat(2, axis=0), learners=taught, **how)
    [(_, labels, _)] = taught.taught
    shares = np.mean(labels[:, None] == owner.classes_, axis=0)
    np.testing.assert_allclose(shares, owner.predict_proba(X[50:51])[0], atol=0.03)


@pytest.mark.parametrize(
    "learner",
    [TREE, KNeighborsClassifier(), make_pipeline(StandardScaler(), LogisticRegression())],
    ids=["weighted", "drawn", "pipeline"],
)
def test_probabilities_reach_classifiers_that_cannot_learn_them(owner, learner):
    [copy] = rehearse(owner, X, learners=learner, inputs=["clean"], answers=["soft"], n_copies=1)
    gap = np.abs(copy.predict_proba(X) - owner.predict_proba(X)).mean()
    hard = np.abs(np.eye(3)[owner.predict(X)] - owner.predict_proba(X)).mean()
    assert gap < hard


@pytest.mark.parametrize("n_classes", [150, 200])
def test_no_point_and_no_class_is_lost_for_being_small(n_classes):
    shares = np.random.default_rng(0).uniform(0.9, 1.1, size=(len(X), n_classes))
    shares /= shares.sum(axis=1, keepdims=True)
    assert shares.max() < 0.01

    def answer(points):
        return shares[points[:, 0].astype(int)]

    numbers = np.arange(len(X))[:, None]
    learner = DecisionTreeClassifier()
    how = {"inputs": ["clean"], "answers": ["soft"], "n_copies": 1, "n_queries": 2000}
    [copy] = rehearse(CallableQuery(answer), numbers, learners=learner, **how)
    assert copy.classes_.tolist() == list(range(n_classes))
    np.testing.assert_array_equal(copy.predict(numbers), shares.argmax(axis=1))
    flat = CallableQuery(lambda points: np.full((len(points), n_classes), 1 / n_classes))
    [copy] = rehearse(flat, numbers, learners=learner, **how)
    np.testing.assert_allclose(copy.predict_proba(numbers), 1 / n_classes)


@pytest.mark.parametrize("learner", [TREE, KNeighborsClassifier(), LogisticRegression(), Lessons()])
@pytest.mark.parametrize("answer", ["label", "soft", "sampled"])
def test_an_owner_that_is_sure_of_one_class_teaches_nothing(learner, answer):
    how = {"learners": learner, "inputs": ["clean"], "answers": [answer], "n_copies": 1}
    sure = CallableQuery(lambda points: np.tile([1 - 1e-9, 1e-9], (len(points), 1)))
    with pytest.raises(ValueError, match="gives 0 for all 150 clean questions of a copy"):
        rehearse(sure, X, **how)
    unsure = CallableQuery(lambda points: np.tile([0.8, 0.2], (len(points), 1)))
    if answer != "label":
        rehearse(unsure, X, **how)


def test_drawn_labels_of_one_class_teach_nothing():
    almost = CallableQuery(lambda points: np.tile([0.989, 0.011], (len(points), 1)))
    how = {"learners": KNeighborsClassifier(1), "inputs": ["clean"], "answers": ["soft"]}
    with pytest.raises(ValueError, match=r"gives 0 for all 2 clean questions.*Raise n_queries"):
        rehearse(almost, X, n_queries=2, n_copies=3, **how)
    copies = rehearse(almost, X, n_queries=600, n_copies=3, **how)
    assert all(copy.classes_.tolist() == [0, 1] for copy in copies)


def test_results_repeat_whatever_the_number_of_jobs(owner):
    def said(**how):
        copies = rehearse(owner, X, learners=[TREE, owner], n_copies=4, **how)
        return np.array([copy.predict_proba(X) for copy in copies])

    with parallel_config("threading"):
        np.testing.assert_array_equal(said(), said(n_jobs=2))
    assert np.any(said() != said(random_state=1))


def test_progress_is_shown_where_it_is_asked_for(owner, capsys):
    rehearse(owner, X, n_copies=2, n_queries=30, verbose=1)
    assert "copies: 2 of 2" in capsys.readouterr().err


def test_frames_and_texts_are_asked_as_they_are():
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = DecisionTreeClassifier().fit(frame, y)
    copies = rehearse(model, frame, n_copies=3)
    assert [list(copy.feature_names_in_) for copy in copies] == [list("abcd")] * 3
    taught = Lessons()
    lengths = CallableQuery(
        lambda texts: [len(text) % 2 for text in texts], output="predict", classes=[0, 1]
    )
    rehearse(lengths, ["to", "be", "not"] * 5, learners=taught, n_copies=1)
    [(texts, labels, _)] = taught.taught
    assert [len(text) % 2 for text in texts] == labels.tolist()


def test_texts_come_in_every_sequence():
    texts = ["to", "be", "not"] * 5
    lengths = CallableQuery(
        lambda texts: [len(text) % 2 for text in texts], output="predict", classes=[0, 1]
    )
    rehearse(lengths, texts, learners=(expected := Lessons()), n_copies=2)
    series = pd.Series(texts, index=range(100, 115))
    arrays = [np.array(texts), np.array(texts, dtype=object)]
    for given in (series, series.astype("category"), tuple(texts), *arrays):
        rehearse(lengths, given, learners=(taught := Lessons()), n_copies=2)
        for found, wanted in zip(taught.taught, expected.taught, strict=True):
            assert list(found[0]) == list(wanted[0]) and found[1].tolist() == wanted[1].tolist()
    with pytest.raises(TypeError, match=r"reference point 15 is nan .*Leave it out"):
        rehearse(lengths, [*texts, np.nan], learners=TREE, n_copies=1)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8])
@pytest.mark.parametrize("shape", [(5,), (4, 4), (4, 4, 3)])
def test_inputs_keep_shape_dtype_and_range(name, dtype, shape):
    points = (np.random.default_rng(0).random((20, *shape)) * 99).astype(dtype)
    made = INPUTS[name](points, 30, np.random.default_rng(1))
    assert made.shape == (30, *shape) and made.dtype == dtype
    assert made.min() >= points.min() and made.max() <= points.max()
    known = {point.tobytes() for point in points}
    assert (name == "clean") == all(point.tobytes() in known for point in made)


@pytest.mark.parametrize("name", [name for name in INPUTS if name != "clean"])
@pytest.mark.parametrize("shape", [(5,), (20, 20, 3)])
def test_inputs_in_half_precision_are_those_of_double_precision_rounded(name, shape):
    points = (np.random.default_rng(0).random((200, *shape)) * 900).astype(np.float16)
    half, double = (
        INPUTS[name](points.astype(dtype), 30, np.random.default_rng(1))
        for dtype in (np.float16, np.float64)
    )
    np.testing.assert_array_equal(half, double.astype(np.float16))


def test_mixtures_are_of_two_points():
    points = np.eye(12)
    made = INPUTS["mixed"](points, 200, np.random.default_rng(0))
    assert (np.sum(made > 0, axis=1) <= 2).all()
    assert np.isclose(made, 1).sum() > 0 < np.sum((made > 0.1) & (made < 0.9))


def test_noise_has_the_range_of_each_column():
    points = np.array([[0.0, 100.0], [1.0, 300.0]])
    made = noise(points, 200, np.random.default_rng(0))
    assert (made >= [0, 100]).all() and (made <= [1, 300]).all()
    assert made[:, 1].max() > 290


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"inputs": ["cleans"]}, ValueError, "Did you mean 'clean'"),
        ({"answers": ["hard"]}, ValueError, "each of answers must be 'label', 'soft' or"),
        ({"learners": 3}, TypeError, "a classifier or a function train"),
        ({"n_copies": 0}, ValueError, "n_copies must be at least 1"),
        ({"inputs": []}, ValueError, "inputs is empty. Give at least one of 'clean', 'noisy'"),
        ({"answers": []}, ValueError, "answers is empty. Give at least one of 'label', 'soft'"),
        ({"learners": []}, ValueError, "learners is empty. Give a classifier, or None"),
        ({"inputs": "noisy"}, TypeError, r"inputs must be a list.*Pass inputs=\['noisy'\]"),
        ({"answers": "soft"}, TypeError, r"answers must be a list.*Pass answers=\['soft'\]"),
        ({"inputs": "noisi"}, ValueError, "inputs must be 'clean'.*Did you mean 'noisy'"),
    ],
)
def test_what_is_refused(owner, params, error, match):
    with pytest.raises(error, match=match):
        rehearse(owner, X, **params)


@pytest.mark.parametrize("make", [rehearse, lambda owner, X: candidate_questions(X, owner)])
@pytest.mark.parametrize(
    ("points", "match"),
    [
        ([], "no points; at least one"),
        (np.zeros((0, 4)), r"shape \(0, 4\).* at least one point"),
        (pd.DataFrame({"a": []}), "no points; at least one"),
        ([np.zeros(3), np.zeros(4)], r"different shapes: \(3,\) at 0, \(4,\) at 1"),
        (np.array([[1, "a"]], dtype=object), "Python objects; it needs numbers"),
        (np.zeros(5), r"shape \(5,\); it needs \(n_points, ...\)"),
    ],
    ids=["list", "array", "frame", "ragged", "objects", "flat"],
)
def test_points_of_no_kind_are_refused(owner, make, points, match):
    with pytest.raises(ValueError, match=match):
        make(owner, points)


def test_sparse_points_are_refused_with_advice(owner):
    points = sparse.csr_array(X)
    with pytest.raises(TypeError, match=r"rehearsal got a sparse csr_array.*reference.toarray"):
        rehearse(owner, points)
    rehearse(owner, points.toarray(), n_copies=1)


def test_remedies_are_right(owner):
    query = CallableQuery(owner.predict_proba, classes=[0, 1, 2])
    with pytest.raises(TypeError, match=r"cannot be trained anew.*Pass learners="):
        rehearse(query, X, n_copies=1)
    rehearse(query, X, learners=TREE, n_copies=1)
    labels_only = LinearSVC().fit(X, y)
    with pytest.raises(ValueError, match=r"gives probabilities. Pass answers=\['label'\]"):
        rehearse(labels_only, X, answers=["soft"])
    rehearse(labels_only, X, answers=["label"], n_copies=1)
    frame = pd.DataFrame(X)
    with pytest.raises(TypeError, match=r"moves points.*Pass inputs=\['clean'\]"):
        rehearse(owner, frame, inputs=["mixed"])
    holed = np.where(np.arange(600).reshape(150, 4) % 99 == 50, np.nan, X)
    imputing = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=500)).fit(holed, y)
    for name in ("noisy", "mixed", "far"):
        with pytest.raises(ValueError, match=r"moves points, but point 12 holds NaN.*leave the 6"):
            rehearse(imputing, holed, inputs=[name])
    rehearse(imputing, holed, inputs=["clean"], n_copies=1)
    rehearse(imputing, holed[~np.isnan(holed).any(axis=1)], inputs=["far"], n_copies=1)
    with pytest.raises(ValueError, match=r"gives 0 for all 50 clean questions.*several classes"):
        rehearse(owner, X[:50], answers=["label"], inputs=["clean"], n_copies=1)
    rehearse(owner, X, answers=["label"], inputs=["clean"], n_copies=1)


@dataclass(frozen=True)
class Refusal(Exception):
    """Refuses even a traceback, which contexts set."""

    code: int


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_a_learner_arrives(owner, n_jobs):
    def train(points, targets, seed):
        raise Refusal(17)

    with parallel_config("threading"), pytest.raises(RuntimeError, match="Refusal: 17"):
        rehearse(owner, X, learners=train, n_copies=2, n_jobs=n_jobs)


def test_an_owner_that_writes_into_its_batches_is_warned_of_once(owner):
    def writes(batch):
        answer = owner.predict_proba(batch)
        batch.flags.writeable = True
        batch[:] = 0
        return answer

    with pytest.warns(UserWarning, match=r"^the owner's model \(CallableQuery.* changed") as told:
        rehearse(CallableQuery(writes), X, learners=TREE, n_copies=4)
    assert len(told) == 1
    # Its answers, which come first, are those of an owner that writes nothing.
    with pytest.warns(UserWarning, match="changed the batch") as told:
        candidate_questions(X, writes, kinds=["boundary"], n_candidates=50)
    assert len(told) == 1


@pytest.mark.parametrize("is_long", [False, True])
def test_only_long_training_is_sent_to_workers(owner, monkeypatch, is_long):
    sent = []

    def noted(function):
        sent.append(function)
        return delayed(function)

    monkeypatch.setattr(_copies, "delayed", noted)
    monkeypatch.setattr(_copies, "is_worth_sending", lambda seconds: is_long and seconds > 0)
    given = {"learners": TREE, "n_copies": 5, "n_queries": 60}
    with parallel_config("threading"):
        copies = rehearse(owner, X, n_jobs=2, **given)
    assert len(sent) == (4 if is_long else 0)  # the first shows how long the rest would take
    alone = rehearse(owner, X, **given)
    for one, other in zip(copies, alone, strict=True):
        assert_array_equal(one.predict_proba(X), other.predict_proba(X))
