# SPDX-License-Identifier: BSD-3-Clause
"""Digits, a made table and AG News: data, and the learners of owners, strangers and thieves."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skzest import ImageMasker, TabularMasker, TextMasker


@dataclass(frozen=True)
class Task:
    """Data, and how honest models and thieves learn from it.

    Parameters
    ----------
    owners : tuple of str
        Learners of the owners; each makes a zoo of its own.
    learners : dict of str to callable
        From a seed to an unfitted model.
    n_own, n_pool : int
        Training points of each honest model; points that nobody learns from.
    n_queries : int
        Of a thief; a tenth of them for one with few.
    """

    name: str
    X: Any
    y: np.ndarray
    owners: tuple[str, ...]
    learners: dict[str, Callable]
    n_own: int
    n_pool: int
    n_queries: int
    masker: Any
    n_points: int

    @property
    def moves(self) -> bool:
        """Whether points are numbers, which can be mixed and moved."""
        return isinstance(self.X, np.ndarray)


def network(*hidden, epochs=40):
    params = {"max_iter": epochs, "tol": 0.0, "n_iter_no_change": epochs, "batch_size": 64}
    return lambda seed: MLPClassifier(hidden, learning_rate_init=3e-3, random_state=seed, **params)


def digits() -> Task:
    X, y = load_digits(return_X_y=True)
    learners = {
        "network": network(48),
        "deeper network": network(32, 32),
        "forest": lambda seed: RandomForestClassifier(60, random_state=seed),
        "SVM": lambda seed: SVC(probability=True, random_state=seed),
    }
    masker = ImageMasker(image_shape=(8, 8))
    return Task(
        "digits", X / 16, y, ("network", "deeper network", "forest"), learners,
        n_own=450, n_pool=500, n_queries=800, masker=masker, n_points=32,
    )  # fmt: skip


def table() -> Task:
    """Twenty columns, five classes, a twentieth of the labels wrong."""
    X, y = make_classification(
        6000, 20, n_informative=10, n_classes=5, n_clusters_per_class=3, flip_y=0.05,
        class_sep=1.5, random_state=0,
    )  # fmt: skip
    learners = {
        "network": network(48),
        "forest": lambda seed: RandomForestClassifier(60, min_samples_leaf=2, random_state=seed),
        "logistic regression": lambda seed: LogisticRegression(max_iter=200),
    }
    return Task(
        "table", X, y, ("network", "forest"), learners, n_own=1000, n_pool=1500,
        n_queries=2000, masker=TabularMasker(), n_points=24,
    )  # fmt: skip


def news(data: Path) -> Task:
    """AG News: the words of the title and the first ones of the article."""
    with gzip.open(data / "ag_news.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    texts = [" ".join(f"{title} {body}".split()[:30]) for _, title, body in rows]
    y = np.array([int(label) - 1 for label, _, _ in rows])

    def linear(seed):
        descent = SGDClassifier(loss="log_loss", alpha=1e-4, random_state=seed)
        return make_pipeline(TfidfVectorizer(), descent)

    learners = {
        "linear": linear,
        "logistic regression": lambda seed: make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10)
        ),
        "naive Bayes": lambda seed: make_pipeline(TfidfVectorizer(), MultinomialNB(alpha=0.1)),
    }
    return Task(
        "AG News", texts, y, ("linear", "naive Bayes"), learners, n_own=1500, n_pool=1500,
        n_queries=3000, masker=TextMasker(), n_points=24,
    )  # fmt: skip


def take(X, rows):
    """Some points, of an array or a list."""
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]


def repeated(X, n: int):
    """Every point n times, one after another."""
    if isinstance(X, np.ndarray):
        return np.repeat(X, n, axis=0)
    return [x for x in X for _ in range(n)]
