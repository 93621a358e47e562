# SPDX-License-Identifier: BSD-3-Clause
"""Bad input of every kind: the error says what is wrong, and no answer is lost."""

import re
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skzest import (
    ImageMasker,
    LimeSignatureTransformer,
    QueryError,
    TabularMasker,
    TextMasker,
    zest_distances,
)
from skzest.maskers import masker_for
from skzest.queries import CallableQuery, as_query

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6))
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
GOOD = LogisticRegression().fit(X, Y)


_lime = partial(LimeSignatureTransformer, reference=X, n_reference=4, n_samples=30)


def _ask(function, **params):
    return _lime(**params).fit_transform([GOOD, CallableQuery(function)])


# --- what is not a list of models --------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (GOOD, r"models is a single LogisticRegression; wrap it in a list: \[model\]"),
        (make_pipeline(StandardScaler(), GOOD), "models is a single Pipeline; wrap it in a list"),
        ({"a": GOOD}, r"models is a dict; pass list\(models.values\(\)\)"),
        ({GOOD}, "models is a set, which has no order; pass a list"),
        ("model.pkl", "models must be a list, tuple or 1-D object array of models; got str"),
        (None, "models must be a list, tuple or 1-D object array of models; got NoneType"),
        ((m for m in [GOOD]), "models must be a list, tuple .* got generator"),
        (np.array([[GOOD]], dtype=object), r"one-dimensional; got an array of shape \(1, 1\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_a_list_of_models_is_refused(models, message):
    with pytest.raises(TypeError, match=message):
        _lime().fit(models)
    with pytest.raises(TypeError, match=message):
        _lime().fit([GOOD]).transform(models)


def test_no_models_at_all():
    with pytest.raises(ValueError, match="models is empty; at least one model is needed"):
        _lime().fit([])


# --- models that cannot be asked -----------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (LogisticRegression(), NotFittedError, r"models\[1\] \(LogisticRegression\): .*not fitted"),
        (LinearRegression().fit(X, Y), TypeError, r"models\[1\] \(LinearRegression\): .*regressor"),
        (object(), TypeError, r"models\[1\] \(object\): object cannot be asked"),
        (LogisticRegression, TypeError, r"LogisticRegression is a class, not a model"),
        (KMeans(2, n_init=1).fit(X), TypeError, r"models\[1\] \(KMeans\)"),
        (MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[Y, Y]), TypeError, "output"),
    ],
    ids=lambda value: getattr(type(value), "__name__", "class"),
)
def test_models_that_cannot_be_asked_are_named_by_position(model, error, message):
    with pytest.raises(error, match=message):
        _lime().fit([GOOD, model])


def test_transform_before_fit():
    with pytest.raises(NotFittedError):
        _lime().transform([GOOD])
    with pytest.raises(NotFittedError):
        _lime().get_feature_names_out()


def test_decision_values_only_are_refused_for_logits_with_the_remedies():
    svc = LinearSVC().fit(X, Y)
    with pytest.raises(QueryError, match=r"models\[0\] \(LinearSVC\): .*CalibratedClassifierCV"):
        _lime().fit([svc])
    assert np.isfinite(_lime(response="raw").fit_transform([svc])).all()


def test_one_kind_of_response_for_the_whole_zoo():
    with pytest.raises(QueryError, match=r"models\[1\] \(LinearSVC\)"):
        _lime(response="predict_proba").fit([GOOD, LinearSVC().fit(X, Y)])


# --- answers that cannot be used -----------------------------------------------------------


def test_non_finite_scores_name_model_point_and_count():
    def broken(batch):
        p = GOOD.predict_proba(batch)
        if len(batch) > 8:  # past the few copies asked beforehand
            p[3] = np.nan
        return p

    first = _lime().fit([GOOD]).plan_.indices[0]
    message = (
        rf"models\[1\] \(CallableQuery\) gave 3 non-finite scores of 72 at reference point {first}"
    )
    with pytest.raises(ValueError, match=message):
        _ask(broken)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_logits_are_never_imputed(value):
    query = CallableQuery(lambda b: np.full((len(b), 3), value), output="logits")
    with pytest.raises(ValueError, match="non-finite"):
        _lime().fit_transform([query])


def test_wrong_number_of_rows():
    with pytest.raises(QueryError, match=r"of shape \(7, 3\) for a batch of 8; expected \(8, "):
        _ask(lambda batch: GOOD.predict_proba(batch)[1:])


def test_class_count_that_changes():
    def shrinking(batch):
        p = GOOD.predict_proba(batch)
        return p if len(batch) <= 8 else np.full((len(batch), 2), 0.5)

    with pytest.raises(QueryError, match=r"2 columns of scores .* 3 before"):
        _ask(shrinking)


