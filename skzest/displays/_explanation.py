# SPDX-License-Identifier: BSD-3-Clause
"""The shares of a distance on the parts of a point: where two models differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice
from ..comparing import DistanceExplanation, columns_of, explain_distance, point_text
from ..drawing import (
    SOUNDS,
    draw_colorbar,
    new_axes,
    plain,
    share_cmap,
    shorten,
    shorten_all,
    signed_cmap,
)
from ..plan import QueryPlan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTITIES = ("share", "difference")
_HEIGHT_OF_LABEL = 2.5  # inches, for the full label of the colour bar


class ExplanationDisplay:
    """The shares of a distance that belong to the parts of one reference point.

    It is recommended to use :meth:`from_explanation` or :meth:`from_signatures` to create a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    explanation : DistanceExplanation
        As :func:`~skzest.explain_distance` makes it.

    point : int
        Position of the reference point in the plan.

    label : object, default=None
        The class whose shares are drawn. If None, those of all classes, in sum.

    names : pair of str, default=("first", "second")
        Names of the two models.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the point.

    figure_ : matplotlib Figure
        Figure containing the point.

    values_ : ndarray of shape (n_parts,)
        The values drawn: shares in percent of the distance, or differences.

    artists_ : list of matplotlib Artist
        The coloured overlay of an image, the words of a text, the segments of a sound, or bars.

    colorbar_ : matplotlib Colorbar or None
        The colour bar; None beside bars.

    See Also
    --------
    skzest.explain_distance : Compute the shares.
    skzest.SignatureDisplay : The coefficients of one model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer
    >>> from skzest.displays import ExplanationDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (0.01, 100)]
    >>> lime = LimeSignatureTransformer(X, n_reference=16, n_samples=16)
    >>> S = lime.fit_transform(zoo)
    >>> display = ExplanationDisplay.from_signatures(S[0], S[1], lime.plan_)
    >>> display.ax_.get_xlabel()
    'share of the distance (%)'
    """

    def __init__(
        self,
        explanation: DistanceExplanation,
        *,
        point: int,
        label: Any = None,
        names: tuple[str, str] = ("first", "second"),
    ):
        self.explanation = explanation
        self.point = point
        self.label = label
        self.names = names

    @classmethod
    def from_explanation(
        cls,
        explanation: DistanceExplanation,
        *,
        point: int | None = None,
        label: Any = None,
        names: tuple[str, str] = ("first", "second"),
        ax: Axes | None = None,
        **plot_params: Any,
    ) -> ExplanationDisplay:
        """Draw an explanation.

        Parameters
        ----------
        explanation : DistanceExplanation
            As :func:`~skzest.explain_distance` makes it.

        point : int, default=None
            Position of the reference point in the plan. If None, the one with the largest share.

        label : object, default=None
            The class whose shares are drawn. If None, those of all classes, in sum.

        names : pair of str, default=("first", "second")
            What the two models are called.

        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ExplanationDisplay`

        Raises
        ------
        ValueError
            If `point` is not in the plan or `label` not in the explanation, or if components are
            masks (``surrogate="passthrough"``).
        """
        if point is None:
            point = int(np.argmax(explanation.by_point))
        return cls(explanation, point=point, label=label, names=names).plot(ax=ax, **plot_params)

    @classmethod
    def from_signatures(
        cls,
        S1: ArrayLike,
        S2: ArrayLike,
        plan: QueryPlan,
        *,
        classes: ArrayLike | None = None,
        point: int | None = None,
        label: Any = None,
        names: tuple[str, str] = ("first", "second"),
        ax: Axes | None = None,
        **plot_params: Any,
    ) -> ExplanationDisplay:
        """Explain the distance of two signatures and draw it.

        Parameters
        ----------
        S1, S2, plan, classes
            As in :func:`~skzest.explain_distance`.

        point, label, names, ax
            As in :meth:`from_explanation`.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ExplanationDisplay`
        """
        return cls.from_explanation(
            explain_distance(S1, S2, plan, classes=classes),
            point=point,
            label=label,
            names=names,
            ax=ax,
            **plot_params,
        )

    def plot(
        self,
        *,
        ax: Axes | None = None,
        quantity: str = "share",
        vmax: float | None = None,
        sound: str = "waveform",
        colorbar: bool = True,
    ) -> ExplanationDisplay:
        """Draw the parts of the point, coloured by what they add to the distance.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure.

        quantity : {"share", "difference"}, default="share"
            Shares in percent of the distance; or, for one class, the coefficients of the second
            model minus those of the first, of signatures scaled to length 1.

        vmax : float, default=None
            The value with the strongest colour, for figures to be compared. If None, the largest
            value of the point.

        sound : {"waveform", "spectrogram"}, default="waveform"
            How a sound is drawn.

        colorbar : bool, default=True
            Whether to add a colour bar. Bars have none.

        Returns
        -------
        display : :class:`ExplanationDisplay`

        Raises
        ------
        ValueError
            If `quantity` or `sound` is unknown, or ``quantity="difference"`` without a `label`.
        """
        check_choice(quantity, "quantity", QUANTITIES)
        check_choice(sound, "sound", SOUNDS)
        explanation, plan = self.explanation, self.explanation.plan
        values = self.values_ = self._values(quantity)
        picture = plan.picture(self.point)

        from matplotlib.colors import Normalize

        largest = vmax or float(np.abs(values).max()) or 1.0
        signed = quantity == "difference"
        cmap = signed_cmap() if signed else share_cmap()
        norm = Normalize(-largest if signed else 0.0, largest)
        _, size = picture.layout()
        self.ax_ = new_axes(*size) if ax is None else ax
        self.figure_ = self.ax_.figure
        share = explanation.by_point[self.point] / (explanation.distance or 1.0)
        title = f"{point_text(plan, self.point)}: {share:.1%} of the distance"
        if self.label is not None:
            title += f", class {plain(shorten(self.label, 20))}"
        self.ax_.set_title(title, fontsize=10)
        self.artists_ = picture.draw(self.ax_, values, cmap, norm, sound=sound)
        first, second = map(plain, shorten_all(self.names, 24))
        meaning = "share of the distance (%)"
        if signed:
            meaning = f"coefficient, {second} − {first}"
        elif picture.uses_colors and size[1] < _HEIGHT_OF_LABEL:
            meaning = "share (%)"
        self.colorbar_ = None
        if not picture.uses_colors:
            self.ax_.set_xlabel(meaning)
        elif colorbar:
            self.colorbar_ = draw_colorbar(self.ax_, cmap, norm, meaning)
        return self

    def _values(self, quantity):
        explanation = self.explanation
        at = explanation.at(self.point)
        if self.label is None:
            if quantity == "difference":
                raise ValueError(
                    "quantity='difference' needs one class, since classes differ in opposite "
                    f"directions; give label=, one of {list(explanation.classes)[:10]}."
                )
            rows = slice(None)
        elif self.label in explanation.classes:
            c = explanation.classes.index(self.label)
            rows = slice(c, c + 1)
        else:
            raise ValueError(
                f"label={self.label!r} is not a class of both models; choose one of "
                f"{list(explanation.classes)[:10]}."
            )
        if quantity == "share":
            return 100 * at[rows].sum(axis=0) / (explanation.distance or 1.0)
        first, second = explanation.units[:, rows, columns_of(explanation.plan, self.point)]
        return (second - first)[0]
