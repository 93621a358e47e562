# SPDX-License-Identifier: BSD-3-Clause
"""A torch module made ready for a run: in eval mode, on its device, in its fastest form.

All work is done on a twin that shares the parameters, so the user's module keeps its mode, hooks,
buffers and attributes whatever its forward does. Importing this file imports torch.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from io import StringIO
from itertools import chain
from typing import Any, NamedTuple

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from ..exceptions import warn
from ._base import Inputs
from ._torch_optimize import CONVS, capture, capture_parts

__all__ = ["Ready", "agreement", "home", "inference", "twin_of", "warn_of_training"]

logger = logging.getLogger("skzest")

_CHECKED_ROWS = 8


class Way(NamedTuple):
    """A form of a module, and whether its inputs are made channels-last."""

    name: str
    module: nn.Module
    channels_last: bool


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
    """How far a rewritten module's answers may be from its own, relative to the largest.

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


def rounding_unit(dtype: torch.dtype, device: torch.device) -> float:
    """Rounding unit of convolutions and products in this dtype."""
    if dtype == torch.float32 and is_short(dtype, device):
        return 2.0**-10  # TF32
    return torch.finfo(dtype).eps


class Ready:
    """A module for the length of a run.

    Parameters
    ----------
    model : Module
        The user's. :meth:`close` puts it back into the mode it was in.
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
        self.modes = [(module, module.training) for module in model.modules()]
        module = _eval_form(model, device, dtype)
        self.is_twin = module is not model
        self.plain = Way("as it is", module, False)
        self.dtype = float_dtype(module)
        self.layouts = _layouts(
            module, device, channels_last, is_short(autocast or self.dtype, device)
        )
        # Only convolutions have much to gain: a batch norm before a sum, and large arrays.
        self.optimize = optimize and any(isinstance(part, CONVS) for part in module.modules())
        self.way: Way | None = None
        self.is_confirmed = False

    def close(self) -> None:
        """Put the user's module back into the mode it was in."""
        for module, training in self.modes:
            module.training = training

    @property
    def how(self) -> str | None:
        """Name of the chosen form; None before the first batch."""
        return None if self.way is None else self.way.name

    @property
    def is_channels_last(self) -> bool:
        """Whether the chosen form takes its inputs channels-last."""
        return self.way is not None and self.way.channels_last

    def arranged(self, x: Inputs) -> Inputs:
        """A prepared batch in the order in memory that the chosen form takes."""
        if self.is_channels_last and isinstance(x, torch.Tensor) and x.ndim == 4:
            return x.contiguous(memory_format=torch.channels_last)
        return x

    def __call__(self, x: torch.Tensor | Mapping[str, Any]) -> torch.Tensor:
        """Answer to one prepared batch: a tensor, or a mapping of them by name."""
        if isinstance(x, Mapping):
            self.way = self.plain
            with self._precision():
                return self.answer_of(self.plain.module(**x))
        # The first batch is a few copies, which may all take one side of a branch in the module's
        # code: look again at a longer one.
        if self.way is None or (not self.is_confirmed and len(x) > _CHECKED_ROWS):
            self.way = self._choose(_some_rows(x))
            self.is_confirmed = len(x) > _CHECKED_ROWS
            logger.debug("asking %s: %s", type(self.plain.module).__name__, self.way.name)
        return self._answer(self.way, x)

    def _answer(self, way: Way, x: torch.Tensor) -> torch.Tensor:
        if way.channels_last and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with self._precision():
            return self.answer_of(way.module(x))

    def _precision(self) -> AbstractContextManager:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)

    # --- which form is used ---------------------------------------------------------------

    def _choose(self, x: torch.Tensor) -> Way:
        """The current form, or else the fastest, whose answers to a few copies are right."""
        expected = None
        for way in chain([self.way] if self.way else [], self._ways()):
            if way is self.plain:
                break
            # Each gets an input of its own: a module may write to it.
            if expected is None:
                expected = self._answer(self.plain, x.clone())
            if self._agrees(way, x.clone(), expected):
                return way
        return self.plain

    def _ways(self) -> Iterator[Way]:
        """Forms of the module, fastest first; made one by one, as usually the first is right."""
        for in_place in (True, False) if self.optimize else ():
            captured = self._captured(in_place)
            if captured is not None:
                yield from (Way("rewritten", captured, layout) for layout in self.layouts)
        if self.layouts[0]:
            yield Way("as it is, channels-last", self.plain.module, True)

    def _captured(self, in_place: bool) -> nn.Module | None:
        captured = capture(self.plain.module, in_place=in_place)
        if captured is None and self.is_twin:
            captured = twin_of(self.plain.module)
            if captured is not None and capture_parts(captured, in_place=in_place) == 0:
                return None
        return captured

    def _agrees(self, way: Way, x: torch.Tensor, expected: torch.Tensor) -> bool:
        try:
            with redirect_stderr(StringIO()):  # torch.fx prints the line that failed
                given = self._answer(way, x)
        except Exception as error:  # such as a view of a size that channels-last does not allow
            logger.debug("%s was not possible: %s", way.name, error)
            return False
        if given.shape != expected.shape or given.dtype != expected.dtype:
            return False
        if not given.numel():
            return True
        gap, scale = (given.double() - expected.double()).abs().max(), expected.abs().max()
        agrees = bool(gap <= agreement(self.plain.module, self.autocast) * scale)
        if not agrees:
            logger.info("%s: answers up to %.3g apart, of %.3g", way.name, float(gap), float(scale))
        return agrees


