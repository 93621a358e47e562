# SPDX-License-Identifier: BSD-3-Clause
"""A new kind of input needs one file: this one, with a masker of graphs and their picture."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skzest import (
    CallableQuery,
    LimeSignatureTransformer,
    QueryPlan,
    explain_distance,
    html_report,
    zest_distances,
)
from skzest.displays import ExplanationDisplay, SignatureDisplay
from skzest.drawing import Picture
from skzest.maskers import BaseMasker
from skzest.testing import check_masker

pytest.importorskip("matplotlib")

PLACES = ("mill", "inn", "farm", "ford", "bridge")


class GraphMasker(BaseMasker):
    """Removes edges of graphs that are given as adjacency matrices; a part is the edges to one node
    from those before it."""

    few_parts_remedy = "Give graphs of at least three nodes."

    def cut(self, point):
        n = len(point)
        # The diagonal belongs to the first part: no edge leads to the first node.
        return np.maximum(np.maximum(*np.indices((n, n))) - 1, 0)

    def fill_for(self, point, parts):
        return np.zeros_like(point)

    def part_names(self, point, parts):
        return [f"edges to {name}" for name in PLACES[1 : len(point)]]

    def picture(self, points, n, parts):
        return GraphPicture(points[n], parts)


class GraphPicture(Picture):
    """Nodes on a circle, with their edges in colour."""

    size = (3.0, 3.0)
    has_original = True

    def __init__(self, adjacency, parts):
        self.adjacency, self.parts = adjacency, parts

    def _draw_edges(self, ax, color_of):
        turn = 2 * np.pi * np.arange(len(self.adjacency)) / len(self.adjacency)
        x, y = np.cos(turn), np.sin(turn)
        ax.set_aspect("equal")
        ax.set_axis_off()
        edges = np.argwhere(np.triu(self.adjacency))
        return [ax.plot(x[[i, j]], y[[i, j]], color=color_of(i, j))[0] for i, j in edges]

    def draw(self, ax, values, cmap, norm, **options):
        return self._draw_edges(ax, lambda i, j: cmap(norm(values[self.parts[i, j]])))

    def draw_original(self, ax):
        self._draw_edges(ax, lambda i, j: "black")


@pytest.fixture(scope="module")
def zoo():
    upper = np.triu(np.random.default_rng(0).random((6, 5, 5)) < 0.7, k=1)
    graphs = (upper | upper.transpose(0, 2, 1)).astype(np.int8)
    # One model looks at the last node only, the other at all of them.
    last = CallableQuery(lambda G: np.c_[G[:, :, 4].sum(1), -G[:, 1].sum(1)], output="logits")
    all_ = CallableQuery(lambda G: np.c_[G.sum((1, 2)), -G[:, 1].sum(1)], output="logits")
    lime = LimeSignatureTransformer(graphs, masker=GraphMasker(), n_samples=32)
    return graphs, [last, all_], lime.fit([last, all_])


def test_it_keeps_the_rules(zoo):
    check_masker(GraphMasker(), zoo[0])


def test_it_names_its_parts(zoo):
    _, models, lime = zoo
    S = lime.transform(models)
    explanation = explain_distance(S[0], S[1], lime.plan_)
    assert_allclose(explanation.distance, zest_distances(S[0], S[1]))
    assert lime.plan_.part_names(0) == [f"edges to {name}" for name in PLACES[1:]]
    assert explanation.distance > 0.01
    assert {term.name for term in explanation.top(50)} == set(lime.plan_.part_names(0))


def test_it_is_drawn(zoo):
    _, models, lime = zoo
    S, plan = lime.transform(models), lime.plan_
    display = ExplanationDisplay.from_signatures(S[0], S[1], plan, point=1)
    n_edges = np.triu(plan.point(1)).sum()
    assert len(display.artists_) == n_edges > 0
    assert display.colorbar_ is not None
    assert_allclose(display.figure_.get_size_inches(), GraphPicture.size)
    both = SignatureDisplay.from_signature(S[0], plan, point=1)
    assert [len(ax.lines) for ax in both.axes_] == [n_edges, n_edges]


def test_it_is_in_the_report(zoo):
    _, models, lime = zoo
    page = str(html_report(models, lime, labels=["last", "all"]))
    assert "edges to bridge" in page
    assert re.search(r"Point \d+ \(row \d+\), with [\d.]+% of the distance", page)


def test_its_plan_travels(zoo, tmp_path):
    lime = zoo[2]
    lime.plan_.save(tmp_path / "plan.npz")
    plan = QueryPlan.load(tmp_path / "plan.npz", masker=GraphMasker())
    assert plan.digest == lime.plan_.digest
    assert plan.part_names(0) == lime.plan_.part_names(0)
    assert isinstance(plan.picture(0), GraphPicture)
