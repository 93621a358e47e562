# SPDX-License-Identifier: BSD-3-Clause
"""A zoo of models as a map that shows their distances as well as a plane can."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice, check_whole
from ..comparing import zest_distances
from ..drawing import POINTS_PER_INCH, SIDE_FONT, new_axes, plain, shorten, text_width
from ._clustering import check_distances, check_names, is_missing, names_or_numbers
from ._heatmap import GROUP_COLORS
from ._labels import label_boxes
from ._scaling import largest_connected, nearest_tree, positions, stress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = ("smacof", "classical")
_MARKERS = "os^DvPX"  # with the colours, 49 groups that differ in both or in one
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
        The models of each group.

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
    ):
        self.positions = positions
        self.distances = distances
        self.labels = labels
        self.groups = groups

    @classmethod
    def from_distances(
        cls,
        D: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        method: str = "smacof",
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

        method : {"smacof", "classical"}, default="smacof"
            ``"smacof"`` [1]_ minimises the errors of distances, starting from the classical
            positions and from eight random ones, and keeps the best result. ``"classical"`` is
            Torgerson's scaling, the principal components of points with these distances.

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
            match `labels` or `groups` in length; or if `method` is unknown.

        References
        ----------
        .. [1] J. de Leeuw, "Applications of convex analysis to multidimensional scaling", Recent
           Developments in Statistics, 1977.
        """
        distances = check_distances(D)
        np.fill_diagonal(distances, 0.0)
        labels = check_names(labels, len(distances), "labels")
        groups = check_names(groups, len(distances), "groups")
        check_choice(method, "method", METHODS)
        seed = check_whole(random_state, "random_state", minimum=0)
        X = np.full((len(distances), 2), np.nan)
        chosen = largest_connected(distances)
        X[chosen] = positions(distances[np.ix_(chosen, chosen)], method, seed)
        display = cls(X, distances=distances, labels=labels, groups=groups)
        return display.plot(ax=ax, **plot_params)

    @classmethod
    def from_signatures(
        cls,
        S: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        method: str = "smacof",
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

        labels, groups, method, random_state
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
        known = D[np.ix_(shown, shown)]
        self.stress_ = stress(known, X[shown])

        side = float(np.clip(6.0 + 0.03 * (len(X) - 20), 6.0, 9.0))
        self.ax_ = new_axes(side + 1.0, side) if ax is None else ax
        self.figure_ = self.ax_.figure
        self.ax_.set(aspect="equal", adjustable="datalim", xticks=[], yticks=[])
        self.ax_.margins(0.12)
        self.ax_.spines[:].set_color("0.8")
        if tree:
            for i, j in shown[nearest_tree(known)]:
                self.ax_.plot(*X[[i, j]].T, color="0.8", linewidth=0.8, zorder=1)
        self.points_ = _draw_points(self.ax_, X, groups)
        self.legend_ = _draw_legend(self.ax_, self.points_) if groups is not None else None
        caption = [f"distances on the map are off by {self.stress_:.0%} (stress-1)"]
        if tree and len(shown) > 1:
            caption.append("grey lines: minimum spanning tree of the true distances")
        left_out = [str(labels[i]) for i in np.setdiff1d(np.arange(len(X)), shown)]
        if left_out:
            names = ", ".join(shorten(name, label_length) for name in left_out[:_LISTED])
            names += ", ..." if len(left_out) > _LISTED else ""
            caption.append(f"not shown, as their distances to these are not known: {plain(names)}")
        self.ax_.set_xlabel("\n".join(caption), fontsize=SIDE_FONT, labelpad=22)
        # The layout engine moves the axes, and the aspect its limits, when the figure is drawn.
        self.figure_.figure.draw_without_rendering()
        if np.ptp(X[shown], axis=0).any():
            _draw_scale(self.ax_)
        self.text_ = []
        if include_labels:
            names_shown = [shorten(labels[i], label_length) for i in shown]
            self.text_, n_lost = _draw_names(self.ax_, X[shown], names_shown)
            if n_lost:
                caption[-1] += f"; no room for {n_lost} names"
                self.ax_.set_xlabel("\n".join(caption), fontsize=SIDE_FONT, labelpad=22)
        return self


def _draw_points(ax, X, groups):
    if groups is None:
        return [ax.scatter(*X.T, s=36, color="black", zorder=2)]
    found = []
    known = [group for group in dict.fromkeys(groups) if not is_missing(group)]
    for k, group in enumerate(known):
        chosen = np.array([other == group for other in groups])
        style = {
            "color": GROUP_COLORS[k % len(GROUP_COLORS)],
            "marker": _MARKERS[(k + k // len(GROUP_COLORS)) % len(_MARKERS)],
            "edgecolor": "0.15",
            "linewidth": 0.6,
        }
        found.append(ax.scatter(*X[chosen].T, s=42, zorder=2, label=plain(group), **style))
    unknown = np.array([is_missing(group) for group in groups])
    if unknown.any():
        found.append(ax.scatter(*X[unknown].T, s=20, color="0.4", zorder=2, label="not known"))
    return found


def _draw_legend(ax, points):
    return ax.legend(
        handles=points,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0.0,
        frameon=False,
        fontsize=SIDE_FONT,
        ncols=int(np.ceil(len(points) / 25)),
    )


def _draw_scale(ax):
    """A bar below the map, as long as a round distance."""
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    low, high = ax.get_xlim()
    power = 10.0 ** np.floor(np.log10(0.25 * (high - low)))
    length = power * max(m for m in (1, 2, 5) if m * power <= 0.25 * (high - low))
    bar = AnchoredSizeBar(
        ax.transData,
        length,
        f"distance {length:g}",
        loc="upper left",
        pad=0.2,
        sep=2,
        frameon=False,
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes,
        fontproperties={"size": SIDE_FONT},
    )
    ax.add_artist(bar)


def _draw_names(ax, X, names):
    """Annotations, with a line to a point farther away; and the number of names without room."""
    font = float(np.clip(11 - 0.1 * len(names), 6.0, 9.0))
    scale = POINTS_PER_INCH / ax.figure.dpi
    box = ax.get_window_extent()
    at = (ax.transData.transform(X) - [box.x0, box.y0]) * scale
    sizes = np.array([[1.05 * text_width(name, font) + 2, 1.3 * font] for name in names])
    boxes = label_boxes(at, sizes, (box.width * scale, box.height * scale))
    texts = []
    for position, point, size, name, found in zip(X, at, sizes, names, boxes):
        if np.isnan(found[0]):
            continue
        nearest = np.clip(point, found[:2], found[2:])
        line = None
        if np.hypot(*(nearest - point)) > 8:
            line = {"arrowstyle": "-", "color": "0.55", "linewidth": 0.5, "shrinkA": 0}
            line |= {"shrinkB": 3, "relpos": tuple((nearest - found[:2]) / size)}
        texts.append(
            ax.annotate(
                name,
                position,
                xytext=found[:2] + [1, 0.2 * font] - point,
                textcoords="offset points",
                fontsize=font,
                va="bottom",
                ha="left",
                arrowprops=line,
                parse_math=False,
                zorder=3,
            )
        )
    return texts, len(names) - len(texts)
