# SPDX-License-Identifier: BSD-3-Clause
"""Which class is which: columns of frames, labels of configurations, zoos that do not fit."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, QueryError, TorchQuery, zest_distances
from skzest.queries import CallableQuery, as_query, check_comparable_columns, respond

X, Y = load_iris(return_X_y=True)
NAMED = LogisticRegression(max_iter=1000).fit(X, np.array(["a", "b", "c"])[Y])
PLAIN = LogisticRegression(max_iter=1000).fit(X, Y)


def distance(models, **params):
    lime = LimeSignatureTransformer(X, **({"n_reference": 8, "n_samples": 40} | params))
    return zest_distances(lime.fit_transform(models))[0, 1]


# --- data frames -----------------------------------------------------------------------------


def frame(batch, columns=None, index=None):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(NAMED.predict_proba(batch), columns=NAMED.classes_)
    table = table if columns is None else table[columns]
    return table if index is None else table.iloc[index]


def test_columns_of_a_frame_are_labels():
    shuffled = CallableQuery(lambda batch: frame(batch, ["c", "a", "b"]))
    assert distance([NAMED, shuffled]) < 1e-9
    assert shuffled.classes_.tolist() == ["c", "a", "b"]
    assert distance([CallableQuery(frame), shuffled]) < 1e-9


def test_columns_that_change_their_order_are_put_back():
    query = CallableQuery(lambda batch: frame(batch, list("cab") if len(batch) % 2 else None))
    first, again = respond(query, X[:4]), respond(query, X[:5])
    np.testing.assert_allclose(again[:4], first, atol=1e-9)


def test_columns_of_frames_from_a_method_of_the_model():
    class Predictor:
        def predict_proba(self, batch):
            return frame(batch, ["c", "a", "b"])

    assert distance([NAMED, Predictor()]) < 1e-9


def test_columns_are_put_in_the_order_of_classes():
    query = CallableQuery(lambda batch: frame(batch, ["c", "a", "b"]), classes=["a", "b", "c"])
    np.testing.assert_array_equal(respond(query, X), respond(as_query(NAMED), X))


def test_columns_are_matched_by_spelling_where_types_differ():
    pd = pytest.importorskip("pandas")

    def answer(batch):
        return pd.DataFrame(PLAIN.predict_proba(batch)[:, ::-1], columns=["2", "1", "0"])

    query = CallableQuery(answer, classes=[0, 1, 2])
    np.testing.assert_array_equal(respond(query, X), respond(as_query(PLAIN), X))


def test_columns_that_disagree_with_classes_are_refused_with_both():
    query = CallableQuery(frame, classes=["a", "b", "d"])
    with pytest.raises(
        QueryError, match=r"columns 'a', 'b', 'c', and its classes are 'a', 'b', 'd'"
    ):
        respond(query, X)
    renamed = CallableQuery(lambda b: frame(b).rename(columns={"c": "d"}), classes=list("abd"))
    plain = CallableQuery(lambda b: frame(b).to_numpy(), classes=list("abd"))
    np.testing.assert_array_equal(respond(renamed, X), respond(plain, X))  # both remedies


def test_default_columns_name_nothing():
    pd = pytest.importorskip("pandas")
    query = CallableQuery(lambda batch: pd.DataFrame(PLAIN.predict_proba(batch)))
    assert np.isfinite(respond(query, X)).all()
    assert query.classes_ is None


def test_rows_are_put_in_the_order_of_the_batch():
    pd = pytest.importorskip("pandas")
    order = np.random.default_rng(0).permutation(len(X))
    expected = respond(as_query(NAMED), X)
    query = CallableQuery(lambda batch: frame(batch, index=order))
    np.testing.assert_array_equal(respond(query, X), expected)
    batch = pd.DataFrame(X, index=[f"row {i}" for i in range(len(X))])

    def indexed(table):
        return frame(table.to_numpy()).set_index(table.index).iloc[order]

    np.testing.assert_array_equal(respond(CallableQuery(indexed), batch), expected)
    labels = CallableQuery(
        lambda table: pd.Series(NAMED.predict(table.to_numpy()), index=table.index).iloc[order],
        output="predict",
        classes=list("abc"),
    )
    np.testing.assert_array_equal(
        respond(labels, batch, "label"), respond(as_query(NAMED), X, "label")
    )


def test_an_index_that_says_nothing_about_the_batch_is_ignored():
    query = CallableQuery(lambda batch: frame(batch).set_index(np.zeros(len(batch))))
    np.testing.assert_array_equal(respond(query, X), respond(as_query(NAMED), X))


def test_learned_labels_do_not_change_who_the_model_is():
    query = CallableQuery(frame)
    before = query.content()
    respond(query, X)
    assert query.classes_.tolist() == ["a", "b", "c"]
    assert query.content() == before


def test_masked_arrays_are_refused_and_the_remedies_work():
    answer = np.ma.masked_less(PLAIN.predict_proba(X), 0.01)
    with pytest.raises(QueryError, match=r"masked array has no number .* answer.filled"):
        respond(CallableQuery(lambda batch: answer), X)
    for remedy in (answer.filled(0.0), answer.data):
        assert np.isfinite(respond(CallableQuery(lambda batch, r=remedy: r), X)).all()


# --- configurations --------------------------------------------------------------------------


def network(order=(0, 1, 2), **config):
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(4, 3).double().eval()
    with torch.no_grad():
        net.weight.copy_(torch.tensor(PLAIN.coef_[list(order)]))
        net.bias.copy_(torch.tensor(PLAIN.intercept_[list(order)]))
    if config:
        net.config = SimpleNamespace(**config)
    return net


def test_id2label_says_which_class_is_which():
    one = network(id2label={0: "a", 1: "b", 2: "c"})
    other = network(order=[2, 0, 1], id2label={"0": "c", "1": "a", "2": "b"})  # keys as in JSON
    assert distance([one, other]) < 1e-9
    assert distance([NAMED, other], clip=1e-30) < 1e-9


def test_id2label_of_placeholders_names_nothing():
    assert TorchQuery(network(id2label={i: f"LABEL_{i}" for i in range(3)})).classes_ is None
    assert TorchQuery(network(id2label=None)).classes_ is None
    assert TorchQuery(network(id2label={5: "a"})).classes_ is None


def test_a_label_of_two_columns_has_their_numbers_added():
    query = TorchQuery(network(id2label={0: "crane", 1: "ox", 2: "crane"}))
    assert query.classes_.tolist() == ["crane (0)", "ox", "crane (2)"]


def test_id2label_that_disagrees_with_classes_is_refused_with_both():
    net = network(id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(
        ValueError, match=r"'c', 'b', 'a', and config.id2label of Linear.* 'a', 'b'"
    ):
        TorchQuery(net, classes=["c", "b", "a"])
    assert TorchQuery(net).classes_.tolist() == ["a", "b", "c"]
    net.config.id2label = {0: "c", 1: "b", 2: "a"}
    assert TorchQuery(net, classes=["c", "b", "a"]).classes_.tolist() == ["c", "b", "a"]


# --- zoos ------------------------------------------------------------------------------------


def columns(*zoo):
    """Names, labels and widths of models given by their labels, or their number of columns."""
    names = [f"models[{i}]" for i in range(len(zoo))]
    labels = [None if isinstance(model, int) else np.array(model) for model in zoo]
    widths = [model if isinstance(model, int) else len(model) for model in zoo]
    return names, labels, widths


@pytest.mark.parametrize(
    "zoo",
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 1, 2], [0, 2]),  # trained without a class
        ([0, 1, 2], 3),
        (3, 3),
        (["a", "b"], ["b", "a", "c"]),
        ([False, True], 2),
    ],
)
def test_zoos_that_fit_are_taken_without_a_word(zoo):
    check_comparable_columns(*columns(*zoo))


@pytest.mark.parametrize(
    ("zoo", "message"),
    [
        (
            ([0, 1, 2], [1, 2, 3]),
            r"\[0\] has the labels 0, 1, 2 and .*1, 2, 3: they share only 1, 2",
        ),
        (([0, 1], [10, 20]), r"labels 0, 1 and models\[1\] has 10, 20: they share none"),
        ((["cat", "dog"], ["Cat", "Dog"]), "'cat', 'dog' and .* 'Cat', 'Dog': they share none"),
        ((128, 64), r"\[0\] has 128 unnamed columns and models\[1\] has 64"),
        (([0, 1, 2], 128), "labels 0, 1, 2 and .* has 128 unnamed columns.* with classes="),
        (([0, 1, 3], 4), "labels 0, 1, 3 and .* has 4 unnamed columns"),
        (([0, 1, 2, 3], 3), "labels 0, 1, 2, 3 and .* has 3 unnamed columns"),
    ],
)
def test_zoos_that_may_not_fit_bring_one_warning_with_both(zoo, message):
    with pytest.warns(UserWarning, match=message) as said:
        check_comparable_columns(*columns(*zoo))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("zoo", "message"),
    [
        (
            ([1, 2, 3], 3),
            r"labels 1, 2, 3 and models\[1\] has 3 unnamed .* count as 0, 1, 2.*classes=",
        ),
        (([0, 1, 2, 4], 4), r"labels 0, 1, 2, 4 and"),
        ((["a", "b"], 2), "labels 'a', 'b' and .* 2 unnamed columns, which count as 0, 1"),
        ((["a", "b"], 7), "labels 'a', 'b' and .* 7 unnamed columns"),
        ((["0", "1"], [0, 1]), r"text labels '0', '1' and models\[1\] the labels 0, 1"),
    ],
)
def test_zoos_that_cannot_fit_are_refused_with_both(zoo, message):
    with pytest.raises(ValueError, match=message):
        check_comparable_columns(*columns(*zoo))


def test_long_lists_of_labels_are_cut():
    with pytest.warns(
        UserWarning, match=r"0, 1, 2, 3, \.\.\., 98, 99 and .* 1, 2, 3, 4, \.\.\., 99, 100"
    ):
        check_comparable_columns(*columns(range(100), range(1, 101)))


def test_naming_the_columns_mends_a_zoo():
    one = LogisticRegression(max_iter=1000).fit(X, Y + 1)
    with pytest.raises(ValueError, match="Name the columns with classes="):
        distance([one, network()])
    assert distance([one, TorchQuery(network(), classes=[1, 2, 3])], clip=1e-30) < 1e-9
    with pytest.warns(UserWarning, match=r"share only 1, 2.*name the columns of one"):
        assert distance([one, PLAIN]) > 0.1
    assert distance([CallableQuery(one.predict_proba, classes=PLAIN.classes_), PLAIN]) < 1e-9


def test_vectors_that_are_not_class_scores_are_not_compared_without_a_word():
    weights = np.random.default_rng(0).normal(size=(4, 128))
    wide = CallableQuery(lambda batch: batch @ weights, output="logits")
    narrow = CallableQuery(lambda batch: batch @ weights[:, :64], output="logits")
    with pytest.warns(
        UserWarning, match="128 unnamed columns .* 64; they are compared by position"
    ):
        distance([wide, narrow])


def test_transform_looks_at_the_classes_of_fit():
    weights = np.random.default_rng(0).normal(size=(4, 128))
    wide, narrow = (
        CallableQuery(lambda batch, n=n: batch @ weights[:, :n], output="logits") for n in (128, 64)
    )
    lime = LimeSignatureTransformer(X, n_reference=2, n_samples=40).fit([wide])
    lime.transform([wide])
    with pytest.warns(
        UserWarning, match="the zoo of fit has the labels 0, 1, 2, 3, .* has 64 unnamed"
    ):
        lime.transform([wide, narrow])
    said = lime.set_params(n_classes=128).fit([wide])
    said.transform([wide, narrow])
