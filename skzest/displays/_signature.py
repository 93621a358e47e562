# SPDX-License-Identifier: BSD-3-Clause
"""The coefficients of one model on the parts of a point, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice
from ..comparing import Signatures, check_plan, columns_of
from ..drawing import SIDE_FONT, SOUNDS, draw_colorbar, plain, shorten, signed_cmap
from ..plan import QueryPlan, class_labels, names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

_LABELS_SHOWN = 4  # classes, unless others are asked for


class SignatureDisplay:
    """The coefficients of a model's classes on the parts of one reference point.

    It is recommended to use :meth:`from_signature` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    coefficients : ndarray of shape (n_shown, n_parts)
        Coefficients of the classes to draw.

    plan : QueryPlan
        The questions.

    point : int
        Position of the reference point in the plan.

    labels : sequence of length n_shown
        Names of these classes.

    Attributes
    ----------
    axes_ : ndarray of shape (n_shown,), dtype=matplotlib Axes
        Axes of the classes.

    ax_ : matplotlib Axes
        The first of them.

    figure_ : matplotlib Figure
        Figure containing the axes.

    colorbar_ : matplotlib Colorbar or None
        The colour bar, one for all classes; None beside bars.

    See Also
    --------
    skzest.ExplanationDisplay : The difference of two models.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import ImageMasker, LimeSignatureTransformer
    >>> from skzest.displays import SignatureDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=50, tol=0.1).fit(X, y)
    >>> masker = ImageMasker("grid", image_shape=(8, 8))
    >>> lime = LimeSignatureTransformer(X, n_reference=4, n_samples=64, masker=masker)
    >>> S = lime.fit_transform([model])
    >>> display = SignatureDisplay.from_signature(S[0], lime.plan_, point=1, labels=[3, 8])
    >>> [ax.get_title() for ax in display.axes_]
    ['3', '8']
    """

    def __init__(self, coefficients: np.ndarray, *, plan: QueryPlan, point: int, labels: ArrayLike):
        self.coefficients = coefficients
        self.plan = plan
        self.point = point
        self.labels = labels

    @classmethod
    def from_signature(
        cls,
        S: ArrayLike,
        plan: QueryPlan,
        *,
        point: int = 0,
        classes: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        ax: Axes | FigureBase | ArrayLike | None = None,
        **plot_params: Any,
    ) -> SignatureDisplay:
        """Draw a part of the signature of one model.

        Parameters
        ----------
        S : array-like of shape (n_classes * n_components,)
            Signature of the model under `plan`.

        plan : QueryPlan
            The questions, ``plan_`` of the transformer.

        point : int, default=0
            Position of the reference point in the plan.

        classes : array-like of shape (n_classes,), default=None
            Labels of all classes, ``classes_`` of the transformer. If None, as column names
            tell, or else their numbers.

        labels : array-like, default=None
            Labels of the classes to draw, in this order. If None, the four with the largest
            coefficients at this point, largest first.

        ax : matplotlib Axes, Figure, SubFigure or array-like of Axes, default=None
            Where to draw; a single Axes suits a single class. If None, a new figure.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`SignatureDisplay`

        Raises
        ------
        ValueError
            If `point` is not in the plan, the model lacks a class of `labels`, or components are
            masks (``surrogate="passthrough"``).
        DesignMismatchError
            If column names tell that the signature answers other questions.
        """
        check_plan(plan)
        W = Signatures.one(S, "S", plan).blocks[0]
        known = class_labels(names_of(S)) if classes is None else np.asarray(classes, dtype=object)
        known = np.arange(len(W)) if known is None else known
        if known.shape != (len(W),):
            raise ValueError(
                f"classes has shape {known.shape}; expected ({len(W)},), one label for each class "
                "of the signature (classes_ of the transformer)."
            )
        at = W[:, columns_of(plan, point)]
        rows = _largest(at) if labels is None else _rows_of(labels, known.tolist(), at)
        shown = [known[row] for row in rows]
        return cls(at[rows], plan=plan, point=point, labels=shown).plot(ax=ax, **plot_params)

    def plot(
        self,
        *,
        ax: Axes | FigureBase | ArrayLike | None = None,
        vmax: float | None = None,
        sound: str = "waveform",
        colorbar: bool = True,
    ) -> SignatureDisplay:
        """Draw one picture for each class, all in the same colours.

        Parameters
        ----------
        ax : matplotlib Axes, Figure, SubFigure or array-like of Axes, default=None
            Where to draw. If None, a new figure.

        vmax : float, default=None
            The coefficient with the strongest colour, for models to be compared. If None, the
            largest one drawn.

        sound : {"waveform", "spectrogram"}, default="waveform"
            How a sound is drawn.

        colorbar : bool, default=True
            Whether to add a colour bar. Bars have none.

        Returns
        -------
        display : :class:`SignatureDisplay`
        """
        check_choice(sound, "sound", SOUNDS)
        picture = self.plan.picture(self.point)
        W = np.asarray(self.coefficients, dtype=float)
        labels = list(np.asarray(self.labels, dtype=object))

        from matplotlib.colors import Normalize

        largest = vmax or float(np.abs(W).max()) or 1.0
        norm, cmap = Normalize(-largest, largest), signed_cmap()
        n_columns, size = picture.layout(len(W))
        self.axes_ = _axes(ax, len(W), n_columns, size)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        order = np.argsort(-np.abs(W).max(axis=0), kind="stable")
        for axes, values, label in zip(self.axes_, W, labels):
            picture.draw(axes, values, cmap, norm, sound=sound, order=order)
            axes.set_title(plain(shorten(label, 24)), fontsize=10)
        self.colorbar_ = None
        if not picture.uses_colors:
            for i, axes in enumerate(self.axes_):
                axes.set_xlabel("coefficient", fontsize=SIDE_FONT)
                axes.tick_params(axis="x", labelsize=SIDE_FONT)
                if i and _same_row(axes, self.ax_):
                    axes.set_yticklabels([])
        elif colorbar:
            meaning = "coefficient: against | for"
            self.colorbar_ = draw_colorbar(list(self.axes_), cmap, norm, meaning)
        if n_columns == 1:
            for axes in self.axes_[:-1]:
                axes.set_xlabel("")
        return self


def _axes(
    ax: Axes | FigureBase | ArrayLike | None,
    n_shown: int,
    n_columns: int,
    size: tuple[float, float],
) -> np.ndarray:
    """The given axes, or one for each class in a given or new figure."""
    import matplotlib.pyplot as plt

    figure: Any = ax
    if ax is not None and not hasattr(ax, "add_subplot"):
        axes = np.array([ax] if hasattr(ax, "get_window_extent") else ax, dtype=object).ravel()
        if len(axes) != n_shown:
            raise ValueError(
                f"ax holds {len(axes)} Axes for {n_shown} classes; give one for each, a Figure, "
                "or None."
            )
        return axes
    if ax is None:
        figure = plt.figure(figsize=size, layout="constrained")
    axes = figure.subplots(-(-n_shown // n_columns), n_columns, squeeze=False).ravel()
    for spare in axes[n_shown:]:
        spare.remove()
    return axes[:n_shown]


def _same_row(axes, first):
    return np.isclose(axes.get_position().y0, first.get_position().y0)


def _largest(W):
    """Classes with the largest coefficients, without those that the model lacks (NaN)."""
    strength = np.abs(W).max(axis=1)
    there = np.flatnonzero(~np.isnan(strength))
    if not len(there):
        raise ValueError("the model lacks all classes (S is NaN), so there is nothing to draw.")
    return there[np.argsort(-strength[there], kind="stable")][:_LABELS_SHOWN]


def _rows_of(labels, known, W):
    """Rows of the requested classes."""
    labels = np.asarray(labels, dtype=object)
    rows = []
    for label in labels.ravel().tolist():
        if label not in known:
            raise ValueError(
                f"{label!r} is not a class of the signature; choose from {known[:10]}."
            )
        rows.append(known.index(label))
        if np.isnan(W[rows[-1]]).any():
            raise ValueError(f"the model lacks class {label!r} (its coefficients are NaN).")
    if not rows:
        raise ValueError("labels is empty; give at least one class, or None.")
    return np.array(rows)
