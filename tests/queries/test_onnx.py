# SPDX-License-Identifier: BSD-3-Clause
"""ONNX models: what the graph declares decides how they are asked."""

import pickle

import numpy as np
import pytest
from model_files import graph, linear
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skzest import LimeSignatureTransformer, zest_distances
from skzest.exceptions import QueryError
from skzest.fingerprints import fingerprint
from skzest.queries import OnnxQuery, as_query, respond
from skzest.testing import check_query

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = IRIS.astype(np.float32)
NAMES = np.array(["setosa", "versicolor", "virginica"])
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def converted(model, labels=NAMES[SPECIES], **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    model.fit(IRIS, labels)
    return skl2onnx.to_onnx(model, IRIS[:1], **options)


CLASSIFIERS = {
    "tree": DecisionTreeClassifier(),  # answers with zeros and ones
    "forest": RandomForestClassifier(5, random_state=0),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "network": MLPClassifier((8,), max_iter=2000, random_state=0),
}


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_exported_sklearn_models_keep_the_contract_and_the_names_of_classes(name, zipmap):
    proto = converted(CLASSIFIERS[name], options={"zipmap": zipmap})
    query = as_query(proto)
    assert isinstance(query, OnnxQuery)
    assert query.outputs == ("predict_proba", "predict")
    assert query.classes_.tolist() == NAMES.tolist()
    check_query(query, IRIS[::20])


@pytest.mark.parametrize("name", ["logistic", "network"])
def test_exported_sklearn_models_lie_at_distance_zero_from_their_originals(name):
    proto = converted(CLASSIFIERS[name], options={"zipmap": False})
    unrelated = LogisticRegression(C=0.01).fit(IRIS, NAMES[SPECIES])
    lime = LimeSignatureTransformer(IRIS, n_reference=8, n_samples=32)
    D = zest_distances(lime.fit_transform([CLASSIFIERS[name], proto, unrelated]))
    assert D[0, 1] < 1e-5 < 1e-3 < D[0, 2]


def test_whole_numbers_as_labels_are_kept():
    proto = converted(RandomForestClassifier(3), labels=SPECIES + 10)
    assert as_query(proto).classes_.tolist() == [10, 11, 12]


def test_decision_values_are_not_taken_for_logits():
    proto = converted(RidgeClassifier(), options={"zipmap": False})
    query = as_query(proto)
    assert query.outputs == ("decision_function", "predict")
    check_query(query, IRIS[::20])


def test_two_classes_and_one_column():
    node = onnx.helper.make_node
    weights = np.ones((4, 1), dtype=np.float32)
    model = graph(
        [node("MatMul", ["x", "w"], ["z"]), node("Sigmoid", ["z"], ["y"])],
        [("x", FLOAT, [None, 4])],
        [("y", FLOAT, [None, 1])],
        {"w": weights},
    )
    query = OnnxQuery(model, classes=["no", "yes"])
    assert query.outputs == ("predict_proba",)
    positive = 1 / (1 + np.exp(-IRIS[:5].sum(axis=1)))
    given = query.ask(IRIS[:5] - 0, "predict_proba")
    np.testing.assert_allclose(given, np.stack([1 - positive, positive], axis=1), atol=1e-6)


def test_answers_are_those_of_the_bare_session():
    proto = converted(CLASSIFIERS["logistic"], options={"zipmap": False})
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    np.testing.assert_array_equal(
        as_query(session).ask(IRIS, "predict_proba"), session.run(["probabilities"], {"X": IRIS})[0]
    )


@pytest.mark.parametrize(
    ("shape", "copies"),
    [
        ([None, 3, 4, 5], (6, 4, 5, 3)),
        ([None, 3, 4, 5], (6, 3, 4, 5)),
        ([None, 4, 5, 3], (6, 3, 4, 5)),
        ([None, 1, 4, 5], (6, 4, 5)),
        ([None, 4, 5, 1], (6, 4, 5)),
    ],
)
def test_images_come_in_the_layout_of_the_graph(shape, copies):
    X = np.random.default_rng(0).integers(0, 256, copies, dtype=np.uint8)
    data = linear(shape, int(np.prod(shape[1:])))
    query = OnnxQuery(data, preprocess=np.float64)
    check_query(query, X)
    if copies[1:] == tuple(shape[1:]):
        arranged = X
    elif len(copies) == 3:
        arranged = X.reshape(6, *shape[1:])
    else:
        arranged = np.moveaxis(X, 3, 1) if shape[1] == 3 else np.moveaxis(X, 1, 3)
    session = onnxruntime.InferenceSession(data)
    expected = session.run(None, {"x": np.ascontiguousarray(arranged, dtype=np.float32)})[0]
    np.testing.assert_array_equal(query.ask(X, "logits"), expected)


def test_images_are_normalised_by_mean_and_std():
    X = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 0.4])
    data = linear([None, 3, 4, 4], 48)
    by_hand = np.moveaxis((X / 255 - mean) / std, 3, 1)
    np.testing.assert_allclose(
        OnnxQuery(data, mean=mean, std=std).ask(X, "logits"),
        OnnxQuery(data).ask(by_hand, "logits"),
        atol=1e-4,
    )


