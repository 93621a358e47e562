# SPDX-License-Identifier: BSD-3-Clause
"""Queries: what is asked, what comes back, and what is refused."""

import inspect
import os
import pickle
import threading
import warnings
from functools import partial

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from inference_server import QueriesOfAServer
from model_files import linear, tflite
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_limits

import skzest.queries
from skzest.exceptions import QueryError
from skzest.queries import (
    HOST,
    RESPONSES,
    CallableQuery,
    LiteRTQuery,
    OnnxQuery,
    Query,
    SklearnQuery,
    Space,
    TorchQuery,
    as_query,
    check_response,
    choose_output,
    register_query,
    respond,
)
from skzest.testing import RowAsLinearModel, check_query

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS, SPECIES = IRIS[::3] / IRIS.max(axis=0), SPECIES[::3]
NAMES = np.array(["setosa", "versicolor", "virginica"])

PROBABILITIES = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.25, 0.5, 0.25]])
LOGITS = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0], [-3.0, 0.0, 0.0]])
ROWS = np.arange(6.0).reshape(3, 2)


def constant(answer, **params):
    """A query that gives the same answer to every batch."""
    return CallableQuery(lambda X: answer, **params)


class Fixed:
    """Duck-typed classifier: answers from a table, whatever is asked."""

    def __init__(self, **answers):
        self.answers = answers

    def __getattr__(self, name):
        if name.startswith("__") or name not in self.__dict__.get("answers", {}):
            raise AttributeError(name)
        answer = self.answers[name]
        return answer if name.endswith("_") else lambda X: answer


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    # The models are tiny: starting threads costs more than they do.
    with threadpool_limits(1):
        yield


# --- responses, worked by hand ---------------------------------------------------------------


def test_logit_of_logits_is_centred_over_classes():
    scores = respond(constant(LOGITS, output="logits"), ROWS)
    np.testing.assert_allclose(scores, [[-2, -1, 3], [0, 0, 0], [-2, 1, 1]])


def test_logit_of_probabilities_is_the_centred_logarithm_of_the_clipped():
    scores = respond(constant(PROBABILITIES), ROWS, clip=2.0**-6)
    thirds = np.array([[2, -1, -1], [12, -6, -6], [-1, 2, -1]])
    np.testing.assert_allclose(scores, thirds / 3 * np.log(2))


def test_raw_logits_are_not_centred():
    np.testing.assert_array_equal(respond(constant(LOGITS, output="logits"), ROWS, "raw"), LOGITS)


@pytest.mark.parametrize("response", ["raw", "decision_function"])
def test_decision_values_come_as_they_are(response):
    query = constant(LOGITS, output="decision_function")
    np.testing.assert_array_equal(respond(query, ROWS, response), LOGITS)


@pytest.mark.parametrize("response", ["raw", "decision_function"])
def test_binary_decision_values_become_two_opposite_columns(response):
    query = constant(np.array([2.0, -1.0, 0.0]), output="decision_function")
    np.testing.assert_array_equal(respond(query, ROWS, response), [[-2, 2], [1, -1], [0, 0]])


def test_probabilities_come_as_they_are():
    scores = respond(constant(PROBABILITIES), ROWS, "predict_proba")
    np.testing.assert_array_equal(scores, PROBABILITIES)


def test_probabilities_of_logits_are_their_softmax_even_when_large():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]]) + 5000.0
    scores = respond(constant(logits, output="logits"), ROWS, "predict_proba")
    np.testing.assert_allclose(scores, [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]])


@pytest.mark.parametrize(
    ("answer", "output"),
    [(PROBABILITIES, "predict_proba"), (PROBABILITIES, "logits"), (LOGITS, "decision_function")],
)
def test_label_is_one_hot_at_the_largest(answer, output):
    scores = respond(constant(answer, output=output), ROWS, "label")
    np.testing.assert_array_equal(scores, np.eye(3)[answer.argmax(axis=1)])


def test_label_of_labels_stands_in_the_column_of_the_class():
    query = constant(["b", "a", "b"], output="predict", classes=["b", "c", "a"])
    np.testing.assert_array_equal(respond(query, ROWS, "label"), [[1, 0, 0], [0, 0, 1], [1, 0, 0]])


def test_label_is_what_predict_says_where_both_are_offered():
    model = Fixed(
        classes_=np.array([0, 1]),
        predict=np.array([1, 1]),
        predict_proba=np.array([[0.7, 0.3], [0.2, 0.8]]),
    )
    np.testing.assert_array_equal(respond(SklearnQuery(model), ROWS[:2], "label"), [[0, 1], [0, 1]])


def test_both_kinds_of_logit_are_the_same_quantity():
    softmax = respond(constant(LOGITS, output="logits"), ROWS, "predict_proba")
    assert np.ptp(LOGITS) > 1
    np.testing.assert_allclose(
        respond(constant(softmax), ROWS), respond(constant(LOGITS, output="logits"), ROWS)
    )


def test_clip_decides_what_a_zero_is_worth():
    spread = [np.ptp(respond(constant(PROBABILITIES), ROWS, clip=c)[1]) for c in (1e-15, 5e-3)]
    np.testing.assert_allclose(spread, -np.log([1e-15, 5e-3]))


def test_probabilities_above_one_by_rounding_count_as_one():
    scores = respond(constant(np.array([[1.0005, 0.0]])), ROWS[:1], clip=0.25)
    np.testing.assert_allclose(scores, [[np.log(2), -np.log(2)]])


def test_clip_below_what_the_dtype_holds_leaves_no_infinity():
    scores = respond(constant(PROBABILITIES.astype(np.float32)), ROWS, clip=1e-300)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("response", ["logit", "raw", "predict_proba", "label"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int64, np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
    ],
)
def test_dtype_of_floats_is_kept(response, given, kept):
    query = constant(np.eye(3).astype(given), output="logits")
    assert respond(query, ROWS, response).dtype == kept


def test_unsigned_decision_values_do_not_wrap_around():
    query = constant(np.array([3, 0, 1], dtype=np.uint8), output="decision_function")
    np.testing.assert_array_equal(respond(query, ROWS, "raw"), [[-3, 3], [0, 0], [-1, 1]])


