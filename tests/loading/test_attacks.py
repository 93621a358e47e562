# SPDX-License-Identifier: BSD-3-Clause
"""Hostile and broken files: none is executed, none reads another file, each is a clear error."""

import numpy as np
import pytest
from loading import hostile_files as hostile
from model_files import linear, tflite

from skzest import load_model
from skzest.exceptions import QueryError
from skzest.loading import Limits

X = np.ones((3, 4), dtype=np.float32)


def attacks(files):
    return [pytest.param(build, id=name) for name, build in files.items()]


def loaded_and_asked(source, **params):
    query = load_model(source, **params)
    return query.ask(X, query.outputs[0])


def assert_refused(build, folder, **params):
    """Loading, or else asking, is an error with words; nothing was run; this process lives."""
    source = build(folder)
    with pytest.raises((ValueError, TypeError, QueryError)) as caught:
        loaded_and_asked(source, **params)
    assert len(str(caught.value)) > 30
    assert not hostile.marker(folder).exists()
    return str(caught.value)


def test_the_set_is_large():
    kinds = (
        hostile.ONNX,
        hostile.LITERT,
        hostile.PICKLES,
        hostile.ARCHIVES,
        hostile.SAFETENSORS,
    )
    assert sum(map(len, kinds)) >= 60


def test_the_pickles_would_run(tmp_path):
    import pickle

    pickle.loads(hostile.pickled(tmp_path))
    assert hostile.marker(tmp_path).exists()


@pytest.mark.parametrize("build", attacks(hostile.ONNX))
def test_onnx(build, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)  # where onnxruntime looks for other files
    assert "was not opened" in assert_refused(build, tmp_path)


@pytest.mark.parametrize("build", attacks(hostile.LITERT))
def test_tensorflow_lite(build, tmp_path):
    pytest.importorskip("ai_edge_litert")
    assert_refused(build, tmp_path)


@pytest.mark.parametrize("build", attacks(hostile.PICKLES))
def test_pickles_in_disguise(build, tmp_path):
    assert "was not opened" in assert_refused(build, tmp_path)


@pytest.mark.parametrize("build", attacks(hostile.ARCHIVES))
def test_archives_and_skops(build, tmp_path):
    pytest.importorskip("skops")
    trusted = ["sklearn.tree._tree.Tree"]  # what is checked after that
    assert "was not opened" in assert_refused(build, tmp_path, trusted=trusted)


@pytest.mark.parametrize("build", attacks(hostile.SAFETENSORS))
def test_safetensors(build, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    assert_refused(build, tmp_path, module=torch.nn.Linear(4, 2))


@pytest.mark.parametrize("kind", ["onnx", "tflite", "skops"])
def test_random_damage_is_an_error_or_another_model(kind, tmp_path):
    pytest.importorskip({"onnx": "onnx", "tflite": "ai_edge_litert", "skops": "skops"}[kind])
    pytest.importorskip("onnxruntime")
    build = {"onnx": lambda: linear([None, 4], 4), "tflite": tflite, "skops": hostile.skops_file()}
    whole = build[kind](tmp_path) if kind == "skops" else build[kind]()
    refused = 0
    load_model(whole, trusted=["sklearn.tree._tree.Tree"])
    for seed in range(100):
        try:
            loaded_and_asked(hostile.damaged(whole, seed), trusted=["sklearn.tree._tree.Tree"])
        except (ValueError, TypeError, QueryError):
            refused += 1
    assert refused > 20
    assert not hostile.marker(tmp_path).exists()


# --- what only a child process can bear ------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "limits", "reason"),
    [
        pytest.param(
            hostile.loop(), {"seconds": 2}, "took longer than limits.seconds=2", id="loop"
        ),
        pytest.param(
            hostile.loop(),
            {"processor_seconds": 1},
            "more than limits.processor_seconds=1 when",
            id="loop, by processor time",
        ),
        pytest.param(
            hostile.loop(grows=True), {"memory": 2**29}, "limits?.* memory", id="growing loop"
        ),
        pytest.param(
            hostile.growth_by_data, {"memory": 2**29}, "limits?.* memory", id="growth by data"
        ),
    ],
)
def test_a_child_is_held_to_its_limits(build, limits, reason, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    limits = Limits(**{"seconds": 30, "processor_seconds": 20, **limits})
    source = build(tmp_path)
    with pytest.raises(QueryError, match=reason):
        loaded_and_asked(source, isolated=True, limits=limits)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_damaged_files_of_boosters(library, tmp_path):
    pytest.importorskip(library)
    data = hostile.boosted(library, tmp_path)
    with pytest.raises(ValueError, match="does not check what it reads"):
        load_model(data)
    assert load_model(data, isolated=True).ask(X, "predict_proba").shape == (3, 2)
    damaged = hostile.damaged_booster(library, data)
    with pytest.raises((ValueError, QueryError)) as caught:
        loaded_and_asked(damaged, isolated=True)
    assert len(str(caught.value)) > 30