def _some_rows(x: torch.Tensor) -> torch.Tensor:
    """A few rows, evenly spaced over a batch."""
    rows = torch.linspace(0, len(x) - 1, min(len(x), _CHECKED_ROWS), device=x.device)
    return x[rows.round().long()]


def _layouts(
    module: nn.Module, device: torch.device, channels_last: bool | str, short: bool
) -> tuple[bool, ...]:
    """Whether inputs are made channels-last, in order of preference."""
    if channels_last == "auto":
        # oneDNN and tensor cores prefer it. Elsewhere it is not known to pay.
        channels_last = device.type == "cpu" or (device.type == "cuda" and short)
    if channels_last and any(isinstance(part, nn.Conv2d) for part in module.modules()):
        return (True, False)
    return (False,)


# --- the twin -----------------------------------------------------------------------------


def _eval_form(model: nn.Module, device: torch.device, dtype: torch.dtype | None) -> nn.Module:
    """The module in eval mode on a device: a twin where one can be made, else itself."""
    devices = {tensor.device for tensor in _tensors(model)}
    moves = len(devices) == 1 and devices != {device}  # on several: too large for one
    casts = dtype is not None and float_dtype(model) != dtype
    if moves or casts:
        return _copied(model).to(device=device if moves else None, dtype=dtype if casts else None)
    twin = twin_of(model)
    if twin is not None:
        return twin
    try:
        return model.eval()
    except NotImplementedError:  # modules made by torch.export have one mode
        return model


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model).eval()
    except Exception as error:
        raise TypeError(
            f"{type(model).__name__} cannot be copied ({error}), so only you can move it: call "
            "model.to(...) yourself, and leave device and dtype at their defaults."
        ) from error


def twin_of(module: nn.Module) -> nn.Module | None:
    """A copy in eval mode that shares the parameters; None if the module cannot be copied.

    Buffers and all other attributes are copies, since a forward may write to them.
    """
    shared: dict[int, torch.Tensor] = {id(p): p for p in module.parameters()}
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


def warn_of_training(model: nn.Module) -> None:
    """Warn of a module in training mode, as it is asked in eval mode."""
    training = [name or "the module" for name, m in model.named_modules() if m.training]
    if not training:
        return
    where = "is" if model.training else f"has {len(training)} parts ({training[0]}, ...)"
    warn(
        f"{type(model).__name__} {where} in training mode. It is asked in eval mode, and its mode "
        "is restored afterwards; call model.eval() to confirm that this is intended.",
        UserWarning,
    )


@contextmanager
def inference(ready: Ready) -> Iterator[Ready]:
    """Context in which a module is asked: nothing is recorded for gradients."""
    on_device = torch.cuda.device(ready.device) if ready.device.type == "cuda" else nullcontext()
    with torch.inference_mode(), on_device:
        yield ready
