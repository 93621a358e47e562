# SPDX-License-Identifier: BSD-3-Clause
"""The pool of questions."""

import numpy as np
import pandas as pd
import pytest

from skzest import CallableQuery, TabularMasker
from skzest.rehearsal import candidate_questions

X = np.random.default_rng(0).normal(size=(30, 4)) + 5
STEP = CallableQuery(lambda X: (X[:, 0] > 5) * 1, output="predict", classes=[0, 1])


def test_kinds_have_equal_shares_and_others_fill_up_for_plain_points():
    pool = candidate_questions(X, STEP, n_candidates=230)
    kinds, counts = np.unique(pool.kinds, return_counts=True)
    assert dict(zip(kinds, counts)) == {
        "boundary": 50, "masked": 50, "mixed": 50, "noise": 50, "plain": 30,
    }  # fmt: skip
    assert len(pool) == len(pool.points) == 230
    assert repr(pool).startswith("<Candidates: 30 plain, 50 masked")


def test_each_kind_is_what_it_says():
    pool = candidate_questions(X, STEP, n_candidates=500)
    of = {kind: pool.points[pool.kinds == kind] for kind in np.unique(pool.kinds)}
    assert {tuple(row) for row in of["plain"]} == {tuple(row) for row in X}
    is_filled = np.isclose(of["masked"], X.mean(axis=0))
    assert 0.4 < is_filled.mean() < 0.6
    assert all(np.isin(row[~fill], X).all() for row, fill in zip(of["masked"], is_filled))
    assert (of["noise"] >= X.min(axis=0)).all() and (of["noise"] <= X.max(axis=0)).all()
    assert np.abs(of["boundary"][:, 0] - 5).mean() < np.abs(X[:, 0] - 5).mean() / 2


def test_images_are_cut_by_the_masker_for_images():
    images = np.random.default_rng(0).integers(0, 255, (6, 12, 12, 3)).astype(np.uint8)
    pool = candidate_questions(images, kinds=["masked", "mixed", "noise"], n_candidates=30)
    assert pool.points.shape == (30, 12, 12, 3) and pool.points.dtype == np.uint8


def test_texts_and_frames_are_plain_or_masked():
    texts = candidate_questions(["to be or not to be", "that is the question"], n_candidates=12)
    assert set(texts.kinds) == {"plain", "masked"} and len(texts.points) == 12
    assert all(isinstance(text, str) for text in texts.points)
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]})
    pool = candidate_questions(frame, STEP, n_candidates=20)
    assert list(pool.points.columns) == ["a", "b"] and len(pool.points) == 20
    assert set(pool.kinds) == {"plain", "masked"}


@pytest.mark.parametrize("kinds", [None, ["plain"], ["masked"]])
def test_texts_come_in_every_sequence(kinds):
    texts = ["to be or not to be", "that is the question", "whether"]
    expected = candidate_questions(texts, kinds=kinds, n_candidates=9)
    series = pd.Series(texts, index=[100, 101, 102])
    for given in (series, tuple(texts), np.array(texts), np.array(texts, dtype=object)):
        assert candidate_questions(given, kinds=kinds, n_candidates=9).points == expected.points


def test_points_with_holes_are_plain_or_masked():
    holed = np.where(np.arange(120).reshape(30, 4) == 21, np.nan, X)
    for kinds in (None, ["noise"], ["mixed"], ["boundary"]):
        with pytest.raises(ValueError, match=r"moves points, but point 5 holds NaN.*or pass kinds"):
            candidate_questions(holed, STEP, kinds=kinds)
    assert len(candidate_questions(holed, kinds=["plain", "masked"], n_candidates=40)) == 40


def test_seed_decides_and_a_masker_may_be_given():
    how = {"kinds": ["masked"], "n_candidates": 9, "masker": TabularMasker(fill=-1.0)}
    first, same, other = (candidate_questions(X, random_state=s, **how).points for s in (0, 0, 1))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    assert (first == -1).any()


def test_a_given_masker_stays_as_it_is():
    how = {"kinds": ["masked"], "n_candidates": 9}
    fitted, unfitted = TabularMasker().fit(X - 50), TabularMasker()
    fill = np.array(fitted.fill_)
    pools = [candidate_questions(X, masker=m, **how).points for m in (fitted, unfitted)]
    np.testing.assert_array_equal(*pools)  # filled by the means of these points
    np.testing.assert_array_equal(fitted.fill_, fill)
    assert not hasattr(unfitted, "fill_")


def test_what_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'masked'"):
        candidate_questions(X, kinds=["maskd"])
    with pytest.raises(ValueError, match=r"kinds is empty. Give at least one of 'plain'"):
        candidate_questions(X, kinds=[])
    with pytest.raises(TypeError, match=r"got 'noise'. Pass kinds=\['noise'\]"):
        candidate_questions(X, kinds="noise")
    with pytest.raises(TypeError, match=r"'boundary' needs the model.*Pass owner"):
        candidate_questions(X, kinds=["boundary"])
    with pytest.raises(TypeError, match=r"'mixed' moves points.*kinds=\['plain', 'masked'\]"):
        candidate_questions(["one text", "two texts"], kinds=["mixed"])
