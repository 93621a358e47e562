# SPDX-License-Identifier: BSD-3-Clause
"""Honest files: each kind is opened as its library does; refusals name what is safe instead."""

import io
import pickle

import joblib
import numpy as np
import pytest
from loading import hostile_files as hostile
from model_files import linear, tflite
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, load_model, zest_distances
from skzest.fingerprints import fingerprint
from skzest.queries import OnnxQuery, as_query

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
MODEL = LogisticRegression().fit(X, Y)


def test_onnx_is_opened_whatever_its_name(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.txt"
    path.write_bytes(linear([None, 4], 4))
    query = load_model(path, classes=["a", "b", "c"])
    assert repr(query) == "OnnxQuery(model.txt)"
    assert query.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(
        query.ask(X, "logits"), OnnxQuery(linear([None, 4], 4)).ask(X, "logits")
    )


@pytest.mark.parametrize("name", ["forest", "neighbours", "svm", "boosted", "texts"])
def test_exported_sklearn_models_pass_the_checks(name):
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    if name == "texts":
        words = ["good film", "bad film", "good play", "bad play"]
        model = make_pipeline(CountVectorizer(lowercase=False), LogisticRegression())
        model.fit(words, [1, 0, 1, 0])
        proto = skl2onnx.to_onnx(model, initial_types=[("text", StringTensorType([None]))])
        with pytest.raises(ValueError, match="uses the operator 'Tokenizer'"):
            load_model(proto.SerializeToString())
        given = load_model(proto.SerializeToString(), trust=True).ask(words, "predict_proba")
        np.testing.assert_allclose(given, model.predict_proba(words), atol=1e-5)
        return
    model = {
        "forest": RandomForestClassifier(3),
        "neighbours": KNeighborsClassifier(3),
        "svm": LinearSVC(),
        "boosted": GradientBoostingClassifier(n_estimators=3),
    }[name].fit(X, Y)
    query = load_model(skl2onnx.to_onnx(model, X[:1]).SerializeToString())
    assert query.classes_.tolist() == ["no", "yes"]
    assert (query.ask(X, "predict") == model.predict(X)).mean() > 0.95


def test_tensorflow_lite_is_opened():
    pytest.importorskip("ai_edge_litert")
    assert load_model(tflite(softmax=True)).outputs == ("predict_proba",)


def test_skops_files_name_the_types_that_they_need(tmp_path):
    skops_io = pytest.importorskip("skops.io")
    path = tmp_path / "model.skops"
    skops_io.dump(MODEL, path)
    np.testing.assert_array_equal(load_model(path).ask(X, "predict"), MODEL.predict(X))
    forest = hostile.skops_file()(tmp_path)
    with pytest.raises(ValueError, match=r"types that skops does not trust: sklearn.tree._tree"):
        load_model(forest)
    trusted = ["sklearn.tree._tree.Tree"]
    assert load_model(forest, trusted=trusted).ask(X, "predict_proba").shape == (30, 2)
    assert load_model(forest, trusted=trusted[0]).ask(X, "predict_proba").shape == (30, 2)


def test_weights_are_put_into_a_copy_of_the_module(tmp_path):
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    trained, blank = torch.nn.Linear(4, 2).eval(), torch.nn.Linear(4, 2)
    before = blank.weight.clone()
    data = safetensors.save(trained.state_dict())
    with pytest.raises(ValueError, match="and no network; pass module="):
        load_model(data)
    query = load_model(data, module=blank, classes=["no", "yes"])
    assert torch.equal(blank.weight, before)
    batch = torch.asarray(X)
    assert torch.equal(query.ask(batch, "logits"), as_query(trained).ask(batch, "logits"))
    saved = io.BytesIO()
    torch.save(trained.state_dict(), saved)
    same = load_model(saved.getvalue(), module=blank)
    assert torch.equal(same.ask(batch, "logits"), query.ask(batch, "logits"))


def test_a_pickled_module_is_refused_and_trust_opens_it():
    torch = pytest.importorskip("torch")
    saved = io.BytesIO()
    torch.save(torch.nn.Linear(4, 2), saved)
    with pytest.raises(ValueError, match="If it holds weights only, pass module="):
        load_model(saved.getvalue())
    with pytest.raises(ValueError, match="it holds more than weights"):
        load_model(saved.getvalue(), module=torch.nn.Linear(4, 2))
    assert load_model(saved.getvalue(), trust=True).outputs == ("logits",)


@pytest.mark.filterwarnings("ignore")  # torch: TorchScript is on its way out
@pytest.mark.parametrize("kind", ["TorchScript", "exported"])
def test_torch_programs_are_refused_and_trust_opens_them(kind, tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(4, 2).eval()
    path = tmp_path / "net.pt"
    if kind == "exported":
        path = tmp_path / "net.pt2"
        rows = {0: torch.export.Dim("rows", min=1)}
        example = (torch.zeros(3, 4),)
        torch.export.save(torch.export.export(net, example, dynamic_shapes=(rows,)), path)
    else:
        torch.jit.save(torch.jit.trace(net, torch.zeros(1, 4)), path)
    with pytest.raises(ValueError, match=f"{kind}.*pass trust=True"):
        load_model(path)
    given = load_model(path, trust=True).ask(torch.asarray(X), "logits")
    np.testing.assert_allclose(given, net(torch.asarray(X)).detach(), atol=1e-6)


def test_a_keras_file_is_refused_and_trust_opens_it(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    net.save(tmp_path / "net.keras")
    with pytest.raises(ValueError, match="it is a Keras archive, whose configuration"):
        load_model(tmp_path / "net.keras")
    given = load_model(tmp_path / "net.keras", trust=True).ask(X, "predict_proba")
    np.testing.assert_allclose(given, net.predict_on_batch(X), atol=1e-6)


@pytest.mark.parametrize("compress", [0, ("gzip", 3), ("xz", 3)])
def test_pickles_are_refused_and_trust_opens_them(compress, tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(MODEL, path, compress=compress)
    with pytest.raises(ValueError, match=r"model.joblib was not opened: it is .*pass trust=True"):
        load_model(path)
    np.testing.assert_array_equal(load_model(path, trust=True).ask(X, "predict"), MODEL.predict(X))


def test_an_absent_library_is_named(monkeypatch, tmp_path):
    import sys

    pytest.importorskip("skops")
    forest = hostile.skops_file()(tmp_path)
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(ImportError, match=r"skops\S* is not installed.*skzest\[files\]"):
        load_model(forest)


def test_a_loop_needs_a_child_and_a_foreign_operator_needs_trust(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match="it has a Loop, which may never end; pass isolated=True"):
        load_model(hostile.loop()(tmp_path))
    foreign = hostile.foreign_operator("com.microsoft")(tmp_path)
    with pytest.raises(ValueError, match=r"Run.* is not a registered function"):
        load_model(foreign, trust=True)  # onnxruntime's own refusal


def test_only_regular_files_of_some_size_are_read(tmp_path):
    import os

    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_model(tmp_path / "absent.onnx")
    with pytest.raises(ValueError, match="is not a regular file"):
        load_model(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.onnx")
        with pytest.raises(ValueError, match="is not a regular file"):
            load_model(tmp_path / "pipe.onnx")
    (tmp_path / "large.onnx").write_bytes(b"\x08" * 2000)
    with pytest.raises(ValueError, match="2,000 bytes, more than max_bytes=1,000"):
        load_model(tmp_path / "large.onnx", max_bytes=1000)
    with pytest.raises(ValueError, match=r"it is empty\. Models come as"):
        load_model(b"")
    with pytest.raises(TypeError, match="takes a path or bytes; got int"):
        load_model(3)
    with pytest.raises(ValueError, match="pass isolated=True with it"):
        load_model(b"", limits=object())


def test_a_path_among_models_is_refused_and_load_model_opens_it(tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(MODEL, path)
    for name in (path, str(path)):
        with pytest.raises(TypeError, match=r"open a file with load_model\(path\)"):
            as_query(name)
    assert as_query(load_model(path, trust=True)).outputs


def test_a_file_in_a_zoo_of_objects(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    proto = skl2onnx.to_onnx(MODEL, X[:1], options={"zipmap": False})
    loaded = load_model(proto.SerializeToString())
    other = LogisticRegression(C=1e-3).fit(X, np.roll(Y, 5))
    lime = LimeSignatureTransformer(X, n_reference=6, n_samples=32)
    D = zest_distances(lime.fit_transform([MODEL, loaded, other]))
    assert D[0, 1] < 1e-5 < 1e-3 < D[0, 2]
    assert len(fingerprint(loaded.content())) == 64


def test_pickles_are_known_without_running_them(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(ValueError, match="it is a pickle"):
            load_model(hostile.pickled(tmp_path, protocol))
    assert not hostile.marker(tmp_path).exists()
