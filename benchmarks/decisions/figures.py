# SPDX-License-Identifier: BSD-3-Clause
"""The figures of the user guide about decisions, from the results of other benchmarks.

Run decisions/calibration and decisions/power_curve first, with the same cache.
``--out doc/_static`` renews the figures of the documentation.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator, PercentFormatter

from benchmarks._common import read_table
from benchmarks.decisions.calibration import ALPHAS, COVERED, distances_of
from skzest import ReuseDetector

TAKES = "1 min"
NEEDS = "the results of decisions/calibration and decisions/power_curve, and their cache"
AFTER = ("decisions/calibration", "decisions/power_curve")
QUICK = {"models": 32, "owners": 2, "points": 4}
BLACK, BLUE, VERMILION, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
NULLS = {
    # (null, m): (label, colour, marker, place beside the nominal rate)
    ("conformal", "19"): ("ranks, 19 models", BLACK, "o", 0.91),
    ("conformal", "99"): ("ranks, 99", BLUE, "s", 0.97),
    ("lognormal", "5"): ("lognormal, 5", GREEN, "^", 1.03),
    ("lognormal", "20"): ("lognormal, 20", VERMILION, "D", 1.1),
}


def yardstick(ax, args):
    """One owner: unrelated networks, copies, and where the limits fall."""
    d, d_copies = distances_of(COVERED, COVERED, "logit", args)
    unrelated, copies = np.delete(d[0], 0), d_copies[0]
    unit, rng = unrelated.mean(), np.random.default_rng(0)
    ax.plot(unrelated / unit, rng.uniform(2.7, 3.3, len(unrelated)), ".", color="0.6", ms=4)
    ax.plot(copies / unit, rng.uniform(1.8, 2.2, len(copies)), "o", color=VERMILION, ms=5)
    for place, (null, m), color in ((1, ("conformal", 19), BLACK), (0, ("lognormal", 10), BLUE)):
        for _ in range(20):
            some = rng.choice(unrelated, m, replace=False)
            limit = ReuseDetector(null=null).fit(some).critical_distance_ / unit
            ax.plot([limit, limit], [place - 0.25, place + 0.25], color=color, lw=1)
    labels = ["limit: lognormal,\n10 models", "limit: ranks,\n19 models", "copies", "unrelated"]
    ax.set_yticks(range(4), labels)
    ax.set(xlabel="relative distance", xlim=(0, None))


def rates(ax, rows):
    """Measured against nominal false-positive rates."""
    ax.plot([0.005, 0.2], [0.005, 0.2], color="0.7", lw=1, zorder=0)
    for (null, m), (label, color, marker, beside) in NULLS.items():
        some = [r for r in rows if (r["null"], r["m"]) == (null, m)]
        some = [r for r in some if r["false-positive rate"] != "refused"]
        x = [float(r["alpha"]) * beside for r in some]
        y = [float(r["false-positive rate"]) for r in some]
        ax.plot(x, y, marker, color=color, ms=5, mfc="none", label=label)
    ax.set(xscale="log", yscale="log", xlabel="nominal", ylabel="measured")
    ax.set(xlim=(0.007, 0.15), ylim=(0.0009, 0.2))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ALPHAS)
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(frameon=False, fontsize=9, loc="upper left")


FOUND_BY = {
    # method: (colour, marker)
    "zest": (BLACK, "o"),
    "mistakes": (GREEN, "^"),
    "rehearsal, labels": (BLUE, "s"),
    "ensemble with rehearsal, scores": (VERMILION, "D"),
}


def excess(ax, rows):
    """Share of the copies that are found, by what they agree with the owner beyond strangers."""
    of_all = [row for row in rows if row["task"] == "all"]
    starts = list(dict.fromkeys(float(row["excess from"]) for row in of_all))
    for k, (method, (color, marker)) in enumerate(FOUND_BY.items()):
        some = [row for row in of_all if row["method"] == method]
        at = [starts.index(float(row["excess from"])) + 0.1 * (k - 1.5) for row in some]
        y = np.array([[float(row[name]) for name in ("found", "low", "high")] for row in some]).T
        ax.errorbar(
            at, y[0], [y[0] - y[1], y[2] - y[0]], fmt=marker, color=color, ms=5, mfc="none",
            lw=1, label=method,
        )  # fmt: skip
    ends = {float(row["excess from"]): float(row["to"]) for row in of_all}
    labels = [_range(low, ends[low]) for low in starts]
    ax.set_xticks(range(len(starts)), labels)
    ax.axhline(0.05, color="0.7", lw=1, zorder=0)
    ax.set(xlabel="excess fidelity, in points", ylabel="share found at 5 %", ylim=(-0.03, 1.03))
    ax.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 0.08))


def _range(low, high):
    if low <= -1:
        return f"below {100 * high:g}"
    return f"from {100 * low:g}" if high >= 1 else f"{100 * low:g} to {100 * high:g}"


def add_options(parser):
    parser.add_argument("--out", type=Path, help="folder for the figure; default: the cache")
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--owners", type=int, default=4)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--images", type=int, default=1797, help="to train on, halves of them")


def main(args):
    warnings.simplefilter("ignore")  # some of the nulls are doubtful
    mpl.rcParams.update({"svg.hashsalt": "skzest", "svg.fonttype": "path", "font.size": 10})
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=(1.2, 1)
    )
    yardstick(left, args)
    rates(right, read_table(args.results / "calibration.csv"))
    fig.savefig((args.out or args.cache) / "decisions_null.svg", metadata={"Date": None})
    plt.close(fig)
    fig, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    excess(ax, read_table(args.results / "power_curve.csv"))
    fig.savefig((args.out or args.cache) / "decisions_excess.svg", metadata={"Date": None})
    plt.close(fig)
