# SPDX-License-Identifier: BSD-3-Clause
"""Choosing questions, and what they measure; by hand where that is possible."""

import re
from copy import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier

from skzest import (
    CallableQuery,
    DesignMismatchError,
    QueryPlan,
    UndefinedSignatureWarning,
)
from skzest.baselines import ask_copies
from skzest.rehearsal import (
    RehearsedQuestions,
    ask_pool,
    candidate_questions,
    choose_questions,
    rehearse,
)

POINTS = np.arange(6.0)[:, None]


def says(*labels, classes=(0, 1)):
    """A model of the points 0 to 5, by its labels."""
    table = np.asarray(labels)
    return CallableQuery(
        lambda X: table[X[:, 0].astype(int)], output="predict", classes=list(classes)
    )


def believes(*shares):
    """A model of the points 0 to 5, by its probabilities of class 1."""
    table = np.stack([1 - np.array(shares), shares], axis=1)
    return CallableQuery(lambda X: table[X[:, 0].astype(int)], output="predict_proba")


OWNER = says(0, 0, 0, 1, 1, 1)
COPIES = [says(0, 0, 1, 1, 1, 0), says(0, 0, 0, 1, 0, 0), says(0, 0, 1, 1, 1, 0)]
#           both   no copy alone; others agree on 0 and 3 half of the time, on 1 never
UNRELATED = [says(0, 1, 0, 0, 1, 1), says(1, 1, 0, 1, 0, 1)]
OWNER_TWIN, NEAR_TWIN = says(0, 0, 0, 1, 1, 1), says(0, 0, 0, 1, 1, 0)


@pytest.fixture
def pool():
    return ask_pool(OWNER, POINTS, copies=COPIES, unrelated=UNRELATED)


def test_questions_that_only_copies_answer_as_the_owner_count_most(pool):
    weights = dict(zip(pool.choose(6).indices.tolist(), pool.choose(6).weights))
    assert max(weights, key=weights.get) == 1
    assert weights[1] > weights[0] > 0 > weights[5]  # on 5 the others agree more
    assert pool.choose(1).indices.tolist() == [1]
    assert set(pool.choose(3).indices) < set(pool.choose(6).indices)


def test_distance_is_1_halfway_and_falls_with_weighted_agreement(pool):
    questions = pool.questions(6)
    suspects = [OWNER, *COPIES, *UNRELATED]
    found = questions.distances(suspects)
    np.testing.assert_allclose(
        np.log(found), questions.discriminant.centre - _agreement(questions, suspects), atol=1e-12
    )
    assert np.log(found[:4]).mean() == pytest.approx(-1)
    assert np.log(found[4:]).mean() == pytest.approx(1)
    assert pool.roles.tolist() == ["copy"] * 3 + ["unrelated"] * 2
    assert repr(pool) == "<PoolAnswers: 6 candidates, 3 copy, 2 unrelated>"


def _agreement(questions, models):
    """The weighted sum, from the answers themselves."""
    points = questions.plan.reference
    said = np.array([model.model(points) for model in models])
    return (said == said[0]) @ questions.weights


def test_foreign_copies_spoil_questions_on_which_every_copy_agrees(pool):
    foreign = [says(0, 0, 1, 0, 0, 0), says(1, 0, 1, 0, 0, 0)]
    with_foreign = ask_pool(OWNER, POINTS, copies=COPIES, unrelated=UNRELATED, foreign=foreign)
    assert pool.choose(1).indices.tolist() == [1] != with_foreign.choose(1).indices.tolist()


def test_a_model_left_out_has_no_part_in_choosing():
    unrelated = [*UNRELATED, says(1, 0, 1, 0, 1, 0)]
    pool = ask_pool(OWNER, POINTS, copies=COPIES, unrelated=unrelated)
    without = ask_pool(OWNER, POINTS, copies=COPIES, unrelated=unrelated[:2])
    found, expected = pool.choose(4, without=[5]), without.choose(4)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.weights, expected.weights)
    distances = pool.left_out_distances(4)
    assert distances[2] == pytest.approx(without.questions(4).distances(unrelated[2:])[0])
    together = pool.left_out_distances(4, groups=[[3], [4], [5, 0]])
    assert together[:2].tolist() == distances[:2].tolist()


def test_order_of_models_and_of_questions_does_not_matter(pool):
    order = np.random.default_rng(0).permutation(6)
    other = ask_pool(OWNER, POINTS[order], copies=COPIES[::-1], unrelated=UNRELATED[::-1])
    suspects = [*COPIES, *UNRELATED]
    np.testing.assert_allclose(
        other.questions(5).distances(suspects), pool.questions(5).distances(suspects), atol=1e-12
    )


