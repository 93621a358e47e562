# SPDX-License-Identifier: BSD-3-Clause
"""The map of a zoo: near on paper is near in truth, and every name can be read."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from skzest.displays import ZooMapDisplay
from skzest.displays._labels import label_boxes, overlap
from skzest.displays._scaling import (
    classical,
    largest_connected,
    least_stress,
    nearest_tree,
    positions,
    squared_error,
    stress,
)
from skzest.drawing import VERMILION

pytest.importorskip("matplotlib")


def zoo(n_models, n_families=4, seed=0, spread=0.4):
    rng = np.random.default_rng(seed)
    families = rng.integers(n_families, size=n_models)
    S = rng.normal(size=(n_families, 30))[families] + spread * rng.normal(size=(n_models, 30))
    U = S / np.linalg.norm(S, axis=1, keepdims=True)
    D = np.clip(1 - U @ U.T, 0, None)
    np.fill_diagonal(D, 0)
    return (D + D.T) / 2, families


def between(X):
    return cdist(X, X)


# ---------------------------------------------------------------- positions


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000), n=st.integers(1, 12), method=st.sampled_from(["stress", "classical"])
)
def test_points_of_a_plane_are_found_again(seed, n, method):
    D = between(np.random.default_rng(seed).normal(size=(n, 2)))
    X = positions(D, method, 0)
    assert_allclose(between(X), D, atol=2e-3 * D.max())
    assert_allclose(X.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("spread", [0.4, 2.0])
@pytest.mark.parametrize("n_models", [10, 40])
def test_stress_is_that_of_sklearn(n_models, spread):
    from sklearn.manifold import smacof as of_sklearn

    D, _ = zoo(n_models, spread=spread)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        X, _ = of_sklearn(
            D, n_components=2, n_init=8, eps=1e-8, random_state=0, normalized_stress=False
        )
    ours = stress(D, positions(D, "stress", 0))
    assert ours < 0.97 * stress(D, classical(D))  # there was something to gain
    assert ours <= 1.01 * stress(D, X)


def zoo_with_unknown_distances(seed, n_gaps):
    rng = np.random.default_rng(seed)
    D, _ = zoo(8, seed=seed, spread=1.0)
    for i, j in rng.integers(8, size=(n_gaps, 2)):
        if i != j:
            D[i, j] = D[j, i] = np.nan
    return D, rng.normal(size=(8, 2))


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), n_gaps=st.integers(0, 10))
def test_the_stress_of_the_map_is_not_above_that_of_its_start(seed, n_gaps):
    D, start = zoo_with_unknown_distances(seed, n_gaps)
    X, error = least_stress(D, start)
    assert stress(D, X) < stress(D, start)
    assert_allclose(error, squared_error(D, X)[0])


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), n_gaps=st.integers(0, 10))
def test_gradient_is_that_of_the_error(seed, n_gaps):
    D, start = zoo_with_unknown_distances(seed, n_gaps)

    def error(flat):
        return squared_error(D, flat.reshape(-1, 2))[0]

    def gradient(flat):
        return squared_error(D, flat.reshape(-1, 2))[1].ravel()

    assert check_grad(error, gradient, start.ravel()) < 1e-4 * np.abs(gradient(start.ravel())).max()


def test_stress_by_hand():
    D = np.array([[0.0, 3.0, 4.0], [3.0, 0.0, np.nan], [4.0, np.nan, 0.0]])
    X = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    assert_allclose(stress(D, X), np.sqrt(4 / 25))
    assert stress(np.zeros((2, 2)), X[:2]) == 0.0


def test_unknown_distances_do_not_pull():
    rng = np.random.default_rng(1)
    truth = between(rng.normal(size=(9, 2)))
    D = truth.copy()
    for i, j in [(0, 1), (2, 5), (3, 8), (4, 7)]:
        D[i, j] = D[j, i] = np.nan
    assert_allclose(between(positions(D, "stress", 0)), truth, atol=0.01)


def test_models_without_distances_are_left_out():
    D, _ = zoo(6)
    D[2], D[:, 2] = np.nan, np.nan
    assert_array_equal(largest_connected(D), [0, 1, 3, 4, 5])
    halves = np.full((5, 5), np.nan)
    halves[:3, :3] = halves[3:, 3:] = 0.5
    assert_array_equal(largest_connected(halves), [0, 1, 2])


def test_tree_is_the_shortest():
    D = np.array([[0, 1, 5, 9], [1, 0, 2, 9], [5, 2, 0, 3], [9, 9, 3, 0]], dtype=float)
    assert sorted(map(sorted, nearest_tree(D).tolist())) == [[0, 1], [1, 2], [2, 3]]
    twins = 1e-12 * D  # copies are this near
    assert_array_equal(nearest_tree(twins), nearest_tree(D))
    assert len(nearest_tree(np.zeros((3, 3)))) == 2
    D[0, 1] = D[1, 0] = np.nan  # not known
    assert sorted(map(sorted, nearest_tree(D).tolist())) == [[0, 2], [1, 2], [2, 3]]


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), n=st.integers(2, 30))
def test_tree_is_that_of_scipy(seed, n):
    D = between(np.random.default_rng(seed).normal(size=(n, 3)))
    expected = np.argwhere(minimum_spanning_tree(D).toarray() > 0)
    assert sorted(map(sorted, nearest_tree(D).tolist())) == sorted(map(sorted, expected.tolist()))


def test_unknown_distances_between_copies_go_by_way_of_others():
    D = np.full((4, 4), 1e-12)
    np.fill_diagonal(D, 0)
    D[3, :3] = D[:3, 3] = 1.0
    D[0, 1] = D[1, 0] = np.nan
    for method in ("classical", "stress"):
        assert stress(D, positions(D, method, 0)) < 0.01


# ---------------------------------------------------------------- names


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), n=st.integers(0, 25), spread=st.sampled_from([0.0, 5.0, 80.0]))
def test_names_lie_on_paper_and_on_no_other_name(seed, n, spread):
    rng = np.random.default_rng(seed)
    points = np.clip(rng.normal(200, spread, size=(n, 2)), 0, 400)
    sizes = np.stack([rng.uniform(10, 90, n), np.full(n, 10.0)], axis=1)
    boxes = label_boxes(points, sizes, (400, 400))
    there = ~np.isnan(boxes[:, 0])
    assert there.sum() >= min(n, 15)
    boxes = boxes[there]
    assert_allclose(boxes[:, 2:] - boxes[:, :2], sizes[there])
    assert (boxes >= 0).all() and (boxes <= 400).all()
    shared = overlap(boxes, boxes)
    assert not shared[~np.eye(len(boxes), dtype=bool)].any()


def test_a_name_with_room_stands_right_beside_its_point():
    boxes = label_boxes([[50.0, 50.0]], [[30.0, 10.0]], (200, 200))
    assert_allclose(boxes, [[56, 45, 86, 55]])
    boxes = label_boxes([[195.0, 50.0]], [[30.0, 10.0]], (200, 200))  # no room to the right
    assert_allclose(boxes, [[159, 45, 189, 55]])
    assert np.isnan(label_boxes([[5.0, 5.0]], [[300.0, 10.0]], (200, 200))).all()


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("n_models", [1, 2, 5, 40])
@pytest.mark.parametrize("spread", [0.02, 0.4], ids=["tight", "loose"])
def test_names_are_written_apart_and_nothing_is_cut_off(n_models, spread):
    D, families = zoo(n_models, spread=spread)
    labels = [f"checkpoint of resnet20 seed {i}" for i in range(n_models)]
    display = ZooMapDisplay.from_distances(D, labels=labels, groups=families)
    display.figure_.draw_without_rendering()
    assert len(display.text_) == n_models
    frame = display.ax_.get_window_extent()
    boxes = []
    for text in display.text_:
        assert text.get_fontsize() >= 6
        extent = super(type(text), text).get_window_extent()  # of the name, without its line
        boxes.append([extent.x0, extent.y0, extent.x1, extent.y1])
        assert extent.x0 >= frame.x0 - 1 and extent.x1 <= frame.x1 + 1
    boxes = np.array(boxes)
    boxes = np.concatenate([boxes[:, :2] + 1, boxes[:, 2:] - 1], axis=1)  # a pixel is nothing
    shared = overlap(boxes, boxes)
    assert not shared[~np.eye(n_models, dtype=bool)].any()
    paper, drawn = display.figure_.bbox, display.figure_.get_tightbbox()
    assert drawn.x1 * display.figure_.dpi <= paper.x1 + 1
    assert drawn.y0 >= -0.02


def test_a_name_that_is_first_takes_the_place_of_another():
    points, sizes = [[50.0, 25.0]] * 40, [[60.0, 12.0]] * 40
    boxes = label_boxes(points, sizes, (100, 50))
    assert np.isnan(boxes[[30, 39]]).any()
    boxes = label_boxes(points, sizes, (100, 50), n_first=2)
    assert not np.isnan(boxes[:2]).any()
    assert not overlap(boxes[:1], boxes[1:2]).any()


def test_of_many_models_one_of_each_cluster_is_named():
    D, families = zoo(90, n_families=5)
    labels = [f"{family} {i}" for i, family in enumerate(families)]
    display = ZooMapDisplay.from_distances(D, labels=labels, suspects=[7, 3])
    named = {text.get_text() for text in display.text_}
    assert {labels[3], labels[7]} <= named
    medoids = named - {labels[3], labels[7]}
    assert sorted(name[0] for name in medoids) == sorted(map(str, np.unique(families)))
    caption = display.ax_.get_xlabel()
    assert f"named: {len(named)} of 90 models, the suspects and one of each cluster" in caption
    assert "positions of least stress" in caption
    assert len(display.points_[-1].get_offsets()) == 2
    assert [text.get_text() for text in display.legend_.get_texts()][-1] == "suspects"
    everyone = ZooMapDisplay.from_distances(D[:60, :60], labels=labels[:60])
    assert len(everyone.text_) == 60 and "named" not in everyone.ax_.get_xlabel()


@pytest.mark.parametrize("max_labels", [60, 8])
def test_the_names_of_suspects_are_in_their_colour(max_labels):
    D, _ = zoo(20)
    labels = [f"model {i}" for i in range(20)]
    display = ZooMapDisplay.from_distances(
        D, labels=labels, suspects=[7, 13], max_labels=max_labels
    )
    colored = {text.get_text() for text in display.text_ if text.get_color() == VERMILION}
    assert colored == {"model 7", "model 13"} < {text.get_text() for text in display.text_}


def test_the_legend_names_all_models_beside_suspects():
    display = ZooMapDisplay.from_distances(zoo(6)[0], suspects=[2])
    assert [text.get_text() for text in display.legend_.get_texts()] == ["models", "suspects"]


def test_suspects_without_a_known_distance_are_listed():
    D, _ = zoo(6)
    D[2], D[:, 2] = np.nan, np.nan
    display = ZooMapDisplay.from_distances(D, suspects=[2])
    assert display.legend_ is None
    assert "not shown" in display.ax_.get_xlabel()


def test_groups_beyond_the_markers_look_alike():
    D, _ = zoo(60)
    display = ZooMapDisplay.from_distances(D, groups=range(60), include_labels=False)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [*map(str, range(49)), "other groups"]
    assert len(display.points_[-1].get_offsets()) == 11
    assert display.legend_.get_window_extent().x1 <= display.figure_.bbox.x1 + 1


def test_one_unit_is_as_long_across_as_upwards():
    D, _ = zoo(8)
    display = ZooMapDisplay.from_distances(D)
    display.figure_.draw_without_rendering()
    origin, one = display.ax_.transData.transform([[0, 0], [1, 1]])
    assert_allclose(*(one - origin))


def test_caption_tells_the_stress_and_who_is_missing():
    D, _ = zoo(12)
    D[2], D[:, 2] = np.nan, np.nan
    display = ZooMapDisplay.from_distances(D, labels=[f"${i}$" for i in range(12)])
    there = np.delete(np.arange(12), 2)
    expected = stress(D[np.ix_(there, there)], display.positions[there])
    assert display.stress_ == expected > 0.01
    caption = display.ax_.get_xlabel()
    assert f"off by {expected:.0%}" in caption
    assert r"not shown, as their distances to these are not known: \$2\$" in caption
    assert np.isnan(display.positions[2]).all()
    assert len(display.text_) == 11


def test_groups_differ_in_colour_and_marker():
    D, _ = zoo(20)
    groups = [None if i == 3 else f"$f_{i % 9}" for i in range(20)]
    display = ZooMapDisplay.from_distances(D, groups=groups, include_labels=False)
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.points_
    }
    assert len(looks) == len(display.points_) == 10
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts[0] == r"\$f_0"
    assert texts[-1] == "not known"
    assert sum(len(points.get_offsets()) for points in display.points_) == 20
    assert display.text_ == []
    assert ZooMapDisplay.from_distances(D).legend_ is None


def test_signatures_are_placed_by_their_distances():
    from skzest import zest_distances

    S = np.random.default_rng(0).normal(size=(5, 12))
    display = ZooMapDisplay.from_signatures(S, distance="angular", method="classical")
    assert_allclose(display.distances, zest_distances(S, distance="angular"))


@pytest.mark.parametrize("D", [np.zeros((4, 4)), np.full((3, 3), np.nan)], ids=["zero", "NaN"])
def test_zoos_without_extent_are_drawn(D):
    display = ZooMapDisplay.from_distances(D)
    display.figure_.draw_without_rendering()
    assert display.stress_ == 0.0


def test_bad_input_is_refused():
    D, _ = zoo(4)
    with pytest.raises(ValueError, match="method must be 'stress' or 'classical'; got 'tsne'"):
        ZooMapDisplay.from_distances(D, method="tsne")
    with pytest.raises(ValueError, match="labels has 2 entries for 4 models"):
        ZooMapDisplay.from_distances(D, labels=["a", "b"])
    with pytest.raises(ValueError, match="D is not symmetric"):
        ZooMapDisplay.from_distances(np.triu(D))
    with pytest.raises(ValueError, match=r"suspects must be indices from 0 to 3, .* got 4"):
        ZooMapDisplay.from_distances(D, suspects=[0, 4])
    labels = ["a", "b", "c", "d"]
    with pytest.raises(TypeError, match=r"indices of models, .* labels\.index\(name\)"):
        ZooMapDisplay.from_distances(D, labels=labels, suspects=["b"])
    display = ZooMapDisplay.from_distances(D, labels=labels, suspects=[labels.index("b")])
    assert_array_equal(display.suspects, [1])
