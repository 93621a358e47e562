# SPDX-License-Identifier: BSD-3-Clause
"""Choosing questions, and what they measure; by hand where that is possible."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
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


@pytest.fixture
def pool():
    return ask_pool(OWNER, POINTS, copies=COPIES, unrelated=UNRELATED)


def test_the_best_question_is_the_one_that_only_copies_answer_as_the_owner(pool):
    indices, weights = pool.choose(6)
    assert indices[0] == 1
    assert set(indices) == {0, 1, 3, 4}  # on 2 and 5 the others agree more
    assert weights.sum() == pytest.approx(1) and (np.diff(weights) <= 0).all()
    assert pool.choose(2)[0].tolist() == indices[:2].tolist()


def test_distance_is_the_weighted_share_of_answers_unlike_the_owners(pool):
    questions = pool.questions(6)
    d = dict(zip(questions.indices.tolist(), questions.weights))
    found = questions.distances([OWNER, UNRELATED[0], says(1, 1, 1, 0, 0, 0)])
    np.testing.assert_allclose(found, [0.0, d[1] + d[3], 1.0], atol=1e-12)


def test_pool_and_questions_measure_the_same(pool):
    questions = pool.questions(3)
    chosen = pool.agreement[:, questions.indices]
    np.testing.assert_allclose(
        questions.distances([*COPIES, *UNRELATED]), 1 - chosen @ questions.weights, atol=1e-12
    )
    assert pool.roles.tolist() == ["copy"] * 3 + ["unrelated"] * 2
    assert repr(pool) == "<PoolAnswers: 6 candidates, 3 copy, 2 unrelated>"


def test_foreign_copies_spoil_questions_on_which_every_copy_agrees():
    foreign = [says(0, 0, 1, 0, 0, 0), says(1, 0, 1, 0, 0, 0)]
    pool = ask_pool(OWNER, POINTS, copies=COPIES, unrelated=UNRELATED, foreign=foreign)
    assert pool.choose(6)[0][0] != 1


def test_a_model_left_out_has_no_part_in_choosing():
    unrelated = [*UNRELATED, says(1, 0, 1, 0, 1, 0)]
    pool = ask_pool(OWNER, POINTS, copies=COPIES, unrelated=unrelated)
    without = ask_pool(OWNER, POINTS, copies=COPIES, unrelated=unrelated[:2])
    for found, expected in zip(pool.choose(4, without=[5]), without.choose(4)):
        np.testing.assert_array_equal(found, expected)
    distances = pool.left_out_distances(4)
    assert distances[2] == without.questions(4).distances(unrelated[2:])[0]
    together = pool.left_out_distances(4, groups=[[3], [4], [5, 0]])
    assert together[:2].tolist() == distances[:2].tolist()


def test_order_of_models_and_of_questions_does_not_matter(pool):
    order = np.random.default_rng(0).permutation(6)
    other = ask_pool(OWNER, POINTS[order], copies=COPIES[::-1], unrelated=UNRELATED[::-1])
    suspects = [*COPIES, *UNRELATED]
    np.testing.assert_allclose(
        other.questions(4).distances(suspects), pool.questions(4).distances(suspects), atol=1e-12
    )


def test_probabilities_count_by_what_is_shared_with_the_owner():
    owner = believes(0.9, 0.2, 0.5, 0.5, 0.5, 0.5)
    copies = [believes(0.8, 0.2, 0.5, 0.5, 0.5, 0.5), believes(0.9, 0.3, 0.5, 0.5, 0.5, 0.5)]
    unrelated = [believes(*np.full(6, share)) for share in (0.4, 0.6)]
    questions = choose_questions(
        owner, POINTS, copies=copies, unrelated=unrelated, n_questions=2, answers="scores"
    )
    assert questions.indices.tolist() == [0, 1] and questions.plan.response == "predict_proba"
    d = questions.distances([owner, believes(*np.zeros(6))])
    np.testing.assert_allclose(d, [0, questions.weights @ [0.9, 0.2]], atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*(they share none|they share)")
def test_classes_are_matched_by_name():
    owner, same = (says(*"aaabbb", classes=names) for names in ("ab", "bca"))
    copies = [says(*"aabbba", classes="ab"), says(*"aaabaa", classes="ab")]
    unrelated = [says(*"abaabb", classes="ab"), says(*"bbacac", classes="abc")]
    questions = choose_questions(owner, POINTS, copies=copies, unrelated=unrelated, n_questions=4)
    assert questions.distances([same])[0] == 0
    with pytest.warns(UndefinedSignatureWarning, match=r"models \[1\] have none of the owner's"):
        distances = questions.distances([same, says(*"xxxyyy", classes="xy")])
    assert distances[0] == 0 and np.isnan(distances[1])


def test_each_suspect_is_asked_only_the_chosen_questions(pool, store):
    n_asked = []

    def count(X):
        n_asked.append(len(X))
        return np.zeros((len(X), 2)) + [1, 0]

    suspect = CallableQuery(count, model_id="suspect")
    questions = pool.questions(3)
    questions.distances([suspect], cache=store)
    assert sum(n_asked) <= 3 + 2  # a few are asked twice
    n_asked.clear()
    questions.distances([suspect], cache=store)
    assert sum(n_asked) <= 3  # to see whether it is still the same model


@pytest.mark.parametrize("kind", ["array", "texts", "frame"])
def test_questions_travel(kind, tmp_path):
    points = {
        "array": np.arange(12.0).reshape(6, 2),
        "texts": ["", "a", "bb", "ccc", "dddd", "eeeee"],
        "frame": pd.DataFrame({"a": np.arange(6.0), "b": list("uvwxyz")}),
    }[kind]

    number = {
        "array": lambda X: (X[:, 0] / 2).astype(int),
        "texts": lambda X: [len(text) for text in X],
        "frame": lambda X: X["a"].astype(int),
    }[kind]

    def model(*labels):
        def answer(X):
            return np.asarray(labels)[number(X)]

        return CallableQuery(answer, output="predict", classes=[0, 1])

    copies = [model(0, 0, 1, 1, 1, 0), model(0, 0, 0, 1, 0, 0)]
    unrelated = [model(0, 1, 0, 0, 1, 1), model(1, 1, 0, 1, 0, 1)]
    questions = choose_questions(
        model(0, 0, 0, 1, 1, 1), points, copies=copies, unrelated=unrelated, n_questions=3
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


def test_damaged_files_are_named(pool, tmp_path):
    path = tmp_path / "questions.npz"
    pool.questions(3).plan.save(path)
    with pytest.raises(ValueError, match=r"does not hold rehearsed questions.*save writes them"):
        RehearsedQuestions.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="does not hold rehearsed questions"):
        RehearsedQuestions.load(path)
    pool.questions(3).save(path)
    good = dict(np.load(path))
    for field, value in (("weights", good["weights"][:2]), ("weights", -good["weights"])):
        np.savez(path, **good | {field: value})
        with pytest.raises(ValueError, match=r"questions.npz' is damaged: weights"):
            RehearsedQuestions.load(path)


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
        ({"copies": [COPIES[0], OWNER]}, r"copies\[1\] is the owner's model itself.*Leave it out"),
        ({"unrelated": [*UNRELATED, OWNER]}, r"unrelated\[2\] is the owner's model itself"),
        ({"copies": [says(0, 0, 0, 1, 1, 1)] * 2}, "all copies agree with the owner on all 6"),
        ({"n_questions": 7}, "n_questions=7, but there are only 6 candidates. Lower n_questions"),
        ({"copies": UNRELATED, "unrelated": UNRELATED}, "no more than other models do on any of 6"),
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


def test_models_that_may_not_be_left_out(pool):
    with pytest.raises(ValueError, match="1 model in unrelated"):
        pool.choose(2, without=[3])


def test_constant_models_are_answers_like_any_other(pool):
    constant = DummyClassifier().fit(POINTS, [0, 0, 0, 0, 1, 1])
    assert 0 < pool.questions(4).distances([constant])[0] < 1
