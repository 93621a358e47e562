# SPDX-License-Identifier: BSD-3-Clause
"""zest_distances and ZestDistanceTransformer: values, invariances and refusals."""

import math
import tracemalloc
import warnings
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
import transcriptions as transcribed
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skzest import DesignMismatchError, ZestDistanceTransformer, zest_distances
from skzest.comparing._matching import RULES
from skzest.comparing._metrics import DISTANCES
from skzest.plan import feature_names

ALIGNMENTS = [None, *RULES]
seeds = st.integers(0, 2**32 - 1)


def cosine(x, y):
    """As the textbook has it, for comparison and as a callable."""
    return 1 - x @ y / math.sqrt(x @ x) / math.sqrt(y @ y)


def textbook(X, Y, distance):
    if distance == "angular":
        return np.arccos(np.clip(1 - cdist(X, Y, "cosine"), -1, 1)) / np.pi
    return cdist(X, Y, distance)


@st.composite
def signatures(draw, *, n_models=(2, 6), n_classes=(1, 5), n_components=(1, 6), holes=False):
    """(S, n_classes): some models near others, some multiples of others; with `holes`, some lack
    classes, but no two models all of them.
    """
    shape = [draw(st.integers(*span)) for span in (n_models, n_classes, n_components)]
    rng = np.random.default_rng(draw(seeds))
    S = rng.normal(size=shape)
    for model in range(1, shape[0]):
        kind = draw(st.sampled_from(["free", "free", "near", "multiple", "far out"]))
        if kind == "near":
            S[model] = S[0] * (1 + 10.0 ** rng.integers(-9, -1) * rng.normal(size=S[0].shape))
        elif kind == "multiple":
            S[model] = rng.choice([-3, 0.1, 2]) * S[model - 1]
        elif kind == "far out":
            S[model] *= 10.0 ** rng.integers(-5, 6)
    if holes and shape[1] > 1:
        gone = rng.random(shape[:2]) < 0.4
        gone[:, 0] = False
        S[gone] = np.nan
    return S.reshape(shape[0], -1), shape[1]


# ---------------------------------------------------------------- exact

X3 = np.array([[3.0, 0.0, 4.0], [0.0, 5.0, 0.0], [-6.0, 0.0, -8.0]])


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("cosine", [[0, 1, 2], [1, 0, 1], [2, 1, 0]]),
        ("angular", [[0, 1 / 2, 1], [1 / 2, 0, 1 / 2], [1, 1 / 2, 0]]),
        ("euclidean", [[0, 50**0.5, 15], [50**0.5, 0, 125**0.5], [15, 125**0.5, 0]]),
        ("cityblock", [[0, 12, 21], [12, 0, 19], [21, 19, 0]]),
        ("chebyshev", [[0, 5, 12], [5, 0, 8], [12, 8, 0]]),
    ],
)
def test_values_by_hand(distance, expected):
    for D in (
        zest_distances(X3, distance=distance),
        zest_distances(X3, X3.copy(), distance=distance),
        [[zest_distances(x, y, distance=distance) for y in X3] for x in X3],
    ):
        assert_allclose(D, expected, rtol=1e-15, atol=1e-15)


def test_angles_by_hand():
    plane = [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 3**0.5]]
    D = zest_distances(plane, distance="angular")
    assert_allclose(D[0], [0, 1 / 4, 1 / 2, 2 / 3], rtol=1e-15)


@pytest.mark.parametrize("distance", DISTANCES)
def test_agrees_with_scipy(distance):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(70, 33)), rng.normal(size=(5, 33))
    assert_allclose(zest_distances(X, Y, distance=distance), textbook(X, Y, distance), rtol=1e-12)
    D = zest_distances(X, distance=distance)
    off = ~np.eye(70, dtype=bool)
    assert_allclose(D[off], textbook(X, X, distance)[off], rtol=1e-12)


