# SPDX-License-Identifier: BSD-3-Clause
"""A zoo of models as a map that shows their distances as well as a plane can."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice, check_whole, counted
from ..comparing import zest_distances
from ..drawing import SIDE_FONT, new_axes, plain, shorten, shorten_all
from ._clustering import check_distances, check_names, names_or_numbers
from ._families import representatives
from ._map_drawing import (
    draw_legend,
    draw_lines,
    draw_names,
    draw_points,
    draw_scale,
    draw_suspects,
    known_groups,
    legend_width,
)
from ._scaling import largest_connected, nearest_tree, positions, stress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = {"stress": "positions of least stress", "classical": "classical scaling"}
_LISTED = 5


class ZooMapDisplay:
    """Map of a zoo of models (multidimensional scaling of their distances).

    It is recommended to use :meth:`from_distances` or :meth:`from_signatures` to create a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    positions : ndarray of shape (n_models, 2)
        Coordinates of the models; NaN for a model that no known distance connects to the others.

    distances : ndarray of shape (n_models, n_models)
        Symmetric distances; NaN where one is not defined.

    labels : array-like of shape (n_models,), default=None
        Names of the models. If None, "model 0", "model 1" and so on.

    groups : array-like of shape (n_models,), default=None
        The family that each model is known to belong to; None or NaN where it is not known.

    suspects : array-like of shape (n_suspects,), default=None
        Indices of models that are ringed and always named.

    method : {"stress", "classical"}, default=None
        How the positions were computed, for the caption.

    Attributes
    ----------
    stress_ : float
        Kruskal's stress-1: root mean square of the errors of distances on the map, over the root
        mean square of the distances.

    ax_ : matplotlib Axes
        Axes with the map.

    figure_ : matplotlib Figure
        Figure containing the map.

    points_ : list of matplotlib PathCollection
        The models of each group, and the rings of suspects.

    text_ : list of matplotlib Annotation
        The names, none over another.

    legend_ : matplotlib Legend or None
        What the markers mean.

    See Also
    --------
    skzest.ZestDistanceDisplay : The distances themselves, clustered.

    Examples
    --------
    >>> from skzest.displays import ZooMapDisplay
    >>> D = [[0.0, 0.9, 0.1], [0.9, 0.0, 0.8], [0.1, 0.8, 0.0]]
    >>> display = ZooMapDisplay.from_distances(D, labels=["mine", "other", "copy"])
    >>> bool(display.stress_ < 1e-6)
    True
    """

    def __init__(
        self,
        positions: np.ndarray,
        *,
        distances: np.ndarray,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        suspects: ArrayLike | None = None,
        method: str | None = None,
    ):
        self.positions = positions
        self.distances = distances
        self.labels = labels
        self.groups = groups
        self.suspects = suspects
        self.method = method

    @classmethod
    def from_distances(
        cls,
        D: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        suspects: ArrayLike | None = None,
        method: str = "stress",
        random_state: int = 0,
        ax: Axes | None = None,
        **plot_params: Any,
    ) -> ZooMapDisplay:
        """Compute the positions of models from their distances and draw the map.

        Parameters
        ----------
        D : array-like of shape (n_models, n_models)
            Symmetric distances, as :func:`~skzest.zest_distances` gives them. A distance that is
            not defined (NaN) is ignored. The largest set of models that known distances connect
            is drawn; the others are listed below the map.

        labels : array-like of shape (n_models,), default=None
            Names of the models. If None, "model 0", "model 1" and so on.

        groups : array-like of shape (n_models,), default=None
            The family that each model is known to belong to; None or NaN where it is not known.

        suspects : array-like of shape (n_suspects,), default=None
            Indices of models that are ringed and always named.

        method : {"stress", "classical"}, default="stress"
            ``"stress"`` minimises Kruskal's stress [1]_ with L-BFGS, starting from the classical
            positions and from random ones (eight of them up to 353 models, one for 1,000, none
            for more), and keeps the best result. ``"classical"`` is Torgerson's scaling, the
            principal components of points with these distances.

        random_state : int, default=0
            Seed of the random positions.

        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ZooMapDisplay`

        Raises
        ------
        ValueError
            If `D` is not square and symmetric, holds negative or infinite values, or does not
            match `labels` or `groups` in length; if a suspect is not one of the models; or if
            `method` is unknown.

        References
        ----------
        .. [1] J. B. Kruskal, "Multidimensional scaling by optimizing goodness of fit to a
           nonmetric hypothesis", Psychometrika 29, 1964.
        """
        distances = check_distances(D)
        np.fill_diagonal(distances, 0.0)
        labels = check_names(labels, len(distances), "labels")
        groups = check_names(groups, len(distances), "groups")
        check_choice(method, "method", METHODS)
        seed = check_whole(random_state, "random_state", minimum=0)
        suspects = check_suspects(suspects, len(distances))
        X = np.full((len(distances), 2), np.nan)
        chosen = largest_connected(distances)
        X[chosen] = positions(distances[np.ix_(chosen, chosen)], method, seed)
        display = cls(
            X, distances=distances, labels=labels, groups=groups, suspects=suspects, method=method
        )
        return display.plot(ax=ax, **plot_params)

    @classmethod
    def from_signatures(
        cls,
        S: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        suspects: ArrayLike | None = None,
        method: str = "stress",
        random_state: int = 0,
        distance: str | Callable = "cosine",
        n_classes: int | None = None,
        alignment: str | None = None,
        points: ArrayLike | None = None,
        ax: Axes | None = None,
        **plot_params: Any,
    ) -> ZooMapDisplay:
        """Compute the distances between signatures and draw the map.

        Parameters
        ----------
        S : array-like of shape (n_models, n_classes * n_components)
            Signatures, one row per model.

        labels, groups, suspects, method, random_state
            As in :meth:`from_distances`.

        distance, n_classes, alignment, points
            As in :func:`~skzest.zest_distances`.

        ax : matplotlib Axes, default=None
            As in :meth:`from_distances`.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ZooMapDisplay`
        """
        D = zest_distances(
            S, distance=distance, n_classes=n_classes, alignment=alignment, points=points
        )
        return cls.from_distances(
            D,
            labels=labels,
            groups=groups,
            suspects=suspects,
            method=method,
            random_state=random_state,
            ax=ax,
            **plot_params,
        )

    def plot(
        self,
        *,
        ax: Axes | None = None,
        include_labels: bool = True,
        max_labels: int = 60,
        label_length: int = 24,
        tree: bool = True,
    ) -> ZooMapDisplay:
        """Draw the map.

        Names are arranged for the current size of the axes; draw again after changing it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure.

        include_labels : bool, default=True
            Whether to write the names. Those without room are left out and counted below the map.

        max_labels : int, default=60
            With more models than this, names are those of the suspects and of one model of each
            cluster, the largest clusters first: the medoid, whose distances to the others of its
            cluster have the least sum. Clusters are those of average linkage, cut at two thirds
            of the height at which the last two merge.

        label_length : int, default=24
            Longer names lose their middle; at least 3.

        tree : bool, default=True
            Whether to join the models by the minimum spanning tree of their true distances: where
            a line is long although another model is nearer on the map, the map misleads.

        Returns
        -------
        display : :class:`ZooMapDisplay`
        """
        X, D = np.asarray(self.positions, float), np.asarray(self.distances, float)
        labels = names_or_numbers(self.labels, len(X), "model")
        groups = check_names(self.groups, len(X), "groups")
        shown = np.flatnonzero(~np.isnan(X).any(axis=1))
        is_suspect = np.isin(shown, check_suspects(self.suspects, len(X)))
        suspects = np.flatnonzero(is_suspect)
        X_shown, known = X[shown], D if len(shown) == len(X) else D[np.ix_(shown, shown)]
        self.stress_ = stress(known, X_shown)

        side = float(np.clip(6.0 + 0.03 * (len(X) - 20), 6.0, 9.0))
        beside = max(1.0, legend_width(known_groups([] if groups is None else groups)))
        self.ax_ = new_axes(side + beside, side) if ax is None else ax
        self.figure_ = self.ax_.figure
        self.ax_.set(aspect="equal", adjustable="datalim", xticks=[], yticks=[])
        self.ax_.margins(0.12)
        self.ax_.spines[:].set_color("0.8")
        if tree and len(shown) > 1:
            draw_lines(self.ax_, X_shown, nearest_tree(known))
        self.points_ = draw_points(self.ax_, X, groups)
        if len(suspects):
            self.points_.append(draw_suspects(self.ax_, X_shown[suspects], len(X)))
        explained = groups is not None or len(suspects) > 0
        self.legend_ = draw_legend(self.ax_, self.points_, len(X)) if explained else None
        caption = self._caption(labels, shown, tree, label_length)
        self.ax_.set_xlabel("\n".join(caption), fontsize=SIDE_FONT, labelpad=22)
        # The layout engine moves the axes, and the aspect its limits, when the figure is drawn.
        self.figure_.figure.draw_without_rendering()
        if np.ptp(X_shown, axis=0).any():
            draw_scale(self.ax_)
        self.text_ = []
        if include_labels:
            named = representatives(known, check_whole(max_labels, "max_labels"), suspects)
            names = shorten_all(labels[shown[named]], label_length)
            self.text_ = draw_names(self.ax_, X_shown, named, names, is_suspect)
            caption += _names_left_out(len(shown), len(named), len(suspects), len(self.text_))
            self.ax_.set_xlabel("\n".join(caption), fontsize=SIDE_FONT, labelpad=22)
        return self

    def _caption(
        self, labels: np.ndarray, shown: np.ndarray, tree: bool, label_length: int
    ) -> list[str]:
        """Lines below the map."""
        off = f"distances on the map are off by {self.stress_:.0%} (stress-1)"
        method = METHODS.get(self.method or "")
        caption = [f"{method}: {off}" if method else off]
        if tree and len(shown) > 1:
            caption.append("grey lines: minimum spanning tree of the true distances")
        left_out = [str(labels[i]) for i in np.setdiff1d(np.arange(len(labels)), shown)]
        if left_out:
            names = ", ".join(shorten(name, label_length) for name in left_out[:_LISTED])
            names += ", ..." if len(left_out) > _LISTED else ""
            caption.append(f"not shown, as their distances to these are not known: {plain(names)}")
        return caption


def _names_left_out(n_models: int, n_named: int, n_suspects: int, n_written: int) -> list[str]:
    """A line of the caption on the names that are not on the map."""
    parts = []
    if n_named < n_models:
        which = "the suspects and one of each cluster" if n_suspects else "one of each cluster"
        parts.append(f"named: {n_named:,} of {n_models:,} models, {which}")
    if n_written < n_named:
        parts.append(f"no room for {counted(n_named - n_written, 'name')}")
    return ["; ".join(parts)] if parts else []


def check_suspects(suspects: ArrayLike | None, n_models: int) -> np.ndarray:
    """Indices of models, each once."""
    found = np.atleast_1d(np.asarray([] if suspects is None else suspects))
    if not found.size:
        return np.array([], dtype=int)
    if found.dtype.kind not in "iu" or found.ndim > 1:
        raise TypeError(
            "suspects must be indices of models, such as [0, 3]; the index of a name is "
            "labels.index(name)."
        )
    if found.min() < 0 or found.max() >= n_models:
        raise ValueError(
            f"suspects must be indices from 0 to {n_models - 1}, as there are "
            f"{counted(n_models, 'model')}; got {found[(found < 0) | (found >= n_models)][0]}."
        )
    return np.unique(found)