@pytest.mark.parametrize("response", ["logit", "raw", "predict_proba", "label"])
def test_non_finite_scores_pass_so_that_the_caller_can_name_the_point(response):
    logits = LOGITS.copy()
    logits[1, 2] = np.nan
    scores = respond(constant(logits, output="logits"), ROWS, response)
    assert np.isnan(scores[1]).any()
    assert np.isfinite(scores[[0, 2]]).all()


@pytest.mark.parametrize("response", ["logit", "predict_proba", "label"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_probabilities_are_neither_clipped_nor_called_logits(value, response):
    probabilities = PROBABILITIES.copy()
    probabilities[0, 0] = value
    scores = respond(constant(probabilities), ROWS, response)
    assert np.isnan(scores[0]).any()
    np.testing.assert_array_equal(scores[1:], respond(constant(PROBABILITIES), ROWS, response)[1:])


def test_answers_of_the_model_are_not_changed():
    answer = PROBABILITIES.copy()
    for response in ("logit", "predict_proba", "label"):
        respond(constant(answer), ROWS, response)
    np.testing.assert_array_equal(answer, PROBABILITIES)


def test_length_of_the_batch_can_be_given():
    query = constant(PROBABILITIES)
    assert respond(query, object(), n=3).shape == (3, 3)


# --- refusals of answers ---------------------------------------------------------------------


def test_unknown_response_is_refused():
    with pytest.raises(ValueError, match=r"response must be 'logit', 'raw', .*; got 'proba'"):
        respond(constant(LOGITS), ROWS, "proba")
    with pytest.raises(ValueError, match=r"response must be .*; got None"):
        check_response(None, 1e-6)


@pytest.mark.parametrize("clip", [0, 1, -0.1, 2.0, np.nan, np.inf])
@pytest.mark.parametrize("response", RESPONSES)
def test_clip_outside_the_unit_interval_is_refused(clip, response):
    with pytest.raises(ValueError, match=r"clip=.* is outside \(0, 1\)"):
        check_response(response, clip)
    with pytest.raises(ValueError, match=r"clip=.* is outside \(0, 1\)"):
        respond(constant(LOGITS, output="logits"), ROWS, clip=clip)


@pytest.mark.parametrize("clip", [None, "small", True, [1e-6]])
def test_clip_that_is_not_a_number_is_refused(clip):
    with pytest.raises(TypeError, match=r"clip=.* is not a number"):
        check_response("logit", clip)


def test_clip_may_be_a_numpy_scalar():
    check_response("logit", np.float32(1e-6))


def test_logit_without_probabilities_names_all_remedies():
    query = as_query(LinearSVC().fit(IRIS, SPECIES))
    with pytest.raises(
        QueryError,
        match=r"response='logit' needs logits or predict_proba, and SklearnQuery\(LinearSVC\) "
        r"offers decision_function and predict; pass "
        r'response="raw", "decision_function" or "label" \(only "label" also suits .* alone\) or '
        r"calibrate the model as it is, with CalibratedClassifierCV\(FrozenEstimator\(model\)\)",
    ):
        choose_output(query, "logit")


def test_labels_only_names_the_label_response():
    model = VotingClassifier([("nb", GaussianNB())]).fit(IRIS, SPECIES)
    with pytest.raises(QueryError, match=r'offers predict; pass response="label"\.'):
        respond(as_query(model), IRIS)
    assert respond(as_query(model), IRIS, "label").shape == (50, 3)


def test_labels_without_classes_name_the_parameter():
    query = constant([0, 1, 2], output="predict")
    with pytest.raises(QueryError, match=r"without the list of classes; use Call.*classes=\.\.\."):
        respond(query, ROWS, "label")
    with pytest.raises(QueryError, match=r'pass response="label" with Call.*classes=\.\.\.'):
        respond(query, ROWS, "logit")


@pytest.mark.parametrize("response", ["raw", "decision_function"])
def test_decision_values_are_not_made_from_probabilities(response):
    with pytest.raises(QueryError, match=r'pass response="logit", "predict_proba" or "label"'):
        respond(as_query(GaussianNB().fit(IRIS, SPECIES)), IRIS, response)


def _margin(X):
    """Log-odds of the second class."""
    return X[:, 0] - 2.3


def _sigmoid(X):
    return 1 / (1 + np.exp(-_margin(X)))


@pytest.mark.parametrize("output", ["predict_proba", "logits"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize(
    ("func", "remedies"),
    [
        (
            lambda X: (_margin(X) > 0).astype(int),
            {
                'labels, use CallableQuery(func, output="predict", classes=...) and '
                'response="label"': lambda f: (
                    CallableQuery(f, output="predict", classes=[0, 1]),
                    "label",
                ),
            },
        ),
        (
            _sigmoid,
            {
                "return the columns [1 - p, p]": lambda f: (
                    CallableQuery(lambda X: np.c_[1 - f(X), f(X)]),
                    "logit",
                ),
            },
        ),
        (
            _margin,
            {
                "return the columns [-s / 2, s / 2]": lambda f: (
                    CallableQuery(lambda X: np.c_[-f(X) / 2, f(X) / 2], output="logits"),
                    "logit",
                ),
                'CallableQuery(func, output="decision_function") and '
                'response="decision_function"': lambda f: (
                    CallableQuery(f, output="decision_function"),
                    "decision_function",
                ),
            },
        ),
    ],
    ids=["labels", "probabilities", "margins"],
)
def test_one_number_per_copy_is_refused_and_the_remedies_work(func, output, shape, remedies):
    def answer(X):
        return func(X).reshape(shape)

    fact = rf"returned {output} of shape .* for a batch of 3; expected \(3, n_classes\)\. If the"
    with pytest.raises(QueryError, match=fact) as said:
        respond(CallableQuery(answer, output=output), ROWS)
    for advice, remedy in remedies.items():
        assert advice in str(said.value)
        query, response = remedy(answer)
        scores = respond(query, ROWS, response)
        np.testing.assert_array_equal(scores[:, 1] > scores[:, 0], _margin(ROWS) > 0)


def test_two_ways_to_say_one_probability_agree():
    p = CallableQuery(lambda X: np.c_[1 - _sigmoid(X), _sigmoid(X)])
    s = CallableQuery(lambda X: np.c_[-_margin(X) / 2, _margin(X) / 2], output="logits")
    np.testing.assert_allclose(respond(p, ROWS), respond(s, ROWS))


def test_a_module_of_one_column_needs_two_labels():
    torch = pytest.importorskip("torch")

    class Binary(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x[:, :1] - 2.3)

    X = torch.tensor(ROWS)
    for function, output in ((torch.sigmoid, "predict_proba"), (torch.tanh, "logits")):
        module = Binary(function).eval()
        with pytest.raises(QueryError, match=r"for a network use TorchQuery\(model, .*classes"):
            respond(TorchQuery(module, output=output), X)
        query = TorchQuery(module, output=output, classes=[0, 1])
        assert respond(query, X).shape == (3, 2)


def test_a_single_named_column_is_a_constant_model():
    tree = DecisionTreeClassifier().fit(ROWS, ["only"] * 3)
    np.testing.assert_array_equal(respond(as_query(tree), ROWS), np.zeros((3, 1)))


@pytest.mark.parametrize("n", [2, 4])
def test_wrong_number_of_rows_is_refused_with_both_shapes(n):
    query = constant(PROBABILITIES)
    with pytest.raises(
        QueryError, match=rf"shape \(3, 3\) for a batch of {n}; expected \({n}, n_classes\)"
    ):
        respond(query, np.zeros((n, 2)))


def test_wrong_number_of_decision_values_is_refused():
    query = constant(np.zeros(2), output="decision_function")
    with pytest.raises(QueryError, match=r"shape \(2,\) for a batch of 3; expected"):
        respond(query, ROWS, "raw")


def test_class_count_that_differs_from_classes_is_refused_with_both_shapes():
    query = constant(PROBABILITIES, classes=list("abcd"))
    with pytest.raises(
        QueryError, match=r"shape \(3, 3\).*expected \(3, 4\), as it has the classes 'a', 'b'"
    ):
        respond(query, ROWS)
    binary = constant(np.zeros(3), output="decision_function", classes=list("abc"))
    with pytest.raises(QueryError, match=r"shape \(3, 2\).*expected \(3, 3\)"):
        respond(binary, ROWS, "raw")


def test_several_outputs_at_once_are_refused():
    model = Fixed(predict_proba=[PROBABILITIES, PROBABILITIES])
    with pytest.raises(QueryError, match=r"shape \(2, 3, 3\).*several outputs are not supported"):
        respond(as_query(model), ROWS)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (LOGITS, r"row 0 sums to 9 and its smallest value is 1\..*output=\"logits\""),
        (PROBABILITIES * [1, 1, 1.1], r"row 0 sums to 1\.025"),
        (np.array([[0.5, 0.5, 0.0], [1.5, -0.5, 0.0], [1.0, 0.0, 0.0]]), r"row 1 .* is -0\.5"),
    ],
)
def test_numbers_that_are_not_probabilities_are_refused(answer, message):
    for query in (constant(answer), as_query(Fixed(predict_proba=answer))):
        with pytest.raises(QueryError, match=message):
            respond(query, ROWS)


def test_probabilities_may_be_off_by_rounding():
    noisy = PROBABILITIES + [[3e-4, 3e-4, 3e-4], [0, -1e-9, 0], [0, 0, 0]]
    assert np.isfinite(respond(constant(noisy), ROWS)).all()
    assert np.isfinite(respond(constant(PROBABILITIES.astype(np.float16)), ROWS)).all()


@pytest.mark.parametrize(
    "answer", [np.array([["a", "b"]] * 3), PROBABILITIES.astype(object), LOGITS + 1j, None]
)
def test_answers_that_are_not_real_numbers_are_refused(answer):
    with pytest.raises(QueryError, match=r"returned an array of dtype .* expected real numbers"):
        respond(constant(answer), ROWS)


def test_ragged_answers_are_refused():
    with pytest.raises(
        QueryError, match=r"returned a list that cannot be read .* one row per copy"
    ):
        respond(constant([[0.5, 0.5], [1.0]]), ROWS)


def test_label_that_is_not_a_class_is_refused():
    query = constant(["a", "d", "b"], output="predict", classes=["a", "b"])
    with pytest.raises(QueryError, match=r"the label 'd', which is none of its 2 classes, 'a', 'b"):
        respond(query, ROWS, "label")


def test_labels_of_another_kind_are_not_matched_by_their_spelling():
    query = constant(["0", "1", "0"], output="predict", classes=[0, 1])
    with pytest.raises(QueryError, match=r"the label '0', which is none of its 2 classes, 0, 1\."):
        respond(query, ROWS, "label")


def test_long_lists_of_classes_are_cut_in_messages():
    query = constant([-7] * 3, output="predict", classes=range(100))
    with pytest.raises(QueryError, match=r"100 classes, 0, 1, 2, 3, \.\.\., 98, 99\. Complete"):
        respond(query, ROWS, "label")
    complete = constant([-7] * 3, output="predict", classes=[-7, *range(100)])
    assert respond(complete, ROWS, "label")[:, 0].all()


def test_scores_given_as_labels_are_refused():
    query = constant(PROBABILITIES, output="predict", classes=range(3))
    with pytest.raises(QueryError, match=r"labels of shape \(3, 3\) for a batch of 3"):
        respond(query, ROWS, "label")


def test_labels_may_stand_in_a_column():
    query = constant([[1], [0], [1]], output="predict", classes=range(2))
    np.testing.assert_array_equal(respond(query, ROWS, "label"), [[0, 1], [1, 0], [0, 1]])


def test_a_query_must_answer_with_an_array():
    class Lister(Query):
        outputs = ("logits",)

        def ask(self, X, output):
            return [[0.0, 1.0]] * len(X)

    with pytest.raises(QueryError, match=r"Lister\(str\) returned a list; expected an array of"):
        respond(Lister("model"), ROWS)


# --- as_query --------------------------------------------------------------------------------


def test_a_query_is_returned_unchanged():
    query = constant(PROBABILITIES)
    assert as_query(query) is query


def test_a_query_is_not_given_another_preprocess_silently():
    with pytest.raises(ValueError, match="is a Query already"):
        as_query(constant(PROBABILITIES), preprocess=np.sqrt)


def test_turning_off_the_determinism_of_a_query_copies_it():
    query = constant(PROBABILITIES)
    noisy = as_query(query, deterministic=False)
    assert noisy.model is query.model
    assert not noisy.deterministic
    assert query.deterministic


def test_a_classifier_is_asked_as_one_even_if_it_can_be_called():
    class Both(Fixed):
        def __call__(self, X):
            raise AssertionError("called")

    query = as_query(Both(predict_proba=PROBABILITIES), deterministic=False)
    assert type(query) is SklearnQuery
    assert not query.deterministic


def test_a_function_is_taken_to_give_probabilities():
    query = as_query(lambda X: PROBABILITIES, preprocess=np.sqrt)
    assert type(query) is CallableQuery
    assert query.outputs == ("predict_proba",)
    assert query.preprocess is np.sqrt


@pytest.mark.parametrize("model", [None, b"model", 3.0, {}, [GaussianNB()], np.zeros(3)])
def test_objects_that_cannot_be_asked_are_refused(model):
    with pytest.raises(TypeError, match=rf"{type(model).__name__} cannot be asked: it is not call"):
        as_query(model)


@pytest.mark.parametrize("make", [as_query, SklearnQuery])
def test_a_class_is_refused(make):
    with pytest.raises(TypeError, match="LogisticRegression is a class, not a model"):
        make(LogisticRegression)


def test_preprocess_must_be_callable():
    with pytest.raises(TypeError, match="preprocess=3 is not callable"):
        as_query(GaussianNB().fit(IRIS, SPECIES), preprocess=3)


def test_registered_kinds_are_tried_last_first(monkeypatch):
    monkeypatch.setattr(skzest.queries._base, "_REGISTRY", [*skzest.queries._base._REGISTRY])
    register_query(lambda model: model == "oracle", lambda model, **kw: constant(LOGITS, **kw))
    register_query(lambda model: isinstance(model, GaussianNB), partial(CallableQuery))
    assert as_query("oracle", deterministic=False).deterministic is False
    with pytest.raises(
        TypeError, match="CallableQuery takes a function of a batch, not GaussianNB"
    ):
        as_query(GaussianNB())
    with pytest.raises(TypeError, match="'nobody' is a name, not a model; open a file"):
        as_query("nobody")


# --- SklearnQuery ----------------------------------------------------------------------------


def _estimator(cls):
    """The class with the cheapest of what it needs."""
    first = LogisticRegression()
    needs = {
        "estimators": [("a", first), ("b", LinearDiscriminantAnalysis())],
        "estimator": first,
        "n_estimators": 3,
        "Cs": 2,
        "cv": 2,
    }
    if cls.__name__ == "HistGradientBoostingClassifier":
        needs["max_iter"] = 3
    known = inspect.signature(cls).parameters
    if "estimator" not in known:  # ClassifierChain before scikit-learn 1.7
        needs["base_estimator"] = first
    return cls(**{name: value for name, value in needs.items() if name in known})


def _fit(model):
    """Fitted on all species, else on two, else on two columns of targets."""
    for y in (SPECIES, SPECIES == 2, SPECIES[:, np.newaxis] == [0, 1]):
        try:
            return clone(model).fit(IRIS, y)
        except (ValueError, IndexError):
            continue
    raise AssertionError(f"{model} could be fitted on none of the targets")


@pytest.mark.parametrize(
    "cls", [pytest.param(cls, id=name) for name, cls in all_estimators(type_filter="classifier")]
)
def test_every_sklearn_classifier_is_asked_or_refused_clearly(cls):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _fit(_estimator(cls))
        if cls.__name__ in ("ClassifierChain", "MultiOutputClassifier"):
            with pytest.raises(TypeError, match=f"{cls.__name__} has several outputs"):
                as_query(model)
            return
        query = as_query(model)
        np.testing.assert_array_equal(query.classes_, model.classes_)
        check_query(query, IRIS)
        best = next(r for r in ("logit", "raw", "label") if _offers(query, r))
        scores = respond(query, IRIS, best)
    assert scores.shape == (50, len(model.classes_))
    assert np.isfinite(scores).all()


def _offers(query, response):
    try:
        return bool(choose_output(query, response))
    except QueryError as error:
        if "pass response=" not in str(error):
            raise  # a refusal that names no remedy
        return False


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=2),
        VotingClassifier([("nb", GaussianNB())], voting="soft"),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        BaggingClassifier(GaussianNB(), n_estimators=2),
        OneVsRestClassifier(LogisticRegression()),
        make_pipeline(StandardScaler(), GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]})),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("labels", [NAMES, np.array([30, -2, 7]), NAMES.astype(object)])
