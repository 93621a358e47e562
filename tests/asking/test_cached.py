# SPDX-License-Identifier: BSD-3-Clause
"""A transformer with a store: what is asked again, what is not, and that it makes no difference."""

import functools
import os
import pickle
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
from counting import Counted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skzest import (
    AnswerStore,
    ImageMasker,
    LimeSignatureTransformer,
    ModelChangedError,
    TabularMasker,
    TorchQuery,
    zest_distances,
)
from skzest.queries import CallableQuery, as_query

X, Y = load_digits(n_class=4, return_X_y=True)
X = X / 16
MASKER = ImageMasker("grid", image_shape=(8, 8))


_lime = partial(LimeSignatureTransformer, reference=X, n_reference=6, n_samples=50, masker=MASKER)


@pytest.fixture
def zoo(digit_zoo):
    return digit_zoo


@pytest.fixture
def counted(zoo):
    return Counted(zoo[0].predict_log_proba)


def _named(counted, model_id="counted"):
    return counted.query(classes=range(4), model_id=model_id)


# --- it makes no difference --------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"response": "predict_proba", "kernel_width": 0.25},
        {"response": "label"},
        {"surrogate": "passthrough"},
        {"surrogate": Lasso(alpha=0.01), "clip": 1e-3},
        {"batch_size": 32},
        {"n_jobs": 2},
        {"reference": X.astype(np.float32)},
    ],
)
def test_signatures_are_the_same_bits_without_a_store_with_one_and_from_one(zoo, store, params):
    expected = _lime(**params).fit_transform(zoo)
    with joblib.parallel_config(backend="threading"):
        first = _lime(**params, cache=store).fit_transform(zoo)
        before = store.stats()
        second = _lime(**params, cache=store.path).fit_transform(zoo)
    assert_array_equal(first, expected)
    assert_array_equal(second, expected)
    assert before.rows_asked == before.rows_stored == 4 * 6 * 50
    later = store.stats() - before
    assert (later.rows_asked, later.rows_reused) == (0, 4 * 6 * 50)


def test_labels_are_stored_exactly_and_small(zoo, store):
    svc = LinearSVC(random_state=0).fit(X, Y)
    expected = _lime(response="label").fit_transform([svc])
    for _ in range(2):
        assert_array_equal(_lime(response="label", cache=store).fit_transform([svc]), expected)
    with store.connect() as connection:
        kinds = connection._db.execute("SELECT DISTINCT dtype, LENGTH(scores) FROM requests")
        assert kinds.fetchall() == [("|u1", 50 * 4)]


def test_networks_are_stored_with_their_preprocessing(store):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4)).eval()
    lime = _lime(reference=images, n_reference=None, masker=ImageMasker("grid"), cache=store)
    query = TorchQuery(net, mean=[0.5] * 3, std=0.25)
    expected = lime.fit_transform([query])
    before = store.stats()
    copied = pickle.loads(pickle.dumps(net))
    again = TorchQuery(copied, mean=[0.5] * 3, std=0.25, optimize=False, device="cpu")
    assert_array_equal(lime.fit_transform([query]), expected)
    assert_array_equal(lime.fit_transform([again]), expected)
    assert (store.stats() - before).rows_asked == 0
    _, rows = _asked(store, lime, [TorchQuery(net, mean=[0.4] * 3, std=0.25)])
    assert rows == lime.plan_.n_queries


def test_tables_and_texts_are_stored_too(store):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[:40, 18:24], columns=list("abcdef")).assign(g=list("xyzx") * 10)
    model = CallableQuery(
        lambda batch: batch[["a", "b"]].to_numpy() + (batch[["g"]] == "x").to_numpy(),
        output="logits",
        model_id="table",
    )
    lime = _lime(reference=frame, masker=TabularMasker(), cache=store)
    expected = lime.fit_transform([model])
    before = store.stats()
    assert_array_equal(lime.fit_transform([model]), expected)
    assert (store.stats() - before).rows_asked == 0
    texts = ["a good film", "a bad film", "what a good time", "no time for this"]
    reader = CallableQuery(
        lambda batch: np.array([[t.count("good"), t.count("a")] for t in batch]),
        output="logits",
        model_id="reader",
    )
    lime = LimeSignatureTransformer(texts, n_samples=20, cache=store)
    expected = lime.fit_transform([reader])
    before = store.stats()
    assert_array_equal(lime.fit_transform([reader]), expected)
    assert (store.stats() - before).rows_asked == 0


# --- what is asked ------------------------------------------------------------------------


