# SPDX-License-Identifier: BSD-3-Clause
"""A torch module made ready to be asked: in eval mode, on its device, as fast as it goes.

All work is done on a twin that shares the parameters, so that the user's module keeps its
mode, hooks, buffers and attributes whatever its forward does. Importing this file imports
torch.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr
from io import StringIO
from typing import Any

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from ._torch_optimize import CONVS, capture, capture_parts

__all__ = ["Ready", "agreement", "home", "inference", "twin_of", "warn_of_training"]

logger = logging.getLogger("skzest")

_CHECKED_ROWS = 8
_AS_IT_IS = "as it is"


def home(module: nn.Module) -> torch.device:
    """The device of a module's first parameter or buffer; the CPU if it has none."""
    for tensor in _tensors(module):
        return tensor.device
    return torch.device("cpu")


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def float_dtype(module: nn.Module) -> torch.dtype:
    """The dtype of a module's first floating parameter or buffer."""
    for tensor in _tensors(module):
        if tensor.dtype.is_floating_point:
            return tensor.dtype
    return torch.get_default_dtype()


def agreement(module: nn.Module, autocast: torch.dtype | None = None) -> float:
    """How far a rewritten module's answers may be from its own, in parts of the largest.

    Rounding in the precision that the module computes in: 1e-8 for float64, 1e-4 for float32,
    and 3e-2 for anything shorter, such as TF32, which convolutions on a GPU may use.
    """
    dtype = autocast or float_dtype(module)
    if dtype == torch.float64:
        return 1e-8
    return 3e-2 if is_short(dtype, home(module)) else 1e-4


def is_short(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether convolutions compute with fewer digits than float32 has."""
    tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return dtype not in (torch.float32, torch.float64) or (tf32 and dtype == torch.float32)


class Ready:
    """A module for the length of a session.

    Parameters
    ----------
    model : Module
        The user's. It is put back as it was by :meth:`close`.
    device : torch.device
    dtype : torch.dtype or None
        What parameters and inputs are cast to; None keeps the module's.
    autocast : torch.dtype or None
    channels_last : bool or "auto"
    optimize : bool
    answer_of : callable
        Takes what the module returns to one tensor.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        device: torch.device,
        dtype: torch.dtype | None,
        autocast: torch.dtype | None,
        channels_last: bool | str,
        optimize: bool,
        answer_of: Callable[[Any], torch.Tensor],
    ):
        self.device, self.autocast, self.answer_of = device, autocast, answer_of
        self.optimize = optimize
        self.modes = _modes_to_restore(model)
        self.plain = _ready(model, device, dtype)
        self.is_twin = self.plain is not model
        self.dtype = float_dtype(self.plain)
        short = is_short(autocast or self.dtype, device)
        self.layouts = _layouts(self.plain, device, channels_last, short)
        self.chosen: tuple[str, nn.Module, bool] | None = None
        self.confirmed = False

    def close(self) -> None:
        """Put the user's module back into the mode it was in."""
        for module, training in self.modes:
            module.training = training

    @property
    def how(self) -> str | None:
        """The way that is taken, once there was a batch to try it on."""
        return None if self.chosen is None else self.chosen[0]

    def __call__(self, x: Any) -> torch.Tensor:
        """Answer to one prepared batch: a tensor, or a mapping of them by name."""
        if isinstance(x, Mapping):
            self.chosen = _AS_IT_IS, self.plain, False
            with self._precision():
                return self.answer_of(self.plain(**x))
        # A few copies come first, which may all lie on one side of a branch: looked at again.
        if self.chosen is None or (not self.confirmed and len(x) > _CHECKED_ROWS):
            self._choose_by(_spread(x))
            self.confirmed = len(x) > _CHECKED_ROWS
        assert self.chosen is not None
        _, module, channels_last = self.chosen
        return self._forward(module, x, channels_last)

    def _choose_by(self, x: torch.Tensor) -> None:
        """Keep the way that was taken, if it is right for these copies, too."""
        if self.chosen is not None:
            expected = self._forward(self.plain, x.clone(), False)
            if self._agrees(self.chosen, x.clone(), expected):
                return
        self.chosen = self._choose(x)
        logger.debug("asking %s: %s", type(self.plain).__name__, self.chosen[0])

    def _forward(self, module: nn.Module, x: torch.Tensor, channels_last: bool) -> torch.Tensor:
        if channels_last and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with self._precision():
            return self.answer_of(module(x))

    def _precision(self) -> Any:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)

    # --- which way is taken ---------------------------------------------------------------

    def _choose(self, x: torch.Tensor) -> tuple[str, nn.Module, bool]:
        """The fastest way whose answers to a few copies are the plain module's."""
        expected = None
        for way in self._ways():
            # Each gets an input of its own: a module may write to it.
            if expected is None:
                expected = self._forward(self.plain, x.clone(), False)
            if self._agrees(way, x.clone(), expected):
                return way
        return _AS_IT_IS, self.plain, False

    def _ways(self) -> Iterator[tuple[str, nn.Module, bool]]:
        """Ways to ask, the fastest first; made one by one, as mostly the first one serves."""
        # Only convolutions have much to gain: a batch norm before a sum, and large arrays.
        if self.optimize and any(isinstance(m, CONVS) for m in self.plain.modules()):
            for in_place in (True, False):
                captured = self._captured(in_place)
                if captured is not None:
                    for channels_last in self.layouts:
                        yield "rewritten", captured, channels_last
        if self.layouts[0]:
            yield "as it is, channels-last", self.plain, True

    def _captured(self, in_place: bool) -> nn.Module | None:
        captured = capture(self.plain, in_place=in_place)
        if captured is None and self.is_twin:
            captured = twin_of(self.plain)
            if captured is not None and capture_parts(captured, in_place=in_place) == 0:
                return None
        return captured

    def _agrees(self, way: tuple, x: torch.Tensor, expected: torch.Tensor) -> bool:
        name, module, channels_last = way
        try:
            with redirect_stderr(StringIO()):  # torch.fx prints the line that failed
                given = self._forward(module, x, channels_last)
        except Exception as error:  # such as a view of a size that channels-last does not allow
            logger.debug("%s was not possible: %s", name, error)
            return False
        if given.shape != expected.shape or given.dtype != expected.dtype:
            return False
        gap = (given.double() - expected.double()).abs().max() if given.numel() else 0.0
        scale = expected.abs().max() if given.numel() else 1.0
        agrees = bool(gap <= agreement(self.plain, self.autocast) * scale)
        if not agrees:
            logger.info("%s gave answers %.3g apart of %.3g", name, float(gap), float(scale))
        return agrees


