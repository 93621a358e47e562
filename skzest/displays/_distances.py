# SPDX-License-Identifier: BSD-3-Clause
"""The distance matrix of a zoo of models, ordered by a dendrogram."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..comparing import zest_distances
from ..drawing import plain, shorten_all
from ._clustering import check_distances, check_names, cluster, names_or_numbers, order_of
from ._families import clusters_of, medoids
from ._heatmap import (
    BAR,
    GAP,
    MARGIN,
    STRIP,
    TREE,
    Locator,
    draw_cells,
    draw_colorbar,
    draw_dendrogram,
    draw_groups,
    draw_labels,
    draw_legend,
    draw_values,
    heat_map_axes,
    labelled_rows,
    pitch_of,
    planned_side,
    undefined_patch,
    values_fit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import FigureBase

COLORBAR_LABELS = {
    "cosine": "cosine distance (no unit, 0 = alike)",
    "angular": "angular distance (no unit, 0 = alike)",
    "euclidean": "Euclidean distance (units of the scores)",
    "cityblock": "city-block distance (units of the scores)",
    "chebyshev": "Chebyshev distance (units of the scores)",
}


class ZestDistanceDisplay:
    """Clustered heat map of the distances between models.

    It is recommended to use :meth:`from_distances` or :meth:`from_signatures` to create a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    distances : ndarray of shape (n_models, n_models)
        Symmetric distances; NaN where one is not defined, as for a constant model.

    labels : array-like of shape (n_models,), default=None
        Names of the models. If None, "model 0", "model 1" and so on.

    groups : array-like of shape (n_models,), default=None
        The known family of each model, drawn as a coloured strip; None or NaN if unknown.

    linkage : ndarray of shape (n_clustered - 1, 4), default=None
        Hierarchical clustering in the form of :func:`scipy.cluster.hierarchy.linkage`. If None,
        the models are drawn in their original order, without a dendrogram.

    clustered : ndarray of shape (n_clustered,), default=None
        Indices of the models in `linkage`; the others are drawn after them. If None, all.

    distance : str, default="cosine"
        Name of the distance, for the colour bar. A name that :func:`~skzest.zest_distances` does
        not know is written as it is.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the heat map.

    figure_ : matplotlib Figure
        Figure containing the heat map.

    im_ : matplotlib AxesImage
        Image of the distances, in drawing order.

    text_ : ndarray of shape (n_models, n_models), dtype=matplotlib Text, or None
        The numbers in the cells, in drawing order; None in a cell without a distance. `None` if
        no numbers were written.

    dendrogram_ax_ : matplotlib Axes or None
        Axes with the dendrogram, above the heat map.

    groups_ax_ : matplotlib Axes or None
        Axes with the strip of groups, between dendrogram and heat map.

    colorbar_ : matplotlib Colorbar or None
        The colour bar.

    legend_ : matplotlib Legend or None
        The legend of the strip, and of hatched cells if there are any.

    See Also
    --------
    skzest.zest_distances : Compute the distances.

    Examples
    --------
    >>> from skzest.displays import ZestDistanceDisplay
    >>> D = [[0.0, 0.9, 0.1], [0.9, 0.0, 0.8], [0.1, 0.8, 0.0]]
    >>> display = ZestDistanceDisplay.from_distances(D, labels=["mine", "other", "copy"])
    >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
    ['other', 'copy', 'mine']
    """

    def __init__(
        self,
        distances: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        linkage: np.ndarray | None = None,
        clustered: np.ndarray | None = None,
        distance: str = "cosine",
    ):
        self.distances = distances
        self.labels = labels
        self.groups = groups
        self.linkage = linkage
        self.clustered = clustered
        self.distance = distance

    @classmethod
    def from_distances(
        cls,
        D: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        method: str | None = "average",
        distance: str = "cosine",
        ax: Axes | FigureBase | None = None,
        **plot_params: Any,
    ) -> ZestDistanceDisplay:
        """Cluster a distance matrix and draw it.

        The leaves of up to 2,000 models are in the optimal order [1]_: of all orders that the
        dendrogram allows, one with the least sum of distances between neighbours.

        Models with undefined distances (NaN) cannot be clustered. They are left out, with a
        warning, those with most gaps first, until the rest is complete; they are drawn after the
        others and have no leaf.

        Parameters
        ----------
        D : array-like of shape (n_models, n_models)
            Symmetric distances, as :func:`~skzest.zest_distances` gives them.

        labels : array-like of shape (n_models,), default=None
            Names of the models. If None, "model 0", "model 1" and so on.

        groups : array-like of shape (n_models,), default=None
            The family that each model is known to belong to; None or NaN where it is not known.

        method : {"average", "complete", "single", "weighted"} or None, default="average"
            Linkage. None draws the models in their original order.

        distance : str, default="cosine"
            Name of the distance, for the colour bar.

        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw. If None, a new figure, large enough for the models.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ZestDistanceDisplay`

        Raises
        ------
        ValueError
            If `D` is not square and symmetric, holds negative or infinite values, or does not
            match `labels` or `groups` in length; or if `method` is not one of the above.

        References
        ----------
        .. [1] Z. Bar-Joseph, D. K. Gifford, T. S. Jaakkola, "Fast optimal leaf ordering for
           hierarchical clustering", Bioinformatics 17, 2001.

        Examples
        --------
        >>> from skzest.displays import ZestDistanceDisplay
        >>> D = [[0.0, 0.9, 0.1], [0.9, 0.0, 0.8], [0.1, 0.8, 0.0]]
        >>> display = ZestDistanceDisplay.from_distances(D)
        >>> bool(display.linkage[0, 2] == 0.1)
        True
        """
        distances = check_distances(D)
        n_models = len(distances)
        labels = check_names(labels, n_models, "labels")
        groups = check_names(groups, n_models, "groups")
        linkage, clustered = None, None
        if method is not None:
            linkage, clustered = cluster(distances, method, labels)
        display = cls(
            distances,
            labels=labels,
            groups=groups,
            linkage=linkage,
            clustered=clustered,
            distance=distance,
        )
        return display.plot(ax=ax, **plot_params)

    @classmethod
    def from_signatures(
        cls,
        S: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        method: str | None = "average",
        distance: str | Callable = "cosine",
        n_classes: int | None = None,
        alignment: str | None = None,
        points: ArrayLike | None = None,
        ax: Axes | FigureBase | None = None,
        **plot_params: Any,
    ) -> ZestDistanceDisplay:
        """Compute the distances between signatures, cluster and draw them.

        Parameters
        ----------
        S : array-like of shape (n_models, n_classes * n_components)
            Signatures, one row per model.

        labels, groups, method
            As in :meth:`from_distances`.

        distance : str or callable, default="cosine"
            Passed to :func:`~skzest.zest_distances`, as are `n_classes`, `alignment` and `points`.

        n_classes : int, default=None
            Number of class blocks in a row.

        alignment : str, default=None
            How the classes of each pair of models are matched; None where they correspond.

        points : array-like of shape (n_components,), default=None
            Reference point of each component, for an alignment inside each point.

        ax : matplotlib Axes, Figure or SubFigure, default=None
            As in :meth:`from_distances`.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ZestDistanceDisplay`

        Examples
        --------
        >>> from skzest.displays import ZestDistanceDisplay
        >>> S = [[1.0, 2.0, 0.0], [2.0, 4.0, 0.1], [0.0, -1.0, 3.0]]
        >>> display = ZestDistanceDisplay.from_signatures(S, labels=["victim", "copy", "other"])
        >>> bool(display.distances[0, 1] < 0.01 < display.distances[0, 2])
        True
        """
        D = zest_distances(
            S, distance=distance, n_classes=n_classes, alignment=alignment, points=points
        )
        return cls.from_distances(
            D,
            labels=labels,
            groups=groups,
            method=method,
            distance=distance if isinstance(distance, str) else _name_of(distance),
            ax=ax,
            **plot_params,
        )

    @property
    def order(self) -> np.ndarray:
        """Index of the model in each row of the picture, from the top."""
        return order_of(np.shape(self.distances)[0], self.linkage, self.clustered)

    def _medoids(self) -> np.ndarray:
        """The rows of the picture that represent clusters, those of the largest first."""
        if self.linkage is None:
            return np.array([], dtype=int)
        D = np.asarray(self.distances, dtype=float)
        return np.argsort(self.order)[medoids(D, clusters_of(D))]

    def plot(
        self,
        *,
        ax: Axes | FigureBase | None = None,
        include_values: bool | None = None,
        values_format: str = ".2f",
        cmap: str | Colormap = "viridis",
        xticks_rotation: float | None = None,
        label_length: int = 24,
        colorbar: bool = True,
        im_kw: Mapping[str, Any] | None = None,
        text_kw: Mapping[str, Any] | None = None,
    ) -> ZestDistanceDisplay:
        """Draw the heat map, the dendrogram above it, and the strip of groups between them.

        With more than about 90 models only one model of each cluster has a label, see
        :meth:`skzest.ZooMapDisplay.plot`.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw. The box of an Axes holds the heat map and everything around it. If
            None, a new figure, large enough for the models.

        include_values : bool, default=None
            Write the distances in the cells. If None, where they fit in.

        values_format : str, default=".2f"
            Format of the numbers in the cells.

        cmap : str or matplotlib Colormap, default="viridis"
            Colour map. The default is perceptually uniform and safe for colour-blind readers.

        xticks_rotation : float, default=None
            Rotation of the labels below, in degrees. If None, 0 where they fit in, else 90.

        label_length : int, default=24
            Longer labels lose their middle; at least 3.

        colorbar : bool, default=True
            Whether to add a colour bar.

        im_kw : dict, default=None
            Passed to `matplotlib.axes.Axes.imshow`, for example ``{"vmin": 0, "vmax": 1}`` for
            pictures that are compared. Otherwise colours end at the largest distance, but not
            below 1e-9, as smaller distances are rounding errors.

        text_kw : dict, default=None
            Passed to `matplotlib.axes.Axes.text` for the numbers in the cells.

        Returns
        -------
        display : :class:`ZestDistanceDisplay`
        """
        order = self.order
        D = np.asarray(self.distances, dtype=float)[np.ix_(order, order)]
        labels = names_or_numbers(self.labels, len(D), "model")
        names = [*map(plain, shorten_all(labels[order], label_length))]
        groups = check_names(self.groups, len(D), "groups")

        self.ax_ = heat_map_axes(ax)
        self.figure_ = self.ax_.figure
        pitch = pitch_of(self.ax_, len(D), planned=ax is None)
        self.im_ = draw_cells(self.ax_, D, {"cmap": cmap, **(im_kw or {})})
        at, font, room = labelled_rows(len(D), pitch, self._medoids())
        draw_labels(self.ax_, names, at, font, room, xticks_rotation)
        self.text_ = None
        if include_values or (include_values is None and values_fit(D, values_format, pitch)):
            self.text_ = draw_values(self.ax_, self.im_, D, values_format, pitch, text_kw or {})

        top, entries = 1.0, []  # in heights of the heat map
        self.groups_ax_ = self.dendrogram_ax_ = None
        if groups is not None:
            self.groups_ax_, entries = draw_groups(self.ax_, groups, order, bottom=top)
            top += GAP / 2 + STRIP
        if self.linkage is not None:
            self.dendrogram_ax_ = draw_dendrogram(self.ax_, self.linkage, bottom=top)
            top += GAP / 2 + TREE
        if np.isnan(D).any():
            entries.append(undefined_patch())
        self.legend_, room = draw_legend(self.ax_, entries, top, pitch * len(D))
        self.colorbar_ = None
        if colorbar:
            label = COLORBAR_LABELS.get(self.distance, self.distance)
            self.colorbar_ = draw_colorbar(self.ax_, self.im_, label, room)
        locator = Locator(self.ax_, top=top - 1, right=GAP + BAR if colorbar else 0.0)
        if ax is None:
            width, height = locator.box_for(planned_side(len(D)))
            self.figure_.set_size_inches(width + 2 * MARGIN, height + 2 * MARGIN)
        self.ax_.set_axes_locator(locator)
        return self


def _name_of(distance: Callable) -> str:
    return getattr(distance, "__name__", "distance")
