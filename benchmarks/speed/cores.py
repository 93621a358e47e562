# SPDX-License-Identifier: BSD-3-Clause
"""What do two jobs save, and do threads of host models and of torch get in each other's way?

Tables of 200 columns, 64 points x 1,000 masks, all of ``fit_transform``:

- ``jobs``: ``n_jobs=2`` beside ``n_jobs=1``, whose models have all threads of BLAS, and by how much
  the results differ, relative to the largest coefficient;
- ``zoo``: an MLP and a torch network in one zoo beside both by themselves.

Workers are started before anything is measured. Without psutil, joblib makes each of them search
its memory for garbage up to once a second, so the tables say whether psutil is installed.

Under ``--clock cpu`` the time of several jobs is that of this process and of the busiest worker,
for a machine that is busy with other work; set ``OMP_NUM_THREADS=1`` with it.
"""

from __future__ import annotations

import os
import time
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks._common import machine, versions, write_table
from skzest import LimeSignatureTransformer

TAKES = "5 min"
NEEDS = "no data; torch for the zoo; Linux for --clock cpu"
QUICK = {"points": 2, "masks": 300, "columns": 20, "repeats": 1, "trees": 5}
MODELS = {
    "LogisticRegression": lambda args: LogisticRegression(max_iter=200),
    "MLP(256, 256)": lambda args: MLPClassifier((256, 256), max_iter=5, random_state=0),
    "RandomForest": lambda args: RandomForestClassifier(args.trees, random_state=0),
}


def timed(call, args):
    """Result and seconds of a call on the chosen clock."""
    before = busy(args)
    result = call()
    after = busy(args)
    here = after.pop(os.getpid()) - before.pop(os.getpid())
    return result, here + max((t - before.get(p, 0.0) for p, t in after.items()), default=0.0)


def busy(args):
    """Seconds by process: this one's on the wall clock, else processor time of workers, too."""
    if args.clock == "wall":
        return {os.getpid(): time.perf_counter()}
    found = {os.getpid(): time.process_time()}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == os.getpid():
            ticks = int(fields[11]) + int(fields[12])
            found[int(status.parent.name)] = ticks / os.sysconf("SC_CLK_TCK")
    return found


def transformer(X, args, n_jobs=1):
    settings = {"n_reference": args.points, "n_samples": args.masks, "n_classes": 5}
    return LimeSignatureTransformer(X, n_jobs=n_jobs, **settings)


def table_jobs(X, y, args):
    rows = []
    print(f"{'model':<20}{'one job [s]':>12}{'two [s]':>10}{'ratio':>8}{'apart':>10}")
    for name, make in MODELS.items():
        model = make(args).fit(X, y)
        transformer(X, args, 2).fit_transform([model] * 8)  # starts the workers, if need be
        times, results = [], {}
        for _ in range(args.repeats):
            for n_jobs in (1, 2):
                lime = transformer(X, args, n_jobs)
                results[n_jobs], took = timed(partial(lime.fit_transform, [model]), args)
                times.append(took)
        one, two = np.reshape(times, (-1, 2)).T
        apart = np.abs(results[1] - results[2]).max() / np.abs(results[1]).max()
        row = {"model": name, "one": np.median(one), "two": np.median(two)}
        rows.append(row | {"ratio": np.median(two / one), "apart": apart})
        print(
            f"{name:<20}" + "{one:>12.2f}{two:>10.2f}{ratio:>8.2f}{apart:>10.0e}".format(**rows[-1])
        )
    return rows


def table_zoo(X, y, args):
    import torch
    from torch import nn

    torch.manual_seed(0)
    width = X.shape[1]
    net = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 5)).double().eval()
    mlp = MODELS["MLP(256, 256)"](args).fit(X, y)
    lime = transformer(X, args).fit([mlp])
    ratios = []
    for _ in range(args.repeats):
        together, *alone = (
            timed(lambda zoo=zoo: lime.transform(zoo), args)[1]
            for zoo in ([mlp, net], [mlp], [net])
        )
        ratios.append(together / sum(alone))
    print(
        f"an MLP and a torch network in one zoo / both alone: {np.median(ratios):.2f}", flush=True
    )
    return [{"model": "MLP and network in one zoo", "ratio": np.median(ratios)}]


def add_options(parser):
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")


def main(args):
    warnings.simplefilter("ignore")
    X, y = make_classification(
        2000, args.columns, n_informative=args.columns // 5, n_classes=5, random_state=args.seed
    )
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    has_psutil = find_spec("psutil") is not None
    print(f"{machine()}, {versions()}, {args.clock} clock, {load}, psutil: {has_psutil}")
    rows = table_jobs(X, y, args) + table_zoo(X, y, args)
    write_table(
        args.results / "cores.csv",
        [row | {"clock": args.clock, "psutil": has_psutil} for row in rows],
    )
