# SPDX-License-Identifier: BSD-3-Clause
"""What the columns of a signature are called, and what can be read off that."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skzest.exceptions import DesignMismatchError
from skzest.plan import (
    check_same_columns,
    check_same_design,
    class_labels,
    feature_names,
    names_of,
    parse_feature_names,
)

DIGEST = "3f2a91bc" + 56 * "0"
OTHER = "91bc0000" + 56 * "0"


def names(classes=("cat", "dog", "cow"), digest=DIGEST, kind="part"):
    return feature_names(classes, [7, 7, 40], [0, 1, 0], digest, kind)


def test_names_are_class_major_and_carry_point_part_and_digest():
    assert names().tolist() == [
        "cat__point7__part0__3f2a91bc",
        "cat__point7__part1__3f2a91bc",
        "cat__point40__part0__3f2a91bc",
        "dog__point7__part0__3f2a91bc",
        "dog__point7__part1__3f2a91bc",
        "dog__point40__part0__3f2a91bc",
        "cow__point7__part0__3f2a91bc",
        "cow__point7__part1__3f2a91bc",
        "cow__point40__part0__3f2a91bc",
    ]
    assert names(kind="mask")[1] == "cat__point7__mask1__3f2a91bc"
    assert names().dtype == object


@pytest.mark.parametrize("label", [3, np.int64(3), np.str_("3"), "3"])
def test_labels_of_numpy_and_python_are_named_alike(label):
    assert feature_names([label], [0], [0], DIGEST)[0] == "3__point0__part0__3f2a91bc"


@given(
    labels=st.lists(st.text() | st.integers().map(str), min_size=1, max_size=6, unique=True),
    columns=st.lists(
        st.tuples(st.integers(0, 999), st.integers(0, 99)), min_size=1, max_size=6, unique=True
    ),
    kind=st.sampled_from(["part", "mask"]),
)
def test_what_was_built_can_be_parsed_whatever_the_labels(labels, columns, kind):
    built = feature_names(labels, *zip(*columns), DIGEST, kind)
    assert parse_feature_names(built) == (len(labels), "3f2a91bc")
    assert class_labels(built).tolist() == labels


@pytest.mark.parametrize("foreign", [None, [], ["a", "b"], [0, 1], [*names(), "age"]])
def test_foreign_names_tell_nothing(foreign):
    assert parse_feature_names(foreign) == (None, None)
    assert class_labels(foreign) is None


@pytest.mark.parametrize(
    "columns",
    [
        names()[[1, 0, *range(2, 9)]],
        names()[1:],
        names()[:-1],
        names()[[0, 3, 6, 1, 4, 7, 2, 5, 8]],
    ],
    ids=["two swapped", "first left out", "last left out", "component-major"],
)
def test_columns_that_were_moved_or_left_out_keep_the_design_but_not_the_classes(columns):
    assert parse_feature_names(columns) == (None, "3f2a91bc")


def test_two_designs_side_by_side_have_no_single_digest():
    assert parse_feature_names([*names(), *names(digest=OTHER)]) == (None, None)


def test_names_of_frames_and_their_rows_only():
    frame = pd.DataFrame(np.zeros((2, 9)), columns=names())
    assert names_of(frame).tolist() == names_of(frame.iloc[0]).tolist() == names().tolist()
    assert names_of(pd.DataFrame(np.zeros((2, 3)))) is None
    assert names_of(pd.Series([1.0, 2.0])) is None
    for unnamed in (np.zeros((2, 3)), [[1.0]], None):
        assert names_of(unnamed) is None


def test_different_designs_are_refused_by_both_digests():
    with pytest.raises(DesignMismatchError, match="X and Y were asked different questions"):
        check_same_columns(names(), names(digest=OTHER), "X", "Y")
    with pytest.raises(DesignMismatchError, match=r"\(designs 3f2a91bc, 91bc0000\)"):
        check_same_design(names(), OTHER, "X", "points")


def test_what_is_not_known_is_not_refused():
    check_same_design(None, OTHER, "X", "points")
    check_same_design(["a"], OTHER, "X", "points")
    check_same_columns(None, names(), "X", "Y")
    check_same_columns(names(), names(), "X", "Y")


def test_another_order_is_refused_by_the_first_column_that_moved():
    with pytest.raises(ValueError, match=r"different order \(column 1 is 'b' and 'c'\)"):
        check_same_columns(["a", "b", "c"], ["a", "c", "b"], "X", "Y")


def test_other_classes_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"\(9 and 6 columns; 'cow__.*Fit one Lime"):
        check_same_columns(names(), names(["cat", "dog"]), "X", "Y")