def test_columns_are_in_the_order_of_the_models_classes(model, labels):
    model = clone(model).fit(IRIS, labels[SPECIES])
    query = as_query(model)
    np.testing.assert_array_equal(query.classes_, np.sort(labels))
    scores = respond(query, IRIS)
    np.testing.assert_array_equal(query.classes_[scores.argmax(axis=1)], model.predict(IRIS))
    labels_as_columns = respond(query, IRIS, "label")
    np.testing.assert_array_equal(labels_as_columns.argmax(axis=1), scores.argmax(axis=1))


def test_boolean_classes_have_columns():
    model = GaussianNB().fit(IRIS, SPECIES == 1)
    scores = respond(as_query(model), IRIS, "label")
    np.testing.assert_array_equal(scores[:, 1], model.predict(IRIS))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (LogisticRegression(), "LogisticRegression"),
        (make_pipeline(StandardScaler(), GaussianNB()), "Pipeline"),
        (GridSearchCV(GaussianNB(), {}), "GridSearchCV"),
        (StandardScaler(), "StandardScaler"),
    ],
)
def test_unfitted_is_refused_by_name(model, name):
    with pytest.raises(NotFittedError, match=f"{name} is not fitted; fit it before"):
        as_query(model)


def test_a_model_that_needs_no_fit_says_so():
    class Pretrained(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1, 2])

        def fit(self, X, y):
            raise AssertionError("fitted")

        def predict_proba(self, X):
            return PROBABILITIES

    with pytest.raises(NotFittedError, match="says so with __sklearn_is_fitted__"):
        as_query(Pretrained())
    Pretrained.__sklearn_is_fitted__ = lambda self: True
    assert respond(as_query(Pretrained()), ROWS).shape == (3, 3)


