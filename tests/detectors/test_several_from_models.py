# SPDX-License-Identifier: BSD-3-Clause
"""Detectors that ask models for several distances, within one budget."""

import pickle
import warnings

import numpy as np
import pytest
from counting import Counted, CountedRegression
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from skzest import LimeSignatureTransformer, ReuseDetector, html_report
from skzest.baselines import prepare_questions
from skzest.queries import CallableQuery, as_query
from skzest.rehearsal import candidate_questions, rehearse

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5))
Y = np.argmax(X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(400, 3)), axis=1)
TRAIN, POOL, Y_POOL = slice(200), X[200:], Y[200:]


def _tree(seed, X=X[TRAIN], y=Y[TRAIN]):
    rows = np.random.default_rng(seed).permutation(len(X))[: int(0.7 * len(X))]
    return DecisionTreeClassifier(max_depth=6, random_state=seed).fit(X[rows], y[rows])


OWNER = _tree(0)
UNRELATED = [_tree(seed) for seed in range(1, 22)]
COPY, *_ = THEFTS = [_tree(seed, POOL, OWNER.predict(POOL)) for seed in range(51, 55)]
LIME = LimeSignatureTransformer(X, n_reference=24, n_samples=16)
NAMES = ["zest", "predictions", "mistakes", "boundary"]
EASY = {"alpha": 0.1, "correction": None}


def _detector(names=NAMES, **params):
    given = {"points": POOL, "y": Y_POOL, **EASY, **params}
    return ReuseDetector.from_models(OWNER, UNRELATED, LIME, distances=names, **given)


def test_several_distances_are_asked_for_and_judged():
    detector = _detector()
    found = detector.judge_models([COPY, _tree(99)], labels=["copy", "stranger"])
    assert found.distances == tuple(NAMES)
    assert found.decisions[0] == "reused" and found.decided_by[0]
    assert found.decisions[1] != "reused"
    assert detector.null_distances_.shape == (21, 4)
    assert not hasattr(detector, "plan_")
    # The same as asking for the distances by oneself.
    plan = LIME.fit([OWNER]).plan_
    n = detector.questions_.fixed
    by_hand = detector.judge(detector.questions_.ask([COPY]).distances)
    assert by_hand.p_values[0] == found.p_values[0]
    assert n.names == tuple(NAMES) and plan.n_queries >= detector.questions_.n_questions


@pytest.mark.parametrize("budget", [None, 250, 1000])
def test_budget_is_kept(budget):
    detector = _detector(n_questions=budget)
    model = Counted(COPY.predict_proba)
    detector.judge_models([CallableQuery(model, output="predict_proba")])
    allowed = budget or LIME.fit([OWNER]).plan_.n_queries
    assert allowed / 4 < detector.questions_.n_questions <= allowed
    assert (
        model.n_rows <= detector.questions_.n_questions + 4 * 60
    )  # repeated to see if they repeat


def test_there_is_no_transformer_but_a_report_can_be_made():
    detector = _detector(["zest", "predictions"])
    found = detector.judge_models([COPY], labels=["copy"])
    with pytest.raises(AttributeError, match=r"no transformer_.*LimeSignatureTransformer that you"):
        html_report([OWNER, COPY], detector.transformer_, decisions=found)
    assert not hasattr(detector, "plan_") and not hasattr(ReuseDetector(), "transformer_")
    with pytest.raises(AttributeError, match="'ReuseDetector' object has no attribute 'no'"):
        detector.no  # noqa: B018
    assert pickle.loads(pickle.dumps(detector)).questions_.names == ("zest", "predictions")
    pytest.importorskip("matplotlib")
    zoo = [OWNER, COPY, UNRELATED[0]]
    assert "reused" in str(html_report(zoo, clone(LIME).fit(zoo), decisions=found))


def test_one_named_distance_is_one_distance():
    detector = _detector(["predictions"])
    found = detector.judge_models([COPY])
    assert found.distances is None and found.relative.shape == (1,)
    questions = prepare_questions(
        OWNER, LIME.fit([OWNER]).plan_, POOL, Y_POOL, names=["predictions"]
    )
    assert_allclose(found.d_suspects, questions.distances([COPY])[:, 0])


