# SPDX-License-Identifier: BSD-3-Clause
"""Questions that were chosen without each unrelated model in turn, put to suspects."""

import numpy as np
import pytest

from skzest import CallableQuery, UndefinedSignatureWarning
from skzest.rehearsal import ask_pool, left_out_questions

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
