# SPDX-License-Identifier: BSD-3-Clause
"""Suspects beside unrelated models."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skzest import ReuseDetector
from skzest.displays import ReuseDetectionDisplay

pytest.importorskip("matplotlib")

NULL = np.random.default_rng(0).lognormal(np.log(0.3), 0.15, 30)


def judged(suspects, **params):
    params = {"null": "lognormal", **params}
    labels = [f"suspect ${i}$" for i in range(len(suspects))]
    return ReuseDetector(**params).fit(NULL).judge(suspects, labels=labels)


def tick_texts(display):
    return [tick.get_text() for tick in display.ax_.get_yticklabels()]


def test_suspects_come_in_order_with_decision_interval_and_p():
    decisions = judged([0.3, 0.05, 0.22, np.nan])
    display = ReuseDetectionDisplay.from_decisions(decisions)
    assert tick_texts(display) == [
        "unrelated models (30)",
        *(rf"suspect \${i}\$" for i in (1, 2, 0, 3)),
    ]
    drawn = [float(point.get_xdata()[0]) for point in display.suspects_]
    assert_allclose(drawn, np.sort(decisions.relative)[:3])
    assert_allclose(np.sort(display.null_.get_offsets()[:, 0]), np.sort(NULL / NULL.mean()))
    written = [text.get_text() for text in display.ax_.texts]
    assert written.count("no distance") == 1
    assert sum(text.startswith("p ") for text in written) == 3
    in_legend = {text.get_text() for text in display.legend_.get_texts()}
    assert set(decisions.decisions) | {"mean of unrelated", "reused below"} <= in_legend


def test_decisions_differ_in_colour_and_marker():
    decisions = judged([0.05, 0.235, 0.33])
    assert list(decisions.decisions) == ["reused", "undecided", "unrelated"]
    display = ReuseDetectionDisplay.from_decisions(decisions)
    looks = [(point.get_color(), point.get_marker()) for point in display.suspects_]
    assert len({color for color, _ in looks}) == len({marker for _, marker in looks}) == 3


def test_lines_stand_where_the_verdict_changes():
    decisions = judged([0.25])
    display = ReuseDetectionDisplay.from_decisions(decisions)
    upright = [
        line.get_xdata()[0]
        for line in display.ax_.lines
        if len(set(line.get_xdata())) == 1 and line.get_transform() != display.ax_.transData
        and len(line.get_xdata()) == 2
    ]  # fmt: skip
    unit = NULL.mean()
    assert_allclose(
        sorted({*upright}), [decisions.critical / unit, decisions.unrelated_from / unit, 1]
    )


@pytest.mark.parametrize(("nearest", "scale"), [(0.01, "log"), (0.2, "linear")])
def test_scale_follows_the_nearest_suspect(nearest, scale):
    display = ReuseDetectionDisplay.from_distances(NULL, [nearest, 0.3])
    assert display.ax_.get_xscale() == scale
    assert display.plot(scale="linear").ax_.get_xscale() == "linear"


def test_a_distance_of_zero_is_an_arrow_at_the_edge_of_a_logarithmic_scale():
    display = ReuseDetectionDisplay.from_distances(NULL, [0.0, 0.001, 0.3])
    first = display.suspects_[0]
    assert first.get_marker() == "<"
    assert_allclose(first.get_xdata(), display.ax_.get_xlim()[0])
    assert display.suspects_[1].get_marker() == "o"


@pytest.mark.parametrize("n_suspects", [1, 5, 40])
def test_labels_can_be_read_and_nothing_is_cut_off(n_suspects):
    d = np.random.default_rng(1).lognormal(np.log(0.2), 0.4, n_suspects)
    labels = [f"checkpoint of suspect network number {i}" for i in range(n_suspects)]
    decisions = ReuseDetector(null="lognormal").fit(NULL).judge(d, labels=labels)
    display = ReuseDetectionDisplay.from_decisions(decisions)
    display.figure_.draw_without_rendering()
    ticks = display.ax_.get_yticklabels()
    assert all(tick.get_fontsize() >= 5 for tick in ticks)
    spans = sorted((t.get_window_extent().y0, t.get_window_extent().y1) for t in ticks)
    assert max(a[1] - b[0] for a, b in itertools.pairwise(spans)) <= 1
    paper, drawn = display.figure_.bbox, display.figure_.get_tightbbox()
    assert drawn.x0 >= -0.02 and drawn.x1 * display.figure_.dpi <= paper.x1 + 1
    assert drawn.y0 >= -0.02 and drawn.y1 * display.figure_.dpi <= paper.y1 + 1


def test_distances_alone_in_units_of_the_unrelated():
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1]
    display = ReuseDetectionDisplay.from_distances([0.2, 0.4], [0.15], threshold=1.0, ax=ax)
    assert display.ax_ is ax
    assert_allclose(display.suspects_[0].get_xdata(), 0.5)
    assert tick_texts(display) == ["unrelated models (2)", "suspect 0"]


@pytest.mark.parametrize("null", [[], [0.0, 0.0], [0.1, np.nan]], ids=["none", "zero", "NaN"])
def test_unrelated_models_without_a_mean_are_refused(null):
    with pytest.raises(ValueError, match="d_null must hold the distances"):
        ReuseDetectionDisplay.from_distances(null, [0.1])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="d_suspects must be distances to one model"):
        ReuseDetectionDisplay.from_distances(NULL, [-0.1])
    with pytest.raises(ValueError, match="labels has 1 entries for 2 models"):
        ReuseDetectionDisplay.from_distances(NULL, [0.1, 0.2], labels=["a"])
    with pytest.raises(ValueError, match="scale must be 'auto', 'linear' or 'log'"):
        ReuseDetectionDisplay.from_distances(NULL, [0.1], scale="sqrt")