def test_class_count_that_differs_from_the_labels():
    query = CallableQuery(lambda b: np.full((len(b), 2), 0.5), classes=[0, 1, 2])
    with pytest.raises(QueryError, match=r"expected \(8, 3\)"):
        _lime().fit_transform([query])


def test_labels_only_name_the_response_that_works():
    with pytest.raises(QueryError, match=r'labels, use .*classes=\.\.\.\) and response="label"'):
        _ask(GOOD.predict)
    labels = CallableQuery(GOOD.predict, output="predict", classes=GOOD.classes_)
    with pytest.raises(QueryError, match='response="label"'):
        _lime().fit([labels])
    signatures = _lime(response="label").fit_transform([GOOD, labels])
    assert np.abs(signatures).max() > 0
    assert_array_equal(signatures[0], signatures[1])


def test_logits_given_as_probabilities():
    with pytest.raises(QueryError, match=r'not probabilities: .* CallableQuery.*output="logits"'):
        _ask(lambda batch: batch[:, :3])


def test_a_model_that_answers_differently_each_time():
    noise = np.random.default_rng(0)

    def shaky(batch):
        p = GOOD.predict_proba(batch) + noise.uniform(0, 0.01, (len(batch), 3))
        return p / p.sum(axis=1, keepdims=True)

    message = r"models\[1\] \(CallableQuery\) answers the same question differently"
    with pytest.raises(ValueError, match=message):
        _ask(shaky)
    accept = partial(as_query, deterministic=False)
    assert np.isfinite(_lime(adapter=accept).fit_transform([shaky])).all()


def test_noise_below_the_tolerance_passes():
    noise = np.random.default_rng(0)

    def nearly(batch):
        logits = GOOD.decision_function(batch)
        return logits + noise.uniform(0, 1e-6, logits.shape)

    assert np.isfinite(_lime().fit_transform([CallableQuery(nearly, output="logits")])).all()


def test_binary_decision_function_becomes_two_rows():
    binary = LogisticRegression().fit(X, Y > 0)
    signature = _lime(response="decision_function").fit_transform([binary]).reshape(2, -1)
    assert np.abs(signature).max() > 0.1
    assert_allclose(signature[0], -signature[1])


# --- labels ----------------------------------------------------------------------------------


def test_a_label_outside_classes():
    words = LogisticRegression().fit(X, np.array(["a", "b", "c"])[Y])
    more = LogisticRegression().fit(X, np.array(["a", "b", "d"])[Y])
    lime = _lime().fit([words])
    with pytest.raises(
        ValueError, match=r"models\[1\] .* classes \['d'\] that are not in classes_"
    ):
        lime.transform([words, more])
    with pytest.raises(ValueError, match="not in classes_"):
        _lime(n_classes=2).fit_transform([GOOD])


def test_labels_that_are_not_numbered_have_three_remedies():
    words = LogisticRegression().fit(X, np.array(["z", "b", "a"])[Y])
    model = LogisticRegression().fit(X, Y)
    ours = _lime(n_classes=3).fit([model])
    S = ours.transform([model])
    theirs = LimeSignatureTransformer.from_plan(ours.plan_, n_classes=3)
    with pytest.raises(
        ValueError, match=r"n_classes=3 means the labels 0 to 2.*classes=\["
    ) as said:
        theirs.fit_transform([words])
    assert 'alignment="greedy", n_classes=3 to zest_distances' in str(said.value)
    numbered = CallableQuery(words.predict_proba, classes=[2, 1, 0])
    assert zest_distances(S, theirs.fit_transform([numbered])) < 1e-4
    theirs.set_params(n_classes=None)
    own = theirs.fit_transform([words])
    assert zest_distances(S, own) > 0.5
    assert zest_distances(S, own, alignment="greedy", n_classes=3) < 1e-4
    assert zest_distances(theirs.fit_transform([words, words]))[0, 1] < 1e-9


def test_text_and_number_labels_do_not_mix():
    words = LogisticRegression().fit(X, np.array(["a", "b", "c"])[Y])
    with pytest.raises(ValueError, match=r"text labels 'a', 'b', 'c' and .* 0, 1, 2, some of"):
        _lime().fit([words, GOOD])


