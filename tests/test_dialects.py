# SPDX-License-Identifier: BSD-3-Clause
"""The paper, the released code and LIME are each one setting of the parameters.

Every test puts the questions of a fitted ``plan_`` to a slow second reading of the source
(``transcriptions.py``) and asks for the same numbers.
"""

import numpy as np
import pytest
import transcriptions as told
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier

from skzest import LimeSignatureTransformer, zest_distances
from skzest.maskers import ImageMasker, TabularMasker
from skzest.queries import CallableQuery

EXACT = {"rtol": 0, "atol": 1e-9}
NO_INTERCEPT = LinearRegression(fit_intercept=False)


# ---------------------------------------------------------------- models and reference points


def tiny_model(kind, n_classes, seed, n_features, scale=1.0):
    """A fixed function from a batch of images to logits, of a batch divided by `scale`."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n_features, n_classes)) / n_features**0.5
    U = rng.normal(size=(n_features, 7)) / n_features**0.5
    V = rng.normal(size=(7, n_classes))
    b = rng.normal(size=n_classes)

    def logits(X):
        x = np.reshape(X, (len(X), -1)) / scale
        if kind == "linear":
            return x @ A + b
        if kind == "quadratic":
            return x @ A + (x @ U) ** 2 @ V + b
        return np.tanh(3 * (x @ U)) @ V + b

    return logits


def ask_logits(model):
    return CallableQuery(model, output="logits")


def in_probabilities(model):
    return lambda X: np.array([told.softmax(row) for row in model(X)])


COLOUR_MODELS = [
    tiny_model("linear", 5, 0, 32 * 32 * 3, scale=255.0),
    tiny_model("quadratic", 5, 1, 32 * 32 * 3, scale=255.0),
    tiny_model("mlp", 3, 2, 32 * 32 * 3, scale=255.0),
]


def crops(side, step):
    """uint8 crops of two photographs that are in scikit-image's wheel."""
    data = pytest.importorskip("skimage.data")
    cut = []
    for photo in (data.astronaut(), data.chelsea()):
        small = photo[::step, ::step]
        for i in range(0, small.shape[0] - side + 1, side):
            for j in range(0, small.shape[1] - side + 1, side):
                cut.append(small[i : i + side, j : j + side])
    return np.array(cut)


@pytest.fixture(scope="module")
def colour():
    return crops(32, 8)


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def digit_models(digits):
    X, y = digits
    return [
        LogisticRegression(max_iter=2000).fit(X[:500], y[:500]),
        LogisticRegression(C=1e-4, max_iter=2000).fit(X[500:900], y[500:900]),
        LogisticRegression(max_iter=2000).fit(X[:500][y[:500] < 7], y[:500][y[:500] < 7]),
    ]


def by_class(row, classes):
    """A signature row as the transcriptions have it: (D, sum of K_n), classes it lacks left out."""
    S = row.reshape(len(classes), -1)
    return S[~np.isnan(S).all(axis=1)]


def signatures(reference, models, *, n_reference=3, n_samples=120, **params):
    transformer = LimeSignatureTransformer(
        reference, n_reference=n_reference, n_samples=n_samples, random_state=0, **params
    )
    S = transformer.fit_transform(models)
    for masks, parts in zip(transformer.plan_.masks, transformer.plan_.parts, strict=True):
        # Otherwise the regression is not determined and agreement says nothing.
        assert np.linalg.matrix_rank(masks) == parts.max() + 1 >= 2
    return transformer, S


# The smaller model's columns have no names: they are matched by alignment.
pytestmark = pytest.mark.filterwarnings("ignore:.*unnamed columns.*compared by position")


# ---------------------------------------------------------------- the questions themselves


def test_parts_are_quickshift_of_the_image_in_0_255(colour):
    transformer, _ = signatures(colour, COLOUR_MODELS[:1], adapter=ask_logits)
    plan = transformer.plan_
    for index, parts in zip(plan.indices, plan.parts, strict=True):
        assert parts.max() >= 3
        assert_array_equal(parts, told.quickshift_parts(colour[index].astype(np.float64)))


