# SPDX-License-Identifier: BSD-3-Clause
"""torch: the state of a module and its structure, on whatever device it lies."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ._base import Piece, attributes, register_fingerprint
from ._installed import UnseenError, class_name, named

if TYPE_CHECKING:
    import torch

__all__ = ["register"]

_PLAIN = ("dtype", "device", "Size", "layout", "memory_format")


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(functools.partial(_is, _PLAIN), lambda value: ["torch", str(value)])
    register_fingerprint(functools.partial(_is, ("Generator",)), lambda value: ["random"])
    register_fingerprint(functools.partial(_is, ("Tensor",)), _tensor)
    register_fingerprint(functools.partial(_is, ("nn.Module",)), _module)


def _is(names: tuple[str, ...], value: object) -> bool:
    """Whether this is one of torch's, which has no objects yet if it was never imported."""
    torch = sys.modules.get("torch")
    for name in names:
        kind: object = torch
        for part in name.split("."):
            kind = getattr(kind, part, None)  # None as well while torch is being imported
        if isinstance(kind, type) and isinstance(value, kind):
            return True
    return False


def _tensor(tensor: torch.Tensor) -> Iterator[Piece]:
    import torch

    yield "tensor"
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        yield class_name(tensor)
        if hasattr(tensor, "__tensor_flatten__"):
            yield from _tensors_within(tensor)
            return
    yield f"{tensor.dtype} {tuple(tensor.shape)}"
    tensor = tensor.detach()
    if tensor.is_quantized:
        yield str(tensor.qscheme())
        yield ".dequantize()", tensor.dequantize()
    elif tensor.layout is not torch.strided:
        yield str(tensor.layout)
        yield ".to_dense()", tensor.to_dense()
    else:
        # As bytes, so that kinds that NumPy lacks (bfloat16) pass as well.
        flat = tensor.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, dtype=np.uint8)


def _tensors_within(tensor: torch.Tensor) -> Iterator[Piece]:
    """A tensor that is made of others, such as a quantized weight and its scales."""
    names, context = tensor.__tensor_flatten__()  # type: ignore[attr-defined]
    yield ".context", context
    yield from attributes({name: getattr(tensor, name) for name in names})


def _module(module: torch.nn.Module) -> Iterator[Piece]:
    """Class, attributes, hooks, parameters, buffers and children."""
    import torch
    from torch.nn.utils import parametrize

    if type(module).__module__.startswith("torch._dynamo"):  # compiled: it is its original
        yield from _module(module._orig_mod)
        return
    if isinstance(module, torch.jit.ScriptModule):
        raise UnseenError("is a TorchScript module, whose constants cannot be read")
    yield "module"
    ignored = {*vars(torch.nn.Module()), "training", "_is_torch_compile"}
    if isinstance(module, torch.fx.GraphModule):
        yield from _program(module)
        ignored |= set(vars(module))
    else:
        yield named(parametrize.type_before_parametrizations(module), "an instance of ")
    yield from attributes({k: v for k, v in vars(module).items() if k not in ignored})
    for kind in ("_parameters", "_buffers", "_modules"):
        yield f".{kind}", dict(getattr(module, kind))
    for kind in ("_forward_pre_hooks", "_forward_hooks"):
        yield f".{kind}", list(getattr(module, kind).values())


def _program(module: torch.fx.GraphModule) -> Iterator[Piece]:
    """The code of a traced or exported module, and what it refers to."""
    yield str(module.code)
    for node in module.graph.nodes:
        if callable(node.target):
            yield f".{node.name}", node.target
        elif node.op == "get_attr":
            yield f".{node.target}", operator.attrgetter(node.target)(module)
