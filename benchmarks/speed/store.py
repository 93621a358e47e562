# SPDX-License-Identifier: BSD-3-Clause
"""What does the store of answers save, survive and cost?

- ``search``: GridSearchCV over 3 reference sizes x 2 surrogates, 2 folds, 8 models, twice, with
  one process and with two: how many (model, reference point) pairs are asked, of how many;
- ``kills``: a run of 128,000 questions in batches of 1,000 is killed (SIGKILL) at random moments
  and resumed: is the signature the same to the bit, and how many questions were asked again;
- ``writers``: four processes write the same and different answers to one store, while one of them
  is repeatedly killed and restarted;
- ``overhead``: time per answered point for looking up and storing, against asking.

``--parts`` selects some of them. Counts repeat exactly; times are medians. Machines are noisy, so
compare only ratios within one run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from benchmarks._common import machine, versions
from benchmarks._inside import Identity, Piece, mask_keys
from skzest import (
    AnswerStore,
    CallableQuery,
    ImageMasker,
    LimeSignatureTransformer,
    zest_distances,
)

TAKES = "6 min"
NEEDS = "no data; POSIX signals"
QUICK = {"parts": ["search", "overhead"], "points": 2, "repeats": 1}
MASKER = ImageMasker(image_shape=(8, 8))


def digits():
    """Digits of 0 to 1, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


# --- search -----------------------------------------------------------------------------


def search(args):
    """Pairs asked by a grid search, the first and the second time."""
    X, y = digits()
    zoo = [LogisticRegression(C=10.0**k, max_iter=300).fit(X, y) for k in range(-2, 2)]
    zoo += [RandomForestClassifier(20, random_state=seed).fit(X, y) for seed in range(4)]
    family = [0, 0, 0, 0, 1, 1, 1, 1]
    grid = {
        "limesignaturetransformer__n_reference": [2] if args.quick else [16, 32, 64],
        "limesignaturetransformer__surrogate": [LinearRegression(), Ridge()],
    }
    distinct = len(zoo) * max(grid["limesignaturetransformer__n_reference"])
    print("GridSearchCV, reference sizes x 2 surrogates, 2 folds, 8 models, 100 masks")
    print(f"distinct (model, point) pairs: {distinct}")
    head = ("n_jobs", "run", "new pairs", "rows asked", "rows reused", "seconds")
    print("".join(f"{h:>13}" for h in head))
    for n_jobs in (1,) if args.quick else (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            store = AnswerStore(os.path.join(folder, "answers.sqlite"))
            for run in ("first", "second"):
                pipeline = make_pipeline(
                    LimeSignatureTransformer(X, masker=MASKER, n_samples=100, cache=store),
                    KNeighborsClassifier(1, metric=zest_distances, algorithm="brute"),
                )
                before, start = store.stats(), time.perf_counter()
                found = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, error_score="raise")
                found.fit(zoo, family)
                seconds, s = time.perf_counter() - start, store.stats() - before
                counts = (s.pairs_stored, s.rows_asked, s.rows_reused)
                cells = "".join(f"{c:>13,}" for c in counts)
                print(f"{n_jobs:>13}{run:>13}{cells}{seconds:>13.2f}", flush=True)
            print(f"{'':>13}stored: {store.stats().pairs_stored} pairs")


# --- kills ------------------------------------------------------------------------------


class Logged:
    """A network with random weights that logs how many rows it is asked."""

    def __init__(self, log, pause):
        rng = np.random.default_rng(1)
        self.first, self.second = rng.normal(size=(64, 128)), rng.normal(size=(128, 10))
        self.log, self.pause = log, pause

    def __call__(self, batch):
        with open(self.log, "a") as file:
            file.write(f"{len(batch)}\n")
        time.sleep(self.pause * len(batch))  # as a remote model would
        return np.tanh(batch @ self.first) @ self.second


