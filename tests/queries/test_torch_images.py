# SPDX-License-Identifier: BSD-3-Clause
"""Transforms of one image, as torchvision, timm and transformers have them, in a zoo."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skzest import ImageMasker, LimeSignatureTransformer
from skzest.exceptions import QueryError
from skzest.queries import TorchQuery

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (6, 12, 10, 3), dtype=np.uint8)


def network(n_channels=3):
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(n_channels, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, 3)).eval()


def signatures(images=PHOTOS, **params):
    lime = LimeSignatureTransformer(
        images,
        n_reference=2,
        n_samples=30,
        masker=ImageMasker("grid", segmenter_params={"shape": (2, 2)}),
    )
    return lime.fit_transform([TorchQuery(network(), **params)])


def of_tensor(image):
    """As a transform that works on tensors: (channels, height, width) in, floats out."""
    assert image.ndim == 3 and image.shape[0] == 3
    return image.float()[:, :8, :8] / 255


def of_pil(image):
    """As a transform that ends in ToTensor, and refuses tensors."""
    if not isinstance(image, Image.Image):
        raise TypeError(f"image should be PIL Image. Got {type(image)}")
    pixels = np.asarray(image.crop((0, 0, 8, 8)), dtype=np.float32) / 255
    return torch.tensor(pixels.transpose(2, 0, 1))


def of_numpy(image):
    """As one that reads a PIL image as an array, and takes a tensor for one, too."""
    return torch.tensor(np.asarray(image)[:8, :8].transpose(2, 0, 1) / np.float32(255))


def processor(image):
    """As those of transformers: inputs by name, with an axis of images."""
    return {"pixel_values": [of_tensor(image).numpy()]}


BATCHED = signatures(preprocess=lambda x: x.permute(0, 3, 1, 2)[:, :, :8, :8] / 255)


@pytest.mark.parametrize("transform", [of_tensor, of_pil, of_numpy, processor])
@pytest.mark.parametrize("layout", ["last", "first"])
def test_a_transform_of_one_image_is_a_batched_one(transform, layout):
    images = PHOTOS if layout == "last" else PHOTOS.transpose(0, 3, 1, 2)
    query = TorchQuery(network(), transform=transform)
    expected = of_tensor(torch.tensor(PHOTOS[0]).permute(2, 0, 1))
    assert_array_equal(query.prepare(torch.tensor(images))[0], expected)
    if layout == "last":
        assert_allclose(signatures(transform=transform), BATCHED, atol=1e-6)


def test_what_it_gets_can_be_said():
    seen = []

    def either(image):
        seen.append(type(image))
        return of_pil(image) if isinstance(image, Image.Image) else of_tensor(image)

    for told, kind in {"auto": torch.Tensor, "tensor": torch.Tensor, "pil": Image.Image}.items():
        seen.clear()
        TorchQuery(network(), transform=either, transform_input=told).prepare(torch.tensor(PHOTOS))
        assert set(seen) == {kind}


def test_grey_images_have_one_channel():
    grey = torch.tensor(PHOTOS[..., 0])
    as_tensor = TorchQuery(network(1), transform=lambda image: image / 255)
    as_pil = TorchQuery(
        network(1),
        transform=lambda image: torch.tensor(np.asarray(image) / np.float32(255))[None],
        transform_input="pil",
    )
    assert as_tensor.prepare(grey).shape == (6, 1, 12, 10)
    assert_array_equal(as_tensor.prepare(grey), as_pil.prepare(grey))


def test_a_transform_that_writes_spoils_nothing():
    batch = torch.tensor(PHOTOS)
    TorchQuery(network(), transform=lambda image: image.clamp_(max=3).float()).prepare(batch)
    assert_array_equal(batch, PHOTOS)


# --- refusals ----------------------------------------------------------------------------------


def test_one_way_of_preparing_images_is_enough():
    for other in ({"preprocess": abs}, {"mean": 0.5, "std": 0.5}):
        with pytest.raises(ValueError, match="give transform, or preprocess, or mean and std"):
            TorchQuery(network(), transform=of_tensor, **other)
    with pytest.raises(ValueError, match="transform_input must be 'auto', 'tensor' or 'pil'"):
        TorchQuery(network(), transform=of_tensor, transform_input="array")
    with pytest.raises(TypeError, match="transform=3 is not callable"):
        TorchQuery(network(), transform=3)


def test_results_of_several_shapes_are_refused_and_a_crop_mends_it():
    photos = [PHOTOS[0], PHOTOS[1][:9]]
    with pytest.raises(QueryError, match=r"shapes \[\(3, 9, 10\), \(3, 12, 10\)\].*a crop"):
        TorchQuery(network(), transform=lambda image: image / 255).prepare(photos)
    assert len(TorchQuery(network(), transform=of_tensor).prepare(photos)) == 2


def test_a_transform_that_takes_neither_is_refused_with_both_reasons():
    def picky(image):
        raise TypeError(f"no {type(image).__name__}")

    query = TorchQuery(network(), transform=picky)
    with pytest.raises(
        QueryError, match=r"as a tensor: TypeError: no Tensor; as a PIL image: Type"
    ):
        query.prepare(torch.tensor(PHOTOS))
    batched = TorchQuery(network(), preprocess=lambda x: x.permute(0, 3, 1, 2) / 255)
    assert batched.prepare(torch.tensor(PHOTOS)).shape == (6, 3, 12, 10)  # the remedy


def test_floats_are_no_pil_images():
    floats = torch.tensor(PHOTOS / 255)
    with pytest.raises(QueryError, match=r'holds torch.float64.*transform_input="tensor"'):
        TorchQuery(network(), transform=of_pil, transform_input="pil").prepare(floats)
    TorchQuery(network(), transform=of_tensor, transform_input="tensor").prepare(floats)


def test_a_result_that_is_still_a_picture_is_refused():
    query = TorchQuery(network(), transform=lambda image: image, transform_input="pil")
    with pytest.raises(
        QueryError, match=r"returned a Image; .* end it with torchvision's ToTensor"
    ):
        query.prepare(torch.tensor(PHOTOS))


def test_an_axis_of_channels_that_does_not_show_is_refused_and_the_remedy_works():
    odd = torch.tensor(RNG.integers(0, 256, (2, 3, 8, 3), dtype=np.uint8))
    with pytest.raises(QueryError, match=r"copy of shape \(3, 8, 3\) .* lambda x: torch.stack"):
        TorchQuery(network(), transform=of_tensor).prepare(odd)
    stacked = TorchQuery(
        network(), preprocess=lambda x: torch.stack([of_tensor(image) for image in x])
    )
    assert stacked.prepare(odd).shape == (2, 3, 8, 3)


@pytest.mark.skipif(not hasattr(Exception, "add_note"), reason="notes are of Python 3.11")
def test_a_transform_of_one_image_given_as_preprocess_is_told_where_it_goes():
    def of_one_image(image):
        return image[:, :8, :8] / torch.full((3, 1, 1), 255.0)

    with pytest.raises(RuntimeError) as said:
        signatures(preprocess=lambda batch: of_one_image(batch) @ torch.ones(5))
    assert "goes in transform=" in str(said.value.__notes__)
    assert np.isfinite(signatures(transform=of_one_image)).all()
