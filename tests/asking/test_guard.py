# SPDX-License-Identifier: BSD-3-Clause
"""What a model is given is protected, what it answers is checked."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skzest import CallableQuery, LimeSignatureTransformer, QueryError, QueryPlan
from skzest.plan import order_rng, point_rng

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
GOOD = LogisticRegression().fit(X, Y)


_lime = partial(LimeSignatureTransformer, reference=X, n_reference=6, n_samples=40)


def _clips_in_place(batch):
    return np.clip(batch, None, 0.5, out=batch)


@pytest.mark.parametrize(
    "step",
    [
        Normalizer(copy=False),
        StandardScaler(copy=False),
        FunctionTransformer(_clips_in_place),
    ],
    ids=["Normalizer", "StandardScaler", "in place"],
)
def test_a_model_that_writes_into_its_batch_spoils_no_other(step):
    writer = make_pipeline(step, LogisticRegression()).fit(X.copy(), Y)
    first, last = (_lime().fit_transform(zoo) for zoo in ([writer, GOOD], [GOOD, writer]))
    assert np.abs(first[0] - first[1]).max() > 0.01
    assert_array_equal(first, last[::-1])
    assert_array_equal(first[1], _lime().fit_transform([GOOD])[0])


def _reverses_through_torch(batch):
    shared = pytest.importorskip("torch").from_numpy(batch)
    shared.copy_(shared.flip(0).clone())


def _swaps_columns(batch):
    batch.flags.writeable = True
    batch[:] = batch[:, ::-1].copy()


def _changes_signs(batch):
    batch.flags.writeable = True
    np.negative(batch, out=batch)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("n_samples", [40, 2000], ids=["short batch", "long batch"])
@pytest.mark.parametrize("write", [_reverses_through_torch, _swaps_columns, _changes_signs])
def test_values_that_change_places_in_a_batch_are_noticed(write, n_samples):
    def writer(batch):
        answer = GOOD.predict_proba(batch)
        write(batch)
        return answer

    lime = _lime(n_samples=n_samples).fit([GOOD])
    expected = lime.transform([GOOD])
    with pytest.warns(UserWarning, match=r"models\[0\] .*changed the batch"):
        signatures = lime.transform([CallableQuery(writer), GOOD])
    assert_array_equal(signatures[1], expected[0])


def test_a_model_that_writes_into_its_frame_spoils_no_other():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = LogisticRegression().fit(frame, Y)

    def writer(batch):
        batch["a"] = batch["a"].clip(upper=0)
        return model.predict_proba(batch)

    signatures = _lime(reference=frame).fit_transform([CallableQuery(writer), model])
    assert_array_equal(signatures[1], _lime(reference=frame).fit_transform([model])[0])


class _OneBuffer:
    """Answers every batch with the same memory, as some runtimes do."""

    classes_ = np.array([0, 1, 2])

    def __init__(self):
        self.buffer = np.empty((1000, 3))

    def predict_proba(self, batch):
        self.buffer[: len(batch)] = GOOD.predict_proba(batch)
        return self.buffer[: len(batch)]


@pytest.mark.parametrize("response", ["predict_proba", "logit", "label"])
def test_a_model_that_answers_with_the_same_memory_is_copied(response):
    signature = _lime(response=response, batch_size=16).fit_transform([_OneBuffer()])
    expected = _lime(response=response).fit_transform([GOOD])
    assert_allclose(signature, expected, atol=1e-12)


@pytest.mark.parametrize("width", [1.0, 0.25, 0.08, 0.05])
def test_narrow_kernels_keep_the_digits(width):
    W = RNG.normal(size=(5, 3))
    model = CallableQuery(lambda batch: batch @ W + 100, output="logits")
    lime = _lime(kernel_width=width, response="raw", n_samples=64)
    signature = lime.fit_transform([model]).reshape(3, 6, 5)
    expected = W.T[:, None] * (X[lime.plan_.indices] - X.mean(axis=0))
    assert_allclose(signature, expected, atol=1e-8)


def test_masks_that_leave_a_weight_open_are_refused():
    with pytest.raises(ValueError, match=r"masks of reference point \d+ cannot tell its 5 parts"):
        _lime(sampling=lambda k, n, rng: np.tile(np.eye(2, k), (20, 1))).fit([GOOD])
    with pytest.raises(ValueError, match=r"under kernel_width=0\.01"):
        _lime(kernel_width=0.01).fit([GOOD])
    for surrogate in (None, Ridge(), Lasso(1e-3)):
        with pytest.raises(ValueError, match=r"no two different ones .* Raise kernel_width"):
            _lime(kernel_width=1e-4, surrogate=surrogate).fit([GOOD])
    with pytest.raises(ValueError, match=r"no two different ones .* Sample more masks"):
        _lime(sampling=lambda k, n, rng: np.ones((n, k)), surrogate=Ridge()).fit([GOOD])
    with pytest.raises(ValueError, match="needs at least 2"):
        _lime(n_samples=1, surrogate=Ridge()).fit([GOOD])


def test_memory_is_tried_no_larger_than_what_was_found_too_large():
    sizes = []

    def greedy(batch):
        sizes.append(len(batch))
        if len(batch) > 5:
            raise MemoryError("too much")
        return GOOD.predict_proba(batch)

    signature = _lime(batch_size=64).fit_transform([CallableQuery(greedy)])
    assert_allclose(signature, _lime().fit_transform([GOOD]), atol=1e-12)
    too_large = [size for size in sizes if size > 8]  # not the few asked beforehand
    assert too_large == sorted(set(too_large), reverse=True), "each size fails once"
    assert max(sizes[-20:]) <= 5


@pytest.mark.parametrize("batch_size", ["auto", "tune", 16])
@pytest.mark.parametrize("fits", [1, 3])
def test_little_memory_is_enough(batch_size, fits):
    def greedy(batch):
        if len(batch) > fits:
            raise MemoryError("too much")
        return GOOD.predict_proba(batch)

    lime = _lime(n_reference=20, batch_size=batch_size)  # enough for questions asked again
    S = lime.fit_transform([CallableQuery(greedy)])
    assert_allclose(S, _lime(n_reference=20).fit_transform([GOOD]), atol=1e-12)


def test_errors_inside_a_model_say_which():
    other = LogisticRegression().fit(X[:, :2], Y)
    with pytest.raises(ValueError, match="features") as caught:
        _lime().fit_transform([GOOD, other])
    if hasattr(caught.value, "__notes__"):
        assert "asking models[1] (LogisticRegression) about" in caught.value.__notes__[0]


def test_a_plan_settles_its_parameters():
    plan = _lime(response="label").fit([GOOD]).plan_
    asked = LimeSignatureTransformer(plan).fit_transform([GOOD])
    assert_array_equal(asked, _lime(response="label").fit_transform([GOOD]))
    for params in ({"response": "predict_proba"}, {"surrogate": Ridge()}, {"n_samples": 7}):
        with pytest.raises(ValueError, match=f"determines {next(iter(params))}; keep the default"):
            LimeSignatureTransformer(plan, **params).fit([GOOD])


def test_streams_of_seeds_and_points_do_not_meet():
    draws = [
        point_rng(5, 0).random(),
        point_rng(5, 3).random(),
        point_rng(5 + 3 * 2**32, 0).random(),
        order_rng(5).random(),
    ]
    assert len(set(draws)) == 4


def test_plan_files_cannot_name_code_to_run(tmp_path):
    import json

    plan = _lime().fit([GOOD]).plan_
    plan.save(tmp_path / "plan.npz")
    with np.load(tmp_path / "plan.npz") as file:
        arrays = dict(file)
    for change in (
        {
            "surrogate": {
                "module": "sklearn.linear_model._ridge",
                "class": "ridge_regression",
                "params": {},
            }
        },
        {"masker": "masker_for"},
        {"layout": {"no": "such"}},
    ):
        header = json.loads(arrays["header"].tobytes()) | change
        changed = arrays | {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
        np.savez(tmp_path / "changed.npz", **changed)
        with pytest.raises(ValueError, match=r"surrogate|masker|damaged"):
            QueryPlan.load(tmp_path / "changed.npz")
    for missing in ("masks", "header", "meta", "n_parts"):
        np.savez(tmp_path / "less.npz", **{k: v for k, v in arrays.items() if k != missing})
        with pytest.raises(ValueError, match=r"is not a plan|damaged"):
            QueryPlan.load(tmp_path / "less.npz")


def test_numbers_of_any_kind_are_named_alike():
    plain = _lime(kernel_width=0.5, clip=0.01).fit([GOOD]).plan_.digest
    lime = _lime(kernel_width=np.float32(0.5), clip=np.float64(0.01)).fit([GOOD])
    assert lime.plan_.digest == plain
    arrays = [_lime(surrogate=Ridge(alpha=np.array([a, 1.0, 1.0]))).fit([GOOD]) for a in (1, 2)]
    assert arrays[0].plan_.digest != arrays[1].plan_.digest
    noisy = _lime(surrogate=Lasso(alpha=0.1, random_state=np.random.RandomState(0))).fit([GOOD])
    with pytest.raises(TypeError, match="has no plain form"):
        noisy.get_feature_names_out()


def test_a_class_twice_is_refused():
    class Twice:
        classes_ = (0, 1, 1)

        def predict_proba(self, batch):
            return np.full((len(batch), 3), 1 / 3)

    with pytest.raises(TypeError, match="has a class twice"):
        _lime().fit([Twice()])


# --- answers that turn bad in the middle of a run, and answers of a wrong form ----------------


def _later(fault, n_right=4):
    """Probabilities that are right for some calls, and then go through ``fault``."""
    calls = []

    def func(batch):
        calls.append(len(batch))
        scores = GOOD.predict_proba(batch)
        return scores if len(calls) <= n_right else fault(scores)

    return CallableQuery(func)


def _with_one(value):
    def fault(scores):
        scores[3, 0] = value
        return scores

    return fault


@pytest.mark.parametrize(
    "fault", [np.log, np.negative, lambda z: 0.7 * z, lambda z: 100 * z, np.zeros_like]
)
def test_a_model_that_stops_giving_probabilities_is_named(fault):
    with pytest.raises(QueryError, match=r"models\[0\] .* gave probabilities first, and now"):
        _lime(batch_size=30).fit_transform([_later(fault)])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_infinite_probabilities_are_not_clipped(value):
    for n_right in (0, 4):
        with pytest.raises(
            ValueError, match=r"models\[0\] .* non-finite scores .* reference point"
        ):
            _lime(batch_size=30).fit_transform([_later(_with_one(value), n_right)])


def test_an_iterator_that_runs_out_is_an_error_that_names_the_model():
    answers = iter([GOOD.predict_proba(X[:8])])
    with pytest.raises(RuntimeError, match=r"models\[0\] .* raised StopIteration .* run out"):
        _lime().fit_transform([CallableQuery(lambda batch: next(answers)[: len(batch)])])


class _Answers:
    """An estimator with answers of any form."""

    classes_ = np.arange(3)

    def __init__(self, form):
        self.form = form

    def predict_proba(self, batch):
        return self.form(GOOD.predict_proba(batch))

    def predict(self, batch):
        return self.form(GOOD.predict(batch))


def test_ragged_answers_of_an_estimator_are_refused_by_name():
    ragged = _Answers(lambda scores: [list(row)[: 1 + i % 3] for i, row in enumerate(scores)])
    with pytest.raises(QueryError, match=r"models\[0\] .* cannot be read as an array"):
        _lime().fit_transform([ragged])


@pytest.mark.parametrize("form", [lambda label: {"label": label}, lambda label: {label}])
def test_labels_that_are_no_labels_are_refused_by_name(form):
    with pytest.raises(QueryError, match=r"models\[0\] .* rows that are not labels"):
        _lime(response="label").fit_transform([_Answers(lambda labels: list(map(form, labels)))])


@pytest.mark.parametrize("response", ["logit", "predict_proba", "label"])
def test_bytes_in_the_other_order_are_the_same_numbers(response):
    swapped = _Answers(lambda scores: scores.astype(scores.dtype.newbyteorder(">")))
    both = _lime(response=response).fit_transform([swapped, GOOD])
    assert_array_equal(both[0], both[1])