def test_parts_of_grey_digits_are_quickshift_of_three_equal_channels(digits, digit_models):
    X, _ = digits
    transformer, _ = signatures(X, digit_models, masker=ImageMasker(image_shape=(8, 8)))
    plan = transformer.plan_
    for index, parts in zip(plan.indices, plan.parts, strict=True):
        assert parts.max() >= 2
        assert_array_equal(parts, told.quickshift_parts(X[index].reshape(8, 8) / 16 * 255))


def test_parts_of_lime_are_quickshift_of_the_image_in_0_1():
    images = crops(64, 4)
    masker = ImageMasker(segment_scale=1.0, fill="part_mean")
    cuts = [told.quickshift_parts(image) for image in images]
    images = images[[cut.max() >= 1 for cut in cuts]]
    models = [tiny_model("linear", 2, 0, 64 * 64 * 3, scale=255.0)]
    transformer, _ = signatures(images, models, masker=masker, adapter=ask_logits)
    plan = transformer.plan_
    for index, parts in zip(plan.indices, plan.parts, strict=True):
        assert_array_equal(parts, told.quickshift_parts(images[index]))
        assert parts.max() < told.quickshift_parts(images[index].astype(float)).max()


def test_masks_are_coin_tosses_after_one_mask_of_ones(colour):
    transformer, _ = signatures(colour, COLOUR_MODELS[:1], n_samples=400, adapter=ask_logits)
    for masks in transformer.plan_.masks:
        assert masks.shape[0] == 400
        assert masks[0].all()
        n_tosses = masks[1:].size
        # Six standard deviations of a fair coin.
        assert abs(masks[1:].mean() - 0.5) < 6 * 0.5 / n_tosses**0.5


# ---------------------------------------------------------------- (a) the paper's text


def paper(reference, models, response, **params):
    return signatures(reference, models, response=response, surrogate=NO_INTERCEPT, **params)


@pytest.mark.parametrize("response", ["raw", "predict_proba"])
def test_paper_signature_of_colour_images(colour, response):
    transformer, S = paper(
        colour, COLOUR_MODELS, response, masker=ImageMasker(fill="zero"), adapter=ask_logits
    )
    plan = transformer.plan_
    for row, model in zip(S, COLOUR_MODELS, strict=True):
        scores = model if response == "raw" else in_probabilities(model)
        W = told.paper_signature(scores, plan.reference, plan.parts, plan.masks)
        assert_allclose(by_class(row, transformer.classes_), told.side_by_side(W), **EXACT)


@pytest.mark.parametrize("flat", [True, False], ids=["flat rows", "images"])
def test_paper_signature_of_digits(digits, flat):
    X, y = digits
    models = [
        RandomForestClassifier(20, random_state=0).fit(X[:600], y[:600]),
        MLPClassifier((16,), max_iter=500, tol=0.05, random_state=0).fit(X[:600], y[:600]),
        LogisticRegression(max_iter=2000).fit(X[:600], y[:600]),
    ]
    flatten = (lambda batch: batch.reshape(len(batch), 64)) if not flat else None
    masker = ImageMasker(fill="zero", image_shape=(8, 8) if flat else None)
    transformer, S = paper(
        X if flat else X.reshape(-1, 8, 8),
        models,
        "predict_proba",
        masker=masker,
        n_samples=40,
        adapter=lambda model: CallableQuery(
            model.predict_proba, classes=model.classes_, preprocess=flatten
        ),
    )
    plan = transformer.plan_
    images = np.reshape(plan.reference, (-1, 8, 8))
    for row, model in zip(S, models, strict=True):
        W = told.paper_signature(
            lambda batch, model=model: model.predict_proba(batch.reshape(len(batch), 64)),
            images,
            plan.parts,
            plan.masks,
        )
        assert_allclose(by_class(row, transformer.classes_), told.side_by_side(W), **EXACT)


