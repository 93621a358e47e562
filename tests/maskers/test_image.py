# SPDX-License-Identifier: BSD-3-Clause
"""Maskers on arrays that were written by hand, the facts they stand on, and their errors."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from skzest.maskers import BaseMasker, ImageMasker, TabularMasker, TextMasker, masker_for
from skzest.testing import check_masker

TRUE, FALSE = True, False  # masks read as pictures


def masked(masker, reference, masks, n=0):
    """Parts and masked copies of one point, all the way through."""
    container = masker.fit(reference).check_reference(reference)
    point = masker.point(masker.take(container, [n]), 0)
    parts = masker.cut(point)
    return parts, masker.render(point, parts, masker.fill_for(point, parts), np.array(masks))


def left_and_right(image):
    """A segmenter: two parts, with labels that are not 0 and 1."""
    labels = np.full(image.shape[:2], 7)
    labels[:, image.shape[1] // 2 :] = -3
    return labels


# Not parametrize_with_checks: that of scikit-learn 1.6 warns under pytest 9.
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        checked
        for masker in (TabularMasker(), TabularMasker(fill="median"))
        for checked in estimator_checks_generator(masker, mark="skip")
    ],
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_scikit_learn_checks_know_that_images_are_no_tables():
    with pytest.warns(SkipTestWarning, match="two_d_array=False, three_d_array=True"):
        check_estimator(ImageMasker())


# ---------------------------------------------------------------- images, by hand

GREY = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
COLOUR = np.array([[[[10, 20, 30], [11, 21, 31]]], [[[12, 22, 32], [14, 24, 35]]]], dtype=np.uint8)


def test_grey_copies_keep_the_parts_of_the_mask():
    parts, copies = masked(
        ImageMasker(left_and_right, fill="zero"),
        GREY,
        [[TRUE, TRUE], [FALSE, TRUE], [TRUE, FALSE], [FALSE, FALSE]],
    )
    assert_array_equal(parts, [[1, 0], [1, 0]])
    assert_array_equal(
        copies, [[[1, 2], [3, 4]], [[1, 0], [3, 0]], [[0, 2], [0, 4]], [[0, 0], [0, 0]]]
    )


def test_mean_is_that_of_the_whole_reference_per_channel_and_rounded():
    _, copies = masked(
        ImageMasker(left_and_right, channel_axis=-1), COLOUR, [[TRUE, FALSE], [FALSE, FALSE]]
    )
    assert copies.dtype == np.uint8
    # The means are 11.75, 21.75 and 32.
    assert_array_equal(copies, [[[[12, 22, 32], [11, 21, 31]]], [[[12, 22, 32], [12, 22, 32]]]])


@pytest.mark.parametrize("axis", ["auto", 0, -3])
def test_channels_first_stay_first(axis):
    first = COLOUR.repeat(5, axis=1).repeat(3, axis=2).transpose(0, 3, 1, 2)
    masker = ImageMasker(left_and_right, channel_axis=axis)
    parts, copies = masked(masker, first, [[FALSE, TRUE]])
    assert parts.shape == (5, 6)
    assert copies.shape == (1, 3, 5, 6)
    kept = parts == 1
    assert_array_equal(copies[0][:, kept], first[0][:, kept])
    assert_array_equal(copies[0][:, ~kept], np.repeat([[12], [22], [32]], (~kept).sum(), axis=1))


def test_channels_may_be_in_the_middle():
    middle = np.moveaxis(COLOUR, -1, 2)
    _, copies = masked(ImageMasker(left_and_right, channel_axis=1), middle, [[FALSE, FALSE]])
    assert_array_equal(copies, [[[[12, 12], [22, 22], [32, 32]]]])


def test_part_mean_is_the_colour_of_each_part():
    _, copies = masked(ImageMasker(left_and_right, fill="part_mean"), GREY, [[FALSE, FALSE]])
    assert_array_equal(copies, [[[2, 3], [2, 3]]])
    _, copies = masked(
        ImageMasker(left_and_right, fill="part_mean"), GREY.astype(np.uint8) ** 2, [[FALSE, TRUE]]
    )
    # Right half: 4 and 16 of the point alone.
    assert_array_equal(copies, [[[1, 10], [9, 10]]])


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        (1.4, [[1, 1, 1], [1, 1, 1]]),
        (np.uint8(9), [[9, 9, 9], [9, 9, 9]]),
        ([1, 2, 3], [[1, 2, 3], [1, 2, 3]]),
        (np.array([[[1, 2, 3], [4, 5, 6.6]]]), [[1, 2, 3], [4, 5, 7]]),
        (lambda image, parts: image + 0.6, [[11, 21, 31], [12, 22, 32]]),
        (lambda image, parts: np.repeat(parts[..., None], 3, axis=2), [[1, 1, 1], [0, 0, 0]]),
    ],
)
def test_fill_may_be_given(fill, expected):
    _, copies = masked(
        ImageMasker(left_and_right, fill=fill, channel_axis=-1), COLOUR, [[FALSE, FALSE]]
    )
    assert copies.dtype == np.uint8
    assert_array_equal(copies, [[expected]])


@pytest.mark.parametrize("given", [np.arange(12.0).reshape(2, 2, 3), np.arange(12.0)])
def test_fill_of_flat_rows_is_an_image_or_a_row(given):
    rows = np.ones((2, 12))
    masker = ImageMasker(left_and_right, image_shape=(2, 2, 3), channel_axis=-1, fill=given)
    _, copies = masked(masker, rows, [[FALSE, FALSE]])
    assert_array_equal(copies, [np.arange(12.0)])


def test_fill_callable_sees_flat_rows_as_images_and_cannot_write_to_them():
    rows = np.arange(8.0).reshape(1, 8)

    def fill(image, parts):
        assert image.shape == parts.shape == (2, 4)
        assert not image.flags.writeable
        return image[::-1]

    masker = ImageMasker(left_and_right, image_shape=(2, 4), fill=fill)
    _, copies = masked(masker, rows, [[FALSE, FALSE]])
    assert_array_equal(copies, [[4, 5, 6, 7, 0, 1, 2, 3]])
    assert rows.flags.writeable


def test_fill_of_64_bits_does_not_wrap_around():
    highest = np.full((1, 2, 2), np.iinfo(np.int64).max)
    masker = ImageMasker("grid").fit(highest)
    assert_array_equal(masker.fill_, highest[0])


@pytest.mark.parametrize(
    ("shape", "cells", "expected"),
    [
        ((4, 4), (2, 2), [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]),
        ((3, 2), (2, 1), [[0, 0], [0, 0], [1, 1]]),
        ((1, 5), (1, 3), [[0, 0, 1, 1, 2]]),
        ((2, 1), (9, 9), [[0], [1]]),
    ],
)
def test_grid_cuts_cells(shape, cells, expected):
    masker = ImageMasker("grid", segmenter_params={"shape": cells})
    assert_array_equal(masker.fit(np.ones((1, *shape))).cut(np.ones(shape)), expected)


def test_grid_cuts_digits_into_sixteen_cells_of_four_pixels():
    parts = ImageMasker("grid").fit(np.ones((1, 8, 8))).cut(np.ones((8, 8)))
    assert_array_equal(np.bincount(parts.ravel()), np.full(16, 4))


# ---------------------------------------------------------------- what the segmenter sees


def seen_by_segmenter(reference, n=0, **params):
    images = []

    def spy(image):
        images.append(image)
        return left_and_right(image)

    masked(ImageMasker(spy, **params), reference, [[TRUE, TRUE]], n)
    assert images[0].dtype == np.float64
    return images[0]


def test_uint8_is_seen_as_it_is():
    image = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert_array_equal(seen_by_segmenter(image)[..., 0], image[0].astype(np.float64))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "int32", "bool"])
def test_other_dtypes_are_mapped_from_the_range_of_the_whole_reference(dtype):
    reference = np.array([[[0, 1], [0, 1]], [[0, 1], [1, 0]]], dtype=dtype)
    if dtype != "bool":
        reference = reference * 3 - (1 if dtype in ("float32", "int32") else 0)
    expected = np.array([[0.0, 255.0], [0.0, 255.0]])
    assert_array_equal(seen_by_segmenter(reference.astype(dtype))[..., 0], expected)


def test_value_range_and_scale_can_be_given():
    seen = seen_by_segmenter(GREY, value_range=(0, 8), segment_scale=1.0)
    assert_array_equal(seen[..., 2], GREY[0] / 8)
    seen = seen_by_segmenter(np.full((1, 2, 2), 51, dtype=np.uint8), segment_scale=1.0)
    assert_allclose(seen, 0.2)


def test_constant_reference_is_seen_black():
    assert_array_equal(seen_by_segmenter(np.full((2, 3, 3), 5.0)), np.zeros((3, 3, 3)))


def test_grey_is_seen_as_three_equal_channels():
    for reference in (GREY, GREY[..., None].repeat(5, axis=1)):
        seen = seen_by_segmenter(reference)
        assert seen.shape[-1] == 3
        assert_array_equal(seen, seen[..., :1].repeat(3, axis=-1))
    assert seen_by_segmenter(COLOUR[..., :2].repeat(5, axis=1)).shape[-1] == 2


# ---------------------------------------------------------------- super-pixels


@pytest.fixture(scope="module")
def photographs():
    data = pytest.importorskip("skimage.data")
    small = data.astronaut()[::8, ::8]
    return np.array([small[i : i + 32, j : j + 32] for i in (0, 32) for j in (0, 32)])


def n_parts(masker, reference):
    return [masker.fit(reference).cut(image).max() + 1 for image in reference]


def test_quickshift_has_the_parameters_of_the_paper(photographs):
    from skimage.segmentation import quickshift

    direct = quickshift(photographs[0].astype(np.float64), kernel_size=4, ratio=0.2, max_dist=200)
    assert direct.max() >= 3
    assert_array_equal(ImageMasker().fit(photographs).cut(photographs[0]), direct)


def test_scale_decides_how_many_parts_there_are(photographs):
    unit, byte = (
        n_parts(ImageMasker(segment_scale=1.0), photographs),
        n_parts(ImageMasker(), photographs),
    )
    assert max(unit) <= 3
    assert min(byte) >= 4
    as_floats = photographs / 255.0
    assert n_parts(ImageMasker(value_range=(0, 1)), as_floats) == byte
    assert n_parts(ImageMasker(), as_floats * 7 - 2) == byte


def test_parts_of_lime_are_those_of_scale_one(photographs):
    pytest.importorskip("lime")
    from lime.wrappers.scikit_image import SegmentationAlgorithm

    photographs = photographs[:, :24].repeat(3, axis=1).repeat(3, axis=2)
    segmenter = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2)
    masker = ImageMasker(segment_scale=1.0).fit(photographs)
    told = [segmenter(image) for image in photographs]
    assert max(labels.max() for labels in told) >= 3
    for image, labels in zip(photographs, told, strict=True):
        assert_array_equal(masker.cut(image), labels)


def test_one_channel_would_give_digits_one_part():
    from skimage.segmentation import quickshift

    X = load_digits().data[:20]
    masker = ImageMasker(image_shape=(8, 8)).fit(X)
    for row in X:
        one_channel = row.reshape(8, 8, 1) / 16 * 255
        direct = quickshift(one_channel, kernel_size=4, ratio=0.2, max_dist=200, convert2lab=False)
        assert direct.max() == 0
    assert 5 <= np.mean([masker.cut(row).max() + 1 for row in X]) <= 8


def test_two_and_five_channels_are_cut_without_lab_colours(photographs):
    from skimage.segmentation import quickshift

    for n_channels in (2, 5):
        images = np.concatenate([photographs, photographs], axis=-1)[..., :n_channels]
        direct = quickshift(
            images[0].astype(float), kernel_size=4, ratio=0.2, max_dist=200, convert2lab=False
        )
        masker = ImageMasker("quickshift", channel_axis=-1).fit(images)
        assert_array_equal(masker.cut(images[0]), direct)


@pytest.mark.parametrize("alpha", ["opaque", "transparent", "of noise"])
@pytest.mark.parametrize("n_parts", [None, 7])
def test_alpha_changes_no_cut_and_stays_in_the_copies(photographs, alpha, n_parts):
    shape = (*photographs.shape[:3], 1)
    noise = np.random.default_rng(0).integers(0, 256, shape)
    channel = {"opaque": np.full(shape, 255), "transparent": np.zeros(shape), "of noise": noise}
    rgba = np.concatenate([photographs, channel[alpha].astype(np.uint8)], axis=-1)
    plain, masker = (ImageMasker(n_parts=n_parts).fit(x) for x in (photographs, rgba))
    for image, with_alpha in zip(photographs, rgba, strict=True):
        assert_array_equal(masker.cut(with_alpha), plain.cut(image))
    check_masker(masker, rgba, n_points=1)
    kept = masker.render(rgba[0], masker.cut(rgba[0]), rgba[1], np.ones((1, 99), dtype=bool))
    assert_array_equal(kept[0], rgba[0])


@pytest.mark.parametrize(
    ("segmenter", "params"),
    [
        ("quickshift", {"max_dist": 8}),
        ("slic", {"n_segments": 12}),
        ("slic", {"n_segments": 12, "start_label": 1}),
        ("felzenszwalb", {"scale": 25500, "min_size": 30}),
        ("watershed", {"markers": 9}),
        ("grid", {"shape": (3, 3)}),
    ],
)
def test_every_segmenter_by_name_keeps_the_rules(photographs, segmenter, params):
    masker = ImageMasker(segmenter, segmenter_params=params)
    assert min(n_parts(masker, photographs)) >= 2
    assert n_parts(masker, photographs) != n_parts(ImageMasker(segmenter), photographs)
    check_masker(masker, photographs, n_points=1)


def test_segmenter_params_reach_a_callable():
    def stripes(image, width):
        return np.broadcast_to(np.arange(image.shape[1]) // width, image.shape[:2])

    masker = ImageMasker(stripes, segmenter_params={"width": 3})
    assert_array_equal(masker.fit(np.ones((1, 1, 7))).cut(np.ones((1, 7))), [[0, 0, 0, 1, 1, 1, 2]])


def test_flat_rows_are_cut_as_images_and_stay_flat():
    X = load_digits().data[:5]
    flat, image = ImageMasker(image_shape=(8, 8)), ImageMasker()
    keep_first = [[k == 0 for k in range(30)]]
    parts, rows = masked(flat, X, keep_first)
    same_parts, images = masked(image, X.reshape(-1, 8, 8), keep_first)
    assert_array_equal(parts, same_parts)
    assert rows.shape == (1, 64)
    assert_array_equal(rows.reshape(-1, 8, 8), images)
    assert flat.n_features_in_ == 64
    assert not hasattr(image, "n_features_in_")


# ---------------------------------------------------------------- tables, by hand

TABLE = np.array([[1.0, 10.0, 0.0, 5.0], [3.0, np.nan, 1.0, 5.0], [8.0, 40.0, 1.0, 6.0]])


def test_columns_are_parts_and_missing_values_stay():
    parts, copies = masked(
        TabularMasker(), TABLE, [[TRUE] * 4, [FALSE, TRUE, TRUE, FALSE], [FALSE] * 4], n=1
    )
    assert_array_equal(parts, [0, 1, 2, 3])
    mean = [4.0, 25.0, 2 / 3, 16 / 3]
    assert_allclose(copies, [[3, np.nan, 1, 5], [mean[0], np.nan, 1, mean[3]], mean])


def test_groups_are_hidden_together_and_numbered_in_column_order():
    masker = TabularMasker(groups=[[3, 1], [2]], fill="zero")
    parts, copies = masked(masker, TABLE, [[TRUE, FALSE, TRUE], [FALSE, TRUE, FALSE]])
    assert_array_equal(parts, [0, 1, 2, 1])
    assert_array_equal(copies, [[1, 0, 0, 0], [0, 10, 0, 5]])


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"fill": "mean"}, [4, 25, 2 / 3, 16 / 3]),
        ({"fill": "median"}, [3, 25, 1, 5]),
        ({"fill": "mode"}, [1, 10, 1, 5]),
        ({"fill": "zero"}, [0, 0, 0, 0]),
        ({"fill": "mean", "categorical": [2]}, [4, 25, 1, 16 / 3]),
        ({"fill": "zero", "categorical": [3, 2]}, [0, 0, 1, 5]),
        ({"fill": -1.5}, [-1.5] * 4),
        ({"fill": np.nan}, [np.nan] * 4),
        ({"fill": [1, 2, 3, 4]}, [1, 2, 3, 4]),
        ({"fill": {1: 7.0, np.int64(3): 0}}, [4, 7, 2 / 3, 0]),
        ({"fill": lambda point, parts: -point}, [-1, -10, 0, -5]),
        ({"fill": lambda point, parts: list(parts)}, [0, 1, 2, 3]),
    ],
)
def test_fill_of_a_table(params, expected):
    _, copies = masked(TabularMasker(**params), TABLE, [[FALSE] * 4])
    assert_allclose(copies, [expected])


def test_fill_of_integers_is_rounded():
    table = np.array([[1, 250], [2, 255], [2, 255]], dtype=np.uint8)
    masker = TabularMasker().fit(table)
    assert masker.fill_.dtype == np.uint8
    assert_array_equal(masker.fill_, [2, 253])
    assert_array_equal(TabularMasker(fill=1.6).fit(table).fill_, [2, 2])


def test_statistics_of_large_integers_do_not_wrap_around():
    highest = np.full((3, 1), np.iinfo(np.int64).max)
    for fill in ("mean", "median", "mode"):
        assert_array_equal(TabularMasker(fill=fill).fit(highest).fill_, highest[0])


def test_column_without_values_is_hidden_as_missing():
    table = np.array([[1.0, np.nan], [2.0, np.nan]])
    for fill in ("mean", "median", "mode"):
        assert np.isnan(TabularMasker(fill=fill).fit(table).fill_[1])


def test_lists_are_tables():
    masker = TabularMasker().fit([[1, 2], [3, 4]])
    assert masker.array_points
    assert_array_equal(masker.fill_, [2, 3])


# ---------------------------------------------------------------- DataFrames


@pytest.fixture
def people():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(
        {
            "age": [30, 41, 50],
            "income": [1.0, np.nan, 4.0],
            "town": pd.Categorical(["Oslo", "Bergen", "Oslo"], categories=["Oslo", "Bergen", "X"]),
            "note": np.array(["b", None, "a"], dtype=object),
            "children": pd.array([1, None, 2], dtype="Int64"),
            "since": pd.to_datetime(["2020-01-01", "2020-01-03", None]),
            "member": [True, True, False],
        },
        index=["p", "q", "r"],
    )


def test_frame_is_filled_by_mean_or_mode_and_keeps_its_dtypes(people):
    import pandas as pd

    masker = TabularMasker(groups=[["age", "member"]])
    parts, copies = masked(masker, people, [[TRUE] * 6, [FALSE] * 6, [FALSE] + [TRUE] * 5], n=1)
    assert_array_equal(parts, [0, 1, 2, 3, 4, 5, 0])
    assert not masker.array_points
    assert list(masker.feature_names_in_) == list(people.columns)
    assert copies.dtypes.equals(people.dtypes)
    assert copies.iloc[[0]].equals(people.iloc[[1]].reset_index(drop=True))
    filled = copies.iloc[1].tolist()
    # Means 40.33, 2.5 and 1.5; modes Oslo, "a" (before "b") and True.
    assert filled == [40, 2.5, "Oslo", "a", 2, pd.Timestamp("2020-01-02"), True]
    assert copies.iloc[2]["age"] == 40
    assert copies.iloc[2]["town"] == "Bergen"


@pytest.mark.parametrize(
    ("params", "column", "expected"),
    [
        ({"fill": "median"}, "age", 41),
        ({"fill": "median"}, "town", "Oslo"),
        ({"fill": "mode"}, "age", 30),
        ({"fill": "zero"}, "income", 0.0),
        ({"fill": "zero"}, "note", "a"),
        ({"categorical": ["age"]}, "age", 30),
        ({"categorical": [0]}, "age", 30),
        ({"categorical": []}, "town", "Oslo"),
        ({"fill": {"town": "X", "age": 1.7}}, "town", "X"),
        ({"fill": {"town": "X", "age": 1.7}}, "age", 2),
        ({"fill": {"town": "X"}}, "income", 2.5),
        ({"fill": {3: "none"}}, "note", "none"),
        ({"fill": lambda point, parts: point.assign(income=9)}, "income", 9.0),
        ({"fill": lambda point, parts: point.iloc[0].tolist()}, "age", 30),
    ],
)
def test_fill_of_a_frame(people, params, column, expected):
    _, copies = masked(TabularMasker(**params), people, [[FALSE] * 7])
    assert copies[column].iloc[0] == expected
    assert copies.dtypes.equals(people.dtypes)


def test_frame_can_hide_by_making_missing(people):
    fill = {"income": np.nan, "children": None, "note": None, "since": None}
    _, copies = masked(TabularMasker(fill=fill), people, [[FALSE] * 7])
    assert copies.isna().iloc[0].tolist() == [False, True, False, True, True, True, False]
    assert copies.dtypes.equals(people.dtypes)


def test_mode_counts_values_that_have_no_order():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"mixed": pd.Series(["a", 2, 2, "a", None], dtype=object), "x": 0.0})
    assert TabularMasker().fit(frame).fill_["mixed"].tolist() == ["a"]


def test_frame_of_pixels_is_cut_as_images():
    pd = pytest.importorskip("pandas")
    X = load_digits().data[:4]
    masker = ImageMasker(image_shape=(8, 8))
    frame = pd.DataFrame(X).add_prefix("pixel")
    assert_array_equal(masker.fit(frame).cut(masker.check_reference(frame)[0]), masker.cut(X[0]))


# ---------------------------------------------------------------- references are shared


def stored(array, tmp_path):
    np.save(tmp_path / "points.npy", array)
    return np.load(tmp_path / "points.npy", mmap_mode="r")


@pytest.mark.parametrize("masker", [ImageMasker("grid"), TabularMasker()])
def test_reference_is_shared_and_may_be_read_only(masker, tmp_path):
    shape = (3, 4, 4) if isinstance(masker, ImageMasker) else (3, 4)
    writeable = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    read_only = writeable.copy()
    read_only.flags.writeable = False
    for reference in (writeable, read_only, stored(writeable, tmp_path)):
        assert np.shares_memory(masker.fit(reference).check_reference(reference), reference)
        check_masker(masker, reference)


@pytest.mark.parametrize("masker", [ImageMasker("grid"), TabularMasker()])
def test_other_byte_order_becomes_native(masker):
    swapped = np.arange(48.0).reshape((3, 4, 4) if isinstance(masker, ImageMasker) else (12, 4))
    native = swapped.astype("f8")
    swapped = swapped.astype(">f8")
    assert masker.check_reference(swapped).dtype == np.dtype("f8")
    assert_array_equal(masker.check_reference(swapped), native)
    check_masker(masker, swapped)


def test_frame_is_not_copied(people):
    assert TabularMasker().check_reference(people) is people


def test_clone_and_params():
    masker = ImageMasker("grid", segmenter_params={"shape": (2, 2)}, fill="zero")
    assert clone(masker).get_params() == masker.get_params()
    assert masker.set_params(fill="mean").fill == "mean"
    assert repr(TabularMasker(fill="mode")) == "TabularMasker(fill='mode')"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"channel_axis": np.int64(0)},
        {"image_shape": (np.int64(6), 4, 3)},
        {"image_shape": [3, 4, 6], "channel_axis": 0},
    ],
)
def test_layout_is_json_and_enough_to_render(params):
    rows = np.arange(144.0).reshape(2, 72)
    reference = rows if "image_shape" in params else rows.reshape(2, 3, 4, 6)
    if not params:
        reference = reference.transpose(0, 2, 3, 1)[:, :, [0, 1, 2, 3, 4, 5]].repeat(2, axis=1)
    masker = ImageMasker("grid", fill="part_mean", **params)
    check_masker(masker, reference)
    assert set(json.loads(json.dumps(masker.layout()))) == {"image_shape", "channel_axis"}
    assert TabularMasker(groups=[[0]], fill="zero").layout() == {}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float16", "float32", "float64"])
def test_torch_renders_the_same_bits(dtype):
    torch = pytest.importorskip("torch")
    images = (np.arange(2 * 5 * 6 * 3).reshape(2, 5, 6, 3) % 7).astype(dtype)
    masker = ImageMasker("grid").fit(images)
    parts = masker.cut(images[0])
    masks = np.random.default_rng(0).random((20, 16)) < 0.5
    arrays = (images[0], parts, masker.fill_for(images[0], parts), masks)
    told = masker.render(*arrays)
    copies = masker.render(*map(torch.tensor, arrays))
    assert copies.numpy().dtype == told.dtype
    assert_array_equal(copies.numpy(), told)


NUMBERS = ["bool", "uint8", "int16", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", [*NUMBERS, "longdouble", *(f"torch {name}" for name in NUMBERS)])
def test_copies_hold_the_bits_of_point_and_fill(dtype):
    asarray = pytest.importorskip("torch").tensor if "torch" in dtype else np.asarray
    dtype = dtype.removeprefix("torch ")
    special = [0.0, -0.0, 1.0, 3.0]
    if np.dtype(dtype).kind == "f":
        special += [np.nan, np.inf, -np.inf, 1e-7]
    # Every value meets every other.
    point, fill = (a.ravel().astype(dtype) for a in np.meshgrid(special, special))
    parts = np.arange(len(point)) % 2
    masks = np.array([[True, True], [False, False], [True, False]])
    copies = TabularMasker().render(*map(asarray, (point, parts, fill, masks)))
    given = np.asarray(copies)
    wanted = np.where(masks[:, parts], point, fill)
    assert given.dtype == wanted.dtype == point.dtype
    assert_array_equal(given, wanted)
    if given.dtype.kind == "f":
        assert_array_equal(np.signbit(given), np.signbit(wanted))
    assert not np.array_equal(given[0], given[1], equal_nan=given.dtype.kind == "f")


# ---------------------------------------------------------------- masker_for


def test_masker_for_goes_by_the_kind_of_reference():
    assert isinstance(masker_for(np.ones((3, 2))), TabularMasker)
    assert isinstance(masker_for([[1, 2], [3, 4]]), TabularMasker)
    assert isinstance(masker_for(np.ones((3, 4, 4))), ImageMasker)
    assert isinstance(masker_for(np.ones((3, 3, 8, 8))), ImageMasker)
    assert isinstance(masker_for([np.ones((4, 4)), np.ones((4, 5))]), ImageMasker)
    assert isinstance(masker_for(["a text", "another"]), TextMasker)
    assert isinstance(masker_for(np.array(["a text"])), TextMasker)


def test_masker_for_takes_a_frame_for_a_table(people):
    assert isinstance(masker_for(people), TabularMasker)


@pytest.mark.parametrize(
    ("reference", "error", "match"),
    [
        ("a text", TypeError, r"single string; give a list"),
        (np.ones(4), ValueError, r"shape \(4,\); it needs one point per row.*X\[:1\]"),
        (np.ones((1, 2, 3, 4, 5)), ValueError, r"reference of 5 dimensions"),
        ({1: 2}, TypeError, r"reference is a dict; give an array"),
        (sparse.csr_array(np.eye(3)), TypeError, r"sparse csr_array.*toarray"),
    ],
)
def test_masker_for_says_what_it_does_not_know(reference, error, match):
    with pytest.raises(error, match=match):
        masker_for(reference)


# ---------------------------------------------------------------- errors

RGB = np.ones((2, 8, 8, 3))


@pytest.mark.parametrize(
    ("params", "reference", "match"),
    [
        ({}, np.ones((5, 64)), r"2-D reference of shape \(5, 64\).*image_shape=.*TabularMasker"),
        ({}, np.ones(5), r"shape \(5,\).*reference\[np.newaxis\]"),
        ({}, np.ones((0, 8, 8)), r"shape \(0, 8, 8\).*at least one point"),
        ({}, np.ones((2, 8, 8, 3, 1)), r"shape \(2, 8, 8, 3, 1\); it needs \(n, height, width\)"),
        ({}, [np.ones((4, 4)), np.ones((4, 5))], r"different shapes: \(4, 4\) at 0, \(4, 5\) at 1"),
        ({}, [[["a"]]], r"dtype <U1; it needs real numbers"),
        ({}, np.ones((2, 4, 4)) * 1j, r"dtype complex128"),
        ({}, np.full((2, 4, 4), None), r"Python objects; it needs numbers.*np.stack"),
        ({}, np.array([[[1.0, 2]], [[3, np.nan]]]), r"point 1 holds 1 non-finite .* of 2.*Leave"),
        ({}, np.full((2, 4, 4), np.inf, np.float16), r"point 0 holds 16 non-finite"),
        ({}, np.ones((2, 8, 9, 5)), r"shape \(8, 9, 5\).*neither.*Give channel_axis=0"),
        ({}, np.ones((2, 3, 8, 3)), r"shape \(3, 8, 3\).*both.*Give channel_axis=0"),
        (
            {"channel_axis": None},
            RGB,
            r"channel_axis=None does not fit images of shape \(8, 8, 3\)",
        ),
        ({"channel_axis": 3}, RGB, r"channel_axis=3 does not fit"),
        ({"channel_axis": -1}, np.ones((2, 8, 8)), r"single image.*give image\[None\]"),
        ({}, np.ones((8, 9, 3)), r"\(8, 9, 3\), which looks like a single image.*image\[None\]"),
        ({}, np.ones((9, 8, 4)), r"grey images of 8 x 4 pixels, give channel_axis=None"),
        ({"n_parts": 9, "segmenter": "slic"}, RGB, r"n_parts=9 needs segmenter='auto'"),
        ({"n_parts": 1}, RGB, r"n_parts must be at least 2; got 1"),
        ({"segmenter_params": {"ratio": 1}}, RGB, r"\{'ratio': 1\} need a segmenter by name"),
        ({"image_shape": (8, 8)}, np.ones((5, 63)), r"needs .*\(n, 64\); got \(5, 63\)"),
        ({"image_shape": (8, 8)}, np.ones((5, 8, 8)), r"leave image_shape out"),
        ({"image_shape": (8,)}, np.ones((5, 8)), r"image_shape=\(8,\) must be \(height, width\)"),
        ({"image_shape": 64}, np.ones((5, 64)), r"image_shape=64 must be"),
        ({"image_shape": (8, -8)}, np.ones((5, 64)), r"image_shape=\(8, -8\) must be"),
        ({"segmenter": "kmeans"}, RGB, r"segmenter must be 'auto'.*; got 'kmeans'.*callable"),
        ({"segmenter": None}, RGB, r"segmenter must be .*; got None"),
        ({"segment_scale": 0}, RGB, r"segment_scale=0 must be a positive number"),
        ({"value_range": (1, 1)}, RGB, r"value_range=\(1, 1\) must be .* black < white"),
        ({"value_range": 255}, RGB, r"value_range=255 must be two"),
        ({"fill": "median"}, RGB, r"fill must be .*'part_mean'; got 'median'"),
        ({"fill": None}, RGB, r"fill must be .*; got None"),
        ({"fill": [1, 2]}, RGB, r"fill has shape \(2,\).*one per channel \(3,\)"),
        ({"fill": ["a", "b", "c"]}, RGB, r"fill has dtype <U1"),
        ({"fill": np.nan}, RGB, r"fill value nan does not fit .* float64"),
        ({"fill": 1e30}, RGB.astype(np.float16), r"fill value 1e\+30 does not fit .* float16"),
        ({"fill": 256}, RGB.astype(np.uint8), r"fill value 256 does not fit .* uint8.*floats"),
        ({"fill": -0.7}, RGB.astype(np.uint8), r"fill value -1.0 does not fit"),
        ({"fill": 2}, RGB.astype(bool), r"fill value 2 does not fit .* bool"),
        ({"fill": np.nan}, RGB.astype(int), r"fill value nan does not fit"),
    ],
)
def test_image_errors(params, reference, match):
    with pytest.raises(ValueError, match=match):
        ImageMasker(**params).fit(reference)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"segmenter": lambda image: np.zeros(8, int)}, r"int64 labels of shape \(8,\).*\(8, 8\)"),
        ({"segmenter": lambda image: np.zeros((8, 8))}, r"float64 labels.*must return integers"),
        ({"segmenter": "grid", "segmenter_params": {"shape": (0, 2)}}, r"shape=\(0, 2\)"),
        ({"fill": lambda image, parts: image[0]}, r"fill returned shape \(8, 3\).*\(8, 8, 3\)"),
        ({"fill": lambda image, parts: image * np.inf}, r"fill value inf does not fit"),
    ],
)
def test_errors_at_one_image(params, match):
    masker = ImageMasker(**{"segmenter": "grid", **params}).fit(RGB)
    with pytest.raises(ValueError, match=match):
        masker.fill_for(RGB[0], masker.cut(RGB[0]))


def test_image_of_another_size_than_the_reference():
    with pytest.raises(ValueError, match=r"shape \(4, 4, 3\).*fitted on .*\(8, 8, 3\)"):
        ImageMasker("grid").fit(RGB).cut(np.ones((4, 4, 3)))


@pytest.mark.parametrize("masker", [ImageMasker(), TabularMasker()])
def test_not_fitted(masker):
    with pytest.raises(NotFittedError, match="fit"):
        masker.cut(np.ones((8, 8)))
    with pytest.raises(NotFittedError, match="fit"):
        masker.fill_for(np.ones((8, 8)), np.zeros((8, 8), int))


@pytest.mark.parametrize(
    "masker", [ImageMasker(), ImageMasker(image_shape=(2, 2)), TabularMasker()]
)
def test_sparse_is_refused(masker):
    with pytest.raises(TypeError, match=r"[Ss]parse.*toarray"):
        masker.fit(sparse.csr_array(np.eye(4)))


def test_masked_array_is_refused():
    with pytest.raises(TypeError, match=r"mask would be lost.*filled"):
        ImageMasker().fit(np.ma.masked_equal(np.ones((2, 4, 4)), 1))


@pytest.mark.parametrize(
    ("params", "reference", "error", "match"),
    [
        ({}, np.ones(4), ValueError, r"Expected 2D array, got 1D"),
        ({}, np.ones((2, 3, 4)), ValueError, r"dim 3"),
        ({}, np.ones((0, 4)), ValueError, r"0 sample"),
        ({}, [["a", "b"]], ValueError, r"needs an array of numbers.*DataFrame"),
        ({}, np.array([["a", 1]], dtype=object), ValueError, r"needs an array of numbers"),
        ({}, np.array([[1, np.inf]]), ValueError, r"infinity"),
        ({"groups": [[0, 1], [1, 2]]}, TABLE, ValueError, r"column 1 is named twice"),
        ({"groups": [[0, 0]]}, TABLE, ValueError, r"column 0 is named twice"),
        ({"groups": [0, 1]}, TABLE, ValueError, r"groups holds 0; it must be a list of lists"),
        ({"groups": [[]]}, TABLE, ValueError, r"groups holds \[\]"),
        ({"groups": ["ab"]}, TABLE, ValueError, r"groups holds 'ab'"),
        ({"groups": [[4]]}, TABLE, ValueError, r"no column 4; the reference has 4"),
        ({"groups": [[-1]]}, TABLE, ValueError, r"no column -1"),
        (
            {"groups": [["age"]]},
            TABLE,
            ValueError,
            r"no column 'age' .*; an array's columns have no",
        ),
        ({"categorical": "all"}, TABLE, ValueError, r"categorical must be 'auto'; got 'all'"),
        ({"categorical": [True]}, TABLE, ValueError, r"no column True"),
        ({"fill": "part_mean"}, TABLE, ValueError, r"fill must be .*'median'.*; got 'part_mean'"),
        ({"fill": None}, TABLE, ValueError, r"fill must be .*; got None"),
        ({"fill": [1, 2]}, TABLE, ValueError, r"fill has 2 values for 4 columns"),
        ({"fill": {9: 1}}, TABLE, ValueError, r"no column 9"),
        ({"fill": {0: "a"}}, TABLE, ValueError, r"fill has dtype <U1"),
        ({"fill": np.inf}, TABLE, ValueError, r"fill value inf does not fit"),
        ({"fill": 300}, np.ones((2, 2), np.uint8), ValueError, r"fill value 300 does not .* uint8"),
        ({"fill": np.nan}, np.ones((2, 2), int), ValueError, r"fill value nan does not fit"),
    ],
)
def test_table_errors(params, reference, error, match):
    with pytest.raises(error, match=match):
        TabularMasker(**params).fit(reference)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"groups": [["height"]]}, r"no column 'height' .*; its columns are \['age', 'income'"),
        ({"fill": 0}, r"value 0 does not fit column 'town' .*category.*\['Oslo', 'Bergen', 'X'\]"),
        ({"fill": {"town": "Rome"}}, r"'Rome' does not fit column 'town'.*fill=\{column: value\}"),
        ({"fill": {"age": "old"}}, r"'old' does not fit column 'age' of dtype int64"),
        ({"fill": {"age": "3"}}, r"'3' does not fit column 'age'"),
        ({"fill": {"age": np.nan}}, r"nan does not fit column 'age'"),
        ({"fill": {"age": 1e30}}, r"1e\+30 does not fit column 'age'"),
        ({"fill": {"income": np.inf}}, r"inf does not fit column 'income'"),
        ({"fill": {"member": 2}}, r"2 does not fit column 'member' of dtype bool"),
        ({"fill": {"member": None}}, r"None does not fit column 'member'"),
        ({"fill": {"since": "soon"}}, r"'soon' does not fit column 'since'"),
        ({"fill": "old"}, r"got 'old'.*\{column: 'old'\}"),
    ],
)
def test_frame_errors(people, params, match):
    with pytest.raises(ValueError, match=match):
        TabularMasker(**params).fit(people)


def test_frames_that_cannot_be_masked():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"shape \(0, 2\); it needs at least one row"):
        TabularMasker().fit(frame.iloc[:0])
    with pytest.raises(ValueError, match=r"column 'y' holds infinite values"):
        TabularMasker().fit(frame.assign(y=[1.0, -np.inf]))
    with pytest.raises(ValueError, match=r"column 'y' holds complex numbers"):
        TabularMasker().fit(frame.assign(y=[1.0, 1j]))
    with pytest.raises(TypeError, match=r"column 'y' is sparse.*to_dense"):
        TabularMasker().fit(frame.astype({"y": "Sparse[float]"}))
    with pytest.raises(ValueError, match=r"several columns 'x'; give each its own name"):
        TabularMasker().fit(frame.set_axis(["x", "x"], axis=1))
    with pytest.raises(ValueError, match=r"3 columns, but TabularMasker was fitted on 2"):
        TabularMasker().fit(frame).cut(frame.assign(z=1).iloc[[0]])
    with pytest.raises(ValueError, match=r"a DataFrame of shape \(2, 2\).*image_shape"):
        ImageMasker().fit(frame)
    with pytest.raises(ValueError, match=r"2-dimensional container"):
        TabularMasker().fit(frame["x"])


def test_other_frames_are_asked_to_become_pandas():
    pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"age": [30.0, 41.0, 52.0], "town": ["Oslo", "Rome", "Oslo"]})
    for refused in (masker_for(frame), TabularMasker()):
        with pytest.raises(TypeError, match=r"DataFrame of polars; .*Give reference.to_pandas\(\)"):
            refused.fit(frame)
    assert list(TabularMasker().fit(frame.to_pandas()).feature_names_in_) == ["age", "town"]


# ---------------------------------------------------------------- check_masker can fail


class Halves(BaseMasker):
    """Keeps all the rules; each class below breaks one."""

    def __init__(self, size=2):
        self.size = size

    def cut(self, point):
        return np.arange(point.size) * self.size // point.size

    def fill_for(self, point, parts):
        return np.zeros_like(point)


class ChangesParameters(Halves):
    def fit(self, reference, y=None):
        self.size = 3
        return self


class ReturnsNothing(Halves):
    def fit(self, reference, y=None):
        pass


class WritesToTheReference(Halves):
    def check_reference(self, reference):
        reference /= reference.max() * 2
        return reference


class WritesToThePoint(Halves):
    def take(self, reference, indices):
        return reference[indices].copy()

    def fill_for(self, point, parts):
        point += 1
        return np.zeros_like(point)


class TakesOthers(Halves):
    def take(self, reference, indices):
        return reference[sorted(indices)]


class LeavesAGap(Halves):
    def cut(self, point):
        return super().cut(point) * 2


class LeavesOneOut(Halves):
    def cut(self, point):
        return super().cut(point) - 1


class StartsAtOne(Halves):
    def cut(self, point):
        return super().cut(point) + 1


class CutsFloats(Halves):
    def cut(self, point):
        return super().cut(point) / 1


class CutsAtRandom(Halves):
    def cut(self, point):
        return np.random.default_rng().permutation(super().cut(point))


class FillsAtRandom(Halves):
    def fill_for(self, point, parts):
        return np.random.default_rng().random(point.shape)


class FitsAtRandom(Halves):
    def fit(self, reference, y=None):
        self.fill_ = np.random.default_rng().random(reference.shape[1])
        return self

    def fill_for(self, point, parts):
        return self.fill_


class FillsDoubles(Halves):
    def fill_for(self, point, parts):
        return np.zeros(point.shape, np.float32)


class FillsOneValue(Halves):
    def fill_for(self, point, parts):
        return 0.0


class RendersFloats(Halves):
    def render(self, point, parts, fill, masks):
        return super().render(point, parts, fill, masks).astype(np.float32)


class RendersAnother(Halves):
    def render(self, point, parts, fill, masks):
        return super().render(point, parts, fill, masks)[1:]


class LosesTheSignOfZero(Halves):
    def render(self, point, parts, fill, masks):
        return super().render(point, parts, fill, masks) + 0.0


class Adds(Halves):
    def render(self, point, parts, fill, masks):
        copies = super().render(point, parts, fill, masks)
        return np.where(masks.all(axis=1)[:, None], copies, copies + point)


class FillsTwice(Halves):
    def fill_for(self, point, parts):
        return np.ones_like(point)

    def render(self, point, parts, fill, masks):
        return super().render(point, parts, fill * 2, masks)


class ChangesOutside(Halves):
    def render(self, point, parts, fill, masks):
        copies = super().render(point, parts, fill, masks)
        if point.any():
            copies[~masks.all(axis=1), 0] = 0.5
        return copies


class HidesTheOtherPart(Halves):
    def render(self, point, parts, fill, masks):
        return super().render(point, parts, fill, masks[:, ::-1])


class LooksAtTheBatch(Halves):
    def render(self, point, parts, fill, masks):
        copies = super().render(point, parts, fill, masks)
        return copies if len(masks) > 1 else np.repeat(point[None], 1, axis=0)


class WritesToTheMasks(Halves):
    def render(self, point, parts, fill, masks):
        masks[:, 0] = True
        return super().render(point, parts, fill, masks)


class HandsOutThePoint(Halves):
    def render(self, point, parts, fill, masks):
        return np.broadcast_to(point, (len(masks), *point.shape))


class RendersWhatWasFitted(Halves):
    def fit(self, reference, y=None):
        self.order_ = slice(None)
        return self

    def render(self, point, parts, fill, masks):
        fill = fill[self.order_] if hasattr(self, "order_") else fill + 1
        return super().render(point, parts, fill, masks)


class HasNoPlainLayout(Halves):
    def layout(self):
        return {"size": np.arange(2)}


class IsForNumPyOnly(Halves):
    def render(self, point, parts, fill, masks):
        return np.where(np.asarray(masks)[:, parts], point, fill)


SIGNALS = np.array([[-0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])


def test_check_masker_accepts_what_keeps_the_rules():
    assert check_masker(Halves(), SIGNALS) is None


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        (ChangesParameters, r"changed the parameters, \{'size': 2\} to \{'size': 3\}"),
        (ReturnsNothing, r"fit\(\) does not return self"),
        (WritesToTheReference, r"reference point 1: the reference was modified"),
        (WritesToThePoint, r"the point was modified"),
        (TakesOthers, r"another point after take\(\)"),
        (LeavesAGap, r"labels of parts must be 0..K-1.*\[0, 2\]"),
        (LeavesOneOut, r"labels of parts must be 0..K-1.*\[-1, 0\]"),
        (StartsAtOne, r"labels of parts must be 0..K-1.*\[1, 2\]"),
        (CutsFloats, r"must return an array of integers; it returned an array of float64"),
        (CutsAtRandom, r"cut\(\) is not deterministic"),
        (FillsAtRandom, r"a second call gave another fill"),
        (FitsAtRandom, r"a second fit gave another fill"),
        (FillsDoubles, r"the fill is an array of float32.*the point is an array of float64"),
        (FillsOneValue, r"the fill is a float, but the point is an array"),
        (RendersFloats, r"keeps all parts the copy is an array of float32"),
        (RendersAnother, r"made 8 copies for 9 masks"),
        (LosesTheSignOfZero, r"not the point .* bit for bit"),
        (Adds, r"hidden parts are not the fill|changed something outside"),
        (FillsTwice, r"under mask \[0, 1\] the hidden parts are not the fill"),
        (ChangesOutside, r"mask \[0, 1\] .*(outside|not the fill)|mask \[1, 0\] changed something"),
        (HidesTheOtherPart, r"hides other elements than those that cut\(\) labelled"),
        (LooksAtTheBatch, r"a mask alone gives another copy"),
        (WritesToTheMasks, r"render\(\) modified the parts, fill or masks"),
        (HandsOutThePoint, r"a copy is a view of the point"),
        (RendersWhatWasFitted, r"made from layout\(\), renders other copies"),
        (HasNoPlainLayout, r"layout\(\) is not fit for JSON"),
    ],
)
def test_check_masker_says_which_rule_is_broken(broken, match):
    with pytest.raises(AssertionError, match=match):
        check_masker(broken(), SIGNALS.copy())


def test_check_masker_asks_for_torch_too():
    pytest.importorskip("torch")
    with pytest.raises(AssertionError, match=r"given torch tensors, render\(\) returned an array"):
        check_masker(IsForNumPyOnly(), SIGNALS)


def test_check_masker_looks_at_columns_of_frames(people):
    class HidesOneMore(TabularMasker):
        def render(self, point, parts, fill, masks):
            masks = masks.copy()
            masks[:, 1] &= masks[:, 0]
            return super().render(point, parts, fill, masks)

    class LosesDtypes(TabularMasker):
        def render(self, point, parts, fill, masks):
            return super().render(point, parts, fill, masks).astype(object)

    with pytest.raises(AssertionError, match=r"mask \[0, 1, .*outside of the parts that it hides"):
        check_masker(HidesOneMore(), people)
    with pytest.raises(AssertionError, match=r"is not the point"):
        check_masker(LosesDtypes(), people)


def test_check_masker_takes_texts():
    class Words(BaseMasker):
        array_points = False

        def check_reference(self, reference):
            return list(reference)

        def take(self, reference, indices):
            return [reference[i] for i in indices]

        def cut(self, point):
            return np.arange(len(point.split()))

        def fill_for(self, point, parts):
            return " ".join("UNK" for _ in point.split())

        def render(self, point, parts, fill, masks):
            both = np.array([fill.split(), point.split()], dtype=object)
            return [" ".join(both[mask.astype(int), parts]) for mask in masks]

    check_masker(Words(), ["one two", "three", ""])
    check_masker(TextMasker(), ["one, two", "three", "..."])  # "," belongs to no part

    class Shouts(Words):
        def render(self, point, parts, fill, masks):
            return [copy.upper() for copy in super().render(point, parts, fill, masks)]

    with pytest.raises(AssertionError, match=r"reference point 1: .*not the point"):
        check_masker(Shouts(), ["one two", "three"])
