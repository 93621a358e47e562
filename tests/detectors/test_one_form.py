# SPDX-License-Identifier: BSD-3-Clause
"""What all detectors share: three ways in, one kind of result, refusals before questions."""

import numpy as np
import pytest
from counting import CountedRegression
from numpy.testing import assert_allclose, assert_array_equal

from skzest import (
    LimeSignatureTransformer,
    ReuseDetector,
    UnlearningVerifier,
    relative_distances,
    zest_distances,
)
from skzest.detectors import Decisions
from skzest.detectors._judge import Judge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5))
Y = np.argmax(X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(300, 3)), axis=1)
EVIL = "<script>alert(1)</script>"
DETECTORS = [ReuseDetector, UnlearningVerifier]
PARAMS = {ReuseDetector: {"alpha": 0.2}, UnlearningVerifier: {}}

each = pytest.mark.parametrize("kind", DETECTORS)


def _models(n, first=0):
    rows = [np.random.default_rng(first + i).permutation(300)[:60] for i in range(n)]
    return [CountedRegression().fit(X[r], Y[r]) for r in rows]


ZOO = _models(9)
LIME = LimeSignatureTransformer(X, n_reference=8, n_samples=16).fit(ZOO[:1])
SUSPECTS = _models(2, first=20)


@pytest.fixture(autouse=True)
def uncounted():
    CountedRegression.n_rows = 0


def _distances(kind, models):
    """In the form that ``judge`` takes, and ``fit`` for the known models."""
    D = zest_distances(LIME.transform(models), LIME.transform(ZOO))
    return D[:, 0] if kind is ReuseDetector else D


def _known(kind):
    D = _distances(kind, ZOO)
    return D[1:] if kind is ReuseDetector else D


# ---------------------------------------------------------------- one form


def test_there_are_no_other_detectors():
    assert set(Judge.__subclasses__()) == set(DETECTORS)


@each
def test_three_ways_in_agree(kind):
    S, params = LIME.transform(ZOO), PARAMS[kind]
    by_models = kind.from_models(ZOO[0], ZOO[1:], LIME, **params)
    by_signatures = kind.from_signatures(S[0], S[1:], LIME.plan_, **params)
    by_distances = kind(**params).fit(_known(kind))
    labels = ["one", "two"]
    first = by_models.judge_models(SUSPECTS, labels=labels)
    second = by_signatures.judge_signatures(LIME.transform(SUSPECTS), labels=labels)
    third = by_distances.judge(_distances(kind, SUSPECTS), labels=labels)
    for found in (first, second, third):
        assert isinstance(found, Decisions) and found.labels == ("one", "two")
    assert_array_equal(first.decisions, second.decisions)
    assert_array_equal(by_distances.predict(_distances(kind, SUSPECTS)), third.decisions)
    for one, other in ((first, second), (first, third)):
        value = "relative" if kind is ReuseDetector else "trace_left"
        assert_allclose(getattr(one, value), getattr(other, value), rtol=1e-6)
    assert_allclose(first.low, second.low, rtol=1e-6)
    # Distances alone do not know how much points matter.
    assert (third.high - third.low < second.high - second.low).all()
    assert by_models.plan_ is LIME.plan_ and not hasattr(by_distances, "plan_")
    # However the detector was made, distances are judged in the same way.
    again = by_models.judge(_distances(kind, SUSPECTS))
    assert_array_equal(again.decisions, third.decisions)
    assert_allclose([again.low, again.high], [third.low, third.high], rtol=1e-6)


@each
def test_a_plan_is_a_transformer(kind):
    judge = kind.from_models(ZOO[0], ZOO[1:], LIME.plan_, **PARAMS[kind])
    assert judge.plan_.digest == LIME.plan_.digest
    assert len(judge.judge_models(SUSPECTS)) == 2


@each
def test_fit_again_forgets_questions(kind):
    judge = kind.from_models(ZOO[0], ZOO[1:], LIME, **PARAMS[kind]).fit(_known(kind))
    with pytest.raises(AttributeError, match=rf"no questions to ask: make it with {kind.__name__}"):
        judge.judge_models(SUSPECTS)
    with pytest.raises(AttributeError, match="fitted on distances and has no plan"):
        judge.judge_signatures(LIME.transform(SUSPECTS))
    # The remedy.
    assert len(kind.from_models(ZOO[0], ZOO[1:], LIME, **PARAMS[kind]).judge_models(SUSPECTS)) == 2
    assert len(judge.judge(_distances(kind, SUSPECTS))) == 2