# --- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_reference": 41}, ValueError, "n_reference=41, but reference has only 40 points"),
        ({"n_reference": 0}, ValueError, "n_reference must be at least 1; got 0"),
        ({"n_reference": 2.5}, TypeError, "n_reference must be an integer; got 2.5"),
        ({"n_samples": True}, TypeError, "n_samples must be an integer; got True"),
        ({"n_samples": 6}, ValueError, r"reference point \d+ has 6 parts and 6 masks; least"),
        ({"sampling": "sobol"}, ValueError, r"sampling must be .*; got 'sobol'"),
        ({"sampling": "foldover", "n_samples": 9}, ValueError, "Raise n_samples to 16"),
        ({"surrogate": "lasso"}, ValueError, "surrogate must be 'passthrough' or None"),
        ({"surrogate": GOOD}, TypeError, "surrogate must be a linear regressor"),
        ({"kernel_width": 0.0}, ValueError, "kernel_width must be positive or None; got 0.0"),
        ({"response": "logits"}, ValueError, "response must be 'logit', .*; got 'logits'"),
        ({"clip": 0.0}, ValueError, "clip=0.0"),
        ({"n_classes": 1}, ValueError, "n_classes must be at least 2; got 1"),
        ({"adapter": "torch"}, TypeError, "adapter must be 'auto' or a callable; got 'torch'"),
        ({"masker": "image"}, TypeError, "masker must be 'auto' or a masker such as"),
        ({"random_state": -1}, ValueError, "random_state must be at least 0; got -1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_parameters_out_of_range(params, error, message):
    with pytest.raises(error, match=message):
        _lime(**params).fit([GOOD])


@pytest.mark.parametrize("batch_size", [0, "large"])
def test_batch_size_out_of_range(batch_size):
    with pytest.raises((ValueError, TypeError), match="batch_size"):
        _lime(batch_size=batch_size).fit_transform([GOOD])


def test_ridge_needs_no_more_masks_than_parts():
    assert np.isfinite(_lime(n_samples=4, surrogate=Ridge()).fit_transform([GOOD])).all()


# --- the reference ----------------------------------------------------------------------------


def test_a_point_of_one_part_is_named_before_anything_is_asked():
    images = RNG.random((5, 8, 8))
    images[3] = 0.5
    asked = []
    lime = LimeSignatureTransformer(images, n_samples=50, masker=ImageMasker(), n_classes=2)
    message = "reference point 3 is cut into 1 part by ImageMasker.*; a surrogate needs at least 2"
    with pytest.raises(ValueError, match=message):
        lime.fit([CallableQuery(lambda batch: asked.append(len(batch)))])
    assert asked == []


@pytest.mark.parametrize("n_bad", [2, 30])
def test_all_points_of_one_part_are_named_at_once(n_bad):
    texts = [f"good text number {n}" for n in range(40)]
    bad = RNG.permutation(40)[:n_bad]
    for n in bad:
        texts[n] = "word" if n % 2 else ""
    model = CallableQuery(lambda X: np.array([[len(x), x.count("t")] for x in X]), output="logits")
    with pytest.raises(ValueError, match="cut into fewer than 2 parts by TextMasker") as said:
        LimeSignatureTransformer(texts, n_samples=20).fit([model])
    count, named, more = re.match(
        r"(\d+) reference points \(([\d, ]+?)(, \.\.\.)?\)", str(said.value)
    ).groups()
    named = [int(n) for n in named.split(", ")]
    assert int(count) == n_bad
    assert bool(more) == (n_bad > 20)
    assert named == sorted(bad)[:20]
    if not more:
        kept = [text for n, text in enumerate(texts) if n not in named]
        S = LimeSignatureTransformer(kept, n_samples=20).fit_transform([model])
        assert np.isfinite(S).all()


@pytest.mark.parametrize(
    ("param", "value", "owner"),
    [("masker__fill", 0.0, TabularMasker()), ("surrogate__alpha", 2.0, Ridge())],
)
def test_parameters_of_a_masker_or_surrogate_that_is_not_given(param, value, owner):
    lime, name = _lime(), param.partition("__")[0]
    with pytest.raises(
        ValueError, match=rf"{param} cannot .*Pass {name}= .*{type(owner).__name__}"
    ):
        lime.set_params(**{param: value})
    lime.set_params(**{name: owner, param: value}).fit([GOOD])
    assert lime.get_params()[param] == value
    with pytest.raises(ValueError, match="Invalid parameter"):
        lime.set_params(nothing__fill=1)


FOREST = RandomForestClassifier(2, random_state=0).fit(X, Y)
MODELS = {
    "model": GOOD,
    "list": [GOOD, GOOD],
    "forest": FOREST,
    "forests": [FOREST, FOREST],
    "array": np.array([GOOD, GOOD], dtype=object),
    "pipeline": make_pipeline(StandardScaler(), GOOD),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("masker", ["auto", ImageMasker(), TabularMasker(), TextMasker()], ids=repr)
def test_models_as_a_reference(kind, masker):
    with pytest.raises(TypeError, match=r"reference holds a model \(.*\.fit_transform\(models\)"):
        _lime(reference=MODELS[kind], masker=masker).fit([GOOD])
    assert LimeSignatureTransformer(X[:128]).fit_transform([GOOD]).shape[0] == 1


def test_a_single_row_as_a_reference():
    with pytest.raises(ValueError, match=r"For a single point X\[0\] give X\[:1\]"):
        _lime(reference=X[0]).fit([GOOD])
    assert _lime(reference=X[:1], n_reference=1, masker=TabularMasker(fill=0.0)).fit([GOOD])


def test_a_frame_with_a_column_of_texts():
    pd = pytest.importorskip("pandas")
    reference = pd.DataFrame({"t": ["to be", "or not to be"]})
    with pytest.raises(TypeError, match=r"give that column, reference\['t'\]"):
        _lime(reference=reference).fit([GOOD])
    assert isinstance(masker_for(reference["t"]).fit(reference["t"]), TextMasker)


def test_pixels_as_columns_with_few_masks():
    digits, y = load_digits(return_X_y=True)
    model = GaussianNB().fit(digits, y)
    with pytest.raises(ValueError, match=r"64 parts.*ImageMasker\(image_shape=\(height, width\)\)"):
        _lime(reference=digits).fit([model])
    masker = ImageMasker(image_shape=(8, 8))
    assert np.isfinite(_lime(reference=digits, masker=masker).fit_transform([model])).all()


def test_one_column_is_one_part():
    with pytest.raises(ValueError, match="cut into fewer than 2 parts by TabularMasker"):
        _lime(reference=X[:, :1]).fit([LogisticRegression().fit(X[:, :1], Y)])


@pytest.mark.parametrize(
    "kind", ["list", "float32", "int16", "read-only", "memmap", "fortran", "big-endian"]
)
def test_references_of_many_kinds_are_accepted(kind, tmp_path):
    reference = np.rint(4 * X) if kind == "int16" else X
    if kind == "list":
        reference = reference.tolist()
    elif kind == "read-only":
        reference = reference.copy()
        reference.setflags(write=False)
    elif kind == "memmap":
        np.save(tmp_path / "x.npy", reference)
        reference = np.load(tmp_path / "x.npy", mmap_mode="r")
    elif kind == "fortran":
        reference = np.asfortranarray(reference)
    else:
        reference = reference.astype({"big-endian": ">f8"}.get(kind, kind))
    signature = _lime(reference=reference).fit_transform([GOOD])
    if kind == "int16":  # rounded points and fills, so the coefficients are near, not equal
        assert (
            zest_distances(signature, _lime(reference=reference * 1.0).fit_transform([GOOD])) < 0.05
        )
    else:
        assert_allclose(signature, _lime().fit_transform([GOOD]), atol=1e-4)


def test_data_frames_are_accepted_and_models_see_them():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = LogisticRegression().fit(frame, Y)
    seen = []

    def answer(batch):
        seen.append(list(batch.columns))
        return model.predict_proba(batch)

    signatures = _lime(reference=frame).fit_transform([model, CallableQuery(answer)])
    assert seen[0] == list("abcdef")
    assert_allclose(signatures[0], signatures[1])
    assert_allclose(signatures[0], _lime().fit_transform([GOOD])[0], atol=1e-8)


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        (sparse.csr_array(X), TypeError, r"sparse .*Give reference.toarray\(\)"),
        (np.where(X > 2, np.inf, X), ValueError, r"non-finite|infin"),
        (X[0], ValueError, "1 dimension|shape"),
        (np.zeros((0, 6)), ValueError, "shape|at least|points"),
        ("a text", TypeError, "a single string"),
        (None, (TypeError, ValueError), "reference"),
    ],
    ids=["sparse", "infinite", "1-D", "empty", "string", "None"],
)
def test_references_that_cannot_be_used(reference, error, message):
    with pytest.raises(error, match=message):
        _lime(reference=reference).fit([GOOD])


def test_images_of_a_channel_count_that_is_not_colour():
    images = RNG.random((6, 12, 12, 5))
    masker = ImageMasker("grid", channel_axis=-1)
    model = CallableQuery(lambda b: b.mean(axis=(1, 2))[:, :3], output="logits")
    lime = LimeSignatureTransformer(images, masker=masker, n_samples=60, n_reference=3)
    assert np.isfinite(lime.fit_transform([model])).all()


def test_masked_arrays_are_not_taken_for_plain_tables():
    with pytest.raises(TypeError, match="masked array"):
        _lime(reference=np.ma.masked_greater(X, 1), masker=TabularMasker()).fit([GOOD])
