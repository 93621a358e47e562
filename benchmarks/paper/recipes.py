# SPDX-License-Identifier: BSD-3-Clause
"""Data and training recipes of the experiments: small networks that train in a minute on a CPU.

A *task* is data and the way its inputs become tensors; a *recipe* is a network and how it is
trained. Everything is seeded, and training leaves a checkpoint after every epoch from which it
goes on, to the bit, if it is cut off::

    task = ag_news("data")
    states = train(RECIPES["text LSTM"], task, seed=0, folder="out/checkpoints")
    model = restore(RECIPES["text LSTM"], task, states[-1])
    tuned = train(RECIPES["text LSTM"], task, seed=1, epochs=2, start=states[-1])
    query = ask(model, task)

Without a data directory the tasks are stand-ins made of scikit-learn's digits (as texts, as
tunes), on which everything runs but which say nothing about the paper's data.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from skzest.queries import TorchQuery

# --- tasks ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """Training and test data of one task. ``collate`` makes a tensor of a list of inputs."""

    name: str
    train_inputs: list
    train_labels: np.ndarray
    test_inputs: list
    test_labels: np.ndarray
    collate: Callable[[Sequence], torch.Tensor]
    classes: tuple
    extra: dict = field(default_factory=dict)


def _split(name: str, inputs: Sequence, labels: Any, n_test: int, make: Callable, **rest) -> Task:
    labels = np.asarray(labels)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=n_test, stratify=labels, random_state=0
    )
    chosen = [inputs[i] for i in train]
    return Task(
        name=name,
        train_inputs=chosen,
        train_labels=labels[train],
        test_inputs=[inputs[i] for i in test],
        test_labels=labels[test],
        collate=make(chosen),
        **rest,
    )


def ag_news(directory: str | os.PathLike | None = None, *, n_words: int = 40) -> Task:
    """News in four classes, cut after ``n_words`` words: 6,000 articles to train on."""
    if directory is None:
        return _digits_as_texts()
    with gzip.open(Path(directory) / "ag_news.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    texts = [" ".join(f"{title} {body}".split()[:n_words]) for _, title, body in rows]
    labels = [int(label) - 1 for label, _, _ in rows]
    classes = ("World", "Sports", "Business", "Sci/Tech")
    return _split("AG News", texts, labels, len(texts) - 6000, Vocabulary, classes=classes)


def spoken_digits(directory: str | os.PathLike | None = None, *, n_samples: int = 4096) -> Task:
    """Spoken digits, waves of different lengths, cut after ``n_samples``: 1,200 to train on.

    All are brought to one loudness, a standard deviation of 1: speakers differ in it.
    """
    if directory is None:
        return _digits_as_tunes(n_samples)
    with np.load(Path(directory) / "spoken_digits.npz") as file:
        audio, offset = file["audio"].astype(np.float32), file["offset"]
        labels, rate = file["label"], int(file["sample_rate"])
    waves = [audio[a : min(b, a + n_samples)] for a, b in pairwise(offset)]
    return _waves("spoken digits", waves, labels, n_samples, rate)


def _waves(name: str, waves: list, labels: Any, n_samples: int, rate: int) -> Task:
    return _split(
        name,
        [wave / wave.std() for wave in waves],
        labels,
        len(waves) // 5,
        lambda _: Padding(n_samples),
        classes=tuple(range(10)),
        extra={"sample_rate": rate},
    )


def _digits_as_texts() -> Task:
    images, labels = load_digits(return_X_y=True)
    words = np.array([f"r{i // 8}c{i % 8}" for i in range(64)])
    texts = [" ".join(words[image > 8]) for image in images]
    return _split("digits as texts", texts, labels, 400, Vocabulary, classes=tuple(range(10)))


def _digits_as_tunes(n_samples: int) -> Task:
    """Rows of an image are tones, its columns follow each other in time."""
    images, labels = load_digits(return_X_y=True)
    time = np.arange(n_samples) / 8000
    tones = np.sin(2 * np.pi * np.geomspace(300, 3000, 8)[:, None] * time).astype(np.float32)
    loudness = np.repeat(images.reshape(-1, 8, 8).astype(np.float32) / 64, n_samples // 8, axis=2)
    waves = list(np.einsum("nft,ft->nt", loudness[:800], tones))
    return _waves("digits as tunes", waves, labels[:800], n_samples, 8000)


# --- from inputs to tensors -----------------------------------------------------------------


class Vocabulary:
    """Texts to word numbers: 0 is padding, 1 a word that training data does not have."""

    def __init__(self, texts: Sequence[str], n_words: int = 5000):
        counts = Counter(word for text in texts for word in self.words(text))
        self.index = {word: 2 + i for i, (word, _) in enumerate(counts.most_common(n_words))}

    def __len__(self) -> int:
        return 2 + len(self.index)

    @staticmethod
    def words(text: str) -> list[str]:
        return re.findall(r"\w+", text.lower())

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Numbers of shape (n, longest), padded at the end."""
        rows = [[self.index.get(word, 1) for word in self.words(text)] or [0] for text in texts]
        longest = max(map(len, rows))
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


