# SPDX-License-Identifier: BSD-3-Clause
"""What a child process may use, and how it is held to it."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """What a child process may use for a model.

    They stop accidents and crude attacks. They are not a sandbox: code that takes over the
    child can read files and open connections as its user can.

    Parameters
    ----------
    memory : int, default=4 GiB
        Bytes of address space beyond what Python and the runtime take.
    processor_seconds : float, default=120
        Processor time for one batch, or for opening the model; whole seconds are counted.
    seconds : float, default=120
        Time on the clock for one batch, or for opening the model.

    Notes
    -----
    All are kept on Linux. macOS does not limit memory. On Windows a crash of the child is still
    an error and no more, but nothing is limited.

    Examples
    --------
    >>> from skzest.loading import Limits
    >>> Limits(memory=2**30).seconds == 120
    True
    """

    memory: int = 4 * 2**30
    processor_seconds: float = 120.0
    seconds: float = 120.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name}={value!r} must be a number.")
            if not 0 < value < math.inf:
                raise ValueError(f"{name}={value!r} must be positive and finite.")

    def hold_memory(self) -> None:
        """Limit this process, from what it takes now."""
        if sys.platform == "win32":
            return
        import resource

        taken = _address_space()
        _lower(resource.RLIMIT_AS, taken + int(self.memory))
        _lower(resource.RLIMIT_CORE, 0)
        # It has nothing to write: what it reads and what it answers go through other files.
        _lower(resource.RLIMIT_FSIZE, 0)

    def hold_processor(self) -> None:
        """Give this process another `processor_seconds` from now on."""
        if sys.platform == "win32":
            return
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = math.ceil(used.ru_utime + used.ru_stime + self.processor_seconds)
        _lower(resource.RLIMIT_CPU, until)


def _lower(which: int, value: int) -> None:
    """Set a soft limit, below the hard one."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(which)
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(which, (soft, hard))
    except (ValueError, OSError):  # macOS has limits that it does not let anybody set
        return


def _address_space() -> int:
    """Bytes of address space that this process takes; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    import resource

    return pages * resource.getpagesize()
