# SPDX-License-Identifier: BSD-3-Clause
"""What the transformer computes, and how it treats a zoo of models."""

import pickle
import tracemalloc
from functools import partial

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skzest import (
    ImageMasker,
    LimeSignatureTransformer,
    TabularMasker,
    UndefinedSignatureWarning,
    ZestDistanceTransformer,
    distance_interval,
    model_distances,
    zest_distances,
)
from skzest.baselines import ask_copies, plan_of_points
from skzest.queries import CallableQuery

# Small models stop before they converge.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_digits(n_class=4, return_X_y=True)
X = X / 16
MASKER = ImageMasker("grid", image_shape=(8, 8))


@pytest.fixture(scope="module")
def zoo(digit_zoo):
    trees = BaggingClassifier(DecisionTreeClassifier(max_depth=3), 3, random_state=0)
    return [*digit_zoo, trees.fit(X, Y)]


_lime = partial(LimeSignatureTransformer, reference=X, n_reference=6, n_samples=50, masker=MASKER)


# --- what is computed ---------------------------------------------------------------------


def test_linear_model_signature_is_weight_times_displacement():
    rng = np.random.default_rng(0)
    table, weights = rng.normal(size=(30, 6)), rng.normal(size=(6, 3))
    model = CallableQuery(lambda batch: batch @ weights + [1.0, -2.0, 5.0], output="logits")
    lime = LimeSignatureTransformer(table, response="raw", n_samples=64, n_reference=9)
    signature = lime.fit_transform([model]).reshape(3, 9, 6)
    points = table[lime.plan_.indices]
    expected = weights.T[:, None, :] * (points - table.mean(axis=0))
    assert_allclose(signature, expected, atol=1e-12)


def test_signature_is_class_major_and_named_by_column(zoo):
    lime = _lime()
    signatures = lime.fit_transform(zoo)
    names = lime.get_feature_names_out()
    assert signatures.shape == (5, 4 * lime.n_components_) == (5, len(names))
    plan = lime.plan_
    column = 2 * lime.n_components_ + 17
    assert names[column].startswith("2__")
    assert f"point{plan.indices[plan.column_point[17]]}__" in names[column]
    assert f"part{plan.column_part[17]}__" in names[column]
    assert names[column].endswith(plan.digest[:8])
    assert len(set(names)) == len(names)


def test_log_probabilities_and_logits_of_one_model_agree():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(64, 4))

    def logits(batch):
        return batch @ W

    def probabilities(batch):
        powers = np.exp(logits(batch))
        return powers / powers.sum(axis=1, keepdims=True)

    models = [CallableQuery(logits, output="logits"), CallableQuery(probabilities)]
    signatures = _lime(clip=1e-30).fit_transform(models)
    assert np.abs(signatures).max() > 1
    assert_allclose(signatures[0], signatures[1], atol=1e-9)


def test_passthrough_is_the_centred_scores(zoo):
    lime = _lime(surrogate="passthrough", response="predict_proba")
    signatures = lime.fit_transform(zoo[:1])
    plan = lime.plan_
    assert lime.n_components_ == plan.n_queries == 6 * 50
    copies = plan.masker.render(plan.point(2), plan.parts[2], plan.fills[2], plan.masks[2])
    scores = zoo[0].predict_proba(copies)
    centred = scores - scores.mean(axis=0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    block = signatures.reshape(4, 6, 50)[:, 2]
    assert np.abs(block).max() > 0.01
    assert_allclose(block, centred.T, atol=1e-12)
    assert "mask" in lime.get_feature_names_out()[0]


@pytest.mark.parametrize(
    "surrogate", [LinearRegression(fit_intercept=False), Ridge(alpha=3.0), Lasso(alpha=0.01)]
)
@pytest.mark.parametrize("kernel_width", [None, 0.25])
def test_surrogate_is_fitted_to_masks_and_scores(zoo, surrogate, kernel_width):
    lime = _lime(surrogate=surrogate, kernel_width=kernel_width, response="predict_proba")
    block = lime.fit_transform(zoo[:1]).reshape(4, 6, 16)[:, 3]
    plan = lime.plan_
    masks = plan.masks[3]
    scores = zoo[0].predict_proba(
        plan.masker.render(plan.point(3), plan.parts[3], plan.fills[3], masks)
    )
    weights = None
    if kernel_width:
        weights = np.exp(-((1 - np.sqrt(masks.mean(axis=1))) ** 2) / (2 * kernel_width**2))
    expected = clone(surrogate).fit(masks.astype(float), scores, sample_weight=weights).coef_
    assert np.abs(expected).max() > 0.01
    assert_allclose(block, expected, atol=1e-9)


def test_fewer_points_give_the_first_columns_of_more(zoo):
    few, many = (_lime(n_reference=n).fit_transform(zoo).reshape(5, 4, -1) for n in (3, 6))
    assert_allclose(few, many[:, :, : few.shape[2]], atol=1e-12)


# --- same bits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "n_jobs"), [("threading", 1), ("threading", 2), ("threading", 3), ("loky", 2)]
)
def test_results_are_the_same_bits_for_every_n_jobs_and_backend(zoo, backend, n_jobs):
    expected = _lime(n_reference=12, batch_size=100).fit_transform(zoo)
    with joblib.parallel_config(backend=backend):
        same = _lime(n_reference=12, batch_size=100, n_jobs=n_jobs).fit_transform(zoo)
    assert_array_equal(same, expected)