def test_probabilities_count_by_what_is_shared_with_the_owner():
    owner = believes(0.9, 0.2, 0.5, 0.5, 0.5, 0.5)
    copies = [believes(0.8, 0.2, 0.5, 0.5, 0.5, 0.5), believes(0.9, 0.3, 0.5, 0.5, 0.5, 0.5)]
    unrelated = [believes(*[share] * 5, 1 - share) for share in (0.4, 0.6)]
    questions = choose_questions(
        owner, POINTS, copies=copies, unrelated=unrelated, n_questions=2, answers="scores"
    )
    assert set(questions.indices) == {0, 1} and questions.plan.response == "predict_proba"
    d = questions.distances([owner, believes(0.1, *np.zeros(5))])
    lost = np.array([0.8, 0.2])[questions.indices]
    assert np.log(d[1] / d[0]) == pytest.approx(questions.weights @ lost)


@pytest.mark.filterwarnings("ignore:.*(they share none|they share)")
def test_classes_are_matched_by_name():
    owner, same = (says(*"aaabbb", classes=names) for names in ("ab", "bca"))
    copies = [says(*"aabbba", classes="ab"), says(*"aaabaa", classes="ab")]
    unrelated = [says(*"abaabb", classes="ab"), says(*"bbacac", classes="abc")]
    questions = choose_questions(owner, POINTS, copies=copies, unrelated=unrelated, n_questions=4)
    owners = questions.distances([owner])
    np.testing.assert_array_equal(questions.distances([same]), owners)
    with pytest.warns(UndefinedSignatureWarning, match=r"models \[1\] have none of the owner's"):
        distances = questions.distances([same, says(*"xxxyyy", classes="xy")])
    assert distances[0] == owners and np.isnan(distances[1])


def test_labels_of_another_dtype_are_the_same_labels(pool):
    owner = says(0, 0, 0, 1, 1, 1, classes=(0.0, 1.0))
    questions = pool.questions(3)
    np.testing.assert_array_equal(questions.distances([owner]), questions.distances([OWNER]))


def test_each_suspect_is_asked_only_the_chosen_questions(pool, store):
    n_asked = []

    def count(X):
        n_asked.append(len(X))
        return np.eye(2)[(X[:, 0] > 1).astype(int)]

    suspect = CallableQuery(count, model_id="suspect")
    questions = pool.questions(3)
    questions.distances([suspect], cache=store)
    assert sum(n_asked) <= 3 + 2  # a few are asked twice
    n_asked.clear()
    questions.distances([suspect], cache=store)
    assert sum(n_asked) <= 3  # to see whether it is still the same model


@pytest.mark.parametrize("kind", ["array", "texts", "series", "frame"])
def test_questions_travel(kind, tmp_path):
    points = {
        "array": np.arange(12.0).reshape(6, 2),
        "texts": ["", "a", "bb", "ccc", "dddd", "eeeee"],
        "series": pd.Series(["", "a", "bb", "ccc", "dddd", "eeeee"], index=range(100, 106)),
        "frame": pd.DataFrame({"a": np.arange(6.0), "b": list("uvwxyz")}),
    }[kind]

    number = {
        "array": lambda X: (X[:, 0] / 2).astype(int),
        "texts": lambda X: [len(text) for text in X],
        "series": lambda X: [len(text) for text in X],
        "frame": lambda X: X["a"].astype(int),
    }[kind]

    def model(*labels):
        def answer(X):
            return np.asarray(labels)[number(X)]

        return CallableQuery(answer, output="predict", classes=[0, 1])

    copies = [model(0, 0, 1, 1, 1, 0), model(0, 0, 0, 1, 0, 0)]
    unrelated = [model(0, 1, 0, 0, 1, 1), model(1, 1, 0, 1, 0, 1)]
    questions = choose_questions(
        model(0, 0, 0, 1, 1, 1), points, copies=copies, unrelated=unrelated, n_questions=5
    )
    questions.save(tmp_path / "questions")
    again = RehearsedQuestions.load(tmp_path / "questions")
    assert again.plan.digest == questions.plan.digest
    distances = questions.distances(unrelated)
    np.testing.assert_array_equal(again.distances(unrelated), distances)
    # Somebody else is given the plan, and gives back answers.
    questions.plan.save(tmp_path / "plan.npz")
    answers = ask_copies(unrelated, QueryPlan.load(tmp_path / "plan.npz"))
    np.testing.assert_array_equal(again.distances(answers), distances)


def test_answers_to_other_questions_are_refused(pool):
    answers = ask_copies(UNRELATED, pool.questions(2).plan)
    with pytest.raises(DesignMismatchError, match=r"Ask with ask_copies\(models, questions.plan\)"):
        pool.questions(3).distances(answers)


def test_trained_copies_are_nearer_than_strangers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + 0.8 * rng.normal(size=300) > 0).astype(int)

    def tree(seed, X=X[:150], y=y[:150]):
        return DecisionTreeClassifier(max_depth=5, max_features=2, random_state=seed).fit(X, y)

    owner, others = tree(0), [tree(seed) for seed in range(1, 13)]
    half = X[150:]
    copies = rehearse(owner, half, n_copies=8, n_queries=300)
    foreign = [copy for other in others[:2] for copy in rehearse(other, half, n_copies=2)]
    candidates = candidate_questions(half, owner, n_candidates=300)
    questions = choose_questions(
        owner, candidates, copies=copies, unrelated=others[2:7], foreign=foreign, n_questions=32
    )
    stolen = [tree(20 + seed, half, owner.predict(half)) for seed in range(5)]
    near, far = questions.distances(stolen), questions.distances(others[7:])
    assert near.mean() < far.mean()


