# SPDX-License-Identifier: BSD-3-Clause
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skzest import CallableQuery, LimeSignatureTransformer
from skzest.plan import PackedMasks, redraw_masks
from skzest.plan._designs import (
    SAMPLINGS,
    auto_n_samples,
    columns_of_few_words,
    hadamard_order,
    point_rng,
    sample_masks,
)


def _draw(n_parts, n_samples, sampling, seed=0, index=0):
    return sample_masks(n_parts, n_samples, sampling, point_rng(seed, index))


@given(
    st.sampled_from(sorted(SAMPLINGS)),
    st.integers(2, 20),
    st.integers(64, 300),
    st.integers(0, 9),
)
def test_masks_are_boolean_bounded_and_repeat(sampling, n_parts, n_samples, seed):
    masks = _draw(n_parts, n_samples, sampling, seed)
    assert masks.dtype == bool
    assert masks.shape[1] == n_parts
    assert 1 <= len(masks) <= n_samples
    assert_array_equal(masks, _draw(n_parts, n_samples, sampling, seed))


@pytest.mark.parametrize("sampling", sorted(SAMPLINGS))
def test_points_have_masks_of_their_own(sampling):
    assert not np.array_equal(_draw(12, 64, sampling, index=1), _draw(12, 64, sampling, index=2))


@pytest.mark.parametrize("sampling", ["bernoulli", "antithetic"])
@given(n_parts=st.integers(2, 20), n_samples=st.integers(2, 60))
def test_fewer_masks_are_the_first_of_more(sampling, n_parts, n_samples):
    masks = _draw(n_parts, n_samples, sampling)
    assert_array_equal(masks, _draw(n_parts, 2 * n_samples, sampling)[:n_samples])
    assert masks[0].all()


@pytest.mark.parametrize("n_parts", [3, 200, 9000])
def test_drawing_in_blocks_draws_the_masks_of_one_draw(n_parts):
    masks = _draw(n_parts, 100, "bernoulli", seed=3, index=4)
    assert_array_equal(masks[1:], point_rng(3, 4).random((99, n_parts)) < 0.5)


def test_antithetic_masks_come_with_their_complements():
    masks = _draw(9, 40, "antithetic")
    assert_array_equal(masks[0::2], ~masks[1::2])


@given(st.integers(4, 40), st.integers(0, 20), st.integers(1, 3))
def test_foldover_is_orthogonal_and_clear_of_two_part_interactions(n_parts, seed, blocks):
    order = 1 << n_parts.bit_length()
    masks = _draw(n_parts, 2 * order * blocks + 1, "foldover", seed)
    if len(masks) == 2**n_parts:
        return
    assert len(masks) == 2 * order * blocks  # whole blocks, rounded down
    signs = np.where(masks, 1, -1)
    assert_array_equal(signs.sum(axis=0), 0)
    assert_array_equal(signs.T @ signs, len(masks) * np.eye(n_parts, dtype=int))
    # Resolution IV: no main effect is confounded with a product of two others.
    i, j = np.triu_indices(n_parts, 1)
    assert_array_equal(signs.T @ (signs[:, i] * signs[:, j]), 0)


def test_foldover_asks_all_masks_when_they_are_few():
    masks = _draw(4, 16, "foldover")
    assert len(np.unique(masks, axis=0)) == len(masks) == 16


def test_foldover_without_room_for_a_block_names_the_smallest_number_that_works():
    with pytest.raises(ValueError, match="needs at least 32 masks for 12 parts; n_samples=31"):
        _draw(12, 31, "foldover")
    assert len(_draw(12, 32, "foldover")) == 32
    with pytest.raises(ValueError, match="needs at least 8 masks for 3 parts"):
        _draw(3, 7, "foldover")
    assert len(_draw(3, 8, "foldover")) == 8


def test_callable_designs_are_used_and_checked():
    assert_array_equal(_draw(3, 9, lambda k, n, rng: np.eye(k)), np.eye(3, dtype=bool))
    with pytest.raises(ValueError, match=r"shape \(4, 4\); expected \(n_masks, 3\)"):
        _draw(3, 9, lambda k, n, rng: np.eye(4))
    with pytest.raises(ValueError, match="1 <= n_masks <= 2"):
        _draw(3, 2, lambda k, n, rng: np.eye(3))
    with pytest.raises(ValueError, match="other than 0 and 1"):
        _draw(3, 9, lambda k, n, rng: 2 * np.eye(3))


