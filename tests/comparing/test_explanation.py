# SPDX-License-Identifier: BSD-3-Clause
"""Shares of a distance: they add up, and they say where the difference is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skzest import (
    AudioMasker,
    CallableQuery,
    DesignMismatchError,
    ImageMasker,
    LimeSignatureTransformer,
    TabularMasker,
    TextMasker,
    explain_distance,
    zest_distances,
)


def counts(word_weights):
    """A model of two classes that counts words."""

    def scores(texts):
        z = np.array([[sum(w * t.count(k) for k, w in word_weights.items())] for t in texts])
        return np.hstack([z, -z])

    return CallableQuery(scores, output="logits", classes=["liked", "not"])


def plan_of(texts=("a good film", "a bad and very long film indeed", "so so"), **params):
    lime = LimeSignatureTransformer(
        list(texts), n_samples=64, sampling="foldover", random_state=0, **params
    )
    return lime.fit([counts({"good": 1.0})])


@pytest.fixture(scope="module")
def lime():
    fitted = plan_of()
    assert sorted(fitted.plan_.n_parts) == [2, 3, 7]  # ragged, or the tests would say little
    return fitted


def rows(plan, n_classes, seed, gap=1.0):
    rng = np.random.default_rng(seed)
    S1 = rng.normal(size=n_classes * plan.n_components)
    return S1, S1 + gap * rng.normal(size=S1.size)


# ---------------------------------------------------------------- sums


@given(
    seed=st.integers(0, 10_000),
    n_classes=st.integers(1, 4),
    gap=st.sampled_from([1e-8, 1e-3, 0.3, 5.0]),
    scale=st.sampled_from([1e-180, 1.0, 3.0, 1e180]),
    n_missing=st.integers(0, 3),
)
def test_shares_are_never_negative_and_sum_to_the_distance(
    lime, seed, n_classes, gap, scale, n_missing
):
    plan = lime.plan_
    S1, S2 = rows(plan, n_classes, seed, gap)
    rng = np.random.default_rng(seed)
    for c in rng.permutation(n_classes)[: min(n_missing, n_classes - 1)]:
        (S1, S2)[rng.integers(2)].reshape(n_classes, -1)[c] = np.nan
    explanation = explain_distance(S1, scale * S2, plan)
    distance = zest_distances(S1, scale * S2, n_classes=n_classes)
    assert distance > 0
    assert (explanation.shares >= 0).all()
    assert_allclose(explanation.distance, distance, rtol=1e-8, atol=1e-12)
    for total in (
        explanation.shares.sum(),
        explanation.by_point.sum(),
        explanation.by_class.sum(),
        sum(explanation.by_part(n).sum() for n in range(len(plan))),
        sum(term.share for term in explanation.top(explanation.shares.size)),
    ):
        assert abs(total - distance) <= 1e-12
    assert len(explanation.classes) + len(explanation.left_out) == n_classes


def test_shares_by_hand(lime):
    # One class. Unit vectors (0.6, 0.8, 0, ...) and (0.6, 0, 0.8, ...): cos = 0.36.
    plan = lime.plan_
    S1, S2 = np.zeros((2, plan.n_components))
    S1[:2], S2[[0, 2]] = [3, 4], [6, 8]
    explanation = explain_distance(S1, S2, plan)
    expected = np.zeros(plan.n_components)
    expected[1:3] = 0.32
    assert_allclose(explanation.shares[0], expected)
    assert_allclose(explanation.distance, 0.64)
    assert_allclose(explanation.by_class, [0.64])
    first = explanation.top(2)
    assert [term.share for term in first] == pytest.approx([0.32, 0.32])
    assert [(term.first, term.second) for term in first] == [(0.8, 0.0), (0.0, 0.8)]


def test_parts_and_points_are_blocks_of_the_columns(lime):
    plan = lime.plan_
    explanation = explain_distance(*rows(plan, 2, 0), plan)
    for n in range(3):
        assert explanation.at(n).shape == (2, plan.n_parts[n])
        assert_array_equal(explanation.at(n), explanation.shares[:, plan.column_point == n])
        assert_array_equal(explanation.by_part(n), explanation.at(n).sum(axis=0))
        assert_allclose(explanation.by_part(n).sum(), explanation.by_point[n])


def test_the_order_of_the_two_models_does_not_matter(lime):
    S1, S2 = rows(lime.plan_, 2, 3)
    there, back = (explain_distance(*pair, lime.plan_) for pair in ((S1, S2), (S2, S1)))
    assert_array_equal(there.shares, back.shares)
    assert_array_equal(there.units, back.units[::-1])


def test_equal_models_have_no_shares(lime):
    S1, _ = rows(lime.plan_, 2, 0)
    explanation = explain_distance(S1, S1, lime.plan_)
    assert explanation.distance == 0.0
    assert not explanation.shares.any()


def test_shares_cannot_be_written_to(lime):
    explanation = explain_distance(*rows(lime.plan_, 2, 0), lime.plan_)
    for array in (explanation.shares, explanation.units):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


# ---------------------------------------------------------------- what they say


def test_the_word_that_one_model_ignores_comes_first(lime):
    S = lime.transform([counts({"good": 1.0, "bad": -1.0}), counts({"good": 1.0})])
    explanation = explain_distance(S[0], S[1], lime.plan_, classes=lime.classes_)
    assert {term.name for term in explanation.top(2)} == {"bad"}
    assert {term.label for term in explanation.top(2)} == {"liked", "not"}
    texts = [lime.plan_.point(n) for n in range(3)]
    assert "bad" in texts[explanation.by_point.argmax()]
    assert explanation.digest == lime.plan_.digest


def test_labels_come_from_column_names(lime):
    pd = pytest.importorskip("pandas")
    S = lime.transform([counts({"good": 1.0}), counts({"bad": 1.0})])
    frame = pd.DataFrame(S, columns=lime.get_feature_names_out())
    assert explain_distance(frame.iloc[0], frame.iloc[1], lime.plan_).classes == ("liked", "not")
    assert explain_distance(S[0], S[1], lime.plan_).classes == (0, 1)
    other = plan_of(texts=["so so", "never again"]).plan_
    with pytest.raises(DesignMismatchError, match="S1 and plan were asked different questions"):
        explain_distance(frame.iloc[0], frame.iloc[1], other)


def test_classes_that_one_model_lacks_are_left_out(lime):
    plan = lime.plan_
    S1, S2 = rows(plan, 3, 0)
    S1.reshape(3, -1)[1] = np.nan
    explanation = explain_distance(S1, S2, plan, classes=["a", "b", "c"])
    assert explanation.classes == ("a", "c")
    assert explanation.left_out == ("b",)
    assert explanation.shares.shape == (2, plan.n_components)
    assert {term.label for term in explanation.top(100)} == {"a", "c"}


def test_names_of_parts():
    fill = {"n_samples": 64, "sampling": "foldover"}
    scores = CallableQuery(
        lambda X: np.array([[np.sum(x, dtype=float), 0.0] for x in X]), output="logits"
    )

    def first(reference, masker):
        lime = LimeSignatureTransformer(reference, masker=masker, **fill).fit([scores])
        return lime.plan_.part_names(0)

    wave = np.sin(np.arange(800.0))
    names = first([wave], AudioMasker(8000, n_segments=4))
    assert names == ["0–0.025 s", "0.025–0.05 s", "0.05–0.075 s", "0.075–0.1 s"]
    grid = ImageMasker("grid", segmenter_params={"shape": (1, 2)})
    assert first(np.random.default_rng(0).normal(size=(1, 4, 4)), grid) == ["part 0", "part 1"]
    names = first(np.ones((1, 3)), TabularMasker(fill="zero"))
    assert names == ["column 0", "column 1", "column 2"]
    lengths = CallableQuery(lambda X: np.array([[len(x), 0.0] for x in X]), output="logits")
    lime = LimeSignatureTransformer(["so good, so bad"], masker=TextMasker(unique=True), **fill)
    assert lime.fit([lengths]).plan_.part_names(0) == ["so (×2)", "good", "bad"]


def test_components_of_passthrough_are_masks():
    lime = plan_of(surrogate="passthrough")
    S = lime.transform([counts({"good": 1.0}), counts({"good": 1.0, "bad": 1.0})])
    explanation = explain_distance(S[0], S[1], lime.plan_)
    assert_allclose(explanation.distance, zest_distances(S[0], S[1]))
    assert explanation.top(1)[0].name.startswith("mask ")


# ---------------------------------------------------------------- bad input


def test_a_model_without_direction_is_refused(lime):
    S1, S2 = rows(lime.plan_, 2, 0)
    with pytest.raises(ValueError, match="S2 is zero in all 2 classes that both models have"):
        explain_distance(S1, np.zeros_like(S1), lime.plan_)
    W1, W2 = S1.reshape(2, -1), S2.reshape(2, -1)
    W1[0], W2[1] = 0.0, np.nan
    with pytest.raises(ValueError, match="S1 is zero in all 1 classes"):
        explain_distance(S1, S2, lime.plan_)


def test_models_without_a_common_class_are_refused(lime):
    S1, S2 = rows(lime.plan_, 2, 0)
    S1.reshape(2, -1)[0] = S2.reshape(2, -1)[1] = np.nan
    with pytest.raises(ValueError, match="no class in common"):
        explain_distance(S1, S2, lime.plan_)


def test_a_class_that_is_missing_in_part_is_refused(lime):
    S1, S2 = rows(lime.plan_, 2, 0)
    S2[-1] = np.nan
    with pytest.raises(
        ValueError, match="row 0 of S2 is NaN in 1 of the 12 columns of class block 1"
    ):
        explain_distance(S1, S2, lime.plan_, classes=["a", "b"])


@pytest.mark.parametrize("classes", [["a"], [["a", "b"]], ["a", "b", "c"]], ids=str)
def test_labels_of_another_number_are_refused(lime, classes):
    with pytest.raises(ValueError, match=r"expected \(2,\), one label for each class"):
        explain_distance(*rows(lime.plan_, 2, 0), lime.plan_, classes=classes)


def test_shares_of_columns_add_up_over_points():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = CallableQuery(lambda X: X[:, :2], output="logits")
    lime = LimeSignatureTransformer(X, n_reference=5, n_samples=16).fit([model])
    explanation = explain_distance(*rows(lime.plan_, 2, 0), lime.plan_)
    by_name = explanation.by_name
    assert [*by_name.values()] == sorted(by_name.values(), reverse=True)
    assert_allclose(sum(by_name.values()), explanation.distance)
    of_column = sum(explanation.by_part(n)[1] for n in range(5))
    assert_allclose(by_name["column 1"], of_column)
    first, share = next(iter(by_name.items()))
    expected = f"Over all points and classes: {first} {share / explanation.distance:.1%}, "
    assert explanation.has_common_names and expected in str(explanation)


def test_words_that_differ_from_text_to_text_are_not_summed_up_in_print(lime):
    explanation = explain_distance(*rows(lime.plan_, 2, 0), lime.plan_)
    assert not explanation.has_common_names and "Over all points" not in str(explanation)
    repeated = [t.name for t in explanation.top(1000) if t.name == "a"]
    assert len(repeated) == 4  # in two texts, for two classes
    of_a = sum(t.share for t in explanation.top(1000) if t.name == "a")
    assert_allclose(explanation.by_name["a"], of_a)


def test_points_are_shown_by_position_and_row():
    lime = plan_of([f"good film {'really ' * n}number {n}" for n in range(9)], n_reference=3)
    explanation = explain_distance(*rows(lime.plan_, 2, 0), lime.plan_)
    lines = str(explanation).splitlines()
    for line, term in zip(lines[1:], explanation.top()):
        assert lime.plan_.indices[term.point] == term.row
        assert line.removeprefix(term.name).split()[:2] == [f"{term.point}", f"{term.row}"]


def test_points_and_counts_that_do_not_exist_are_refused(lime):
    of_part = plan_of([f"good film number {n}" for n in range(50)], n_reference=3)
    explanation = explain_distance(*rows(lime.plan_, 2, 0), lime.plan_)
    with pytest.raises(ValueError, match="n=3, but the plan has 3 points"):
        explanation.by_part(3)
    with pytest.raises(ValueError, match="at least 0"):
        explanation.at(-1)
    row = int(np.setdiff1d(of_part.plan_.indices, range(3))[0])
    other = explain_distance(*rows(of_part.plan_, 2, 0), of_part.plan_)
    with pytest.raises(ValueError, match=f"n={row}, but .* Row {row} of the .* is point") as error:
        other.at(row)
    n = int(str(error.value).rstrip(".").rsplit(" ", 1)[1])
    assert of_part.plan_.indices[n] == row and other.at(n).shape[0] == 2
    with pytest.raises(ValueError, match="k must be at least 1"):
        explanation.top(0)
    with pytest.raises(TypeError, match=r"S1 must be numbers; got a model .*fit_transform\(models"):
        explain_distance(counts({"a": 1.0}), counts({"a": 2.0}), lime.plan_)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        explain_distance(*rows(lime.plan_, 2, 0), "plan")
    with pytest.raises(ValueError, match="S1 has 36 columns and S2 has 24"):
        explain_distance(rows(lime.plan_, 3, 0)[0], rows(lime.plan_, 2, 0)[0], lime.plan_)
