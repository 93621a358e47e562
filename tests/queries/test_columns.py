# SPDX-License-Identifier: BSD-3-Clause
"""Columns of a data frame are found by name, whatever their order."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, QueryError
from skzest.queries import SklearnQuery, as_query

pd = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(200, 3)) * [1, 10, 100], columns=["a", "long name", "c"])
LABELS = np.where(FRAME["a"] + FRAME["c"] / 50 > 0, "yes", "no")
REVERSED = FRAME[["c", "long name", "a"]]


def booster(**params):
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, **params)


def native(frame, labels):
    return booster().fit(frame, labels).booster_


MODELS = {
    "LogisticRegression": lambda *data: LogisticRegression(max_iter=500).fit(*data),
    "HistGradientBoosting": lambda *data: HistGradientBoostingClassifier(max_iter=5).fit(*data),
    "LGBMClassifier": lambda *data: booster().fit(*data),
    "lightgbm.Booster": native,
}


@pytest.mark.parametrize("name", MODELS)
def test_columns_in_another_order_give_the_same_answers(name):
    query = as_query(MODELS[name](FRAME, LABELS))
    expected = query.ask(FRAME, "predict_proba")
    np.testing.assert_array_equal(query.ask(REVERSED, "predict_proba"), expected)
    assert np.ptp(expected) > 0.2


def test_models_trained_on_other_orders_share_a_zoo():
    zoo = [LogisticRegression(max_iter=500).fit(frame, LABELS) for frame in (FRAME, REVERSED)]
    S = LimeSignatureTransformer(FRAME, n_reference=4, n_samples=16).fit_transform(zoo)
    np.testing.assert_allclose(S[0], S[1], atol=1e-3 * np.abs(S).max())


@pytest.mark.parametrize("name", ["LGBMClassifier", "lightgbm.Booster"])
def test_other_columns_are_refused_by_name_where_the_library_does_not_look(name):
    model = MODELS[name](FRAME, LABELS)
    renamed = FRAME.rename(columns={"c": "z"})
    with pytest.raises(QueryError, match=r"trained on the columns 'a', .*'c', and .*'z'\. Give"):
        as_query(model).ask(renamed, "predict_proba")
    query = as_query(model, preprocess=lambda batch: batch.rename(columns={"z": "c"}))
    given = query.ask(renamed, "predict_proba")
    np.testing.assert_array_equal(given, as_query(model).ask(FRAME, "predict_proba"))


@pytest.mark.parametrize("name", ["LGBMClassifier", "lightgbm.Booster"])
def test_a_model_trained_on_an_array_takes_a_frame_by_position(name):
    model = MODELS[name](FRAME.to_numpy(), LABELS)
    given = as_query(model).ask(FRAME, "predict_proba")
    np.testing.assert_array_equal(given, as_query(model).ask(FRAME.to_numpy(), "predict_proba"))


def test_other_columns_are_left_to_libraries_that_look_at_names():
    query = SklearnQuery(LogisticRegression(max_iter=500).fit(FRAME, LABELS))
    with pytest.raises(ValueError, match="feature names"):
        query.ask(FRAME.assign(extra=1.0), "predict_proba")