def test_unknown_design_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"sampling must be 'antithetic', .*; got 'sobol'"):
        _draw(3, 9, "sobol")


@given(st.integers(4, 40), st.integers(0, 20), st.integers(0, 3))
def test_fractional_is_orthogonal_and_clear_of_two_part_interactions(n_parts, seed, more):
    n_samples = (2 * hadamard_order(n_parts - 1) << more) + 1
    masks = _draw(n_parts, n_samples, "fractional", seed)
    if len(masks) == 2**n_parts:
        return
    assert len(masks) == n_samples - 1  # the largest power of two
    signs = np.where(masks, 1.0, -1.0)  # sums of them are exact, and products quicker
    assert_array_equal(signs.sum(axis=0), 0)
    assert_array_equal(signs.T @ signs, len(masks) * np.eye(n_parts))
    i, j = np.triu_indices(n_parts, 1)
    assert_array_equal(signs.T @ (signs[:, i] * signs[:, j]), 0)


@pytest.mark.parametrize(
    ("n_parts", "order", "n_words"),
    # The least numbers there are, as in tables of minimum aberration (Wu and Hamada,
    # Experiments, appendix to the chapter on two-level fractions).
    [(7, 32, 1), (8, 32, 3), (8, 64, 0), (9, 64, 1), (10, 64, 2), (9, 128, 0), (10, 128, 0)],
)
def test_fractional_has_as_few_words_of_four_as_there_can_be(n_parts, order, n_words):
    columns = columns_of_few_words(n_parts, order)
    assert len(set(columns)) == n_parts
    assert all(a ^ b ^ c for a, b, c in combinations(columns, 3))
    assert sum(not a ^ b ^ c ^ d for a, b, c, d in combinations(columns, 4)) == n_words


def test_fractional_tells_main_effects_from_three_part_interactions_where_it_can():
    # 64 masks for 8 parts: resolution V.
    signs = np.where(_draw(8, 64, "fractional"), 1, -1)
    products = np.stack([signs[:, list(some)].prod(axis=1) for some in combinations(range(8), 3)])
    assert_array_equal(products @ signs * _outside(8), 0)
    signs = np.where(_draw(8, 64, "foldover"), 1, -1)
    products = np.stack([signs[:, list(some)].prod(axis=1) for some in combinations(range(8), 3)])
    assert (products @ signs * _outside(8)).any()


def _outside(n_parts):
    """Whether a part is none of three; (n_triples, n_parts)."""
    return np.array(
        [[k not in some for k in range(n_parts)] for some in combinations(range(n_parts), 3)]
    )


def test_fractional_asks_all_masks_when_they_are_few_and_names_the_least_that_works():
    assert len(np.unique(_draw(4, 16, "fractional"), axis=0)) == 16
    with pytest.raises(ValueError, match="'fractional' needs at least 16 masks for 8 parts; n_sam"):
        _draw(8, 15, "fractional")
    assert len(_draw(8, 16, "fractional")) == 16
    with pytest.raises(ValueError, match="needs at least 32 masks for 9 parts"):
        _draw(9, 31, "fractional")
    assert len(_draw(9, 32, "fractional")) == 32
    with pytest.raises(ValueError, match="needs at least 8 masks for 3 parts"):
        _draw(3, 7, "fractional")
    assert len(_draw(3, 8, "fractional")) == 8


@given(st.integers(5, 40), st.integers(0, 20), st.integers(1, 3))
def test_blocks_of_a_foldover_are_the_first_of_more(n_parts, seed, blocks):
    n_samples = 2 * hadamard_order(n_parts) * blocks
    more = _draw(n_parts, 2 * n_samples, "foldover", seed)
    if len(more) < 2**n_parts:
        assert_array_equal(_draw(n_parts, n_samples, "foldover", seed), more[:n_samples])


@pytest.mark.parametrize(("n_parts", "order"), [(1, 2), (2, 4), (3, 4), (4, 8), (7, 8), (8, 16)])
def test_hadamard_order_leaves_room_for_the_constant_column(n_parts, order):
    assert hadamard_order(n_parts) == order


