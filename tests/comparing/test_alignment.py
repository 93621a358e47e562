# SPDX-License-Identifier: BSD-3-Clause
"""Which class meets which: the four rules on costs, and ClassAligner on signatures."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import transcriptions as transcribed
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skzest import ClassAligner, DesignMismatchError, zest_distances
from skzest.comparing._matching import (
    RULES,
    greedy,
    nearest,
    optimal,
    sequential,
)
from skzest.plan import feature_names

ONE_TO_ONE = ["greedy", "sequential", "optimal"]
seeds = st.integers(0, 2**32 - 1)


# ---------------------------------------------------------------- the rules, on costs

COSTS = np.array([[8.0, 5.0, 2.0], [7.0, 3.0, 0.0], [6.0, 1.0, 4.0]])


def test_rules_by_hand():
    assert greedy(COSTS[None]).tolist() == [[0, 2, 1]]
    assert sequential(COSTS[None]).tolist() == [[2, 1, 0]]
    assert nearest(COSTS[None]).tolist() == [[2, 2, 1]]
    # 2 + 3 + 6 = 2 + 7 + 1 + 1
    assert COSTS[range(3), optimal(COSTS[None])[0]].sum() == 9.0


def plain_greedy(cost):
    """The released code: smallest cell, strike its row and column, repeat."""
    cost, match = cost.copy(), np.full(len(cost), -1)
    for _ in range(len(cost)):
        i, j = np.unravel_index(np.argmin(cost), cost.shape)
        match[i] = j
        cost[i, :] = cost[:, j] = np.inf
    return match


def plain_sequential(cost):
    left, match = list(range(cost.shape[1])), []
    for row in cost:
        match.append(min(left, key=lambda j, row=row: row[j]))
        left.remove(match[-1])
    return match


@st.composite
def costs(draw, largest=9):
    """A few (D1, D2) matrices with D1 <= D2, many of them full of ties."""
    n_rows = draw(st.integers(1, largest))
    shape = (draw(st.integers(1, 4)), n_rows, n_rows + draw(st.integers(0, 4)))
    rng = np.random.default_rng(draw(seeds))
    return rng.integers(0, draw(st.sampled_from([1, 2, 4, 16, 10**6])), size=shape).astype(float)


@given(costs(largest=30))
def test_greedy_equals_taking_the_smallest_cells_one_by_one(C):
    before = C.copy()
    assert_array_equal(greedy(C), [plain_greedy(cost) for cost in C])
    assert_array_equal(C, before)


def test_greedy_handles_chains_in_which_each_match_blocks_the_next():
    # Cells in the order (0, 0), (0, 1), (1, 1), (1, 2), ...: each blocks the next.
    n = 40
    C = np.full((1, n, n), 1e6) + np.arange(n * n).reshape(n, n)
    for k in range(n):
        C[0, k, k] = 2 * k
        C[0, k, min(k + 1, n - 1)] = min(C[0, k, min(k + 1, n - 1)], 2 * k + 1)
    assert_array_equal(greedy(C), [plain_greedy(C[0])])


@given(costs())
def test_sequential_lets_rows_choose_in_order(C):
    assert_array_equal(sequential(C), [plain_sequential(cost) for cost in C])


@given(costs(largest=4))
def test_optimal_has_the_smallest_sum_of_all(C):
    match = optimal(C)
    for cost, columns in zip(C, match):
        rows = range(len(cost))
        best = min(cost[rows, list(p)].sum() for p in permutations(range(cost.shape[1]), len(cost)))
        assert len(set(columns)) == len(cost)
        assert cost[rows, columns].sum() == best


# ---------------------------------------------------------------- permuted classes


def permuted(seed, n_classes, n_components=6):
    """A model, a copy of it with other scales and permuted classes, and the permutation."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(n_classes, n_components))
    order = rng.permutation(n_classes)
    return first, first[order] * rng.uniform(0.5, 2), np.argsort(order)


