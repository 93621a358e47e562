# SPDX-License-Identifier: BSD-3-Clause
"""Networks that should forget some of their training images (section 5.3 of the paper).

*Exact*: retrained without them. *Approximate*: amnesiac (L. Graves, V. Nagisetty, V. Ganesh,
"Amnesiac machine learning", AAAI 2021): the images are packed into few batches, and the changes
made by these batches are undone; a short fine-tuning with random labels for them; a fine-tuning on
the other images only.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from benchmarks.paper.relatives import GENTLE
from benchmarks.paper.training import Watcher
from benchmarks.paper.workshop import Workshop


def forgotten_rows(shop: Workshop) -> np.ndarray:
    """The training images that are to be forgotten: the same for all networks."""
    rng = np.random.default_rng(2022)
    return np.sort(rng.permutation(len(shop.y))[: shop.settings.n_forgotten])


def other_rows(shop: Workshop) -> np.ndarray:
    """All the others."""
    return np.setdiff1d(np.arange(len(shop.y)), forgotten_rows(shop))


def retrained(shop: Workshop, seed: int) -> nn.Module:
    """From fresh weights, without the images."""
    return shop.final(seed, name=f"retrained_seed{seed}", rows=other_rows(shop), keep=())


def by_heart(shop: Workshop, seed: int, *, without: bool) -> nn.Module:
    """From fresh weights on images without augmentation, which are therefore learned better."""
    name = f"by_heart_{'without' if without else 'with'}_seed{seed}"
    rows = other_rows(shop) if without else None
    return shop.final(seed, name=name, rows=rows, keep=(), augment=False)


def amnesiac(shop: Workshop, seed: int) -> tuple[nn.Module, nn.Module]:
    """A network trained with the images in separate batches, with and without the steps of these.

    Returns
    -------
    before, after : Module
        With, and without the changes that these batches made to the parameters.
    """
    watcher = Amnesia(forgotten_rows(shop))
    before = shop.final(seed, name=f"amnesiac_seed{seed}", watcher=watcher, keep=())
    after = copy.deepcopy(before)
    with torch.no_grad():
        for name, parameter in after.named_parameters():
            parameter -= watcher.state[name]
    return before, after


def relabelled(shop: Workshop, net: nn.Module, name: str, seed: int) -> nn.Module:
    """Trained further with random labels for the images, the right ones for the others."""
    rng = np.random.default_rng(seed)
    rows = forgotten_rows(shop)
    labels = shop.y.clone()
    shift = torch.as_tensor(rng.integers(1, shop.n_classes, len(rows)), device=shop.device)
    labels[rows] = (labels[rows] + shift) % shop.n_classes  # never the right one
    return _fine_tuned(shop, net, name, seed, objective=shop.labels(labels))


def tuned_on_others(shop: Workshop, net: nn.Module, name: str, seed: int) -> nn.Module:
    """Trained further on the other images."""
    return _fine_tuned(shop, net, name, seed, rows=other_rows(shop))


def _fine_tuned(shop: Workshop, net: nn.Module, name: str, seed: int, **params) -> nn.Module:
    rate, epochs = GENTLE * shop.settings.rate, shop.settings.short
    return shop.train(name, net, seed, epochs=epochs, rate=rate, **params)[epochs]


class Amnesia(Watcher):
    """Puts some rows into batches of their own, and adds up the changes these make."""

    def __init__(self, rows: np.ndarray):
        super().__init__()
        self.rows = set(rows.tolist())
        self._old: dict[str, torch.Tensor] = {}

    def batches(self, n_rows: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
        order = rng.permutation(n_rows)
        packed = np.isin(order, list(self.rows))
        found = [
            part[start : start + size]
            for part in (order[packed], order[~packed])
            for start in range(0, len(part), size)
        ]
        return [found[i] for i in rng.permutation(len(found))]

    def before(self, net: nn.Module, rows: np.ndarray) -> None:
        if int(rows[0]) in self.rows:
            self._old = {name: p.detach().clone() for name, p in net.named_parameters()}

    def after(self, net: nn.Module, rows: np.ndarray) -> None:
        if int(rows[0]) in self.rows:
            for name, parameter in net.named_parameters():
                change = parameter.detach() - self._old[name]
                self.state[name] = self.state.get(name, 0.0) + change
