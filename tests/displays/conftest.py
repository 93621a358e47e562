"""Figures of these tests are drawn into memory, and closed after each test."""

import pytest


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    with plt.rc_context({"backend": "Agg"}):
        yield
        plt.close("all")