@pytest.mark.parametrize("alignment", RULES)
@given(seed=seeds, n_classes=st.integers(2, 25))
def test_permuted_classes_find_each_other(alignment, seed, n_classes):
    first, second, position = permuted(seed, n_classes)
    S = np.stack([first.ravel(), second.ravel()])
    aligner = ClassAligner(n_classes=n_classes, template=0, alignment=alignment)
    aligned = aligner.fit(S).transform(S)
    assert_array_equal(aligned[0], S[0])
    assert_array_equal(aligned[1], second[position].ravel())
    match = aligner.match(S)[1]
    assert_array_equal(match.classes, position)
    assert_allclose(match.distances, 0, atol=1e-30)
    assert_allclose(
        zest_distances(S, n_classes=n_classes, alignment=alignment)[0, 1], 0, atol=1e-30
    )
    if not np.array_equal(position, np.arange(n_classes)):
        assert zest_distances(S)[0, 1] > 1e-3


@given(seed=seeds, n_classes=st.integers(2, 8), extra=st.integers(1, 3))
def test_classes_of_a_larger_model_are_left_over(seed, n_classes, extra):
    rng = np.random.default_rng([seed, 1])
    first, second, position = permuted(seed, n_classes)
    width = n_classes + extra
    S = np.full((2, width, 6), np.nan)
    has = np.sort(rng.permutation(width)[:n_classes])
    S[0, has] = first
    where = rng.permutation(width)[:n_classes]
    S[1] = rng.normal(size=(width, 6))
    S[1, where] = second
    aligner = ClassAligner(n_classes=width).fit(S.reshape(2, -1))
    assert aligner.template_index_ == 0
    assert_array_equal(aligner.template_classes_, has)
    match = aligner.match(S.reshape(2, -1))
    assert_array_equal(match[0].classes, has)
    assert_array_equal(match[1].classes, where[position])
    aligned = aligner.transform(S.reshape(2, -1))
    assert aligned.shape == (2, n_classes * 6)
    assert_array_equal(aligned[1], second[position].ravel())


def test_rules_differ_on_signatures_too():
    # Class rows in a plane, so that angles are costs.
    def rows(*angles):
        return np.column_stack([np.cos(angles), np.sin(angles)]).ravel()

    S = np.array([rows(0.5, 0.6, 2.0), rows(0.62, 0.0, 1.0)])
    matched = {
        alignment: ClassAligner(n_classes=3, template=0, alignment=alignment)
        .fit(S)
        .match(S)[1]
        .classes
        for alignment in [*RULES, None]
    }
    assert matched["greedy"].tolist() == [1, 0, 2]
    assert matched["sequential"].tolist() == [0, 2, 1]
    assert matched["nearest"].tolist() == [0, 0, 2]
    assert matched["optimal"].tolist() == [1, 0, 2]
    assert matched[None].tolist() == [0, 1, 2]


@pytest.mark.parametrize("distance", ["cosine", "angular", "euclidean", "cityblock", "chebyshev"])
def test_match_distances_are_those_of_the_class_rows(distance):
    rng = np.random.default_rng(0)
    S = rng.normal(size=(3, 5 * 4))
    S[1, 4:8] = S[0, 8:12]
    aligner = ClassAligner(n_classes=5, template=0, distance=distance).fit(S)
    for row, match in zip(S, aligner.match(S)):
        theirs = row.reshape(5, 4)[match.classes]
        expected = [
            zest_distances(a, b, distance=distance) for a, b in zip(aligner.template_, theirs)
        ]
        assert_allclose(match.distances, expected, rtol=1e-12, atol=1e-15)
    assert aligner.match(S)[1].distances[2] == 0


def test_callable_distance_is_that_distance():
    rng = np.random.default_rng(0)
    S = rng.normal(size=(4, 3 * 5))
    named = ClassAligner(n_classes=3, distance="cityblock").fit(S)
    called = ClassAligner(n_classes=3, distance=lambda x, y: np.abs(x - y).sum()).fit(S)
    for one, other in zip(named.match(S), called.match(S)):
        assert_array_equal(one.classes, other.classes)
        assert_allclose(one.distances, other.distances, rtol=1e-14)


def test_zero_class_rows_are_orthogonal_to_all():
    S = np.array([[1.0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 0]])
    aligner = ClassAligner(n_classes=3, template=0).fit(S)
    match = aligner.match(S)[1]
    assert match.classes.tolist() == [2, 0, 1]
    assert match.distances.tolist() == [0.0, 1.0, 0.0]
    angular = ClassAligner(n_classes=3, template=0, distance="angular").fit(S).match(S)[1]
    assert_allclose(angular.distances, [0.0, 0.5, 0.0], atol=1e-15)