def test_weights_are_left_out_for_other_architectures():
    def regression(seed):
        rows = np.random.default_rng(seed).permutation(200)[:120]
        return CountedRegression().fit(X[rows], Y[rows])

    owner, *unrelated = [*map(regression, range(12)), *UNRELATED[:10]]
    detector = ReuseDetector.from_models(
        owner, unrelated, LIME, distances=["zest", "weights"], **EASY
    )
    found = detector.judge_models([owner, COPY])
    assert np.isnan(found.d_suspects[:, 1]).tolist() == [False, True]
    assert found.decisions[0] == "reused"
    assert "from 1 of 2 distances" in found.reasons[1]


def test_adapters_make_queries_of_everything():
    lime = LimeSignatureTransformer(
        X, n_reference=24, n_samples=16, adapter=lambda m: as_query(m[0])
    )
    wrapped = ReuseDetector.from_models(
        [OWNER], [[m] for m in UNRELATED], lime, distances=["zest", "predictions"], **EASY
    )
    plain = _detector(["zest", "predictions"], points=None, y=None)
    assert_array_equal(wrapped.null_distances_, plain.null_distances_)
    assert str(wrapped.judge_models([[COPY]])) == str(plain.judge_models([COPY]))


def test_kinds_come_with_the_models():
    kinds = {"trees": UNRELATED[:11], "others": UNRELATED[11:]}
    detector = ReuseDetector.from_models(
        OWNER, kinds, LIME, distances=["zest", "predictions"], **EASY
    )
    assert detector.false_positives_.kinds == ("trees", "others")
    assert detector.false_positives_.n_models.tolist() == [11, 10]
    one = ReuseDetector.from_models(OWNER, kinds, LIME, **EASY)
    assert one.false_positives_.n_models.tolist() == [11, 10]


# ---------------------------------------------------------------- rehearsal

COPIES = rehearse(OWNER, POOL, n_copies=6)
FOREIGN = rehearse(UNRELATED[0], POOL, n_copies=4)


CANDIDATES = candidate_questions(POOL, OWNER, n_candidates=400)


def test_rehearsal_in_a_handful_of_lines():
    detector = ReuseDetector.from_models(
        OWNER, UNRELATED, CANDIDATES, copies=COPIES, foreign=FOREIGN, **EASY
    )
    assert detector.questions_.n_questions <= 64
    found = detector.judge_models([*THEFTS, _tree(99)])
    assert found.decisions[:4].tolist().count("reused") >= 3 and found.decisions[4] != "reused"
    assert len(detector.null_distances_) == 21 - 6  # the others chose
    by_data = ReuseDetector.from_models(OWNER, UNRELATED, POOL[:40], copies=COPIES, **EASY)
    assert len(by_data.null_distances_) == 15


def test_rehearsal_compares_probabilities_if_they_are_to_be_had():
    detector = ReuseDetector.from_models(
        OWNER, UNRELATED, CANDIDATES, copies=COPIES, answers="scores", **EASY
    )
    assert detector.questions_.rehearsed.plan.response == "predict_proba"
    assert detector.judge_models(THEFTS).decisions.tolist().count("reused") >= 3
    with pytest.raises(ValueError, match="answers must be 'label' or 'scores'"):
        ReuseDetector.from_models(
            OWNER, UNRELATED, CANDIDATES, copies=COPIES, answers="logits", **EASY
        )


def test_rehearsal_is_one_of_several():
    detector = _detector(["zest", "mistakes", "rehearsal"], copies=COPIES, n_questions=500)
    assert detector.questions_.names == ("zest", "mistakes", "rehearsal")
    assert detector.questions_.n_questions <= 500
    assert detector.judge_models([COPY]).decisions.tolist() == ["reused"]


def test_few_unrelated_models_are_left_out_in_turn():
    given = {"copies": COPIES, "foreign": FOREIGN, "alpha": 0.05, "correction": None}
    detector = ReuseDetector.from_models(OWNER, UNRELATED[:19], CANDIDATES, **given)
    assert len(detector.null_distances_) == 19
    assert 32 < detector.questions_.n_questions <= 64
    more = ReuseDetector.from_models(OWNER, UNRELATED[:19], CANDIDATES, n_questions=128, **given)
    assert 64 < more.questions_.n_questions <= 128
    found = detector.judge_models([*THEFTS, _tree(99)], labels=[*"abcde"])
    assert found.decisions[-1] != "reused"
    assert (found.decisions[:4] == "reused").sum() >= 3 and found.decided_by[1] == ("rehearsal",)
    assert found.distances == ("rehearsal",) and found.z.shape == (5, 1)
    with pytest.raises(ValueError, match="Judge models, with judge_models"):
        detector.judge(found.d_suspects)
    together = ReuseDetector.from_models(
        OWNER,
        UNRELATED[:9],
        LIME,
        distances=["zest", "rehearsal"],
        points=POOL[:50],
        n_questions=150,
        **given | {"alpha": 0.1},
    )
    assert together.questions_.n_questions <= 150
    again = pickle.loads(pickle.dumps(together))
    assert str(again.judge_models(THEFTS)) == str(together.judge_models(THEFTS))


