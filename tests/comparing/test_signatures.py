# SPDX-License-Identifier: BSD-3-Clause
"""Signatures.of: what it accepts and knows, and one refusal for everything that compares."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skzest import (
    CallableQuery,
    ClassAligner,
    DesignMismatchError,
    LimeSignatureTransformer,
    ZestDistanceTransformer,
    crossvalidated_distances,
    distance_interval,
    explain_distance,
    reference_curve,
    relative_distances,
    zest_distances,
)
from skzest.comparing import Signatures
from skzest.plan import feature_names

nan = np.nan


@pytest.fixture(scope="module")
def plan():
    """Questions about 3 points of 2 columns: 6 components for each class."""
    X = np.random.default_rng(0).normal(size=(9, 2))
    model = CallableQuery(lambda X: X @ [[1.0, 2.0, -1.0], [0.5, -1.0, 1.0]], output="logits")
    return LimeSignatureTransformer(X, n_reference=3, n_samples=8).fit([model]).plan_


def test_rows_by_hand():
    S = Signatures.of([[1, 2, 3, 4], [0, 0, nan, nan], [nan, nan, nan, nan]], "S", n_classes=2)
    assert S.rows.dtype == np.float64 and len(S) == 3
    assert S.present.tolist() == [[True, True], [True, False], [False, False]]
    assert S.constant.tolist() == [False, True, False]
    assert S.defined.tolist() == [True, False, False]
    assert not S.complete and S.only(S.defined).complete
    assert S.blocks[0].tolist() == [[1, 2], [3, 4]]


def test_one_row_is_one_model():
    S = Signatures.of([1.0, 2.0], "S")
    assert S.rows.shape == (1, 2) and S.n_classes is None and S.complete


def test_columns_are_blocks_where_classes_are_unknown():
    S = Signatures.of([[1.0, nan, 2.0], [1.0, 2.0, 3.0]], "S")
    assert S.present.tolist() == [[True, False, True], [True, True, True]]
    ours, theirs = S.present_beside(Signatures.of([[1.0, 1.0, 1.0]], "T"))
    assert_array_equal(ours, S.present)
    assert theirs.tolist() == [[True, True, True]]


def test_tiny_and_huge_rows_are_not_constant():
    S = Signatures.of([[1e-300, 0.0], [1e300, 1.0], [5e-324, 0.0], [0.0, -0.0]], "S")
    assert S.constant.tolist() == [False, False, False, True]


def test_number_of_classes_comes_from_argument_names_or_plan(plan):
    names = feature_names(["cat", "dog"], [0, 0, 4], [0, 1, 0], "3f2a91bc")
    frame = pd.DataFrame(np.ones((2, 6)), columns=names)
    assert Signatures.of(frame, "S").n_classes == 2
    assert Signatures.of(np.ones((2, 6)), "S", names=names).n_classes == 2
    assert Signatures.of(np.ones((2, 6)), "S", n_classes=3).n_classes == 3
    assert Signatures.of(np.ones((2, 18)), "S", plan=plan).n_classes == 3
    with pytest.raises(ValueError, match=r"feature names have 2 classes\. Leave n_classes out"):
        Signatures.of(frame, "S", n_classes=3)
    assert Signatures.of(frame, "S", n_classes=None).n_classes == 2  # as the message advises
    with pytest.raises(ValueError, match="'this' must know the class blocks"):
        Signatures.of(np.ones((2, 6)), "S", needed="'this'")
    with pytest.raises(ValueError, match="S has 7 columns, and the plan 6 components per class"):
        Signatures.of(np.ones(7), "S", plan=plan)
    with pytest.raises(DesignMismatchError, match="S and plan were asked different questions"):
        Signatures.of(frame, "S", plan=plan)


def test_rows_of_strided_arrays_give_a_symmetric_matrix():
    S = np.repeat(np.random.default_rng(0).normal(size=(31, 77)), 2, axis=1)[:, ::2]
    assert not S.flags.forc
    D = zest_distances(S)
    assert_array_equal(D, D.T)


def test_signatures_of_other_widths_are_not_comparable():
    S = Signatures.of(np.ones((2, 6)), "ours")
    S.check_comparable(Signatures.of(np.ones(6), "theirs"))
    with pytest.raises(ValueError, match=r"ours has 6 columns and theirs has 4; .* equally wide"):
        S.check_comparable(Signatures.of(np.ones(4), "theirs"))


def test_label_of_a_torn_class_is_named():
    names = feature_names(["cat", "dog"], [0, 0], [0, 1], "3f2a91bc")
    S = pd.DataFrame([[1.0, 2.0, 3.0, nan]], columns=names)
    with pytest.raises(ValueError, match=r"1 of the 2 columns of class block 1 \('dog'\)"):
        Signatures.of(S, "S")


# ---------------------------------------------------------------- everything that compares

EVERYTHING = {
    "distances": lambda S, plan: zest_distances(S, n_classes=3),
    "to others": lambda S, plan: zest_distances(S[:1], S, n_classes=3),
    "pair": lambda S, plan: zest_distances(S[0], S[1], n_classes=3),
    "aligned": lambda S, plan: zest_distances(S, n_classes=3, alignment="greedy"),
    "transformer": lambda S, plan: ZestDistanceTransformer(n_classes=3).fit(S),
    "transform": lambda S, plan: ZestDistanceTransformer(n_classes=3).fit(S[:1]).transform(S),
    "aligner": lambda S, plan: ClassAligner(n_classes=3).fit(S),
    "align": lambda S, plan: ClassAligner(n_classes=3).fit(S[:1]).transform(S),
    "match": lambda S, plan: ClassAligner(n_classes=3).fit(S[:1]).match(S),
    "interval": lambda S, plan: distance_interval(S[0], S[1], plan),
    "explanation": lambda S, plan: explain_distance(S[0], S[1], plan),
    "curve": lambda S, plan: reference_curve(S, plan, n_repeats=2),
    "cross-validated": lambda S, plan: crossvalidated_distances(
        *(
            pd.DataFrame(
                S, columns=feature_names("abc", plan.column_point, plan.column_part, digest)
            )
            for digest in ("3f2a91bc", "91bc3f2a")
        )
    ),
    "relative": lambda S, plan: relative_distances(S, np.ones((5, 18)), owner=S[0], plan=plan),
    "owner": lambda S, plan: relative_distances(S[:1], np.ones((5, 18)), owner=S[1], plan=plan),
}


@pytest.mark.parametrize("compare", EVERYTHING.values(), ids=EVERYTHING)
def test_class_that_is_nan_in_part_is_refused_everywhere(compare, plan):
    S = np.random.default_rng(0).normal(size=(2, 18))
    S[1, 7] = nan
    torn = (
        r"is NaN in 1 of the 6 columns of class block 1.*a class that a model lacks is NaN in all"
    )
    with pytest.raises(ValueError, match=torn):
        compare(S, plan)


@pytest.mark.parametrize("compare", EVERYTHING.values(), ids=EVERYTHING)
def test_infinite_coefficients_are_refused_everywhere(compare, plan):
    S = np.random.default_rng(0).normal(size=(2, 18))
    S[1, 7] = -np.inf
    with pytest.raises(ValueError, match=r"is infinite in 1 columns \(the first is 7\)"):
        compare(S, plan)
