# SPDX-License-Identifier: BSD-3-Clause
"""What a fingerprint is blind to, and what it sees."""

import copy
import functools
import os
import pickle
import subprocess
import sys
import threading
import types
import warnings
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

from skzest.fingerprints import fingerprint

X, Y = load_iris(return_X_y=True)
SCALE = np.array([1.0, 2.0, 3.0, 4.0])


def _scaled(batch):
    return np.log1p(batch) * SCALE


def _pair():
    return [("a", LogisticRegression()), ("b", GaussianNB())]


MODELS = {
    "linear": LogisticRegression(),
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
    "pipeline": make_pipeline(FunctionTransformer(_scaled), StandardScaler(), GaussianNB()),
}


def _fit(name, X=X, Y=Y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return copy.deepcopy(MODELS[name]).fit(X, Y)


def _text_model(word="bad"):
    texts = ["good film", f"{word} film", "a good time", f"{word} time"]
    return make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, [1, 0, 1, 0])


def _again(model):
    return pickle.loads(pickle.dumps(model))


def _by_fresh_process(folder, models):
    """Fingerprints of pickled models, as another process with another hash seed sees them."""
    path = Path(folder) / "models.joblib"
    joblib.dump(models, path)
    code = (
        "import joblib, sys\n"
        "from skzest.fingerprints import fingerprint\n"
        "for model in joblib.load(sys.argv[1], mmap_mode='r'): print(fingerprint(model))\n"
    )
    here = Path(__file__).parent
    env = os.environ | {
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]),
    }
    command = [sys.executable, "-W", "ignore", "-c", code, str(path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


_IN_WORKERS = """
import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from skzest.fingerprints import fingerprint

SCALE = np.arange(3.0)

def scaled(batch):
    return batch * SCALE

class Estimator(ClassifierMixin, BaseEstimator):
    temperature = 2.0
    def predict(self, X):
        return scaled(X)
    @property
    def twice(self):
        return 2 * self.temperature

class Slotted:
    __slots__ = ("shift",)
    def __call__(self, batch):
        return scaled(batch) + self.shift

slotted = Slotted()
slotted.shift = 3
things = [Estimator(), Estimator().predict, slotted, scaled, lambda batch: scaled(batch) + 1]
here = [fingerprint(thing) for thing in things]
there = joblib.Parallel(n_jobs=2)(joblib.delayed(fingerprint)(thing) for thing in things)
assert len(set(here)) == len(things)
assert here == there, (here, there)
"""


def test_what_a_script_defines_is_the_same_in_its_workers():
    command = [sys.executable, "-W", "ignore", "-c", _IN_WORKERS]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- blind to ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_copies_pickles_and_use_leave_a_fingerprint_as_it_is(name):
    model = _fit(name)
    before = fingerprint(model)
    assert fingerprint(_again(model)) == before
    assert fingerprint(copy.deepcopy(model)) == before
    model.predict(X)
    if hasattr(model, "predict_proba"):
        model.predict_proba(X)
    assert fingerprint(model) == before


@pytest.mark.parametrize("name", MODELS)
def test_other_training_data_give_another_fingerprint(name):
    assert fingerprint(_fit(name)) != fingerprint(_fit(name, X[::2] + 0.1, Y[::2]))


def test_a_fresh_process_sees_the_same_fingerprints(tmp_path):
    # Functions of a test module are not importable there: the pipeline has its own test.
    models = [_text_model(), *(_fit(name) for name in MODELS if name != "pipeline")]
    assert any(joblib.hash(model) != joblib.hash(_again(model)) for model in models)
    assert _by_fresh_process(tmp_path, models) == [fingerprint(model) for model in models]


def test_the_same_fit_gives_the_same_fingerprint():
    for name in ("linear", "forest", "histogram", "network", "search"):
        assert fingerprint(_fit(name)) == fingerprint(_fit(name)), name


def test_jobs_verbosity_and_an_open_memory_map_do_not_matter(tmp_path):
    model = _fit("forest")
    before = fingerprint(model)
    assert fingerprint(model.set_params(n_jobs=2, verbose=1)) == before
    linear = _fit("linear")
    joblib.dump(linear, tmp_path / "linear")
    mapped = joblib.load(tmp_path / "linear", mmap_mode="r")
    assert isinstance(mapped.coef_, np.memmap)
    assert fingerprint(mapped) == fingerprint(linear)


def test_layout_and_byte_order_of_arrays_do_not_matter():
    model = _fit("linear")
    before = fingerprint(model)
    model.coef_ = np.asfortranarray(model.coef_).astype(">f8")
    assert fingerprint(model) == before


def test_what_lies_unset_in_the_leaves_of_a_tree_does_not_matter():
    tree = _fit("tree")
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


# --- sees ---------------------------------------------------------------------------------


def test_one_bit_of_one_weight_is_seen():
    model = _fit("linear")
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


def test_functions_are_seen_with_what_they_refer_to():
    def scaled(factor):
        return lambda batch: batch * factor

    prints = [fingerprint(scaled(2.0)), fingerprint(scaled(2.0)), fingerprint(scaled(3.0))]
    assert prints[0] == prints[1] != prints[2]
    assert fingerprint(lambda batch: batch + 1) != fingerprint(lambda batch: batch - 1)
    assert fingerprint(functools.partial(np.clip, a_min=0)) != fingerprint(
        functools.partial(np.clip, a_min=1)
    )
    assert fingerprint(np.log1p) != fingerprint(np.exp)


def test_a_variable_of_a_module_is_part_of_the_functions_that_use_it(monkeypatch):
    before = fingerprint(_scaled)
    monkeypatch.setitem(globals(), "SCALE", SCALE + 1)
    assert fingerprint(_scaled) != before


def test_methods_are_seen_with_their_owners():
    one, other = _fit("linear"), _fit("linear", X[::2], Y[::2])
    assert fingerprint(one.predict_proba) == fingerprint(_again(one).predict_proba)
    assert fingerprint(one.predict_proba) != fingerprint(other.predict_proba)
    assert fingerprint(one.predict_proba) != fingerprint(one.predict_log_proba)


def _class_of(factor):
    """A class of that name, as another script would define it."""
    body = f"class Net:\n    def __call__(self, batch):\n        return batch * {factor}\n"
    module = types.ModuleType("script")
    exec(body, module.__dict__)
    return module.Net


def test_classes_of_ones_own_are_seen_with_their_methods():
    assert fingerprint(_class_of(2)()) == fingerprint(_class_of(2)())
    assert fingerprint(_class_of(2)()) != fingerprint(_class_of(3)())


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


# --- refusals -----------------------------------------------------------------------------


def test_what_has_no_content_is_refused_with_its_place():
    model = _fit("linear")
    model.extra_ = [1, {"lock": threading.Lock()}]
    with pytest.raises(TypeError, match=r"LogisticRegression\.extra_\[1\]\['lock'\].*model_id="):
        fingerprint(model)


def test_nesting_without_end_is_refused():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(TypeError, match="nested too deeply"):
        fingerprint(nested)


# --- torch --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def _net(torch, seed=0, slope=0.1):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.LeakyReLU(slope),
        torch.nn.Dropout(0.5), torch.nn.Linear(8, 3),
    )  # fmt: skip


def test_modules_are_their_state_and_structure(torch):
    net = _net(torch)
    before = fingerprint(net)
    assert fingerprint(_again(net)) == fingerprint(copy.deepcopy(net)) == before
    assert fingerprint(net.eval()) == before, "the mode is set when it is asked"
    net(torch.zeros(2, 4)).sum().backward()
    assert fingerprint(net) == before, "gradients do not matter"
    others = [_net(torch, seed=1), _net(torch, slope=0.2), _net(torch)[:4], _net(torch).double()]
    assert len({before, *map(fingerprint, others)}) == 5


def test_a_module_from_a_state_dict_has_the_fingerprint_of_its_source(torch):
    net, copied = _net(torch), _net(torch, seed=1)
    copied.load_state_dict(net.state_dict())
    assert fingerprint(copied) == fingerprint(net)


def test_modules_are_the_same_in_a_fresh_process(torch, tmp_path):
    nets = [_net(torch), _net(torch).bfloat16(), torch.nn.MultiheadAttention(8, 2)]
    assert _by_fresh_process(tmp_path, nets) == [fingerprint(net) for net in nets]


def test_memory_layout_of_a_tensor_does_not_matter(torch):
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert fingerprint(image) == fingerprint(image.to(memory_format=torch.channels_last))
    assert fingerprint(image) != fingerprint(image.reshape(1, 2, 4, 3))
    assert fingerprint(image.bfloat16()) != fingerprint(image.half())
    assert fingerprint(image.to_sparse()) == fingerprint(image.to_sparse().clone())
    assert fingerprint(torch.zeros(0)) != fingerprint(torch.zeros(0, 2))


def test_a_module_is_seen_with_its_forward(torch):
    def net_of(name):
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Identity()

            forward = {
                "relu": lambda self, batch: torch.relu(self.layer(batch)),
                "tanh": lambda self, batch: torch.tanh(self.layer(batch)),
            }[name]

        return Net()

    assert fingerprint(net_of("relu")) == fingerprint(net_of("relu"))
    assert fingerprint(net_of("relu")) != fingerprint(net_of("tanh"))


def test_a_traced_module_is_seen_with_its_program(torch):
    example = torch.zeros(1, 3)

    def traced(function):
        return torch.fx.symbolic_trace(_wrap(torch, function))

    assert fingerprint(traced(torch.relu)) == fingerprint(traced(torch.relu))
    assert fingerprint(traced(torch.relu)) != fingerprint(traced(torch.tanh))
    assert traced(torch.relu)(example).shape == (1, 3)


def _wrap(torch, function):
    class Applied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.function = function

        def forward(self, batch):
            return self.function(batch)

    return Applied()


# --- what methods hold --------------------------------------------------------------------


def _scaling_model(factor, decorate=lambda method: method):
    class Scaled:
        @decorate
        def predict_proba(self, X):
            return X * factor

    return Scaled()


def _logged(method):
    @functools.wraps(method)
    def call(*args):
        return method(*args)

    return call


@pytest.mark.parametrize(
    "decorate", [lambda m: m, _logged, functools.lru_cache], ids=["plain", "wrapped", "cached"]
)
def test_methods_are_seen_with_what_they_close_over(decorate):
    assert fingerprint(_scaling_model(1.0, decorate)) == fingerprint(_scaling_model(1.0, decorate))
    assert fingerprint(_scaling_model(1.0, decorate)) != fingerprint(_scaling_model(1.5, decorate))


def test_hooks_are_seen_with_the_numbers_they_go_by(torch):
    def module(factor):
        made = torch.nn.Identity()
        made.register_forward_hook(lambda m, args, answer: answer * factor)
        return made

    assert fingerprint(module(1.0)) == fingerprint(module(1.0))
    assert fingerprint(module(1.0)) != fingerprint(module(1.5))


def test_frames_of_several_levels_of_columns_are_seen():
    pd = pytest.importorskip("pandas")
    columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    frames = [pd.DataFrame([[1.0, 2.0]], columns=c) for c in (columns, columns[::-1])]
    assert fingerprint(frames[0]) == fingerprint(frames[0].copy())
    assert fingerprint(frames[0]) != fingerprint(frames[1])
