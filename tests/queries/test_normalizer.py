# SPDX-License-Identifier: BSD-3-Clause
"""``mean=`` and ``std=``: one class for arrays and tensors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skzest.queries import ImageNormalizer

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
MEAN, STD = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 0.25])
BY_HAND = (IMAGES / 255 - MEAN) / STD


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_arrays_and_tensors_are_normalised_as_by_hand(dtype, given, layout, channels_first):
    images = IMAGES if given == "uint8" else (IMAGES / 255).astype(given)
    images = images if layout == "NHWC" else np.ascontiguousarray(np.moveaxis(images, 3, 1))
    normalize = ImageNormalizer(MEAN, STD, dtype=dtype, channels_first=channels_first)
    before = images.copy()
    normalised = normalize(images)
    is_first = channels_first or layout == "NCHW"
    assert normalised.dtype == dtype
    assert_allclose(normalised, np.moveaxis(BY_HAND, 3, 1) if is_first else BY_HAND, atol=1e-5)
    assert_array_equal(images, before)
    torch = pytest.importorskip("torch")
    assert_array_equal(normalize(torch.tensor(images)).numpy(), normalised)


def test_single_numbers_need_no_axis_of_channels():
    waves = np.random.default_rng(0).normal(size=(4, 9))
    assert_allclose(ImageNormalizer(1, 2)(waves), (waves - 1) / 2, atol=1e-6)
    grey = ImageNormalizer(0.5, 0.5, channels_first=True)(IMAGES[..., 0])
    assert_allclose(grey, (IMAGES[:, None, ..., 0] / 255 - 0.5) / 0.5, atol=1e-6)
    three = ImageNormalizer(0.5, 0.5, n_channels=3, channels_first=True)(IMAGES)
    assert_allclose(three, (np.moveaxis(IMAGES, 3, 1) / 255 - 0.5) / 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("mean", "std", "match"),
    [
        (0.5, None, "give both"),
        (0.5, 0, "must be positive"),
        (np.nan, 1, "must be one finite number"),
        ([0.1, 0.2], [1, 1, 1], "mean has 2 values, std has 3"),
    ],
)
def test_what_cannot_normalise_is_refused(mean, std, match):
    with pytest.raises(ValueError, match=match):
        ImageNormalizer(mean, std)


def test_uint8_images_are_normalised_in_0_to_1_only():
    normalize = ImageNormalizer(127.5, 127.5)
    with pytest.raises(ValueError, match="divide both by 255"):
        normalize(IMAGES)
    remedied = ImageNormalizer(127.5 / 255, 127.5 / 255)(IMAGES)
    assert_allclose(remedied, normalize(IMAGES.astype(float)), atol=1e-5)


def test_equal_normalizers_are_one_preparation():
    one = ImageNormalizer(MEAN, 0.5)
    assert one == ImageNormalizer(list(MEAN), [0.5])
    assert hash(one) == hash(ImageNormalizer(list(MEAN), [0.5]))
    others = [ImageNormalizer(MEAN, 0.4), ImageNormalizer(MEAN, 0.5, channels_first=True)]
    assert one not in [*others, ImageNormalizer(MEAN, 0.5, dtype="float64"), abs]
