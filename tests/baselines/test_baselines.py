# SPDX-License-Identifier: BSD-3-Clause
"""What holds for every baseline in the registry."""

import numpy as np
import pytest
from counting import Counted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skzest import AnswerStore, CallableQuery, LimeSignatureTransformer, zest_distances
from skzest.baselines import (
    BASELINES,
    Baseline,
    ask_copies,
    ask_points,
    baseline_distances,
    boundary_distances,
    combined_distances,
    correlation_distances,
    ddv_distances,
    mistake_distances,
    passthrough_distances,
    prediction_distances,
)

X, Y = load_iris(return_X_y=True)
RNG = np.random.default_rng(0)
ZOO = [
    LogisticRegression(C=C, max_iter=5000).fit(X[rows], Y[rows])
    for C, rows in (
        (0.02, slice(None)),
        (100.0, RNG.permutation(150)[:60]),
        (1.0, slice(0, 150, 3)),
    )
]
PLAN = LimeSignatureTransformer(X, n_reference=5, n_samples=8).fit(ZOO).plan_
POINTS = RNG.permutation(150)

each = pytest.mark.parametrize("baseline", BASELINES.values(), ids=list(BASELINES))


def _distances(baseline, zoo=ZOO, plan=PLAN, **params):
    return baseline(zoo, plan, X[POINTS], Y[POINTS], **params)


@each
def test_distances_are_symmetric_with_zero_diagonal(baseline):
    D = _distances(baseline)
    assert D.shape == (3, 3) and D.dtype == np.float64
    assert_array_equal(D, D.T)
    assert_array_equal(np.diag(D), 0)
    assert (D[~np.eye(3, dtype=bool)] > 0).all()


@each
def test_a_model_is_at_distance_zero_from_itself(baseline):
    assert_allclose(_distances(baseline, [ZOO[0], ZOO[1], ZOO[0]])[0, 2], 0, atol=1e-15)


@each
@pytest.mark.parametrize("order", [[2, 0, 1], [1, 0, 2]], ids=["turned", "swapped"])
def test_permuting_models_permutes_distances(baseline, order):
    D = _distances(baseline, victim=0)
    permuted = _distances(baseline, [ZOO[i] for i in order], victim=order.index(0))
    assert_allclose(permuted, D[np.ix_(order, order)], atol=1e-14)


@each
def test_distances_repeat(baseline):
    assert_array_equal(_distances(baseline), _distances(baseline))


@each
def test_entry_has_a_source_and_a_public_function(baseline):
    from skzest import baselines

    assert baseline.source
    assert getattr(baselines, baseline.function.__name__) is baseline.function


def _counted_zoo():
    """The zoo as functions that count their rows, and queries of them."""
    counted = [Counted(model.predict_proba) for model in ZOO]
    return counted, [c.query("predict_proba", classes=m.classes_) for c, m in zip(counted, ZOO)]


@each
@pytest.mark.parametrize("n_points", [11, 150])
def test_the_stated_number_of_questions_is_asked(baseline, n_points, one_row_is_looked_at_first):
    if baseline.asks == "weights":
        assert baseline.n_queries(PLAN) == baseline.n_search(PLAN) == 0
        return
    counted, queries = _counted_zoo()
    pool = X[POINTS[:n_points]], Y[POINTS[:n_points]]
    if baseline.asks == "mistakes" and n_points == 11:
        pool = pool[0], (pool[1] + 1) % 3  # the victim is right at all of these few points
    baseline(queries, PLAN, *pool, victim=1)
    victim, others = counted[1].n_rows, {counted[0].n_rows, counted[2].n_rows}
    twice = 2  # each run begins with one row that is asked twice
    (n_rows,) = {n - twice for n in others}
    said = baseline.n_queries(PLAN, n_points)
    assert n_rows == said if baseline.asks != "mistakes" else 0 < n_rows <= said
    assert n_rows <= PLAN.n_queries
    n_search = victim - n_rows - twice
    n_runs = {"mistakes": 1, "boundary": 5, "ddv": 21}.get(baseline.name, 0)
    # A question whose label is a near-tie is not asked twice.
    not_twice = baseline.n_search(PLAN, n_points) + 2 * n_runs - n_search
    assert 0 <= not_twice <= (n_runs if baseline.name == "boundary" else 0)


def test_all_at_once_are_those_one_by_one():
    together = baseline_distances(ZOO, PLAN, X[POINTS], Y[POINTS], names=list(BASELINES))
    assert list(together) == list(BASELINES)
    for name, D in together.items():
        # The softmax of clipped logarithms is the probabilities but for the clip.
        atol = 1e-5 if name == "correlation" else 1e-12
        assert_allclose(D, _distances(BASELINES[name]), atol=atol)


