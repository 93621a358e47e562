# SPDX-License-Identifier: BSD-3-Clause
"""Figures and numbers as markup."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _html as page

__all__ = ["drawn", "number", "quiet_figures"]


def number(value: float, digits: int = 3) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}g}"


def drawn(figure: Any, alt: str, caption: str = "") -> str:
    """The markup of a figure, which is then closed."""
    import matplotlib.pyplot as plt

    try:
        return page.figure(figure, alt, caption)
    finally:
        plt.close(figure)


@contextmanager
def quiet_figures() -> Iterator[None]:
    """Figures as matplotlib draws them by default, none left open and none shown."""
    import matplotlib.pyplot as plt

    with plt.ioff(), plt.style.context("default"), warnings.catch_warnings():
        # A name in a script that the font lacks: the tables have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