def test_a_mixin_of_scikit_learn_without_its_base_class_is_enough():
    class Foreign(ClassifierMixin):
        classes_ = np.array([0, 1, 2])

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return PROBABILITIES

    assert respond(as_query(Foreign()), ROWS).shape == (3, 3)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        make_pipeline(StandardScaler(), LinearRegression()),
        GridSearchCV(LinearRegression(), {"fit_intercept": [True]}),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("fitted", [True, False])
def test_regressors_are_refused_by_name(model, fitted):
    model = clone(model).fit(IRIS, SPECIES) if fitted else model
    with pytest.raises(TypeError, match=f"{type(model).__name__} is a regressor and has no class"):
        as_query(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (KMeans(2, n_init=1), r"KMeans \(a clusterer\) cannot be asked: it has no predict_proba"),
        (StandardScaler(), r"StandardScaler.* cannot be asked.*Wrap a function of a batch"),
        (GridSearchCV(GaussianNB(), {}, refit=False), "A search needs refit=True"),
    ],
)
def test_estimators_without_scores_are_refused_by_name(model, message):
    with pytest.raises(TypeError, match=message):
        as_query(model.fit(IRIS, SPECIES))


TWO_TARGETS = np.c_[SPECIES == 0, SPECIES == 1].astype(int)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(2),
        KNeighborsClassifier(),
        DummyClassifier(),
        RidgeClassifier(),
        MLPClassifier((2,), max_iter=2),
        OneVsRestClassifier(LogisticRegression()),
        GridSearchCV(RidgeClassifier(), {"alpha": [1.0]}, cv=2),
        make_pipeline(StandardScaler(), MLPClassifier((2,), max_iter=2)),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_outputs_are_refused_by_name(model):
    with pytest.raises(TypeError, match=f"{type(model).__name__} has several outputs"):
        as_query(clone(model).fit(IRIS, TWO_TARGETS))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: GridSearchCV(make_pipeline(model), {"svc__C": [1.0]}, cv=2),
        lambda model: StackingClassifier([("nb", GaussianNB())], final_estimator=model, cv=2),
        lambda model: BaggingClassifier(model, n_estimators=2),
    ],
)
def test_one_vs_one_decision_values_are_refused(wrap):
    model = wrap(SVC(decision_function_shape="ovo")).fit(IRIS, SPECIES)
    assert model.decision_function(IRIS).shape == (50, 3)  # pairs: the shape does not tell
    with pytest.raises(QueryError, match=r'pairs of classes; set decision_function_shape="ovr"'):
        respond(as_query(model), IRIS, "raw")
    assert respond(as_query(model), IRIS, "label").shape == (50, 3)