@each
def test_negative_distances_of_cross_validation_are_taken(kind):
    judge = kind(**PARAMS[kind]).fit(_known(kind))
    near = -0.01 * np.ones((1, 9)) if kind is UnlearningVerifier else [-0.01]
    found = judge.judge(near)
    assert found.low[0] <= found.high[0]
    assert "-" in str(found)


# ---------------------------------------------------------------- results


@each
def test_models_in_place_of_distances_or_signatures_are_refused(kind):
    judge = kind(**PARAMS[kind]).fit(_known(kind))
    for call in (judge.predict, judge.judge):
        with pytest.raises(TypeError, match=r"X must be numbers; got a model .*judge_models"):
            call(SUSPECTS)
    with pytest.raises(TypeError, match=rf"{kind.__name__}\.from_models"):
        kind().fit(ZOO)
    with pytest.raises(TypeError, match=r"must be numbers; got a model \(CountedReg.*signatures"):
        kind.from_signatures(ZOO[0], ZOO[1:], LIME.plan_)
    assert len(kind.from_models(ZOO[0], ZOO[1:], LIME, **PARAMS[kind]).judge_models(SUSPECTS)) == 2


@each
def test_results_show_themselves(kind):
    pd = pytest.importorskip("pandas")
    judge = kind(**PARAMS[kind]).fit(_known(kind))
    d = _distances(kind, SUSPECTS)
    d[1] = np.nan
    found = judge.judge(d, labels=[EVIL, "b" * 200])
    frame = found.to_frame()
    assert isinstance(frame, pd.DataFrame) and list(frame.index) == [EVIL, "b" * 200]
    assert frame["decisions"].tolist() == found.decisions.tolist()
    assert_array_equal(frame["low"], found.low)
    markup = found._repr_html_()
    assert "<script" not in markup and "&lt;script&gt;" in markup
    assert "overflow-wrap:anywhere" in markup
    for text in (markup, str(found)):
        assert "nan" not in text.replace("(NaN)", "").lower()
        assert "no distance (NaN), as for a constant model" in text
    assert max(map(len, str(found).splitlines())) < 200
    assert found.names == (EVIL, "b" * 200) and repr(found) == str(found)
    assert judge.judge(d).names[0] in ("suspect 0", "candidate 0")
    assert judge.judge(d).to_frame().index.tolist() == [0, 1]


def test_relative_distances_show_themselves():
    pytest.importorskip("pandas")
    found = relative_distances([0.0003, np.nan], [0.9, 1.0, 1.1, 1.05, 0.95])
    assert found.to_frame()["relative"].tolist()[0] == 0.0003
    assert "0.0003 [" in str(found) and "0.0003 [" in found._repr_html_()
    assert "no distance (NaN)" in str(found)


# ---------------------------------------------------------------- before the first question

REFUSED = {
    "too few for alpha": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:6], LIME),
    "too few for a curve": lambda: ReuseDetector.from_models(
        ZOO[0], ZOO[1:3], LIME, null="lognormal"
    ),
    "one": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:2], LIME, threshold=1.0),
    "alpha": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:], LIME, alpha=5),
    "level": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:], LIME, alpha=0.2, level=95),
    "null": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:], LIME, alpha=0.2, null="gamma"),
    "correction": lambda: ReuseDetector.from_models(
        ZOO[0], ZOO[1:], LIME, alpha=0.2, correction="bonferroni"
    ),
    "threshold": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:], LIME, threshold=-1),
    "unknown parameter": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:], LIME, beta=1),
    "bare model": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1], LIME),
    "owner among the unrelated": lambda: ReuseDetector.from_models(ZOO[0], ZOO, LIME, alpha=0.2),
    "one point": lambda: ReuseDetector.from_models(
        ZOO[0], ZOO[1:], LimeSignatureTransformer(X, n_reference=1, n_samples=16), alpha=0.2
    ),
    "one point at hand": lambda: ReuseDetector.from_models(ZOO[0], ZOO[1:], X[:1], alpha=0.2),
    "one point asked": lambda: ReuseDetector.from_models(
        ZOO[0], ZOO[1:], LIME.plan_.take(1), alpha=0.2
    ),
    "tolerance": lambda: UnlearningVerifier.from_models(ZOO[0], ZOO[1:], LIME, tolerance=0.5),
    "level of the verifier": lambda: UnlearningVerifier.from_models(
        ZOO[0], ZOO[1:], LIME, level=1.0
    ),
    "original among the retrained": lambda: UnlearningVerifier.from_models(ZOO[0], ZOO, LIME),
    "the same twice": lambda: UnlearningVerifier.from_models(ZOO[0], [ZOO[1], ZOO[1]], LIME),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=list(REFUSED))
