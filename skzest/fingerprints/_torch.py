# SPDX-License-Identifier: BSD-3-Clause
"""torch: the state of a module and its structure, on whatever device it lies."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._base import register_fingerprint

__all__ = ["register"]


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(_is_plain, lambda value: ["torch", str(value)])
    register_fingerprint(_is_generator, lambda value: ["random", type(value).__name__])
    register_fingerprint(functools.partial(_is, "Tensor"), _tensor)
    register_fingerprint(functools.partial(_is, "nn.Module"), _module)


def _is(name: str, value: Any) -> bool:
    """Whether this is one of torch's, which has no objects yet if it was never imported."""
    torch = sys.modules.get("torch")
    kind: Any = torch
    for part in name.split("."):
        kind = getattr(kind, part, None)  # None as well while torch is being imported
    return kind is not None and isinstance(value, kind)


def _is_plain(value: Any) -> bool:
    return any(_is(name, value) for name in ("dtype", "device", "Size", "layout", "memory_format"))


def _is_generator(value: Any) -> bool:
    return _is("Generator", value)


def _tensor(tensor: Any) -> Iterator[Any]:
    import torch

    yield "tensor"
    yield f"{tensor.dtype} {tuple(tensor.shape)}"
    tensor = tensor.detach()
    if tensor.is_quantized:
        yield str(tensor.qscheme())
        yield ".dequantize()", tensor.dequantize()
    elif tensor.layout is not torch.strided:
        yield str(tensor.layout)
        yield ".to_dense()", tensor.to_dense()
    else:
        # Seen as bytes, so that kinds that NumPy lacks (bfloat16) pass as well.
        flat = tensor.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, dtype=np.uint8)


def _module(module: Any) -> Iterator[Any]:
    """Class, attributes, parameters, buffers and children; a compiled module is its original."""
    from torch import nn

    original = getattr(module, "_orig_mod", None)
    if original is not None:
        yield "._orig_mod", original
        return
    yield "module"
    yield ".__class__", type(module)
    if isinstance(getattr(type(module), "code", None), property):
        yield str(module.code)  # traced, exported and scripted modules carry their program
    ignored = {*vars(nn.Module()), "training"}
    for name, value in sorted(vars(module).items()):
        if name not in ignored:
            yield name
            yield f".{name}", value
    for kind in ("_parameters", "_buffers", "_modules"):
        yield kind
        for name, value in getattr(module, kind).items():
            yield name
            yield f".{name}", value
    for kind in ("_forward_pre_hooks", "_forward_hooks"):
        for hook in getattr(module, kind).values():
            # What it does, and numbers that it goes by; not all that it holds: hooks collect.
            yield kind
            yield f".{kind}", getattr(hook, "__code__", type(hook))
            for name, value in sorted(_held(hook).items()):
                if isinstance(value, (bool, int, float, str)):
                    yield name
                    yield f".{kind}.{name}", value


def _held(hook: Any) -> dict[str, Any]:
    """What a hook has at hand: attributes, or variables of outer functions."""
    held = dict(getattr(hook, "__dict__", {}))
    names = getattr(getattr(hook, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(hook, "__closure__", None) or ()):
        with contextlib.suppress(ValueError):  # a variable that has no value yet
            held[name] = cell.cell_contents
    return held