def test_all_at_once_ask_about_copies_and_points_once(one_row_is_looked_at_first):
    counted, queries = _counted_zoo()
    names = ["passthrough", "copy labels", "predictions", "correlation"]
    baseline_distances(queries, PLAN, X, names=names)
    n_points = min(PLAN.n_queries, 150)
    assert {model.n_rows for model in counted} == {PLAN.n_queries + 2 + n_points + 2}


def test_baselines_that_need_more_are_left_out():
    assert "mistakes" not in baseline_distances(ZOO, PLAN, X)
    texts = ["a good day", "a bad day", "no day at all"]
    zoo = [
        CallableQuery(lambda batch, w=w: np.array([[w in s, 0.5] for s in batch]), output="logits")
        for w in ("good", "bad")
    ]
    plan = LimeSignatureTransformer(texts, n_samples=32).fit(zoo).plan_
    got = baseline_distances(zoo, plan)
    assert set(got) == {"passthrough", "copy labels", "combined", "predictions", "correlation"}
    assert_allclose(got["predictions"][0, 1], 2 / 3)


def test_unknown_name_is_refused():
    with pytest.raises(
        ValueError, match=r"each of names must be 'passthrough', .* or 'weights'; got 'zest'"
    ):
        baseline_distances(ZOO, PLAN, names=["zest"])


def test_a_new_baseline_is_one_row():
    def first_labels(models, points):
        return prediction_distances(models, points[:1])

    row = Baseline(
        "first labels",
        first_labels,
        "this test",
        "points",
        lambda given: {"points": given.points},
        lambda plan, n_points: 1,
    )
    assert row.n_queries(PLAN) == 1 and row.n_search(PLAN) == 0
    assert_array_equal(row(ZOO, PLAN, X[60:]), prediction_distances(ZOO, X[60:61]))


REFUSED = {
    "unknown name": lambda zoo: baseline_distances(zoo, PLAN, names=["predictions", "zest"]),
    "y is missing": lambda zoo: baseline_distances(zoo, PLAN, X, names=["copy labels", "mistakes"]),
    "y is short": lambda zoo: baseline_distances(zoo, PLAN, X, Y[:9]),
    "victim of all": lambda zoo: baseline_distances(zoo, PLAN, X, Y, victim=3),
    "seed": lambda zoo: baseline_distances(zoo, PLAN, X, Y, random_state=-1),
    "plan": lambda zoo: baseline_distances(zoo, X),
    "victim": lambda zoo: ddv_distances(zoo, X, victim=3),
    "mistakes without y": lambda zoo: mistake_distances(zoo, X),
    "mistakes without points": lambda zoo: mistake_distances(zoo, None, Y),
    "labels that are missing": lambda zoo: mistake_distances(zoo, X, np.where(Y, Y, np.nan)),
    "number of mistakes": lambda zoo: mistake_distances(zoo, X, Y, n_points=0),
    "seed of the boundary": lambda zoo: boundary_distances(zoo, X, random_state=-1),
    "steps of the boundary": lambda zoo: boundary_distances(zoo, X, n_steps=0),
    "kind of search": lambda zoo: ddv_distances(zoo, X, search="ascent"),
    "radius": lambda zoo: ddv_distances(zoo, X, radius=0),
    "gradient of a black box": lambda zoo: ddv_distances(zoo, X, search="gradient"),
    "kind of answer": lambda zoo: ask_points(zoo, X, response="probability"),
    "share": lambda zoo: combined_distances(zoo, PLAN, share=2),
    "no interactions": lambda zoo: combined_distances(zoo, FEW),
    "single copies": lambda zoo: passthrough_distances(zoo, ask_points(ZOO, X).plan),
}
FEW = LimeSignatureTransformer(
    X,
    n_reference=2,
    n_samples=5,
    sampling=lambda k, n, rng: np.vstack([np.ones(4, dtype=bool), ~np.eye(4, dtype=bool)]),
)
FEW = FEW.fit(ZOO).plan_


@pytest.mark.parametrize("refused", REFUSED.values(), ids=list(REFUSED))
def test_what_the_parameters_tell_is_refused_before_the_first_question(refused):
    counted, queries = _counted_zoo()
    with pytest.raises((TypeError, ValueError)):
        refused(queries)
    assert [model.n_rows for model in counted] == [0, 0, 0]


# ---------------------------------------------------------------- scores


@pytest.mark.parametrize("response", ["raw", "decision_function"])
def test_correlation_takes_probabilities_whatever_the_plan_asks(response):
    lime = LimeSignatureTransformer(X, n_reference=5, n_samples=8, response=response)
    plan = lime.fit(ZOO).plan_
    D = baseline_distances(ZOO, plan, X[POINTS], names=["correlation"])["correlation"]
    first = X[POINTS][: plan.n_queries]
    # The softmax of a multinomial model's decision_function is its predict_proba.
    assert_allclose(D, correlation_distances(ZOO, first), rtol=1e-9)
    raw = ask_points(ZOO, first, response=response)
    assert np.abs(raw.values).max() > 1  # or the test could not fail


