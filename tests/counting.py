# SPDX-License-Identifier: BSD-3-Clause
"""Models that count the rows they are asked about."""

import os
import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from skzest.queries import CallableQuery


class Counted:
    """A function of a batch that counts its rows, times a factor so that it can change."""

    def __init__(self, function, factor=1.0):
        self.function, self.factor, self.n_rows = function, factor, 0

    def __call__(self, batch):
        self.n_rows += len(batch)
        return self.factor * self.function(batch)

    def query(self, output="logits", **params):
        return CallableQuery(self, output=output, **params)


class CountedRegression(LogisticRegression):
    """Logistic regressions that share one count; tests set it to zero."""

    n_rows = 0

    def predict_proba(self, batch):
        CountedRegression.n_rows += len(batch)
        return super().predict_proba(batch)


class Noted:
    """A model that notes in files what happens to it, in whatever process.

    It takes `seconds` for each batch, and fails on those that hold the row `bad`.
    """

    def __init__(self, folder, seconds=0.0, bad=None):
        self.folder, self.seconds, self.bad = folder, seconds, bad

    def _note(self, what, n=1):
        with open(self.folder / what, "a") as file:
            file.write("x" * n)

    def count(self, what):
        path = self.folder / what
        return path.stat().st_size if path.exists() else 0

    @property
    def workers(self):
        """Other processes that were asked."""
        pids = {int(path.name[4:]) for path in self.folder.glob("pid *")}
        return sorted(pids - {os.getpid()})

    def __getstate__(self):
        self._note("pickled")
        return self.__dict__

    def __setstate__(self, state):
        self.__dict__ = state
        self._note("opened")

    def __call__(self, batch):
        time.sleep(self.seconds)
        if self.bad is not None and (batch == self.bad).all(axis=1).any():
            raise RuntimeError("out of order")
        self._note("rows", len(batch))
        (self.folder / f"pid {os.getpid()}").touch()
        return np.tanh(batch[:, :2])

    def query(self):
        return CallableQuery(self, output="logits", model_id="noted")
