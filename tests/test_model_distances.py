# SPDX-License-Identifier: BSD-3-Clause
"""Distances without signatures are those of the signatures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skzest import (
    AnswerStore,
    ImageMasker,
    LimeSignatureTransformer,
    UndefinedSignatureWarning,
    distance_interval,
    model_distances,
    without_signatures,
    zest_distances,
)

X, Y = load_digits(return_X_y=True)
X = X / 16
ZOO = [
    LogisticRegression(max_iter=300).fit(X[:900], Y[:900]),
    GaussianNB(var_smoothing=0.1).fit(X[900:], Y[900:]),
    LogisticRegression(max_iter=300).fit(X[Y != 3], Y[Y != 3]),
    LogisticRegression(max_iter=300).fit(X[:900], Y[:900]),
]


def _lime(**params):
    masker = ImageMasker(image_shape=(8, 8))
    params = {"n_reference": 12, "n_samples": 64, "masker": masker} | params
    return LimeSignatureTransformer(X, **params)


@pytest.mark.parametrize("distance", ["cosine", "angular", "euclidean"])
@pytest.mark.parametrize("held", [1, 2**26])
def test_they_are_those_of_the_signatures(distance, held, monkeypatch):
    monkeypatch.setattr(without_signatures, "_HELD_BYTES", held)  # one point at a time, or all
    lime = _lime()
    D = model_distances(ZOO, lime, distance=distance)
    assert not hasattr(lime, "plan_"), "a transformer that is not fitted is cloned"
    S = lime.fit_transform(ZOO)
    expected = zest_distances(S, n_classes=10, distance=distance)
    small = 1e-12 if distance == "cosine" else 1e-6
    assert_allclose(D, expected, atol=small)
    assert_array_equal(D, D.T)
    assert expected[0, 1] > 0.01 > expected[0, 3]
    assert_allclose(model_distances(ZOO[::-1], lime, distance=distance), D[::-1, ::-1], atol=small)


@pytest.mark.parametrize("held", [1, 2**26])
def test_sums_give_the_intervals_of_the_signatures(held, monkeypatch):
    monkeypatch.setattr(without_signatures, "_HELD_BYTES", held)
    lime = _lime().fit(ZOO)
    S = lime.transform(ZOO)
    D, sums = model_distances(ZOO, lime, return_sums=True)
    assert_allclose(D, model_distances(ZOO, lime), atol=1e-14)
    for i, j in [(0, 1), (1, 2), (2, 0)]:
        expected = distance_interval(S[i], S[j], lime.plan_, n_classes=10, level=0.9)
        interval = sums.interval(i, j, level=0.9)
        assert 0.01 < expected.low < expected.high < 1
        assert_allclose(list(vars(interval).values()), list(vars(expected).values()), rtol=1e-9)
    same = sums.interval(0, 3)
    assert same.estimate == same.low == same.high == 0.0


@pytest.mark.parametrize("distance", ["angular", "euclidean"])
def test_sums_are_of_the_cosine_distance_alone(distance):
    with pytest.raises(ValueError, match=r'Pass distance="cosine", or leave out return_sums'):
        model_distances(ZOO, _lime(), distance=distance, return_sums=True)


def test_sums_say_what_they_hold_and_refuse_models_that_are_not_there():
    _, sums = model_distances(ZOO, _lime(), return_sums=True)
    assert repr(sums) == "<PointSums of 4 models at 12 reference points>"
    for position, error in ((4, IndexError), (-1, ValueError), ("a", TypeError), (1.0, TypeError)):
        with pytest.raises(error, match=r"model") as found:
            sums.interval(0, position)
        assert repr(position).strip("'") in str(found.value)
        with pytest.raises(error):
            sums.of_pair(position, 0)
    assert sums.interval(0, np.int64(3)).estimate == 0.0


def test_a_constant_model_has_no_interval_and_one_point_gives_none():
    zoo = [*ZOO[:2], DummyClassifier().fit(X, Y)]
    with pytest.warns(UndefinedSignatureWarning):
        _, sums = model_distances(zoo, _lime(), return_sums=True)
    assert np.isnan(sums.interval(0, 2).estimate) and sums.interval(0, 1).estimate > 0.01
    with pytest.raises(ValueError, match=r"at least 2 reference points; got 1\. .*n_reference="):
        model_distances(ZOO, _lime(n_reference=1), return_sums=True)[1].interval(0, 1)


def test_constant_models_have_no_distance():
    zoo = [*ZOO[:2], DummyClassifier().fit(X, Y)]
    with pytest.warns(UndefinedSignatureWarning, match=r"models\[2\] \(DummyClassifier\)"):
        D = model_distances(zoo, _lime())
    assert np.isnan(D[2]).all() and np.isnan(D[:, 2]).all() and np.isfinite(D[:2, :2]).all()


def test_a_store_is_used_point_by_point(tmp_path, monkeypatch):
    monkeypatch.setattr(without_signatures, "_HELD_BYTES", 1)
    store = AnswerStore(tmp_path / "answers.sqlite")
    expected = zest_distances(_lime(cache=store).fit_transform(ZOO), n_classes=10)
    before = store.stats()
    assert_allclose(model_distances(ZOO, _lime(cache=store)), expected, atol=1e-12)
    assert (store.stats() - before).rows_asked == 0


def test_jobs_change_nothing_but_rounding():
    by_two = model_distances(ZOO, _lime(n_jobs=2))
    assert_allclose(by_two, model_distances(ZOO, _lime()), atol=1e-12)


def test_what_it_cannot_do_is_refused_before_anything_is_asked():
    class Untouchable(LogisticRegression):
        def predict_proba(self, batch):
            raise AssertionError("asked")

    zoo = [Untouchable(max_iter=300).fit(X[:300], Y[:300])] * 2
    with pytest.raises(ValueError, match="distance must be 'cosine', 'angular' or 'euclidean'"):
        model_distances(zoo, _lime(), distance="cityblock")
    with pytest.raises(TypeError, match="must be a LimeSignatureTransformer; got GaussianNB"):
        model_distances(zoo, GaussianNB())