def long_run(folder, cached, pause):
    """128 points x 1,000 masks; the signature is written to a file at the end."""
    X, _ = digits()
    name = "cached" if cached else "undisturbed"
    query = CallableQuery(
        Logged(os.path.join(folder, f"{name}.log"), pause), output="logits", model_id="logged"
    )
    lime = LimeSignatureTransformer(
        X,
        n_reference=128,
        masker=MASKER,
        n_classes=10,
        batch_size=1000,
        cache=os.path.join(folder, "answers.sqlite") if cached else None,
    )
    np.save(os.path.join(folder, f"{name}.npy"), lime.fit_transform([query]))


def start_child(*args):
    """This module in another process."""
    return subprocess.Popen([sys.executable, "-m", __name__, *map(str, args)])


def rows_of(log):
    """Rows of each batch that was started."""
    return [int(line) for line in Path(log).read_text().split()] if os.path.exists(log) else []


def kills(args):
    """Kill a run again and again, and compare it with an undisturbed one."""
    n_kills = args.kills
    print(f"\n128 points x 1,000 masks, killed {n_kills} times, up to 1.2 s after it began to ask")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        assert start_child("run", folder, 0, 0).wait() == 0
        log = os.path.join(folder, "cached.log")
        done = 0
        for k in range(n_kills):
            child = start_child("run", folder, 1, 6e-5)
            before = len(rows_of(log))
            while len(rows_of(log)) == before and child.poll() is None:
                time.sleep(0.005)  # until it asks
            time.sleep(rng.uniform(0, 1.2))
            child.send_signal(signal.SIGKILL)
            if child.wait() == -signal.SIGKILL:
                done += 1
            stats = AnswerStore(os.path.join(folder, "answers.sqlite")).stats()
            print(f"  kill {k + 1}: {stats.rows_stored:,} rows stored, {sum(rows_of(log)):,} asked")
        assert start_child("run", folder, 1, 0).wait() == 0
        same = np.array_equal(
            *(np.load(os.path.join(folder, f"{n}.npy")) for n in ("undisturbed", "cached"))
        )
        stats = AnswerStore(os.path.join(folder, "answers.sqlite")).stats()
        rows = np.array(rows_of(log))
        rows, small = rows[rows > 16].sum(), rows[rows <= 16].sum()
        largest = max(rows_of(log))
        print(f"processes killed: {done}; signature bit-equal to the undisturbed one: {same}")
        print(
            f"rows stored {stats.rows_stored:,}; asked {rows:,}, of these again "
            f"{rows - 128_000:,}; in flight at the kills at most {done} x {largest:,} = "
            f"{done * largest:,}; probes and checks {small:,}"
        )


# --- writers ----------------------------------------------------------------------------


def write(path, seed, n_points):
    """Write answers: half shared by all writers, half specific to this one."""
    rng = np.random.default_rng(seed)
    masks = mask_keys(np.random.default_rng(0).random((1000, 14)) < 0.5)
    store = AnswerStore(path)
    with store.connect() as connection:
        for i in rng.permutation(2 * n_points).tolist():
            who = whose(seed if i % 2 else "all")
            if not connection.find(who, b"%d" % i, masks)[1].all():
                connection.put([Piece(who, b"%d" % i, 0, masks, scores_of(i))])


def whose(name):
    """An identity for a name."""
    return Identity(str(name).encode(), f"id:{name}", "", "logits")


def scores_of(i):
    """1,000 answers over 10 classes, determined by point ``i``."""
    return np.random.default_rng(i).normal(size=(1000, 10))


