# SPDX-License-Identifier: BSD-3-Clause
"""How does the time of a zoo fall with more workers, and what goes over the wire?

- ``workers``: seconds for one zoo on local dask clusters of 1, 2 and 4 processes with one thread
  each, and in this process. ``waiting`` models sleep 0.2 ms for each question, as models on
  other hardware do; ``computing`` models, twice as many, are support vector machines. More
  workers than cores help only those that wait.
- ``costs``: what a task costs in dask's scheduler, how fast an array reaches a worker of this
  machine, and how large models, points and coefficients are when they are sent.
- ``paper``: from these, bytes and seconds for 10,000 networks on 100 machines of 16 cores, sent
  from one machine with 10 Gbit/s. At best each share of the models goes to one machine, where all
  of its tasks run; at worst all machines get all models. "With each task" is what it would be if
  a task brought its models along.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import NuSVC

from benchmarks._common import machine, seconds, versions, write_table
from benchmarks._inside import auto_rows, bytes_sent, cuts
from skzest import CallableQuery, ImageMasker, LimeSignatureTransformer

TAKES = "3 min"
NEEDS = "dask (distributed), torch; no data"
QUICK = {"workers": [1], "points": 16, "models": 2, "repeats": 1}

N_MODELS, N_MACHINES, N_CORES, BYTES_PER_SECOND = 10_000, 100, 16, 10e9 / 8
N_POINTS, N_MASKS, N_CLASSES, N_PARTS = 128, 64, 10, 16


def add_options(parser):
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)


class Waiting:
    """A linear model that waits, as for an accelerator."""

    def __init__(self, seed):
        self.W = np.random.default_rng(seed).normal(size=(64, 10))

    def __call__(self, batch):
        time.sleep(2e-4 * len(batch))
        return np.tanh(batch @ self.W)


class Noted(Waiting):
    """A waiting model that notes in a file which processes unpickle it."""

    def __init__(self, folder, number):
        super().__init__(number)
        self.path = folder / str(number)

    def __setstate__(self, state):
        self.__dict__ = state
        with open(self.path, "a") as file:
            file.write(f"{os.getpid()}\n")


def zoos(n_models):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    halves = [np.random.default_rng(seed).permutation(len(X))[:900] for seed in range(n_models)]
    return X, {
        "waiting": [CallableQuery(Waiting(s), output="logits") for s in range(n_models)],
        "computing": [NuSVC(nu=0.2).fit(X[half], y[half]) for half in halves * 2],
    }


# ---------------------------------------------------------------- measured


def table_workers(args, cluster, client):
    X, by_kind = zoos(args.models)
    asking = {}
    for kind, zoo in by_kind.items():
        lime = LimeSignatureTransformer(
            X, n_reference=args.points, n_samples=64, sampling="foldover",
            masker=ImageMasker(image_shape=(8, 8)), batch_size=256,
            response="decision_function" if kind == "computing" else "logit",
        ).fit(zoo)  # fmt: skip
        asking[kind] = partial(ask, lime, zoo, lime.transform(zoo))
    questions = lime.plan_.n_queries
    print(f"\n{questions:,} questions to each model; best of {args.repeats}; {machine()}")
    rows = []
    for n in (0, *sorted(args.workers)):
        if n:
            cluster.scale(n)
            client.wait_for_workers(n)
            client.run(exec, "import skzest.signature, sklearn.svm")
        for kind in asking:
            best = min(seconds(partial(asking[kind], n)) for _ in range(args.repeats))
            rows.append({"models": kind, "workers": n or "this process", "seconds": best})
            alone = next(row["seconds"] for row in rows if row["models"] == kind)
            rows[-1]["times as fast"] = alone / best
            print("  {:<10} {!s:>12} {:8.2f} s {:6.2f}".format(*rows[-1].values()), flush=True)
    return rows


def ask(lime, zoo, expected, n_workers):
    """Ask a zoo here or on the cluster, and compare the result."""
    with joblib.parallel_config("dask" if n_workers else "sequential"):
        given = lime.set_params(n_jobs=-1).transform(zoo)
    assert np.abs(given - expected).max() <= 1e-10 * np.abs(expected).max()


def nothing(*args):
    return None


def costs(client):
    """Seconds that a task costs the scheduler, and bytes a second to a worker."""
    client.gather(client.map(nothing, range(100), pure=False))
    n_tasks, array = 1000, np.random.default_rng(0).integers(0, 255, 2**26, dtype=np.uint8)
    a_task = seconds(lambda: client.gather(client.map(nothing, range(n_tasks), pure=False)))
    sending = seconds(lambda: client.submit(nothing, client.scatter(array, hash=False)).result())
    return a_task / n_tasks, array.nbytes / sending


def workers_of_a_share(args, folder):
    """How many workers each model was sent to, in a zoo of one share of 64 for each worker."""
    zoo = [Noted(folder, number) for number in range(64 * max(args.workers))]
    lime = LimeSignatureTransformer(
        load_digits().data / 16, n_reference=32, n_samples=32, sampling="foldover",
        masker=ImageMasker(image_shape=(8, 8)), batch_size=32,
    )  # fmt: skip
    with joblib.parallel_config("dask"):
        queries = [CallableQuery(model, output="logits") for model in zoo]
        lime.set_params(n_jobs=-1).fit_transform(queries)
    return float(np.mean([len(set(model.path.read_text().split())) for model in zoo]))


def network_costs(args):
    """Of a ResNet-20 on one thread: bytes, bytes of points, seconds a question, rows at once."""
    import torch

    from benchmarks._cifar import MEAN, STD, images, network
    from skzest import TorchQuery

    query, X = TorchQuery(network(args.data), mean=MEAN, std=STD), images(args.data, 200)[0]
    masker = ImageMasker("grid", segmenter_params={"shape": (4, 4)})
    lime = LimeSignatureTransformer(X, n_reference=32, n_samples=N_MASKS, masker=masker)
    lime.fit([query])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    took = min(seconds(lambda: lime.transform([query])) for _ in range(2))
    torch.set_num_threads(before)
    points = bytes_sent(lime.plan_) / len(lime.plan_) * N_POINTS
    rows_at_once = auto_rows(lime.plan_, query.space)
    return bytes_sent(query), points, took / lime.plan_.n_queries, rows_at_once


# ---------------------------------------------------------------- on paper


def on_paper(model, points, a_question, a_task, points_of_unit):
    """What moves, and how long it takes."""
    n_workers = N_MACHINES * N_CORES
    n_runs, n_shares = cuts(N_MODELS, N_POINTS // points_of_unit, n_workers)
    models, n_tasks = N_MODELS * model, n_runs * n_shares
    best, worst = models + points * N_MACHINES, N_MACHINES * (models + points)
    back = 8 * N_MODELS * N_POINTS * N_CLASSES * N_PARTS
    return {
        "shares of the models": n_shares,
        "tasks": n_tasks,
        "GB out, at best": best / 1e9,
        "GB out, at worst": worst / 1e9,
        "GB out, with each task": (n_runs * models + n_shares * points) / 1e9,
        "GB back": back / 1e9,
        "s sending, at best": (best + back) / BYTES_PER_SECOND,
        "s sending, at worst": (worst + back) / BYTES_PER_SECOND,
        "s scheduling": n_tasks * a_task,
        "s computing": N_MODELS * N_POINTS * N_MASKS * a_question / n_workers,
    }


def main(args):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        rows = table_workers(args, cluster, client)
        a_task, rate = costs(client)
        with TemporaryDirectory() as folder:
            spread = workers_of_a_share(args, Path(folder))
    write_table(args.results / "machines_workers.csv", rows)
    model, points, a_question, rows_at_once = network_costs(args)
    costs_of = {
        "ms a task": 1e3 * a_task,
        "MB/s to a worker of this machine": rate / 1e6,
        f"of {max(args.workers)} workers needed a share": spread,
        "MB, a ResNet-20": model / 1e6,
        f"MB, {N_POINTS} points of it": points / 1e6,
        "ms a question": 1e3 * a_question,
    }
    print(f"\ncosts; {versions()}")
    show_lines(costs_of)
    write_table(args.results / "machines_costs.csv", [costs_of])
    print(f"\n{N_MODELS:,} of these networks on {N_MACHINES} machines of {N_CORES} cores, on paper")
    paper = on_paper(model, points, a_question, a_task, max(rows_at_once // N_MASKS, 1))
    show_lines(paper)
    write_table(args.results / "machines_paper.csv", [paper])


def show_lines(values):
    for name, value in values.items():
        print(f"  {name:<34}{value:>12,.2f}", flush=True)
