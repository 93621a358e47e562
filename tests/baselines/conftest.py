# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests of baselines."""

import pytest


@pytest.fixture
def one_row_is_looked_at_first(monkeypatch):
    """Nor are questions asked again later, so that all others can be counted."""
    monkeypatch.setattr("skzest.asking._panel.FIRST_LOOK_ROWS", 1)
    monkeypatch.setattr("skzest.asking._asker._AGAIN", 0.0)