def test_images_that_are_not_scaled_are_told_and_preprocess_says_that_it_is_meant():
    images = np.zeros((4, 4, 4, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match="gets uint8 copies as numbers up to 255, not scaled"):
        OnnxQuery(linear([None, 3, 4, 4], 48)).ask(images, "logits")
    OnnxQuery(linear([None, 3, 4, 4], 48), preprocess=np.float32).ask(images, "logits")
    noted = {"Image.NominalPixelRange": "NominalRange_0_255"}
    OnnxQuery(linear([None, 3, 4, 4], 48, metadata=noted)).ask(images, "logits")


def test_a_shape_that_does_not_fit_is_refused_and_preprocess_mends_it():
    data, X = linear([None, 3, 4, 5], 60), np.zeros((6, 2, 2, 3))
    with pytest.raises(QueryError, match=r"shape \(any, 3, 4, 5\), and copies of shape"):
        OnnxQuery(data).ask(X, "logits")
    resized = OnnxQuery(data, preprocess=lambda X: np.resize(X, (len(X), 4, 5, 3)))
    assert resized.ask(X, "logits").shape == (6, 3)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_fixed_batch_is_filled_and_cut(rows):
    free, fixed = linear([None, 4], 4), linear([rows, 4], 4)
    np.testing.assert_allclose(
        OnnxQuery(fixed).ask(IRIS[:10], "logits"), OnnxQuery(free).ask(IRIS[:10], "logits"), 1e-6
    )
    check_query(OnnxQuery(fixed), IRIS[::20])


def test_a_table_goes_into_one_input_for_each_column():
    pd = pytest.importorskip("pandas")
    node = onnx.helper.make_node
    one_hot = [
        node("Concat", ["age", "income"], ["table"], axis=1),
        node("MatMul", ["table", "w"], ["z"]),
    ]
    weights = np.array([[1, -1], [0, 2]], dtype=np.float32)
    inputs = [("age", FLOAT, [None, 1]), ("income", FLOAT, [None, 1])]
    query = OnnxQuery(graph(one_hot, inputs, [("z", FLOAT, [None, 2])], {"w": weights}))
    frame = pd.DataFrame({"income": [1.0, 2.0, 3.0, 5.0], "age": [40.0, 50.0, 60.0, 80.0]})
    expected = frame[["age", "income"]].to_numpy() @ weights
    np.testing.assert_allclose(query.ask(frame, "logits"), expected)
    np.testing.assert_allclose(query.ask(frame[["age", "income"]].to_numpy(), "logits"), expected)
    check_query(query, frame)


def test_texts_go_into_an_input_of_strings():
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import CountVectorizer

    texts = ["good film", "bad film", "good play", "bad play"]
    model = make_pipeline(CountVectorizer(lowercase=False), LogisticRegression()).fit(
        texts, [1, 0, 1, 0]
    )
    proto = skl2onnx.to_onnx(
        model, initial_types=[("text", StringTensorType([None]))], options={"zipmap": False}
    )
    query = as_query(proto)
    check_query(query, texts)
    np.testing.assert_allclose(query.ask(texts, "predict_proba"), model.predict_proba(texts), 1e-5)


def test_inputs_by_name_come_from_preprocess():
    node = onnx.helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["vectors"]),
        node("ReduceMean", ["vectors"], ["z"], axes=[1], keepdims=0),
    ]
    table = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    data = graph(nodes, [("ids", INT64, [None, None])], [("z", FLOAT, [None, 3])], {"table": table})

    def tokens(texts):
        return {"ids": np.array([[len(word) for word in text.split()] for text in texts])}

    query = OnnxQuery(data, preprocess=tokens, output="logits")
    check_query(query, ["a bc", "abc a", "abcd ab", "ab ab"])
    wrong = OnnxQuery(data, preprocess=lambda texts: {"tokens": tokens(texts)["ids"]})
    with pytest.raises(QueryError, match="named 'tokens'; the model takes 'ids'"):
        wrong.ask(["a b"], "logits")


@pytest.mark.parametrize(
    "note",
    [
        '["cat", "dog", "owl"]',
        "{0: 'cat', 1: 'dog', 2: 'owl'}",
        '{"owl": 2, "cat": 0, "dog": 1}',
        "cat, dog, owl",
    ],
)
def test_names_of_classes_are_read_from_metadata(note):
    query = OnnxQuery(linear([None, 4], 4, metadata={"names": note}))
    assert query.classes_.tolist() == ["cat", "dog", "owl"]


def test_two_lists_of_classes_that_disagree_are_refused():
    data = linear([None, 4], 4, metadata={"classes": '["cat", "dog", "owl"]'})
    with pytest.raises(ValueError, match="two lists of classes: classes= gives"):
        OnnxQuery(data, classes=["dog", "cat", "owl"])
    assert OnnxQuery(data, classes=["cat", "dog", "owl"]).classes_.tolist()[0] == "cat"