def test_paper_distance_is_one_cosine_over_the_whole_signature(colour):
    transformer, S = paper(
        colour, COLOUR_MODELS[:2], "raw", masker=ImageMasker(fill="zero"), adapter=ask_logits
    )
    plan = transformer.plan_
    W_1, W_2 = (
        told.paper_signature(model, plan.reference, plan.parts, plan.masks)
        for model in COLOUR_MODELS[:2]
    )
    global_cosine = told.paper_distance(told.side_by_side(W_1), told.side_by_side(W_2))
    per_class = np.mean(
        [
            told.cosine_distance(a, b)
            for a, b in zip(told.side_by_side(W_1), told.side_by_side(W_2), strict=True)
        ]
    )
    assert abs(global_cosine - per_class) > 1e-3
    assert_allclose(zest_distances(S)[0, 1], global_cosine, **EXACT)


def either_way(distance, A, B, n_A, n_B):
    """With equal class counts skzest takes the smaller of both directions."""
    return min(distance(A, B), distance(B, A)) if n_A == n_B else distance(A, B)


@pytest.mark.parametrize(
    ("alignment", "inside_points", "distance"),
    [
        ("sequential", False, told.paper_distance_sequential),
        ("nearest", False, told.paper_distance_appendix_b),
        ("nearest", True, told.paper_distance_algorithm_1),
    ],
    ids=["section 3", "appendix B", "algorithm 1"],
)
def test_paper_class_alignment(colour, alignment, inside_points, distance):
    transformer, S = paper(
        colour, COLOUR_MODELS, "raw", masker=ImageMasker(fill="zero"), adapter=ask_logits
    )
    plan = transformer.plan_
    D = zest_distances(
        S,
        n_classes=transformer.n_classes_,
        alignment=alignment,
        points=plan.column_point if inside_points else None,
    )
    local = [
        told.paper_signature(model, plan.reference, plan.parts, plan.masks)
        for model in COLOUR_MODELS
    ]
    told_apart = [W if inside_points else told.side_by_side(W) for W in local]
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        n_i, n_j = len(local[i][0]), len(local[j][0])
        expected = either_way(distance, told_apart[i], told_apart[j], n_i, n_j)
        if n_i == n_j:
            by_position = told.paper_distance(*(told.side_by_side(local[k]) for k in (i, j)))
            assert abs(expected - by_position) > 1e-3
        assert_allclose([D[i, j], D[j, i]], expected, **EXACT)


def test_three_readings_of_the_paper_align_differently(colour):
    transformer, _ = paper(
        colour, COLOUR_MODELS, "raw", masker=ImageMasker(fill="zero"), adapter=ask_logits
    )
    plan = transformer.plan_
    W_1, W_2 = (
        told.paper_signature(model, plan.reference, plan.parts, plan.masks)
        for model in COLOUR_MODELS[:2]
    )
    S_1, S_2 = told.side_by_side(W_1), told.side_by_side(W_2)
    distances = [
        told.paper_distance_sequential(S_1, S_2),
        told.paper_distance_appendix_b(S_1, S_2),
        told.paper_distance_algorithm_1(W_1, W_2),
    ]
    assert np.ptp(distances) > 1e-3


# ---------------------------------------------------------------- (b) the released code


def released(reference, models, fill, **params):
    params.setdefault("masker", ImageMasker(fill=fill, value_range=params.pop("value_range", None)))
    return signatures(reference, models, response="raw", surrogate=NO_INTERCEPT, **params)