@pytest.mark.parametrize("size", range(-12, 0))
def test_small_distances_have_all_their_digits(size):
    # y = x + t |x| e with e a unit vector across x: cos = 1 / sqrt(1 + t^2).
    t = 10.0**size
    x, e = np.zeros(1001), np.zeros(1001)
    x[:500], e[500:] = 2.0, 1 / 501**0.5
    norm = math.sqrt(x @ x)
    y = x + t * norm * e
    root = math.sqrt(1 + t * t)
    truth = {
        "cosine": t * t / (root * (root + 1)),
        "angular": math.atan(t) / math.pi,
        "euclidean": t * norm,
    }
    assert size > -8 or cosine(x, y) <= 3e-16  # the textbook has lost everything
    for distance, value in truth.items():
        D = zest_distances(np.array([x, y, 3 * y]), distance=distance)
        assert_allclose(D[0, 1], value, rtol=1e-9)
        assert_allclose(
            zest_distances(np.array([x]), np.array([y]), distance=distance), value, rtol=1e-9
        )
        assert_allclose(zest_distances(x, y, distance=distance), value, rtol=1e-9)
    # The same through class rows, of which one is at distance 0 (and has to be seen as such).
    S = np.array([np.concatenate([x, e]), np.concatenate([e, y])])
    aligned = zest_distances(S, n_classes=2, alignment="greedy")[0, 1]
    whole = np.array([np.concatenate([x, e]), np.concatenate([y, e])])
    assert_allclose(aligned, zest_distances(whole)[0, 1], rtol=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 33, 257, 1001, 5003])
