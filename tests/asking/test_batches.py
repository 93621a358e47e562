# SPDX-License-Identifier: BSD-3-Clause
"""Cutting questions into batches and units loses none, and keeps their order."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skzest import CallableQuery, LimeSignatureTransformer
from skzest.asking._batches import (
    Batch,
    Piece,
    Renderer,
    auto_batch_size,
    batches_of,
    spaced_questions,
    units_of,
    whole_points,
)
from skzest.maskers import BaseMasker, TabularMasker
from skzest.queries import HOST

counts = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def _questions(pieces):
    return [(n, k) for n, a, b in pieces for k in range(a, b)]


@given(counts, st.integers(1, 50))
def test_batches_hold_every_question_once_in_order(n_questions, rows):
    pieces = whole_points(n_questions)
    batches = list(batches_of(pieces, rows))
    assert _questions(piece for batch in batches for piece in batch.pieces) == _questions(pieces)
    assert all(batch.n_rows == rows for batch in batches[:-1])
    assert 0 < batches[-1].n_rows <= rows


@given(counts, st.integers(0, 60))
def test_what_is_left_of_a_batch_is_the_rest(n_questions, n_rows):
    batch = Batch(tuple(whole_points(n_questions)))
    rest = batch.without(n_rows)
    assert _questions(rest.pieces) == _questions(batch.pieces)[n_rows:]


@given(counts)
def test_rows_of_an_answer_go_to_their_pieces(n_questions):
    batch = Batch(tuple(whole_points(n_questions, start=3)))
    answer = np.arange(batch.n_rows)
    by_piece = list(batch.by_piece(answer))
    assert [piece for piece, _ in by_piece] == list(batch.pieces)
    assert_array_equal(np.concatenate([rows for _, rows in by_piece]), answer)
    assert [len(rows) for _, rows in by_piece] == n_questions


@given(counts, st.integers(1, 50))
def test_units_are_whole_points_that_fit_a_batch(n_questions, rows):
    units = list(units_of(n_questions, rows))
    assert [n for a, b in units for n in range(a, b)] == list(range(len(n_questions)))
    for (start, stop), following in zip(units, [*units[1:], None]):
        assert stop - start == 1 or sum(n_questions[start:stop]) <= rows
        if following is not None:  # no unit could have taken the next point as well
            assert sum(n_questions[start : stop + 1]) > rows


@pytest.mark.parametrize(
    ("n_questions", "rows", "units"),
    [
        ([3, 3, 3], 6, [(0, 2), (2, 3)]),
        ([10, 1, 1], 6, [(0, 1), (1, 3)]),
        ([1, 10, 1], 6, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_units_by_hand(n_questions, rows, units):
    assert list(units_of(n_questions, rows)) == units


@given(counts, st.integers(1, 8))
def test_spaced_questions_are_different_and_exist(n_questions, n):
    chosen = _questions(spaced_questions(n_questions, n).pieces)
    assert chosen[0] == (0, 0)
    assert len(set(chosen)) == len(chosen) == min(n, sum(n_questions))
    assert set(chosen) <= set(_questions(whole_points(n_questions)))


def test_copies_of_a_batch_are_those_of_its_pieces_with_extra_rows_behind():
    X = np.random.default_rng(0).normal(size=(9, 4))
    sums = CallableQuery(lambda B: np.c_[B.sum(1), B[:, 0]], output="logits")
    plan = LimeSignatureTransformer(X, n_reference=5, n_samples=12).fit([sums]).plan_
    render = Renderer(plan, HOST)
    pieces = (Piece(1, 2, 5), Piece(4, 0, 3))
    apart = np.concatenate([render(Batch((piece,))) for piece in pieces])
    assert_array_equal(render(Batch(pieces)), apart)
    assert_array_equal(render(Batch(pieces), apart[:2]), np.concatenate([apart, apart[:2]]))
    for (n, a, b), copies in Batch(pieces).by_piece(apart):
        shown = np.where(plan.questions(n)[a:b], plan.point(n), X.mean(axis=0))
        assert_allclose(copies, shown, rtol=1e-14)


class _Doubled(BaseMasker):
    """A masker whose render() has no parameter out."""

    def cut(self, point):
        return np.arange(point.size)

    def fill_for(self, point, parts):
        return -point

    def render(self, point, parts, fill, masks):
        return super().render(point, parts, fill, masks)


@pytest.mark.parametrize("masker", [TabularMasker(), _Doubled()], ids=["out", "no out"])
def test_a_batch_that_a_model_keeps_stays_as_it_is(masker):
    X = np.random.default_rng(0).normal(size=(9, 4))
    whole, parts, copies = [], [], []

    def keeps(batch):
        whole.append(batch)
        parts.append(batch[1:, ::2])
        copies.append(batch.copy())
        return batch[:, :3]

    lime = LimeSignatureTransformer(X, masker=masker, n_samples=15, batch_size=7)
    lime.fit_transform([CallableQuery(keeps, output="logits")])
    assert len(copies) > 9
    for batch, part, copy in zip(whole, parts, copies, strict=True):
        assert_array_equal(batch, copy)
        assert_array_equal(part, copy[1:, ::2])


def test_memory_of_a_batch_is_used_again_once_nobody_looks_at_it():
    X = np.random.default_rng(0).normal(size=(9, 4))
    sums = CallableQuery(lambda B: np.c_[B.sum(1), B[:, 0]], output="logits")
    plan = LimeSignatureTransformer(X, n_reference=5, n_samples=12).fit([sums]).plan_
    render, batch = Renderer(plan, HOST), Batch((Piece(1, 0, 8),))

    def place(copies):
        return copies.__array_interface__["data"][0]

    first = place(render(batch))
    assert place(render(batch)) == first
    # A few questions that are asked again fit in, too.
    assert place(render(batch, X[:8])) == first
    shorter = render(Batch((Piece(2, 0, 3),)))
    assert place(shorter) == first
    part = shorter[1:]
    del shorter
    assert place(render(batch)) != first
    assert_array_equal(part, Renderer(plan, HOST)(Batch((Piece(2, 1, 3),))))


def test_batches_of_long_texts_are_smaller():
    numbers = SimpleNamespace(auto_rows=lambda n_numbers: n_numbers)
    short, middle, long = (auto_batch_size(n * "a", numbers) for n in (10, 1000, 10_000))
    assert short < middle < long == 10 * middle
    assert auto_batch_size("", numbers) == short
