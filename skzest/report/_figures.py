# SPDX-License-Identifier: BSD-3-Clause
"""Figures as markup."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from . import _html as page

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

__all__ = ["drawn", "quiet_figures"]


def drawn(figure: Figure | SubFigure, alt: str, caption: str = "", **params: Any) -> str:
    """The markup of a figure, see :func:`._html.figure`; the figure is closed."""
    import matplotlib.pyplot as plt

    try:
        return page.figure(cast("Figure", figure), alt, caption, **params)
    finally:
        plt.close(cast("Figure", figure))


@contextmanager
def quiet_figures() -> Iterator[None]:
    """Draw with the default style, without showing figures."""
    import matplotlib.pyplot as plt

    with plt.ioff(), plt.style.context("default"), warnings.catch_warnings():
        # A name in a script that the font lacks; the tables show it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
