# SPDX-License-Identifier: BSD-3-Clause
"""UnlearningVerifier on signatures made by hand, and on models."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skzest import (
    CallableQuery,
    ImageMasker,
    LimeSignatureTransformer,
    UnlearningVerifier,
    zest_distances,
)
from skzest.detectors._decisions import NO_DISTANCE
from skzest.detectors._trace import Share

N_POINTS, N_PARTS = 20, 4
SAME, RETRAINED, UNDECIDED = "no different from the original", "like retrained", "undecided"


@pytest.fixture(scope="module")
def plan():
    X = np.random.default_rng(0).normal(size=(N_POINTS, N_PARTS))
    model = CallableQuery(lambda X: X[:, :2], output="logits")
    return LimeSignatureTransformer(X, n_samples=16, sampling="foldover").fit([model]).plan_


def _made(trace, seed, *, noise=0.1, n_models=1):
    """Signatures: a part common to the task, a share of the trace, and noise of each model."""
    task, of_points = np.random.default_rng(1).normal(size=(2, 2 * N_POINTS * N_PARTS))
    own = np.random.default_rng(seed).normal(size=(n_models, task.size))
    return task + trace * of_points + noise * own


@pytest.fixture(scope="module")
def verifier(plan):
    return UnlearningVerifier.from_signatures(_made(0.5, 2)[0], _made(0, 3, n_models=6), plan)


# ---------------------------------------------------------------- the share


def test_share_of_the_trace_by_hand(verifier, plan):
    original, retrained, candidate = _made(0.5, 2), _made(0, 3, n_models=6), _made(0.3, 4)
    D = zest_distances(np.vstack([original, candidate, retrained]))
    among = D[2:, 2:].sum() / 30
    found = verifier.judge_signatures(candidate)
    assert_allclose(verifier.d_trace_, D[0, 2:].mean() - among)
    expected = (D[1, 2:].mean() - among) / (D[0, 2:].mean() - among)
    assert_allclose(found.trace_left, expected)
    assert_allclose([found.d_original[0], found.d_retrained[0]], [D[0, 1], D[1, 2:].mean()])
    assert found.low < found.trace_left < found.high
    assert verifier.n_retrained_ == 6


def test_interval_by_hand(plan):
    original, retrained, candidate = _made(0.5, 2), _made(0, 3, n_models=4), _made(0.3, 4)
    W = np.vstack([original, candidate, retrained]).reshape(6, 2, -1)

    def share(models, points):
        kept = np.isin(plan.column_point, points)
        D = zest_distances(W[:, :, kept].reshape(6, -1)[[0, 1, *(2 + np.array(models))]])
        m = len(models)
        among = D[2:, 2:].sum() / (m * (m - 1))
        return (D[1, 2:].mean() - among) / (D[0, 2:].mean() - among), D, among

    everything = np.arange(N_POINTS)
    estimate, D, among = share(range(4), everything)
    of_points = [share(range(4), np.delete(everything, n))[0] for n in everything]
    of_models = [share(np.delete(np.arange(4), k), everything)[0] for k in range(4)]
    own = (D[2:, 2:].sum(axis=1) / 3).std(ddof=1) / (D[0, 2:].mean() - among)
    points = (N_POINTS - 1) / N_POINTS * np.sum((of_points - np.mean(of_points)) ** 2)
    models = 3 / 4 * np.sum((of_models - np.mean(of_models)) ** 2) + own**2
    freedom = (points + models) ** 2 / (points**2 / (N_POINTS - 1) + models**2 / 3)
    reach = stats.t(freedom).ppf(0.95) * np.sqrt(points + models)

    found = UnlearningVerifier.from_signatures(original[0], retrained, plan, level=0.9)
    found = found.judge_signatures(candidate)
    assert_allclose([found.low[0], found.high[0]], [estimate - reach, estimate + reach], rtol=1e-6)


def test_share_is_0_for_retrained_models_and_1_for_the_original(verifier, plan):
    fresh = verifier.judge_signatures(_made(0, 10, n_models=30)).trace_left
    assert abs(fresh.mean()) < 0.1
    # Another seed of the original, and the original in another unit.
    assert abs(verifier.judge_signatures(_made(0.5, 11, n_models=30)).trace_left.mean() - 1) < 0.1
    assert_allclose(verifier.judge_signatures(7 * _made(0.5, 2)).trace_left, 1.0)


def test_what_the_candidate_shares_with_the_original_cancels(verifier):
    # Made from the original, with its noise, but without the trace.
    own = _made(0.5, 2) - _made(0.5, 2, noise=0)
    found = verifier.judge_signatures(_made(0, 0, noise=0) + own)
    assert found.d_original[0] < found.d_retrained[0] + verifier.d_trace_
    assert found.decisions[0] == RETRAINED


# ---------------------------------------------------------------- verdicts


def test_verdicts(verifier):
    made = [_made(0.5, 2), _made(0.5, 20), _made(0, 21), _made(0.32, 22, noise=0.05)]
    found = verifier.judge_signatures(
        np.vstack(made), labels=["same", "again", "without", "half way"]
    )
    assert found.decisions.tolist() == [SAME, SAME, RETRAINED, UNDECIDED]
    assert found.reasons[0] == "the same answers as the original"
    assert found.reasons[2].endswith("of the trace is left")
    assert found.reasons[3].endswith("of the trace is left: a part of it")
    lines = str(found).splitlines()
    assert len(lines) == 5 and lines[3].startswith("without") and RETRAINED in lines[3]


@pytest.mark.parametrize(
    ("low", "high", "verdict", "reason"),
    [
        (-0.1, 0.3, RETRAINED, "trace is left"),
        (0.1, 0.49, RETRAINED, "trace is left"),
        (0.51, 1.2, SAME, "trace is left"),
        (0.7, 0.9, SAME, "trace is left"),
        (0.1, 0.51, UNDECIDED, "too wide an interval"),
        (0.49, 0.9, UNDECIDED, "too wide an interval"),
        (-0.5, 1.5, UNDECIDED, "too wide an interval"),
        (0.2, 0.3, UNDECIDED, "a part of it"),
        (0.2, 0.8, UNDECIDED, "a part of it"),
    ],
)
def test_interval_decides(verifier, low, high, verdict, reason):
    said, because = verifier._decision(0.1, Share(0.5, low, high), 6)
    assert said == verdict and because.endswith(reason)


def test_points_without_a_trace_are_no_evidence(plan):
    # At these points the original behaves like models that never saw them.
    verifier = UnlearningVerifier.from_signatures(_made(0, 2)[0], _made(0, 3, n_models=6), plan)
    assert verifier.trace_low_ < 0 < verifier.trace_high_
    found = verifier.judge_signatures(np.vstack([_made(0, 4), _made(0, 2)]))
    assert found.decisions.tolist() == [UNDECIDED, SAME]
    assert "has no trace" in found.reasons[0]


@pytest.mark.parametrize("n_retrained", [0, 1, 2])
def test_with_few_retrained_models_only_an_unchanged_one_is_recognised(plan, n_retrained):
    retrained = _made(0, 3, n_models=n_retrained) if n_retrained else None
    verifier = UnlearningVerifier.from_signatures(_made(0.5, 2)[0], retrained, plan)
    found = verifier.judge_signatures(np.vstack([_made(0.5, 2), _made(0, 5)]))
    assert found.decisions.tolist() == [SAME, UNDECIDED]
    assert {1: "1 retrained model; ", 2: "2 retrained models; "}.get(
        n_retrained, ""
    ) in found.reasons[1]
    assert np.isnan(found.trace_left).all() and np.isnan(verifier.d_trace_)
    assert np.isnan(found.d_retrained).all() == (n_retrained == 0)


def test_one_point_that_holds_everything_leaves_all_undecided(plan):
    # Without that point there is no signature, so nothing is known about the choice of points.
    alone = plan.column_point == 0
    S = np.concatenate([_made(0.5, 2), _made(0, 3, n_models=5)]).reshape(6, 2, -1) * alone
    verifier = UnlearningVerifier.from_signatures(S[0].ravel(), S[1:].reshape(5, -1), plan)
    found = verifier.judge_signatures((_made(0, 7).reshape(2, -1) * alone).ravel())
    assert found.decisions.tolist() == [UNDECIDED]
    assert (verifier.trace_low_, verifier.trace_high_) == (-np.inf, np.inf)
    assert "nan" not in str(found)


def test_constant_candidates_are_undecided(verifier):
    found = verifier.judge_signatures(0 * _made(0, 4))
    assert found.decisions[0] == UNDECIDED
    assert found.reasons[0] == NO_DISTANCE


@pytest.fixture(scope="module")
def by_distances():
    """A verifier by distances between points, and the points."""
    points = np.random.default_rng(0).normal(size=(7, 20))
    points[0] += 3.0
    return UnlearningVerifier().fit(cdist(points, points)), points


@pytest.mark.parametrize("column", [0, 3])
def test_a_candidate_without_one_distance_is_undecided(by_distances, column):
    verifier, points = by_distances
    D = cdist(np.random.default_rng(1).normal(size=(2, 20)), points)
    D[0, column] = np.nan
    found = verifier.judge(D)
    assert found.reasons[0] == NO_DISTANCE != found.reasons[1]
    assert found.decisions[0] == UNDECIDED


def test_a_retrained_model_is_judged_by_the_others(by_distances, verifier, plan):
    _, points = by_distances
    for k in (1, 4):
        without = np.delete(points, k, axis=0)
        other = UnlearningVerifier().fit(cdist(without, without))
        expected = other.judge(cdist(points[[k]], without))
        with pytest.warns(
            UserWarning, match=f"again is at distance 0 from retrained model {k - 1},"
        ):
            found = by_distances[0].judge(cdist(points[[0, k]], points), labels=["first", "again"])
        for name in ("trace_left", "low", "high", "d_retrained"):
            assert_allclose(getattr(found, name)[1], getattr(expected, name)[0])
    retrained = _made(0, 3, n_models=6)
    other = UnlearningVerifier.from_signatures(_made(0.5, 2)[0], retrained[:5], plan)
    with pytest.warns(UserWarning, match="candidate 0 is at distance 0 from retrained model 5,"):
        found = verifier.judge_signatures(2 * retrained[5])
    assert_allclose(found.low, other.judge_signatures(retrained[5]).low)


@pytest.mark.parametrize("n_retrained", [1, 3])
def test_a_retrained_model_may_leave_too_few_others(by_distances, n_retrained):
    points = by_distances[1][: 1 + n_retrained]
    verifier = UnlearningVerifier().fit(cdist(points, points))
    with pytest.warns(UserWarning, match="at distance 0 from retrained model 0,"):
        found = verifier.judge(cdist(points[[1]], points))
    n = n_retrained - 1
    assert found.reasons == (f"{n} other retrained models; 3 are needed",)
    assert np.isnan(found.d_retrained[0]) == (n == 0)


@pytest.mark.parametrize("original", [0.3, 0.1 + 0.2, 0.3 + 1e-11])
def test_a_trace_that_is_rounding_is_none(original):
    D = np.full((5, 5), 0.3)
    D[0] = D[:, 0] = original
    np.fill_diagonal(D, 0.0)
    verifier = UnlearningVerifier().fit(D)
    assert verifier.d_trace_ == verifier.trace_low_ == 0.0
    found = verifier.judge([[0.2, 0.3, 0.3, 0.3, 0.3], [0.2, 0.5, 0.5, 0.5, 0.4]])
    assert found.decisions.tolist() == [UNDECIDED] * 2 and np.isnan(found.trace_left).all()
    assert "the original itself has no trace" in found.reasons[0]
    D[0, 1:] = D[1:, 0] = 0.3 + 1e-6  # no rounding
    assert UnlearningVerifier().fit(D).judge([[0.2, 0.3, 0.3, 0.3, 0.3]]).decisions[0] == RETRAINED


def test_models_at_distance_0_from_each_other_have_no_trace():
    with pytest.warns(UserWarning, match="are at distance 0: are they copies"):
        verifier = UnlearningVerifier().fit(np.zeros((4, 4)))
    found = verifier.judge(np.ones((1, 4)))
    assert found.decisions[0] == UNDECIDED and np.isnan(found.trace_left[0])
    assert found.reasons == ("the original itself has no trace that retrained models lack",)


def test_how_often_a_verdict_is_wrong(plan):
    # Both kinds of candidates, many seeds: neither is mistaken for the other.
    said = {0: [], 0.5: []}
    for seed in range(40):
        verifier = UnlearningVerifier.from_signatures(
            _made(0.5, 10 * seed, noise=0.3)[0],
            _made(0, 10 * seed + 1, noise=0.3, n_models=5),
            plan,
        )
        for trace, verdicts in said.items():
            verdicts += [
                *verifier.judge_signatures(_made(trace, 10 * seed + 2, noise=0.3)).decisions
            ]
    assert said[0].count(SAME) <= 2 and said[0].count(RETRAINED) > 20
    assert said[0.5].count(RETRAINED) <= 2 and said[0.5].count(SAME) > 20


# ---------------------------------------------------------------- from models


def test_a_contributor_who_wants_to_be_forgotten():
    X, y = load_digits(return_X_y=True)
    X, theirs = X / 16, np.flatnonzero(y == 1)[:60]
    y[theirs] = 7
    rest = np.setdiff1d(np.arange(len(X)), theirs)

    def train(rows, seed):
        some = np.random.default_rng(seed).choice(rows, 500, replace=False)
        rows = np.union1d(some, np.intersect1d(theirs, rows))
        return LogisticRegression(C=0.1).fit(X[rows], y[rows])

    original, retrained = train(np.arange(len(X)), 0), [train(rest, s) for s in range(1, 5)]
    lime = LimeSignatureTransformer(
        X[theirs], n_reference=16, n_samples=32, masker=ImageMasker(image_shape=(8, 8))
    )
    verifier = UnlearningVerifier.from_models(original, retrained, lime)
    candidates = [original, train(np.arange(len(X)), 6), train(rest, 7)]
    found = verifier.judge_models(candidates, labels=["same", "with", "without"])
    assert found.decisions.tolist() == [SAME, SAME, RETRAINED]
    again = verifier.judge_signatures(verifier.transformer_.transform(candidates))
    assert_allclose(again.trace_left, found.trace_left)
    alone = UnlearningVerifier.from_models(original, None, lime)
    assert alone.judge_models(candidates).decisions.tolist() == [SAME, UNDECIDED, UNDECIDED]
    verifier.fit(zest_distances(verifier.transformer_.transform([original, *retrained])))
    with pytest.raises(AttributeError, match="has no questions to ask: make it with"):
        verifier.judge_models(candidates)
    with pytest.raises(AttributeError, match="was fitted on distances and has no plan"):
        verifier.judge_signatures(found.d_original)


# ---------------------------------------------------------------- conventions and refusals


def test_clone_params_and_unfitted(plan):
    verifier = UnlearningVerifier(tolerance=0.1, level=0.9)
    assert clone(verifier).get_params() == {"tolerance": 0.1, "level": 0.9}
    for method in ("predict", "judge", "judge_models"):
        with pytest.raises(NotFittedError, match="is not fitted"):
            getattr(verifier, method)([])


def test_wrong_inputs_are_refused(verifier, plan):
    original, retrained = _made(0.5, 2)[0], _made(0, 3, n_models=4)
    for tolerance in (-0.1, 0.5):
        with pytest.raises(ValueError, match=rf"tolerance must be .*below 0\.5.*got {tolerance}"):
            UnlearningVerifier.from_signatures(original, retrained, plan, tolerance=tolerance)
    with pytest.raises(TypeError, match=r"tolerance must be a number; got '0\.1'"):
        UnlearningVerifier.from_signatures(original, retrained, plan, tolerance="0.1")
    with pytest.raises(ValueError, match=r"For 95 %, pass 0\.95"):
        UnlearningVerifier.from_signatures(original, retrained, plan, level=95)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        UnlearningVerifier.from_signatures(original, retrained, None)
    with pytest.raises(ValueError, match="the original gives the same scores to all"):
        UnlearningVerifier.from_signatures(0 * original, retrained, plan)
    with pytest.raises(ValueError, match="the original or a retrained model is constant"):
        UnlearningVerifier.from_signatures(original, retrained * [[0], [1], [1], [1]], plan)
    with pytest.raises(ValueError, match="S has 159 columns"):
        verifier.judge_signatures(_made(0, 4)[:, 1:])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        verifier.judge_signatures([])
    with pytest.raises(ValueError, match="2 labels for 1 model; pass"):
        verifier.judge_signatures(_made(0, 4), labels=["a", "b"])
    with pytest.raises(TypeError, match="labels must be a list of names"):
        verifier.judge_signatures(_made(0, 4), labels="a")
    with pytest.raises(AttributeError, match=r"has no questions to ask.*from_models"):
        verifier.judge_models([])
