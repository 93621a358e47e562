# SPDX-License-Identifier: BSD-3-Clause
"""Work of the models here is short, and would never be sent to workers."""

import pytest

from skzest.asking import _schedule


@pytest.fixture(autouse=True)
def everything_is_sent(monkeypatch, request):
    if "test_cores" not in request.module.__name__:
        monkeypatch.setattr(_schedule, "is_worth_sending", lambda seconds: True)
