# SPDX-License-Identifier: BSD-3-Clause
"""Native models of LightGBM, XGBoost and CatBoost."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skzest import LimeSignatureTransformer, zest_distances
from skzest.fingerprints import fingerprint
from skzest.queries import as_query
from skzest.testing import check_query

IRIS, SPECIES = load_iris(return_X_y=True)
BINARY = SPECIES > 0
LIBRARIES = ["lightgbm", "xgboost", "catboost"]


def trained(library, labels=SPECIES, *, objective=None, seed=0):
    """A native model of five trees for each class."""
    module = pytest.importorskip(library)
    several = len(np.unique(labels)) > 2
    if library == "lightgbm":
        params = {"objective": objective or ("multiclass" if several else "binary")}
        params |= {"num_class": 3} if several and objective is None else {}
        params |= {"verbose": -1, "num_threads": 1, "seed": seed, "bagging_fraction": 0.5}
        params |= {"bagging_freq": 1}
        return module.train(params, module.Dataset(IRIS, np.asarray(labels, float)), 5)
    if library == "xgboost":
        params = {"objective": objective or ("multi:softprob" if several else "binary:logistic")}
        params |= {"num_class": 3} if params["objective"].startswith("multi") else {}
        params |= {"nthread": 1, "seed": seed, "subsample": 0.5}
        return module.train(params, module.DMatrix(IRIS, labels), 5)
    model = module.CatBoost(
        {
            "loss_function": objective or ("MultiClass" if several else "Logloss"),
            "iterations": 5,
            "thread_count": 1,
            "verbose": 0,
            "random_seed": seed,
            "allow_writing_files": False,
        }
    )
    return model.fit(IRIS, np.asarray(labels, dtype=object if several else int))


def bare_scores(library, model, X):
    """What a regressor answers."""
    return bare(library, model, X) if library == "xgboost" else model.predict(X)


def bare(library, model, X):
    if library == "xgboost":
        import xgboost

        return model.predict(xgboost.DMatrix(X))
    if library == "catboost":
        return model.predict(X, prediction_type="Probability")
    return model.predict(X)


@pytest.mark.parametrize("labels", [SPECIES, BINARY], ids=["three", "two"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_keeps_the_contract_and_answers_as_the_library_does(library, labels):
    model = trained(library, labels)
    query = as_query(model)
    assert type(query).__name__.lower() == f"{library}query"
    check_query(query, IRIS[::15])
    given, expected = query.ask(IRIS, "predict_proba"), bare(library, model, IRIS)
    positive = given[:, 1] if expected.ndim == 1 else given
    np.testing.assert_allclose(positive, expected, atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_margins_are_those_of_the_probabilities(library):
    query = as_query(trained(library))
    margins = query.ask(IRIS, "decision_function")
    powers = np.exp(margins)
    np.testing.assert_allclose(
        powers / powers.sum(axis=1, keepdims=True), query.ask(IRIS, "predict_proba"), atol=1e-6
    )


def test_labels_asked_of_xgboost_do_not_hide_the_probabilities():
    soft, hard = (
        as_query(trained("xgboost", objective=objective))
        for objective in ("multi:softprob", "multi:softmax")
    )
    np.testing.assert_allclose(soft.ask(IRIS, "predict_proba"), hard.ask(IRIS, "predict_proba"))


@pytest.mark.parametrize(
    ("library", "objective"),
    [("lightgbm", "regression"), ("xgboost", "reg:squarederror"), ("catboost", "RMSE")],
)
def test_a_regressor_is_refused_and_a_function_mends_it(library, objective):
    from skzest.queries import CallableQuery

    model = trained(library, SPECIES.astype(float), objective=objective)
    with pytest.raises(TypeError, match=f"objective '{objective}', and a classifier has"):
        as_query(model)
    wrapped = CallableQuery(
        lambda X: bare_scores(library, model, X)[:, None] * [[-1, 1]], output="logits"
    )
    assert wrapped.ask(IRIS, "logits").shape == (150, 2)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_copy_has_the_same_fingerprint_and_another_model_another(library):
    model, other = trained(library), trained(library, SPECIES[::-1], seed=1)
    copy = pickle.loads(pickle.dumps(model))
    first, twin, third = (fingerprint(as_query(m).content()) for m in (model, copy, other))
    assert first == twin != third


def test_catboost_names_its_classes():
    assert as_query(trained("catboost", SPECIES + 10)).classes_.tolist() == [10, 11, 12]


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_are_matched_by_name(library):
    pd = pytest.importorskip("pandas")
    query = as_query(trained(library))
    frame = pd.DataFrame(IRIS)
    if library == "xgboost":
        frame.columns = frame.columns.astype(str)
        query.model.feature_names = list(frame.columns)
    np.testing.assert_array_equal(
        query.ask(frame, "predict_proba"), query.ask(IRIS, "predict_proba")
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_signatures_tell_a_copy_from_another_model(library):
    model, other = trained(library), trained(library, SPECIES[::-1])
    lime = LimeSignatureTransformer(IRIS, n_reference=6, n_samples=32)
    D = zest_distances(lime.fit_transform([model, pickle.loads(pickle.dumps(model)), other]))
    assert D[0, 1] < 1e-9 < 1e-2 < D[0, 2]