def _asked(store, lime, models):
    before = store.stats()
    signatures = lime.fit_transform(models)
    added = store.stats() - before
    return signatures, added.rows_asked


@pytest.mark.parametrize(
    ("params", "n_rows"),
    [
        ({"clip": 1e-2}, 0),
        ({"response": "predict_proba"}, 0),
        ({"surrogate": Ridge()}, 0),
        ({"surrogate": "passthrough"}, 0),
        ({"kernel_width": 0.25}, 0),
        ({"batch_size": 7}, 0),
        ({"n_reference": 2}, 0),
        ({"n_samples": 30}, 0),
        ({"n_classes": 6}, 0),
        ({"n_reference": 8}, 100),
        ({"n_samples": 70}, 120),
        ({"n_reference": 7, "n_samples": 60}, 120),
        ({"random_state": 1}, 300),
        ({"response": "label"}, 300),
        ({"masker__fill": "zero"}, 300),
        ({"sampling": "antithetic"}, 300),
    ],
)
def test_only_questions_that_differ_are_asked(zoo, store, params, n_rows):
    _lime(cache=store).fit([zoo[0]]).transform([zoo[0]])
    changed = _lime(cache=store).set_params(**params)
    signatures, rows = _asked(store, changed, [zoo[0]])
    if {"sampling", "random_state"} & set(params):  # a few masks may be shared, such as the first
        assert n_rows - 18 < rows <= n_rows
    else:
        assert rows == n_rows
    expected = _lime().set_params(**params).fit_transform([zoo[0]])
    assert_allclose(signatures, expected, rtol=1e-9, atol=1e-9)


def test_models_that_know_different_points_are_asked_what_each_lacks(zoo, store):
    _lime(cache=store, n_reference=2).fit_transform(zoo[:1])
    _lime(cache=store, n_reference=5, n_samples=20).fit_transform(zoo[1:2])
    signatures, rows = _asked(store, _lime(cache=store, batch_size=64), zoo[:3])
    assert rows == 200 + (5 * 30 + 50) + 300
    assert_allclose(signatures, _lime().fit_transform(zoo[:3]), rtol=1e-9, atol=1e-9)


def test_a_plan_that_was_handed_over_finds_the_answers(zoo, store):
    lime = _lime(cache=store).fit(zoo)
    expected = lime.transform(zoo)
    other = LimeSignatureTransformer.from_plan(lime.plan_, cache=store)
    signatures, rows = _asked(store, other, zoo)
    assert rows == 0
    assert_array_equal(signatures, expected)


def test_rows_counted_are_the_rows_that_the_model_saw(counted, store):
    lime = _lime(cache=store)
    lime.fit([_named(counted)])
    assert counted.n_rows == 0, "classes are known, so fit asks nothing"
    lime.transform([_named(counted)])
    assert store.stats().rows_asked == 300
    assert counted.n_rows == 300 + 16 + 6, "the first look, and 2 % again"
    lime.transform([_named(counted)])
    assert counted.n_rows == 322 + 6, "one question at each of up to eight points"
    assert store.stats().rows_asked == 300


def test_models_without_labels_are_probed_once(counted, store):
    query = counted.query(model_id="nameless")
    lime = _lime(cache=store)
    lime.fit_transform([query])
    assert counted.n_rows == 300 + 16 + 6
    lime.fit_transform([query])
    assert counted.n_rows == 322 + 6


def test_out_of_memory_is_survived_with_a_store(zoo, store):
    def greedy(batch):
        if len(batch) > 20:
            raise MemoryError("too much")
        return zoo[0].predict_proba(batch)

    query = CallableQuery(greedy, model_id="greedy")
    signatures = _lime(cache=store, batch_size=100).fit_transform([query, zoo[0]])
    assert_allclose(signatures[0], signatures[1], atol=1e-10)
    _, rows = _asked(store, _lime(cache=store, batch_size=100), [query, zoo[0]])
    assert rows == 0


@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_stored_answers_are_checked_in_batches_that_the_model_takes(zoo, store, n_rows, error):
    def strict(batch):
        if len(batch) > n_rows or (error is RuntimeError and len(batch) < n_rows):
            raise error(f"{len(batch)} rows")
        return zoo[0].predict_proba(batch)

    models = [CallableQuery(strict, model_id="strict"), CallableQuery(strict, model_id="strict")]
    lime = _lime(cache=store, batch_size=n_rows if error is RuntimeError else "auto")
    first, again = lime.fit_transform(models), lime.fit_transform(models)
    assert_allclose(first, _lime().fit_transform([zoo[0]] * 2), atol=1e-10)
    assert_array_equal(again, first)


