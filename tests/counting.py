# SPDX-License-Identifier: BSD-3-Clause
"""Models that count the rows they are asked about."""

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
