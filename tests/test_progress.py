# SPDX-License-Identifier: BSD-3-Clause
"""Lines of progress off a terminal."""

import pytest

from skzest import _progress


@pytest.fixture
def clock(monkeypatch):
    """The time, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


def test_line_is_written_at_every_tenth_and_after_30_seconds_of_silence(clock, capsys):
    line = _progress.Line("asking", 1000)
    shown = []
    for _ in range(100):
        clock[0] += 10
        line.step(1)
        shown.append("asking: " in capsys.readouterr().err)
    assert [i + 1 for i, is_shown in enumerate(shown) if is_shown] == [*range(3, 100, 3), 100]


def test_quick_work_has_ten_lines(clock, capsys):
    line = _progress.Line("asking", 1000)
    for _ in range(1000):
        line.step(1)
    assert capsys.readouterr().err.count("asking: ") == 10