def test_what_the_parameters_tell_is_refused_before_the_first_question(refused):
    with pytest.raises((TypeError, ValueError)):
        refused()
    assert CountedRegression.n_rows == 0


@each
def test_labels_are_counted_before_the_first_question(kind):
    judge = kind.from_models(ZOO[0], ZOO[1:], LIME, **PARAMS[kind])
    assert CountedRegression.n_rows > 0
    CountedRegression.n_rows = 0
    with pytest.raises(ValueError, match="3 labels for 2 models; pass one for each"):
        judge.judge_models(SUSPECTS, labels=["a", "b", "c"])
    with pytest.raises(TypeError, match="labels must be a list of names"):
        judge.judge_models(SUSPECTS, labels="ab")
    with pytest.raises(TypeError, match="wrap it in a list"):
        judge.judge_models(SUSPECTS[0])
    assert CountedRegression.n_rows == 0


# ---------------------------------------------------------------- torn signatures


@each
def test_classes_that_are_missing_in_part_are_refused_everywhere(kind):
    S = LIME.transform(ZOO)
    torn, whole = S.copy(), S.copy()
    torn[3, 0] = np.nan
    whole[3, : S.shape[1] // 3] = np.nan  # a class that the model lacks
    for first, others in ((S[0], torn[1:]), (torn[3], S[1:])):
        with pytest.raises(ValueError, match=r"is NaN in 1 of the .* columns of class block 0"):
            kind.from_signatures(first, others, LIME.plan_, **PARAMS[kind])
    judge = kind.from_signatures(whole[0], whole[1:], LIME.plan_, **PARAMS[kind])
    with pytest.raises(ValueError, match="row 3 of S is NaN in 1 of the"):
        judge.judge_signatures(torn)
    lacking = LIME.transform(SUSPECTS[:1])
    lacking[0, : S.shape[1] // 3] = np.nan
    assert np.isfinite(judge.judge_signatures(lacking).low).all()
    with pytest.raises(ValueError, match="is NaN in 1 of the"):
        relative_distances(torn, S[1:], owner=S[0], plan=LIME.plan_)


# ---------------------------------------------------------------- models that are given twice


@each
def test_copies_among_the_known_models_are_noticed(kind):
    S = LIME.transform(ZOO)
    for k in (2, 7):
        others = S[1:].copy()
        others[k] = 2 * S[0]  # the same model in another unit
        with pytest.raises(ValueError, match=rf"model {k} and the (owner|original) have the same"):
            kind.from_signatures(S[0], others, LIME.plan_, **PARAMS[kind])
        rest = np.delete(others, k, axis=0)  # the remedy
        kind.from_signatures(S[0], rest, LIME.plan_, **PARAMS[kind])


def test_retrained_models_that_are_copies_of_each_other_are_noticed():
    S = LIME.transform(ZOO)
    with pytest.raises(ValueError, match="retrained model 0 and retrained model 2 have the same"):
        UnlearningVerifier.from_signatures(S[0], S[[1, 2, 1, 3]], LIME.plan_)
    D = zest_distances(S[[0, 1, 2, 0, 2]])
    with pytest.warns(UserWarning, match="are at distance 0: are they copies") as caught:
        UnlearningVerifier().fit(D)
    assert "the models in rows 0 and 3, 2 and 4 of X" in str(caught[0].message)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("wrong", [np.ones((3, 2)), np.ones((3, 3)), np.triu(np.ones((3, 3)), 1)])
def test_what_is_not_a_matrix_of_distances_is_refused(wrong):
    with pytest.raises(ValueError, match="a symmetric matrix with zeros on the diagonal"):
        UnlearningVerifier().fit(wrong)


def test_candidates_of_other_models_are_refused():
    verifier = UnlearningVerifier().fit(_known(UnlearningVerifier))
    with pytest.raises(ValueError, match=r"X has 4 columns; expected 9: .* and to 8 retrained"):
        verifier.judge(np.ones((2, 4)))
