# SPDX-License-Identifier: BSD-3-Clause
"""Every masker that skzest exports is found here and put through the same checks."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import skzest.maskers
from skzest import LimeSignatureTransformer, QueryPlan
from skzest.maskers import BaseMasker
from skzest.queries import CallableQuery
from skzest.testing import check_masker

RNG = np.random.default_rng(0)
EXAMPLES = {
    "AudioMasker": [
        ({"sample_rate": 8000}, RNG.normal(size=(4, 50))),
        ({"sample_rate": 8000, "fill": "noise"}, RNG.integers(-99, 99, (4, 2, 50), dtype=np.int16)),
        ({"sample_rate": 8000, "fill": "mean"}, [RNG.normal(size=n) for n in (20, 40, 30)]),
    ],
    "ImageMasker": [
        ({"segmenter": "grid"}, RNG.integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)),
        ({"image_shape": (8, 8)}, RNG.random((3, 64))),
    ],
    "TabularMasker": [
        ({}, RNG.normal(size=(5, 4))),
        ({"groups": [[0, 2]], "fill": "draws"}, RNG.normal(size=(5, 4))),
        ({"one_hot": [[1, 2]]}, np.column_stack([np.arange(4.0), np.eye(4)[:, :2]])),
    ],
    "TextMasker": [
        ({}, ["to be, or not to be", "नमस्ते दुनिया", "one 👍🏽 two", ""]),
        ({"tokenizer": "characters", "fill": "_"}, ["我爱北京", "e\u0301a"]),
        ({"tokenizer": str.split, "unique": True}, ["the more the merrier"]),
    ],
}
MASKERS = sorted(
    name
    for name in skzest.maskers.__all__
    if isinstance(getattr(skzest.maskers, name), type) and name != "BaseMasker"
)
CASES = [(name, *case) for name in MASKERS for case in EXAMPLES.get(name, [(None, None)])]


def test_every_masker_has_examples_here():
    assert sorted(EXAMPLES) == MASKERS, "give EXAMPLES a few references for a new masker"
    assert all(issubclass(getattr(skzest.maskers, name), BaseMasker) for name in MASKERS)


@pytest.mark.parametrize(("name", "params", "reference"), CASES)
def test_masker_conforms(name, params, reference):
    check_masker(getattr(skzest.maskers, name)(**params), reference)


@pytest.mark.parametrize(("name", "params", "reference"), CASES)
def test_masker_is_cloned_pickled_and_planned(name, params, reference, tmp_path):
    masker = clone(getattr(skzest.maskers, name)(**params))
    again = pickle.loads(pickle.dumps(masker.fit(reference)))
    assert repr(again) == repr(masker)
    points = [point for point in reference if len(point) > 1]
    points = points if isinstance(reference, list) else reference

    def sizes(batch):
        rows = [np.array([hash_of(copy), len(copy)]) for copy in batch]
        return np.array(rows, dtype=float)

    query = CallableQuery(sizes, output="logits")
    lime = LimeSignatureTransformer(points, masker=masker, n_samples=40)
    signature = lime.fit_transform([query])
    assert np.abs(signature).max() > 0
    lime.plan_.save(tmp_path / "plan.npz")
    plan = QueryPlan.load(tmp_path / "plan.npz")
    same = LimeSignatureTransformer.from_plan(plan).fit_transform([query])
    np.testing.assert_array_equal(same, signature)


def hash_of(copy):
    """A number for any copy: of its characters, or of its values."""
    values = [ord(char) for char in copy] if isinstance(copy, str) else np.ravel(copy)
    return float(np.sum(np.asarray(values, dtype=float)))
