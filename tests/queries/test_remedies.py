# SPDX-License-Identifier: BSD-3-Clause
"""Models that are not plain classifiers: what the refusal advises is run."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skzest import LimeSignatureTransformer, QueryError, TorchQuery, zest_distances
from skzest.queries import CallableQuery, SklearnQuery, as_query, respond

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000).fit(X, Y)


def distance(models, **params):
    lime = LimeSignatureTransformer(X, **({"n_reference": 8, "n_samples": 40} | params))
    return zest_distances(lime.fit_transform(models))[0, 1]


def is_alike(query, response="logit"):
    """Whether the query can be asked, and a model is at distance zero of itself."""
    return distance([query, query], response=response) < 1e-9


# --- regressors, clusterers, rankers, several labels -----------------------------------------


def test_regressors():
    model = LinearRegression().fit(X, Y)
    with pytest.raises(TypeError, match="is a regressor and has no classes") as said:
        distance([model, LR])
    assert 'CallableQuery(model.predict, output="decision_function")' in str(said.value)
    query = CallableQuery(model.predict, output="decision_function")
    assert is_alike(query, "decision_function")
    other = LinearRegression().fit(X[::3], Y[::3])
    other = CallableQuery(other.predict, output="decision_function")
    assert 0 < distance([query, other], response="decision_function") < 1


def test_regressors_of_one_score_per_class():
    model = LinearRegression().fit(X, LR.decision_function(X))
    query = CallableQuery(model.predict, output="logits")
    assert distance([query, CallableQuery(LR.decision_function, output="logits")]) < 1e-9


def test_columns_of_shape_n_1_are_decision_values_too():
    model = LinearRegression().fit(X, Y[:, None])
    column = CallableQuery(model.predict, output="decision_function")
    flat = CallableQuery(lambda batch: model.predict(batch)[:, 0], output="decision_function")
    assert respond(column, X, "raw").shape == (150, 2)
    np.testing.assert_array_equal(respond(column, X, "raw"), respond(flat, X, "raw"))


def test_clusterers():
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    with pytest.raises(TypeError, match=r'clusterer.*CallableQuery\(func, output="logits"\)'):
        as_query(model)
    assert is_alike(CallableQuery(lambda batch: -model.transform(batch), output="logits"))


def test_transformers():
    model = StandardScaler().fit(X)
    with pytest.raises(TypeError, match=r'cannot be asked.*CallableQuery\(func, output="logits"\)'):
        as_query(model)
    assert is_alike(CallableQuery(model.transform, output="logits"))


class Ranker:
    """Scores of one number, from a method that other models predict labels with."""

    def fit(self, batch):
        raise AssertionError("fitted")

    def predict(self, batch):
        return batch @ [1.0, -2.0, 3.0, 0.5]


def test_rankers():
    with pytest.raises(
        QueryError, match=r"of a regressor or a ranker, use CallableQuery\(func, out"
    ):
        distance([Ranker(), LR])
    query = CallableQuery(Ranker().predict, output="decision_function")
    assert is_alike(query, "decision_function")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("several", ["forest", "network", "one by one"])
def test_several_labels(several):
    targets = np.c_[Y == 0, Y == 1].astype(int)
    model = {
        "forest": RandomForestClassifier(3, random_state=0),
        "network": MLPClassifier((3,), max_iter=2000, random_state=0),
        "one by one": MultiOutputClassifier(GaussianNB()),
    }[several].fit(X, targets)
    with pytest.raises(
        TypeError, match="Wrap a function that returns the scores of one output in Call"
    ):
        as_query(model)

    def first(batch):
        answer = model.predict_proba(batch)
        return answer[0] if isinstance(answer, list) else np.c_[1 - answer[:, 0], answer[:, 0]]

    assert is_alike(CallableQuery(first))


# --- keras and its like ----------------------------------------------------------------------


class Keras:
    """Answers with whatever its last layer does, from `predict`."""

    def __init__(self, last):
        self.last = last

    def __call__(self, batch):
        raise AssertionError("called")

    def fit(self, batch, labels):
        raise AssertionError("fitted")

    def predict(self, batch):
        return self.last(batch)


def test_models_with_nothing_but_predict_are_taken_to_predict_probabilities():
    query = as_query(Keras(LR.predict_proba))
    assert type(query) is SklearnQuery
    assert query.outputs == ("predict_proba",)
    assert distance([Keras(LR.predict_proba), LR]) < 1e-9


def test_models_with_nothing_but_predict_that_predict_logits():
    model = Keras(LR.decision_function)
    with pytest.raises(QueryError, match=r'use CallableQuery\(model.predict, output="logits"\)'):
        distance([model, LR])
    assert distance([CallableQuery(model.predict, output="logits"), LR], clip=1e-30) < 1e-9


def test_models_with_nothing_but_predict_that_predict_labels():
    model = Keras(LR.predict)
    with pytest.raises(QueryError, match=r'labels, use .*"predict", classes=.* response="label"'):
        distance([model, LR])
    query = CallableQuery(model.predict, output="predict", classes=LR.classes_)
    assert distance([query, LR], response="label") < 1e-9


def test_words_as_answers():
    model = Keras(lambda batch: np.array(["a", "b", "c"])[LR.predict(batch)])
    with pytest.raises(QueryError, match=r'are labels, use CallableQuery.*response="label"'):
        respond(as_query(model), X)
    query = CallableQuery(model.predict, output="predict", classes=list("abc"))
    np.testing.assert_array_equal(respond(query, X, "label"), respond(as_query(LR), X, "label"))


# --- what a classifier lacks -----------------------------------------------------------------


def test_decision_values_where_logits_are_wanted():
    model = LinearSVC().fit(X, Y)
    with pytest.raises(QueryError, match=r'"raw", "decis.*"label" also suits') as said:
        distance([model, model])
    assert "CalibratedClassifierCV(FrozenEstimator(model)).fit(X, y)" in str(said.value)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X, Y)
    assert calibrated.calibrated_classifiers_[0].estimator.estimator is model
    assert distance([calibrated, LR]) < 0.5
    assert distance([model, LR, GaussianNB().fit(X, Y)], response="label") < 1
    for response in ("raw", "decision_function", "label"):
        assert distance([model, model], response=response) < 1e-9


def test_probabilities_where_decision_values_are_wanted():
    model = GaussianNB().fit(X, Y)
    with pytest.raises(QueryError, match='pass response="logit", "predict_proba" or "label"'):
        distance([model, model], response="decision_function")
    for response in ("logit", "predict_proba", "label"):
        assert distance([model, model], response=response) < 1e-9


def test_labels_where_logits_are_wanted():
    model = VotingClassifier([("nb", GaussianNB())]).fit(X, Y)
    with pytest.raises(QueryError, match=r'pass response="label"\.'):
        distance([model, model])
    assert distance([model, model], response="label") < 1e-9


def test_pairs_of_classes():
    model = SVC(decision_function_shape="ovo").fit(X, Y)
    with pytest.raises(QueryError, match=r'set decision_function_shape="ovr" on the SVC'):
        distance([model, model], response="raw")
    model.set_params(decision_function_shape="ovr")
    assert distance([model, model], response="raw") < 1e-9


def test_classes_of_another_number():
    query = CallableQuery(LR.predict_proba, classes=list("abcd"))
    with pytest.raises(QueryError, match="pass the labels of the columns as classes="):
        respond(query, X)
    assert respond(CallableQuery(LR.predict_proba, classes=list("abc")), X).shape == (150, 3)


def test_several_arrays_at_once():
    with pytest.raises(
        QueryError, match="wrap a function that returns one of them in CallableQuery"
    ):
        respond(CallableQuery(lambda b: [LR.predict_proba(b)] * 2), X)
    one = CallableQuery(lambda b: ([LR.predict_proba(b)] * 2)[0])
    np.testing.assert_array_equal(respond(one, X), respond(as_query(LR), X))


def test_scores_said_to_be_labels():
    query = CallableQuery(LR.decision_function, output="predict", classes=range(3))
    with pytest.raises(QueryError, match=r'say which: CallableQuery\(func, output="logits"\)'):
        respond(query, X, "label")
    assert is_alike(CallableQuery(LR.decision_function, output="logits"))


# --- networks ----------------------------------------------------------------------------------


def test_a_sigmoid_at_the_end_of_a_network():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid()).double().eval()
    with pytest.raises(
        QueryError, match=r"TorchQuery\(model\[:-1\].eval\(\), ...\).* and classes="
    ):
        as_query(net)
    without = TorchQuery(net[:-1].eval(), classes=["no", "yes"])
    with_it = TorchQuery(net, output="predict_proba", classes=["no", "yes"])
    assert distance([without, with_it], clip=1e-30) < 1e-9
    several = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid()).double().eval()
    with pytest.raises(QueryError, match="ends in a sigmoid"):
        TorchQuery(several)
    assert is_alike(TorchQuery(several[:-1].eval()))


def test_a_sigmoid_that_is_not_a_layer():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            torch.manual_seed(0)
            self.linear, self.function = torch.nn.Linear(4, 1).double(), function

        def forward(self, x):
            return self.function(self.linear(x))

    plain = TorchQuery(Net(torch.clone).eval(), classes=["no", "yes"])
    sigmoid = Net(torch.sigmoid).eval()
    with pytest.warns(UserWarning, match=r'0 and 1, .* TorchQuery\(model, output="predict_p'):
        assert distance([plain, TorchQuery(sigmoid, classes=["no", "yes"])]) > 0.001
    mended = TorchQuery(sigmoid, output="predict_proba", classes=["no", "yes"])
    assert distance([plain, mended], clip=1e-30) < 1e-9


def test_sigmoids_of_several_classes_that_are_no_layer():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            torch.manual_seed(0)
            self.linear, self.function = torch.nn.Linear(4, 3).double(), function

        def forward(self, x):
            return self.function(5 * self.linear(x - torch.tensor(X.mean(axis=0))))

    plain = TorchQuery(Net(torch.clone).eval())
    with pytest.warns(UserWarning, match=r"all scores .* 0 and 1, .* log\(p / \(1 - p\)\)"):
        assert distance([plain, TorchQuery(Net(torch.sigmoid).eval())]) > 0.001
    mended = TorchQuery(Net(lambda z: torch.logit(torch.sigmoid(z))).eval())
    assert distance([plain, mended]) < 1e-9


# --- images for a model of rows --------------------------------------------------------------


@pytest.mark.parametrize("model", [LR, SVC().fit(X, Y), RandomForestClassifier(3).fit(X, Y)])
def test_images_for_a_model_of_rows(model):
    images = X.reshape(-1, 2, 2)
    with pytest.raises(
        QueryError, match=r"batch of shape \(150, 2, 2\): Found array with dim"
    ) as e:
        respond(as_query(model), images, "label")
    assert "as_query(model, preprocess=rows)" in str(e.value)
    query = as_query(model, preprocess=lambda X: X.reshape(len(X), -1))
    expected = respond(as_query(model), X, "label")
    assert (respond(query, images, "label") == expected).all()
