# SPDX-License-Identifier: BSD-3-Clause
"""What a picture of distances says, and that it can be read."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.cluster.hierarchy import cophenet, is_valid_linkage
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.spatial.distance import squareform

from skzest import zest_distances
from skzest.displays import ZestDistanceDisplay, _clustering, _heatmap
from skzest.displays._clustering import cluster, complete_subset, links, order_leaves, order_of
from skzest.displays._heatmap import GROUP_COLORS, labelled_rows
from skzest.drawing import shorten, text_color

pytest.importorskip("matplotlib")


D3 = np.array([[0.0, 0.9, 0.1], [0.9, 0.0, 0.8], [0.1, 0.8, 0.0]])


def zoo(n_models, n_families=4, seed=0):
    """Distances with clusters in them, and the family of each model."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_families, 30))
    families = rng.integers(n_families, size=n_models)
    S = centres[families] + 0.4 * rng.normal(size=(n_models, 30))
    U = S / np.linalg.norm(S, axis=1, keepdims=True)
    D = np.clip(1 - U @ U.T, 0, None)
    np.fill_diagonal(D, 0)
    return D, families


def tick_texts(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def outline(artist):
    return artist.get_window_extent()


# ---------------------------------------------------------------- arrays


def test_order_puts_near_models_side_by_side():
    linkage, clustered = cluster(D3, "average", None)
    assert_array_equal(clustered, [0, 1, 2])
    assert list(order_of(3, linkage, clustered)) in ([1, 0, 2], [1, 2, 0])
    assert_allclose(linkage[:, 2], [0.1, 0.85])


@pytest.mark.parametrize("method", ["average", "single"])
@pytest.mark.parametrize("seed", range(10))
def test_leaf_order_is_the_best_that_the_dendrogram_allows(seed, method):
    D, _ = zoo(7, seed=seed)
    linkage, clustered = cluster(D, method, None)

    def leaves(node, flips):
        if node < 7:
            return [node]
        left, right = (int(child) for child in linkage[node - 7, :2])
        if flips[node - 7]:
            left, right = right, left
        return leaves(left, flips) + leaves(right, flips)

    def length(order):
        return sum(D[i, j] for i, j in itertools.pairwise(order))

    lengths = [length(leaves(12, flips)) for flips in itertools.product([False, True], repeat=6)]
    assert max(lengths) > min(lengths) + 0.01
    assert_allclose(length(order_of(7, linkage, clustered)), min(lengths))


def test_ordering_leaves_keeps_the_merges():
    D, _ = zoo(30)
    before = scipy_linkage(squareform(D), "average")
    after = order_leaves(before, D)
    assert is_valid_linkage(after)
    assert_array_equal(np.sort(after[:, :2]), np.sort(before[:, :2]))
    assert_array_equal(after[:, 2:], before[:, 2:])
    assert_array_equal(cophenet(after), cophenet(before))


@pytest.mark.parametrize("method", ["average", "complete", "single", "weighted"])
def test_brackets_of_the_dendrogram_are_the_merges(method):
    D, _ = zoo(9)
    linkage, _ = cluster(D, method, None)
    assert is_valid_linkage(linkage)
    brackets = links(linkage)
    assert brackets.shape == (8, 4, 2)
    assert_allclose(brackets[:, 1:3, 1], linkage[:, [2, 2]])  # top, at the height of the merge
    assert_allclose(brackets[:, 0, 0], brackets[:, 1, 0])  # legs are upright
    assert_allclose(brackets[:, 3, 0], brackets[:, 2, 0])
    feet = brackets[:, [0, 3], :].reshape(-1, 2)
    assert sorted(feet[feet[:, 1] == 0, 0]) == list(range(9))  # one foot per leaf
    order = order_of(9, linkage, None)
    merged_at = squareform(cophenet(linkage))[order][:, order]
    roof = np.sort(brackets[:, 1:3, 0], axis=1)
    for x in range(8):  # neighbours meet under the lowest bracket that spans both
        above = (roof[:, 0] <= x + 0.5) & (x + 0.5 <= roof[:, 1])
        assert_allclose(brackets[above, 1, 1].min(), merged_at[x, x + 1])


def test_a_chain_of_many_models_is_no_deeper_than_the_stack():
    n_models = 2 * sys.getrecursionlimit()
    chain = np.array(
        [[n_models + i - 1 if i else 0, i + 1, i + 1.0, i + 2] for i in range(n_models - 1)]
    )
    assert links(chain).shape == (n_models - 1, 4, 2)


@given(seed=st.integers(0, 1000), n_gaps=st.integers(0, 12))
def test_clustered_models_have_all_distances_among_them(seed, n_gaps):
    rng = np.random.default_rng(seed)
    D = np.ones((8, 8))
    np.fill_diagonal(D, 0)
    for i, j in rng.integers(8, size=(n_gaps, 2)):
        D[i, j] = D[j, i] = np.nan
    kept = complete_subset(D)
    assert len(kept) >= 1
    inside = D[np.ix_(kept, kept)]
    assert not np.isnan(inside[~np.eye(len(kept), dtype=bool)]).any()
    if not np.isnan(D[~np.eye(8, dtype=bool)]).any():
        assert len(kept) == 8  # a gap on the diagonal alone costs nobody a leaf


@pytest.mark.parametrize(
    "rgb", [(0, 0, 0), (0.27, 0.0, 0.33), (0.13, 0.57, 0.55), (0.99, 0.91, 0.14)]
)
def test_text_has_the_higher_of_two_contrasts(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    contrast = {"white": 1.05 / (luminance + 0.05), "black": (luminance + 0.05) / 0.05}
    color = text_color((*rgb, 1.0))
    assert contrast[color] == max(contrast.values()) > 4.5


@pytest.mark.parametrize("longest", [3, 5, 8, 24])
def test_shortened_labels_keep_beginning_and_end(longest):
    name = "resnet20-cifar10-seed-07"
    short = shorten(name + "x", longest)
    assert len(short) == longest
    assert short[0] == "r"
    assert shorten("a", longest) == "a"
    if longest >= 8:
        assert short.endswith("07x")


# ---------------------------------------------------------------- pictures


def test_display_keeps_what_it_was_given():
    linkage = cluster(D3, "average", None)[0]
    display = ZestDistanceDisplay(D3, labels=list("abc"), linkage=linkage)
    assert display.distances is D3
    assert display.linkage is linkage
    assert not hasattr(display, "ax_")
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure


def test_cells_labels_and_numbers_follow_the_leaves():
    display = ZestDistanceDisplay.from_distances(D3, labels=["mine", "other", "copy"])
    order = display.order
    assert_array_equal(display.distances, D3)
    assert_array_equal(display.im_.get_array(), D3[np.ix_(order, order)])
    expected = [["mine", "other", "copy"][i] for i in order]
    assert tick_texts(display.ax_.yaxis) == tick_texts(display.ax_.xaxis) == expected
    for (i, j), text in np.ndenumerate(display.text_):
        assert text.get_position() == (j, i)
        assert text.get_text() == f"{D3[order[i], order[j]]:.2f}"


def test_default_labels_count_models():
    display = ZestDistanceDisplay.from_distances(D3, method=None)
    assert tick_texts(display.ax_.yaxis) == ["model 0", "model 1", "model 2"]


def test_without_a_method_models_stay_in_order_and_there_is_no_dendrogram():
    display = ZestDistanceDisplay.from_distances(D3, method=None)
    assert_array_equal(display.order, [0, 1, 2])
    assert display.linkage is None
    assert display.dendrogram_ax_ is None


def test_dendrogram_stands_on_the_columns():
    D, _ = zoo(8)
    display = ZestDistanceDisplay.from_distances(D)
    display.figure_.draw_without_rendering()
    assert display.dendrogram_ax_.get_xlim() == display.ax_.get_xlim()
    tree, heat = outline(display.dendrogram_ax_), outline(display.ax_)
    assert_allclose([tree.x0, tree.x1], [heat.x0, heat.x1])
    assert tree.y0 >= heat.y1


def test_colours_run_from_zero_to_the_largest_distance_between_models():
    display = ZestDistanceDisplay.from_distances(D3)
    assert display.im_.get_clim() == (0.0, 0.9)
    display.plot(im_kw={"vmin": 0.5, "vmax": 2.0})
    assert display.im_.get_clim() == (0.5, 2.0)
    assert ZestDistanceDisplay.from_distances(np.zeros((2, 2))).im_.get_clim() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("distance", "end"), [(0.0, 1.0), (1e-14, 1e-9), (2e-9, 2e-9), (0.3, 0.3)], ids=str
)
def test_rounding_errors_are_not_painted_as_distances(distance, end):
    display = ZestDistanceDisplay.from_distances([[0.0, distance], [distance, 0.0]])
    assert display.im_.norm.vmax == end


@pytest.mark.parametrize(
    ("distance", "label"),
    [
        ("cosine", "cosine distance (no unit, 0 = alike)"),
        ("cityblock", "city-block distance (units of the scores)"),
        ("relative distance", "relative distance"),
    ],
)
def test_colour_bar_names_the_distance_and_its_unit(distance, label):
    display = ZestDistanceDisplay.from_distances(D3, distance=distance)
    assert display.colorbar_.ax.get_ylabel() == label
    assert ZestDistanceDisplay.from_distances(D3, colorbar=False).colorbar_ is None


def test_groups_are_a_strip_in_drawing_order_with_a_legend():
    from matplotlib.colors import to_rgba

    D, families = zoo(6, n_families=2)
    groups = [None if i == 4 else f"family {k}" for i, k in enumerate(families)]
    display = ZestDistanceDisplay.from_distances(D, groups=groups)
    named = list(dict.fromkeys(group for group in groups if group))
    assert len(named) == 2
    assert [text.get_text() for text in display.legend_.get_texts()] == named
    color_at = {
        round(box.get_x() + 0.5) + i: box.get_facecolor()
        for box in display.groups_ax_.patches
        for i in range(round(box.get_width()))
    }
    for column, model in enumerate(display.order):
        if groups[model] is None:
            assert column not in color_at
        else:
            assert color_at[column] == to_rgba(GROUP_COLORS[named.index(groups[model])])
    assert ZestDistanceDisplay.from_distances(D).groups_ax_ is None
    assert ZestDistanceDisplay.from_distances(D).legend_ is None


@pytest.mark.parametrize("n_models", [4, 60, 120])
def test_colours_of_the_strip_are_those_of_the_legend(n_models):
    """As pixels, for boxes of any width; hatched boxes have a mixture of colour and white."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.arange(n_models) % 9)
    display = ZestDistanceDisplay.from_distances(
        1.0 - np.eye(n_models), groups=groups, method=None, colorbar=False
    )
    figure = display.figure_
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] / 255
    mixed = {}  # the mean colour in the middle of each patch
    for where in ("strip", "legend"):
        legend = display.legend_.get_patches()
        patches = display.groups_ax_.patches if where == "strip" else legend
        for patch in patches:
            x0, y0, x1, y1 = patch.get_window_extent().extents
            x = round((x0 + x1) / 2 - 0.5)  # of a thin box the middle column of pixels
            shown = pixels[int(y0) + 2 : int(y1) - 1, x]
            color = tuple(patch.get_facecolor()[:3]), patch.get_hatch()
            mixed.setdefault(color, {}).setdefault(where, []).append(shown.mean(axis=0))
    assert len(mixed) == min(n_models, 9)
    for (color, hatch), found in mixed.items():
        assert set(found) == {"strip", "legend"}
        if not hatch:
            for where in found:
                assert_allclose(np.median(found[where], axis=0), color, atol=0.01)


def test_more_groups_than_colours_are_told_apart_by_hatches():
    D, _ = zoo(20)
    display = ZestDistanceDisplay.from_distances(D, groups=range(20))
    looks = {(box.get_facecolor(), box.get_hatch()) for box in display.groups_ax_.patches}
    assert len(looks) == 20


def test_groups_keep_their_colour_when_models_are_ordered_otherwise():
    from matplotlib.colors import to_rgba

    D, families = zoo(10)
    for method in (None, "average", "single"):
        display = ZestDistanceDisplay.from_distances(D, groups=families, method=method)
        first = next(box for box in display.groups_ax_.patches if box.get_x() < 0)
        known = list(dict.fromkeys(families))
        expected = GROUP_COLORS[known.index(families[display.order[0]])]
        assert first.get_facecolor() == to_rgba(expected)


@pytest.mark.parametrize("n_models", [1, 2, 12, 90, 105])
def test_labels_can_be_read_and_nothing_is_cut_off(n_models):
    D, families = zoo(n_models)
    labels = [f"resnet20 seed {i}" for i in range(n_models)]
    display = ZestDistanceDisplay.from_distances(D, labels=labels, groups=families)
    display.ax_.set_title("A zoo of models")
    display.figure_.draw_without_rendering()
    paper = display.figure_.bbox
    everything = display.ax_.get_tightbbox()
    assert everything.x0 >= paper.x0 - 1
    assert everything.y0 >= paper.y0 - 1
    assert everything.x1 <= paper.x1 + 1
    assert everything.y1 <= paper.y1 + 1
    for axis, low, high in [
        (display.ax_.xaxis, "x0", "x1"),
        (display.ax_.yaxis, "y0", "y1"),
    ]:
        written = axis.get_ticklabels()
        assert len(written) == n_models or n_models > 90
        assert len(written) >= 2 or n_models == 1
        assert all(text.get_fontsize() >= 6 for text in written)  # 8 pixels of a page
        spans = sorted((getattr(outline(t), low), getattr(outline(t), high)) for t in written)
        overlap = [a[1] - b[0] for a, b in itertools.pairwise(spans)]
        assert max(overlap, default=0.0) <= 1.0  # pixel
    heat = outline(display.ax_)
    assert_allclose(heat.width, heat.height)
    assert (display.text_ is not None) == (n_models <= 12)


@pytest.mark.parametrize("n_models", [120, 300])
def test_of_many_models_one_of_each_cluster_is_labelled(n_models):
    D, families = zoo(n_models)
    labels = [f"{family} {i}" for i, family in enumerate(families)]
    display = ZestDistanceDisplay.from_distances(D, labels=labels)
    written = tick_texts(display.ax_.yaxis)
    assert sorted(name.split()[0] for name in written) == sorted(map(str, np.unique(families)))
    rows = display.ax_.get_yticks()
    assert [labels[display.order[row]] for row in rows] == written
    unordered = ZestDistanceDisplay.from_distances(D, labels=labels, method=None)
    assert len(unordered.ax_.get_yticks()) > 40  # no clusters: evenly spaced
    assert len({*np.diff(unordered.ax_.get_yticks())}) == 1


def test_groups_beyond_the_legend_share_an_entry():
    D, _ = zoo(60)
    display = ZestDistanceDisplay.from_distances(D, groups=range(60))
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [*map(str, range(42)), "18 other groups"]
    colors = [patch.get_facecolor() for patch in display.groups_ax_.patches]
    assert colors.count(display.legend_.get_patches()[-1].get_facecolor()) == 18


@pytest.mark.parametrize("first", [[0, 1, 500, 2, 998], []])
def test_labels_of_representatives_keep_apart(first):
    at, font, room = labelled_rows(1000, 0.6, first)
    assert (np.diff(at) * 0.6 >= room).all() and room >= font
    if first:
        assert at.tolist() == [0, 500, 998]


def test_leaves_of_very_many_models_are_in_the_order_of_the_linkage(monkeypatch):
    D, _ = zoo(40)
    best = ZestDistanceDisplay.from_distances(D)
    monkeypatch.setattr(_clustering, "MOST_ORDERED", 39)
    plain = ZestDistanceDisplay.from_distances(D)

    def path(order):
        return D[order[:-1], order[1:]].sum()

    assert path(best.order) < path(plain.order)
    assert_allclose(np.sort(best.linkage[:, 2]), np.sort(plain.linkage[:, 2]))


def test_numbers_are_not_formatted_where_none_would_fit(monkeypatch):
    monkeypatch.setattr(_heatmap, "value_text", lambda *_: pytest.fail("formatted"))
    D, _ = zoo(200)
    assert ZestDistanceDisplay.from_distances(D).text_ is None


def test_a_long_label_loses_its_middle():
    labels = ["/checkpoints/a/very/long/path/run-01.pt", "b", "c"]
    display = ZestDistanceDisplay.from_distances(D3, labels=labels, method=None)
    first = tick_texts(display.ax_.yaxis)[0]
    assert len(first) == 24
    assert first.startswith("/check")
    assert first.endswith("run-01.pt")
    assert display.labels[0] == labels[0]


def test_numbers_can_be_asked_for_and_refused():
    D, _ = zoo(25)
    assert ZestDistanceDisplay.from_distances(D).text_ is None
    assert ZestDistanceDisplay.from_distances(D, include_values=True).text_.shape == (25, 25)
    display = ZestDistanceDisplay.from_distances(D3, include_values=False)
    assert display.text_ is None
    display.plot(values_format=".1e", text_kw={"color": "red"})
    assert display.text_[0, 0].get_text() == "0.0e+00"
    assert display.text_[0, 0].get_color() == "red"


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_given_axes_become_the_heat_map_and_everything_stays_in_their_box(layout):
    import matplotlib.pyplot as plt

    D, families = zoo(12)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout=layout)
    display = ZestDistanceDisplay.from_distances(D, groups=families, ax=left)
    assert display.ax_ is left
    assert display.figure_ is figure
    assert tuple(figure.get_size_inches()) == (10, 4)
    figure.draw_without_rendering()
    assert left.get_tightbbox().x1 <= right.get_tightbbox().x0 + 1
    assert left.get_tightbbox().y1 <= figure.bbox.y1 + 1
    assert left.get_tightbbox().x0 >= -1
    assert left.get_tightbbox().y0 >= -1


def test_a_figure_or_subfigure_can_be_given():
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(5, 5))
    display = ZestDistanceDisplay.from_distances(D3, ax=figure)
    assert display.figure_ is figure
    assert tuple(figure.get_size_inches()) == (5, 5)
    parts = plt.figure(figsize=(9, 5), layout="constrained").subfigures(1, 2)
    display = ZestDistanceDisplay.from_distances(D3, ax=parts[1])
    assert display.figure_ is parts[1]
    display.figure_.figure.draw_without_rendering()
    box, room = display.ax_.get_tightbbox(), parts[1].bbox
    assert room.x0 - 1 <= box.x0 < box.x1 <= room.x1 + 1
    assert room.y0 - 1 <= box.y0 < box.y1 <= room.y1 + 1


def test_signatures_are_compared_as_zest_distances_does():
    S = np.random.default_rng(0).normal(size=(5, 12))
    for params in (
        {},
        {"distance": "cityblock"},
        {"n_classes": 3, "alignment": "greedy"},
    ):
        display = ZestDistanceDisplay.from_signatures(S, **params)
        assert_allclose(display.distances, zest_distances(S, **params))
        assert display.distance == params.get("distance", "cosine")


# ---------------------------------------------------------------- what is not defined


def with_gaps(n_models, undefined):
    D, _ = zoo(n_models)
    D[undefined], D[:, undefined] = np.nan, np.nan
    return D


def test_models_without_distances_are_drawn_last_hatched_and_have_no_leaf():
    D = with_gaps(8, [2, 5])
    with pytest.warns(UserWarning, match="2 of 8 models .* model 2, model 5 are drawn last"):
        display = ZestDistanceDisplay.from_distances(D)
    assert_array_equal(display.order[-2:], [2, 5])
    assert len(display.linkage) == 5
    cells = display.im_.get_array()
    assert cells.mask[-2:].all()
    assert cells.mask[:, -2:].all()
    assert not cells.mask[:-2, :-2].any()
    assert display.im_.cmap.get_bad()[3] == 0  # the hatched background shows
    assert display.ax_.patch.get_hatch()
    assert display.text_[-1, 0] is None
    assert [text.get_text() for text in display.legend_.get_texts()] == ["not defined"]
    rest = [0, 1, 3, 4, 6, 7]
    without = ZestDistanceDisplay.from_distances(D[np.ix_(rest, rest)])
    assert_allclose(display.linkage, without.linkage)


def test_one_missing_pair_costs_one_leaf_only():
    D, _ = zoo(6)
    D[1, 4] = D[4, 1] = np.nan
    with pytest.warns(UserWarning, match="1 of 6 models has undefined distances"):
        display = ZestDistanceDisplay.from_distances(D)
    assert len(display.clustered) == 5


def test_with_nothing_to_cluster_models_stay_in_order():
    D = with_gaps(3, [0, 2])
    with pytest.warns(UserWarning, match="drawn in their original order"):
        display = ZestDistanceDisplay.from_distances(D, labels=list("abc"))
    assert display.linkage is None
    assert tick_texts(display.ax_.yaxis) == ["a", "b", "c"]
    with pytest.warns(UserWarning, match="no two of 2 models have a defined distance"):
        ZestDistanceDisplay.from_distances(np.full((2, 2), np.nan))


def test_unclustered_pictures_show_gaps_without_a_warning():
    display = ZestDistanceDisplay.from_distances(with_gaps(4, [1]), method=None)
    assert_array_equal(display.order, range(4))


# ---------------------------------------------------------------- errors and manners


@pytest.mark.parametrize(
    ("D", "params", "match"),
    [
        (np.zeros((2, 3)), {}, r"D has shape \(2, 3\); expected \(n_models, n_models\)"),
        (np.zeros((0, 0)), {}, r"D has shape \(0, 0\)"),
        ([[0, 1], [2, 0]], {}, r"D is not symmetric: D\[0, 1\] = 1, D\[1, 0\] = 2"),
        ([[0, np.nan], [2, 0]], {}, "D is not symmetric"),
        ([[0, np.inf], [np.inf, 0]], {}, "D holds 2 infinite values"),
        ([[0, -1], [-1, 0]], {}, "negative values, the least -1; .* pass 1 - s"),
        (D3, {"labels": ["a", "b"]}, "labels has 2 entries for 3 models"),
        (D3, {"groups": ["a"] * 4}, "groups has 4 entries for 3 models"),
        (D3, {"method": "ward"}, r"method must be 'average'.*; got 'ward'.*Euclidean"),
        (D3, {"method": "nonsense"}, "got 'nonsense'"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(D, params, match):
    with pytest.raises(ValueError, match=match):
        ZestDistanceDisplay.from_distances(D, **params)


@pytest.mark.parametrize("name", ["labels", "groups"])
def test_a_text_is_not_a_list_of_names(name):
    with pytest.raises(
        TypeError, match=f"{name} must be a list with one name per model; got 'abc'"
    ):
        ZestDistanceDisplay.from_distances(D3, **{name: "abc"})


def test_rounding_is_forgiven():
    D = D3.copy()
    D[0, 1] += 1e-12
    D[0, 0] = -1e-16
    display = ZestDistanceDisplay.from_distances(D)
    assert display.distances.min() == 0
    assert_array_equal(display.distances, display.distances.T)


def test_tuples_can_be_labels():
    display = ZestDistanceDisplay.from_distances(
        D3, labels=[("a", 0), ("a", 1), ("b", 0)], method=None
    )
    assert tick_texts(display.ax_.yaxis)[0] == "('a', 0)"


@pytest.mark.parametrize(
    ("value", "values_format", "text"),
    [
        (0.0003, ".2f", "3e-04"),
        (0.006, ".2f", "0.01"),
        (0.0, ".2f", "0.00"),
        (-1e-9, ".1f", "-1e-09"),
    ],
)
def test_small_values_are_not_written_as_zero(value, values_format, text):
    from skzest.displays._heatmap import value_text

    assert value_text(value, values_format) == text
