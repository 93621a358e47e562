# SPDX-License-Identifier: BSD-3-Clause
"""What can be read off a torch module before it is asked, and off what it returns.

torch is imported inside functions only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..exceptions import QueryError
from ._labels import as_classes, classes_of_config, shortened

if TYPE_CHECKING:
    import torch

__all__ = [
    "as_dtype",
    "classes_for",
    "device_for",
    "find_scores",
    "first_layer",
    "is_lookup",
    "is_pretrained",
    "refuse_sigmoid",
]


def first_layer(module: torch.nn.Module) -> torch.nn.Module | None:
    """The first layer that has weights, in the order of definition; None if there is none."""
    for layer in module.modules():
        if getattr(layer, "weight", None) is not None:
            return layer
    return None


def is_pretrained(module: torch.nn.Module) -> bool:
    """Whether this is a model of transformers; never imports the library."""
    base = sys.modules.get("transformers.modeling_utils")
    return isinstance(module, getattr(base, "PreTrainedModel", ()))


def is_lookup(layer: torch.nn.Module | None) -> bool:
    """Whether a layer takes whole numbers, as rows of a table."""
    return type(layer).__name__.startswith("Embedding")


def classes_for(model: torch.nn.Module, classes: ArrayLike | None) -> np.ndarray | None:
    """Labels of the columns, as given or as the module's own configuration has them."""
    own = classes_of_config(model)
    if classes is None:
        return own
    labels = as_classes(classes)
    if own is not None and [*map(str, labels.tolist())] != own.tolist():
        raise ValueError(
            f"classes= holds {shortened(labels)}, and config.id2label of {type(model).__name__} "
            f"holds {shortened(own)}. Leave classes= out, or correct config.id2label."
        )
    return labels


def device_for(model: torch.nn.Module, device: str | torch.device) -> torch.device:
    """The device with its index, so that two names of one device are equal."""
    import torch

    from ._torch_ready import home

    is_auto = isinstance(device, str) and device == "auto"
    found = home(model) if is_auto else _usable(device, home(model))
    if found.type == "meta":
        raise ValueError(
            f"{type(model).__name__} lies on the meta device and has no weights; load them first."
        )
    if found.type == "cuda" and found.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return found


def _usable(device: str | torch.device, here: torch.device) -> torch.device:
    """A device that this machine and this build of torch have; a module lies ``here``."""
    import torch

    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"device={str(device)!r} cannot be used here ({reason}). Leave device= out to ask the "
            f"module where it is, on {str(here)!r}."
        ) from error
    return found


def as_dtype(dtype: str | torch.dtype | None, name: str) -> torch.dtype | None:
    """A floating dtype of torch, from itself or from its name; None stays None."""
    import torch

    if isinstance(dtype, str):
        dtype = getattr(torch, dtype, dtype)
    if dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        return dtype
    raise ValueError(f"{name}={dtype!r} is not a floating dtype of torch, such as 'float32'.")


def refuse_sigmoid(model: torch.nn.Module, output: str) -> None:
    """Refuse a stack of layers that ends in a sigmoid, if it is said to answer with logits."""
    import torch

    is_stack = isinstance(model, torch.nn.Sequential) and len(model) > 0
    if output == "logits" and is_stack and isinstance(model[-1], torch.nn.Sigmoid):
        raise QueryError(
            f"{type(model).__name__} ends in a sigmoid, so it does not answer with logits. Leave "
            "the last layer out: TorchQuery(model[:-1].eval(), ...). If it has one column, the "
            'probability of the second of two classes, pass output="predict_proba" and classes=.'
        )


def find_scores(answer: object) -> torch.Tensor | None:
    """The scores in what a module returned; None if they cannot be told."""
    import torch

    if isinstance(answer, Mapping):
        tensors = [value for value in answer.values() if isinstance(value, torch.Tensor)]
        found = answer.get("logits", tensors[0] if len(tensors) == 1 else None)
    elif isinstance(answer, torch.Tensor):
        found = answer
    elif hasattr(answer, "logits"):
        found = answer.logits
    else:
        found = answer[0] if isinstance(answer, (tuple, list)) and answer else None
    return found if isinstance(found, torch.Tensor) else None
