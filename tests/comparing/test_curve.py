# SPDX-License-Identifier: BSD-3-Clause
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skzest import (
    CallableQuery,
    LimeSignatureTransformer,
    ReferenceCurveDisplay,
    distance_interval,
    reference_curve,
    zest_distances,
)

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 6))


def _network(seed):
    rng = np.random.default_rng(seed)
    W, V = rng.normal(size=(6, 8)), rng.normal(size=(8, 3))
    return CallableQuery(lambda X: np.tanh(X @ W) @ V, output="logits")


LIME = LimeSignatureTransformer(X, n_reference=48, n_samples=20)
S = LIME.fit_transform([_network(seed) for seed in range(3)])
PLAN = LIME.plan_


# ---------------------------------------------------------------- the curve


def test_shapes_and_defaults():
    curve = reference_curve(S, PLAN, n_repeats=10)
    assert curve.sizes.tolist() == [2, 4, 8, 16, 32, 48]
    assert_allclose(curve.n_queries, PLAN.n_queries / 48 * curve.sizes)
    assert curve.pairs == ((0, 1), (0, 2), (1, 2))
    assert curve.distances.shape == (3, 6, 10)
    assert repr(curve) == "<ReferenceCurve: 3 pairs at 6 sizes, 10 repeats>"
    assert curve.mean.shape == curve.std.shape == (3, 6)


def test_one_point_gives_the_distances_at_single_points():
    curve = reference_curve(S, PLAN, sizes=[1], pairs=[(2, 0)], n_repeats=300)
    blocks = S.reshape(3, 3, -1)
    at = [
        zest_distances(*(blocks[i][:, PLAN.column_point == n].ravel() for i in (2, 0)))
        for n in range(48)
    ]
    nearest = np.abs(curve.distances.ravel()[:, None] - at).min(axis=1)
    assert_allclose(nearest, 0, atol=1e-12)


def test_standard_deviation_falls_with_the_root_of_the_size_as_in_the_interval():
    curve = reference_curve(S, PLAN, n_repeats=2000, pairs=[(0, 1)])
    assert_allclose(curve.std[0, 2] / curve.std[0, 4], 2, rtol=0.2)
    error = distance_interval(S[0], S[1], PLAN).standard_error
    assert_allclose(curve.std[0, -1], error, rtol=0.1)
    assert_allclose(curve.mean[0, -1], zest_distances(S[0], S[1]), atol=0.2 * error)


def test_one_seed_one_curve_whatever_the_pairs():
    curve = reference_curve(S, PLAN, n_repeats=5, random_state=3)
    again = reference_curve(S, PLAN, n_repeats=5, random_state=3, pairs=[(1, 2)])
    assert_array_equal(again.distances[0], curve.distances[2])
    other = reference_curve(S, PLAN, n_repeats=5, random_state=4)
    assert not np.array_equal(other.distances, curve.distances)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sizes": [0, 3]}, "from 0 to 3; the plan has 48 points"),
        ({"sizes": [49]}, "from 49 to 49; the plan has 48 points"),
        ({"sizes": [2.5]}, "list of whole numbers"),
        ({"pairs": [(0, 3)]}, "pairs has row 3, but S has 3 rows"),
        ({"pairs": [0, 1]}, "must be pairs of row numbers"),
        ({"n_repeats": 1}, "n_repeats must be at least 2"),
    ],
)
def test_wrong_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        reference_curve(S, PLAN, **params)


def test_wrong_signatures_are_refused():
    with pytest.raises(ValueError, match="signatures of two models or more"):
        reference_curve(S[:1], PLAN)
    with pytest.raises(ValueError, match="columns, and the plan"):
        reference_curve(S[:, 1:], PLAN)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        reference_curve(S, S)


# ---------------------------------------------------------------- the picture


def test_display_draws_what_the_curve_says():
    display = ReferenceCurveDisplay.from_signatures(S, PLAN, n_repeats=20, labels=list("abc"))
    curve = display.curves[""]
    assert [line.get_label() for line in display.lines_] == ["a", "b", "c"]
    for p, line in enumerate(display.lines_):
        assert_allclose(line.get_xdata(), curve.sizes)
        assert_allclose(line.get_ydata(), curve.mean[p])
    assert len(display.bands_) == 3
    assert display.ax_.get_xscale() == "log" and display.ax_.get_ylim()[0] == 0
    assert display.figure_ is display.ax_.figure


def test_display_of_designs_against_questions():
    few = LimeSignatureTransformer(X, n_reference=48, n_samples="auto", sampling="foldover")
    S_few = few.fit_transform([_network(seed) for seed in range(2)])
    curves = {
        "Bernoulli": reference_curve(S[:2], PLAN, n_repeats=20),
        "fold-over": reference_curve(S_few, few.plan_, n_repeats=20),
    }
    ax = plt.figure().add_subplot()
    display = ReferenceCurveDisplay(curves, labels=["unrelated"])
    assert display.plot(ax=ax, x="n_queries", quantity="std") is display
    assert display.ax_ is ax and not display.bands_
    assert ax.get_xlabel() == "questions to each model" and ax.get_yscale() == "log"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["unrelated, Bernoulli", "unrelated, fold-over"]
    styles = {line.get_linestyle() for line in display.lines_}
    assert len(styles) == 2  # distinguishable without colour
    assert_allclose(display.lines_[1].get_xdata(), curves["fold-over"].n_queries)
    assert_allclose(display.lines_[1].get_ydata(), curves["fold-over"].std[0])


def test_many_ticks_are_thinned():
    curve = reference_curve(S, PLAN, n_repeats=5)
    display = ReferenceCurveDisplay({"": curve})
    wide = LimeSignatureTransformer(X, n_reference=48, n_samples=20_000).fit([_network(0)]).plan_
    display = ReferenceCurveDisplay({"": curve, "much": reference_curve(S, wide, n_repeats=5)})
    display.plot(x="n_queries")
    assert 3 <= len(display.ax_.get_xticks()) <= 9


def test_display_refuses_what_it_does_not_know():
    display = ReferenceCurveDisplay({"": reference_curve(S, PLAN, n_repeats=5)}, labels=["a"])
    with pytest.raises(ValueError, match="1 label for 3 pairs"):
        display.plot()
    with pytest.raises(ValueError, match="x must be 'n_reference' or 'n_queries'"):
        display.plot(x="points")
    with pytest.raises(ValueError, match="quantity must be 'distance' or 'std'; got 'variance'"):
        display.plot(quantity="variance")
