# SPDX-License-Identifier: BSD-3-Clause
"""Turns masked copies into what a torch module expects, and warns where the two do not fit.

Copies keep the reference's layout and range, and nothing is guessed: what a module expects is
given by ``preprocess=``, ``transform=``, or ``mean=`` and ``std=``. torch is imported inside
functions only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from ..exceptions import QueryError, warn
from ._base import Inputs, Preprocess, Query
from ._normalizer import ImageNormalizer
from ._torch_images import PerImage
from ._torch_module import first_layer, is_lookup, is_pretrained

if TYPE_CHECKING:
    import torch

__all__ = [
    "as_input",
    "explain_refusal",
    "not_a_tensor",
    "note_of_one_image",
    "preprocess_for",
    "warn_of_mismatch",
]

# Normalized images reach 3 or so, raw ones 255.
_RAW = 16.0


def preprocess_for(
    model: torch.nn.Module,
    dtype: torch.dtype,
    preprocess: Preprocess | None,
    transform: PerImage | None,
    mean: ArrayLike | None,
    std: ArrayLike | None,
) -> Preprocess | None:
    """The function of a batch that does what was said in one of three ways."""
    if transform is not None:
        if any(given is not None for given in (preprocess, mean, std)):
            raise ValueError("give transform, or preprocess, or mean and std; not several.")
        return transform
    if mean is None and std is None:
        return preprocess
    if preprocess is not None:
        raise ValueError("give either preprocess, or mean and std; preprocess can normalize too.")
    return ImageNormalizer(
        mean,
        std,
        n_channels=getattr(first_layer(model), "in_channels", None),
        dtype="float64" if str(dtype) == "torch.float64" else "float32",
        channels_first=True,
    )


def as_input(X: torch.Tensor, dtype: torch.dtype, keeps_whole: bool) -> torch.Tensor:
    """The batch in the module's dtype; whole numbers stay as they are if `keeps_whole`."""
    if X.dtype.is_complex or (keeps_whole and not X.dtype.is_floating_point):
        return X
    return X.to(dtype)


def note_of_one_image(error: Exception, X: Inputs) -> None:
    """Note that a function of one image goes elsewhere; needs Python 3.11."""
    if getattr(X, "ndim", 0) > 2 and hasattr(error, "add_note"):
        error.add_note(
            f"preprocess= got the whole batch, a {X.dtype} tensor of shape {tuple(X.shape)}. "
            "A function of one image, such as a transform of torchvision or timm, goes in "
            "transform=."
        )


def not_a_tensor(query: Query, X: Inputs, x: object) -> str:
    """What to do about a batch ``X`` that was made into ``x``, which is no tensor."""
    if not isinstance(X, list):
        return (
            f"preprocess= of {query!r} returned {type(x).__name__} for a tensor of shape "
            f"{tuple(X.shape)}; it must return a tensor, or a dict of tensors."
        )
    made = "and has none" if query.preprocess is None else f"and returned {type(x).__name__}"
    if query.preprocess is None and is_pretrained(query.model):
        return (
            f"{query!r} gets a list of {type(X[0]).__name__} and has no tokenizer; use "
            "TransformersQuery(model, tokenizer)."
        )
    return (
        f"{query!r} gets a list of {type(X[0]).__name__}; it needs a preprocess= that makes "
        f"one tensor of it, or a dict of them, {made}."
    )


def _is_conv(layer: torch.nn.Module | None) -> bool:
    return type(layer).__name__ in ("Conv1d", "Conv2d", "Conv3d")


def warn_of_mismatch(query: Query, X: torch.Tensor, first: torch.nn.Module | None) -> None:
    """Warn of input that a module accepts but was probably not trained on.

    Only where the user has not said, with ``preprocess=``, what the module expects.
    """
    import torch

    say, normalized = None, isinstance(query.preprocess, ImageNormalizer)
    if query.preprocess is not None and not normalized:
        return
    silence = "If it was trained so, say so with preprocess=torch.Tensor.float."
    instead = "Pass mean= and std=, or preprocess=."
    if is_pretrained(query.model):
        instead = "Use TransformersQuery(model, image_processor), or pass preprocess=."
    if X.dtype == torch.uint8 and not normalized and not is_lookup(first):
        say = f"gets uint8 copies as numbers up to 255, not scaled. {instead} {silence}"
    elif (
        X.dtype != torch.uint8
        and not is_lookup(first)
        and (normalized or _is_conv(first))
        and X.ndim >= 3
    ):
        low, high = float(X.min()), float(X.max())
        whole = not X.dtype.is_floating_point  # waves of int16 have values below zero
        if (low >= 0 or whole) and high > _RAW:
            say = (
                f"gets images with values up to {high:.4g}, as if they were in 0-1"
                if normalized
                else f"gets images with values up to {high:.4g}, not scaled"
            )
            say += f". Scale the reference, or pass preprocess=. {silence}"
    flat = type(first).__name__ == "Linear" and X.ndim == 4 and not normalized
    if say is None and flat and X.shape[3] <= 4 < X.shape[1]:
        say = (
            f"begins with a linear layer and gets channels-last images, {tuple(X.shape[1:])}. If "
            "it was trained on channels-first ones the order of its inputs is wrong: pass "
            "preprocess=lambda x: x.permute(0, 3, 1, 2)."
        )
    if say is not None:
        warn(f"{query!r} {say}")


def _scaling(query: Query, X: Inputs) -> str:
    """Code that brings raw images to 0-1: a preprocess= silences the warning about their range."""
    if query.preprocess is not None or isinstance(X, list):
        return ""
    high = float(X.max())
    if str(X.dtype) == "torch.uint8" or _RAW < high <= 255:
        return " / 255"
    return " / 65535" if 255 < high <= 65535 else ""


def explain_refusal(
    query: Query, X: Inputs, x: torch.Tensor, first: torch.nn.Module | None, error: Exception
) -> QueryError | None:
    """What to do about a module's error, where the shape of its input shows the cause.

    ``X`` are the copies, and ``x`` is what the module got.
    """
    if first is None or type(first).__name__ != "Conv2d" or x.ndim not in (3, 4):
        return None
    shape, wanted = tuple(x.shape), first.in_channels
    if x.ndim == 4 and shape[1] == wanted:
        return None
    remedy = f"pass preprocess=, a function that gives (n, {wanted}, height, width)"
    if x.ndim == 3:
        remedy = (
            "grey images need an axis of channels: pass preprocess=lambda x: x[:, None]"
            f"{_scaling(query, X)}"
        )
    elif shape[3] == wanted:
        remedy = (
            "these are channels-last: pass mean= and std=, or preprocess=lambda x: "
            f"x.permute(0, 3, 1, 2){_scaling(query, X)}"
        )
    return QueryError(
        f"{query!r} could not be asked with a batch of shape {shape}; its first convolution "
        f"takes (n, {wanted}, height, width), and {remedy}. ({error})"
    )
