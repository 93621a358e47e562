# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from counting import Counted
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from skzest import (
    CallableQuery,
    LimeSignatureTransformer,
    UndefinedSignatureWarning,
    distance_interval,
    sequential_distance,
    zest_distances,
)
from skzest.comparing import DistanceInterval
from skzest.detectors._sequential import judge, look_sizes

RNG = np.random.default_rng(3)
X = RNG.normal(size=(100, 6))
W, V, U = RNG.normal(size=(6, 8)), RNG.normal(size=(8, 3)), RNG.normal(size=(8, 3))


def _network(weights):
    return Counted(lambda batch: np.tanh(batch @ W) @ weights)


def _plan(n_reference=96, n_samples=20, **params):
    lime = LimeSignatureTransformer(X, n_reference=n_reference, n_samples=n_samples, **params)
    return lime.fit([_network(V).query()]).plan_


PLAN = _plan()


def _interval(low, high):
    return DistanceInterval((low + high) / 2, low, high, 0.1, 0.95, 8)


# ---------------------------------------------------------------- rules by hand


@pytest.mark.parametrize(
    ("n_points", "sizes"),
    [
        (128, [8, 16, 32, 64, 128]),
        (100, [13, 25, 50, 100]),
        (1000, [63, 125, 250, 500, 1000]),
        (16, [8, 16]),
        (12, [12]),
        (2, [2]),
    ],
)
def test_looks_come_at_halves_of_halves(n_points, sizes):
    assert look_sizes(n_points) == sizes


def test_judging_by_hand():
    assert judge(_interval(0.1, 0.2), 0.3, None) == ("below", "threshold")
    assert judge(_interval(0.4, 0.5), 0.3, None) == ("above", "threshold")
    assert judge(_interval(0.2, 0.4), 0.3, None) == ("undecided", None)
    assert judge(_interval(0.2, 0.4), 0.3, 0.11) == ("undecided", "tol")
    assert judge(_interval(0.2, 0.4), None, 0.11) == (None, "tol")
    assert judge(_interval(0.2, 0.4), None, 0.09) == (None, None)
    assert judge(_interval(np.nan, np.nan), 0.3, 0.1) == ("undecided", None)


# ---------------------------------------------------------------- stopping


def test_clear_decisions_stop_early_and_cost_what_is_reported():
    a, near, far = _network(V), _network(V + 0.01 * U), _network(U)
    below = sequential_distance(a.query(), near.query(), PLAN, threshold=0.3)
    assert (below.decision, below.reason) == ("below", "threshold")
    above = sequential_distance(a.query(), far.query(), PLAN, threshold=0.3)
    assert (above.decision, above.reason) == ("above", "threshold")
    for result in (below, above):
        assert result.n_reference == result.interval.n_reference < len(PLAN)
        assert result.n_queries == PLAN.take(result.n_reference).n_queries
    # Besides, 8 rows are asked twice at each look, and 2 % of the questions once more.
    again = near.n_rows - below.n_queries
    assert 0 < again <= 16 * len(below.looks) + 0.02 * below.n_queries


def test_the_last_look_is_the_interval_of_the_whole_plan():
    a, b = _network(V).query(), _network(V + 0.5 * U).query()
    S = LimeSignatureTransformer.from_plan(PLAN).fit_transform([a, b])
    distance = zest_distances(S[0], S[1])
    result = sequential_distance(a, b, PLAN, threshold=distance)
    assert (result.decision, result.reason) == ("undecided", "plan")
    assert result.n_queries == PLAN.n_queries and len(result.looks) == 4
    expected = distance_interval(S[0], S[1], PLAN, level=1 - 0.05 / 4)
    got = result.interval
    assert_allclose([got.estimate, got.low, got.high], [distance, expected.low, expected.high])
    # Earlier looks are intervals of the first points.
    first = LimeSignatureTransformer.from_plan(PLAN.take(12)).fit_transform([a, b])
    expected = distance_interval(first[0], first[1], PLAN.take(12), level=1 - 0.05 / 4)
    assert_allclose([result.looks[0].low, result.looks[0].high], [expected.low, expected.high])