def test_one_vs_one_of_two_classes_is_an_ordinary_decision():
    model = SVC(decision_function_shape="ovo").fit(IRIS, SPECIES == 0)
    scores = respond(as_query(model), IRIS, "raw")
    np.testing.assert_array_equal(scores[:, 1] > 0, SPECIES == 0)


@pytest.mark.parametrize("model", [SVC(), GridSearchCV(SVC(), {"C": [1.0]}, cv=2)])
def test_methods_that_a_model_withholds_are_not_offered(model):
    assert as_query(model.fit(IRIS, SPECIES)).outputs == ("decision_function", "predict")


def test_binary_margins_point_to_the_second_class():
    model = LinearSVC().fit(IRIS, np.where(SPECIES == 0, "yes", "no"))
    scores = respond(as_query(model), IRIS, "raw")
    np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])
    assert (scores[:, 1] > 0).sum() == 17  # "yes" sorts last
    np.testing.assert_array_equal(scores.argmax(axis=1) == 1, SPECIES == 0)


def test_an_unfitted_ensemble_inside_an_ensemble_has_no_length():
    model = AdaBoostClassifier(RandomForestClassifier(2), n_estimators=2).fit(IRIS, SPECIES)
    assert respond(as_query(model), IRIS).shape == (50, 3)


def test_outlier_detectors_have_two_classes():
    query = as_query(IsolationForest(n_estimators=5, random_state=0).fit(IRIS))
    assert query.classes_.tolist() == [-1, 1]
    assert respond(query, IRIS, "label").sum() == 50
    assert respond(query, IRIS, "raw").shape == (50, 2)


def test_mixtures_have_probabilities_of_unnamed_components():
    query = as_query(GaussianMixture(3, random_state=0).fit(IRIS))
    assert query.outputs == ("predict_proba",)
    assert query.classes_ is None
    assert respond(query, IRIS).shape == (50, 3)


def test_models_from_elsewhere_are_asked_by_their_methods():
    query = as_query(Fixed(predict_proba=PROBABILITIES, classes_=["b", "c", "a"]))
    assert query.classes_.tolist() == ["b", "c", "a"]
    np.testing.assert_array_equal(respond(query, ROWS, "predict_proba"), PROBABILITIES)


def test_models_from_elsewhere_that_are_regressors_are_refused():
    model = Fixed(predict=np.zeros(3))
    model._estimator_type = "regressor"
    with pytest.raises(TypeError, match="Fixed is a regressor"):
        as_query(model)


def test_labels_of_models_from_elsewhere_need_classes():
    query = as_query(Fixed(predict=np.array([0, 1, 1])))
    with pytest.raises(QueryError, match=r'use CallableQuery\(func, output="predict", classes='):
        respond(query, ROWS, "label")
    named = CallableQuery(query.model.predict, output="predict", classes=[0, 1])
    assert respond(named, ROWS, "label").tolist() == [[1, 0], [0, 1], [0, 1]]


def test_sklearn_query_refuses_what_is_not_offered():
    query = as_query(GaussianNB().fit(IRIS, SPECIES))
    with pytest.raises(QueryError, match="asked for logits, and offers predict_proba and predict"):
        query.ask(IRIS, "logits")