@pytest.mark.filterwarnings("ignore:.*they share none")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"copies": COPIES[:1]}, "1 model in copies; at least 2.*Make more with rehearse"),
        ({"copies": []}, "0 models in copies"),
        ({"unrelated": UNRELATED[:1]}, "1 model in unrelated; at least 2.*Train more"),
        ({"copies": [COPIES[0], OWNER]}, r"the owner and copies\[1\] are the same object"),
        ({"unrelated": [*UNRELATED, OWNER]}, r"the owner and unrelated\[2\] are the same object"),
        ({"foreign": UNRELATED[1:]}, r"foreign\[0\] and unrelated\[1\] are the same object. Leave"),
        ({"copies": [COPIES[0]] * 2}, r"copies\[0\] and copies\[1\] are the same object"),
        (
            {"copies": [says(0, 0, 0, 1, 1, 1) for _ in range(2)]},
            "all copies agree with the owner on all 6",
        ),
        ({"n_questions": 7}, "n_questions=7, but there are only 6 candidates. Lower n_questions"),
        (
            {"unrelated": [OWNER_TWIN, *map(copy, COPIES)]},
            "agree with the owner alike on all 6 candidates",
        ),
        (
            {"copies": UNRELATED, "unrelated": [OWNER_TWIN, NEAR_TWIN]},
            "copies agree with the owner less.*Make better copies, from more queries",
        ),
        (
            {"unrelated": [UNRELATED[0], says(*[7, 8] * 3, classes=[7, 8])]},
            r"unrelated\[1\] has none of the owner's classes \(\[0, 1\], ...\)",
        ),
        ({"answers": "labels"}, "answers must be 'label' or 'scores'.*Did you mean 'label'"),
    ],
)
def test_what_is_refused(change, match):
    given = {"copies": COPIES, "unrelated": UNRELATED, "n_questions": 3}
    with pytest.raises(ValueError, match=match):
        choose_questions(OWNER, POINTS, **given | change)


def test_a_single_model_in_place_of_a_list_is_refused():
    given = {"copies": COPIES, "unrelated": UNRELATED, "foreign": ()}
    for role in given:
        with pytest.raises(TypeError, match=f"{role} is a single CallableQuery; wrap it in a list"):
            choose_questions(OWNER, POINTS, **given | {role: COPIES[0]})


def test_a_model_that_cannot_be_asked_is_named_by_its_role():
    with pytest.raises(NotFittedError, match=r"^unrelated\[1\] \(DecisionTreeClassifier\)"):
        ask_pool(OWNER, POINTS, copies=COPIES, unrelated=[UNRELATED[0], DecisionTreeClassifier()])
    with pytest.raises(TypeError, match=r"^copies\[0\] \(int\)"):
        ask_pool(OWNER, POINTS, copies=[3, 4], unrelated=UNRELATED)


def test_labels_that_cannot_be_matched_are_told_with_roles():
    unrelated = [UNRELATED[0], says(*"ababab", classes="ab")]
    with pytest.raises(ValueError, match=r"unrelated\[1\] .* text labels 'a', 'b' and the owner's"):
        ask_pool(OWNER, POINTS, copies=COPIES, unrelated=unrelated)


def test_models_that_may_not_be_left_out(pool):
    with pytest.raises(ValueError, match="1 model in unrelated"):
        pool.choose(2, without=[3])


def test_a_constant_model_has_no_distance(pool):
    constant, always_1 = DummyClassifier().fit(POINTS, [0, 0, 0, 0, 1, 1]), says(*[1] * 6)
    with pytest.warns(UndefinedSignatureWarning, match=r"models \[0, 2\] gave the same answer to"):
        distances = pool.questions(4).distances([constant, OWNER, always_1])
    assert np.isnan(distances).tolist() == [True, False, True]


@pytest.mark.parametrize("role", ["the owner's model", "copies[1]", "foreign[0]", "unrelated[1]"])
def test_a_constant_model_takes_no_part(role):
    constant, foreign = says(*[1] * 6), [says(0, 1, 1, 0, 1, 0)]
    given = {"copies": [*COPIES], "foreign": foreign, "unrelated": [*UNRELATED]}
    owner = constant if role.startswith("the owner") else OWNER
    if owner is OWNER:
        name, position = role[:-1].split("[")
        given[name][int(position)] = constant
    match = re.escape(role) + " gave the same answer to all 6 candidates.*Leave such models out"
    with pytest.raises(ValueError, match=match):
        ask_pool(owner, POINTS, **given)


def test_an_owner_that_answers_all_chosen_questions_alike_needs_more(pool):
    with pytest.raises(ValueError, match=r"1 question chosen, and .*same answer.*Raise n_q"):
        pool.questions(1)
    assert len(pool.questions(4)) == 4