def test_scores_that_are_not_finite_are_not_kept(zoo, store):
    def failing(batch):
        scores = zoo[0].predict_log_proba(batch)
        scores[40:] = np.nan
        return scores

    with pytest.raises(ValueError, match="non-finite"):
        _lime(cache=store).fit_transform([CallableQuery(failing, output="logits", model_id="a")])
    well = CallableQuery(zoo[0].predict_log_proba, output="logits", model_id="a")
    signature, rows = _asked(store, _lime(cache=store), [well])
    assert rows == 300
    assert np.isfinite(signature).all()


def test_a_damaged_answer_is_asked_again(zoo, store):
    expected = _lime(cache=store).fit_transform(zoo)
    with store.connect() as connection:
        connection._db.execute(
            "UPDATE requests SET scores = ZEROBLOB(LENGTH(scores)) WHERE rowid IN "
            "(SELECT rowid FROM requests ORDER BY rowid LIMIT 2)"
        )
    signatures, rows = _asked(store, _lime(cache=store), zoo)
    assert_allclose(signatures, expected, rtol=1e-9, atol=1e-9)
    assert rows == 100


# --- who is asked -------------------------------------------------------------------------


def test_a_function_needs_a_name_before_anything_is_asked(zoo, store):
    def failing(batch):
        raise AssertionError("asked")

    nameless = CallableQuery(failing, classes=range(4))
    with pytest.raises(TypeError, match=r"models\[1\] \(CallableQuery\): .*model_id="):
        _lime(cache=store).fit_transform([zoo[0], nameless])
    with pytest.raises(TypeError, match="cache must be a path"):
        _lime(cache=3).fit(zoo)


class OwnEstimator(LogisticRegression):
    """A class that is not of an installed package."""


def test_a_model_of_ones_own_class_is_refused_before_others_are_asked(zoo, counted, store):
    own = OwnEstimator(max_iter=50).fit(X, Y)
    named = counted.query(model_id="counted")  # its classes are unknown
    for models in ([named, own], [own, named]):
        with pytest.raises(TypeError, match=r"\(OwnEstimator\): .*model_id="):
            _lime(cache=store).fit(models)
    assert counted.n_rows == 0
    _lime(cache=store).fit_transform([named, as_query(own, model_id="mine")])


def test_adapters_can_name_models(zoo, store):
    adapter = functools.partial(as_query, model_id="one and only")
    _lime(cache=store, adapter=adapter).fit_transform(zoo[:1])
    assert store.forget("one and only") == 300


def test_a_changed_model_is_refused(zoo, counted, store):
    lime = _lime(cache=store)
    expected = lime.fit_transform([_named(counted)])
    changed = Counted(zoo[0].predict_log_proba, factor=1.01)
    with pytest.raises(ModelChangedError, match=r"models\[0\] .*model_id='counted'.*forget"):
        lime.transform([_named(changed)])
    assert changed.n_rows == 12, "the check, and once more in halves"
    renamed = lime.transform([_named(changed, "counted, version 2")])
    assert np.abs(renamed - expected).max() > 1e-4
    store.forget("counted")
    assert_array_equal(lime.transform([_named(changed)]), renamed)
    with pytest.raises(ModelChangedError, match="4 columns are stored and it gave 3"):
        lime.transform(
            [CallableQuery(lambda batch: batch[:, :3], output="logits", model_id="counted")]
        )


def test_a_model_may_waver_within_the_tolerance(zoo, counted, store):
    lime = _lime(cache=store)
    expected = lime.fit_transform([_named(counted)])
    wavering = Counted(zoo[0].predict_log_proba, factor=1 + 1e-5)
    assert_array_equal(lime.transform([_named(wavering)]), expected)
    wide = AnswerStore(store.path, tolerance=0.1)
    changed = Counted(zoo[0].predict_log_proba, factor=1.01)
    assert_array_equal(_lime(cache=wide).fit_transform([_named(changed)]), expected)


def test_answers_of_a_model_of_chance_are_kept_and_not_checked(zoo, store):
    rng = np.random.default_rng(0)

    n_rows = 0

    def chance(batch):
        nonlocal n_rows
        n_rows += len(batch)
        return zoo[0].predict_log_proba(batch) + rng.normal(size=(len(batch), 4))

    query = CallableQuery(chance, output="logits", deterministic=False, model_id="chance")
    first, second = (_lime(cache=store).fit_transform([query]) for _ in range(2))
    assert_array_equal(first, second)
    assert n_rows == 300 + 8