@pytest.mark.parametrize("names", [["zest"], NAMES, ["zest", "rehearsal"], ["rehearsal"]])
def test_an_unrelated_model_that_is_judged_is_known_again(names):
    copies = COPIES if "rehearsal" in names else ()
    detector = _detector(names, copies=copies)
    with pytest.warns(UserWarning, match="a has the same distances and labels as unrelated model"):
        detector.judge_models([_tree(21), _tree(99)], labels=["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.judge_models([_tree(99)])


@pytest.mark.parametrize("names", [["predictions"], ["predictions", "mistakes"], ["boundary"]])
def test_a_stranger_with_the_labels_of_others_is_not_taken_for_them(names):
    """On an easy task strangers agree; labels say as little about who a model is."""
    easy = (X[:, 0] > 0).astype(int)

    def stump(seed):
        rows = np.random.default_rng(seed).permutation(200)[:150]
        return DecisionTreeClassifier(max_depth=1).fit(X[rows], easy[rows])

    owner = _tree(0, X, np.where(RNG.random(400) < 0.2, 1 - easy, easy))
    unrelated = [*map(stump, range(1, 22))]
    given = {"distances": names, "points": POOL[:60], "y": Y_POOL[:60] % 2, **EASY}
    detector = ReuseDetector.from_models(owner, unrelated, LIME, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.judge_models([stump(99)])
    with pytest.warns(UserWarning, match=r"suspect 0 is unrelated\[3\], which had a part"):
        detector.judge_models([unrelated[3]])  # this very object


@pytest.mark.parametrize("n_unrelated", [19, 21])
def test_models_that_chose_questions_are_no_suspects(n_unrelated):
    given = {
        "copies": COPIES,
        "foreign": FOREIGN,
        **EASY,
        "alpha": 0.05 if n_unrelated < 20 else 0.1,
    }
    detector = ReuseDetector.from_models(OWNER, UNRELATED[:n_unrelated], CANDIDATES, **given)
    for role, model in {"copies": COPIES[0], "foreign": FOREIGN[1]}.items():
        with pytest.warns(UserWarning, match=rf"m is {role}\[\d\], which had a part in choosing"):
            detector.judge_models([model], labels=["m"])
    every = [*COPIES, *FOREIGN, *UNRELATED[:n_unrelated]]
    with pytest.warns(UserWarning, match="had a part") as said:
        detector.judge_models(every)
    assert sum("had a part" in str(one.message) for one in said) == len(every)
    assert pickle.loads(pickle.dumps(detector)).judge_models(THEFTS) is not None


def test_in_turn_takes_three_unrelated_models():
    given = {"copies": COPIES, "alpha": 0.5, "correction": None}
    with pytest.raises(ValueError, match=r"2 unrelated models; .* in turn, which takes at least 3"):
        ReuseDetector.from_models(OWNER, UNRELATED[:2], CANDIDATES, **given)
    with pytest.warns(UserWarning, match="3 unrelated models: their mean distance"):
        detector = ReuseDetector.from_models(OWNER, UNRELATED[:3], CANDIDATES, **given)
    assert len(detector.null_distances_) == 3


# ---------------------------------------------------------------- refusals

REFUSED = {
    "a name": ({"names": "zest"}, r"distances must be a list of names.*\['zest'\]"),
    "unknown": ({"names": ["zests"]}, "each of distances must be .* Did you mean 'zest'"),
    "twice": ({"names": ["zest", "zest"]}, "must be different names"),
    "no copies": ({"names": ["rehearsal"]}, "needs copies of the owner's model"),
    "no use of copies": ({"copies": COPIES}, "copies are used by 'rehearsal', which is not among"),
    "no truth": ({"y": None}, "'mistakes' needs the labels of the points"),
    "too few": ({"alpha": 0.01}, "alpha=0.01 with 21 unrelated models"),
    "too few to choose": (
        {"names": ["rehearsal"], "copies": COPIES, "alpha": 0.05, "combine": "whitened"},
        "6 of 21 unrelated models choose the questions, and the other 15 calibrate, but 19",
    ),
    "far too few": ({"names": ["rehearsal"], "copies": COPIES, "alpha": 0.01}, "with 21 unrelated"),
    "threshold": ({"threshold": 1.0}, "a limit of one relative distance, but there are 4"),
    "foreign": ({"foreign": FOREIGN}, "foreign is for 'rehearsal', which is not among"),
    "answers": ({"answers": "scores"}, "answers is for 'rehearsal'"),
    "choosing": ({"choosing": 0.5}, "choosing is for 'rehearsal'"),
    "share": ({"names": ["rehearsal"], "copies": COPIES, "choosing": 1.5}, "between 0 and 1"),
    "same object": ({"unrelated": [*UNRELATED, OWNER]}, "the owner and .* are the same object"),
    "chooses and calibrates": (
        {"names": ["rehearsal"], "copies": [*COPIES, UNRELATED[4]]},
        r"unrelated\[4\] and copies\[6\] are the same object. Leave one of them out",
    ),
    "foreign and calibrates": (
        {"names": ["rehearsal"], "copies": COPIES, "foreign": UNRELATED},
        r"unrelated\[0\] and foreign\[0\] are the same object",
    ),
    "the owner as a copy": (
        {"names": ["rehearsal"], "copies": [*COPIES, OWNER]},
        r"the owner and copies\[6\] are the same object",
    ),
    "one copy": (
        {"names": ["rehearsal"], "copies": COPIES[0]},
        r"copies is a single DecisionTreeClassifier; wrap it in a list: \[model\]",
    ),
    "no models of a kind": (
        {"unrelated": {"a": UNRELATED, "b": []}},
        r"unrelated\['b'\] is empty; at least one model",
    ),
    "a share as text": (
        {"names": ["rehearsal"], "copies": COPIES, "choosing": "0.5"},
        "choosing must be a number; got '0.5'",
    ),
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=list(REFUSED))
def test_what_the_parameters_tell_is_refused_before_the_first_question(given):
    params, message = given
    params = {"points": POOL, "y": Y_POOL, **EASY, **params}
    owner = CountedRegression().fit(X[TRAIN], Y[TRAIN])
    CountedRegression.n_rows = 0
    models = params.pop("unrelated", UNRELATED)
    if isinstance(models, list):
        models = [owner if m is OWNER else m for m in models]
    if isinstance(params.get("copies"), list):
        params["copies"] = [owner if m is OWNER else m for m in params["copies"]]
    names = params.pop("names", NAMES)
    with pytest.raises((TypeError, ValueError), match=message):
        ReuseDetector.from_models(owner, models, LIME, distances=names, **params)
    assert CountedRegression.n_rows == 0


@pytest.mark.parametrize(("name", "value"), [("n_questions", 300), ("points", POOL)])
def test_parameters_of_distances_are_refused_for_signatures(name, value):
    with pytest.raises(ValueError, match=f"{name} is for distances=, copies= and y=, but none is"):
        ReuseDetector.from_models(OWNER, UNRELATED, LIME, **{name: value}, **EASY)
    ReuseDetector.from_models(OWNER, UNRELATED, LIME, distances=["zest"], **{name: value}, **EASY)
    with pytest.raises(ValueError, match=r"foreign is for 'rehearsal'.*copies=rehearse"):
        ReuseDetector.from_models(OWNER, UNRELATED, LIME, foreign=FOREIGN, **EASY)


@pytest.mark.parametrize(
    ("asker", "given", "names"),
    [
        (LIME, {"y": Y}, ("zest", "mistakes")),
        (LIME, {"copies": COPIES, "points": POOL}, ("zest", "rehearsal")),
        (LIME, {"copies": COPIES, "points": POOL, "y": Y_POOL}, ("zest", "mistakes", "rehearsal")),
        (POOL, {"y": Y_POOL}, ("zest", "mistakes")),
        (POOL, {"copies": COPIES, "y": Y_POOL}, ("zest", "mistakes", "rehearsal")),
        (POOL, {"copies": COPIES}, ("rehearsal",)),
    ],
    ids=["y", "copies", "y and copies", "data and y", "data, y and copies", "data and copies"],
)
def test_what_is_given_decides_which_distances_are_used(asker, given, names):
    detector = ReuseDetector.from_models(OWNER, UNRELATED, asker, **given, **EASY)
    assert detector.questions_.names == names
    assert detector.judge_models([OWNER]).decisions.tolist() == ["reused"]


def test_a_budget_too_small_names_one_that_is_not():
    with pytest.raises(ValueError, match="Raise n_questions to 104, or name fewer distances"):
        _detector(n_questions=100)
    assert _detector(n_questions=104).questions_.n_questions <= 104


@pytest.mark.filterwarnings("ignore::skzest.exceptions.UndefinedSignatureWarning")
@pytest.mark.parametrize("names", [None, ["zest"], ["zest", "combined"], ["passthrough"]])
def test_a_constant_owner_is_found_before_others_are_asked(names):
    CountedRegression.n_rows = 0
    unrelated = [CountedRegression().fit(X[TRAIN], Y[TRAIN]) for _ in range(9)]
    owner = DecisionTreeClassifier(max_depth=1).fit(X[TRAIN], np.zeros(200, dtype=int))
    message = r"the owner gives the same scores to all \d+ questions about 24 reference points, so "
    for lime in (LIME, clone(LIME).fit([owner, *unrelated])):
        asked = CountedRegression.n_rows
        with pytest.raises(ValueError, match=message):
            ReuseDetector.from_models(owner, unrelated, lime, distances=names, **EASY)
        assert CountedRegression.n_rows == asked


def test_an_owner_that_is_constant_on_what_the_budget_leaves():
    plan = clone(LIME).fit([OWNER]).plan_
    limit = max(plan.reference[:4, 0].max(), 0.5)  # copies have a value of the point, or the mean

    def scores(Z):
        return 0.1 + 0.8 * np.eye(2)[(Z[:, 0] > limit).astype(int)]

    owner = CallableQuery(scores, output="predict_proba", classes=[0, 1])
    unrelated = [_tree(seed, y=Y[TRAIN] % 2) for seed in range(9)]

    def detector(lime, n_questions):
        given = {"distances": ["zest", "predictions"], "points": POOL, **EASY}
        return ReuseDetector.from_models(owner, unrelated, lime, n_questions=n_questions, **given)

    with pytest.raises(
        ValueError, match=r"Raise n_questions: \d of 24 points are within the limit\. Ask"
    ):
        detector(LIME, 110)
    assert detector(LIME, 700).distance_names_ == ("zest", "predictions")
    both_sides = np.concatenate([X[X[:, 0] > limit][:10], X[X[:, 0] < 0][:10]])
    others = LimeSignatureTransformer(both_sides, n_reference=4, n_samples=16)
    assert detector(others, 110).distance_names_ == ("zest", "predictions")


@pytest.mark.parametrize("position", [1, 12])  # one calibrates, the other chooses
@pytest.mark.parametrize("names", [["zest"], ["rehearsal"]])
def test_a_constant_unrelated_model_is_named_by_its_position(names, position):
    constant = DummyClassifier(strategy="constant", constant=0).fit(X, Y)
    unrelated = [*UNRELATED[:position], constant, *UNRELATED[position:]]
    given = {**EASY, "distances": names, "copies": COPIES if "rehearsal" in names else ()}
    asker = CANDIDATES if "rehearsal" in names else LIME
    with pytest.raises(ValueError, match=rf"unrelated\[{position}\] .*Leave such models out"):
        ReuseDetector.from_models(OWNER, unrelated, asker, **given)
    unrelated.pop(position)
    assert ReuseDetector.from_models(OWNER, unrelated, asker, **given).questions_


def test_candidates_are_for_rehearsal_alone():
    candidates = candidate_questions(POOL, OWNER, n_candidates=200)
    advice = r"need a transformer or plan, but the third.*LimeSignatureTransformer\(X\).*points=X"
    how = {"distances": ["zest", "rehearsal"], "copies": COPIES, "points": POOL, **EASY}
    with pytest.raises(TypeError, match=advice):
        ReuseDetector.from_models(OWNER, UNRELATED, candidates, **how)
    lime = LimeSignatureTransformer(POOL, n_reference=8, n_samples=16)
    ReuseDetector.from_models(OWNER, UNRELATED, lime, **how)
    with pytest.raises(ValueError, match="'rehearsal' needs copies"):
        ReuseDetector.from_models(OWNER, UNRELATED, candidates, **EASY)
