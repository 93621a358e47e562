# SPDX-License-Identifier: BSD-3-Clause
"""Cuts that are kept: when they serve again, and when they must not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skzest import ImageMasker, LimeSignatureTransformer
from skzest.fingerprints import register_fingerprint
from skzest.maskers import BaseMasker
from skzest.plan._cuts import CutMemo, masker_key

CALLS = []
IMAGES = np.random.default_rng(0).random((6, 8, 8))


class CountingMasker(BaseMasker):
    """Halves, and how often they were cut."""

    def __init__(self, shift=0):
        self.shift = shift

    def cut(self, point):
        CALLS.append(1)
        return (np.arange(point.size).reshape(point.shape) + self.shift) // 32 % 2

    def fill_for(self, point, parts):
        return np.zeros_like(point)


@pytest.fixture
def calls():
    # A masker of one's own has no fingerprint until it is registered.
    register_fingerprint(
        lambda value: isinstance(value, CountingMasker),
        lambda masker: ["counting", ("", vars(masker))],
    )
    CALLS.clear()
    return lambda: len(CALLS)


def _model(batch):
    return batch.reshape(len(batch), -1)[:, :2]


def _fit(reference, **params):
    masker = params.pop("masker", None) or CountingMasker()
    lime = LimeSignatureTransformer(reference, masker=masker, n_samples=9, n_classes=2, **params)
    return lime.fit([_model]).plan_


def test_clones_that_are_fitted_to_the_same_points_cut_them_once(calls):
    images = IMAGES + 1
    parts = [
        _fit(images, n_reference=n, random_state=seed).parts for n in (3, 6) for seed in (0, 1)
    ]
    assert calls() == len(images)
    assert len(parts[1]) == 3
    assert_array_equal(parts[0][0], parts[2][0])


def test_a_reference_that_was_changed_in_place_is_cut_again(calls):
    images = IMAGES + 2
    _fit(images)
    images[0, 0, 0] = 9
    _fit(images)
    assert calls() == len(images) + 1


def test_another_masker_cuts_for_itself(calls):
    images = IMAGES + 3
    _fit(images)
    shifted = _fit(images, masker=CountingMasker(shift=8))
    assert calls() == 2 * len(images)
    assert shifted.parts[0].ravel()[24] == 1


def test_what_a_masker_learned_is_part_of_the_key():
    maskers = [ImageMasker("grid").fit(images) for images in (IMAGES, IMAGES.copy(), 2 * IMAGES)]
    keys = [masker_key(masker) for masker in maskers]
    assert keys[0] == keys[1] != keys[2]


class OtherMasker(CountingMasker):
    """A masker without a fingerprint."""


@pytest.mark.parametrize(
    "masker",
    [ImageMasker(lambda image: np.arange(64).reshape(8, 8) // 32), OtherMasker()],
    ids=["callable segmenter", "own class"],
)
def test_a_masker_without_a_fingerprint_cuts_every_time(masker):
    assert masker_key(masker) is None
    first, second = (_fit(IMAGES, masker=masker) for _ in range(2))
    assert all(map(np.array_equal, first.parts, second.parts))
    assert first.digest == second.digest


def test_nothing_is_kept_without_a_key(calls):
    memo = CutMemo(10**6)
    for _ in range(2):
        memo.cut(None, CountingMasker(), IMAGES[0])
    assert calls() == 2


def test_the_oldest_cuts_make_room(calls):
    masker, nbytes = CountingMasker(), CountingMasker().cut(IMAGES[0]).nbytes
    memo, before = CutMemo(2 * nbytes), calls()
    for n in (0, 1, 0, 2, 0, 1):
        memo.cut("key", masker, IMAGES[n])
    assert calls() - before == 4


def test_cuts_that_are_kept_cannot_be_changed():
    parts = CutMemo(10**6).cut("key", CountingMasker(), IMAGES[0])
    with pytest.raises(ValueError, match="read-only"):
        parts[0] = 1
