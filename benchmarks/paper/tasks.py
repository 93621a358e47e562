# SPDX-License-Identifier: BSD-3-Clause
"""The data of the experiments, and how inputs become tensors.

Every task takes the data directory, or None for a stand-in made of scikit-learn's digits (as
images, as texts, as tunes), on which everything runs but which says nothing about the paper's
data.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks._cifar import images


@dataclass(frozen=True)
class Task:
    """Training and test data of one task. ``collate`` makes a tensor of a list of inputs."""

    name: str
    train_inputs: Sequence
    train_labels: np.ndarray
    test_inputs: Sequence
    test_labels: np.ndarray
    collate: Callable[[Sequence], torch.Tensor]
    classes: tuple
    extra: dict = field(default_factory=dict)

    def restricted(self, labels: Sequence[int]) -> Task:
        """The images of some classes only, whose labels become 0, 1, ... in the order given."""
        number = np.full(len(self.classes), -1)
        number[list(labels)] = np.arange(len(labels))
        train, test = number[self.train_labels], number[self.test_labels]
        return replace(
            self,
            train_inputs=self.train_inputs[train >= 0],
            train_labels=train[train >= 0],
            test_inputs=self.test_inputs[test >= 0],
            test_labels=test[test >= 0],
            classes=tuple(self.classes[label] for label in labels),
        )


# --- images ---------------------------------------------------------------------------------

# A channel's mean and standard deviation in CIFAR-10, of values in 0 to 1.
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def image_task(data: str | os.PathLike | None, n_train: int, n_test: int) -> Task:
    """CIFAR-10, the first images that the folder has; uint8, shape (n, 32, 32, 3)."""
    if data is None:
        return _digits_as_images(n_train, n_test)
    X, y = images(data, n_train, "train")
    X_test, y_test = images(data, n_test, "test")
    return Task("CIFAR-10", X, y, X_test, y_test, _normalised, CIFAR10, {"flip": True})


def _digits_as_images(n_train: int, n_test: int) -> Task:
    """Twice as large, and in three channels."""
    X, y = load_digits(return_X_y=True)
    X = np.kron(X.reshape(-1, 8, 8) * 15.9, np.ones((2, 2))).astype(np.uint8)
    X = np.repeat(X[..., None], 3, axis=-1)
    train, test = train_test_split(
        np.arange(len(X)), train_size=n_train, test_size=n_test, stratify=y, random_state=0
    )
    extra = {"flip": False}
    return Task(
        "digits", X[train], y[train], X[test], y[test], _normalised, tuple(range(10)), extra
    )


def _normalised(batch: Any) -> torch.Tensor:
    """Images of uint8, channels last, to tensors with channels first."""
    x = torch.as_tensor(batch).permute(0, 3, 1, 2).float()
    mean, std = (255 * torch.tensor(v, device=x.device).reshape(-1, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std


# --- texts and sounds -----------------------------------------------------------------------


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


def speech_commands(directory: str | os.PathLike | None = None) -> Task:
    """The test split of Speech Commands, 12 classes, 8 kHz; a fifth of the speakers tests.

    No speaker is on both sides. All clips are brought to one loudness.
    """
    if directory is None:
        return _digits_as_tunes(8000)
    with np.load(Path(directory) / "speech_commands_8k.npz") as file:
        audio, labels, speakers = file["audio"], file["label"], file["speaker"]
        rate, classes = int(file["sample_rate"]), tuple(file["classes"].tolist())
    known, sides = np.unique(speakers), np.random.default_rng(0)
    testing = np.isin(speakers, sides.permutation(known)[: len(known) // 5])
    waves = audio.astype(np.float32)
    # The class "silence" has clips that are almost zero.
    waves /= np.maximum(waves.std(axis=1, keepdims=True), 1)
    return Task(
        "Speech Commands", list(waves[~testing]), labels[~testing].astype(np.int64),
        list(waves[testing]), labels[testing].astype(np.int64), Padding(waves.shape[1]), classes,
        {"sample_rate": rate},
    )  # fmt: skip


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
