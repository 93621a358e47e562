# SPDX-License-Identifier: BSD-3-Clause
"""Trains the image networks, each once, and keeps them with their checkpoints.

:class:`Workshop` holds one task on one device and trains with the settings of one scale; an
*objective* defines what a network learns from. Copies of networks are made in ``relatives.py`` and
``unlearning.py``.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.paper.networks import ARCHITECTURES
from benchmarks.paper.settings import Settings
from benchmarks.paper.tasks import MEAN, STD, Task
from benchmarks.paper.training import Schedule, Watcher, train
from skzest import TorchQuery

# Of the networks in networks.py.
VERSION = 1

# From a network, images and their rows in the training data to the loss.
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


class Workshop:
    """Trains image networks for one task, or loads those trained before.

    Parameters
    ----------
    task : Task
        Of images; :meth:`restricted` is a workshop of some of its classes.
    settings : Settings
    folder : path
        For checkpoints: one folder per network, by name.
    log : callable
    device : str
        Where the data is kept and networks are trained.

    Attributes
    ----------
    x, y : Tensor
        Training images, normalised, and labels.
    """

    def __init__(
        self,
        task: Task,
        settings: Settings,
        folder: Path,
        log: Callable[[str], None],
        device: str = "cpu",
    ):
        self.task, self.settings, self.folder = task, settings, folder
        self.log, self.device = log, torch.device(device)
        self.x = task.collate(task.train_inputs).to(self.device)
        self.y = torch.as_tensor(task.train_labels, dtype=torch.int64, device=self.device)
        self._restricted: dict[tuple[int, ...], Workshop] = {}
        self._made: dict[str, tuple[dict[int, nn.Module], dict]] = {}
        self._earlier: dict[str, float] = {}

    def restricted(self, labels: tuple[int, ...]) -> Workshop:
        """A workshop of some of the classes only."""
        if labels not in self._restricted:
            folder = self.folder / "classes_{}".format("".join(map(str, labels)))
            task = self.task.restricted(labels)
            shop = Workshop(task, self.settings, folder, self.log, str(self.device))
            self._restricted[labels] = shop
        return self._restricted[labels]

    def count_anew(self) -> None:
        """Forget which networks were returned, and thereby :attr:`earlier_seconds`."""
        for shop in (self, *self._restricted.values()):
            shop._made.clear()
            shop._earlier.clear()

    @property
    def earlier_seconds(self) -> float:
        """Time that the returned networks took to train in earlier runs."""
        shops = (self, *self._restricted.values())
        return sum(sum(shop._earlier.values()) for shop in shops)

    @property
    def n_classes(self) -> int:
        return len(self.task.classes)

    # --- networks -------------------------------------------------------------------------

    def fresh(self, architecture: str, seed: int) -> nn.Module:
        """A network with weights drawn by the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = ARCHITECTURES[architecture](self.settings, self.n_classes)
        return net.to(self.device).eval()

    def trained(self, seed: int, architecture: str = "residual", **params) -> dict[int, nn.Module]:
        """Networks at all kept epochs of one training from scratch, by epoch."""
        name = f"{architecture}_seed{seed}"
        params = {"keep": self.settings.kept, **params}
        return self.train(params.pop("name", name), self.fresh(architecture, seed), seed, **params)

    def final(self, seed: int, architecture: str = "residual", **params) -> nn.Module:
        """The network at the end of one training from scratch."""
        return self.trained(seed, architecture, **params)[self.settings.epochs]

    def train(
        self,
        name: str,
        start: nn.Module,
        seed: int,
        *,
        objective: Objective | None = None,
        rows: np.ndarray | None = None,
        epochs: int | None = None,
        rate: float | None = None,
        keep: object = (),
        watcher: Watcher | None = None,
        augment: bool = True,
    ) -> dict[int, nn.Module]:
        """Train a copy of a network.

        Parameters
        ----------
        name : str
            Of its folder. An existing network with this name is loaded.
        start : Module
            Not changed.
        seed : int
            For the order of the data and its augmentation.
        objective : callable, optional
            Default: cross-entropy with the labels.
        rows : ndarray of int, optional
            Training images to use. Default: all.
        epochs : int, optional
            Default: those of a training from scratch. With another number the rate stays constant.
        rate : float, optional
            Default: that of a training from scratch.
        keep : container of int
            Epochs to return; the last one is always included.
        watcher : Watcher, optional
            Has its last state afterwards.
        augment : bool
            Whether images are shifted and mirrored.

        Returns
        -------
        networks : dict of int to Module
            By epoch, in eval mode.
        """
        watcher = Watcher() if watcher is None else watcher
        if name in self._made:
            networks, watcher.state = self._made[name]
            return networks
        objective = self.labels() if objective is None else objective
        rows = np.arange(len(self.y)) if rows is None else np.asarray(rows)
        schedule = (
            self.schedule
            if epochs is None
            else replace(self.schedule, epochs=epochs, drops=(), one_cycle=False)
        )
        schedule = schedule if rate is None else replace(schedule, rate=rate)

        def loss(net: nn.Module, chosen: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
            index = torch.as_tensor(rows[chosen], device=self.device)
            x = self.x[index]
            x = augmented(x, self.task.extra["flip"], rng) if augment else x
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bfloat16):
                return objective(net, x, index)

        net = copy.deepcopy(start).to(memory_format=torch.channels_last)
        begin = time.perf_counter()
        states, seconds = train(
            net,
            len(rows),
            loss,
            schedule,
            seed=seed,
            folder=self.folder / name,
            keep=keep,
            watcher=watcher,
            log=lambda line: self.log(f"{self.folder.name}/{name} {line}"),
        )
        self._earlier[name] = max(0.0, seconds - (time.perf_counter() - begin))
        networks = {epoch: restored(start, state) for epoch, state in states.items()}
        self._made[name] = networks, watcher.state
        return networks

    @property
    def schedule(self) -> Schedule:
        """SGD with momentum; one cycle, or a tenth of the rate after a half and three quarters."""
        s = self.settings
        drops = () if s.one_cycle else (s.epochs // 2 + 1, 3 * s.epochs // 4 + 1)
        return Schedule(
            s.epochs, s.rate, drops, s.batch_size, 5e-4, adam=False, one_cycle=s.one_cycle
        )

    # --- objectives -----------------------------------------------------------------------

    def labels(self, y: torch.Tensor | None = None) -> Objective:
        """Cross-entropy with the labels, or with others for the same images."""
        y = self.y if y is None else y
        return lambda net, x, rows: F.cross_entropy(net(x).float(), y[rows])

    def answers_of(self, teacher: nn.Module) -> Objective:
        """Kullback-Leibler divergence from a teacher's probabilities."""

        def loss(net: nn.Module, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                target = F.softmax(teacher(x).float(), dim=1)
            return F.kl_div(F.log_softmax(net(x).float(), dim=1), target, reduction="batchmean")

        return loss

    def features_of(self, teacher: nn.Module) -> Objective:
        """Squared difference to a teacher's last features, and cross-entropy with the labels."""

        def loss(net: nn.Module, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                target, _ = features(teacher, x)
            own, logits = features(net, x)
            scale = target.var(dim=0).mean()
            return F.mse_loss(own, target) / scale + F.cross_entropy(logits.float(), self.y[rows])

        return loss

    # --- what networks answer -------------------------------------------------------------

    def logits(self, net: nn.Module, images: np.ndarray | None = None) -> np.ndarray:
        """Answers to images of uint8, or to the training images."""
        x = self.x if images is None else self.task.collate(images).to(self.device)
        with torch.inference_mode():
            return torch.cat([net(batch) for batch in x.split(256)]).cpu().numpy()

    def accuracy(self, net: nn.Module) -> float:
        """Share of the test images that a network gets right."""
        right = self.logits(net, self.task.test_inputs).argmax(axis=1) == self.task.test_labels
        return float(right.mean())

    def query(self, net: nn.Module) -> TorchQuery:
        """The network as a query: images of uint8 go in, logits come out."""
        return TorchQuery(net, mean=MEAN, std=STD, model_id=identity(net))


def identity(net: nn.Module) -> str:
    """A name for a network by its layers and weights, under which its answers are stored.

    The networks' own code is not part of an installed package, so skzest asks for a name. Change
    ``VERSION`` when the code of a layer changes.
    """
    digest = hashlib.sha256(f"{VERSION} {net!r}".encode())
    for name, value in net.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return f"{type(net).__name__} {digest.hexdigest()}"


def restored(like: nn.Module, state: dict) -> nn.Module:
    """A network with the weights of a state, in eval mode."""
    net = copy.deepcopy(like)
    net.load_state_dict(state)
    return net.eval()


def features(net: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What goes into the last layer, and what comes out of it."""
    found = []
    hook = net.linear.register_forward_hook(lambda module, inputs, output: found.append(inputs[0]))
    try:
        logits = net(x)
    finally:
        hook.remove()
    return found[0].float(), logits


def augmented(x: torch.Tensor, flip: bool, rng: np.random.Generator) -> torch.Tensor:
    """One shift per batch, of at most an eighth; each image is mirrored or not."""
    most = x.shape[-1] // 8
    x = torch.roll(x, tuple(rng.integers(-most, most + 1, 2).tolist()), (2, 3))
    if flip:
        mirrored = torch.as_tensor(rng.random((len(x), 1, 1, 1)) < 0.5, device=x.device)
        x = torch.where(mirrored, x.flip(3), x)
    return x.contiguous(memory_format=torch.channels_last)
