# SPDX-License-Identifier: BSD-3-Clause
"""Answers of models, kept on disk by batch: no model answers a batch twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np

from skzest import CallableQuery

CLIP = 1e-6  # as in LimeSignatureTransformer


class Remembered:
    """A function from a batch to scores that keeps what it has answered.

    Parameters
    ----------
    load : callable
        Returns the function. Called when the first batch comes that has no answer yet.
    path : path
        File of the answers; :meth:`save` writes it. None keeps them in memory.
    output : {"logits", "predict_proba"}
        What the function returns.
    """

    def __init__(self, load: Callable[[], Callable], path: Path | None, output: str):
        self.load, self.path, self.output = load, path, output
        self._function: Callable | None = None
        self._known: dict[str, np.ndarray] | None = None
        self._changed = False

    def __call__(self, X) -> np.ndarray:
        """Answers, (n_questions, n_classes)."""
        if self._known is None:
            self._known = {}
            if self.path is not None and self.path.exists():
                with np.load(self.path) as file:
                    self._known = {key: file[key] for key in file.files}
        key = digest_of(X)
        if key not in self._known:
            if self._function is None:
                self._function = self.load()
            self._known[key] = np.asarray(self._function(X), dtype=np.float32)
            self._changed = True
        return self._known[key].astype(float)

    def scores(self, X) -> np.ndarray:
        """What ``response="logit"`` gives: logits or logarithms, less their mean over classes."""
        said = self(X)
        if self.output == "predict_proba":
            said = np.log(np.clip(said, CLIP, 1))
        return said - said.mean(axis=1, keepdims=True)

    def shares(self, X) -> np.ndarray:
        """Probabilities."""
        said = self(X)
        if self.output == "predict_proba":
            return said
        powers = np.exp(said - said.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def labels(self, X) -> np.ndarray:
        """Columns of the largest scores."""
        return self(X).argmax(axis=1)

    @property
    def query(self) -> CallableQuery:
        """The model as skzest asks it."""
        return CallableQuery(self, output=self.output)

    def save(self) -> None:
        """Keep new answers on disk."""
        if self._changed and self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.path.with_suffix(f".{os.getpid()}.npz")
            np.savez(unfinished, **self._known)
            os.replace(unfinished, self.path)
            self._changed = False


def digest_of(X) -> str:
    """A name for a batch: an array, or a list of texts."""
    if isinstance(X, np.ndarray):
        head, body = f"{X.dtype}{X.shape}".encode(), np.ascontiguousarray(X)
    else:
        head, body = b"texts", "\0".join(X).encode()
    found = blake2b(head, digest_size=12)
    found.update(body)
    return found.hexdigest()
