# SPDX-License-Identifier: BSD-3-Clause
"""Pairs of a zoo decided step by step; models without an open pair are left alone."""

import warnings
from functools import partial

import numpy as np
import pytest
from counting import Counted
from numpy.testing import assert_allclose, assert_array_equal

from skzest import (
    CallableQuery,
    LimeSignatureTransformer,
    UndefinedSignatureWarning,
    distance_interval,
    sequential_distance,
    sequential_distances,
    zest_distances,
)
from skzest.detectors import _sequential_zoo

RNG = np.random.default_rng(3)
X = RNG.normal(size=(100, 6))
W, V, U = RNG.normal(size=(6, 8)), RNG.normal(size=(8, 3)), RNG.normal(size=(8, 3))
WEIGHTS = [V, V + 0.01 * U, U, -U, U - 0.02 * V]


def _network(weights):
    return Counted(lambda batch: np.tanh(batch @ W) @ weights)


def _zoo(weights=WEIGHTS):
    models = [_network(w) for w in weights]
    return models, [model.query() for model in models]


PLAN = LimeSignatureTransformer(X, n_reference=96, n_samples=20).fit(_zoo()[1]).plan_
S = LimeSignatureTransformer.from_plan(PLAN).fit_transform(_zoo()[1])
D = zest_distances(S)


def test_clear_decisions_are_those_of_the_whole_plan_for_a_fraction_of_its_questions():
    models, queries = _zoo()
    result = sequential_distances(queries, PLAN, threshold=0.3)
    assert_array_equal(result.near, D < 0.3)
    assert_array_equal(result.far, D > 0.3)
    assert not result.undecided.any()
    assert_array_equal(result.n_queries, [PLAN.take(n).n_queries for n in result.n_reference])
    for model, n_queries in zip(models, result.n_queries):
        # 8 rows are asked twice at each look, and 2 % of the questions once more.
        assert n_queries < model.n_rows <= n_queries + 16 * 4 + 0.02 * n_queries
    assert result.saved == 1 - result.n_queries.sum() / (5 * PLAN.n_queries) > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_decisions_at_any_look_agree_with_the_whole_plan(seed):
    rng = np.random.default_rng(seed)
    weights = V + rng.uniform(0.1, 2, (6, 1, 1)) * rng.normal(size=(6, 8, 3))
    _, queries = _zoo(weights)
    whole = zest_distances(LimeSignatureTransformer.from_plan(PLAN).fit_transform(queries))
    threshold = float(np.median(whole[np.triu_indices(6, 1)]))
    result = sequential_distances(queries, PLAN, threshold=threshold, level=0.999)
    assert result.near.sum() > 6 and result.far.any() and len(set(result.n_reference)) > 0
    assert not (result.near & result.far).any()
    assert (whole[result.near] < threshold).all() and (whole[result.far] > threshold).all()
    for M in (result.near, result.distances, result.low, result.high):
        assert_array_equal(M, M.T)


def test_a_model_without_an_open_pair_is_not_asked_again():
    models, queries = _zoo([V, -V, U, U + 0.5 * V])
    whole = zest_distances(LimeSignatureTransformer.from_plan(PLAN).fit_transform(queries))
    hard = float(whole[2, 3])
    assert (abs(whole[:2] - hard) > 0.2)[:, 2:].all()  # or the others had open pairs, too
    models, queries = _zoo([V, -V, U, U + 0.5 * V])
    result = sequential_distances(queries, PLAN, threshold=hard)
    assert np.argwhere(result.undecided).tolist() == [[2, 3], [3, 2]]
    assert (result.n_reference[:2] < 96).all() and (result.n_reference[2:] == 96).all()
    for model in models[:2]:
        assert model.n_rows <= 1.02 * PLAN.take(48).n_queries + 16 * 3 < PLAN.n_queries
    assert result.distances[2, 3] == pytest.approx(hard, rel=1e-12)


