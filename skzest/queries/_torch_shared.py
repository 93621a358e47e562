# SPDX-License-Identifier: BSD-3-Clause
"""One preparation for several networks: what a batch became for one of them serves the next.

torch is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass

from ._base import Inputs

__all__ = ["prepared", "shared_inputs"]

# A zoo has few kinds of preparation; beyond these the oldest is made again.
_MOST_HELD = 4


@dataclass(frozen=True)
class _Held:
    """A batch, and what one way of preparing it made of it, which no network gets to see."""

    batch: Inputs
    recipe: Hashable
    inputs: Inputs


_HELD: ContextVar[list[_Held] | None] = ContextVar("prepared inputs", default=None)


@contextmanager
def shared_inputs() -> Iterator[None]:
    """Context in which networks that prepare a batch alike share the result.

    Entered around the questions of one batch to all models of a zoo. Each network gets a copy of
    the result, so it may write into its input.
    """
    token = _HELD.set([])
    try:
        yield
    finally:
        _HELD.reset(token)


def prepared(X: Inputs, recipe: Hashable | None, make: Callable[[Inputs], Inputs]) -> Inputs:
    """``make(X)``, called once for all networks with the same recipe; None is never shared.

    Whatever a network does to its inputs stays with it: NumPy, ``.data`` and nested values leave
    no trace that could be looked for, and a copy costs a few percent of a convolution.
    """
    held = _HELD.get()
    if recipe is None or held is None:
        return _made(X, make)  # shared with nobody
    for known in held:
        if known.batch is X and known.recipe == recipe:
            return _copied(known.inputs)
    inputs = _made(X, make)
    try:
        given = _copied(inputs)
    except Exception:  # something that cannot be copied is made anew for each
        return inputs
    held.append(_Held(X, recipe, inputs))
    del held[:-_MOST_HELD]
    return given


def _made(X: Inputs, make: Callable[[Inputs], Inputs]) -> Inputs:
    import torch

    # Ordinary tensors, not those of inference mode: a preprocess may keep a tensor of one call to
    # write into it in the next.
    with torch.inference_mode(False), torch.no_grad():
        return make(X)


def _copied(inputs: Inputs) -> Inputs:
    # Sooner than deepcopy, which goes by way of the storage.
    return inputs.clone() if hasattr(inputs, "clone") else deepcopy(inputs)
