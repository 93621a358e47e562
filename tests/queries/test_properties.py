# SPDX-License-Identifier: BSD-3-Clause
"""Relations that hold for the scores of every model."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from skzest.exceptions import QueryError
from skzest.queries import CallableQuery, respond
from skzest.queries._probabilities import are_probabilities, may_be_sigmoids
from skzest.testing import RowAsLinearModel, check_query

SHAPES = npst.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6)
NUMBERS = st.floats(-20, 20, allow_subnormal=False)
LOGITS = npst.arrays(np.float64, SHAPES, elements=NUMBERS).filter(lambda a: not warned_of(a))
LABELS = st.one_of(st.integers(-99, 99), st.text("abcé ", max_size=3))
# One kind of label at a time, in any order; NumPy would read a mixture as strings.
CLASSES = st.one_of(
    st.lists(st.integers(-99, 99), min_size=2, max_size=6, unique=True),
    st.lists(st.text("abcé", max_size=3), min_size=2, max_size=6, unique=True),
    st.permutations([False, True]),
)


def warned_of(logits):
    """Whether logits look like probabilities in any precision, so that a warning says so."""
    both = logits, logits.astype(np.float32)
    return any(are_probabilities(one) or may_be_sigmoids(one) for one in both)


def scores_of(answer, response="logit", clip=1e-6, **params):
    query = CallableQuery(lambda X: answer, **params)
    return respond(query, None, response, clip, n=len(answer))


@st.composite
def probabilities(draw, exact_zeros=True):
    weights = draw(npst.arrays(np.float64, SHAPES, elements=st.integers(0, 50)))
    weights += 0 if exact_zeros else 1
    weights[:, 0] += weights.sum(axis=1) == 0
    return weights / weights.sum(axis=1, keepdims=True)


@given(LOGITS, st.data())
def test_logit_does_not_see_a_constant_added_to_a_row(logits, data):
    shift = data.draw(npst.arrays(np.float64, (len(logits), 1), elements=st.floats(-1e3, 1e3)))
    assume(not warned_of(logits + shift))
    np.testing.assert_allclose(
        scores_of(logits + shift, output="logits"), scores_of(logits, output="logits"), atol=1e-9
    )


@given(LOGITS)
def test_logits_sum_to_zero_over_classes_and_keep_differences(logits):
    scores = scores_of(logits, output="logits")
    np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(np.diff(scores), np.diff(logits), atol=1e-9)


@given(LOGITS)
def test_log_of_softmax_is_the_centred_logits(logits):
    softmax = scores_of(logits, "predict_proba", output="logits")
    np.testing.assert_allclose(
        scores_of(softmax, clip=1e-30), scores_of(logits, output="logits"), atol=1e-9
    )


@given(probabilities(exact_zeros=False))
def test_softmax_of_log_is_the_probabilities(answer):
    logits = scores_of(answer, clip=1e-30)
    assume(not warned_of(logits))
    again = scores_of(logits, "predict_proba", output="logits")
    np.testing.assert_allclose(again, answer, atol=1e-12)


@given(probabilities(), st.floats(1e-15, 0.5))
def test_clip_bounds_the_scores(answer, clip):
    scores = scores_of(answer, clip=clip)
    assert np.isfinite(scores).all()
    assert (np.ptp(scores, axis=1) <= -np.log(clip) + 1e-9).all()


@given(probabilities(), st.floats(1e-15, 0.5))
def test_clip_changes_nothing_above_it(answer, clip):
    far = (answer > clip).all(axis=1)
    np.testing.assert_array_equal(scores_of(answer, clip=clip)[far], scores_of(answer[far]))


@given(
    # Distinct numbers: ties are broken by position, which permuting changes.
    npst.arrays(np.float64, SHAPES, elements=st.integers(-99, 99), unique=True),
    st.sampled_from(["logit", "raw", "predict_proba", "label", "decision_function"]),
)
def test_permuting_rows_and_classes_permutes_scores(answer, response):
    output = "decision_function" if response == "decision_function" else "logits"
    scores = scores_of(answer, response, output=output)
    mixed = scores_of(answer[::-1, ::-1], response, output=output)
    np.testing.assert_allclose(mixed, scores[::-1, ::-1], atol=1e-9)


@given(LOGITS, st.sampled_from(["logit", "raw", "predict_proba", "label"]))
def test_single_precision_stays_and_agrees(logits, response):
    logits = logits.astype(np.float32)
    scores = scores_of(logits, response, output="logits")
    assert scores.dtype == np.float32
    double = scores_of(logits.astype(np.float64), response, output="logits")
    np.testing.assert_allclose(scores, double, rtol=1e-4, atol=1e-5)


@given(LOGITS)
def test_the_likeliest_class_is_the_same_in_every_response(logits):
    largest = logits.max(axis=1)
    for response in ("logit", "predict_proba", "label"):
        scores = scores_of(logits, response, output="logits")
        chosen = scores.argmax(axis=1)
        np.testing.assert_allclose(logits[np.arange(len(logits)), chosen], largest, atol=1e-9)


@given(CLASSES, st.data())
def test_one_hot_names_the_label(classes, data):
    labels = data.draw(st.lists(st.sampled_from(classes), min_size=1, max_size=8))
    query = CallableQuery(lambda X: X, output="predict", classes=classes)
    scores = respond(query, labels, "label")
    assert scores.shape == (len(labels), len(classes))
    assert set(scores.sum(axis=1)) == {1.0}
    assert query.classes_[scores.argmax(axis=1)].tolist() == labels


@given(CLASSES, st.data())
def test_a_label_outside_the_classes_is_refused(classes, data):
    stranger = data.draw(LABELS.filter(lambda label: label not in classes))
    # NumPy would read a mixture as strings: labels of one kind, or objects.
    labels = np.array([classes[0], stranger], dtype=object)
    query = CallableQuery(lambda X: X, output="predict", classes=classes)
    with pytest.raises(QueryError, match="which is none of its"):
        respond(query, labels, "label")


@given(npst.arrays(np.float64, st.integers(1, 8), elements=NUMBERS))
def test_binary_decision_values_are_opposite(decision):
    scores = scores_of(decision, "raw", output="decision_function")
    np.testing.assert_array_equal(scores[:, 1], decision)
    np.testing.assert_array_equal(scores.sum(axis=1), 0)


@given(probabilities(), st.floats(0.01, 10), st.data())
def test_a_row_that_does_not_sum_to_one_is_named(answer, excess, data):
    row = data.draw(st.integers(0, len(answer) - 1))
    answer[row, -1] += excess + 0.5
    with pytest.raises(QueryError, match=f"not probabilities: row {row} sums to"):
        scores_of(answer)


@given(
    npst.arrays(np.float64, st.integers(1, 9), elements=st.integers(-50, 50)),
    st.integers(1, 6),
    st.integers(2, 5),
)
def test_rows_are_linear_models(row, n_features, n_classes):
    adapter = RowAsLinearModel(n_features, n_classes)
    X = np.random.default_rng(0).normal(size=(5, n_features))
    query = adapter(row)
    check_query(query, X)
    scores = respond(query, X)
    assert scores.shape == (5, n_classes)
    np.testing.assert_allclose(respond(adapter(3 * row), X), 3 * scores, atol=1e-9)
    np.testing.assert_allclose(respond(query, X + X[::-1]), scores + scores[::-1], atol=1e-9)
    np.testing.assert_array_equal(respond(pickle.loads(pickle.dumps(query)), X), scores)