@pytest.mark.parametrize("scale", [1e-180, 1e180])
def test_very_large_and_very_small_models_are_matched(scale):
    first, second, position = permuted(3, 5)
    S = np.stack([first.ravel(), scale * second.ravel()])
    aligner = ClassAligner(n_classes=5, template=0).fit(S)
    assert_array_equal(aligner.match(S)[1].classes, position)
    assert_array_equal(aligner.transform(S)[1], scale * second[position].ravel())


# ---------------------------------------------------------------- inside reference points


def by_point(n_classes=4, widths=(3, 1, 5), seed=0):
    """A model, one with its classes permuted inside each point, and the point of each column."""
    rng = np.random.default_rng(seed)
    points = np.repeat(np.arange(len(widths)), widths)
    first = rng.normal(size=(n_classes, len(points)))
    second = first.copy()
    for point in range(len(widths)):
        # One column alone has no direction but its sign: there classes stay as they are.
        if widths[point] > 1:
            second[:, points == point] = rng.permutation(first[:, points == point])
    return first, second, points


def test_nearest_inside_points_undoes_a_permutation_of_each_point():
    first, second, points = by_point(widths=(3, 2, 5))
    S = np.stack([first.ravel(), second.ravel()])
    aligner = ClassAligner(n_classes=4, template=0, alignment="nearest", points=points).fit(S)
    assert_array_equal(aligner.transform(S)[1], first.ravel())
    match = aligner.match(S)[1]
    assert match.classes.shape == match.distances.shape == (3, 4)
    assert_allclose(match.distances, 0, atol=1e-30)
    whole = ClassAligner(n_classes=4, template=0, alignment="nearest").fit(S)
    assert np.any(whole.transform(S)[1] != first.ravel())


@pytest.mark.parametrize("n_classes", [3, 4])
def test_nearest_inside_points_is_algorithm_1(n_classes):
    rng = np.random.default_rng(0)
    widths = [3, 2, 6, 4]
    points = np.repeat([11, 3, 40, 7], widths)
    shuffle = rng.permutation(len(points))
    S = rng.normal(size=(2, n_classes, len(points)))
    local = [[W[:, points == p] for p in (11, 3, 40, 7)] for W in S]
    expected = transcribed.paper_distance_algorithm_1(*local)
    assert abs(expected - transcribed.paper_distance_appendix_b(*S)) > 1e-2
    flat = S[:, :, shuffle].reshape(2, -1)
    aligner = ClassAligner(n_classes, template=0, alignment="nearest", points=points[shuffle]).fit(
        flat
    )
    assert_allclose(zest_distances(*aligner.transform(flat)), expected, rtol=1e-12)
    both_ways = min(expected, transcribed.paper_distance_algorithm_1(*local[::-1]))
    D = zest_distances(flat, n_classes=n_classes, alignment="nearest", points=points[shuffle])
    assert_allclose(D[0, 1], both_ways, rtol=1e-12)


def test_points_may_be_a_plan():
    first, second, points = by_point()
    S = np.stack([first.ravel(), second.ravel()])
    plan = SimpleNamespace(column_point=points, digest="3f2a91bc")
    by_plan = ClassAligner(4, template=0, alignment="nearest", points=plan).fit(S).transform(S)
    by_array = ClassAligner(4, template=0, alignment="nearest", points=points).fit(S).transform(S)
    assert_array_equal(by_plan, by_array)


def test_points_of_another_plan_are_refused():
    _, _, points = by_point()
    names = feature_names(range(4), points, range(len(points)), "91bc0000")
    S = pd.DataFrame(np.ones((2, 4 * len(points))), columns=names)
    plan = SimpleNamespace(column_point=points, digest="3f2a91bc")
    with pytest.raises(DesignMismatchError, match="X and points were asked different questions"):
        ClassAligner(alignment="nearest", points=plan).fit(S)


# ---------------------------------------------------------------- template and names


def zoo():
    """Three models of at most four classes, of which they have 4, 2 and 3."""
    S = np.random.default_rng(0).normal(size=(3, 4, 5))
    S[1, [0, 2]] = np.nan
    S[2, 3] = np.nan
    return S.reshape(3, -1)