@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_rows_are_exactly_zero_apart(width, distance):
    rng = np.random.default_rng(width)
    X = np.repeat(rng.normal(size=(4, width)), 5, axis=0)
    same = np.repeat(np.arange(4), 5)
    same = same[:, None] == same
    for D in (
        zest_distances(X, distance=distance),
        zest_distances(X, X[:13].copy(), distance=distance),
    ):
        assert np.all(D[same[:, : D.shape[1]]] == 0)
    assert zest_distances(X[0], X[1].copy(), distance=distance) == 0
    X[:, : width // 2] = np.nan
    if width > 1:
        assert np.all(zest_distances(X, distance=distance)[same] == 0)


def test_multiples_are_opposite_or_the_same():
    x = np.random.default_rng(0).normal(size=501)
    S = np.array([x, 7 * x, -3 * x])
    for distance, opposite in [("cosine", 2.0), ("angular", 1.0)]:
        D = zest_distances(S, distance=distance)
        assert_allclose(D, opposite * np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]]), atol=1e-15)
        assert_allclose(zest_distances(S[0], S[2], distance=distance), opposite, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("distance", DISTANCES)
def test_squares_neither_overflow_nor_vanish(distance, scale):
    X = np.random.default_rng(0).normal(size=(4, 6))
    D = zest_distances(X, distance=distance)
    unit = 1.0 if distance in ("cosine", "angular") else scale
    assert_allclose(zest_distances(X * scale, distance=distance), D * unit, rtol=1e-12)
    assert_allclose(zest_distances(X[0] * scale, X[1] * scale, distance=distance), D[0, 1] * unit)
    aligned = zest_distances(X, distance=distance, n_classes=2, alignment="greedy")
    assert_allclose(
        zest_distances(X * scale, distance=distance, n_classes=2, alignment="greedy"),
        aligned * unit,
        rtol=1e-12,
    )
    if unit == 1.0:  # the direction of a model does not depend on the scale of the others
        each = X * np.array([scale, 1, 1 / scale, -1])[:, None]
        for params in ({}, {"n_classes": 2, "alignment": "greedy"}):
            assert_allclose(
                zest_distances(each, distance=distance, **params),
                zest_distances(X * [[1], [1], [1], [-1]], distance=distance, **params),
                rtol=1e-12,
            )


# ---------------------------------------------------------------- properties


# In fewer dimensions class rows tie by themselves (two numbers have the same sign, or not), and
# ties go to the first.
without_ties = {"n_components": (3, 6)}


@given(
    drawn=signatures(holes=True, **without_ties),
    distance=st.sampled_from(DISTANCES),
    alignment=st.sampled_from(ALIGNMENTS),
    data=st.data(),
)
def test_matrix_is_symmetric_with_zero_diagonal_and_follows_the_order_of_models(
    distance, alignment, drawn, data
):
    S, n_classes = drawn
    if alignment == "optimal" and distance in ("cityblock", "chebyshev"):
        distance = "euclidean"  # sums of gaps tie, too: |a - b| + |c - d| = |a - d| + |c - b|
    params = {"distance": distance, "alignment": alignment, "n_classes": n_classes}
    D = zest_distances(S, **params)
    assert_array_equal(D, D.T)
    assert_array_equal(np.diag(D), 0)
    assert np.all(D >= 0)
    close = {"rtol": 1e-8, "atol": 1e-14 * max(1, np.nanmax(np.abs(S)))}
    order = data.draw(st.permutations(range(len(S))))
    assert_allclose(zest_distances(S[order], **params), D[np.ix_(order, order)], **close)
    assert_allclose(zest_distances(S, S.copy(), **params), D, **close)
    i, j = order[:2]
    assert_allclose(zest_distances(S[i], S[j], **params), D[i, j], **close)


@given(
    drawn=signatures(holes=True, **without_ties),
    distance=st.sampled_from(["cosine", "angular"]),
    alignment=st.sampled_from(ALIGNMENTS),
    factors=st.lists(st.floats(1e-3, 1e3), min_size=6, max_size=6),
)
def test_scaling_a_model_leaves_angles_alone(drawn, distance, alignment, factors):
    S, n_classes = drawn
    params = {"distance": distance, "alignment": alignment, "n_classes": n_classes}
    scaled = S * np.array(factors[: len(S)])[:, None]
    atol = 1e-14
    assert_allclose(
        zest_distances(scaled, **params), zest_distances(S, **params), rtol=1e-7, atol=atol
    )


@given(signatures(n_models=(3, 6)))
def test_angular_distance_keeps_the_triangle_inequality(drawn):
    D = zest_distances(drawn[0], distance="angular")
    assert np.all(D[:, None, :] <= D[:, :, None] + D[None, :, :] + 1e-12)


def test_cosine_distance_breaks_the_triangle_inequality():
    D = zest_distances([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert D[0, 2] > D[0, 1] + D[1, 2] + 0.4


@pytest.mark.parametrize("alignment", ["greedy", "optimal"])
@given(drawn=signatures(n_classes=(2, 5), **without_ties), seed=seeds)
def test_order_of_classes_does_not_matter_once_they_are_aligned(alignment, drawn, seed):
    S, n_classes = drawn
    rng = np.random.default_rng(seed)
    shuffled = np.array([rng.permutation(row.reshape(n_classes, -1)).ravel() for row in S])
    params = {"n_classes": n_classes, "alignment": alignment}
    assert_allclose(
        zest_distances(shuffled, **params), zest_distances(S, **params), rtol=1e-6, atol=1e-14
    )


@given(signatures(holes=True), st.sampled_from(DISTANCES))
def test_classes_that_one_model_lacks_are_left_out(drawn, distance):
    S, n_classes = drawn
    D = zest_distances(S, distance=distance, n_classes=n_classes)
    for i, j in product(range(len(S)), repeat=2):
        shared = ~np.isnan(S[i] + S[j])
        pair = zest_distances(S[i, shared], S[j, shared], distance=distance)
        assert_allclose(D[i, j], pair, rtol=1e-8, atol=1e-15)


@given(signatures(n_classes=(2, 5)))
def test_optimal_alignment_is_the_nearest_of_all_where_rows_add_up(drawn):
    S, n_classes = drawn
    params = {"n_classes": n_classes, "distance": "cityblock"}
    best = zest_distances(S, alignment="optimal", **params)
    for alignment in (None, "greedy", "sequential"):
        assert np.all(best <= zest_distances(S, alignment=alignment, **params) * (1 + 1e-12))


# ---------------------------------------------------------------- missing and undefined


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("distance", [*DISTANCES, cosine])
def test_models_without_direction_have_no_distance(distance, alignment):
    S = np.random.default_rng(0).normal(size=(5, 6))
    S[1] = 0.0
    S[3] = 0.0
    S[3, :2] = np.nan
    params = {"distance": distance, "alignment": alignment, "n_classes": 3}
    known = [0, 2, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        D = zest_distances(S, **params)
        E = zest_distances(S, S[[1, 2]], **params)
        assert math.isnan(zest_distances(S[0], S[1], **params))
        assert math.isnan(zest_distances(S[1], S[1], **params))
    assert_array_equal(
        np.isnan(D), ~np.isin(np.arange(5), known)[:, None] | ~np.isin(np.arange(5), known)
    )
    assert_array_equal(D[np.ix_(known, known)], zest_distances(S[known], **params))
    assert_array_equal(np.isnan(E), [[1, 0], [1, 1], [1, 0], [1, 1], [1, 0]])
    assert np.isnan(zest_distances(S[[1, 3]], **params)).all()


@pytest.mark.parametrize("distance", [*DISTANCES, cosine])
def test_models_with_nothing_in_common_have_no_distance_and_warn(distance):
    nan = np.nan
    S = np.array([[1.0, 2.0, nan, nan], [nan, nan, 3.0, 1.0], [1.0, 1.0, 2.0, 0.0], [nan] * 4])
    for n_classes in (2, None):
        with pytest.warns(UserWarning, match=r"5 pairs .* \(the first: rows 0 and 1\); .* NaN"):
            D = zest_distances(S, distance=distance, n_classes=n_classes)
        assert_array_equal(np.isnan(D), [[0, 1, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]])
        with pytest.warns(UserWarning, match="the models of 1 pair have nothing in common"):
            assert math.isnan(zest_distances(S[0], S[1], distance=distance, n_classes=n_classes))


def test_what_is_zero_on_the_shared_classes_has_no_angle_but_a_length():
    S = [[0.0, 0.0, 1.0, 2.0], [3.0, 4.0, np.nan, np.nan]]
    with pytest.warns(UserWarning, match="nothing in common"):
        assert math.isnan(zest_distances(S, n_classes=2)[0, 1])
    assert zest_distances(S, n_classes=2, distance="euclidean")[0, 1] == 5.0
    assert zest_distances(*np.array(S), distance="euclidean") == 5.0


def test_class_that_is_nan_in_part_is_refused_where_classes_are_known():
    S = np.ones((2, 6))
    S[1, 3] = np.nan
    with pytest.raises(
        ValueError, match="row 1 of X is NaN in 1 of the 2 columns of class block 1"
    ):
        zest_distances(S, n_classes=3)
    with pytest.raises(
        ValueError, match="row 0 of Y is NaN in 1 of the 2 columns of class block 1"
    ):
        zest_distances(S[0], S[1], n_classes=3)
    assert_allclose(zest_distances(S), 0, atol=1e-15)
    assert_allclose(zest_distances(S[0], S[1]), 0, atol=1e-15)


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_values_are_refused(bad):
    S = np.ones((3, 4))
    S[2, 1] = bad
    S[2, 0] = np.nan
    message = r"row 2 of X is infinite in 1 columns \(the first is 1\).* a class .* is NaN"
    with pytest.raises(ValueError, match=message):
        zest_distances(S)
    with pytest.raises(ValueError, match="row 0 of Y is infinite"):
        zest_distances(S[0], S[2])
    with pytest.raises(ValueError, match="row 2 of X is infinite"):
        ZestDistanceTransformer().fit(S)


# ---------------------------------------------------------------- alignment of pairs


@pytest.mark.parametrize(
    ("name", "ours"),
    [("cos", "cosine"), ("Cosine", "cosine"), ("manhattan", "cityblock"), ("l1", "cityblock")]
    + [("l2", "euclidean"), ("linf", "chebyshev"), ("max", "chebyshev")],
)
def test_a_distance_of_another_name_gets_one_suggestion(name, ours):
    with pytest.raises(ValueError, match=f"got '{name}'") as error:
        zest_distances(np.eye(2), distance=name)
    assert str(error.value).count("mean") == 1 and f"Did you mean '{ours}'?" in str(error.value)
    assert zest_distances(np.eye(2), distance=ours).shape == (2, 2)


RELEASED = {"cosine": "cosine", "cityblock": "l1", "euclidean": "l2", "chebyshev": "linf"}


@pytest.mark.parametrize("distance", RELEASED)
@given(seed=seeds, counts=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_greedy_alignment_is_the_released_code(distance, seed, counts):
    rng = np.random.default_rng(seed)
    S = np.full((2, 5, 4), np.nan)
    W = [rng.normal(size=(n_classes, 4)) for n_classes in counts]
    for row, rows in zip(S, W):
        row[np.sort(rng.permutation(5)[: len(rows)])] = rows
    D = zest_distances(S.reshape(2, -1), distance=distance, n_classes=5, alignment="greedy")
    expected = transcribed.released_distance(W[0].T, W[1].T, metric=RELEASED[distance])
    assert_allclose([D[0, 1], D[1, 0]], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("alignment", "direct"),
    [
        ("sequential", transcribed.paper_distance_sequential),
        ("nearest", transcribed.paper_distance_appendix_b),
    ],
)
def test_smaller_model_is_the_reference_and_equals_take_the_smaller_direction(alignment, direct):
    rng = np.random.default_rng(0)
    S = rng.normal(size=(6, 5, 4))
    S[3:, 1] = np.nan
    W = [rows[~np.isnan(rows[:, 0])] for rows in S]
    D = zest_distances(S.reshape(6, -1), n_classes=5, alignment=alignment)
    directions = 0
    for i, j in product(range(6), repeat=2):
        if i == j:
            continue
        there, back = direct(W[i], W[j]), direct(W[j], W[i])
        expected = min(there, back) if len(W[i]) == len(W[j]) else there
        directions += abs(there - back) > 1e-6
        assert_allclose(D[i, j], expected, rtol=1e-10)
    assert directions > 0


@pytest.mark.parametrize("alignment", RULES)
def test_callable_distance_aligns_like_the_named_one(alignment):
    S = np.random.default_rng(0).normal(size=(5, 4, 5))
    S[1, 2] = S[4, 0] = np.nan
    S = S.reshape(5, -1)
    weights = np.arange(1, 21.0)  # a callable may know which column is which

    def weighted(x, y):
        return (np.abs(x - y) * weights[: len(x)]).sum()

    for points in [None, [0, 1, 0, 1, 1]] if alignment == "nearest" else [None]:
        params = {"n_classes": 4, "alignment": alignment, "points": points}
        assert_allclose(
            zest_distances(S, distance=cosine, **params), zest_distances(S, **params), atol=1e-12
        )
        D = zest_distances(S, distance=weighted, **params)
        assert_array_equal(D, D.T)


def test_alignment_of_a_zoo_is_that_of_its_pairs_whatever_the_tiles(monkeypatch):
    S = np.random.default_rng(0).normal(size=(9, 4, 3))
    S[2:4, 1] = S[6, :2] = np.nan
    S = S.reshape(9, -1)
    for alignment, distance in product(RULES, DISTANCES):
        params = {"n_classes": 4, "alignment": alignment, "distance": distance}
        D = zest_distances(S, **params)
        with monkeypatch.context() as patch:
            patch.setattr("skzest.comparing._matching._CELLS", 64)
            assert_allclose(zest_distances(S, **params), D, rtol=1e-12)
            assert_allclose(
                zest_distances(S, S[:5].copy(), **params), D[:, :5], rtol=1e-12, atol=1e-15
            )


def test_size_of_the_blocks_of_work_does_not_matter(monkeypatch):
    S = np.random.default_rng(0).normal(size=(20, 12))
    S[3] = S[11] * (1 + 1e-9)
    torn = S.copy()
    torn[5:9, :4] = torn[1, 8:] = np.nan
    for X, distance in product([S, torn], DISTANCES):
        D = zest_distances(X, distance=distance)
        with monkeypatch.context() as patch:
            patch.setattr("skzest.comparing._metrics._CELLS", 50)
            patch.setattr("skzest.comparing._metrics._NUMBERS", 1)
            assert_allclose(zest_distances(X, distance=distance), D, rtol=1e-9, atol=1e-20)


# ---------------------------------------------------------------- kinds of input


def test_everything_array_like_is_taken(tmp_path):
    S = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32).astype(float)
    D = zest_distances(S)
    np.save(tmp_path / "S.npy", S)
    frozen = S.copy()
    frozen.flags.writeable = False
    for X in (
        S.tolist(),
        S.astype(np.float32),
        S.astype(">f8"),
        np.asfortranarray(S),
        frozen,
        np.load(tmp_path / "S.npy", mmap_mode="r"),
        pd.DataFrame(S),
        pd.DataFrame(S, columns=list("abcdef")),
        np.repeat(S, 2, axis=1)[:, ::2],
    ):
        assert_allclose(zest_distances(X), D, rtol=1e-12)
        assert_allclose(zest_distances(X, X[:] if isinstance(X, list) else X.copy()), D, atol=1e-15)
    for x, y in [(S[0].tolist(), S[1].tolist()), pd.DataFrame(S).iloc[:2].to_numpy()]:
        assert_allclose(zest_distances(x, y), D[0, 1])
    x, y = (row for _, row in pd.DataFrame(S[:2]).iterrows())
    assert_allclose(zest_distances(x, y), D[0, 1])
    assert isinstance(zest_distances(S[0], S[1]), float)
    whole = np.array([[1, 2, 0], [0, 1, 5]])
    assert_allclose(zest_distances(whole), zest_distances(whole.astype(float)))
    assert_allclose(zest_distances(*whole), zest_distances(whole)[0, 1])


def test_input_is_left_as_it_was():
    S = np.random.default_rng(0).normal(size=(4, 6))
    S[0] = 1e200
    S[1] = S[2] * (1 + 1e-9)
    S[3, :2] = np.nan
    before = S.copy()
    for distance, alignment in product(DISTANCES, ALIGNMENTS):
        zest_distances(S, distance=distance, n_classes=3, alignment=alignment)
    assert_array_equal(S, before)


def test_float32_is_computed_in_float64():
    x = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    y = x * np.float32(1 + 2**-10)
    y[0] *= np.float32(1 + 2**-10)
    truth = zest_distances(x.astype(float), y.astype(float))
    assert 0 < truth < 1e-8
    assert_allclose(zest_distances(np.array([x, y]))[0, 1], truth, rtol=1e-12)
    assert_allclose(zest_distances(x, y), truth, rtol=1e-12)
    assert zest_distances(np.array([x, y])).dtype == np.float64


def test_callable_is_asked_once_per_pair_and_without_nan():
    seen = []

    def noted(x, y):
        seen.append((x.tolist(), y.tolist()))
        return np.abs(x - y).sum()

    S = np.arange(24.0).reshape(4, 6)
    S[2, :2] = np.nan
    D = zest_distances(S, distance=noted)
    assert len(seen) == 6
    assert not any(math.isnan(value) for pair in seen for row in pair for value in row)
    assert_array_equal(D, zest_distances(S, distance="cityblock"))
    seen.clear()
    zest_distances(S[0], S[1], distance=noted)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("distance", "alignment"), [*product(DISTANCES, ALIGNMENTS), (cosine, None), (cosine, "greedy")]
)
def test_number_of_jobs_changes_rounding_at_most(distance, alignment, monkeypatch):
    monkeypatch.setattr("skzest.comparing._matching._CELLS", 4096)  # more than one piece of work
    S = np.random.default_rng(0).normal(size=(18 if distance is cosine else 130, 4 * 3))
    S[17] = np.nan
    S[:3, :3] = np.nan
    S[3] = S[4]
    params = {"distance": distance, "alignment": alignment, "n_classes": 4}
    with pytest.warns(UserWarning, match="nothing in common"):
        alone = zest_distances(S, **params)
    with pytest.warns(UserWarning, match="nothing in common"):
        assert_allclose(zest_distances(S, **params, n_jobs=2), alone, rtol=1e-10)


def test_memory_is_less_than_a_normalised_copy_and_the_result():
    S = np.random.default_rng(0).normal(size=(400, 5000))
    tracemalloc.start()
    try:
        for distance in ("cosine", "angular", "euclidean"):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            D = zest_distances(S, distance=distance)
            assert tracemalloc.get_traced_memory()[1] - before < (S.nbytes + D.nbytes) / 2
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------- names of columns


def named(S, labels=("cat", "dog", "cow"), digest="3f2a91bc"):
    return pd.DataFrame(S, columns=feature_names(labels, [0, 4], [0, 0], digest))


def test_classes_are_read_from_feature_names():
    S = np.random.default_rng(0).normal(size=(4, 6))
    for alignment in RULES:
        expected = zest_distances(S, n_classes=3, alignment=alignment)
        assert_array_equal(zest_distances(named(S), alignment=alignment), expected)
        assert_allclose(
            zest_distances(S, named(S), alignment=alignment), expected, rtol=1e-12, atol=1e-15
        )
        x, y = (row for _, row in named(S[:2]).iterrows())
        assert_allclose(zest_distances(x, y, alignment=alignment), expected[0, 1])
        assert_array_equal(
            ZestDistanceTransformer(alignment=alignment).fit_transform(named(S)), expected
        )
    torn = named(S)
    torn.iloc[1, 3] = np.nan
    with pytest.raises(
        ValueError, match="row 1 of X is NaN in 1 of the 2 columns of class block 1"
    ):
        zest_distances(torn)


def test_signatures_of_different_designs_are_refused():
    S = np.random.default_rng(0).normal(size=(4, 6))
    X, Y = named(S), named(S, digest="91bc0000")
    message = (
        r"X and Y were asked different questions \(designs 3f2a91bc, 91bc0000\), so their "
        r"coefficients do not describe the same parts. Transform both with one fitted"
    )
    with pytest.raises(DesignMismatchError, match=message):
        zest_distances(X, Y)
    with pytest.raises(DesignMismatchError, match=message):
        zest_distances(X.iloc[0], Y.iloc[0])
    with pytest.raises(DesignMismatchError, match="signatures_ and X were asked different"):
        ZestDistanceTransformer().fit(X).transform(Y)
    # Plain arrays go unchecked.
    assert zest_distances(X, Y.to_numpy()).shape == (4, 4)


def test_columns_in_another_order_are_refused():
    S = np.random.default_rng(0).normal(size=(4, 6))
    X = named(S)
    with pytest.raises(ValueError, match="hold the same features in different order"):
        zest_distances(X, X.iloc[:, ::-1])
    with pytest.raises(ValueError, match="feature names should match"):
        ZestDistanceTransformer().fit(X).transform(X.iloc[:, ::-1])
    with pytest.raises(ValueError, match="have different feature names"):
        zest_distances(X, named(S, labels=("cat", "dog", "eel")))
    with pytest.raises(ValueError, match="columns of the signatures were left out or moved"):
        zest_distances(X.iloc[:, [0, 2, 4, 1, 3, 5]].iloc[:, 1:], alignment="greedy")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("args", "params", "error", "message"),
    [
        (([1.0, 2.0],), {}, ValueError, r"X is one signature \(1-D\) and Y is None"),
        (([1.0, 2.0], [[1.0, 2.0]]), {}, ValueError, "X is 1-D and Y is 2-D"),
        (([[1.0, 2.0]], [1.0, 2.0]), {}, ValueError, "X is 2-D and Y is 1-D"),
        (([[1.0, 2.0]], [[1.0]]), {}, ValueError, "X has 2 columns and Y has 1; .* equally wide"),
        ((np.ones(2), np.ones(3)), {}, ValueError, "X has 2 columns and Y has 3"),
        ((3.0, 4.0), {}, TypeError, "at least 1 dimension"),
        ((np.ones((2, 2, 2)),), {}, ValueError, "dim 3"),
        ((np.ones((0, 2)),), {}, ValueError, "0 sample"),
        ((np.empty(0), np.empty(0)), {}, ValueError, "0 sample|0 feature"),
        (([["a", "b"]],), {}, ValueError, "convert"),
        ((X3,), {"distance": "l2"}, ValueError, "distance must be .* Did you mean 'euclid"),
        ((X3[0], X3[1]), {"distance": "l2"}, ValueError, "distance must be 'cosine'"),
        ((X3,), {"distance": None}, ValueError, "distance must be .* A callable"),
        ((X3,), {"alignment": "hungarian"}, ValueError, "alignment must be 'greedy'"),
        ((X3,), {"alignment": "greedy"}, ValueError, "alignment='greedy' must know the class bl"),
        ((X3[0], X3[1]), {"alignment": "greedy"}, ValueError, "Pass n_classes="),
        ((X3,), {"n_classes": 2}, ValueError, "3 columns cannot be n_classes=2 blocks"),
        ((X3[0], X3[1]), {"n_classes": 2}, ValueError, "3 columns cannot be n_classes=2 blocks"),
        ((X3,), {"n_classes": True}, TypeError, "n_classes must be an integer"),
        ((X3[0], X3[1]), {"n_classes": 1.5}, TypeError, "n_classes must be an integer"),
        ((X3[0], X3[1]), {"n_classes": 0}, ValueError, "n_classes must be at least 1"),
        ((X3,), {"points": [0, 0, 1]}, ValueError, "points is used with alignment='nearest' only"),
        (
            (X3,),
            {"points": [0, 0, 1], "n_classes": 3, "alignment": "nearest"},
            ValueError,
            r"points has shape \(3,\); expected \(1,\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(args, params, error, message):
    with pytest.raises(error, match=message):
        zest_distances(*args, **params)


# ---------------------------------------------------------------- as a step of a pipeline


def test_transformer_gives_the_distances_to_the_fitted_models():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(5, 12)), rng.normal(size=(3, 12))
    Y[0, :4] = np.nan
    for distance, alignment in product([*DISTANCES, cosine], ALIGNMENTS):
        params = {"distance": distance, "alignment": alignment, "n_classes": 3}
        transformer = ZestDistanceTransformer(**params)
        assert_array_equal(transformer.fit_transform(X), zest_distances(X, **params))
        assert_array_equal(transformer.transform(Y), zest_distances(Y, X, **params))
    assert transformer.n_classes_ == 3
    assert ZestDistanceTransformer().fit(X).n_classes_ is None


def test_transformer_works_in_a_grid_search_over_neighbours():
    rng = np.random.default_rng(0)
    family = np.repeat([0, 1, 2], 8)
    S = rng.normal(size=(3, 12))[family] + 0.5 * rng.normal(size=(24, 12))
    pipeline = make_pipeline(
        ZestDistanceTransformer(n_classes=3), KNeighborsClassifier(1, metric="precomputed")
    )
    grid = {"zestdistancetransformer__alignment": [None, "greedy"]}
    grid["zestdistancetransformer__distance"] = ["cosine", "angular"]
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(S, family)
    assert search.best_score_ > 0.9


def test_transformer_names_its_columns():
    S = np.random.default_rng(0).normal(size=(3, 6))
    transformer = ZestDistanceTransformer().set_output(transform="pandas").fit(named(S))
    frame = transformer.transform(named(S[:2]))
    assert list(frame.columns) == [f"zestdistancetransformer{i}" for i in range(3)]
    assert_array_equal(transformer.signatures_, S)


def test_transformer_checks_in_fit():
    S = np.ones((2, 6))
    for params, message in [
        ({"distance": "l1"}, "distance must be"),
        ({"alignment": "best"}, "alignment must be"),
        ({"alignment": "greedy"}, "must know the class blocks"),
        ({"n_classes": 4}, "6 columns cannot be n_classes=4"),
    ]:
        with pytest.raises(ValueError, match=message):
            ZestDistanceTransformer(**params).fit(S)
    S[0, 1] = np.nan
    with pytest.raises(ValueError, match="NaN in 1 of the 2 columns of class block 0"):
        ZestDistanceTransformer(n_classes=3).fit(S)


@parametrize_with_checks(
    [
        ZestDistanceTransformer(),
        ZestDistanceTransformer(distance="angular"),
        ZestDistanceTransformer(distance="euclidean", n_classes=1, alignment="greedy"),
        ZestDistanceTransformer(distance="cityblock", n_jobs=2),
        # A builtin: its name has no address, so that both workers of pytest-xdist agree on it.
        ZestDistanceTransformer(distance=math.dist),
    ]
)
def test_transformer_passes_scikit_learn_checks(estimator, check):
    check(estimator)


def test_partial_is_a_metric_of_its_own():
    S = np.random.default_rng(0).normal(size=(4, 6))
    metric = partial(zest_distances, distance="angular")
    assert_allclose(metric(S)[1, 2], metric(S[1], S[2]))