def test_models_are_spread_where_points_are_few(zoo):
    expected = _lime(n_reference=2).fit_transform(zoo)
    with joblib.parallel_config(backend="threading", n_jobs=4):
        assert_array_equal(_lime(n_reference=2).fit_transform(zoo), expected)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64, 1000])
def test_batch_size_changes_nothing_but_rounding(zoo, batch_size):
    expected = _lime(n_reference=3).fit_transform(zoo)
    given = _lime(n_reference=3, batch_size=batch_size).fit_transform(zoo)
    assert_allclose(given, expected, atol=1e-10)


def test_zoo_and_single_models_give_the_same_bits(zoo):
    lime = _lime().fit(zoo)
    signatures = lime.transform(zoo)
    for i, model in enumerate(zoo):
        assert_array_equal(lime.transform([model])[0], signatures[i])
    assert_array_equal(lime.transform(zoo[::-1]), signatures[::-1])


def test_fit_then_transform_equals_fit_transform(zoo):
    assert_array_equal(_lime().fit(zoo).transform(zoo), _lime().fit_transform(zoo))


def test_random_state_none_is_drawn_once_and_kept(zoo):
    lime = _lime(random_state=None).fit(zoo)
    assert_array_equal(lime.transform(zoo), lime.transform(zoo))
    assert lime.plan_.digest != _lime(random_state=None).fit(zoo).plan_.digest
    states = [_lime(random_state=np.random.RandomState(3)).fit(zoo) for _ in range(2)]
    assert states[0].plan_.digest == states[1].plan_.digest


# --- classes ----------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [plan_of_points(X[:5]), plan_of_points(["a", "b"], "label")])
def test_a_plan_of_whole_points_has_answers_and_no_signature(plan):
    def never(batch):
        raise AssertionError("asked")

    asked = [CallableQuery(never, output="predict_proba", classes=[0, 1])] * 2
    lime = LimeSignatureTransformer.from_plan(plan)
    for refused in (
        lambda: lime.fit_transform(asked),
        lambda: lime.fit(asked).transform(asked),
        lambda: model_distances(asked, lime),
        lambda: model_distances(asked, LimeSignatureTransformer.from_plan(plan)),
    ):
        with pytest.raises(ValueError, match=r"a single question about each point.*ask_copies\("):
            refused()
    model = CallableQuery(
        lambda batch: np.eye(2)[[len(str(point)) % 2 for point in batch]],
        output="predict_proba",
        classes=[0, 1],
    )
    assert ask_copies([model], plan).values.shape == (1, len(plan), 2)


def test_classes_are_placed_by_label_not_by_position():
    some = Y != 2
    full = LogisticRegression().fit(X, Y)
    without = LogisticRegression().fit(X[some], Y[some])
    lime = _lime(n_samples=100, n_reference=20)
    signatures = lime.fit_transform([full, without])
    blocks = np.isnan(signatures).reshape(2, 4, -1).all(axis=2)
    assert_array_equal(blocks, [[False] * 4, [False, False, True, False]])
    assert zest_distances(signatures)[0, 1] < 0.2


def test_listing_classes_in_another_order_changes_nothing():
    words = np.array(["zero", "one", "two", "three"])
    model = LogisticRegression().fit(X, words[Y])
    order = [2, 0, 3, 1]
    shuffled = CallableQuery(
        lambda batch: model.predict_proba(batch)[:, order], classes=model.classes_[order]
    )
    signatures = _lime().fit_transform([model, shuffled])
    assert_allclose(signatures[0], signatures[1], atol=1e-9)
    assert zest_distances(signatures)[0, 1] < 1e-12


