# SPDX-License-Identifier: BSD-3-Clause
"""Too few masks for the parts of a point: the advice fits the cause."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skzest import CallableQuery, ImageMasker, LimeSignatureTransformer

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
MODEL = CallableQuery(lambda batch: batch.mean(axis=(1, 2))[:, :2], output="logits")


def grid(n):
    return ImageMasker("grid", segmenter_params={"shape": (n, n)})


def signature(masker, **params):
    lime = LimeSignatureTransformer(IMAGES, n_reference=2, masker=masker, **params)
    return lime.fit_transform([MODEL])


def test_a_usual_number_of_parts_needs_more_masks_not_fewer_parts():
    with pytest.raises(ValueError, match="least squares needs at least") as said:
        signature(grid(6), n_samples=16)
    assert "Raise n_samples, or use surrogate=Ridge()" in str(said.value)
    assert "n_parts" not in str(said.value)
    assert np.isfinite(signature(grid(6), n_samples=64)).all()
    assert np.isfinite(signature(grid(6), n_samples=16, surrogate=Ridge())).all()


def test_too_many_parts_get_the_advice_of_the_masker():
    advice = r"Give n_parts, such as ImageMasker\(n_parts=45\)"
    with pytest.warns(UserWarning, match=advice), pytest.raises(ValueError, match=advice):
        signature(grid(14), n_samples=64)
    assert np.isfinite(signature(ImageMasker(n_parts=45), n_samples=64)).all()
