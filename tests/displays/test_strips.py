# SPDX-License-Identifier: BSD-3-Clause
"""Several distances, a strip for each."""

import numpy as np
import pytest

from skzest import (
    DistanceStripsDisplay,
    ReuseDetectionDisplay,
    ReuseDetector,
    UnlearningVerifier,
)

pytest.importorskip("matplotlib")

UNRELATED = np.random.default_rng(0).lognormal(-1.0, 0.2, size=(30, 3))


def judged(suspects, labels=None):
    return ReuseDetector(correction=None).fit(UNRELATED).judge(suspects, labels=labels)


def test_markers_are_filled_where_a_distance_decided():
    found = judged([[0.4, 0.01, np.nan], [0.4, 0.4, 0.4]], labels=["a$b$", "c"])
    display = DistanceStripsDisplay.from_decisions(found)
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert ticks == ["distance 0", "distance 1", "distance 2"]
    assert len(display.null_.get_offsets()) == 90
    assert len(display.suspects_) == 5  # one distance is undefined
    filled = [
        float(point.get_xdata()[0])
        for point in display.suspects_
        if point.get_markerfacecolor() == point.get_color()
    ]
    assert filled == [found.z[0, 1]] and found.decided_by == (("distance 1",), ())
    said = [text.get_text() for text in display.legend_.get_texts()]
    assert said[1].startswith(r"1  a\$b\$: reused, p = ") and said[2].startswith("2  c: unrelated")


@pytest.mark.parametrize("n_suspects", [1, 20, 60])
def test_numbers_are_written_where_there_is_room(n_suspects):
    display = DistanceStripsDisplay.from_decisions(judged(UNRELATED[:1].repeat(n_suspects, axis=0)))
    display.figure_.canvas.draw()
    numbers = [text for text in display.ax_.texts if text.get_text().isdigit()]
    assert len(numbers) == (3 * n_suspects if n_suspects <= 20 else 0)
    low, high = display.ax_.get_xlim()
    assert all(low < point.get_xdata()[0] < high for point in display.suspects_)


def test_each_display_names_the_other():
    one = ReuseDetector(correction=None).fit(UNRELATED[:, 0]).judge([0.1])
    with pytest.raises(ValueError, match=r"Draw them with DistanceStripsDisplay\.from_decisions"):
        ReuseDetectionDisplay.from_decisions(judged(UNRELATED[:1]))
    with pytest.raises(ValueError, match=r"Draw them with ReuseDetectionDisplay\.from_decisions"):
        DistanceStripsDisplay.from_decisions(one)
    assert DistanceStripsDisplay.from_decisions(judged(UNRELATED[:1])).ax_
    assert ReuseDetectionDisplay.from_decisions(one).ax_


@pytest.mark.parametrize("display", [ReuseDetectionDisplay, DistanceStripsDisplay])
def test_decisions_on_unlearning_have_no_figure(display):
    D = np.ones((4, 4)) - np.eye(4)
    D[0, 1:] = D[1:, 0] = 2.0  # the original
    found = UnlearningVerifier().fit(D).judge([[1.9, 1.0, 1.0, 1.0]])
    with pytest.raises(TypeError, match="ReuseDetector; got UnlearningDecisions"):
        display.from_decisions(found)
