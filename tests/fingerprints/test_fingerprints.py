# SPDX-License-Identifier: BSD-3-Clause
"""Fingerprints of estimators and plain values: what they ignore, and what they see."""

import copy
import os
import pickle
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

import skzest
from skzest.fingerprints import fingerprint

X, Y = load_iris(return_X_y=True)


def _pair():
    return [("a", LogisticRegression(max_iter=5)), ("b", GaussianNB())]


MODELS = {
    "linear": LogisticRegression(max_iter=5),
    "sgd": SGDClassifier(random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
    "random tree": ExtraTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(5, random_state=0, n_jobs=1),
    "random forest": ExtraTreesClassifier(5, random_state=0),
    "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=2), 3, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=3, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=3, random_state=0),
    "kernel": SVC(),
    "process": GaussianProcessClassifier(max_iter_predict=5, optimizer=None),
    "kd tree": KNeighborsClassifier(algorithm="kd_tree"),
    "ball tree": KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
    "network": MLPClassifier((4,), max_iter=5, random_state=0),
    "calibrated": CalibratedClassifierCV(GaussianNB(), cv=2),
    "voting": VotingClassifier(_pair(), voting="soft"),
    "stacking": StackingClassifier(_pair(), cv=2),
    "search": GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}, cv=2),
    "pipeline": make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), GaussianNB()),
}


def _fit(name, X=X, Y=Y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return copy.deepcopy(MODELS[name]).fit(X, Y)


@cache
def _pickled(name):
    return pickle.dumps(_fit(name))


def _model(name):
    """A model of its own for each test, fitted once."""
    return pickle.loads(_pickled(name))


def _text_model(word="bad"):
    texts = ["good film", f"{word} film", "a good time", f"{word} time"]
    return make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, [1, 0, 1, 0])


def _again(model):
    return pickle.loads(pickle.dumps(model))


# --- what does not matter ------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_copies_pickles_and_use_leave_a_fingerprint_as_it_is(name):
    model = _model(name)
    before = fingerprint(model)
    assert fingerprint(_again(model)) == before
    assert fingerprint(copy.deepcopy(model)) == before
    model.predict(X)
    if hasattr(model, "predict_proba"):
        model.predict_proba(X)
    assert fingerprint(model) == before


@pytest.mark.parametrize("name", MODELS)
def test_other_training_data_give_another_fingerprint(name):
    assert fingerprint(_model(name)) != fingerprint(_fit(name, X[::2] + 0.1, Y[::2]))


_FRESH = """
import sys, joblib
from skzest.fingerprints import fingerprint
for model in joblib.load(sys.argv[1], mmap_mode="r"): print(fingerprint(model))
"""


