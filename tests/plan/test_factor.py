# SPDX-License-Identifier: BSD-3-Clause
"""Factors are right, and leave the threads of SciPy's BLAS as they were."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skzest.plan import _factor

RNG = np.random.default_rng(0)


def _gram(n):
    A = RNG.normal(size=(3 * n, n))
    return A.T @ A


def _threads():
    return [library.num_threads for library in _factor._libraries()]


@pytest.mark.parametrize("n", [1, 5, 200])
def test_factors_solve_equations(n):
    gram, right = _gram(n), RNG.normal(size=(n, 3))
    factor, reciprocal_condition = _factor.cholesky(gram)
    assert_allclose(gram @ _factor.solve(factor, right), right, atol=1e-9)
    exact = 1 / np.linalg.cond(gram, 1)
    assert exact / 2 < reciprocal_condition < 3 * exact
    assert _factor.cholesky(np.ones((n + 1, n + 1)))[1] < 1e-12


def test_threads_are_one_inside_and_as_before_outside():
    before, inside = _threads(), []

    def fail():
        with _factor._one_thread(), _factor._one_thread():
            inside.extend(_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside == [1] * len(before)
    assert _threads() == before


def test_threads_are_as_before_when_several_are_done():
    before, gram = _threads(), _gram(60)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _factor.cholesky(gram)[1], range(40)))
    assert len(set(found)) == 1 and _threads() == before
