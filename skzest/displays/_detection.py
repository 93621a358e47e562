# SPDX-License-Identifier: BSD-3-Clause
"""Distances of suspects next to those of unrelated models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice
from ..drawing import BLUE, SIDE_FONT, VERMILION, axes_size, new_axes, plain, shorten_all
from ._clustering import check_names, names_or_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..detectors import ReuseDecisions

SCALES = ("auto", "linear", "log")

# Colour and marker both tell the decision; None is for suspects without one.
STYLES: dict[str | None, dict[str, Any]] = {
    "reused": {"color": VERMILION, "marker": "o"},
    "undecided": {"color": "0.35", "marker": "D"},
    "unrelated": {"color": BLUE, "marker": "s"},
    None: {"color": "black", "marker": "o"},
}
_BAND = 2.2  # rows that the unrelated models take
_BAND_MIDDLE = (-_BAND - 0.55) / 2
_ROW, _SMALLEST_ROW = 0.27, 0.155  # inches


def check_decisions(decisions: object) -> None:
    """Refuse what no :class:`~skzest.ReuseDetector` returned."""
    if not hasattr(decisions, "null_distances"):
        raise TypeError(
            f"decisions must be those of a ReuseDetector; got {type(decisions).__name__}. Pass "
            "what its judge or judge_models returns. Decisions on unlearning have no figure: print "
            "them, or pass them to html_report."
        )


class ReuseDetectionDisplay:
    """Relative distances of suspects, with intervals, next to those of unrelated models.

    It is recommended to use :meth:`from_decisions` or :meth:`from_distances` to create a display.
    All parameters are stored as attributes.

    Parameters
    ----------
    null : ndarray of shape (n_unrelated,)
        Relative distances of unrelated models to the owner's model.

    suspects : ndarray of shape (n_suspects,)
        Relative distances of the suspects; NaN where one is not defined.

    labels : array-like of shape (n_suspects,), default=None
        Names of the suspects. If None, "suspect 0", "suspect 1" and so on.

    low, high : ndarrays of shape (n_suspects,), default=None
        Ends of the intervals.

    decisions : array-like of shape (n_suspects,), default=None
        "reused", "unrelated" or "undecided".

    p_values : ndarray of shape (n_suspects,), default=None
        Written next to the suspects.

    critical : float, default=None
        Relative distance below which a single suspect is "reused".

    unrelated_from : float, default=None
        Relative distance from which on a suspect is "unrelated".

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the distances.

    figure_ : matplotlib Figure
        Figure containing the axes.

    null_ : matplotlib PathCollection
        The unrelated models.

    suspects_ : list of matplotlib Line2D
        One marker for each suspect with a distance, from top to bottom.

    legend_ : matplotlib Legend
        The legend of markers and lines.

    See Also
    --------
    skzest.ReuseDetector : Makes the decisions.

    Examples
    --------
    >>> from skzest.displays import ReuseDetectionDisplay
    >>> unrelated = [0.18, 0.22, 0.19, 0.21, 0.2, 0.17, 0.23, 0.2, 0.19]
    >>> display = ReuseDetectionDisplay.from_distances(
    ...     unrelated, [0.21, 0.02], labels=["theirs", "copy"], threshold=0.5
    ... )
    >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
    ['unrelated models (9)', 'copy', 'theirs']
    """

    def __init__(
        self,
        null: ArrayLike,
        suspects: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        decisions: ArrayLike | None = None,
        p_values: ArrayLike | None = None,
        critical: float | None = None,
        unrelated_from: float | None = None,
    ):
        self.null = null
        self.suspects = suspects
        self.labels = labels
        self.low = low
        self.high = high
        self.decisions = decisions
        self.p_values = p_values
        self.critical = critical
        self.unrelated_from = unrelated_from

    @classmethod
    def from_decisions(
        cls, decisions: ReuseDecisions, *, ax: Axes | None = None, **plot_params: Any
    ) -> ReuseDetectionDisplay:
        """Draw what a :class:`~skzest.ReuseDetector` decided.

        Parameters
        ----------
        decisions : ReuseDecisions
            As the detector's ``judge`` and its kind give it.

        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure, large enough for the suspects.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ReuseDetectionDisplay`

        Raises
        ------
        TypeError
            If they are not those of a detector.
        ValueError
            If several distances decided.
        """
        check_decisions(decisions)
        if decisions.distances is not None:
            raise ValueError(
                f"these decisions rest on {len(decisions.distances)} distances, which have no "
                "common unit. Draw them with DistanceStripsDisplay.from_decisions."
            )
        unit = float(np.mean(decisions.null_distances))
        display = cls(
            np.asarray(decisions.null_distances) / unit,
            decisions.relative,
            labels=decisions.labels,
            low=decisions.low,
            high=decisions.high,
            decisions=decisions.decisions,
            p_values=decisions.adjusted_p_values,
            critical=decisions.critical / unit,
            unrelated_from=decisions.unrelated_from / unit,
        )
        return display.plot(ax=ax, **plot_params)

    @classmethod
    def from_distances(
        cls,
        d_null: ArrayLike,
        d_suspects: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        threshold: float | None = None,
        ax: Axes | None = None,
        **plot_params: Any,
    ) -> ReuseDetectionDisplay:
        """Draw distances to the owner's model, relative to the mean of unrelated models.

        Parameters
        ----------
        d_null : array-like of shape (n_unrelated,)
            Distances of unrelated models to the owner's model.

        d_suspects : array-like of shape (n_suspects,)
            Distances of the suspects; NaN where one is not defined.

        labels : array-like of shape (n_suspects,), default=None
            Names of the suspects.

        threshold : float, default=None
            Relative distance at which a line is drawn.

        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure, large enough for the suspects.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`ReuseDetectionDisplay`

        Raises
        ------
        ValueError
            If distances are negative or infinite, those of unrelated models are missing or have
            mean zero, or the number of `labels` is not that of the suspects.
        """
        null, suspects = _distances(d_null, "d_null"), _distances(d_suspects, "d_suspects")
        if not len(null) or np.isnan(null).any() or not null.mean() > 0:
            raise ValueError(
                "d_null must hold the distances of at least one unrelated model, none of them NaN, "
                f"with a positive mean; got {len(null)} values of mean "
                f"{null.mean() if len(null) else np.nan:.3g}."
            )
        labels = check_names(labels, len(suspects), "labels")
        unit = null.mean()
        return cls(null / unit, suspects / unit, labels=labels, critical=threshold).plot(
            ax=ax, **plot_params
        )

    def plot(
        self, *, ax: Axes | None = None, scale: str = "auto", label_length: int = 32
    ) -> ReuseDetectionDisplay:
        """Draw one row for each suspect, nearest first, below a row of unrelated models.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure, large enough for the suspects.

        scale : {"auto", "linear", "log"}, default="auto"
            Scale of the relative distance; "auto" is logarithmic if a suspect's is below 0.1. On
            a logarithmic scale a distance of 0 is an arrow at the edge.

        label_length : int, default=32
            Longer labels lose their middle.

        Returns
        -------
        display : :class:`ReuseDetectionDisplay`
        """
        check_choice(scale, "scale", SCALES)
        null, suspects = (np.asarray(values, dtype=float) for values in (self.null, self.suspects))
        labels = names_or_numbers(self.labels, len(suspects), "suspect")
        order = np.argsort(suspects, kind="stable")  # NaN last

        rows = len(suspects) + _BAND
        self.ax_ = new_axes(7.0, 1.0 + self._pitch(rows) * rows) if ax is None else ax
        self.figure_ = self.ax_.figure
        font = float(np.clip(0.8 * (axes_size(self.ax_)[1] / (rows + 1)), 5.0, 10.0))
        low_edge = self._set_scale(null, suspects, scale)
        self._draw_null(null)
        self._draw_lines(len(suspects))
        self.suspects_: list[Any] = []
        for row, i in enumerate(order):
            self._draw_suspect(row, i, suspects[i], low_edge, font)
        self.ax_.set_yticks(
            [_BAND_MIDDLE, *range(len(suspects))],
            [
                f"unrelated models ({len(null)})",
                *map(plain, shorten_all((labels[i] for i in order), label_length)),
            ],
            fontsize=font,
        )
        self.ax_.set_ylim(len(suspects) - 0.4, -_BAND)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel("relative distance")
        self.ax_.spines[["top", "right", "left"]].set_visible(False)
        self._draw_legend()
        return self

    @staticmethod
    def _pitch(rows):
        return float(np.clip(9.0 / rows, _SMALLEST_ROW, _ROW))

    def _set_scale(self, null, suspects, scale):
        """Set the limits of the axis; return the least value inside."""
        shown = [null, suspects]
        shown += [np.asarray(end, dtype=float) for end in (self.low, self.high) if end is not None]
        shown += [[line] for line in (self.critical, self.unrelated_from) if line is not None]
        values = np.concatenate(shown)
        values = values[np.isfinite(values)]
        positive = values[values > 0]
        known = suspects[suspects > 0]
        if scale == "auto":
            scale = "log" if len(known) and known.min() < 0.1 else "linear"
        # Wide intervals are cut off, so that the unrelated models remain visible.
        high = min(positive.max(), 20 * max(1.0, null.max(), np.max(known, initial=0.0)))
        self.ax_.set_xscale(scale)
        if scale == "linear":
            self.ax_.set_xlim(0, 1.05 * high)
            return 0.0
        self.ax_.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        low = max(positive.min(), 0.05 * min(null[null > 0].min(), np.min(known, initial=1.0)))
        self.ax_.set_xlim(low / 1.5, high * 1.3)
        return low / 1.5

    def _draw_null(self, null):
        # Heights by the golden ratio: even, and the same each time.
        heights = np.mod(np.argsort(np.argsort(null)) * 0.6180339887, 1.0)
        y = _BAND_MIDDLE + (heights - 0.5) * (_BAND - 0.9)
        self.ax_.axhspan(-_BAND, -0.55, color="0.95", zorder=0)
        self.null_ = self.ax_.scatter(null, y, s=16, color="0.45", linewidths=0, alpha=0.8)

    def _draw_lines(self, n_suspects):
        self.ax_.axvline(1.0, color="0.6", linewidth=0.8, zorder=0.9)
        for at, style in ((self.critical, "--"), (self.unrelated_from, ":")):
            if at is not None and np.isfinite(at):
                self.ax_.axvline(at, color="black", linestyle=style, linewidth=1.0, zorder=0.9)

    def _draw_suspect(self, row, i, value, low_edge, font):
        decision = None if self.decisions is None else str(np.asarray(self.decisions)[i])
        style = STYLES.get(decision, STYLES[None])
        if np.isnan(value):
            self.ax_.annotate(
                "no distance",
                (0.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=font,
                color="0.35",
            )
            return
        if self.low is not None and self.high is not None:
            low, high = np.asarray(self.low)[i], np.asarray(self.high)[i]
            self.ax_.plot(
                [max(low, low_edge), high], [row, row], color=style["color"], linewidth=1.5
            )
        at_edge = value <= low_edge and low_edge > 0
        marker = "<" if at_edge else style["marker"]
        (point,) = self.ax_.plot(
            max(value, low_edge), row, marker, color=style["color"], markersize=6, clip_on=False
        )
        self.suspects_.append(point)
        if self.p_values is not None:
            self.ax_.annotate(
                p_text(float(np.asarray(self.p_values)[i])),
                (1.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=min(font, SIDE_FONT),
                annotation_clip=False,
            )

    def _draw_legend(self):
        from matplotlib.lines import Line2D

        entries = []
        if self.decisions is not None:
            present = set(np.asarray(self.decisions).astype(str).tolist())
            for decision, style in STYLES.items():
                if decision in present:
                    entries.append(Line2D([], [], linestyle="", label=decision, **style))
        lines = (
            (1.0, "-", "0.6", "mean of unrelated"),
            (self.critical, "--", "black", "reused below"),
            (self.unrelated_from, ":", "black", "unrelated from"),
        )
        for at, dashes, color, label in lines:
            if at is not None and np.isfinite(at):
                entries.append(
                    Line2D([], [], color=color, linestyle=dashes, linewidth=1.0, label=label)
                )
        self.legend_ = self.ax_.legend(
            handles=entries,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=min(3, len(entries)),
            frameon=False,
            fontsize=SIDE_FONT,
            handletextpad=0.5,
            columnspacing=1.2,
        )


def p_text(p: float) -> str:
    """A p-value beside a suspect."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _distances(values, name):
    values = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if values.ndim != 1 or np.isinf(values).any() or (values < 0).any():
        raise ValueError(
            f"{name} must be distances to one model: 1-D, not negative, finite or NaN; got shape "
            f"{values.shape}, least {np.nanmin(values, initial=0.0):.3g}."
        )
    return values