def test_released_signature_and_distances_of_colour_images(colour):
    transformer, S = released(colour, COLOUR_MODELS, "zero", adapter=ask_logits)
    plan = transformer.plan_
    told_W = [
        told.released_signature(model, plan.reference, plan.parts, plan.masks)
        for model in COLOUR_MODELS
    ]
    for row, W in zip(S, told_W, strict=True):
        assert_allclose(by_class(row, transformer.classes_), W.T, **EXACT)
    for metric, name in {
        "cosine": "cosine",
        "l1": "cityblock",
        "l2": "euclidean",
        "linf": "chebyshev",
    }.items():
        D = zest_distances(S, n_classes=transformer.n_classes_, alignment="greedy", distance=name)
        for i, j in [(0, 1), (0, 2), (1, 2)]:
            expected = told.released_distance(told_W[i], told_W[j], metric)
            assert_allclose([D[i, j], D[j, i]], expected, **EXACT)


def test_greedy_alignment_is_not_by_position_and_depends_on_the_metric(colour):
    transformer, _ = released(colour, COLOUR_MODELS, "zero", adapter=ask_logits)
    plan = transformer.plan_
    W_1, _, W_3 = (
        told.released_signature(model, plan.reference, plan.parts, plan.masks)
        for model in COLOUR_MODELS
    )
    matches = {
        metric: told.released_match(W_3, W_1, metric) for metric in ("cosine", "l1", "l2", "linf")
    }
    assert all(match != [0, 1, 2] for match in matches.values())
    assert len({tuple(match) for match in matches.values()}) > 1


def test_zero_after_normalisation_is_the_mean_colour_before_it(colour):
    # The released code normalises, then hides with zeros; a user of skzest has plain images, hides
    # with their mean colour, and leaves normalisation to the model's `preprocess`.
    images = colour.astype(np.float64)
    mean, spread = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    assert np.ptp(mean) > 1
    models = [tiny_model("quadratic", 4, seed, 32 * 32 * 3, scale=1.0) for seed in (3, 4)]
    transformer, S = released(
        images,
        models,
        "mean",
        value_range=(0.0, 255.0),
        adapter=lambda model: CallableQuery(
            model, output="logits", preprocess=lambda batch: (batch - mean) / spread
        ),
    )
    plan = transformer.plan_
    normalised = (images[plan.indices] - mean) / spread
    for row, model in zip(S, models, strict=True):
        W = told.released_signature(model, normalised, masks=plan.masks, shown=images[plan.indices])
        assert_allclose(by_class(row, transformer.classes_), W.T, **EXACT)


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_released_signature_and_distances_of_digits(digits, digit_models, fill):
    X, _ = digits
    transformer, S = released(
        X, digit_models, fill, masker=ImageMasker(fill=fill, image_shape=(8, 8))
    )
    plan = transformer.plan_
    told_W = [
        told.released_signature(
            lambda batch, model=model: model.decision_function(batch.reshape(len(batch), 64)),
            np.reshape(plan.reference, (-1, 8, 8)),
            plan.parts,
            plan.masks,
            mean=X.mean() if fill == "mean" else 0.0,
        )
        for model in digit_models
    ]
    assert told_W[2].shape[1] == 7 < told_W[0].shape[1] == 10
    for row, W in zip(S, told_W, strict=True):
        assert_allclose(by_class(row, transformer.classes_), W.T, **EXACT)
    D = zest_distances(S, n_classes=transformer.n_classes_, alignment="greedy")
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert_allclose(D[i, j], told.released_distance(told_W[i], told_W[j]), **EXACT)


# ---------------------------------------------------------------- (c) LIME


def lime(images, models, **params):
    return signatures(
        images,
        models,
        masker=ImageMasker(segment_scale=1.0, fill="part_mean", **params.pop("cut", {})),
        response="predict_proba",
        kernel_width=0.25,
        surrogate=Ridge(alpha=1.0),
        adapter=ask_logits,
        **params,
    )


