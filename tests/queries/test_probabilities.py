# SPDX-License-Identifier: BSD-3-Clause
"""What an answer is: probabilities are recognised, rounding is mended, the rest is refused."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, QueryError, TorchQuery, zest_distances
from skzest.queries import CallableQuery, as_query, as_response, first_look, respond
from skzest.queries._probabilities import are_probabilities, normalised

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000).fit(X, Y)
LOGITS = LR.decision_function
SOFTMAX = LR.predict_proba


def distance(models, **params):
    lime = LimeSignatureTransformer(
        X, **({"n_reference": 8, "n_samples": 40, "clip": 1e-30} | params)
    )
    return zest_distances(lime.fit_transform(models))[0, 1]


def rounded(digits):
    return lambda batch: SOFTMAX(batch).round(digits)


def network(*layers):
    """The logistic regression as a torch module, with layers behind it."""
    torch = pytest.importorskip("torch")
    linear = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(LR.coef_))
        linear.bias.copy_(torch.tensor(LR.intercept_))
    return torch.nn.Sequential(linear, *layers).eval()


# --- recognised ------------------------------------------------------------------------------


def test_a_network_that_ends_in_softmax_is_at_distance_zero_of_the_same_without():
    torch = pytest.importorskip("torch")
    plain, softmax = network(), network(torch.nn.Softmax(1))
    with pytest.warns(
        UserWarning, match=r"asked for logits and answers with probabilities"
    ) as said:
        found = distance([plain, softmax])
    assert found < 1e-9
    assert 'use TorchQuery(model, output="predict_proba")' in str(said[0].message)
    assert distance([plain, TorchQuery(softmax, output="predict_proba")]) < 1e-9


@pytest.mark.parametrize("response", ["logit", "predict_proba"])
def test_a_function_said_to_give_logits_is_seen_to_give_probabilities(response):
    with pytest.warns(UserWarning, match="They are treated as probabilities"):
        found = distance([LR, CallableQuery(SOFTMAX, output="logits")], response=response)
    assert found < 1e-9


def test_labels_do_not_depend_on_it_and_bring_no_warning():
    query = CallableQuery(SOFTMAX, output="logits")
    np.testing.assert_array_equal(respond(query, X, "label"), respond(as_query(LR), X, "label"))


def test_raw_scores_do_not_follow_from_probabilities_and_the_remedy_works():
    query = CallableQuery(SOFTMAX, output="logits")
    with pytest.raises(
        QueryError, match=r'response=\'raw\' does not follow.* pass response="logit"'
    ):
        respond(query, X, "raw")
    with pytest.warns(UserWarning, match="treated as probabilities"):
        np.testing.assert_allclose(respond(query, X, "logit"), respond(as_query(LR), X, "logit"))


def test_logarithms_of_probabilities_are_logits():
    query = CallableQuery(LR.predict_log_proba, output="logits")
    assert distance([CallableQuery(LOGITS, output="logits"), query]) < 1e-9


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([[0.5, 0.5], [0.0, 1.0]], True),
        ([[1.0, 0.0], [0.0, 1.0]], False),  # labels or counts
        ([[0.0, 0.0], [0.5, 0.5]], False),
        ([[0.5, 0.5], [0.7, 0.5]], False),
        ([[1.5, -0.5], [0.5, 0.5]], False),
        ([[np.nan, 0.5], [0.5, 0.5]], True),
        ([[np.nan, 0.5], [np.inf, 0.0]], False),
        ([[0.33, 0.33, 0.33]], True),
        ([[0.335, 0.32, 0.32]], False),
    ],
)
def test_only_what_is_certain_counts(answer, expected):
    assert are_probabilities(np.array(answer)) is expected


def test_what_was_found_at_first_holds_for_the_run():
    query = CallableQuery(SOFTMAX, output="logits")
    with pytest.warns(UserWarning, match=r"^models\[3\] was asked"):
        given = first_look(query, SOFTMAX(X), "logits", "logit", name="models[3]")
    assert given == "predict_proba"
    with pytest.raises(
        QueryError, match=r'first, and now numbers that are not: row 1.*response="raw"'
    ):
        as_response(np.array([[0.5, 0.5], [3.0, -1.0]]), given, "logit", 1e-6)
    scores = CallableQuery(LOGITS, output="decision_function")
    assert distance([scores, scores], response="raw") < 1e-12  # what the message advises


# --- rounding --------------------------------------------------------------------------------


@pytest.mark.parametrize(("digits", "nearness"), [(2, 0.02), (3, 1e-3), (4, 1e-4)])
def test_rounded_probabilities_are_accepted_and_sum_to_one(digits, nearness):
    assert np.abs(rounded(digits)(X).sum(axis=1) - 1).max() > 0
    scores = respond(CallableQuery(rounded(digits)), X, "predict_proba")
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-3)
    assert distance([LR, CallableQuery(rounded(digits))], response="predict_proba") < nearness


@pytest.mark.parametrize("steps", [100, 255, 256])
def test_many_classes_in_whole_steps_are_accepted(steps):
    p = np.random.default_rng(0).dirichlet(np.full(100, 0.2), size=9)
    given = (steps * p).round() / steps
    assert np.abs(given.sum(axis=1) - 1).max() > 0.02
    np.testing.assert_allclose(normalised(given).sum(axis=1), 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_softmax_in_short_floats_is_accepted(dtype):
    torch = pytest.importorskip("torch")
    net = network(torch.nn.Softmax(1)).to(getattr(torch, dtype))
    query = TorchQuery(net, output="predict_proba")
    assert distance([LR, query], response="predict_proba") < 0.01
    function = CallableQuery(lambda batch: net(torch.tensor(batch).to(getattr(torch, dtype))))
    assert distance([LR, function], response="predict_proba") < 0.01


def test_exact_probabilities_are_not_changed_by_a_bit():
    assert normalised(SOFTMAX(X)).tobytes() == SOFTMAX(X).tobytes()


# --- refused, with advice that works ---------------------------------------------------------


def test_logits_said_to_be_probabilities_are_refused():
    with pytest.raises(QueryError, match=r'not probabilities: .* use CallableQuery\(.*"logits"\)'):
        distance([LR, CallableQuery(LOGITS)])
    assert distance([LR, CallableQuery(LOGITS, output="logits")]) < 1e-9


def test_logits_of_a_network_said_to_be_probabilities_are_refused():
    net = network()
    with pytest.raises(QueryError, match=r'use TorchQuery\(model, output="logits"\)'):
        distance([LR, TorchQuery(net, output="predict_proba")])
    assert distance([LR, TorchQuery(net, output="logits")]) < 1e-9


def test_logits_from_a_method_of_that_name_are_refused():
    class Keras:
        def predict_proba(self, batch):
            return LOGITS(batch)

    model = Keras()
    advice = r'use CallableQuery\(model.predict_proba, output="logits"\)'
    with pytest.raises(QueryError, match=advice):
        distance([LR, model])
    assert distance([LR, CallableQuery(model.predict_proba, output="logits")]) < 1e-9


def test_logarithms_said_to_be_probabilities_are_refused():
    with pytest.raises(QueryError, match="If they are logits or log-probabilities"):
        respond(CallableQuery(LR.predict_log_proba), X)


def test_positive_scores_are_divided_by_their_sum():
    def votes(batch):
        return 10 * SOFTMAX(batch)

    with pytest.raises(QueryError, match="positive scores, divide each row by its sum"):
        respond(CallableQuery(votes), X)
    share = CallableQuery(lambda batch: votes(batch) / votes(batch).sum(axis=1, keepdims=True))
    assert distance([LR, share]) < 1e-9


def test_labels_of_a_multilabel_model_are_compared_one_at_a_time():
    def sigmoids(batch):
        return 1 / (1 + np.exp(-LOGITS(batch)))

    def one(batch):
        p = sigmoids(batch)[:, 1]
        return np.column_stack([1 - p, p])

    with pytest.raises(QueryError, match=r"one at a time: return the columns \[1 - p, p\]"):
        respond(CallableQuery(sigmoids), X)
    assert np.isfinite(respond(CallableQuery(one), X)).all()


def test_a_row_of_zeros_is_explained():
    def sure(batch):
        return (SOFTMAX(batch) > 0.9).astype(float)

    with pytest.raises(QueryError, match=r"row \d+ is all zeros. Return more digits, or 1 / n_cl"):
        respond(CallableQuery(sure), X)
    filled = CallableQuery(lambda b: np.where(sure(b).any(1, keepdims=True), sure(b), 1 / 3))
    assert np.isfinite(respond(filled, X)).all()