def test_a_refitted_model_is_another_one(store):
    model = LogisticRegression(max_iter=50).fit(X, Y)
    _lime(cache=store).fit_transform([model])
    model.fit(X[::2], Y[::2])
    _, rows = _asked(store, _lime(cache=store), [model])
    assert rows == 6 * 50


# --- searches -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def families():
    """Eight models of two families, and which family each is of."""
    models = [LogisticRegression(C=10.0**k, max_iter=50).fit(X, Y) for k in range(-2, 2)]
    models += [GaussianNB(var_smoothing=10.0**k).fit(X, Y) for k in range(-4, 0)]
    return models, [0, 0, 0, 0, 1, 1, 1, 1]


def _search(cache, families, **params):
    pipeline = make_pipeline(
        _lime(n_samples=30, cache=cache),
        KNeighborsClassifier(1, metric=zest_distances, algorithm="brute"),
    )
    grid = {
        "limesignaturetransformer__n_reference": [3, 5, 8],
        "limesignaturetransformer__surrogate": [LinearRegression(), Ridge()],
    }
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise", **params)
    return search.fit(*families)


def test_a_search_asks_each_model_about_each_point_once(families, store):
    searches = []
    for expected in (8 * 8, 0):
        before = store.stats()
        searches.append(_search(store, families))
        added = store.stats() - before
        assert added.pairs_stored == expected
        assert added.rows_asked == 30 * expected
    without = _search(None, families)
    for search in searches:
        scores = search.cv_results_["mean_test_score"]
        assert_allclose(scores, without.cv_results_["mean_test_score"])


def test_a_search_in_two_processes_asks_a_pair_at_most_once_in_each(families, store):
    _search(store, families, n_jobs=2)
    first = store.stats()
    assert first.pairs_stored == 8 * 8
    assert 30 * 8 * 8 <= first.rows_asked <= 2 * 30 * 8 * 8
    _search(store, families, n_jobs=2)
    assert (store.stats() - first).rows_asked == 0


# --- kills --------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
import numpy as np
from skzest import CallableQuery, ImageMasker, LimeSignatureTransformer

reference = np.random.default_rng(0).random((20, 8, 8))
weights = np.random.default_rng(1).normal(size=(64, 3))

def model(batch):
    global lives
    with open(log, "a") as file:
        file.write(f"{len(batch)}\\n")
    if lives == 0 and len(batch) > 16:  # in the middle of an answer
        os.kill(os.getpid(), signal.SIGKILL)
    lives -= len(batch) > 16
    return np.tanh(batch.reshape(len(batch), -1) @ weights)

query = CallableQuery(model, output="logits", model_id="mortal")

# Each life is a process, forked from this one so that the imports are paid for once.
for cache, log, lives in [(None, os.devnull, -1), *((*sys.argv[1:], n) for n in (0, 1, 4, -1))]:
    if process := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
        continue
    lime = LimeSignatureTransformer(
        reference, n_samples=90, masker=ImageMasker("grid"), batch_size=200, n_classes=3,
        cache=cache,
    )
    print(lime.fit_transform([query]).tobytes().hex(), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is POSIX's")
def test_a_run_that_is_killed_goes_on_where_it_was(store, tmp_path):
    log, env = tmp_path / "log", os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", _KILLED, str(store.path), str(log)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    undisturbed, ended, *killed, resumed, ended_too = done.stdout.split()
    assert ended == ended_too == "0", done.stderr
    assert killed == [str(-signal.SIGKILL)] * 3
    assert resumed == undisturbed
    rows = [n for n in map(int, log.read_text().split()) if n > 16]
    in_flight, asked_again = 3 * max(rows), 0.02 * sum(rows)
    assert sum(rows) - 20 * 90 <= in_flight + asked_again, "no more than was in flight"
    assert sum(rows) > 20 * 90
    assert 0 <= 20 * 90 - store.stats().rows_stored < 10, "but for the masks that repeat"


# --- one identity for two -----------------------------------------------------------------


def test_two_models_under_one_name_are_refused(zoo, store):
    queries = [CallableQuery(model.predict_proba, model_id="victim") for model in zoo]
    message = r"models\[0\] .* and models\[1\] .*model_id='victim', and answer differently"
    with pytest.raises(ValueError, match=message):
        _lime(cache=store).fit_transform(queries)


def test_one_model_may_come_twice(zoo, store):
    queries = [CallableQuery(zoo[0].predict_proba, model_id="victim") for _ in range(2)]
    first, second = _lime(cache=store).fit_transform(queries)
    assert_array_equal(first, second)
