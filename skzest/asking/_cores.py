# SPDX-License-Identifier: BSD-3-Clause
"""How cores are shared: threads for each of several jobs, and what is worth sending to workers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from joblib import cpu_count
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController

from ._elsewhere import is_cluster

__all__ = ["is_worth_sending", "note_kept", "note_workers", "share_of_threads"]

# Seconds of work that repay its way to workers, and the start of processes.
_WORTH_SENDING, _WORTH_STARTING = 0.15, 2.0
# joblib's processes end after so many seconds without work.
_KEPT = 300.0


class _Workers:
    """When there were workers, as far as is known, and the seconds of work kept here since."""

    latest, kept = -_KEPT, 0.0


def is_worth_sending(seconds: float) -> bool:
    """Whether so much work of this process is done sooner by joblib's workers.

    Processes are started once the work kept from them would have repaid that.
    """
    if is_cluster():  # where this process need not be able to ask the models
        return True
    backend, _ = get_active_backend()
    starts_processes = type(backend).__name__ == "LokyBackend"
    must_start = starts_processes and time.monotonic() - _Workers.latest > _KEPT
    is_long = seconds > _WORTH_SENDING
    return is_long and (not must_start or _Workers.kept + seconds > _WORTH_STARTING)


def note_kept(seconds: float) -> None:
    """Remember that so much work was kept from workers that were not there."""
    if seconds > _WORTH_SENDING:
        _Workers.kept += seconds


def note_workers() -> None:
    """Remember that there are workers now."""
    _Workers.latest, _Workers.kept = time.monotonic(), 0.0


@contextmanager
def share_of_threads(n_workers: int) -> Iterator[None]:
    """Compute here with as many threads as joblib leaves each of its processes.

    Threads that run at the same time do not outnumber the cores, and rounding does not depend on
    where work is done.
    """
    backend, _ = get_active_backend()
    share = getattr(backend, "inner_max_num_threads", None) or max(cpu_count() // n_workers, 1)
    controller = ThreadpoolController()
    fewest: dict[str, int] = {}
    for pool in controller.info():
        fewest[pool["prefix"]] = min(share, pool["num_threads"], fewest.get(pool["prefix"], share))
    torch = sys.modules.get("torch")
    with controller.limit(limits=fewest):
        if torch is None:
            yield
            return
        # Threads started from now on compute with so many, too.
        before = torch.get_num_threads()
        torch.set_num_threads(min(share, before))
        try:
            yield
        finally:
            torch.set_num_threads(before)
