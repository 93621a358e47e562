# SPDX-License-Identifier: BSD-3-Clause
"""Questions chosen without each unrelated model in turn: the level that is left."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skzest.detectors._ensemble import standardised_by
from skzest.detectors._left_out import LeftOutInTurn, LeftOutNull
from skzest.detectors._rule import Settings
from skzest.rehearsal import PoolAnswers, left_out_questions

N_UNRELATED, N_COPIES, N_CANDIDATES = 9, 4, 100
SETTINGS = Settings(
    alpha=0.1, null="conformal", threshold=None, correction=None, level=0.95, combine="squares"
)


def _drawn(seed):
    """A pool of a rehearsal, and the agreement of one more unrelated model."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.2, 0.8, N_CANDIDATES)
    agreement = (rng.random((N_COPIES + N_UNRELATED + 1, N_CANDIDATES)) < rates).astype(float)
    roles = np.repeat(["copy", "unrelated"], [N_COPIES, N_UNRELATED])
    points = np.arange(N_CANDIDATES, dtype=float)[:, None]
    scores = np.eye(2)[np.arange(N_CANDIDATES) % 2]
    pool = PoolAnswers(points, "label", scores, np.array([0, 1]), agreement[:-1], roles)
    return pool, agreement[-1]


def _distances(pool, suspect, n_questions=16):
    """Of the unrelated models by each choice, (m, m, 1), and of the suspect, (1, m, 1)."""
    questions = left_out_questions(pool, n_questions)
    at = questions.plan.reference[:, 0].astype(int)
    agreement = np.concatenate([pool.agreement[N_COPIES:, at], suspect[None, at]])
    D = np.stack([choice.distances(agreement[:, choice.indices]) for choice in questions.choices])
    return D[:, :-1, None], D[None, :, -1, None]


def test_level_is_kept_where_models_that_chose_would_break_it():
    p_left_out, p_naive = [], []
    for seed in range(150):
        pool, suspect = _drawn(seed)
        null, of_suspect = _distances(pool, suspect)
        p_left_out.append(LeftOutNull(null, np.arange(9), SETTINGS).judge(of_suspect).p_values[0])
        choice = pool.choose(16)
        agreement = np.concatenate([pool.agreement[N_COPIES:], suspect[None]])[:, choice.indices]
        d = choice.distances(agreement)
        p_naive.append(np.mean(d <= d[-1]))
    # The models that chose look far away, and a new one near.
    assert np.mean(np.array(p_naive) <= 0.1) > 0.3
    # Proven for choices of a fixed size: at most 0.2. Measured: about 0.1.
    assert 0.02 < np.mean(np.array(p_left_out) <= 0.1) <= stats.binom.ppf(0.999, 150, 0.1) / 150


def test_p_value_by_hand():
    pool, suspect = _drawn(0)
    null, of_suspect = _distances(pool, suspect)
    n_as_near = 0
    for j in range(9):
        d = np.log(np.append(null[j, :, 0], of_suspect[0, j, 0]))
        others = np.delete(d[:-1], j)
        z = (d[[j, -1]] - others.mean()) / others.std(ddof=1)
        score = np.minimum(z, 0) ** 2
        n_as_near += score[0] >= score[1]
    found = LeftOutNull(null, np.arange(9), SETTINGS).judge(of_suspect)
    assert found.p_values[0] == (1 + n_as_near) / 10
    assert (found.margins[0] < 0) == (found.p_values[0] <= 0.1)


def test_a_distance_that_a_suspect_lacks_adds_nothing():
    pool, suspect = _drawn(1)
    null, of_suspect = _distances(pool, suspect)
    other = np.broadcast_to(np.random.default_rng(0).random((9, 1)), (9, 9, 1)).copy()
    other[:, :3] = np.nan
    null2 = np.concatenate([null, other], axis=2)
    rule = LeftOutInTurn(null2, ("rehearsal", "weights"), [np.arange(9)], SETTINGS)
    lacking = np.concatenate([of_suspect, np.full_like(of_suspect, np.nan)], axis=2)
    found = rule.decide(np.concatenate([lacking, np.full_like(lacking, np.nan)]), ["a", "b"])
    n_as_near = 0
    for j in range(9):
        z = standardised_by(np.delete(null2[j], j, axis=0), np.stack([null2[j, j], lacking[0, j]]))
        score = (np.minimum(np.nan_to_num(z), 0) ** 2).sum(axis=1)
        assert np.isnan(z).tolist() == [[False, j < 3], [False, True]]
        n_as_near += score[0] >= score[1]
    assert found.p_values[0] == (1 + n_as_near) / 10
    alone = LeftOutNull(null, np.arange(9), SETTINGS).judge(of_suspect)
    assert_allclose(found.z[0], [alone.z[0, 0], np.nan])
    assert "from 1 of 2 distances" in found.reasons[0]
    assert "no distance (NaN)" in found.reasons[1] and np.isnan(found.p_values[1])


def test_level_is_kept_where_missing_distances_go_with_nearness():
    rng, called = np.random.default_rng(5), []
    for _ in range(60):
        nearness = rng.integers(0, 3, 9 + 4)
        D = rng.lognormal(0, 0.3, (13, 2)) * 0.5 ** nearness[:, None]
        D[nearness >= 1, 0] = np.nan
        D = D * np.exp(0.1 * rng.normal(size=(9, 13, 2)))
        rule = LeftOutInTurn(D[:, :9], ("a", "b"), [np.arange(9)], SETTINGS)
        called.append(np.mean(rule.judge(D[:, 9:].transpose(1, 0, 2)).p_values <= 0.1))
    assert 0.02 < np.mean(called) <= 0.1 + 3 * np.std(called) / np.sqrt(60)


@pytest.mark.parametrize("n_questions", [12, 24, 48, 90])
def test_all_choices_together_keep_the_limit(n_questions):
    pool, _ = _drawn(2)
    questions = left_out_questions(pool, n_questions)
    assert 0.7 * n_questions <= len(questions) <= n_questions
    of_each = {len(choice.indices) for choice in questions.choices}
    assert len(of_each) == 1 and of_each.pop() * 9 > len(questions)  # some are shared
    assert str(questions) == f"<LeftOutQuestions: {len(questions)} questions from 9 choices>"


def test_a_limit_that_all_choices_cannot_keep_names_one_that_they_can():
    pool, _ = _drawn(2)
    with pytest.raises(
        ValueError, match=r"n_questions=1 are too few for 9 choices.*Raise n_q\w+ to \d"
    ) as why:
        left_out_questions(pool, 1)
    n = int(re.search(r"Raise n_questions to (\d+)", str(why.value))[1])
    assert 1 < len(left_out_questions(pool, n)) <= n
    with pytest.raises(ValueError, match="n_questions=1000, but there are only 100 candidates"):
        left_out_questions(pool, 1000)