def test_template_is_the_row_with_fewest_classes():
    S = zoo()
    aligner = ClassAligner(n_classes=4).fit(S)
    assert aligner.template_index_ == 1
    assert aligner.template_classes_.tolist() == [1, 3]
    assert_array_equal(aligner.template_.ravel(), aligner.transform(S)[1])
    assert aligner.transform(S).shape == (3, 10)
    assert not np.isnan(aligner.transform(S)).any()


@pytest.mark.parametrize("template", [2, -1, np.int64(2)])
def test_template_may_be_chosen(template):
    S = zoo()
    aligner = ClassAligner(n_classes=4, template=template).fit(S)
    assert aligner.template_index_ == 2
    assert aligner.template_classes_.tolist() == [0, 1, 2]


def test_model_with_fewer_classes_is_refused_with_both_counts():
    S = zoo()
    aligner = ClassAligner(n_classes=4, template=2).fit(S)
    with pytest.raises(
        ValueError, match=r"model 1 has 2 classes, the template \(row 2 of fit\) has 3"
    ):
        aligner.transform(S)
    with pytest.raises(ValueError, match="model 0 has 2 classes"):
        aligner.match(S[1:])


def test_without_alignment_classes_correspond_by_position():
    S = zoo()
    aligner = ClassAligner(n_classes=4, alignment=None).fit(S[[0, 1]])
    assert_array_equal(aligner.transform(S[[0, 1]])[0], S[0].reshape(4, 5)[[1, 3]].ravel())
    assert aligner.match(S[:1])[0].classes.tolist() == [1, 3]
    with pytest.raises(ValueError, match="model 0 lacks class block 3 of the template"):
        aligner.transform(S[2:])


def named(S, labels=("cat", "dog", "cow", "eel"), digest="3f2a91bc"):
    names = feature_names(labels, [0, 0, 1, 1, 1], [0, 1, 0, 1, 2], digest)
    return pd.DataFrame(S, columns=names)


def test_classes_are_read_from_feature_names_and_appear_in_the_result():
    S = named(zoo())
    aligner = ClassAligner().set_output(transform="pandas").fit(S)
    assert aligner.n_classes_ == 4
    aligned = aligner.transform(S)
    assert list(aligned.columns) == list(aligner.get_feature_names_out())
    assert [name.split("__")[0] for name in aligned.columns] == 5 * ["dog"] + 5 * ["eel"]
    match = aligner.match(S)[0]
    assert match.template_labels.tolist() == ["dog", "eel"]
    assert match.labels.tolist() == np.array(["cat", "dog", "cow", "eel"])[match.classes].tolist()


def test_match_prints_which_class_matched_which():
    S = zoo()
    match = ClassAligner(n_classes=4).fit(S).match(S)[1]
    assert str(match) == "1 - 1: 0\n3 - 3: 0"
    assert repr(match) == "<ClassMatch: 1 - 1: 0, 3 - 3: 0>"
    assert str(ClassAligner().fit(named(S)).match(named(S))[1]) == "dog - dog: 0\neel - eel: 0"
    points = [0, 0, 1, 1, 1]
    aligner = ClassAligner(n_classes=4, alignment="nearest", points=points).fit(S)
    assert str(aligner.match(S)[1]).startswith("1 - 1 (2 of 2 points): 0")


def test_plain_columns_are_numbered():
    aligner = ClassAligner(n_classes=4).fit(zoo())
    assert aligner.get_feature_names_out()[[0, -1]].tolist() == ["x5", "x19"]


def test_float32_stays_and_is_matched_in_float64():
    S = zoo().astype(np.float32)
    aligned = ClassAligner(n_classes=4).fit(S).transform(S)
    assert aligned.dtype == np.float32
    wide = ClassAligner(n_classes=4).fit(S.astype(float)).transform(S.astype(float))
    assert_array_equal(aligned, wide.astype(np.float32))