def test_preprocess_comes_before_the_model():
    plain = LogisticRegression(max_iter=500).fit(IRIS / 10, SPECIES)
    query = as_query(plain, preprocess=lambda X: X / 10)
    assert not np.allclose(respond(as_query(plain), IRIS), respond(query, IRIS))
    np.testing.assert_array_equal(respond(as_query(plain), IRIS / 10), respond(query, IRIS))


def test_data_frames_are_asked_as_they_are():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS, columns=list("abcd"))
    query = as_query(GaussianNB().fit(frame, SPECIES))
    check_query(query, frame)
    np.testing.assert_array_equal(query.ask(frame, "predict"), query.model.predict(frame))


# --- CallableQuery ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, np.matrix, np.asfortranarray])
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_answers_of_many_kinds_become_arrays(kind):
    answer = PROBABILITIES.tolist() if kind is list else kind(PROBABILITIES)
    scores = respond(constant(answer), ROWS, "predict_proba")
    assert type(scores) is np.ndarray
    np.testing.assert_array_equal(scores, PROBABILITIES)


def test_sparse_answers_become_arrays():
    from scipy.sparse import csr_array

    np.testing.assert_array_equal(
        respond(constant(csr_array(PROBABILITIES)), ROWS, "predict_proba"), PROBABILITIES
    )


def test_data_frames_become_arrays():
    pandas = pytest.importorskip("pandas")
    scores = respond(constant(pandas.DataFrame(PROBABILITIES)), ROWS, "predict_proba")
    np.testing.assert_array_equal(scores, PROBABILITIES)
    labels = pandas.Series(["b", "a", "b"], dtype="category")
    query = constant(labels, output="predict", classes=["a", "b"])
    np.testing.assert_array_equal(respond(query, ROWS, "label"), [[0, 1], [1, 0], [0, 1]])


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_tensors_become_arrays(dtype):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(LOGITS, dtype=getattr(torch, dtype), requires_grad=True)
    scores = respond(constant(tensor, output="logits"), ROWS, "raw")
    assert scores.dtype == (np.float64 if dtype == "float64" else np.float32)
    np.testing.assert_array_equal(scores, LOGITS)


@pytest.mark.parametrize("func", [None, "predict", 3, GaussianNB(), GaussianNB])
def test_callable_query_refuses_what_is_not_a_function(func):
    with pytest.raises(TypeError, match="CallableQuery takes a function of a batch, not "):
        CallableQuery(func)


def test_callable_query_refuses_unknown_outputs():
    with pytest.raises(ValueError, match=r"output must be 'logits', 'predict_p.*; got 'probs'"):
        CallableQuery(np.sin, output="probs")
    with pytest.raises(QueryError, match="asked for logits, and offers predict_proba"):
        constant(PROBABILITIES).ask(ROWS, "logits")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", "b", "a"], "classes holds 'a' more than once"),
        ([[0, 1]], r"classes has shape \(1, 2\)"),
        ([], r"classes has shape \(0,\)"),
        (3, r"classes has shape \(\)"),
    ],
)
def test_callable_query_refuses_classes_that_name_no_columns(classes, message):
    with pytest.raises(ValueError, match=message):
        constant(PROBABILITIES, classes=classes)


@pytest.mark.parametrize("method", [False, True])
def test_answers_have_memory_of_their_own(method):
    kept = np.empty((4, 2))

    def answer(X):
        kept[: len(X)] = X
        return kept[: len(X)]

    model = Fixed(predict_proba=None)
    model.predict_proba = answer
    query = as_query(model) if method else CallableQuery(answer)
    first = query.ask(ROWS, "predict_proba")
    query.ask(ROWS[::-1], "predict_proba")
    np.testing.assert_array_equal(first, ROWS)


def test_callable_query_applies_preprocess():
    query = CallableQuery(lambda X: X, output="logits", preprocess=lambda X: X * 2)
    np.testing.assert_array_equal(respond(query, ROWS, "raw"), 2 * ROWS)


def test_repr_names_the_model():
    assert repr(as_query(GaussianNB().fit(IRIS, SPECIES))) == "SklearnQuery(GaussianNB)"
    assert repr(CallableQuery(np.sin)) == "CallableQuery(sin)"
    assert repr(CallableQuery(partial(np.sin))) == "CallableQuery(partial)"


# --- Space -----------------------------------------------------------------------------------


def test_spaces_group_queries():
    assert {constant(LOGITS).space, as_query(np.sin).space, Space(xnp)} == {HOST}
    assert Space(xnp, "elsewhere") != HOST
    assert HOST.xp is xnp


def test_spaces_are_immutable_and_pickle():
    with pytest.raises(AttributeError):
        HOST.device = "elsewhere"
    twin = pickle.loads(pickle.dumps(HOST))
    assert twin == HOST
    assert hash(twin) == hash(HOST)
    assert repr(twin) == "Space(array_api_compat.numpy)"


def test_host_arrays_are_not_copied():
    assert HOST.asarray(ROWS) is ROWS
    assert HOST.to_numpy(ROWS) is ROWS


class TensorQuery(Query):
    """Tensors in, tensors out: what a query for a device looks like to respond()."""

    def __init__(self, answer, outputs):
        super().__init__(answer)
        self.outputs = outputs

    @property
    def space(self):
        import array_api_compat.torch as xp

        return Space(xp, xp.asarray(0.0).device)

    def ask(self, X, output):
        weights = self.space.xp.asarray(self.model, dtype=X.dtype, device=self.space.device)
        answer = self.prepare(X) @ weights
        return self.space.xp.softmax(answer, -1) if output == "predict_proba" else answer


@pytest.mark.parametrize("output", ["logits", "predict_proba", "decision_function"])
@pytest.mark.parametrize("response", RESPONSES)
def test_tensors_give_the_numbers_of_arrays(output, response):
    torch = pytest.importorskip("torch")
    weights = np.array([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5]])
    on_tensors = TensorQuery(weights, (output,))

    def model(X):
        answer = X @ weights
        powers = np.exp(answer)
        return powers / powers.sum(1, keepdims=True) if output == "predict_proba" else answer

    on_arrays = CallableQuery(model, output=output)
    try:
        expected = respond(on_arrays, ROWS, response)
    except QueryError as error:
        with pytest.raises(QueryError, match=str(error).split(", and")[0]):
            respond(on_tensors, torch.asarray(ROWS), response)
        return
    scores = respond(on_tensors, torch.asarray(ROWS), response)
    assert isinstance(scores, torch.Tensor)
    np.testing.assert_allclose(on_tensors.space.to_numpy(scores), expected, atol=1e-12)
    assert respond(on_tensors, torch.asarray(ROWS).half(), response).dtype == torch.float32