@given(st.sampled_from(sorted(SAMPLINGS)), st.integers(2, 200))
def test_auto_is_enough_for_every_design_and_grows_with_the_parts(sampling, n_parts):
    n_samples = auto_n_samples(n_parts)
    assert 4 * n_parts < n_samples <= 8 * max(n_parts, 4)
    assert n_samples <= auto_n_samples(n_parts + 1)
    all_of_them = n_samples if sampling in ("bernoulli", "antithetic") else 2**n_parts
    assert len(_draw(n_parts, n_samples, sampling)) == min(n_samples, all_of_them)


def test_auto_goes_by_the_parts_of_each_point():
    grid = np.random.default_rng(0).normal(size=(3, 20))
    texts = ["one two three four five", "one two three", "a b c d e f g h i j"]
    model = CallableQuery(lambda X: np.ones((len(X), 2)), output="logits")
    settings = {"n_samples": "auto", "sampling": "foldover", "n_classes": 2}
    assert LimeSignatureTransformer(grid, **settings).fit([model]).plan_.masks.n_masks == (128,) * 3
    plan = LimeSignatureTransformer(texts, **settings).fit([model]).plan_
    assert sorted(zip(plan.n_parts.tolist(), plan.masks.n_masks)) == [(3, 8), (5, 32), (10, 64)]
    with pytest.raises(TypeError, match="n_samples must be an integer; got 'many'"):
        LimeSignatureTransformer(grid, n_samples="many").fit([model])


def test_redrawn_masks_keep_points_parts_and_fills():
    X = np.random.default_rng(0).normal(size=(9, 6))
    model = CallableQuery(lambda X: X[:, :3], output="logits")
    lime = LimeSignatureTransformer(X, n_reference=4, n_samples=40, sampling="foldover")
    plan = lime.fit([model]).plan_
    assert redraw_masks(plan, 40, "foldover", 0).digest == plan.digest
    other = redraw_masks(plan, 20, "bernoulli", 1)
    assert other.masks.n_masks == (20,) * 4
    assert other.point_digest(2) == plan.point_digest(2) and other.digest != plan.digest


# --- masks that repeat ------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", sorted(SAMPLINGS))
@pytest.mark.parametrize("n_samples", [16, 1000])
def test_a_copy_is_asked_once_and_no_design_fails_where_all_masks_fit(sampling, n_samples):
    X = np.random.default_rng(0).normal(size=(12, 4))
    sizes = []

    def model(batch):
        sizes.append(len(batch))
        return np.tanh(batch) @ np.random.default_rng(1).normal(size=(4, 3))

    for seed in range(6):
        lime = LimeSignatureTransformer(
            X, n_reference=8, n_samples=n_samples, sampling=sampling, random_state=seed
        ).fit([CallableQuery(model, output="logits", classes=range(3))])
        sizes.clear()
        lime.transform([CallableQuery(model, output="logits", classes=range(3))])
        plan = lime.plan_
        assert plan.n_queries == sum(plan.n_questions) <= 8 * 16
        assert plan.n_queries <= sum(sizes) <= plan.n_queries * 1.02 + 16


@given(st.integers(1, 80), st.integers(1, 60), st.integers(0, 9))
def test_distinct_masks_are_all_masks_once(n_parts, n_masks, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((n_masks, n_parts)) < 0.5
    masks = masks[rng.integers(0, n_masks, n_masks)]
    packed = PackedMasks.pack([masks])
    distinct, positions = packed.distinct(0), packed.positions(0)
    assert len(np.unique(distinct, axis=0)) == len(distinct) == packed.n_distinct[0]
    assert_array_equal(distinct if positions is None else distinct[positions], masks)
    first = [np.flatnonzero((masks == m).all(axis=1))[0] for m in distinct]
    assert first == sorted(first), "in the order in which they first appear"


def test_repeated_masks_change_no_coefficient():
    X = np.random.default_rng(0).normal(size=(12, 4))
    query = CallableQuery(lambda batch: np.tanh(batch[:, :3]), output="logits")
    lime = LimeSignatureTransformer(X, n_reference=4, n_samples=200, response="raw")
    signature = lime.fit_transform([query]).reshape(3, 4, 4)
    for n in range(4):
        masks, point = lime.plan_.masks[n], lime.plan_.point(n)
        scores = np.tanh(np.where(masks, point, X.mean(axis=0))[:, :3])
        design = np.column_stack([np.ones(200), masks])
        expected = np.linalg.lstsq(design, scores, rcond=None)[0][1:]
        assert_allclose(signature[:, n], expected.T, atol=1e-10)