def test_models_without_labels_count_from_zero(zoo):
    unnamed = CallableQuery(zoo[0].predict_proba)
    lime = _lime().fit([unnamed, zoo[0]])
    assert_array_equal(lime.classes_, [0, 1, 2, 3])
    signatures = lime.transform([unnamed, zoo[0]])
    assert_array_equal(signatures[0], signatures[1])


def test_n_classes_settles_the_columns(zoo):
    lime = _lime(n_classes=6)
    blocks = lime.fit_transform(zoo).reshape(5, 6, -1)
    assert lime.n_classes_ == 6
    assert np.isnan(blocks[:, 4:]).all()
    assert not np.isnan(blocks[:, :4]).any()


def test_n_classes_never_depends_on_the_number_of_points(zoo):
    assert {_lime(n_reference=n).fit(zoo).n_classes_ for n in (1, 5, 20)} == {4}


# --- constant models and memory ------------------------------------------------------------


def test_constant_model_gets_zeros_and_a_warning(zoo):
    constant = CallableQuery(lambda batch: np.full((len(batch), 4), 0.25))
    lime = _lime()
    with pytest.warns(UndefinedSignatureWarning, match=r"models\[1\] \(CallableQuery\)"):
        signatures = lime.fit_transform([zoo[0], constant])
    assert_array_equal(signatures[1], 0)
    assert np.isnan(zest_distances(signatures)[0, 1])


def test_a_model_constant_up_to_rounding_is_constant():
    def wobbling(batch):
        base = np.full((len(batch), 2), 3.0) + [0.0, 1.0]
        return base + 1e-15 * batch[:, :2]

    with pytest.warns(UndefinedSignatureWarning):
        signature = _lime().fit_transform([CallableQuery(wobbling, output="logits")])
    assert_array_equal(signature, 0)


def test_a_small_but_real_answer_is_no_constant():
    signature = _lime().fit_transform(
        [CallableQuery(lambda batch: 1e-9 * batch[:, 18:22], output="logits")]
    )
    assert np.abs(signature).max() > 1e-10


def test_out_of_memory_halves_the_batch_and_goes_on(zoo, caplog):
    sizes = []

    def greedy(batch):
        sizes.append(len(batch))
        if len(batch) > 20:
            raise MemoryError("too much")
        return zoo[0].predict_proba(batch)

    with caplog.at_level("WARNING", logger="skzest"):
        signature = _lime(batch_size=100).fit_transform([CallableQuery(greedy)])
    assert max(sizes) == 100
    assert sizes.count(100) == 1, "the size that fitted is kept"
    assert "out of memory at 100 copies (too much); now 50" in caplog.text
    assert_allclose(signature, _lime().fit_transform([zoo[0]]), atol=1e-10)


def test_out_of_memory_at_one_copy_is_raised():
    def hopeless(batch):
        if len(batch) != 8:  # not the few that are asked beforehand
            raise MemoryError("not even one")
        return np.tile([0.5, 0.5], (len(batch), 1))

    with pytest.raises(MemoryError, match="not even one"):
        _lime().fit_transform([CallableQuery(hopeless)])


def test_copies_of_all_points_are_never_held_at_once():
    reference = np.random.default_rng(0).random((64, 64, 64))
    model = CallableQuery(lambda batch: batch.mean(axis=2)[:, :3], output="logits")
    lime = LimeSignatureTransformer(
        reference, masker=ImageMasker("grid"), n_samples=100, batch_size=50, n_classes=3
    )
    copies = 64 * 100 * reference[0].nbytes
    tracemalloc.start()
    lime.fit_transform([model])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < copies / 10


# --- manners of scikit-learn ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("f4")])
def test_float32_signatures_are_those_of_float64_rounded_once(zoo, dtype):
    exact, rounded = (_lime(dtype=t).fit_transform(zoo) for t in ("float64", dtype))
    assert (exact.dtype, rounded.dtype) == (np.float64, np.float32)
    assert_array_equal(rounded, exact.astype(np.float32))
    assert np.abs(rounded - exact).max() > 1e-8


