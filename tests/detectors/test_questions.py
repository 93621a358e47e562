# SPDX-License-Identifier: BSD-3-Clause
"""What suspects are asked: never the same twice where there is a cache."""

from functools import partial

import numpy as np
import pytest
from counting import Counted
from sklearn.tree import DecisionTreeClassifier

from skzest import LimeSignatureTransformer, ReuseDetector
from skzest.detectors import _questions
from skzest.rehearsal import candidate_questions, rehearse

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
Y = (X @ RNG.normal(size=6) + RNG.normal(size=60) > 0).astype(int)


def _tree(seed):
    rows = np.random.default_rng(seed).permutation(len(X))[:40]
    return DecisionTreeClassifier(max_depth=4, random_state=seed).fit(X[rows], Y[rows])


@pytest.mark.parametrize("n_unrelated", [6, 12], ids=["in turn", "split"])
@pytest.mark.parametrize("names", [["rehearsal"], ["zest", "mistakes", "rehearsal"]])
def test_a_suspect_is_judged_again_without_new_questions(store, monkeypatch, names, n_unrelated):
    few = partial(candidate_questions, n_candidates=150)
    monkeypatch.setattr(_questions, "candidate_questions", few)
    detector = ReuseDetector.from_models(
        _tree(0),
        [_tree(seed) for seed in range(1, n_unrelated + 1)],
        LimeSignatureTransformer(X, n_reference=16, n_samples=32, cache=store),
        distances=names,
        y=Y,
        copies=rehearse(_tree(0), X, n_copies=3),
        alpha=0.15,
    )
    model = Counted(_tree(99).predict_proba)
    suspect = model.query("predict_proba", model_id="suspect")
    first = detector.judge_models([suspect]).d_suspects
    n_first, model.n_rows = model.n_rows, 0
    again = detector.judge_models([suspect]).d_suspects
    assert n_first >= detector.questions_.n_questions
    # A few are asked again, to see whether it is still the same model.
    assert model.n_rows <= n_first / 4
    np.testing.assert_array_equal(first, again)
