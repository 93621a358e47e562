# SPDX-License-Identifier: BSD-3-Clause
"""Distances from sums of products, as they arrive."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skzest import zest_distances
from skzest.comparing import DISTANCES_FROM_SUMS, RunningProducts


@pytest.mark.parametrize("distance", DISTANCES_FROM_SUMS)
@pytest.mark.parametrize("scale", [1e-200, 1e-90, 1.0, 1e90, 1e200])
def test_sums_serve_small_and_large_coefficients(distance, scale):
    W = scale * np.random.default_rng(0).normal(size=(5, 3, 12))
    W[1] *= 1e3
    W[2, :, :8] = 0
    W[3, 0] = np.nan
    W[4] = 0
    sums = RunningProducts(~np.isnan(W).any(axis=2))
    for start in range(0, 12, 4):
        sums.add(W[..., start : start + 4])
    expected = zest_distances(W.reshape(5, -1), distance=distance, n_classes=3)
    assert_allclose(sums.distances(distance), expected, rtol=1e-7, atol=1e-12 * scale)