def test_tolerance_stops_when_the_interval_is_narrow():
    a, b = _network(V).query(), _network(V + 0.5 * U).query()
    results = [sequential_distance(a, b, PLAN, tol=tol) for tol in (2.0, 0.05, 1e-9)]
    assert [r.reason for r in results] == ["tol", "tol", "plan"]
    assert results[0].n_queries < results[1].n_queries < results[2].n_queries == PLAN.n_queries
    for result, tol in zip(results[:2], (2.0, 0.05)):
        assert result.decision is None
        assert result.interval.high - result.interval.estimate <= tol
    assert len(results[1].looks) > 1  # or the first look was narrow, and nothing was seen


def test_budget_is_kept_and_its_end_reported():
    a, b = _network(V).query(), _network(V + 0.5 * U).query()
    result = sequential_distance(a, b, PLAN, tol=1e-9, max_queries=999)
    assert result.reason == "max_queries"
    assert result.n_queries <= 999 < PLAN.take(result.n_reference + 1).n_queries
    enough = sequential_distance(a, b, PLAN, tol=1e-9, max_queries=10**6)
    assert (enough.reason, enough.n_reference) == ("plan", 96)


def test_equal_models_are_below_any_threshold_at_once():
    result = sequential_distance(_network(V).query(), _network(V).query(), PLAN, threshold=1e-6)
    assert (result.decision, result.n_reference) == ("below", 12)


def test_plans_of_scores_and_of_designs_serve():
    a, b = _network(V).query(), _network(U).query()
    for params in ({"surrogate": "passthrough"}, {"n_samples": "auto", "sampling": "foldover"}):
        plan = _plan(16, **params)
        assert sequential_distance(a, b, plan, threshold=0.3).decision == "above"


def test_parameters_go_on_to_the_transformer():
    a, b = _network(V), _network(U)
    result = sequential_distance(
        a, b, PLAN, threshold=0.3, adapter=lambda m: m.query(), batch_size=7, n_classes=3
    )
    assert result.decision == "above"
    with pytest.raises(TypeError, match="n_samples cannot be given"):
        sequential_distance(a, b, PLAN, threshold=0.3, n_samples=10)


def test_with_a_cache_nothing_is_asked_twice(tmp_path):
    y = np.arange(len(X)) % 3
    rows = []

    def noted(C):
        model = LogisticRegression(C=C).fit(X, y)
        ask = lambda batch: (rows.append(len(batch)), model.predict_proba(batch))[1]  # noqa: E731
        return CallableQuery(ask, model_id=f"C={C}")

    a, b = noted(1.0), noted(1e-3)
    spent = []
    for tol in (0.5, 1e-9, 1e-9):
        rows.clear()
        result = sequential_distance(a, b, PLAN, tol=tol, cache=tmp_path / "answers.sqlite")
        spent.append((result.n_queries, sum(rows)))
    (few, _), (all_of_them, second), (again, third) = spent
    assert few < all_of_them == again == PLAN.n_queries
    checks = third  # answers that were there are looked at again, a few rows of each
    assert checks < 0.1 * 2 * PLAN.n_queries
    assert second <= 1.02 * 2 * (all_of_them - few) + 2 * checks


def test_constant_models_warn_once_and_have_no_decision():
    constant = CallableQuery(lambda X: np.ones((len(X), 3)), output="logits")
    with pytest.warns(UndefinedSignatureWarning, match="model_b gave the same") as record:
        result = sequential_distance(_network(V).query(), constant, PLAN.take(16), threshold=0.3)
    assert len(record) == 1
    assert result.decision == "undecided" and np.isnan(result.interval.estimate)


def test_wrong_parameters_are_refused():
    a, b = _network(V).query(), _network(U).query()
    with pytest.raises(ValueError, match="neither threshold nor tol is given"):
        sequential_distance(a, b, PLAN)
    with pytest.raises(ValueError, match=r"threshold must be .* less than 2.*got 2\.5"):
        sequential_distance(a, b, PLAN, threshold=2.5)
    with pytest.raises(ValueError, match="tol must be positive; got 0"):
        sequential_distance(a, b, PLAN, tol=0)
    two = PLAN.take(2).n_queries
    with pytest.raises(ValueError, match=rf"{two - 1} is too few for 2 .* take {two} questions"):
        sequential_distance(a, b, PLAN, tol=0.1, max_queries=two - 1)
    with pytest.raises(ValueError, match="at least 2 are needed"):
        sequential_distance(a, b, PLAN.take(1), tol=0.1)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        sequential_distance(a, b, X, tol=0.1)
