# SPDX-License-Identifier: BSD-3-Clause
"""The nearest models are those of the full matrix, however the zoo is cut into blocks."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skzest import DesignMismatchError, LimeSignatureTransformer, nearest_models, zest_distances
from skzest.comparing import _nearest

N_CLASSES, N_COMPONENTS = 4, 6


@pytest.fixture(params=[10**6, 60, 1], ids=["one block", "blocks of 2", "blocks of 1"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(_nearest, "_NUMBERS", request.param)


def zoo_with_gaps(n_models, seed=0):
    """Signatures; some models lack classes, one is constant, and two are equal."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n_models, N_CLASSES, N_COMPONENTS))
    W[2, :2] = W[5, 2:] = W[6, 0] = np.nan
    W[4] = 0.0
    W[7] = W[1]
    return W.reshape(n_models, -1)


def nearest_in(D, k):
    order = np.argsort(D, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(D, order, axis=1), order


@pytest.mark.parametrize("distance", ["cosine", "angular", "euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("alignment", [None, "greedy", "sequential", "nearest", "optimal"])
@pytest.mark.filterwarnings("ignore:the models of")
def test_they_are_those_of_the_full_matrix(blocks, distance, alignment):
    S = zoo_with_gaps(9)
    suspects = np.concatenate([S[[1, 2, 4]], zoo_with_gaps(8, seed=1)[5:7]])
    params = {"distance": distance, "alignment": alignment, "n_classes": N_CLASSES}
    D = zest_distances(suspects, S, **params)
    assert np.isnan(D).any() and not np.isnan(D).all()
    expected, order = nearest_in(D, 9)
    distances, indices = nearest_models(S, suspects, n_neighbors=9, **params)
    assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)
    assert_array_equal(np.take_along_axis(D, indices, axis=1), expected)
    assert_array_equal(np.sort(indices, axis=1), np.sort(order, axis=1))
    few, which = nearest_models(S, suspects, n_neighbors=2, **params)
    assert_array_equal(few, distances[:, :2])
    assert_array_equal(which, indices[:, :2])


@pytest.mark.filterwarnings("ignore:the models of")
def test_no_model_is_its_own_neighbour(blocks):
    S = zoo_with_gaps(9)
    S[8] = S[1]  # three equal models
    D = zest_distances(S, n_classes=N_CLASSES)
    distances, indices = nearest_models(S, n_neighbors=8, n_classes=N_CLASSES)
    assert (np.sort(indices, axis=1) == [np.delete(np.arange(9), i) for i in range(9)]).all()
    assert_allclose(distances, np.take_along_axis(D, indices, axis=1), atol=1e-12)
    one, which = nearest_models(S, n_neighbors=1, n_classes=N_CLASSES)
    assert which[[1, 7, 8], 0].tolist() == [7, 1, 1]
    assert one[[1, 7, 8], 0].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(one[4, 0])  # a constant model has no distance


def test_points_and_callables(blocks):
    S = np.random.default_rng(0).normal(size=(6, N_CLASSES * N_COMPONENTS))
    points = np.repeat([0, 1, 2], 2)
    params = {"alignment": "nearest", "n_classes": N_CLASSES, "points": points}
    expected, order = nearest_in(zest_distances(S[:2], S, **params), 3)
    distances, indices = nearest_models(S, S[:2], n_neighbors=3, **params)
    assert_allclose(distances, expected, atol=1e-12)
    assert_array_equal(indices, order)

    def largest(x, y):
        return float(np.abs(x - y).max())

    found = nearest_models(S, S[:2], distance=largest)
    assert_allclose(found[0], nearest_models(S, S[:2], distance="chebyshev")[0])


def test_a_file_is_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(_nearest, "_NUMBERS", 2**14)
    S = np.random.default_rng(0).normal(size=(2000, 512)).astype(np.float32)
    np.save(tmp_path / "zoo.npy", S)
    stored = np.load(tmp_path / "zoo.npy", mmap_mode="r")
    tracemalloc.start()
    distances, indices = nearest_models(stored, S[[7, 1999]], n_neighbors=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.2 * S.nbytes
    assert indices[:, 0].tolist() == [7, 1999]
    assert_allclose(distances, nearest_in(zest_distances(S[[7, 1999]], S), 3)[0], atol=1e-12)


def test_frames_carry_classes_and_design():
    pd = pytest.importorskip("pandas")

    X, y = load_iris(return_X_y=True)
    zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (0.01, 1.0, 1.1, 100.0)]
    lime = LimeSignatureTransformer(X, n_reference=4, n_samples=16).set_output(transform="pandas")
    S = lime.fit_transform(zoo)
    assert isinstance(S, pd.DataFrame)
    _, indices = nearest_models(S, S.iloc[[1]], n_neighbors=2, alignment="greedy")
    assert indices.tolist() == [[1, 2]]
    others = lime.set_params(random_state=1).fit_transform(zoo)
    with pytest.raises(DesignMismatchError):
        nearest_models(S, others, n_neighbors=1)


def test_bad_input_is_refused(blocks):
    S = zoo_with_gaps(9)
    with pytest.raises(ValueError, match=r"S has 8 other models\. Pass n_neighbors=8, or"):
        nearest_models(S, n_neighbors=9)
    assert nearest_models(S, n_neighbors=8)[1].shape == (9, 8)
    with pytest.raises(ValueError, match=r"S has 0 other models\. Pass suspects"):
        nearest_models(S[:1], n_neighbors=1)
    assert nearest_models(S[:1], S, n_neighbors=1)[1].shape == (9, 1)
    with pytest.raises(ValueError, match=r"but S has 9 models\. Pass n_neighbors=9, or"):
        nearest_models(S, S, n_neighbors=10)
    with pytest.raises(ValueError, match=r"suspects must be a 2-D array .* row\[None, :\]"):
        nearest_models(S, S[0])
    assert nearest_models(S, S[0][None, :], n_neighbors=1)[1].shape == (1, 1)
    with pytest.raises(ValueError, match="suspects has 12 columns and S has 24"):
        nearest_models(S, S[:, :12], n_neighbors=1)
    with pytest.raises(ValueError, match="distance must be"):
        nearest_models(S, distance="dot")
    with pytest.raises(TypeError, match="LimeSignatureTransformer"):
        nearest_models([LogisticRegression(), LogisticRegression()], S)


@pytest.mark.parametrize(("value", "fault"), [(np.inf, "is infinite"), (np.nan, "is NaN in 1 of")])
def test_rows_are_named_as_the_caller_knows_them(blocks, value, fault):
    S = zoo_with_gaps(9, seed=1)
    S = S[np.isfinite(S).all(axis=1)]
    bad, last = S.copy(), len(S) - 1
    bad[last, 3] = value
    with pytest.raises(ValueError, match=f"^row {last} of S {fault}"):
        nearest_models(bad, S[:1], n_neighbors=1, n_classes=4)
    with pytest.raises(ValueError, match=f"^row {last} of suspects {fault}"):
        nearest_models(S, bad, n_neighbors=1, n_classes=4)
    with pytest.raises(ValueError, match=f"^row {last} of S {fault}"):
        nearest_models(bad, n_neighbors=1, n_classes=4)
