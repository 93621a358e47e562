# SPDX-License-Identifier: BSD-3-Clause
"""Questions that were chosen without each unrelated model in turn, put to suspects."""

import re

import numpy as np
import pytest

from skzest import CallableQuery, UndefinedSignatureWarning
from skzest.rehearsal import PoolAnswers, ask_pool, left_out_questions

POINTS = np.arange(6.0)[:, None]


def says(*labels, **params):
    """A model of the points 0 to 5, by its labels."""
    table = np.asarray(labels)
    return CallableQuery(lambda X: table[X[:, 0].astype(int)], output="predict", **params)


@pytest.fixture
def questions():
    copies = [says(0, 0, 1, 1, 1, 0, classes=[0, 1]), says(0, 0, 0, 1, 0, 0, classes=[0, 1])]
    unrelated = [
        says(*labels, classes=[0, 1])
        for labels in ([0, 1, 0, 0, 1, 1], [1, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0])
    ]
    owner = says(0, 0, 0, 1, 1, 1, classes=[0, 1])
    return left_out_questions(ask_pool(owner, POINTS, copies=copies, unrelated=unrelated), 4)


def test_a_model_without_the_owners_classes_is_pointed_out(questions):
    known, stranger = [0, 0, 0, 1, 1, 0], says(*"xxxyyy", classes=["x", "y"])
    with pytest.warns(UndefinedSignatureWarning, match=r"models \[0\] have none of the owner's"):
        assert np.isnan(questions.distances([stranger])).all()
    [distances] = questions.distances([says(*known, classes=[0, 1])])
    assert distances.shape == (3,) and not np.isnan(distances).any()
    # The remedy that the warning names.
    renamed = CallableQuery(
        lambda X: np.eye(2)[np.take(known, X[:, 0].astype(int))], classes=[0, 1]
    )
    np.testing.assert_array_equal(questions.distances([renamed]), [distances])


def test_a_constant_model_has_no_distance_by_any_choice(questions):
    suspects = [says(*[label] * 6, classes=[0, 1]) for label in (0, 1)]
    suspects.insert(1, says(0, 0, 0, 1, 1, 0, classes=[0, 1]))
    with pytest.warns(UndefinedSignatureWarning, match=r"models \[0, 2\] gave the same answer to"):
        distances = questions.distances(suspects)
    assert np.isnan(distances).all(axis=1).tolist() == [True, False, True]
    assert not np.isnan(distances[1]).any()


# --- too few questions ----------------------------------------------------------------------


def drawn(seed, of_copies=0.4, of_unrelated=0.7):
    """Copies that agree with the owner less than others do, but for a third of 60 candidates."""
    rng = np.random.default_rng(seed)
    rates = np.repeat([of_copies, of_unrelated], [4, 9])
    agreement = (rng.random((13, 60)) < rates[:, None]).astype(float)
    if of_copies > 0.3:
        agreement[:4, :20] = rng.random((4, 20)) < 0.9
        agreement[4:, :20] = rng.random((9, 20)) < 0.6
    return PoolAnswers(
        np.arange(60.0)[:, None],
        "label",
        np.eye(2)[np.arange(60) % 2],
        np.array([0, 1]),
        agreement,
        np.repeat(["copy", "unrelated"], [4, 9]),
    )


CHOOSE = {"once": PoolAnswers.questions, "in turn": left_out_questions}


@pytest.mark.parametrize("seed", [13, 22])
@pytest.mark.parametrize(
    ("how", "n", "fact"),
    [("once", 2, "n_questions=2, but so few"), ("in turn", 9, "n_questions=9 are too few for 9")],
)
def test_too_few_questions_to_find_the_owner_name_a_number_that_does(how, n, fact, seed):
    pool = drawn(seed)
    with pytest.raises(ValueError, match=f"{fact}.*miss the owner's own model. Raise") as why:
        CHOOSE[how](pool, n)
    enough = int(re.search(r"Raise n_questions to (\d+)", str(why.value))[1])
    assert n < len(CHOOSE[how](pool, enough)) <= enough


@pytest.mark.parametrize(("seed", "n"), [(7, 16), (13, 24), (4, 20)])
def test_fewer_questions_that_would_miss_the_owner_do_not_stand_in_the_way(seed, n):
    pool = drawn(seed)
    questions = left_out_questions(pool, n)
    assert len(questions) <= n and all(choice.finds_owner for choice in questions.choices)
    # Smaller choices, which are looked at on the way, would be of no use.
    with pytest.raises(ValueError, match="miss the owner's own model"):
        left_out_questions(pool, 9)


@pytest.mark.parametrize("how", CHOOSE)
def test_copies_of_something_else_are_found_out_with_any_number(how):
    with pytest.raises(ValueError, match=r"copies agree with the owner less.*Make better"):
        CHOOSE[how](drawn(0, of_copies=0.1, of_unrelated=0.95), 9)