@pytest.mark.parametrize(("level_for", "n_errors"), [("pair", 4), ("zoo", 4 * 10)])
def test_intervals_are_those_of_pairs_at_the_level_of_one_look(level_for, n_errors):
    result = sequential_distances(_zoo()[1], PLAN, threshold=float(D[0, 2]), level_for=level_for)
    for i, j in [(0, 2), (0, 1), (2, 3)]:
        n = int(min(result.n_reference[[i, j]]))
        if (i, j) == (0, 2):
            assert n == 96
        first = S.reshape(5, 3, -1)[:, :, : PLAN.take(n).n_components].reshape(5, -1)
        interval = distance_interval(first[i], first[j], PLAN.take(n), level=1 - 0.05 / n_errors)
        if result.distances[i, j] == pytest.approx(interval.estimate):
            assert_allclose([result.low[i, j], result.high[i, j]], [interval.low, interval.high])
        else:  # decided at an earlier look
            assert (i, j) != (0, 2)


def test_every_error_counts_in_a_zoo():
    of_pair, of_zoo = (
        sequential_distances(_zoo()[1], PLAN, threshold=0.3, level_for=what)
        for what in ("pair", "zoo")
    )
    assert of_zoo.n_queries.sum() >= of_pair.n_queries.sum()
    assert (of_zoo.near == of_pair.near).all()


def test_between_two_thresholds_either_decision_is_right():
    distance = float(D[0, 2])
    one = sequential_distances(_zoo()[1], PLAN, threshold=distance)
    two = sequential_distances(_zoo()[1], PLAN, threshold=(0.8 * distance, 1.25 * distance))
    assert one.undecided[0, 2] and not two.undecided.any()
    assert two.n_queries.sum() < one.n_queries.sum()


