# SPDX-License-Identifier: BSD-3-Clause
"""A model's own transform, which takes one image at a time, applied to a batch.

torch and PIL are imported in functions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._validation import check_choice
from ..exceptions import QueryError
from ._base import Array, Inputs, Preprocess

if TYPE_CHECKING:
    import torch
    from PIL import Image

__all__ = ["PerImage"]

_CHANNELS = (1, 3, 4)


class PerImage:
    """A transform of one image as a function of a batch.

    Parameters
    ----------
    transform : callable
        Takes one image and returns one tensor or array, or a mapping that holds it as
        "pixel_values", as processors of transformers do. All results must have one shape.
    takes : {"auto", "tensor", "pil"}
        What it gets: a tensor of shape (channels, height, width), or a PIL image. "auto" tries
        the tensor and then the PIL image on the first image of each batch.
    """

    def __init__(self, transform: Preprocess, takes: str = "auto"):
        if not callable(transform):
            raise TypeError(
                f"transform={transform!r} is not callable; pass a function of one image, or None."
            )
        check_choice(takes, "transform_input", ("auto", "tensor", "pil"))
        self.transform, self.takes = transform, takes

    def __call__(self, X: Inputs) -> torch.Tensor:
        """The transformed images, of shape (n, channels, height, width)."""
        import torch

        images = [_channels_first(image) for image in X]
        form = self._form_for(images[0])
        made = [_pixels(self.transform(form(image))) for image in images]
        shapes = {tuple(image.shape) for image in made}
        if len(shapes) > 1:
            raise QueryError(
                f"transform= made images of the shapes {sorted(shapes)[:3]}, which cannot be in "
                "one batch; end it with a resize or a crop to one size."
            )
        return torch.stack(made)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PerImage):
            return NotImplemented
        return self.transform is other.transform and self.takes == other.takes

    def __hash__(self) -> int:
        return hash((id(self.transform), self.takes))

    def _form_for(self, image: torch.Tensor) -> Preprocess:
        """How the transform gets its images, by what it does with the first one."""
        forms = list(self._forms(image))
        if len(forms) == 1:
            return forms[0][1]
        refusals = []
        for name, form in forms:
            try:
                made = _pixels(self.transform(form(image.clone())))
            except Exception as error:
                refusals.append(f"as a {name}: {type(error).__name__}: {error}")
                continue
            if made.ndim != 3 or made.shape[0] in _CHANNELS:
                return form
            # It took the tensor for (height, width, channels), as NumPy has an image.
            refusals.append(f"as a {name}: the result has shape {tuple(made.shape)}")
        raise QueryError(
            f"transform= could not be applied to an image of shape {tuple(image.shape)} and "
            f"{image.dtype} ({'; '.join(refusals)}). Pass preprocess=, a function of the batch, "
            "instead."
        )

    def _forms(self, image: torch.Tensor) -> Iterator[tuple[str, Preprocess]]:
        if self.takes != "pil":
            yield "tensor", _as_it_is
        if self.takes == "pil" or (self.takes == "auto" and str(image.dtype) == "torch.uint8"):
            yield "PIL image", _as_pil


def _as_it_is(image: torch.Tensor) -> torch.Tensor:
    return image


def _as_pil(image: torch.Tensor) -> Image.Image:
    from PIL import Image

    if str(image.dtype) != "torch.uint8":
        raise QueryError(
            f"PIL images hold uint8, and the reference holds {image.dtype}; give the images as "
            'uint8, or pass transform_input="tensor"'
        )
    pixels = image.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _channels_first(image: Array) -> torch.Tensor:
    import torch

    image = torch.as_tensor(image)
    shape = tuple(image.shape)
    if image.ndim == 2:
        return image[None]
    if image.ndim == 3 and (shape[0] in _CHANNELS) != (shape[2] in _CHANNELS):
        return image if shape[0] in _CHANNELS else image.permute(2, 0, 1)
    raise QueryError(
        f"transform= takes images, and a copy of shape {shape} does not show which axis holds 1, "
        "3 or 4 channels; pass preprocess=, a function of the batch, such as "
        "lambda x: torch.stack([transform(image) for image in x])."
    )


def _pixels(made: Array) -> torch.Tensor:
    """One image in what a transform returned."""
    import torch

    if isinstance(made, Mapping) and "pixel_values" in made:
        made = made["pixel_values"]
        made = made[0] if len(made) == 1 else made
    if isinstance(made, np.ndarray):
        made = torch.as_tensor(made)
    if isinstance(made, torch.Tensor):
        return made
    raise QueryError(
        f"transform= returned a {type(made).__name__}; it must return a tensor or an array, so "
        "end it with torchvision's ToTensor(), for instance."
    )
