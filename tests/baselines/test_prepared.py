# SPDX-License-Identifier: BSD-3-Clause
"""Questions that the owner's model fixes once, and that others are asked later."""

from dataclasses import replace

import numpy as np
import pytest
from counting import Counted, CountedRegression
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from skzest import CallableQuery, LimeSignatureTransformer, zest_distances
from skzest.baselines import BASELINES, baseline_distances, prepare_questions
from skzest.exceptions import UndefinedSignatureWarning

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5))
Y = np.argmax(X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(200, 3)), axis=1)
LATER = X[100:], Y[100:]


def _models(n, kind=CountedRegression):
    rows = [np.random.default_rng(i).permutation(100)[:60] for i in range(n)]
    return [kind().fit(X[r], Y[r]) for r in rows]


ZOO = _models(4)
LIME = LimeSignatureTransformer(X, n_reference=8, n_samples=16).fit(ZOO)
NAMES = ["zest", *BASELINES]


def test_distances_are_those_of_all_models_at_once():
    owner, *others = ZOO
    questions = prepare_questions(owner, LIME.plan_, *LATER, names=NAMES)
    found = questions.distances(others)
    assert questions.names == tuple(NAMES) and found.shape == (3, len(NAMES))
    at_once = baseline_distances(ZOO, LIME.plan_, *LATER, names=list(BASELINES))
    at_once["zest"] = zest_distances(LIME.transform(ZOO))
    for name, of_one in zip(NAMES, found.T):
        assert_allclose(of_one, at_once[name][0, 1:], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "params",
    [{"surrogate": Ridge(positive=True)}, {"surrogate": "passthrough"}, {"kernel_width": 1.0}],
)
def test_zest_is_that_of_the_transformer(params):
    lime = LimeSignatureTransformer(X, n_reference=4, n_samples=16, **params)
    D = zest_distances(lime.fit_transform(ZOO))
    found = prepare_questions(ZOO[0], lime.plan_, names=["zest"]).distances(ZOO[1:])
    assert_allclose(found[:, 0], D[0, 1:], rtol=1e-9)


def test_owner_is_asked_once_and_others_the_stated_number(one_row_is_looked_at_first):
    owner, other = (Counted(model.predict_proba) for model in ZOO[:2])
    by_answers = NAMES[:-1]
    questions = prepare_questions(
        owner.query("predict_proba"), LIME.plan_, *LATER, names=by_answers
    )
    assert questions.n_questions <= 4 * LIME.plan_.n_queries + len(LATER[0])
    owner.n_rows = 0
    questions.distances([other.query("predict_proba")])
    again = other.n_rows - questions.n_questions
    assert 0 < again <= 2 * 5  # each of five runs begins with a row that is asked twice
    assert owner.n_rows == 0


def test_what_is_undefined_is_nan():
    owner = ZOO[0]
    tree = DecisionTreeClassifier(max_depth=3).fit(X, Y)
    strange = CountedRegression().fit(X, Y + 10)
    questions = prepare_questions(owner, LIME.plan_, *LATER, names=NAMES)
    with pytest.warns(UserWarning, match="they share none"):
        found = questions.distances([tree, strange])
    undefined = {name for name, d in zip(NAMES, found.T) if np.isnan(d[0])}
    assert undefined == {"weights"}
    defined = {name for name, d in zip(NAMES, found.T) if np.isfinite(d[1])}
    assert defined == {"ddv", "correlation"}  # classes need not correspond


def test_models_that_give_only_labels_keep_the_distances_of_labels():
    owner, one, other = ZOO[:3]
    says = CallableQuery(other.predict, output="predict", classes=owner.classes_)
    names = NAMES[:-1]  # without weights
    questions = prepare_questions(owner, LIME.plan_, *LATER, names=names)
    with pytest.warns(UndefinedSignatureWarning, match=r"models\[1\].*only labels.*'zest'"):
        D = questions.distances([one, says])
    of_labels = np.isin(names, ["copy labels", "predictions", "boundary", "mistakes"])
    assert_allclose(D[0], questions.distances([one])[0])
    assert_allclose(D[1][of_labels], questions.distances([other])[0][of_labels])
    assert np.isnan(D[1][~of_labels]).all() and (D[1][of_labels] > 0).all()
    labelled = replace(LIME.plan_, response="label")
    found = prepare_questions(owner, labelled, names=["zest"]).distances([says])
    assert np.isfinite(found).all()  # the remedy


def test_errors_name_models_by_their_place_beside_those_that_give_only_labels():
    owner, one = ZOO[:2]
    says = CallableQuery(one.predict, output="predict", classes=owner.classes_)
    questions = prepare_questions(owner, LIME.plan_, names=["zest"])
    with pytest.raises(NotFittedError, match=r"models\[1\]"):
        questions.distances([says, LogisticRegression()])


def test_classes_that_later_models_lack_or_add_are_matched_by_label():
    some = np.flatnonzero(Y > 0)
    fewer = CountedRegression().fit(X[some], Y[some])
    for owner, other in ((ZOO[0], fewer), (fewer, ZOO[0])):
        questions = prepare_questions(owner, LIME.plan_, names=["zest", "passthrough"])
        found = questions.distances([other])[0]
        lime = LimeSignatureTransformer(X, n_reference=8, n_samples=16)
        assert_allclose(found[0], zest_distances(lime.fit_transform([owner, other]))[0, 1])
        assert np.isfinite(found).all()


def test_wrong_names_are_refused_before_the_first_question():
    CountedRegression.n_rows = 0
    for names, y, message in (
        (["zest", "zests"], None, "each of names must be 'zest', .* Did you mean 'zest'"),
        (["zest", "zest"], None, "names must be different distances"),
        ([], None, r"names is empty. Give at least one of 'zest'"),
        (["mistakes"], LATER[1][:5], r"y has shape \(5,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare_questions(ZOO[0], LIME.plan_, LATER[0], y, names=names)
    assert CountedRegression.n_rows == 0
    forest = DecisionTreeClassifier().fit(X, Y)
    with pytest.raises(TypeError, match=r"^the owner's model \(\w+\) has no weights to"):
        prepare_questions(forest, LIME.plan_, names=["weights"])