def test_a_fresh_process_with_another_hash_seed_sees_the_same(tmp_path):
    models = [_text_model(), *map(_model, MODELS)]
    try:
        import torch
    except ImportError:
        pass
    else:
        models += [torch.nn.Linear(3, 2).bfloat16(), torch.nn.MultiheadAttention(8, 2)]
    joblib.dump(models, tmp_path / "models")
    home = str(Path(skzest.__file__).parents[1])
    env = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": home}
    command = [sys.executable, "-W", "ignore", "-c", _FRESH, str(tmp_path / "models")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [fingerprint(model) for model in models]


def test_the_same_fit_gives_the_same_fingerprint():
    for name in ("linear", "forest", "histogram", "network", "search"):
        assert fingerprint(_model(name)) == fingerprint(_fit(name)), name


def test_jobs_verbosity_and_an_open_memory_map_do_not_matter(tmp_path):
    model = _model("forest")
    before = fingerprint(model)
    assert fingerprint(model.set_params(n_jobs=2, verbose=1)) == before
    linear = _model("linear")
    joblib.dump(linear, tmp_path / "linear")
    mapped = joblib.load(tmp_path / "linear", mmap_mode="r")
    assert isinstance(mapped.coef_, np.memmap)
    assert fingerprint(mapped) == fingerprint(linear)


def test_layout_and_byte_order_of_arrays_do_not_matter():
    model = _model("linear")
    before = fingerprint(model)
    model.coef_ = np.asfortranarray(model.coef_).astype(">f8")
    assert fingerprint(model) == before


def test_what_lies_unset_in_the_leaves_of_a_tree_does_not_matter():
    tree = _model("tree")
    before = fingerprint(tree)
    build, arguments, state = tree.tree_.__reduce__()
    state["nodes"]["missing_go_to_left"][state["nodes"]["left_child"] == -1] = 1
    other = build(*arguments)
    other.__setstate__(state)
    tree.tree_ = other
    assert fingerprint(tree) == before


def test_sparse_arrays_are_their_elements_whatever_the_format():
    dense = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    prints = {fingerprint(kind(dense)) for kind in (sparse.csr_array, sparse.csc_matrix)}
    rows, columns = np.array([1, 0, 1, 1]), np.array([2, 1, 0, 2])
    halves = sparse.coo_array((np.array([1.5, 2.0, 1.0, 1.5]), (rows, columns)), shape=(2, 3))
    assert prints == {fingerprint(halves)}
    assert fingerprint(sparse.csr_array(2 * dense)) not in prints


def test_text_models_are_seen_with_their_vocabularies():
    model, other = _text_model(), _text_model("worse")
    assert fingerprint(model) == fingerprint(_again(model)) != fingerprint(other)


# --- what does ---------------------------------------------------------------------------------


def test_one_bit_of_one_weight_is_seen():
    model = _model("linear")
    before = fingerprint(model)
    model.coef_[1, 2] = np.nextafter(model.coef_[1, 2], 9)
    assert fingerprint(model) != before


def test_kind_shape_and_elements_of_an_array_are_seen():
    arrays = [
        np.zeros(4),
        np.zeros((2, 2)),
        np.zeros(4, dtype=np.float32),
        np.zeros(4, dtype="datetime64[s]"),
        np.array(["", "", "", ""]),
        np.array([None, None, None, None]),
        np.ma.masked_array(np.zeros(4), [True, False, False, False]),
        np.zeros(4, dtype=[("a", "f8")]),
        np.zeros(0),
        [0.0] * 4,
        (0.0,) * 4,
        np.float64(0),
        0.0,
        0,
        False,
        None,
        "",
        b"",
        {},
        set(),
    ]
    assert len({fingerprint(array) for array in arrays}) == len(arrays)


def test_neighbouring_values_do_not_run_into_each_other():
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint([[1], 2]) != fingerprint([[1, 2]])
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"b": 2, "a": 1})


def test_sets_have_no_order():
    words = [f"word{i}" for i in range(50)]
    backwards = set()
    for word in reversed(words):
        backwards.add(word)
    assert fingerprint(set(words)) == fingerprint(backwards)
    assert fingerprint(set(words)) != fingerprint(frozenset(words))


def test_sharing_is_not_seen_and_cycles_come_to_an_end():
    row = [1, 2]
    assert fingerprint([row, row]) == fingerprint([[1, 2], [1, 2]])
    row.append(row)
    assert fingerprint(row) == fingerprint(_again(row))


def test_methods_are_seen_with_their_owners():
    one, other = _model("linear"), _fit("linear", X[::2], Y[::2])
    assert fingerprint(one.predict_proba) == fingerprint(_again(one).predict_proba)
    assert fingerprint(one.predict_proba) != fingerprint(other.predict_proba)
    assert fingerprint(one.predict_proba) != fingerprint(one.predict_log_proba)


def test_frames_and_series_are_seen_by_label_kind_and_cell():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    assert fingerprint(frame) == fingerprint(_again(frame)) == fingerprint(frame.copy())
    variants = [
        frame,
        frame.rename(columns={"a": "c"}),
        frame.assign(a=[1.0, 3.0]),
        frame.assign(a=[1, 2]),
        frame.assign(b=frame["b"].astype("category")),
        frame.set_index("b"),
        frame["a"],
        frame["a"].rename("c"),
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)


def test_frames_of_several_levels_of_columns_are_seen():
    pd = pytest.importorskip("pandas")
    columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    frames = [pd.DataFrame([[1.0, 2.0]], columns=c) for c in (columns, columns[::-1])]
    assert fingerprint(frames[0]) == fingerprint(frames[0].copy())
    assert fingerprint(frames[0]) != fingerprint(frames[1])