def test_passthrough_is_that_of_the_transformer():
    lime = LimeSignatureTransformer(X, n_reference=5, n_samples=8, surrogate="passthrough")
    D = zest_distances(lime.fit_transform(ZOO))
    assert lime.plan_.n_queries == PLAN.n_queries
    assert_allclose(passthrough_distances(ZOO, PLAN), D, rtol=1e-10, atol=1e-14)


def test_passthrough_leaves_out_classes_that_a_model_lacks():
    two = LogisticRegression().fit(X[Y < 2], Y[Y < 2])
    lime = LimeSignatureTransformer(X, n_reference=5, n_samples=8, surrogate="passthrough")
    D = zest_distances(lime.fit_transform([*ZOO, two]))
    assert_allclose(passthrough_distances([*ZOO, two], PLAN), D, rtol=1e-10, atol=1e-14)


def test_labels_are_matched_by_name():
    names = np.array(["c", "b", "a"])
    queries = [
        CallableQuery(lambda X, cols=cols: ZOO[0].predict_proba(X)[:, cols], classes=names[cols])
        for cols in ([0, 1, 2], [2, 0, 1])
    ]
    assert_array_equal(prediction_distances(queries, X), 0)


def test_what_a_model_lacks_is_never_its_label():
    two = LogisticRegression().fit(X[Y > 0], Y[Y > 0])
    scores = ask_points([ZOO[2], two], X)
    assert np.isnan(scores.values[1, :, 0]).all()
    assert set(scores.labels[1]) == {1, 2}
    assert_array_equal(scores.classes[scores.labels[1]], two.predict(X))
    assert_allclose(scores.probabilities()[1, :, 1:], two.predict_proba(X), atol=1e-6)


def test_scores_are_looked_up_in_a_store(tmp_path):
    store = AnswerStore(tmp_path / "answers.sqlite")
    LimeSignatureTransformer(PLAN, cache=store).fit_transform(ZOO)
    before = store.stats()
    scores = ask_copies(ZOO, PLAN, cache=store)
    change = store.stats() - before
    assert (change.rows_asked, change.rows_reused) == (0, 3 * PLAN.n_queries)
    assert_allclose(scores.values, ask_copies(ZOO, PLAN).values, atol=1e-14)


def test_frames_are_asked_as_they_are():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = LogisticRegression(max_iter=5000).fit(frame, Y)
    scores = ask_points([model], frame, response="predict_proba")
    assert_array_equal(scores.values[0], model.predict_proba(frame))


def test_constant_model_is_nan_and_warned_of():
    constant = CallableQuery(lambda batch: np.full((len(batch), 3), 1 / 3))
    with pytest.warns(UserWarning, match=r"models \[1\] gave the same scores to every question"):
        D = passthrough_distances([ZOO[0], constant], PLAN)
    assert np.isnan(D[0, 1])


def test_non_finite_scores_are_refused():
    bad = CallableQuery(lambda X: np.where(X[:, :3] > X[0, 0], np.nan, X[:, :3]), output="logits")
    with pytest.raises(ValueError, match=r"models\[1\] .*non-finite scores"):
        ask_copies([ZOO[0], bad], PLAN)


def test_passthrough_of_whole_points_is_refused():
    with pytest.raises(ValueError, match="a point has only one copy"):
        passthrough_distances(ask_points(ZOO, X))


def test_scores_bring_their_own_questions():
    scores = ask_copies(ZOO, PLAN)
    with pytest.raises(ValueError, match="omit plan"):
        passthrough_distances(scores, PLAN.take(2))
    with pytest.raises(TypeError, match="omit points"):
        prediction_distances(scores, X)
    with pytest.raises(TypeError, match="points is missing"):
        prediction_distances(ZOO)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        passthrough_distances(ZOO, X)
    with pytest.raises(ValueError, match="points is empty"):
        ask_points(ZOO, [])


@pytest.mark.parametrize("kind", ["series", "tuple", "strings", "objects"])
def test_texts_come_in_every_sequence(kind):
    pd = pytest.importorskip("pandas")
    texts = ["to be", "or not to be", "that is the question", "whether tis"]
    given = {
        "series": pd.Series(texts, index=[100, 101, 102, 103]),
        "tuple": tuple(texts),
        "strings": np.array(texts),
        "objects": np.array(texts, dtype=object),
    }[kind]
    zoo = [
        CallableQuery(lambda X, k=k: np.array([[len(x), k] for x in X], float), output="logits")
        for k in (3, 9, 20)
    ]
    scores, expected = ask_points(zoo, given), ask_points(zoo, texts)
    assert scores.plan.digest == expected.plan.digest
    assert_array_equal(scores.values, expected.values)
    plan = LimeSignatureTransformer(texts, n_samples=16).fit(zoo).plan_
    found, wanted = (baseline_distances(zoo, plan, X) for X in (given, texts))
    assert set(found) == set(wanted)
    for name in wanted:
        assert_array_equal(found[name], wanted[name])