def photographs(dtype):
    """Images that quickshift cuts in more than one part even when it sees them in 0-1."""
    images = crops(64, 4)
    images = images[[told.quickshift_parts(image).max() >= 2 for image in images]]
    return images if dtype == "uint8" else images / 255.0


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_lime_coefficients_of_colour_images(dtype):
    images = photographs(dtype)
    models = [
        tiny_model(kind, 4, seed, 64 * 64 * 3, scale=255.0 if dtype == "uint8" else 1.0)
        for seed, kind in enumerate(["quadratic", "mlp"])
    ]
    cut = {} if dtype == "uint8" else {"value_range": (0.0, 1.0)}
    transformer, S = lime(images, models, cut=cut, n_reference=2, n_samples=40)
    plan = transformer.plan_
    filled = [None, None]
    if dtype == "uint8":  # LIME drops the fraction of a mean colour, skzest rounds it.
        filled = [
            np.rint(told.part_mean_fill(image.astype(float), parts)).astype(np.uint8)
            for image, parts in zip(plan.reference, plan.parts, strict=True)
        ]
        assert any(
            np.any(rounded != told.part_mean_fill(image, parts))
            for rounded, image, parts in zip(filled, plan.reference, plan.parts, strict=True)
        )
    for row, model in zip(S, models, strict=True):
        W = [
            told.lime_coefficients(in_probabilities(model), image, parts, masks, filled=hidden)[0]
            for image, parts, masks, hidden in zip(
                plan.reference, plan.parts, plan.masks, filled, strict=True
            )
        ]
        assert np.abs(told.side_by_side(W)).max() > 1e-3
        assert_allclose(by_class(row, transformer.classes_), told.side_by_side(W), **EXACT)


class OurMasks:
    """Stands where lime keeps its random state, and draws the masks that we have drawn."""

    def __init__(self, masks):
        self.masks = masks

    def randint(self, low, high, size):
        assert (low, high, size) == (0, 2, self.masks.size)
        return self.masks.astype(int).ravel()


def test_lime_itself_gives_the_same_segments_and_coefficients():
    lime_image = pytest.importorskip("lime.lime_image")
    images = photographs("float64")
    model = tiny_model("mlp", 4, 5, 64 * 64 * 3)
    transformer, S = lime(
        images, [model], cut={"value_range": (0.0, 1.0)}, n_reference=1, n_samples=60
    )
    plan = transformer.plan_
    explainer = lime_image.LimeImageExplainer(feature_selection="none")
    explainer.random_state = OurMasks(plan.masks[0])
    explanation = explainer.explain_instance(
        plan.reference[0],
        in_probabilities(model),
        labels=range(4),
        top_labels=None,
        num_samples=60,
        random_seed=0,
    )
    assert_array_equal(explanation.segments, plan.parts[0])
    for c, row in enumerate(by_class(S[0], transformer.classes_)):
        weight_of = dict(explanation.local_exp[c])
        assert_allclose(row, [weight_of[part] for part in range(len(row))], **EXACT)


def test_lime_base_fits_the_same_ridge_on_our_neighbourhood(colour):
    lime_base = pytest.importorskip("lime.lime_base")
    # More parts than LIME's own scale gives: this is about the regression alone.
    transformer, S = signatures(
        colour,
        COLOUR_MODELS[1:2],
        masker=ImageMasker(fill="part_mean"),
        response="predict_proba",
        kernel_width=0.25,
        surrogate=Ridge(alpha=1.0),
        adapter=ask_logits,
        n_reference=1,
        n_samples=100,
    )
    plan = transformer.plan_
    masks, parts = plan.masks[0].astype(int), plan.parts[0]
    assert masks.shape[1] >= 10
    hidden = np.rint(told.part_mean_fill(plan.reference[0].astype(float), parts)).astype(np.uint8)
    scores = told.scores_of(
        in_probabilities(COLOUR_MODELS[1]), plan.reference[0], parts, masks, hidden
    )
    distances = [told.cosine_distance(mask, masks[0]) for mask in masks]
    base = lime_base.LimeBase(lambda d: np.sqrt(np.exp(-(np.array(d) ** 2) / 0.25**2)))
    for c, row in enumerate(by_class(S[0], transformer.classes_)):
        _, weights, _, _ = base.explain_instance_with_data(
            masks, scores, distances, c, len(row), feature_selection="none"
        )
        weight_of = dict(weights)
        assert_allclose(row, [weight_of[part] for part in range(len(row))], **EXACT)


