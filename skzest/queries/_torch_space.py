# SPDX-License-Identifier: BSD-3-Clause
"""Where batches of torch tensors are stored. torch is imported inside functions only."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from ._base import Array, Space

if TYPE_CHECKING:
    import torch

__all__ = ["TorchSpace"]

# Numbers in one batch. On a CPU one batch of copies and its first feature maps should stay in
# the caches: ResNet-20 on 32 x 32 images is fastest at 64 copies, see benchmarks/speed/networks.py.
# A GPU wants to be filled.
_CPU_NUMBERS = 2**18
_GPU_NUMBERS = 2**23
_MOST_COPIES = 4096
_FEWEST_COPIES = 8


class TorchSpace(Space):
    """torch tensors on one device."""

    __slots__ = ()

    def __init__(self, device: torch.device):
        import array_api_compat.torch as xp

        object.__setattr__(self, "xp", xp)
        object.__setattr__(self, "device", device)

    def rendering(self) -> AbstractContextManager[object]:
        """Batches are ordinary tensors, which count what is written into them."""
        import torch

        return torch.inference_mode(False)

    def asarray(self, array: Array) -> torch.Tensor:
        """Tensor on this device that holds the numbers of a NumPy array."""
        import torch

        if isinstance(array, torch.Tensor):
            return array.to(self.device)
        array = np.asarray(array)
        # torch has no read-only memory and no negative strides, and hardly supports these types.
        wider = {"u2": np.int32, "u4": np.int64}.get(array.dtype.str[1:])
        if wider is not None:
            array = array.astype(wider)
        elif not array.flags.writeable or min(array.strides, default=0) < 0:
            array = array.copy()
        tensor = torch.as_tensor(array)
        if tensor.dtype == torch.float64 and not self.has_float64:
            tensor = tensor.to(torch.float32)
        if self.device.type == "cuda":
            # From pinned memory: otherwise the copy waits for all earlier work of the device.
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    @property
    def has_float64(self) -> bool:
        """Whether the device computes in float64."""
        return self.device.type != "mps"

    @property
    def is_device(self) -> bool:
        """Whether a device of its own computes here, while the host goes on."""
        return self.device.type != "cpu"

    @property
    def stays_here(self) -> bool:
        """Whether models are asked in this process only: processes do not share a device."""
        return self.is_device

    def auto_rows(self, n_numbers: int) -> int:
        """Copies per batch, from the numbers in one copy and the device alone."""
        numbers = _CPU_NUMBERS if self.device.type == "cpu" else _GPU_NUMBERS
        rows = min(max(numbers // max(n_numbers, 1), _FEWEST_COPIES), _MOST_COPIES)
        return 2 ** int(np.log2(rows))

    def __reduce__(self):
        return type(self), (self.device,)