def test_everything_takes_float32_signatures(zoo, tmp_path):
    lime = _lime(dtype="float32", cache=tmp_path / "answers.sqlite")
    S = lime.fit_transform(zoo)
    D = zest_distances(_lime().fit_transform(zoo))
    assert_allclose(zest_distances(S), D, atol=1e-8)
    assert_array_equal(lime.fit_transform(zoo), S)  # from the store
    copy = LimeSignatureTransformer.from_plan(lime.plan_, dtype="float32").fit(zoo)
    assert_array_equal(copy.transform(zoo), S)
    pipeline = make_pipeline(lime, ZestDistanceTransformer())
    assert_allclose(pipeline.fit_transform(zoo), D, atol=1e-8)
    assert distance_interval(S[0], S[1], lime.plan_).estimate == pytest.approx(D[0, 1], abs=1e-8)
    assert model_distances(zoo, lime)[0, 1] == pytest.approx(D[0, 1], abs=1e-12)
    pytest.importorskip("pandas")
    frame = lime.set_output(transform="pandas").fit_transform(zoo)
    assert set(frame.dtypes) == {np.dtype("float32")}
    assert list(frame.columns) == list(lime.get_feature_names_out())
    assert_allclose(zest_distances(frame), D, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float16", "int64", np.int8, None, 32])
def test_another_dtype_is_refused_before_anything_is_asked(dtype):
    untouchable = CallableQuery(lambda batch: 1 / 0, output="logits")
    with pytest.raises(ValueError, match="dtype must be 'float64' or 'float32'; got"):
        _lime(dtype=dtype).fit_transform([untouchable])


def test_clone_shares_the_reference(zoo):
    lime = _lime().set_output(transform="pandas").fit(zoo)
    copy = clone(lime)
    assert copy.reference is lime.reference
    assert copy.masker is not lime.masker
    assert not hasattr(copy, "plan_")
    pytest.importorskip("pandas")
    assert list(copy.fit_transform(zoo).columns) == list(lime.get_feature_names_out())


def test_fitted_transformer_pickles(zoo):
    lime = _lime().fit(zoo)
    again = pickle.loads(pickle.dumps(lime))
    assert_array_equal(again.transform(zoo), lime.transform(zoo))
    assert again.plan_.digest == lime.plan_.digest


def test_nested_parameters_can_be_set():
    lime = LimeSignatureTransformer(X, masker=TabularMasker(), surrogate=Ridge())
    lime.set_params(masker__fill="zero", surrogate__alpha=4.0)
    assert lime.masker.fill == "zero"
    assert lime.surrogate.alpha == 4.0


def test_fitting_changes_no_parameter_and_no_input(zoo):
    reference = X.copy()
    reference.setflags(write=False)
    lime = _lime(surrogate=Ridge()).set_params(masker=clone(MASKER))
    lime.reference = reference
    before = {k: repr(v) for k, v in lime.get_params().items()}
    lime.fit_transform(zoo)
    assert {k: repr(v) for k, v in lime.get_params().items()} == before
    assert_array_equal(reference, X)


def test_progress_is_silent_unless_asked_for(zoo, capsys):
    _lime().fit_transform(zoo)
    assert capsys.readouterr() == ("", "")
    _lime(verbose=1, batch_size=50).fit_transform(zoo)
    out, err = capsys.readouterr()
    assert out == ""
    assert "points cut: 6 of 6 (100%)" in err
    assert f"first looks: {len(zoo)} of {len(zoo)} (100%)" in err
    assert "questions answered: 1,500 of 1,500 (100%)" in err


def test_scikit_learns_callbacks_follow_the_fit(zoo):
    callback = pytest.importorskip("sklearn.callback", exc_type=ImportError)
    assert callback.FitCallback
    seen = []

    class Recorder:
        def setup(self, estimator, context):
            seen.append("setup")

        def on_fit_task_begin(self, estimator, context):
            seen.append(context.task_name)

        def on_fit_task_end(self, estimator, context):
            return False

        def teardown(self, estimator, context):
            seen.append("teardown")

    _lime(batch_size=50).set_callbacks(Recorder()).fit_transform(zoo)
    assert seen[:3] == ["setup", "fit", "points cut"]
    assert seen.count("points cut part") == 6
    assert seen.count("first looks part") == len(zoo)
    assert seen.count("questions answered part") == 100
    assert seen[-1] == "teardown"


def test_calibrated_and_nested_models_are_asked(zoo):
    model = CalibratedClassifierCV(make_pipeline(StandardScaler(), GaussianNB()), cv=2).fit(X, Y)
    assert np.isfinite(_lime().fit_transform([model])).all()