# ---------------------------------------------------------------- the linear identity


def weight_times_displacement(A, point, filled, parts):
    """``W (x - fill)`` summed over the features of each part: (D, K)."""
    moved = A * np.reshape(point - filled, (-1, 1))
    label = np.repeat(np.ravel(parts), len(A) // np.size(parts))  # channels follow their pixel
    return np.array([moved[label == part].sum(axis=0) for part in range(np.max(parts) + 1)]).T


def image_fill(fill, reference, image, parts):
    """What hidden pixels become, computed here a second time."""
    if fill == "part_mean":
        return told.part_mean_fill(image, parts)
    values = {"zero": 0.0, "mean": reference.mean(axis=tuple(range(3)))}
    return np.zeros(image.shape) + values.get(fill, fill)


@pytest.mark.parametrize("fill", ["zero", "mean", "part_mean", 100.0])
@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 8)], ids=["colour", "grey"])
@pytest.mark.parametrize("response", ["raw", "logit"])
def test_linear_model_signature_of_images_is_weight_times_displacement(
    colour, digits, shape, fill, response
):
    reference = colour.astype(float) if shape == (32, 32, 3) else digits[0].reshape(-1, 8, 8)
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(np.prod(shape), 4)) / 100, rng.normal(size=4)
    transformer, S = signatures(
        reference,
        [lambda X: X.reshape(len(X), -1) @ A + b],
        masker=ImageMasker(fill=fill),
        response=response,
        surrogate=LinearRegression(),
        adapter=ask_logits,
    )
    plan = transformer.plan_
    if response == "logit":
        A = A - A.mean(axis=1, keepdims=True)
    W = [
        weight_times_displacement(A, image, image_fill(fill, reference, image, parts), parts)
        for image, parts in zip(plan.reference, plan.parts, strict=True)
    ]
    assert np.abs(told.side_by_side(W)).max() > 0.01
    assert_allclose(by_class(S[0], transformer.classes_), told.side_by_side(W), **EXACT)


@pytest.mark.parametrize("fill", ["zero", "mean", -1.5])
@pytest.mark.parametrize("sampling", ["bernoulli", "antithetic", "foldover"])
def test_linear_model_signature_of_a_table_is_weight_times_displacement(fill, sampling):
    rng = np.random.default_rng(0)
    X = rng.normal(loc=2.0, size=(50, 6))
    A, b = rng.normal(size=(6, 3)), rng.normal(size=3)
    transformer, S = signatures(
        X,
        [lambda X: X @ A + b],
        masker=TabularMasker(fill=fill),
        sampling=sampling,
        response="raw",
        adapter=ask_logits,
    )
    plan = transformer.plan_
    filled = {"zero": np.zeros(6), "mean": X.mean(axis=0)}.get(fill, np.full(6, fill))
    W = [
        weight_times_displacement(A, point, filled, parts)
        for point, parts in zip(plan.reference, plan.parts, strict=True)
    ]
    assert_allclose(by_class(S[0], transformer.classes_), told.side_by_side(W), **EXACT)


def test_without_an_intercept_each_weight_absorbs_part_of_it(digits):
    X, _ = digits
    A, b = np.zeros((64, 2)), np.array([3.0, -1.0])
    A[:, 0] = 0.1
    transformer, S = signatures(
        X,
        [lambda X: X @ A + b],
        masker=ImageMasker(fill="zero", image_shape=(8, 8)),
        response="raw",
        surrogate=NO_INTERCEPT,
        adapter=ask_logits,
        n_samples=2000,
    )
    for n, parts in enumerate(transformer.plan_.parts):
        inside = transformer.plan_.column_point == n
        absorbed = by_class(S[0], transformer.classes_)[1, inside]
        # Class 1 has no weights, and of its intercept about 2b/(K+1) in every coefficient.
        assert_allclose(absorbed, 2 * b[1] / (parts.max() + 2), rtol=0.2)
