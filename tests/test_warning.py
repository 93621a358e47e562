# SPDX-License-Identifier: BSD-3-Clause
"""Warnings point to the line of the user's that caused them, through whatever it was called."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import skzest
from skzest import CallableQuery, LimeSignatureTransformer, UndefinedSignatureWarning

PACKAGE = Path(skzest.__file__).parent
X = np.random.default_rng(0).normal(size=(20, 4))


def _lime(n_jobs=None):
    return LimeSignatureTransformer(X, n_reference=4, n_samples=16, n_jobs=n_jobs)


def _constant(batch):
    return np.full((len(batch), 2), 0.5)


def _caught(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return caught


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("way", ["fit_transform", "transform"])
def test_a_constant_model_is_warned_of_here(way, n_jobs):
    lime = _lime(n_jobs)
    if way == "transform":
        lime.fit([CallableQuery(_constant)])
    caught = _caught(lambda: getattr(lime, way)([CallableQuery(_constant)]))
    assert [c.category for c in caught] == [UndefinedSignatureWarning]
    assert caught[0].filename == __file__


def test_a_network_is_warned_of_here_and_once_for_all_its_places():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Dropout(0.0), torch.nn.Linear(4, 2)).double().train()
    caught = _caught(lambda: _lime().fit_transform([net, net]))
    assert {c.filename for c in caught} == {__file__}
    assert any("in training mode" in str(c.message) for c in caught)
    assert len({(str(c.message), c.lineno) for c in caught}) == 1  # which Python shows once


def test_no_warning_counts_its_own_depth():
    for path in PACKAGE.rglob("*.py"):
        if path.name != "exceptions.py":
            assert not re.search(r"warnings\.warn\(|stacklevel", path.read_text()), path