def test_clone_and_nested_parameters():
    points = np.repeat([0, 1], 3)
    aligner = clone(ClassAligner(n_classes=3, alignment="nearest", points=points))
    assert_array_equal(aligner.points, points)
    assert aligner.set_params(alignment=None, points=None).alignment is None


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, ValueError, r"ClassAligner must know the class blocks .* Pass n_classes="),
        ({"n_classes": 3}, ValueError, "20 columns cannot be n_classes=3 blocks"),
        ({"n_classes": 0}, ValueError, "n_classes must be at least 1"),
        ({"n_classes": 4.0}, TypeError, "n_classes must be an integer"),
        ({"n_classes": 4, "template": 3}, ValueError, "template=3, but X has only 3 rows"),
        ({"n_classes": 4, "template": "a"}, TypeError, "template must be the index of a row"),
        (
            {"n_classes": 4, "alignment": "best"},
            ValueError,
            "alignment must be 'greedy', .* or None; got 'best'",
        ),
        ({"n_classes": 4, "distance": "l1"}, ValueError, "got 'l1'. Did you mean 'cityblock'"),
        (
            {"n_classes": 4, "points": [0] * 5},
            ValueError,
            "points is used with alignment='nearest' only",
        ),
        (
            {"n_classes": 4, "points": [0] * 4, "alignment": "nearest"},
            ValueError,
            r"points has shape \(4,\); expected \(5,\)",
        ),
    ],
)
def test_invalid_parameters_are_refused(params, error, message):
    with pytest.raises(error, match=message):
        ClassAligner(**params).fit(zoo())


def test_class_that_is_nan_in_part_is_refused():
    S = zoo()
    S[0, 7] = np.nan
    with pytest.raises(
        ValueError, match=r"row 0 of X is NaN in 1 of the 5 columns of class block 1"
    ):
        ClassAligner(n_classes=4).fit(S)
    aligner = ClassAligner(n_classes=4).fit(zoo())
    with pytest.raises(ValueError, match="row 0 of X is NaN in 1 of the 5"):
        aligner.transform(S)


def test_infinite_coefficients_are_refused():
    S = zoo()
    S[1, [8, 16]] = [np.inf, -np.inf]
    with pytest.raises(ValueError, match=r"row 1 of X is infinite in 2 columns \(the first is 8\)"):
        ClassAligner(n_classes=4).fit(S)


def test_models_without_classes_are_refused():
    S = np.full((2, 20), np.nan)
    with pytest.raises(ValueError, match=r"row 0 cannot be the template.* 0 of 2 rows have"):
        ClassAligner(n_classes=4).fit(S)
    S[0] = 1.0
    with pytest.raises(ValueError, match="row 1 cannot be the template"):
        ClassAligner(n_classes=4, template=1).fit(S)
    with pytest.raises(ValueError, match="model 1 has 0 classes"):
        ClassAligner(n_classes=4).fit(S).transform(S)


def test_signatures_of_another_design_are_refused():
    S = zoo()
    aligner = ClassAligner().fit(named(S))
    with pytest.raises(DesignMismatchError, match="template and X were asked different questions"):
        aligner.transform(named(S, digest="91bc0000"))
    with pytest.raises(ValueError, match="n_classes=2, but the feature names have 4 classes"):
        ClassAligner(n_classes=2).fit(named(S))
    with pytest.raises(ValueError, match="columns of the signatures were left out or moved"):
        ClassAligner(n_classes=3).fit(named(S).iloc[:, 2:17])


def test_callable_that_gives_no_number_for_class_rows_is_refused():
    S = zoo()
    with pytest.raises(ValueError, match="returned nan for two class rows"):
        ClassAligner(n_classes=4, distance=lambda x, y: np.nan).fit(S).transform(S)


@parametrize_with_checks(
    [
        ClassAligner(n_classes=1),
        ClassAligner(n_classes=1, template=-1, alignment="sequential", distance="euclidean"),
        ClassAligner(n_classes=1, alignment="nearest", distance="angular"),
        ClassAligner(n_classes=1, alignment="optimal", distance="cityblock"),
        ClassAligner(n_classes=1, alignment=None),
    ]
)
def test_aligner_passes_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("distance", ["chebyshev", "cityblock", "euclidean"])
@pytest.mark.parametrize("alignment", ["greedy", "sequential", "nearest", "optimal"])
@pytest.mark.parametrize("n_components", [1, 2])
def test_tied_matches_leave_the_matrix_symmetric(alignment, distance, n_components):
    S = np.random.default_rng(0).integers(0, 4, (10, 12 * n_components)).astype(float)
    params = {"alignment": alignment, "distance": distance, "n_classes": 12}
    both = zest_distances(S, S.copy(), **params)
    np.testing.assert_allclose(both, both.T, rtol=0, atol=1e-12)
    np.testing.assert_allclose(zest_distances(S, **params), both, rtol=0, atol=1e-12)
