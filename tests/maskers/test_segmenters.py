# SPDX-License-Identifier: BSD-3-Clause
"""Images cut into a given number of regions, and which images get the released code's cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits, load_sample_images
from sklearn.linear_model import Ridge

from skzest import CallableQuery, ImageMasker, LimeSignatureTransformer
from skzest.maskers._segmenters import SEGMENTERS, merged, regions
from skzest.testing import check_masker

PHOTOGRAPHS = np.stack(load_sample_images().images)  # 427 x 640


def sized(side):
    from skimage.transform import resize

    small = [resize(image, (side, side), anti_aliasing=True) for image in PHOTOGRAPHS]
    return (255 * np.stack(small)).astype(np.uint8)


def is_connected(labels):
    from skimage.measure import label

    return label(labels + 1, connectivity=1).max() == labels.max() + 1


def contrast_at_borders(image, labels):
    """Mean difference of neighbours of different parts, over that of all neighbours."""
    grey = image.astype(float).mean(axis=-1)
    steps = [np.abs(np.diff(grey, axis=a)) for a in (0, 1)]
    is_border = [np.diff(labels, axis=a) != 0 for a in (0, 1)]
    at_borders = np.concatenate([s[b] for s, b in zip(steps, is_border, strict=True)])
    return at_borders.mean() / np.concatenate([s.ravel() for s in steps]).mean()


# --- which cut ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [load_digits().images[:20], sized(32), sized(64), sized(32).transpose(0, 3, 1, 2)],
    ids=["digits", "32", "64", "channels first"],
)
def test_small_images_keep_the_cut_of_the_released_code(reference):
    automatic, paper = (ImageMasker(s).fit(reference) for s in ("auto", "quickshift"))
    assert max(paper.cut(image).max() for image in reference) > 1
    for image in reference:
        assert_array_equal(automatic.cut(image), paper.cut(image))


def test_a_small_image_of_many_parts_is_cut_into_regions():
    noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    assert ImageMasker("quickshift").fit(noise).cut(noise[0]).max() + 1 > 60
    assert ImageMasker().fit(noise).cut(noise[0]).max() + 1 == 45


@pytest.mark.parametrize("reference", [PHOTOGRAPHS, sized(224)], ids=["640 x 427", "224"])
def test_photographs_have_thirty_to_sixty_connected_parts(reference):
    masker = ImageMasker().fit(reference)
    for image in reference:
        parts = masker.cut(image)
        assert 30 <= parts.max() + 1 <= 60
        assert is_connected(parts)
        assert_array_equal(parts, masker.cut(image.copy()))


def test_the_released_code_can_be_had_at_any_size():
    from skimage.segmentation import quickshift

    image = sized(160)[:1]
    direct = quickshift(image[0].astype(float), kernel_size=4, ratio=0.2, max_dist=200)
    assert direct.max() > 60
    assert_array_equal(ImageMasker("quickshift").fit(image).cut(image[0]), direct)


# --- regions ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_parts", [2, 16, 100])
@pytest.mark.parametrize(
    "image", [*PHOTOGRAPHS[:, ::2, ::2], *sized(32)], ids=["church", "flower"] * 2
)
def test_the_number_of_parts_is_the_one_asked_for(image, n_parts):
    masker = ImageMasker(n_parts=n_parts).fit(image[None])
    parts = masker.cut(image)
    assert parts.max() + 1 == n_parts
    assert is_connected(parts)


def test_regions_follow_edges():
    for image in PHOTOGRAPHS:
        parts = ImageMasker(n_parts=45).fit(image[None]).cut(image)
        grid = SEGMENTERS["grid"](image, shape=(7, 7))
        assert contrast_at_borders(image, parts) > 1.5 * contrast_at_borders(image, grid)


def test_no_region_is_most_of_the_image():
    for image in [*PHOTOGRAPHS, np.zeros((300, 300, 3))]:
        share = np.bincount(regions(image.astype(float), 45).ravel()) / image[..., 0].size
        assert share.max() < 0.1


def test_a_shape_is_found():
    image = np.zeros((60, 80, 3))
    image[20:40, 30:60] = 255.0
    parts = regions(image, 6)
    inside = np.unique(parts[20:40, 30:60])
    outside = np.ones((60, 80), dtype=bool)
    outside[20:40, 30:60] = False
    assert not set(inside) & set(np.unique(parts[outside]))


@settings(max_examples=60)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([2, 3, 5]),
    st.integers(2, 30),
    st.sampled_from(["noise", "ramp", "constant"]),
)
def test_regions_of_any_small_image_are_connected(height, width, n_channels, n_parts, kind):
    shape = (height, width, n_channels)
    made = {
        "noise": lambda: np.random.default_rng(0).random(shape),
        "ramp": lambda: np.arange(np.prod(shape), dtype=float).reshape(shape),
        "constant": lambda: np.full(shape, 7.0),
    }
    parts = regions(made[kind](), n_parts)
    assert parts.shape == (height, width)
    assert_array_equal(np.unique(parts), np.arange(parts.max() + 1))
    assert parts.max() + 1 <= n_parts
    assert is_connected(parts)


def test_neighbours_of_one_colour_merge_first():
    labels = np.array([[0, 1, 2, 3]])
    colors = np.array([[[0.0], [90.0], [80.0], [0.0]]])
    assert_array_equal(merged(labels, colors, 3), [[0, 1, 1, 2]])
    # The ends are alike, but not neighbours.
    assert_array_equal(merged(labels, colors, 2)[0][1:3], merged(labels, colors, 2)[0][[2, 1]])
    assert_array_equal(merged(labels, colors, 4), labels)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5])
def test_masker_with_a_number_of_parts_conforms(n_channels):
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 9, n_channels), dtype=np.uint8)
    check_masker(ImageMasker(n_parts=6, channel_axis=-1), images, n_points=1)


# --- plans that ask more than the paper's -----------------------------------------------------


def colours(batch):
    return np.asarray(batch, dtype=float)[..., :2].mean(axis=(1, 2)) / 255


COLOURS = CallableQuery(colours, output="logits")


def fitted(masker, **params):
    params = {"n_reference": 1, "n_samples": 1000} | params
    return LimeSignatureTransformer(sized(160), masker=masker, **params).fit([COLOURS])


def test_many_parts_come_with_a_warning_and_its_remedy_has_none():
    with pytest.warns(UserWarning, match=r"cut into \d+ parts.*Give n_parts, such as ImageMasker"):
        assert fitted(ImageMasker("quickshift")).plan_.n_parts[0] > 100
    assert fitted(ImageMasker(n_parts=45)).plan_.n_parts[0] == 45
    assert fitted(ImageMasker()).plan_.n_parts[0] == 45


def test_more_masks_than_the_papers_are_announced():
    grid = ImageMasker("grid", segmenter_params={"shape": (16, 16)})
    with pytest.warns(UserWarning, match="cut into 256 parts and asked about with 2048 masks"):
        fitted(grid, n_samples="auto")


def test_too_few_masks_for_the_parts_are_refused_and_the_remedy_works():
    masker = ImageMasker("grid", segmenter_params={"shape": (9, 9)})
    with pytest.raises(ValueError, match=r"81 parts and 64 masks; .*surrogate=Ridge"):
        fitted(masker, n_samples=64)
    assert fitted(masker, n_samples=64, surrogate=Ridge()).n_components_ == 81
    assert fitted(ImageMasker(n_parts=45), n_samples=64).n_components_ == 45