def test_tensors_in_a_space_of_their_own_pass_the_conformance_checks():
    pytest.importorskip("torch")
    query = TensorQuery(np.array([[1.0, -1.0], [0.0, 2.0]]), ("logits", "predict_proba"))
    assert query.space != HOST
    assert pickle.loads(pickle.dumps(query.space)) == query.space
    check_query(query, np.arange(10.0).reshape(5, 2))


# --- conformance -----------------------------------------------------------------------------


def _network():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return TorchQuery(torch.nn.Linear(4, 3).eval())


_SILENT_CATBOOST = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}


def _with(*modules):
    """The first of some modules; the test is skipped where one is absent."""
    first, *_ = [pytest.importorskip(name) for name in modules]
    return first


def _boosted(library, data, objective):
    module = _with(library)
    params = {"objective": objective, "num_class": 3, "nthread": 1, "verbosity": 0}
    params |= {"verbose": -1} if library == "lightgbm" else {}
    return module.train(params, getattr(module, data)(IRIS, SPECIES), 3)


def _served():
    pytest.importorskip("urllib3")
    return QueriesOfAServer(LogisticRegression(max_iter=500).fit(IRIS, SPECIES).predict_proba)


def _keras():
    _with("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = _with("keras")
    return as_query(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")]))


EXAMPLES = {
    "SklearnQuery": lambda: as_query(LogisticRegression(max_iter=500).fit(IRIS, NAMES[SPECIES])),
    "CallableQuery": lambda: CallableQuery(
        LogisticRegression(max_iter=500).fit(IRIS, SPECIES).predict_proba, classes=range(3)
    ),
    "TorchQuery": _network,
    "OnnxQuery": lambda: OnnxQuery(_with("onnxruntime", "onnx") and linear([None, 4], 4)),
    "LiteRTQuery": lambda: LiteRTQuery(_with("ai_edge_litert") and tflite()),
    "LightGBMQuery": lambda: as_query(_boosted("lightgbm", "Dataset", "multiclass")),
    "XGBoostQuery": lambda: as_query(_boosted("xgboost", "DMatrix", "multi:softprob")),
    "KerasQuery": _keras,
    "CatBoostQuery": lambda: as_query(
        _with("catboost")
        .CatBoost({"loss_function": "MultiClass", "iterations": 3, **_SILENT_CATBOOST})
        .fit(IRIS, SPECIES)
    ),
    "HttpQuery": lambda: _served().http,
    "RemoteQuery": lambda: _served().remote,
}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, kind in vars(skzest.queries).items()
        if isinstance(kind, type)
        and issubclass(kind, Query)
        and not inspect.isabstract(kind)
        and name != "TransformersQuery"  # takes texts or images: see test_transformers.py
    ],
)
def test_every_query_keeps_the_contract(name):
    # A new kind of query is found here, and fails until it has an example that passes.
    check_query(EXAMPLES[name](), IRIS)


def test_check_query_takes_lists_of_strings():
    texts = ["a", "some words", "more words here", "", "end"]
    check_query(CallableQuery(lambda X: [[0.5 * len(x), -1.0] for x in X], output="logits"), texts)


class Linear(Query):
    """Keeps the contract; the classes below break it in one place each."""

    outputs = ("logits",)

    def __init__(self, **params):
        super().__init__(np.array([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5]]), **params)

    def ask(self, X, output):
        return self.prepare(X) @ self.model


class NoOutputs(Linear):
    outputs = ()


class ListOfOutputs(Linear):
    outputs = ["logits"]  # noqa: RUF012


class UnknownOutput(Linear):
    outputs = ("probabilities",)


class ClassesAsList(Linear):
    classes_ = ["a", "b", "c"]  # noqa: RUF012


class ClassTwice(Linear):
    classes_ = np.array(["a", "b", "a"])


class TooFewClasses(Linear):
    classes_ = np.array(["a", "b"])


class NoSpace(Linear):
    space = "host"


class ChangesBatch(Linear):
    def ask(self, X, output):
        X *= 2
        return self.prepare(X) @ self.model


class Lists(Linear):
    def ask(self, X, output):
        return super().ask(X, output).tolist()


class Integers(Linear):
    def ask(self, X, output):
        return super().ask(X, output).astype(int)


class NotFinite(Linear):
    def ask(self, X, output):
        return super().ask(X, output) / 0.0


class OneColumn(Linear):
    def ask(self, X, output):
        return super().ask(X, output)[:, :1]


class SkipsRow(Linear):
    def ask(self, X, output):
        return super().ask(X, output)[1:]


class NoPreprocess(Linear):
    def ask(self, X, output):
        return X @ self.model


class PreprocessTwice(Linear):
    def ask(self, X, output):
        return self.prepare(self.prepare(X)) @ self.model


class Noisy(Linear):
    def ask(self, X, output):
        return super().ask(X, output) + np.random.default_rng().normal(size=(len(X), 3))


class NormalisesBatch(Linear):
    def ask(self, X, output):
        return super().ask(X - X.mean(axis=0), output)


class SortsBatch(Linear):
    def ask(self, X, output):
        return np.sort(super().ask(X, output), axis=0)


class LooksAtNeighbours(Linear):
    def ask(self, X, output):
        answer = super().ask(X, output)
        return answer + 0.01 * np.roll(answer, 1, axis=0) * (len(X) == 6)


class ReusesMemory(Linear):
    kept = np.empty((9, 3))

    def ask(self, X, output):
        answer = self.kept[: len(X)]
        answer[:] = super().ask(X, output)
        return answer


class NoPickle(Linear):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class ForgetsInPickle(Linear):
    def __getstate__(self):
        return {**self.__dict__, "model": self.model + 1}


class WrongProbabilities(Linear):
    outputs = ("predict_proba",)


class StrangeLabels(Linear):
    outputs = ("predict",)
    classes_ = np.array([0, 1, 2])

    def ask(self, X, output):
        return super().ask(X, output).argmax(axis=1) + 2