def writers(args, n_points=200):
    """Four processes at once; one of them is killed and restarted."""
    print(f"\nfour processes, {n_points} points of their own and {n_points} in common each")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "answers.sqlite")
        steady = [start_child("write", path, seed, n_points) for seed in range(3)]
        n_killed = 0
        while any(child.poll() is None for child in steady):
            child = start_child("write", path, 3, n_points)
            time.sleep(rng.uniform(1.5, 3))
            child.kill()
            n_killed += child.wait() == -signal.SIGKILL
        assert [child.returncode for child in steady] == [0, 0, 0]
        assert start_child("write", path, 3, n_points).wait() == 0
        masks = mask_keys(np.random.default_rng(0).random((1000, 14)) < 0.5)
        lost = wrong = 0
        with AnswerStore(path).connect() as connection:
            for seed in range(4):
                for i in range(2 * n_points):
                    found, known = connection.find(
                        whose(seed if i % 2 else "all"), b"%d" % i, masks
                    )
                    lost += not known.all()
                    wrong += known.all() and not np.array_equal(found, scores_of(i))
            check = connection._db.execute("PRAGMA integrity_check").fetchone()[0]
        stats = AnswerStore(path).stats()
        twice = (stats.rows_asked - stats.rows_stored) // 1000
        print(
            f"kills of one writer: {n_killed}; pairs stored {stats.pairs_stored:,} of "
            f"{5 * n_points:,}; offered by two at once and stored once {twice}; lost {lost}; "
            f"wrong {wrong}; SQLite's check: {check}"
        )


# --- overhead ---------------------------------------------------------------------------


def overhead(args):
    """Time per answered point: without a store, with an empty one and with a full one."""
    repeats, n_points = args.repeats, args.points
    X, y = digits()
    models = {
        "linear": LogisticRegression(max_iter=300).fit(X, y),
        "network of 64": MLPClassifier((64,), max_iter=100, random_state=0).fit(X, y),
        "forest of 100": RandomForestClassifier(100, random_state=0).fit(X, y),
    }
    print(f"\nmilliseconds per point of 1,000 masks, {n_points} points, medians of {repeats}")
    print("first processor time, which repeats; then wall-clock time, which includes the disk")
    head = ("asking", "and storing", "difference", "/ asking", "from store", "fingerprint")
    print(f"{'model':<26}" + "".join(f"{h:>13}" for h in head))
    for name, model in models.items():
        rows = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                base = LimeSignatureTransformer(
                    X, masker=MASKER, n_reference=n_points, n_classes=10
                ).fit([model])
                lime = LimeSignatureTransformer.from_plan(base.plan_, n_classes=10).fit([model])
                plain = seconds(partial(lime.transform, [model]))
                lime.cache = os.path.join(folder, "answers.sqlite")
                first = seconds(partial(lime.transform, [model]))
                second = seconds(partial(lime.transform, [model]))
                known = seconds(partial(Identity.text_of, model))
                rows.append((plain, first, first - plain, second, known))
        for kind, of_kind in zip(("processor", "clock"), np.moveaxis(rows, 2, 0), strict=True):
            plain, first, more, second, known = np.median(of_kind, axis=0) * 1e3
            cells = (plain / n_points, first / n_points, more / n_points, more / plain)
            print(
                f"{name:<16}{kind:<10}"
                + "".join(f"{c:>13.3f}" for c in (*cells, second / n_points))
                + f"{known:>10.1f} ms",
                flush=True,
            )


def seconds(call):
    """Processor time and wall-clock time of one call."""
    start = time.process_time(), time.perf_counter()
    call()
    return np.array([time.process_time() - start[0], time.perf_counter() - start[1]])


def child(what, path, *rest):
    """What another process is started for."""
    warnings.simplefilter("ignore")
    if what == "run":
        long_run(path, bool(int(rest[0])), float(rest[1]))
    else:
        write(path, int(rest[0]), int(rest[1]))


PARTS = {"search": search, "kills": kills, "writers": writers, "overhead": overhead}


def add_options(parser):
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)


def main(args):
    warnings.simplefilter("ignore")
    print(f"{time.strftime('%Y-%m-%d')}, {machine()}, {versions()}")
    for name in args.parts:
        PARTS[name](args)


if __name__ == "__main__":
    child(*sys.argv[1:])
