# SPDX-License-Identifier: BSD-3-Clause
"""TabularMasker: draws from the reference, and columns that code one category."""

import numpy as np
import pytest
import strategies as sets
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skzest import LimeSignatureTransformer, QueryPlan, TabularMasker
from skzest.queries import CallableQuery
from skzest.testing import check_masker

RNG = np.random.default_rng(0)
# Columns 1, 2 and 3 code a category, which is mostly the last; column 4 is missing now and then.
TABLE = np.column_stack(
    [RNG.normal(size=50), np.eye(3)[RNG.choice(3, 50, p=[0.2, 0.1, 0.7])], RNG.normal(size=50)]
)
TABLE[::7, 4] = np.nan


def fill_of(masker, reference, n=0):
    container = masker.fit(reference).check_reference(reference)
    point = masker.point(container, n)
    return masker.fill_for(point, masker.cut(point))


# --- draws --------------------------------------------------------------------------------


def test_a_draw_is_a_row_of_the_reference():
    fills = [fill_of(TabularMasker(fill="draws"), TABLE, n) for n in range(50)]
    rows = {row.tobytes() for row in TABLE}
    assert all(fill.tobytes() in rows for fill in fills)
    assert len({fill.tobytes() for fill in fills}) > 20, "points have draws of their own"


def test_draws_depend_on_the_point_and_the_seed_alone():
    masker = TabularMasker(fill="draws").fit(TABLE)
    expected = masker.fill_for(TABLE[3], None)
    assert_array_equal(clone(masker).fit(TABLE).fill_for(TABLE[3].copy(), None), expected)
    others = [
        TabularMasker(fill="draws", random_state=seed).fit(TABLE).fill_for(TABLE[3], None)
        for seed in range(1, 9)
    ]
    assert sum(np.array_equal(other, expected, equal_nan=True) for other in others) < 3


def test_many_draws_come_to_the_mean():
    fill = fill_of(TabularMasker(fill="draws", n_draws=20_000), TABLE)
    assert_allclose(fill, np.nanmean(TABLE, axis=0), atol=0.05)


def test_draws_are_made_from_a_thousand_rows_at_most():
    table = np.arange(6000.0).reshape(3000, 2)
    masker = TabularMasker(fill="draws").fit(table)
    assert masker.background_.shape == (1000, 2)
    assert {row.tobytes() for row in masker.background_} < {row.tobytes() for row in table}


@pytest.mark.parametrize("n_draws", [1, 5])
def test_draws_of_data_frames_keep_dtypes(n_draws):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "float": [1.5, np.nan, 3.25, 4.0],
            "int": [1, 2, 3, 2**53 + 1],
            "word": ["a", "b", None, "é"],
            "kind": pd.Categorical(["x", "y", "x", "x"]),
            "flag": [True, False, True, True],
            "when": pd.to_datetime(["2020-01-01", None, "2022-01-01", "2020-01-01"]),
            "maybe": pd.array([1, None, 3, 3], dtype="Int64"),
        }
    )
    masker = TabularMasker(fill="draws", n_draws=n_draws)
    check_masker(masker, frame)
    for n in range(4):
        fill = fill_of(masker, frame, n)
        assert fill.dtypes.tolist() == frame.dtypes.tolist()
        if n_draws == 1:
            rows = [frame.iloc[[i]].reset_index(drop=True) for i in range(4)]
            same = [fill.equals(row) for row in rows]
            assert sum(same) == 1


def test_mean_of_signatures_over_draws_averages_what_the_model_says():
    table = np.nan_to_num(TABLE)

    def crooked(batch):
        return np.stack([batch[:, 0] * batch[:, 1], np.sin(batch[:, 4]), batch[:, 3]], axis=1)

    query = CallableQuery(crooked, output="logits")
    params = {"n_reference": 4, "n_samples": 32, "response": "raw"}
    limes = [
        LimeSignatureTransformer(
            table, masker=TabularMasker(fill="draws", random_state=seed), **params
        )
        for seed in range(5)
    ]
    signatures = [lime.fit_transform([query]) for lime in limes]
    # Least squares on the scores, averaged over draws mask by mask.
    plans = [lime.plan_ for lime in limes]
    for n in range(4):
        masks = plans[0].masks[n]
        scores = [
            crooked(p.masker.render(p.point(n), p.parts[n].astype(int), p.fills[n], masks))
            for p in plans
        ]
        A = np.column_stack([masks, np.ones(len(masks))])
        expected = np.linalg.lstsq(A, np.mean(scores, axis=0), rcond=None)[0][:-1]
        columns = plans[0].column_point == n
        mean = np.mean(signatures, axis=0).reshape(3, -1)[:, columns]
        assert_allclose(mean, expected.T, atol=1e-10)
        assert np.ptp(signatures, axis=0).max() > 0.1, "draws must differ"


def test_plan_with_draws_is_saved(tmp_path):
    model = LogisticRegression().fit(np.nan_to_num(TABLE), TABLE[:, 1])
    masker = TabularMasker(fill="draws", one_hot=[[1, 2, 3]])
    lime = LimeSignatureTransformer(
        np.nan_to_num(TABLE), masker=masker, n_reference=5, n_samples=20
    )
    signature = lime.fit_transform([model])
    lime.plan_.save(tmp_path / "plan.npz")
    plan = QueryPlan.load(tmp_path / "plan.npz")
    assert plan.digest == lime.plan_.digest
    assert_array_equal(LimeSignatureTransformer.from_plan(plan).fit_transform([model]), signature)


