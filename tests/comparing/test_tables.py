# SPDX-License-Identifier: BSD-3-Clause
"""Results as tables: text, notebook and DataFrame."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skzest import LimeSignatureTransformer, distance_interval, explain_distance
from skzest.comparing import DistanceInterval, ShownAsTable, TableText, number
from skzest.queries import CallableQuery

EVIL = '<img src=x onerror="alert(1)">'
X = np.random.default_rng(0).normal(size=(30, 3))


class Two(ShownAsTable):
    def __init__(self, name):
        self.name = name

    def _frame(self):
        return {"value": [1.0, 2.0]}, [self.name, "b"]

    def _text(self):
        return TableText(self.name, ["model", self.name], [[self.name, "1"], ["b", "2"]], self.name)


@pytest.fixture(scope="module")
def asked():
    zoo = [
        CallableQuery(lambda X, j=j: X[:, [0, j]], output="logits", classes=["no", EVIL])
        for j in (1, 2)
    ]
    lime = LimeSignatureTransformer(X, n_reference=6, n_samples=16)
    return *lime.fit_transform(zoo), lime


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0003, "0.0003"),
        (0.00030004, "0.0003"),
        (1e-12, "1e-12"),
        (0.25, "0.25"),
        (12345.6, "12,346"),
        (-0.01, "-0.01"),
        (0.0, "0"),
        (np.inf, "∞"),
        (-np.inf, "-∞"),
        (np.nan, "–"),
    ],
)
def test_numbers_keep_their_digits(value, shown):
    assert number(value) == shown


@given(st.floats(1e-9, 1e9))
def test_a_shown_number_is_the_number_to_three_digits(value):
    assert_allclose(float(number(value).replace(",", "")), value, rtol=6e-3)


@given(st.text(max_size=60))
def test_names_never_become_markup_or_break_a_line(name):
    table = Two(name)
    assert "<" not in re.sub(
        r"</?(div|table|caption|thead|tbody|tr|th|td|bdi|p)\b[^<>]*>", "", table._repr_html_()
    )
    lines = str(table).split("\n")
    assert len(lines) == (4 if name else 3) and lines[2].startswith("b ")


def test_interval_shows_itself(asked):
    first, second, lime = asked
    interval = distance_interval(first, second, lime.plan_)
    assert f"{number(interval.low)} to {number(interval.high)}" in interval._repr_html_()
    assert str(interval).endswith("(95%, 6 points)")
    nothing = DistanceInterval(np.nan, np.nan, np.nan, np.nan, 0.95, 6)
    for text in (str(nothing), nothing._repr_html_()):
        assert "nan" not in text and "gives the same scores to every question" in text


def test_frames_hold_the_numbers(asked):
    pytest.importorskip("pandas")
    first, second, lime = asked
    interval = distance_interval(first, second, lime.plan_)
    frame = interval.to_frame()
    assert frame.shape == (1, 6)
    assert frame.loc[0, "estimate"] == interval.estimate
    explanation = explain_distance(first, second, lime.plan_, classes=lime.classes_)
    frame = explanation.to_frame()
    assert len(frame) == explanation.shares.size
    assert_allclose(frame["share"].sum(), explanation.distance)
    top = explanation.top(1)[0]
    largest = frame.loc[frame["share"].idxmax()]
    assert tuple(largest[["point", "label", "part", "name", "share"]]) == top[:5]
    assert largest["row"] == top.row == lime.plan_.indices[top.point]
    assert Two("a").to_frame().loc["b", "value"] == 2


def test_explanation_shows_its_largest_shares(asked):
    first, second, lime = asked
    explanation = explain_distance(first, second, lime.plan_, classes=lime.classes_)
    markup = explanation._repr_html_()
    assert "<img" not in markup and "&lt;img" in markup
    assert markup.count("<tr>") == 11
    assert str(explanation).splitlines()[1].startswith(explanation.top(1)[0].name)


def test_frames_name_pandas_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas: pip install pandas"):
        Two("a").to_frame()
