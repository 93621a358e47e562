# SPDX-License-Identifier: BSD-3-Clause
"""One seeded training loop for all networks, which resumes interrupted runs."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

_RISE = 0.3  # share of one cycle


def _half_cosine(at: float) -> float:
    """From 1 at 0 to 0 at 1."""
    return (1 + math.cos(math.pi * at)) / 2


@dataclass(frozen=True)
class Schedule:
    """An optimizer and its learning rate, which drops to a tenth at each epoch in `drops`.

    With `one_cycle` it rises in a straight line for three tenths of the epochs, and falls to zero
    along a cosine.
    """

    epochs: int
    rate: float
    drops: tuple[int, ...] = ()
    batch_size: int = 64
    weight_decay: float = 0.0
    adam: bool = True
    one_cycle: bool = False

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        learned = [p for p in net.parameters() if p.requires_grad]
        if self.adam:
            return torch.optim.Adam(learned, self.rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(learned, self.rate, momentum=0.9, weight_decay=self.weight_decay)

    def rate_at(self, epoch: int) -> float:
        if self.one_cycle:
            at = (epoch - 0.5) / self.epochs
            rising = at < _RISE
            return self.rate * (at / _RISE if rising else _half_cosine((at - _RISE) / (1 - _RISE)))
        return self.rate * 0.1 ** sum(epoch >= drop for drop in self.drops)


class Watcher:
    """Called at each step: its work is part of training, its state part of a checkpoint."""

    def __init__(self):
        self.state: dict[str, torch.Tensor] = {}

    def batches(self, n_rows: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
        """The rows of each batch of an epoch."""
        order = rng.permutation(n_rows)
        return [order[start : start + size] for start in range(0, n_rows, size)]

    def before(self, net: nn.Module, rows: np.ndarray) -> None:
        """Called before a step on these rows."""

    def after(self, net: nn.Module, rows: np.ndarray) -> None:
        """Called after it."""


def train(
    net: nn.Module,
    n_rows: int,
    loss: Callable[[nn.Module, np.ndarray, np.random.Generator], torch.Tensor],
    schedule: Schedule,
    *,
    seed: int,
    folder: str | os.PathLike | None = None,
    keep: Container[int] | None = None,
    watcher: Watcher | None = None,
    log: Callable[[str], None] | None = None,
) -> tuple[dict[int, dict], float]:
    """Train a network, starting from its current weights.

    Parameters
    ----------
    net : Module
        Changed in place, and left in eval mode.
    n_rows : int
        Number of training data.
    loss : callable
        Gets the network, the rows of a batch and a generator for augmentation.
    schedule : Schedule
    seed : int
        For the order of the data and the augmentation, together with the epoch.
    folder : path, optional
        Folder for checkpoints; existing ones are reused.
    keep : container of int, optional
        Epochs whose state is returned. Default: all. The last one always is.
    watcher : Watcher, optional
    log : callable, optional
        Called with one line per epoch.

    Returns
    -------
    states : dict of int to dict
        State of the network after each kept epoch.
    seconds : float
        How long the training took when it was run.
    """
    watcher = Watcher() if watcher is None else watcher
    optimizer = schedule.optimizer(net)
    kept = [e for e in range(1, schedule.epochs + 1) if keep is None or e in keep]
    kept = sorted({*kept, schedule.epochs})
    states: dict[int, dict] = {}
    seconds = 0.0
    first = _newest(folder, schedule.epochs, kept)
    for epoch in range(1, schedule.epochs + 1):
        path = None if folder is None else Path(folder) / f"epoch{epoch:03d}.pt"
        if epoch <= first:
            if epoch != first and epoch not in kept:
                continue
            saved = torch.load(path, weights_only=True)
            net.load_state_dict(saved["model"])
            if epoch == first:
                seconds = saved["seconds"]
                watcher.state = saved["watcher"]
                if epoch < schedule.epochs:
                    optimizer.load_state_dict(saved["optimizer"])
        else:
            begin = time.perf_counter()
            rng = np.random.default_rng([seed, epoch])
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate_at(epoch)
            mean_loss = _epoch(net, n_rows, loss, optimizer, schedule, watcher, rng)
            seconds += time.perf_counter() - begin
            if path is not None:
                _save(path, net, optimizer, watcher, seconds, last=epoch == schedule.epochs)
                _tidy(Path(folder), epoch, kept)
            if log is not None:
                log(f"epoch {epoch}: loss {mean_loss:.4f}")
        if epoch in kept:
            states[epoch] = {k: v.detach().clone() for k, v in net.state_dict().items()}
    net.eval()
    return states, seconds


def _epoch(net, n_rows, loss, optimizer, schedule, watcher, rng) -> float:
    net.train()
    losses = []
    for rows in watcher.batches(n_rows, schedule.batch_size, rng):
        watcher.before(net, rows)
        value = loss(net, rows, rng)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        watcher.after(net, rows)
        losses.append(value.detach())
    return float(torch.stack(losses).mean())


def _newest(folder: Any, epochs: int, kept: list[int]) -> int:
    """The last epoch with a checkpoint if all kept epochs before it have one too, else 0."""
    if folder is None:
        return 0
    found = {e for e in range(1, epochs + 1) if (Path(folder) / f"epoch{e:03d}.pt").exists()}
    newest = max(found, default=0)
    return newest if found.issuperset(e for e in kept if e <= newest) else 0


def _save(path: Path, net, optimizer, watcher, seconds: float, *, last: bool) -> None:
    state = {"model": net.state_dict(), "watcher": watcher.state, "seconds": seconds}
    if not last:
        state["optimizer"] = optimizer.state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".part{os.getpid()}")  # others may train the same
    torch.save(state, unfinished)
    unfinished.replace(path)  # a run that is cut off leaves no half file


def _tidy(folder: Path, epoch: int, kept: list[int]) -> None:
    """Delete the previous checkpoint if it only served to resume."""
    if epoch - 1 not in kept:
        (folder / f"epoch{epoch - 1:03d}.pt").unlink(missing_ok=True)