@pytest.mark.parametrize("n_draws", [0, -1])
def test_draws_are_at_least_one(n_draws):
    with pytest.raises(ValueError, match=f"n_draws={n_draws} must be at least 1"):
        TabularMasker(fill="draws", n_draws=n_draws).fit(TABLE)


# --- one category in several columns --------------------------------------------------------


@pytest.mark.parametrize("fill", ["mean", "median", "mode"])
def test_one_hot_columns_become_the_most_frequent_category(fill):
    masker = TabularMasker(one_hot=[[1, 2, 3]], fill=fill)
    assert fill_of(masker, TABLE)[1:4].tolist() == [0, 0, 1]
    assert masker.parts_.tolist() == [0, 1, 1, 1, 2]
    loose = fill_of(TabularMasker(groups=[[1, 2, 3]], fill="mean"), TABLE)[1:4]
    assert ((loose > 0) & (loose < 1)).all(), "a mere group has shares"


def test_no_category_may_be_the_most_frequent():
    codes = np.array([[0, 0], [1, 0], [0, 0], [0, 1], [0, 0]])
    assert fill_of(TabularMasker(one_hot=[[0, 1]]), codes).tolist() == [0, 0]
    assert fill_of(TabularMasker(one_hot=[[0, 1]]), codes[1:4]).tolist() == [1, 0]


def test_missing_codes_are_not_counted():
    codes = np.array([[0, 1.0], [np.nan, 0], [1, np.nan], [1, 0], [0, 1]])
    assert fill_of(TabularMasker(one_hot=[[0, 1]]), codes).tolist() == [0, 1]


def test_zero_and_given_values_stay_as_they_are():
    assert fill_of(TabularMasker(one_hot=[[1, 2, 3]], fill="zero"), TABLE)[1:4].tolist() == [0] * 3
    given = TabularMasker(one_hot=[[1, 2, 3]], fill={1: 1, 3: 0})
    assert fill_of(given, TABLE)[1:4].tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "Int64", "boolean"])
def test_dummies_of_pandas_are_one_hot(dtype):
    pd = pytest.importorskip("pandas")
    town = pd.Series(["Rome", "Oslo", "Oslo", "Lima"])
    frame = pd.get_dummies(town).astype(dtype).assign(age=[1.0, 2.0, 3.0, 4.0])
    masker = TabularMasker(one_hot=[["Lima", "Oslo", "Rome"]])
    fill = fill_of(masker, frame)
    assert fill.iloc[0].tolist() == [0, 1, 0, 2.5]
    assert fill.dtypes.tolist() == frame.dtypes.tolist()
    check_masker(masker, frame)


@pytest.mark.parametrize("n_draws", [1, 7])
@pytest.mark.parametrize("fill", ["mean", "draws"])
def test_hidden_codes_are_always_a_category(fill, n_draws):
    masker = TabularMasker(one_hot=[[1, 2, 3]], fill=fill, n_draws=n_draws)
    for n in range(50):
        assert sorted(fill_of(masker, TABLE, n)[1:4]) == [0, 0, 1]


@pytest.mark.parametrize(
    ("one_hot", "match"),
    [
        ([[0, 1]], r"columns are \[.*\] in row 0 of the reference; they must be 0 or 1"),
        ([[1, 1]], "column 1 is named twice"),
        ([[]], "it must be a list of lists"),
        ([[9]], "there is no column 9"),
    ],
)
def test_columns_that_are_no_code(one_hot, match):
    with pytest.raises(ValueError, match=match):
        TabularMasker(one_hot=one_hot).fit(TABLE)


def test_two_categories_at_once_are_no_code():
    with pytest.raises(ValueError, match=r"\[1.0, 1.0\] in row 1 of .* hidden together in groups="):
        TabularMasker(one_hot=[[0, 1]]).fit(np.array([[1, 0], [1, 1]]))


def test_a_column_of_text_is_no_code():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"town": ["Oslo", "Rome"], "age": [1, 2]})
    with pytest.raises(ValueError, match=r"columns \['town'\] that are not numeric"):
        TabularMasker(one_hot=[["town"]]).fit(frame)


# --- what holds for every table ---------------------------------------------------------------


@settings(max_examples=100)
@given(sets.tables(), st.integers(1, 4), sets.seeds)
def test_draws_conform(table, n_draws, seed):
    check_masker(TabularMasker(fill="draws", n_draws=n_draws, random_state=seed), table)


@settings(max_examples=20)
@given(sets.frames(), st.integers(1, 3))
def test_draws_of_data_frames_conform(frame, n_draws):
    pytest.importorskip("pandas")
    check_masker(TabularMasker(fill="draws", n_draws=n_draws), frame, n_points=1)


@settings(max_examples=75)
@given(sets.tables(), st.integers(2, 4), st.sampled_from(["mean", "mode", "draws"]), sets.seeds)
def test_one_hot_conforms(table, n_codes, fill, seed):
    rng = np.random.default_rng(seed)
    # Codes of some category, or of none
    codes = np.eye(n_codes + 1)[rng.integers(n_codes + 1, size=len(table)), :n_codes]
    both = np.column_stack([table, codes.astype(table.dtype)])
    columns = list(range(table.shape[1], both.shape[1]))
    masker = TabularMasker(one_hot=[columns], fill=fill)
    check_masker(masker, both)
    hidden = fill_of(masker, both)[columns]
    assert set(hidden.tolist()) <= {0, 1}
    assert hidden.sum() <= 1