class Padding:
    """Waves of different lengths to one array of shape (n, n_samples), zeros at the end."""

    def __init__(self, n_samples: int):
        self.n_samples = n_samples

    def __call__(self, waves: Sequence[np.ndarray]) -> torch.Tensor:
        batch = torch.zeros(len(waves), self.n_samples)
        for row, wave in zip(batch, waves):
            row[: len(wave)] = torch.as_tensor(wave)
        return batch


# --- networks -------------------------------------------------------------------------------


class TextLSTM(nn.Module):
    """Embedding, one LSTM, the mean of its states over the words, one linear layer.

    Padding is at the end and left out of the mean, so an answer does not depend on which other
    texts are in the batch.
    """

    def __init__(self, n_words: int, n_classes: int, width: int = 64):
        super().__init__()
        self.embedding = nn.Embedding(n_words, width, padding_idx=0)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, n_classes)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embedding(numbers))
        return self.head(_mean_of_words(states, numbers))


class TextLinear(nn.Module):
    """The mean of the word vectors, one linear layer: fastText's classifier."""

    def __init__(self, n_words: int, n_classes: int, width: int = 32):
        super().__init__()
        self.embedding = nn.Embedding(n_words, width, padding_idx=0)
        self.head = nn.Linear(width, n_classes)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.head(_mean_of_words(self.embedding(numbers), numbers))


def _mean_of_words(vectors: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    is_word = (numbers != 0)[..., None].to(vectors.dtype)
    return (vectors * is_word).sum(dim=1) / is_word.sum(dim=1).clamp(min=1)


class M5(nn.Module):
    """The 1-D convolutional network M5 of Dai et al. (2017), narrower, for half a second.

    Source: W. Dai, C. Dai, S. Qu, J. Li, S. Das, "Very deep convolutional neural networks for
    raw waveforms", ICASSP 2017, table 1.
    """

    def __init__(self, n_classes: int, width: int = 24):
        super().__init__()
        self.layers = nn.Sequential(
            *self._block(1, width, kernel_size=80, stride=4),
            nn.MaxPool1d(4),
            *self._block(width, width, kernel_size=3),
            nn.MaxPool1d(4),
            *self._block(width, 2 * width, kernel_size=3),
            nn.MaxPool1d(4),
            *self._block(2 * width, 2 * width, kernel_size=3),
        )
        self.head = nn.Linear(2 * width, n_classes)

    @staticmethod
    def _block(n_in: int, n_out: int, **params: int) -> list[nn.Module]:
        return [nn.Conv1d(n_in, n_out, **params), nn.BatchNorm1d(n_out), nn.ReLU()]

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(waves[:, None]).mean(dim=2))


# --- training -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """A network and its training: cross-entropy, Adam; from epoch ``drop`` on at a tenth."""

    name: str
    build: Callable[[Task], nn.Module]
    epochs: int
    learning_rate: float
    batch_size: int = 64
    weight_decay: float = 0.0
    drop: int | None = None


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "text LSTM",
            lambda task: TextLSTM(len(task.collate), len(task.classes)),
            epochs=10,
            learning_rate=2e-3,
        ),
        Recipe(
            "text linear",
            lambda task: TextLinear(len(task.collate), len(task.classes)),
            epochs=10,
            learning_rate=5e-3,
        ),
        Recipe(
            "audio M5",
            lambda task: M5(len(task.classes)),
            epochs=20,
            learning_rate=3e-3,
            batch_size=32,
            weight_decay=1e-4,
            drop=14,
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
    """Train a network, or go on from a checkpoint.

    Parameters
    ----------
    recipe, task : Recipe, Task
    seed : int
        Of the initial weights and of the order of the data.
    epochs : int, optional
        Default: the recipe's.
    start : dict, optional
        State of a network to go on from (fine-tuning), with a fresh optimizer.
    folder : path, optional
        Where checkpoints go, and where those that are there already are taken from.
    log : callable, optional
        Told one line for each epoch.

    Returns
    -------
    states : list of dict
        State of the network after each epoch.
    """
    epochs = recipe.epochs if epochs is None else epochs
    model = restore(recipe, task, start, seed=seed)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    states: list[dict] = []
    for epoch in range(1, epochs + 1):
        path = None if folder is None else Path(folder) / f"epoch{epoch:03d}.pt"
        if path is not None and path.exists():
            saved = torch.load(path, weights_only=True)
            model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
        else:
            rate = recipe.learning_rate * (0.1 if epoch >= (recipe.drop or np.inf) else 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = _epoch(model, optimizer, recipe, task, np.random.default_rng([seed, epoch]))
            if path is not None:
                _save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
            if log is not None:
                log(f"{recipe.name} seed {seed} epoch {epoch}: loss {loss:.4f}")
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    return states


def _epoch(model: nn.Module, optimizer: Any, recipe: Recipe, task: Task, rng: Any) -> float:
    """One pass over the training data. The order depends on seed and epoch alone."""
    model.train()
    order = rng.permutation(len(task.train_inputs))
    losses = []
    for start in range(0, len(order), recipe.batch_size):
        chosen = order[start : start + recipe.batch_size]
        inputs = task.collate([task.train_inputs[i] for i in chosen])
        labels = torch.as_tensor(task.train_labels[chosen].astype(np.int64))
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def _save(state: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    unfinished.replace(path)  # a run that is cut off leaves no half file


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