def test_names_replace_the_numbers_of_a_graph_in_labels_as_well():
    proto = converted(RandomForestClassifier(3, random_state=0), labels=SPECIES)
    query = OnnxQuery(proto, classes=NAMES)
    expected = NAMES[as_query(proto).ask(IRIS, "predict")]
    assert query.ask(IRIS, "predict").tolist() == expected.tolist()
    assert respond(query, IRIS, "label").sum() == len(IRIS)


def test_output_is_recognised_by_looking():
    assert OnnxQuery(linear([None, 4], 4)).outputs == ("logits",)
    assert OnnxQuery(linear([None, 4], 4, softmax=True)).outputs == ("predict_proba",)
    assert OnnxQuery(linear([None, 4], 4), output="decision_function").outputs == (
        "decision_function",
    )


def test_one_of_several_outputs_is_named():
    node = onnx.helper.make_node
    weights = np.eye(4, dtype=np.float32)
    data = graph(
        [node("MatMul", ["x", "w"], ["features"]), node("Softmax", ["features"], ["scores"])],
        [("x", FLOAT, [None, 4])],
        [("features", FLOAT, [None, 4]), ("scores", FLOAT, [None, 4])],
        {"w": weights},
    )
    with pytest.raises(ValueError, match="'features' and 'scores'; pass output_name="):
        OnnxQuery(data)
    assert OnnxQuery(data, output_name="scores").outputs == ("predict_proba",)
    with pytest.raises(ValueError, match="'nothing' is not an output of scores"):
        OnnxQuery(data, output_name="nothing")


def test_floats_are_not_cut_to_whole_numbers_without_a_word():
    node = onnx.helper.make_node
    data = graph(
        [node("Cast", ["x"], ["c"], to=FLOAT), node("MatMul", ["c", "w"], ["z"])],
        [("x", onnx.TensorProto.UINT8, [None, 4])],
        [("z", FLOAT, [None, 3])],
        {"w": np.ones((4, 3), dtype=np.float32)},
    )
    with pytest.raises(QueryError, match="takes uint8, and float32 copies hold values"):
        OnnxQuery(data).ask(IRIS, "logits")
    rounded = OnnxQuery(data, preprocess=np.rint)
    assert rounded.ask(IRIS, "logits").shape == (150, 3)


def test_weights_in_another_file_are_refused_and_onnx_load_mends_it(tmp_path, monkeypatch):
    whole = onnx.load_model_from_string(linear([None, 400], 400))
    expected = OnnxQuery(whole).ask(np.ones((3, 400)), "logits")
    onnx.save(whole, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin")
    monkeypatch.chdir(tmp_path)  # onnxruntime looks here
    with pytest.raises(ValueError, match="weights in another file"):
        OnnxQuery(tmp_path / "m.onnx")
    loaded = OnnxQuery(onnx.load("m.onnx"))
    np.testing.assert_array_equal(loaded.ask(np.ones((3, 400)), "logits"), expected)


def test_pickles_and_fingerprints_by_its_bytes():
    first, twin, other = (OnnxQuery(linear([None, 4], 4, seed=s)) for s in (0, 0, 1))
    twin.runtime.run(None, {"x": IRIS})
    assert fingerprint(first.content()) == fingerprint(twin.content())
    assert fingerprint(first.content()) != fingerprint(other.content())
    assert fingerprint(pickle.loads(pickle.dumps(first)).content()) == fingerprint(first.content())


def test_several_processes_give_the_same_signature():
    models = [OnnxQuery(linear([None, 4], 4, seed=s), n_threads=1) for s in range(2)]
    lime = LimeSignatureTransformer(IRIS, n_reference=6, n_samples=32)
    one = lime.fit_transform(models)
    np.testing.assert_allclose(lime.set_params(n_jobs=2).fit_transform(models), one, atol=1e-6)


def test_an_absent_library_is_named_with_the_command_that_installs_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'onnxruntime is not installed: pip install "skzest'):
        OnnxQuery(linear([None, 4], 4))


def test_what_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(TypeError, match="by its path or its bytes; got int"):
        OnnxQuery(3)
    with pytest.raises(ValueError, match="onnxruntime cannot open"):
        OnnxQuery(b"not a model")
    with pytest.raises(FileNotFoundError):
        OnnxQuery(tmp_path / "absent.onnx")


def test_a_torch_network_lies_at_distance_zero_from_its_export(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from skzest import TorchQuery

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    ).eval()
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3)).eval()
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, 8, 8),),
            tmp_path / "net.onnx",
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            external_data=False,
            verbose=False,
        )
    norm = {"mean": [0.5, 0.5, 0.5], "std": 0.25}
    models = [TorchQuery(net, **norm), OnnxQuery(tmp_path / "net.onnx", **norm)]
    lime = LimeSignatureTransformer(images, n_reference=4, n_samples=64)
    D = zest_distances(lime.fit_transform([*models, TorchQuery(other, **norm)]))
    assert D[0, 1] < 1e-5 < 1e-2 < D[0, 2]