def _spread(x: torch.Tensor) -> torch.Tensor:
    """A few rows from all over a batch."""
    rows = torch.linspace(0, len(x) - 1, min(len(x), _CHECKED_ROWS), device=x.device)
    return x[rows.round().long()]


def _layouts(
    plain: nn.Module, device: torch.device, channels_last: bool | str, short: bool
) -> tuple[bool, ...]:
    """Whether inputs are made channels-last, in the order of preference."""
    if channels_last == "auto":
        # oneDNN and tensor cores both want it. Elsewhere it is not known to pay.
        channels_last = device.type == "cpu" or (device.type == "cuda" and short)
    if channels_last and any(isinstance(module, nn.Conv2d) for module in plain.modules()):
        return (True, False)
    return (False,)


# --- the twin -----------------------------------------------------------------------------


def _ready(model: nn.Module, device: torch.device, dtype: torch.dtype | None) -> nn.Module:
    """The module in eval mode on a device: a twin where one can be made, else itself."""
    moves = any(tensor.device != device for tensor in _tensors(model)) and not _is_spread(model)
    casts = dtype is not None and float_dtype(model) != dtype
    if moves or casts:
        try:
            twin = copy.deepcopy(model)
        except Exception as error:
            raise TypeError(
                f"{type(model).__name__} cannot be copied ({error}), so that only you can move "
                "it: call model.to(...) yourself, and leave device and dtype at their defaults."
            ) from error
        twin = twin.to(device=device if moves else None, dtype=dtype if casts else None)
        return twin.eval()
    twin = twin_of(model)
    if twin is not None:
        return twin
    try:
        return model.eval()
    except NotImplementedError:  # modules that torch.export makes have one mode
        return model


def twin_of(module: nn.Module) -> nn.Module | None:
    """A copy in eval mode that shares the parameters; None if the module cannot be copied.

    Buffers and all other attributes are copies, since a forward may write to them.
    """
    shared: dict[int, Any] = {id(p): p for p in module.parameters()}
    for part in module.modules():
        if "forward" in vars(part):
            return None  # a function put in place of the method may know the original
        for value in vars(part).values():
            # Such as the weight under weight_norm: deepcopy refuses tensors with a history.
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                shared[id(value)] = value
    try:
        return copy.deepcopy(module, shared).eval()
    except Exception:
        return None


def _is_spread(module: nn.Module) -> bool:
    """Whether a module lies on several devices, as those do that one cannot hold."""
    return len({tensor.device for tensor in _tensors(module)}) > 1


def _modes_to_restore(model: nn.Module) -> list[tuple[nn.Module, bool]]:
    return [(module, module.training) for module in model.modules()]


def warn_of_training(model: nn.Module) -> None:
    """Say that a module in training mode is asked in eval mode."""
    training = [name or "the module" for name, m in model.named_modules() if m.training]
    if not training:
        return
    where = "is" if model.training else f"has {len(training)} parts ({training[0]}, ...)"
    warnings.warn(
        f"{type(model).__name__} {where} in training mode. It is asked in eval mode, and left as "
        "it was; call model.eval() to say that this is meant.",
        UserWarning,
        stacklevel=2,
    )


@contextmanager
def inference(ready: Ready) -> Iterator[Ready]:
    """Context in which a module is asked: nothing is recorded for gradients."""
    with torch.inference_mode(), _on(ready.device):
        yield ready


def _on(device: torch.device) -> Any:
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