def test_classes_that_a_model_lacks_are_left_out_and_batches_change_nothing(monkeypatch):
    def of(weights, classes):
        return CallableQuery(
            lambda batch: np.tanh(batch @ W) @ weights, output="logits", classes=classes
        )

    zoo = [of(V, [0, 1, 2]), of(V[:, :2] + 0.3 * U[:, :2], [0, 1]), of(U, [0, 1, 2])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        rows = LimeSignatureTransformer.from_plan(PLAN).fit_transform(zoo)
        results = [sequential_distances(zoo, PLAN, threshold=1e-3)]
        monkeypatch.setattr(_sequential_zoo, "_HELD_BYTES", 1)
        results.append(sequential_distances(zoo, PLAN, threshold=1e-3))
    assert np.isnan(rows[1]).any()
    n = int(results[0].n_reference[0])
    assert results[0].far[~np.eye(3, dtype=bool)].all()
    first = rows.reshape(3, 3, -1)[:, :, : PLAN.take(n).n_components].reshape(3, -1)
    for result in results:
        assert_allclose(result.distances, zest_distances(first, n_classes=3), atol=1e-12)


def test_constant_models_stay_undecided_and_warn_once():
    zoo = [*_zoo()[1][:2], CallableQuery(lambda X: np.ones((len(X), 3)), output="logits")]
    with pytest.warns(UndefinedSignatureWarning, match=r"^models\[2\] .* gave the same") as record:
        result = sequential_distances(zoo, PLAN.take(16), threshold=0.3)
    assert len(record) == 1
    assert result.undecided.sum() == 4 and np.isnan(result.distances[2, :2]).all()


def test_errors_name_models_by_their_place_in_the_zoo():
    models, queries = _zoo([V, -V, U, U + 0.5 * V])
    hard = float(
        zest_distances(
            S[2], LimeSignatureTransformer.from_plan(PLAN).fit_transform([queries[3]])[0]
        )
    )
    right, models[3].n_rows = models[3].function, 0
    models[3].function = lambda batch: right(batch) if models[3].n_rows < 600 else right(batch)[:1]
    with pytest.raises(ValueError, match=r"^models\[3\]"):
        sequential_distances(queries, PLAN, threshold=hard)


def test_the_result_is_a_table_of_pairs():
    result = sequential_distances(_zoo()[1], PLAN, threshold=0.3)
    text = str(result).splitlines()
    assert repr(result) == str(result)
    assert [line.split() for line in text[1:4]] == [["near", "2"], ["far", "8"], ["undecided", "0"]]
    asked = f"{result.n_queries.sum():,} of {5 * PLAN.n_queries:,} questions"
    assert text[4].startswith(f"Asked {asked}")
    frame = result.to_frame()
    assert frame.query("decision == 'near'")[["model_a", "model_b"]].values.tolist() == [
        [0, 1],
        [2, 4],
    ]


def test_wrong_parameters_are_refused():
    zoo = _zoo()[1]
    for threshold in (2.5, 0, (0.3, 0.2), (0.1, 0.2, 0.3)):
        with pytest.raises(ValueError, match=r"threshold must be .*got"):
            sequential_distances(zoo, PLAN, threshold=threshold)
    with pytest.raises(ValueError, match="level_for must be"):
        sequential_distances(zoo, PLAN, threshold=0.3, level_for="model")
    with pytest.raises(TypeError, match=r"pass plan.take\(n_reference\)"):
        sequential_distances(zoo, PLAN, threshold=0.3, n_reference=8)
    assert sequential_distances(zoo, PLAN.take(8), threshold=0.3).n_reference.max() == 8
    with pytest.raises(TypeError, match="list"):
        sequential_distances(zoo[0], PLAN, threshold=0.3)


def _undefined_model(kind):
    if kind == "constant":
        return CallableQuery(lambda batch: np.ones((len(batch), 3)), output="logits")
    lettered = partial(CallableQuery, output="logits", classes=["d", "e", "f"])
    return lettered(lambda batch: np.tanh(batch @ W) @ V)


@pytest.mark.filterwarnings("ignore::skzest.UndefinedSignatureWarning")
@pytest.mark.filterwarnings("ignore:.*they share none")
@pytest.mark.parametrize("kind", ["constant", "no common class"])
def test_a_pair_without_a_distance_costs_the_others_no_questions(kind):
    classes = ["a", "b", "c"] if kind == "no common class" else None
    zoo = [CallableQuery(m, output="logits", classes=classes) for m in _zoo()[0]]
    alone = sequential_distances(zoo, PLAN, threshold=0.3)
    assert alone.saved > 0
    result = sequential_distances([*zoo, _undefined_model(kind)], PLAN, threshold=0.3)
    assert_array_equal(result.n_queries[:-1], alone.n_queries)
    assert_array_equal(result.near[:-1, :-1], alone.near)
    assert result.undecided[-1, :-1].all() and np.isnan(result.distances[-1, :-1]).all()
    assert result.n_queries[-1] == result.n_queries.min()


def test_one_model_is_no_pair_and_two_are():
    zoo = _zoo()[1]
    with pytest.raises(ValueError, match="models holds 1 model; a pair takes at least 2"):
        sequential_distances(zoo[:1], PLAN, threshold=0.3)
    assert sequential_distances(zoo[:2], PLAN, threshold=0.3).n_queries.all()


@pytest.mark.parametrize(
    ("threshold", "error"),
    [(0, ValueError), (2, ValueError), (np.nan, ValueError), ("a", TypeError), (True, TypeError)],
)
def test_thresholds_that_no_distance_can_cross_are_refused(threshold, error):
    zoo = _zoo()[1]
    match = "threshold must be (greater than 0 and less than 2|a number)"
    for given in (threshold, (threshold, 1.0), (0.5, threshold)):
        with pytest.raises(error, match=match):
            sequential_distances(zoo, PLAN, threshold=given)
    with pytest.raises(error, match=match):
        sequential_distance(*zoo[:2], PLAN, threshold=threshold)
