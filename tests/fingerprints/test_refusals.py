# SPDX-License-Identifier: BSD-3-Clause
"""What cannot be read completely has no fingerprint, and the message says where it is."""

import enum
import functools
import io
import threading
import types

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skzest
from skzest.fingerprints import _installed, fingerprint, register_fingerprint
from skzest.queries import as_query
from skzest.store import Identity

LR = LogisticRegression().fit([[0.0], [1.0]], [0, 1])


class Table:
    """A model with exceptions in a class attribute."""

    exceptions = ()

    def predict_proba(self, X):
        return X


class Loaded(Table):
    """Its pickle holds the path of a file, not what was read from it."""

    def __getstate__(self):
        return {"path": "model.npz"}


class Mine(ClassifierMixin, BaseEstimator):
    """An estimator in scikit-learn's form."""

    memory = None

    def predict(self, X):
        return X


class Derived(LogisticRegression):
    """One of scikit-learn's, changed."""


class Labels(list):
    """A container of one's own."""


class Kind(enum.Enum):
    A = 1


def _scaled(batch):
    return 2 * batch


def _closure(factor):
    return lambda batch: factor * batch


def _with(**attributes):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    vars(model).update(attributes)
    return model


OF_THE_USER = {
    "instance": Table(),
    "hidden state": Loaded(),
    "estimator": Mine(),
    "derived": Derived(),
    "class": Table,
    "function": _scaled,
    "lambda": lambda batch: batch,
    "closure": _closure(2.0),
    "partial": functools.partial(_scaled),
    "cached": functools.lru_cache(_scaled),
    "method": Table().predict_proba,
    "bound to another": types.MethodType(_scaled, LR),
    "vectorized": np.frompyfunc(_scaled, 1, 1),
    "container": Labels([1]),
    "array": np.zeros(2).view(type("Array", (np.ndarray,), {})),
    "enum": Kind.A,
    "module": types.ModuleType("mine"),
    "step": make_pipeline(FunctionTransformer(_scaled), LR),
    "patched": _with(predict_proba=_scaled),
}


@pytest.mark.parametrize("value", OF_THE_USER.values(), ids=OF_THE_USER)
def test_what_is_not_of_an_installed_package_is_refused(value):
    with pytest.raises(TypeError, match=r"has no fingerprint: .*model_id="):
        fingerprint(value)


def test_the_message_says_where_it_is():
    with pytest.raises(TypeError, match=r"LogisticRegression\.extra_\[1\]\['lock'\] "):
        fingerprint(_with(extra_=[1, {"lock": threading.Lock()}]))
    with pytest.raises(TypeError, match=r"Pipeline\.steps\[0\]\[1\]\.func is .*_scaled, which is"):
        fingerprint(OF_THE_USER["step"])
    with pytest.raises(TypeError, match="has no content that can be read"):
        fingerprint(io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(TypeError, match=r"Table is an instance of .*Table, which is not part of"):
        fingerprint(Table())


def test_the_advice_of_the_message_works():
    with pytest.raises(TypeError, match="has no fingerprint") as refused:
        Identity.of(as_query(Table()), "predict_proba")
    assert "SklearnQuery.model is an instance of" in str(refused.value)
    assert 'as_query(model, model_id="victim, version 3")' in str(refused.value)
    query = as_query(Table(), model_id="victim, version 3")
    assert Identity.of(query, "predict_proba").text == "id:victim, version 3"


def test_a_kind_that_was_registered_is_not_refused():
    register_fingerprint(lambda value: isinstance(value, Loaded), lambda value: ["loaded", "v1"])
    assert fingerprint(Loaded()) == fingerprint(Loaded())
    with pytest.raises(TypeError, match="no fingerprint"):
        fingerprint(Table())


@pytest.mark.parametrize(
    "value",
    [open, np.log1p, np.mean, np.linalg.norm, str.lower, "a".join, {}.get, dict.fromkeys, np],
)
def test_functions_of_packages_are_known_by_name(value):
    assert fingerprint(value) == fingerprint(value)


def test_a_name_that_leads_elsewhere_is_not_believed(monkeypatch):
    monkeypatch.setattr(_scaled, "__module__", "numpy")
    with pytest.raises(TypeError, match=r"is numpy\._scaled, which is not part of"):
        fingerprint(_scaled)


def test_nesting_without_end_is_refused():
    nested = []
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(TypeError, match="nested too deeply"):
        fingerprint(nested)


# --- installed packages -------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that makes a module of a package at a place, and gives its class."""
    _installed.version_of.cache_clear()

    def make(folder="site-packages", version="1.0", body="pass"):
        module = types.ModuleType("some_package")
        module.__file__ = str(tmp_path / folder / "some_package.py")
        if version is not None:
            module.__version__ = version
        exec(f"class Model:\n    {body}", module.__dict__)
        monkeypatch.setitem(_installed.sys.modules, "some_package", module)
        _installed.version_of.cache_clear()
        return module.Model

    yield make
    _installed.version_of.cache_clear()


def test_a_class_of_an_installed_package_is_known_by_its_version(package):
    before = fingerprint(package()())
    assert fingerprint(package()()) == before
    assert fingerprint(package(version="1.0+cpu")()) == before
    assert fingerprint(package(version="1.1")()) != before


@pytest.mark.parametrize("place", [{"folder": "project"}, {"version": None}])
def test_a_package_without_version_or_elsewhere_is_the_users(package, place):
    with pytest.raises(TypeError, match=r"some_package\.Model, which is not part of an installed"):
        fingerprint(package(**place)())


def test_what_a_package_leaves_out_of_pickles_is_not_known(package):
    model = package(body="def __getstate__(self): return {}")()
    with pytest.raises(TypeError, match="decides for itself what a pickle of it holds"):
        fingerprint(model)
    assert fingerprint(io.BytesIO(b"a")) != fingerprint(io.BytesIO(b"b")), (
        "but the standard library"
    )


def test_memory_and_jobs_are_ignored_in_scikit_learn_alone(package):
    pipeline = make_pipeline(FunctionTransformer(), LR)
    before = fingerprint(pipeline)
    pipeline.memory, pipeline.verbose = "folder", True
    assert fingerprint(pipeline) == before
    Model = package()
    one, other = Model(), Model()
    one.memory, other.memory = 1, 2
    assert fingerprint(one) != fingerprint(other)


def test_code_of_skzest_is_known_wherever_it_lies():
    assert _installed.version_of(skzest.__name__) == ""
    assert _installed.version_of("__main__") is None
