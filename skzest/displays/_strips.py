# SPDX-License-Identifier: BSD-3-Clause
"""Several distances of suspects, standardised: a strip for each distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import SIDE_FONT, new_axes, plain, shorten_all
from ._clustering import names_or_numbers
from ._detection import STYLES, check_decisions, p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..detectors import ReuseDecisions

_STRIP = 0.62  # inches
_MOST_NUMBERED = 20  # suspects; more are drawn without numbers
_LINEAR = 3.0  # beyond this z the scale is logarithmic


class DistanceStripsDisplay:
    """Several standardised distances of suspects and of unrelated models, a strip for each.

    It is recommended to use :meth:`from_decisions` to create a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    names : sequence of str
        The distances.

    null_z : ndarray of shape (n_unrelated, n_distances)
        Standardised distances of unrelated models; NaN where one is undefined.

    z : ndarray of shape (n_suspects, n_distances)
        Those of the suspects.

    decisions : sequence of str
        "reused", "unrelated" or "undecided" for each suspect.

    p_values : ndarray of shape (n_suspects,)
        Written next to the names.

    decided_by : sequence of sequence of str
        Distances that decided on each suspect; their markers are filled.

    labels : sequence of str, default=None
        Names of the suspects. If None, "suspect 0", "suspect 1" and so on.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the strips, the first distance on top.

    figure_ : matplotlib Figure
        Figure containing the axes.

    null_ : matplotlib PathCollection
        The unrelated models.

    suspects_ : list of matplotlib Line2D
        One marker for each suspect and distance that it has.

    legend_ : matplotlib Legend
        The suspects by number, with their decisions.

    See Also
    --------
    ReuseDetectionDisplay : One distance, with intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import ReuseDetector
    >>> from skzest.displays import DistanceStripsDisplay
    >>> unrelated = np.random.default_rng(0).lognormal(-1.0, 0.2, size=(39, 2))
    >>> found = ReuseDetector().fit(unrelated).judge([[0.3, 0.02], [0.4, 0.4]])
    >>> display = DistanceStripsDisplay.from_decisions(found)
    >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
    ['distance 0', 'distance 1']
    """

    def __init__(
        self,
        names: Sequence[str],
        null_z: np.ndarray,
        z: np.ndarray,
        *,
        decisions: Sequence[str],
        p_values: np.ndarray,
        decided_by: Sequence[Sequence[str]],
        labels: Sequence[str] | None = None,
    ):
        self.names = names
        self.null_z = null_z
        self.z = z
        self.decisions = decisions
        self.p_values = p_values
        self.decided_by = decided_by
        self.labels = labels

    @classmethod
    def from_decisions(
        cls, decisions: ReuseDecisions, *, ax: Axes | None = None, **plot_params: Any
    ) -> DistanceStripsDisplay:
        """Draw what a :class:`~skzest.ReuseDetector` decided by several distances.

        Parameters
        ----------
        decisions : ReuseDecisions
            As the detector's ``judge`` and its kind return it.

        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure, large enough for the distances.

        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`DistanceStripsDisplay`

        Raises
        ------
        TypeError
            If they are not those of a detector.
        ValueError
            If a single distance decided.
        """
        check_decisions(decisions)
        if decisions.distances is None or decisions.z is None or decisions.null_z is None:
            raise ValueError(
                "these decisions rest on one distance, which is not standardised. Draw them with "
                "ReuseDetectionDisplay.from_decisions."
            )
        display = cls(
            decisions.distances,
            decisions.null_z,
            decisions.z,
            decisions=decisions.decisions.tolist(),
            p_values=decisions.adjusted_p_values,
            decided_by=decisions.decided_by,
            labels=decisions.labels,
        )
        return display.plot(ax=ax, **plot_params)

    def plot(self, *, ax: Axes | None = None, label_length: int = 32) -> DistanceStripsDisplay:
        """Draw one strip for each distance: unrelated models below, suspects above.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. If None, a new figure, large enough for the distances.

        label_length : int, default=32
            Longer labels lose their middle.

        Returns
        -------
        display : :class:`DistanceStripsDisplay`
        """
        n_distances, n_suspects = len(self.names), len(self.z)
        labels = names_or_numbers(self.labels, n_suspects, "suspect")
        numbered = n_suspects <= _MOST_NUMBERED
        height = max(_STRIP * n_distances, 0.17 * n_suspects * numbered) + 0.9
        self.ax_ = new_axes(7.5, height) if ax is None else ax
        self.figure_ = self.ax_.figure
        self._set_axes(label_length)
        self._draw_null()
        self.suspects_: list[Any] = []
        # The nearest last, on top of the others.
        for i in np.argsort(-np.nan_to_num(self.p_values, nan=1.0), kind="stable"):
            self._draw_suspect(int(i), n_suspects, numbered)
        self._draw_legend(labels, label_length, numbered)
        return self

    def _set_axes(self, label_length: int) -> None:
        ax, n = self.ax_, len(self.names)
        ax.set_xscale("symlog", linthresh=_LINEAR, linscale=2.0)
        values = np.concatenate([np.ravel(self.null_z), np.ravel(self.z)])
        values = values[np.isfinite(values)]
        low, high = min(values.min(initial=-_LINEAR), -_LINEAR), values.max(initial=_LINEAR)
        ax.set_xlim(1.4 * low, 1.2 * max(high, _LINEAR))
        ticks = [
            x
            for x in (-1000, -300, -100, -30, -10, -3, -2, -1, 0, 1, 2, 3, 10, 30, 100)
            if 1.4 * low < x < 1.2 * max(high, _LINEAR)
        ]
        ax.set_xticks(ticks, [f"{x:d}" for x in ticks])
        ax.minorticks_off()
        ax.set_yticks(range(n), [*map(plain, shorten_all(self.names, label_length))])
        ax.set_ylim(n - 0.5, -0.5)
        for line in np.arange(n - 1) + 0.5:
            ax.axhline(line, color="0.85", linewidth=0.8, zorder=0)
        ax.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_xlabel("standardised distance to the owner's model (negative: nearer)")

    def _draw_null(self) -> None:
        rows, columns = np.nonzero(np.isfinite(self.null_z))
        # Heights by the golden ratio: even, and the same each time.
        heights = 0.1 + 0.3 * np.mod(rows * 0.6180339887, 1.0)
        x = self.null_z[rows, columns]
        self.null_ = self.ax_.scatter(
            x, columns + heights, s=12, color="0.45", linewidths=0, alpha=0.7
        )

    def _draw_suspect(self, i: int, n_suspects: int, numbered: bool) -> None:
        style = STYLES[str(self.decisions[i])]
        up = 0.22 if n_suspects == 1 else 0.1 + 0.27 * i / (n_suspects - 1)
        for k, name in enumerate(self.names):
            if np.isnan(self.z[i, k]):
                continue
            decided = name in self.decided_by[i]
            (point,) = self.ax_.plot(
                self.z[i, k],
                k - up,
                style["marker"],
                color=style["color"],
                markerfacecolor=style["color"] if decided else "white",
                markersize=10 if numbered else 5,
                clip_on=False,
            )
            self.suspects_.append(point)
            if numbered:
                self._write_number(i, k, up, "white" if decided else style["color"])

    def _write_number(self, i: int, k: int, up: float, color: str) -> None:
        self.ax_.text(
            self.z[i, k],
            k - up,
            str(i + 1),
            color=color,
            ha="center",
            va="center_baseline",
            fontsize=6,
        )

    def _draw_legend(self, labels: Sequence[str], label_length: int, numbered: bool) -> None:
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], linestyle="", marker=".", color="0.45", label="unrelated models")]
        if numbered:
            for i, label in enumerate(map(plain, shorten_all(labels, label_length))):
                style, p = STYLES[str(self.decisions[i])], self.p_values[i]
                said = f"{self.decisions[i]}" + ("" if np.isnan(p) else f", {p_text(float(p))}")
                text = f"{i + 1}  {label}: {said}"
                handles.append(Line2D([], [], linestyle="", label=text, **style))
        else:
            present = dict.fromkeys(map(str, self.decisions))
            handles += [Line2D([], [], linestyle="", label=d, **STYLES[d]) for d in present]
        handles.append(Line2D([], [], linestyle="", label="filled: this distance decided"))
        self.legend_ = self.ax_.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            frameon=False,
            fontsize=SIDE_FONT,
            handletextpad=0.4,
        )
