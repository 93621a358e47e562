# SPDX-License-Identifier: BSD-3-Clause
"""The figures on the user guide's page about questions, from tables and answers.

Run questions/designs and questions/budget first, with the same cache. ``--out doc/_static`` renews
the figures of the documentation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator
from sklearn.linear_model import LinearRegression

from benchmarks._common import read_table, task_name
from benchmarks._inside import redraw_masks
from benchmarks.questions._every_mask import add_options as point_options
from benchmarks.questions._every_mask import answers, folder_of
from benchmarks.questions.designs import least_squares, rows_of
from skzest import QueryPlan, ReferenceCurveDisplay, reference_curve

TAKES = "2 min"
NEEDS = "the results and the cache of questions/designs and questions/budget"
AFTER = ("questions/designs", "questions/budget")
QUICK = {"points": 4, "n_reference": 4, "repeats": 10}
STYLES = {
    "bernoulli": ("#000000", "o", "-"),
    "antithetic": ("#E69F00", "s", "--"),
    "foldover": ("#0072B2", "D", "-."),
    "fractional": ("#D55E00", "^", "-"),
}


def numbers(ax, values):
    """Plain numbers on a logarithmic axis."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(values)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def designs(table):
    """Error of the coefficients, and bias of the distance, against masks."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for ax, key in zip(axes, ("mse", "bias unrelated"), strict=True):
        for name, (color, marker, line) in STYLES.items():
            some = [r for r in table if r["design"] == name]
            some = [r for r in some if 32 <= int(r["masks"]) <= 1024]
            x, y = [int(r["masks"]) for r in some], [float(r[key]) for r in some]
            ax.plot(x, y, color=color, marker=marker, ls=line, label=name)
        numbers(ax, [32, 64, 128, 256, 512, 1024])
        ax.set_yscale("log")
        ax.set_xlabel("masks per reference point")
    axes[0].set_ylabel("squared error of the coefficients\n(relative to their square)")
    axes[1].set_ylabel("bias of the distance\n(relative, unrelated pairs)")
    axes[0].legend(frameon=False)
    return fig


def budget(table):
    """Standard deviation of the distance for every split of two budgets."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
    for ax, total in zip(axes, ("4096", "16384"), strict=True):
        for name in ("bernoulli", "fractional"):
            some = [r for r in table if r["design"] == name]
            some = [r for r in some if r["budget"] == total]
            x = [int(r["L"]) for r in some]
            sd, bias = (
                np.array([float(r[f"{k} unrelated"]) for r in some]) for k in ("sd", "bias")
            )
            look = dict(zip(("color", "marker", "ls"), STYLES[name], strict=True))
            ax.plot(x, sd, **look, label=f"{name}: standard deviation")
            look |= {"ls": ":", "mfc": "white"}
            ax.plot(x, np.hypot(sd, bias), **look, label=f"{name}: with the bias")
        numbers(ax, [16, 32, 64, 128, 256, 512, 1024])
        ax.set_yscale("log")
        ax.set_title(f"{int(total):,} questions")
        ax.set_xlabel("of these, masks per reference point")
    axes[0].set_ylabel("error of the distance\n(relative, unrelated pairs)")
    axes[0].legend(frameon=False)
    return fig


def curves(args, data):
    """reference_curve under two designs, for the small networks."""
    read = answers(args)
    plan = QueryPlan.load(folder_of(args) / "plan.npz").take(args.n_reference)
    plan = replace(plan, surrogate=LinearRegression())
    first = "small " if data == "cifar" else ""
    names = [f"{first}{name}" for name in ("a", "b", "a extracted")]
    made = {}
    for label, design, n in (
        ("Bernoulli, 1,000 masks", "bernoulli", 1000),
        ('fractional, "auto"', "fractional", "auto"),
    ):
        asked = redraw_masks(plan, n, design, 0)
        W = [
            [least_squares(m) @ read.scores[name][i][rows_of(m)] for i, m in enumerate(asked.masks)]
            for name in names
        ]
        S = np.array([np.concatenate(w).T.ravel() for w in W])
        made[label] = reference_curve(S, asked, pairs=[(0, 1), (0, 2)], n_repeats=args.repeats)
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    display = ReferenceCurveDisplay(made, labels=["unrelated", "extracted"])
    display.plot(ax=axes[0])
    axes[0].set_ylim(top=1.2 * axes[0].get_ylim()[1])  # room for the legend
    display.plot(ax=axes[1], x="n_queries", quantity="std")
    axes[1].get_legend().remove()
    return fig


def add_options(parser):
    point_options(parser)
    parser.add_argument("--out", type=Path, help="folder for the figures; default: the cache")
    parser.add_argument("--n-reference", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=2000)


def main(args):
    data, out = task_name(args), args.out or args.cache
    mpl.rcParams["svg.hashsalt"] = "skzest"
    for name, fig in (
        ("designs", designs(read_table(args.results / f"designs_{data}.csv"))),
        ("budget", budget(read_table(args.results / f"budget_{data}.csv"))),
        ("curves", curves(args, data)),
    ):
        fig.savefig(out / f"questions_{name}.svg", metadata={"Date": None})
        plt.close(fig)
