# SPDX-License-Identifier: BSD-3-Clause
"""A distance, or its standard deviation, against the number of questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice, counted
from ..comparing import ReferenceCurve, reference_curve
from ..plan import QueryPlan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours for colour-blind readers; markers for black and white.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vP*"

_X_LABELS = {
    "n_reference": "reference points",
    "n_queries": "questions to each model",
}
_Y_LABELS = {
    "distance": "cosine distance (mean ± standard deviation)",
    "std": "standard deviation of the distance",
}


class ReferenceCurveDisplay:
    """Curves of distances against reference points or questions.

    It is recommended to use :meth:`from_signatures` to create a display of one curve. For several
    curves, such as one for each design, use the class itself.

    Parameters
    ----------
    curves : dict of str to ReferenceCurve
        Curves as :func:`~skzest.reference_curve` makes them, by name.

    labels : sequence of str, default=None
        Names of the pairs, the same in every curve. If None, "0 – 1" and so on, from row numbers.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure containing the curves.

    lines_ : list of matplotlib Line2D
        One line for each pair of each curve.

    bands_ : list of matplotlib PolyCollection
        The bands of one standard deviation; empty where `quantity` is "std".

    See Also
    --------
    skzest.reference_curve : Compute a curve.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer
    >>> from skzest.displays import ReferenceCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (1, 100)]
    >>> lime = LimeSignatureTransformer(X, n_reference=64, n_samples=20)
    >>> S = lime.fit_transform(zoo)
    >>> display = ReferenceCurveDisplay.from_signatures(S, lime.plan_, labels=["C = 1, C = 100"])
    >>> display.ax_.get_xlabel()
    'reference points'
    """

    def __init__(
        self, curves: Mapping[str, ReferenceCurve], *, labels: Sequence[str] | None = None
    ):
        self.curves = curves
        self.labels = labels

    @classmethod
    def from_signatures(
        cls,
        S: ArrayLike,
        plan: QueryPlan,
        *,
        pairs: Sequence[tuple[int, int]] | None = None,
        sizes: Sequence[int] | None = None,
        n_repeats: int = 200,
        random_state: int = 0,
        labels: Sequence[str] | None = None,
        ax: Axes | None = None,
        **plot_params: Any,
    ) -> ReferenceCurveDisplay:
        """Compute the curve of some pairs of signatures and draw it.

        Parameters
        ----------
        S, plan, pairs, sizes, n_repeats, random_state
            As in :func:`~skzest.reference_curve`.

        labels : sequence of str, default=None
            Names of the pairs.

        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ReferenceCurveDisplay`
        """
        curve = reference_curve(
            S, plan, pairs=pairs, sizes=sizes, n_repeats=n_repeats, random_state=random_state
        )
        return cls({"": curve}, labels=labels).plot(ax=ax, **plot_params)

    def plot(
        self,
        *,
        ax: Axes | None = None,
        x: str = "n_reference",
        quantity: str = "distance",
    ) -> ReferenceCurveDisplay:
        """Draw the curves, one colour for each pair and one kind of line for each curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure.

        x : {"n_reference", "n_queries"}, default="n_reference"
            What is on the horizontal axis, which is logarithmic.

        quantity : {"distance", "std"}, default="distance"
            The mean distance with a band of one standard deviation, or the standard deviation
            alone on a logarithmic axis.

        Returns
        -------
        display : :class:`ReferenceCurveDisplay`

        Raises
        ------
        ValueError
            If `x` or `quantity` is unknown, or the number of `labels` is not that of the pairs.
        """
        check_choice(x, "x", _X_LABELS)
        check_choice(quantity, "quantity", _Y_LABELS)
        series = list(self._series())

        import matplotlib.pyplot as plt
        from matplotlib.ticker import FuncFormatter, NullLocator

        self.ax_ = plt.subplots(layout="constrained")[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        for c, p, label, curve in series:
            at = curve.sizes if x == "n_reference" else curve.n_queries
            mean, std = curve.mean[p], curve.std[p]
            (line,) = self.ax_.plot(
                at,
                mean if quantity == "distance" else std,
                color=_COLORS[p % len(_COLORS)],
                marker=_MARKERS[p % len(_MARKERS)],
                markerfacecolor=_COLORS[p % len(_COLORS)] if c == 0 else "white",
                linestyle=("-", "--", ":", "-.")[c % 4],
                label=label,
            )
            self.lines_.append(line)
            if quantity == "distance":
                band = (mean - std, mean + std)
                self.bands_.append(
                    self.ax_.fill_between(at, *band, color=line.get_color(), alpha=0.15, lw=0)
                )
        self.ax_.set_xscale("log", base=2)
        self.ax_.set_xticks(_powers_of_two([np.asarray(line.get_xdata()) for line in self.lines_]))
        self.ax_.xaxis.set_minor_locator(NullLocator())
        self.ax_.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        if quantity == "std":
            self.ax_.set_yscale("log")
        else:
            self.ax_.set_ylim(bottom=0)
        self.ax_.set_xlabel(_X_LABELS[x])
        self.ax_.set_ylabel(_Y_LABELS[quantity])
        if any(line.get_label() for line in self.lines_):
            self.ax_.legend(frameon=False)
        return self

    def _series(self):
        """(number of the curve, of the pair, label, curve) of every line."""
        for c, (name, curve) in enumerate(self.curves.items()):
            labels = self.labels
            if labels is None:
                labels = [f"{i} – {j}" for i, j in curve.pairs]
            if len(labels) != len(curve.pairs):
                raise ValueError(
                    f"{counted(len(labels), 'label')} for {counted(len(curve.pairs), 'pair')}; "
                    "give one for each."
                )
            for p, label in enumerate(labels):
                yield c, p, ", ".join(filter(None, (label, name))), curve


def _powers_of_two(values: list[np.ndarray], most: int = 7) -> np.ndarray:
    """Ticks that cover the values, at most as many as have room for their numbers."""
    all_of_them = np.concatenate(values)
    low, high = np.round(np.log2([all_of_them.min(), all_of_them.max()])).astype(int)
    return 2.0 ** np.arange(low, high + 1, 1 + (high - low) // most)
