# SPDX-License-Identifier: BSD-3-Clause
"""Models of boosting libraries, whose trees live in C++."""

import copy
import pickle

import pytest
from sklearn.datasets import load_iris

from skzest.fingerprints import fingerprint

X, Y = load_iris(return_X_y=True)


def _lightgbm(n_trees, labels=Y):
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=n_trees, verbose=-1).fit(X, labels)


def _xgboost(n_trees, labels=Y):
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=n_trees).fit(X, labels)


@pytest.mark.parametrize("fit", [_lightgbm, _xgboost])
def test_boosters_are_their_trees(fit):
    model = fit(3)
    before = fingerprint(model)
    model.predict_proba(X)
    assert fingerprint(model) == before
    assert fingerprint(copy.deepcopy(model)) == before
    assert fingerprint(pickle.loads(pickle.dumps(model))) == before
    others = [fit(4), fit(3, labels=(Y + 1) % 3), fit(3, labels=Y[::-1])]
    assert len({before, *map(fingerprint, others)}) == 4


def test_the_number_of_trees_that_answer_is_seen():
    model = _lightgbm(4)
    before = fingerprint(model)
    model.booster_.best_iteration = 2
    assert fingerprint(model) != before
