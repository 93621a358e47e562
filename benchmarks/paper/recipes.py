# SPDX-License-Identifier: BSD-3-Clause
"""How networks of texts and sounds are trained; those of images are in ``workshop.py``.

A *task* is data and the way its inputs become tensors; a *recipe* is a network and how it is
trained. Everything is seeded. Training saves a checkpoint after every epoch, and an interrupted run
resumes from it to the bit::

    task = ag_news("data")
    states = train(RECIPES["text LSTM"], task, seed=0, folder="out/checkpoints")
    model = restore(RECIPES["text LSTM"], task, states[-1])
    tuned = train(RECIPES["text LSTM"], task, seed=1, epochs=2, start=states[-1])
    query = ask(model, task)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from benchmarks.paper import training
from benchmarks.paper.networks import M5, TextLinear, TextLSTM
from benchmarks.paper.tasks import Task
from benchmarks.paper.training import Schedule
from skzest.queries import TorchQuery


@dataclass(frozen=True)
class Recipe:
    """A network and its training by cross-entropy."""

    name: str
    build: Callable[[Task], nn.Module]
    schedule: Schedule


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "text LSTM",
            lambda task: TextLSTM(len(task.collate), len(task.classes)),
            Schedule(epochs=10, rate=2e-3),
        ),
        Recipe(
            "text linear",
            lambda task: TextLinear(len(task.collate), len(task.classes)),
            Schedule(epochs=10, rate=5e-3),
        ),
        Recipe(
            "audio M5",
            lambda task: M5(len(task.classes)),
            Schedule(epochs=20, rate=3e-3, batch_size=32, weight_decay=1e-4, drops=(14,)),
        ),
    )
}


def train(
    recipe: Recipe,
    task: Task,
    seed: int,
    *,
    epochs: int | None = None,
    start: dict | None = None,
    folder: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
) -> list[dict]:
    """Train a network, or resume from a checkpoint.

    Parameters
    ----------
    recipe, task : Recipe, Task
    seed : int
        For the initial weights and the order of the data.
    epochs : int, optional
        Default: the recipe's.
    start : dict, optional
        State of a network to start from (fine-tuning), with a fresh optimizer.
    folder : path, optional
        Folder for checkpoints; existing ones are reused.
    log : callable, optional
        Called with one line per epoch.

    Returns
    -------
    states : list of dict
        State of the network after each epoch.
    """
    schedule = recipe.schedule if epochs is None else replace(recipe.schedule, epochs=epochs)
    labels = torch.as_tensor(np.asarray(task.train_labels, dtype=np.int64))

    def loss(net: nn.Module, rows: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        inputs = task.collate([task.train_inputs[i] for i in rows])
        return nn.functional.cross_entropy(net(inputs), labels[rows])

    states, _ = training.train(
        restore(recipe, task, start, seed=seed),
        len(labels),
        loss,
        schedule,
        seed=seed,
        folder=folder,
        log=None if log is None else lambda line: log(f"{recipe.name} seed {seed} {line}"),
    )
    return list(states.values())


def restore(recipe: Recipe, task: Task, state: dict | None = None, *, seed: int = 0) -> nn.Module:
    """The network of a recipe in eval mode: with fresh weights, or those of a state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = recipe.build(task)
    if state is not None:
        model.load_state_dict(state)
    return model.eval()


def logits(model: nn.Module, task: Task, inputs: Sequence) -> np.ndarray:
    """Answers of a network to a list of inputs."""
    with torch.inference_mode():
        return model(task.collate(inputs)).numpy()


def accuracy(model: nn.Module, task: Task) -> float:
    """Share of the test inputs that a network gets right."""
    return float(np.mean(logits(model, task, task.test_inputs).argmax(axis=1) == task.test_labels))


def ask(model: nn.Module, task: Task) -> TorchQuery:
    """The network as a query: a list of inputs goes in, logits come out."""
    return TorchQuery(model, preprocess=task.collate)
