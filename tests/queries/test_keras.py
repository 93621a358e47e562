# SPDX-License-Identifier: BSD-3-Clause
"""Keras 3 models on the torch backend."""

import os
import pickle

import numpy as np
import pytest

from skzest import LimeSignatureTransformer, zest_distances
from skzest.exceptions import QueryError
from skzest.fingerprints import fingerprint
from skzest.queries import KerasQuery, as_query
from skzest.testing import check_query

pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


def network(units=3, activation="softmax", seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(5, "relu"), keras.layers.Dense(units, activation)]
    return keras.Sequential([keras.Input((4,)), *layers])


@pytest.mark.parametrize(
    ("activation", "output"), [("softmax", "predict_proba"), ("linear", "logits")]
)
def test_keeps_the_contract_and_reads_the_last_activation(activation, output):
    model = network(activation=activation)
    query = as_query(model)
    assert isinstance(query, KerasQuery)
    assert query.outputs == (output,)
    check_query(query, X)
    np.testing.assert_allclose(query.ask(X, output), model.predict_on_batch(X), atol=1e-6)


def test_one_column_answers_for_the_second_of_two_classes():
    model = network(1, "sigmoid")
    given = KerasQuery(model, classes=["no", "yes"]).ask(X, "predict_proba")
    np.testing.assert_allclose(given[:, 1:], model.predict_on_batch(X))
    np.testing.assert_allclose(given.sum(axis=1), 1)


def test_a_layer_that_acts_in_training_only_does_not_act():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.9), network()])
    check_query(as_query(model), X)


def test_copies_have_one_fingerprint_and_others_another():
    model, other = network(), network(seed=1)
    copy = pickle.loads(pickle.dumps(model))
    first, twin, third = (fingerprint(as_query(m).content()) for m in (model, copy, other))
    assert first == twin != third


def test_what_cannot_be_seen_has_no_fingerprint_and_model_id_names_it():
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((4,)), Own(), network()])
    assert as_query(model).content()["model"] is model
    assert as_query(model, model_id="mine").model_id == "mine"


def test_signatures_tell_a_copy_from_another_model():
    model, other = network(), network(seed=1)
    lime = LimeSignatureTransformer(X, n_reference=6, n_samples=32)
    D = zest_distances(lime.fit_transform([model, pickle.loads(pickle.dumps(model)), other]))
    assert D[0, 1] < 1e-6 < 1e-2 < D[0, 2]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="must be built and have one output"):
        KerasQuery(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(QueryError, match=r"has shape \(any, 4\), and copies of shape \(any, 3\)"):
        as_query(network()).ask(X[:, :3], "predict_proba")


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_the_advice_for_one_column_is_for_keras_too(activation):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation=activation)])
    lime = LimeSignatureTransformer(X, n_reference=3, n_samples=16)
    with pytest.raises(QueryError, match=r"KerasQuery\(model, classes=\[0, 1\]\)"):
        lime.fit_transform([model])
    assert np.isfinite(lime.fit_transform([KerasQuery(model, classes=[0, 1])])).all()
