# SPDX-License-Identifier: BSD-3-Clause
"""Copies of a network: the recipes of ModelReuse, and extraction.

After Y. Li, Z. Zhang, B. Liu, Z. Yang, Y. Liu, "ModelDiff: Testing-based DNN similarity
comparison for model reuse detection", ISSTA 2021, section 5.1. Each function takes a
:class:`~benchmarks.paper.workshop.Workshop` with the data for the copy, the network, and a name for
the checkpoints. It returns a new network and leaves the original unchanged.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from benchmarks.paper.training import Watcher
from benchmarks.paper.workshop import Workshop

# Of the rate at which networks are trained from scratch.
GENTLE = 0.1


def continued(shop: Workshop, net: nn.Module, name: str, seed: int) -> nn.Module:
    """Trained further on the workshop's data, at a tenth of the rate."""
    return _last(shop.train(name, net, seed, epochs=shop.settings.short, rate=_gentle(shop)))


def extracted(
    shop: Workshop,
    victim: nn.Module,
    name: str,
    seed: int,
    *,
    soft: bool = False,
    architecture: str = "residual",
) -> dict[int, nn.Module]:
    """From fresh weights, on a victim's answers to the training images; networks by epoch.

    `soft` answers are probabilities for the augmented images; hard ones are labels predicted for
    the unmodified images.
    """
    if soft:
        objective = shop.answers_of(victim)
    else:
        labels = torch.as_tensor(shop.logits(victim).argmax(axis=1), device=shop.device)
        objective = shop.labels(labels)
    start = shop.fresh(architecture, seed)
    return shop.train(name, start, seed, objective=objective, keep=shop.settings.kept)


def distilled(
    shop: Workshop, net: nn.Module, name: str, seed: int, architecture: str = "residual"
) -> nn.Module:
    """From fresh weights, towards the features of a network of the same architecture."""
    start = shop.fresh(architecture, seed)
    return _last(shop.train(name, start, seed, objective=shop.features_of(net)))


def transferred(shop: Workshop, net: nn.Module, name: str, seed: int, *, share: float) -> nn.Module:
    """With a new last layer, the last `share` of the parameter arrays trained on other classes.

    Parameters
    ----------
    shop : Workshop
        That of the other classes.
    """
    new = copy.deepcopy(net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new.linear = nn.Linear(net.linear.in_features, shop.n_classes).to(shop.device)
    arrays = list(new.parameters())
    n_learned = max(2, round(share * len(arrays)))  # the new layer in any case
    for array in arrays[: len(arrays) - n_learned]:
        array.requires_grad_(False)
    rate = shop.settings.rate / 2  # the new layer starts from nothing
    new = _last(
        shop.train(name, new, seed, epochs=2 * shop.settings.short, rate=rate, watcher=Frozen())
    )
    return new.requires_grad_(True)


def pruned(shop: Workshop, net: nn.Module, name: str, seed: int, *, share: float) -> nn.Module:
    """The smallest weights of all convolutions set to zero, the others trained further."""
    new = copy.deepcopy(net)
    weights = [m.weight for m in new.modules() if isinstance(m, nn.Conv2d)]
    sizes = torch.cat([w.detach().abs().flatten() for w in weights])
    threshold = sizes.kthvalue(max(1, round(share * len(sizes)))).values
    watcher = Pruned(new, threshold)
    watcher.after(new)
    return _last(
        shop.train(name, new, seed, epochs=shop.settings.short, rate=_gentle(shop), watcher=watcher)
    )


def quantised(net: nn.Module, bits: int = 8) -> nn.Module:
    """Weights rounded to that many bits: each array to 2 ** bits - 1 levels about zero."""
    new = copy.deepcopy(net)
    with torch.no_grad():
        for module in new.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                step = module.weight.abs().max() / (2 ** (bits - 1) - 1)
                module.weight.copy_((module.weight / step).round() * step)
    return new


class Pruned(Watcher):
    """Keeps weights at zero that were below a threshold at the start."""

    def __init__(self, net: nn.Module, threshold: torch.Tensor):
        super().__init__()
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d):
                self.state[name] = module.weight.detach().abs() > threshold

    def after(self, net: nn.Module, rows: np.ndarray | None = None) -> None:
        with torch.no_grad():
            for name, module in net.named_modules():
                if name in self.state:
                    module.weight *= self.state[name]


class Frozen(Watcher):
    """Keeps the statistics of a batch norm whose parameters are not trained."""

    def before(self, net: nn.Module, rows: np.ndarray) -> None:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(module.weight.requires_grad)


def _gentle(shop: Workshop) -> float:
    return GENTLE * shop.settings.rate


def _last(networks: dict[int, nn.Module]) -> nn.Module:
    return networks[max(networks)]
