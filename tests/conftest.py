# SPDX-License-Identifier: BSD-3-Clause
"""What tests of several folders share: a zoo, a store, and closing of figures."""

import gc
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skzest.store import AnswerStore


def pytest_collection_modifyitems(items):
    """Refuse names that differ between the workers of pytest-xdist, which could not run them."""
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"names hold an address in memory; pass ids=: {unstable}")


def pytest_collection_finish():
    """Garbage collections skip what collecting tests has made; walking it takes 0.4 s each time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def close_figures():
    """Close the figures of a test, and leave matplotlib alone where none was drawn."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def store(tmp_path):
    return AnswerStore(tmp_path / "answers.sqlite")


@pytest.fixture(scope="session")
def four_digits():
    """The images of digits 0 to 3, scaled to [0, 1], and their labels."""
    X, y = load_digits(n_class=4, return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="session")
def digit_zoo(four_digits):
    """Four small models of ``four_digits``; the last is fitted in single precision."""
    X, y = four_digits
    # Networks stop before they converge, but without a warning.
    network = MLPClassifier((8,), tol=10.0, n_iter_no_change=5, random_state=0)
    return [
        LogisticRegression(max_iter=50).fit(X, y),
        make_pipeline(StandardScaler(), GaussianNB()).fit(X, y),
        RandomForestClassifier(5, random_state=0).fit(X, y),
        network.fit(X.astype(np.float32), y),
    ]