class LabelColumn(StrangeLabels):
    def ask(self, X, output):
        return super().ask(X, output)[:, np.newaxis]


class LabelsOnly(StrangeLabels):
    classes_ = None


class TwoWidths(Linear):
    outputs = ("logits", "decision_function")

    def ask(self, X, output):
        return super().ask(X, output)[:, : 2 if output == "logits" else 3]


BATCH = np.array([[3.0, 1.0], [1.0, 2.0], [-1.0, 4.0], [0.0, 0.5], [5.0, -2.0], [2.0, 2.5]])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (NoOutputs, "outputs is empty"),
        (ListOfOutputs, "not a tuple"),
        (UnknownOutput, r"outputs holds \['probabilities'\]"),
        (ClassesAsList, "neither None nor an ndarray"),
        (ClassTwice, "holds a label twice"),
        (TooFewClasses, r"shape \(6, 3\) for a batch of 6; expected \(6, 2\)"),
        (NoSpace, "not a Space"),
        (ChangesBatch, "asking for logits changed the batch in place"),
        (Lists, "logits is a list that does not lie in Space"),
        (Integers, "dtype int64; expected floats"),
        (NotFinite, "18 non-finite numbers"),
        (OneColumn, r"response='logit' is offered, and fails: .*shape \(6, 1\)"),
        (SkipsRow, r"shape \(5, 3\) for a batch of 6"),
        (NoPreprocess, "preprocess was called 0 times"),
        (PreprocessTwice, "preprocess was called 2 times"),
        (Noisy, "the same batch, asked twice, gives answers up to"),
        (NormalisesBatch, "asked in pieces, gives answers"),
        (SortsBatch, "asked in pieces, gives answers"),
        (LooksAtNeighbours, "gives answers up to"),
        (ReusesMemory, "answering another batch changed an answer that was given before"),
        (NoPickle, "does not pickle: cannot pickle .*lock"),
        (ForgetsInPickle, "a pickled copy, gives answers up to"),
        (WrongProbabilities, "response='logit' is offered, and fails: .*not probabilities"),
        (StrangeLabels, "response='label' is offered, and fails: .*label 3, which is none"),
        (LabelColumn, r"labels have shape \(6, 1\); expected \(6,\)"),
        (LabelsOnly, "no response follows from"),
        (TwoWidths, "the number of classes depends on the response"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_check_query_finds_what_is_broken(broken, message):
    check_query(Linear(), BATCH.copy())
    with pytest.raises(AssertionError, match=message):
        check_query(broken(), BATCH.copy())


class WholeBatchOnly(Linear):
    """Right on the batch and on its pieces, wrong in another order."""

    def ask(self, X, output):
        answer = super().ask(X, output)
        return answer + (0.0 if len(X) < 6 or (X == BATCH).all() else 1.0)


def test_check_query_asks_in_another_order():
    with pytest.raises(AssertionError, match="asked in another order, gives answers up to"):
        check_query(WholeBatchOnly(), BATCH)


def test_check_query_excuses_declared_chance():
    check_query(Noisy(deterministic=False), BATCH)


def test_check_query_needs_a_query_and_a_few_inputs():
    with pytest.raises(AssertionError, match="function does not subclass Query"):
        check_query(lambda X: X, BATCH)
    with pytest.raises(ValueError, match="X has 3 inputs; pass at least 4"):
        check_query(Linear(), BATCH[:3])


# --- RowAsLinearModel ------------------------------------------------------------------------


def test_a_row_is_a_linear_model_of_all_axes():
    adapter = RowAsLinearModel(n_features=4, n_classes=3)
    query = adapter([1.0, -2.0, 3.0])
    images = np.arange(24.0).reshape(6, 2, 2)
    np.testing.assert_array_equal(
        respond(query, images, "raw"), respond(query, images.reshape(6, 4), "raw")
    )
    check_query(query, images)
    assert np.linalg.matrix_rank(respond(query, np.eye(4), "raw")) == 3


@pytest.mark.parametrize("row", [[5.0], [1.0, 1.0, 1.0, 1.0], np.ones(40)])
def test_classes_of_a_row_differ_even_if_it_repeats(row):
    scores = respond(RowAsLinearModel(n_features=4)(row), np.eye(4))
    assert (np.abs(scores) > 1e-3).all()


def test_row_as_linear_model_is_cloned_pickled_and_says_that_it_takes_rows():
    adapter = RowAsLinearModel(n_features=2, n_classes=3)
    assert adapter.takes_rows
    scores = respond(adapter(ROWS[1]), ROWS)
    for twin in (clone(adapter), pickle.loads(pickle.dumps(adapter))):
        assert twin.get_params() == adapter.get_params()
        query = pickle.loads(pickle.dumps(twin(ROWS[1])))
        np.testing.assert_array_equal(respond(query, ROWS), scores)


@pytest.mark.parametrize("row", [[], [[1.0, 2.0]], 3.0])
def test_what_is_not_a_row_is_refused(row):
    with pytest.raises(ValueError, match=r"a row of shape .* is not a model"):
        RowAsLinearModel(n_features=2)(row)


@pytest.mark.parametrize("kind", ["array", "frame", "sparse", "list"])
def test_a_perceptron_is_asked_for_few_rows_at_a_time(kind, monkeypatch):
    pd = pytest.importorskip("pandas")
    asked = []

    class Noted(FunctionTransformer):
        def transform(self, batch):
            asked.append(batch.shape[0] if hasattr(batch, "shape") else len(batch))
            return super().transform(batch)

    Noted.__module__ = "sklearn.preprocessing"
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(Noted(), MLPClassifier((256,), max_iter=2, random_state=0))
    as_kind = {
        "array": np.array,
        "frame": pd.DataFrame,
        "sparse": csr_array,
        "list": np.ndarray.tolist,
    }
    batch = as_kind[kind](np.tile(X, (20, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.fit(X, y).predict_proba(np.tile(X, (20, 1)))
    del asked[:]
    answer = SklearnQuery(model).ask(batch, "predict_proba")
    assert asked == [2048, 952]
    np.testing.assert_allclose(answer, expected, rtol=1e-12)
