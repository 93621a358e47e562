# SPDX-License-Identifier: BSD-3-Clause
"""What does a signature cost, compared with bare calls of the model and with the lime package?

For models of digits (8 x 8 images), of a table of 20 columns and of one of 200, measured in turn
within one run:

- ``bare``: ``predict_proba`` on prepared masked batches, one copy per mask, at the fastest of three
  batch sizes;
- ``one``: the same with BLAS limited to one thread;
- ``signature``: all of ``fit_transform([model])``, including segmentation and the plan. Of masks
  that repeat, as those of digits do, each copy is asked once (``asked``);
- ``further``: the cost of each further model in a zoo, ``(time of 5 models - time of 1) / 4``;
- ``lime``: the lime package with its defaults, the same segments or columns, the same number of
  masks and all classes, on ``--lime-points`` of the points, scaled up to all of them;
- ``tuned``: the same with all masks in one batch and no feature selection.

The table shows median ratios to ``bare``, and how many times longer lime takes than skzest.
Machines are noisy, so compare only ratios within one run. ``--threads 1`` limits all libraries, and
times are then processor time, which is steadier on a busy machine.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from importlib.util import find_spec
from io import StringIO
from typing import NamedTuple

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from benchmarks._common import seconds, write_table
from benchmarks._inside import forget_plans, render_copies
from skzest import ImageMasker, LimeSignatureTransformer, TabularMasker

TAKES = "6 min"
NEEDS = "no data; lime is compared where it is installed"
QUICK = {"points": 2, "masks": 250, "repeats": 1, "lime_points": 1, "only": ["LogisticRegression"]}

LOGISTIC = partial(LogisticRegression, max_iter=300)
FOREST = partial(RandomForestClassifier, 100, random_state=0)
BATCHES = (1000, 4000, 16000)
COLUMNS = (
    *("asked", "batch", "bare_seconds", "one_thread_seconds", "signature_to_bare"),
    *("further_to_bare", "signature_to_one", "further_to_one", "lime", "lime_tuned"),
)


class Task(NamedTuple):
    """Data, how it is masked, and the models of it."""

    data: Callable
    masker: object
    models: dict[str, Callable]


def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def table(n_columns, n_rows=2000, n_classes=3):
    """Rows whose class a noisy linear function decides."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    scores = X @ rng.normal(size=(n_columns, n_classes)) + rng.normal(size=(n_rows, n_classes))
    return X, scores.argmax(axis=1)


def of_tables(**more):
    network = partial(MLPClassifier, (256, 256), max_iter=8, random_state=0)
    return {
        "LogisticRegression": LOGISTIC,
        "MLPClassifier(256, 256)": network,
        "RandomForest(100)": FOREST,
        **more,
    }


TASKS = {
    "digits": Task(
        digits,
        ImageMasker(image_shape=(8, 8)),
        {
            "LogisticRegression": LOGISTIC,
            "MLPClassifier(64)": partial(MLPClassifier, (64,), max_iter=100, random_state=0),
            "RandomForest(100)": FOREST,
            "Calibrated LinearSVC": lambda: CalibratedClassifierCV(LinearSVC(random_state=0)),
        },
    ),
    "20 columns": Task(
        partial(table, 20),
        TabularMasker(),
        of_tables(HistGradientBoosting=partial(HistGradientBoostingClassifier, random_state=0)),
    ),
    "200 columns": Task(partial(table, 200), TabularMasker(), of_tables()),
}


def anew(lime, models):
    """A signature from scratch: what was computed earlier in this process is forgotten."""
    forget_plans()
    lime.fit_transform(models)


def copies_of(plan):
    """All masked copies of a plan, ready for the bare calls."""
    return np.concatenate([render_copies(plan, n) for n in range(len(plan))])


def bare(model, copies, size):
    """The model alone: one call per batch."""
    for start in range(0, len(copies), size):
        model.predict_proba(copies[start : start + size])


def lime_images(model, plan, n_points, n_masks, tuned):
    """The lime package on the same points and segments, all classes."""
    from lime.lime_image import LimeImageExplainer

    explainer = LimeImageExplainer(feature_selection="none" if tuned else "auto", random_state=0)

    def answer(images):
        return model.predict_proba(images[..., 0].reshape(len(images), -1))

    for n in range(n_points):
        image = plan.point(n).reshape(8, 8)
        explainer.explain_instance(
            image,
            answer,
            labels=range(10),
            top_labels=None,
            hide_color=0.0,
            num_samples=n_masks,
            batch_size=n_masks if tuned else 10,
            segmentation_fn=lambda _, n=n: plan.parts[n].astype(int),
        )


def lime_tables(model, plan, n_points, n_masks, tuned):
    """The lime package on the same rows and columns, all classes; it draws values of its own."""
    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(
        plan.reference,
        feature_selection="none" if tuned else "auto",
        discretize_continuous=False,
        random_state=0,
    )
    n_classes = len(model.classes_)
    for n in range(n_points):
        explainer.explain_instance(
            plan.point(n),
            model.predict_proba,
            labels=range(n_classes),
            num_features=plan.reference.shape[1] if tuned else 10,
            num_samples=n_masks,
        )


def measure(task, make, X, y, args):
    """One row of the table: medians of seconds, and of ratios to the bare calls."""
    clock = partial(seconds, clock=time.process_time if args.threads else time.perf_counter)
    model = make().fit(X, y)
    others = [make().fit(X[i::2], y[i::2]) for i in (0, 1, 0, 1)]
    lime = LimeSignatureTransformer(
        X,
        n_reference=args.points,
        n_samples=args.masks,
        masker=task.masker,
        n_classes=len(model.classes_),
    )
    plan = lime.fit([model]).plan_
    copies = copies_of(plan)
    tries = [[clock(partial(bare, model, copies, size)) for size in BATCHES] for _ in range(4)]
    best = BATCHES[int(np.argmin(np.min(tries, axis=0)))]
    rows = []
    for _ in range(args.repeats):
        base = clock(partial(bare, model, copies, best))
        with threadpool_limits(1, "blas"):
            alone = clock(partial(bare, model, copies, best))
        one = clock(partial(anew, lime, [model]))
        five = clock(partial(anew, lime, [model, *others]))
        rows.append((base, alone, one, (five - one) / 4))
    base, alone, one, more = np.median(rows, axis=0)
    n_points = min(args.lime_points, args.points)
    limes = []
    for tuned in (False, True) if find_spec("lime") else ():
        package = lime_images if isinstance(task.masker, ImageMasker) else lime_tables
        call = partial(package, model, plan, n_points, args.masks, tuned)
        with redirect_stderr(StringIO()):  # its progress bar
            limes.append(args.points / n_points * min(clock(call) for _ in range(2)) / one)
    ratios = one / base, more / base, one / alone, more / alone
    return dict(zip(COLUMNS, (plan.n_queries, best, base, alone, *ratios, *limes)))


def add_options(parser):
    names = list(dict.fromkeys(name for task in TASKS.values() for name in task.models))
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--lime-points", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as the libraries like")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these models")


def main(args):
    warnings.simplefilter("ignore")
    with threadpool_limits(args.threads or None):
        print(f"{args.points} points x {args.masks} masks, medians of {args.repeats}")
        print(f"{'':<65}{'to bare':>20}{'to one':>20}{'lime to signature':>20}")
        head = ("asked", "batch", "bare [s]", "one [s]", *("signature", "further") * 2)
        print(f"{'model':<25}" + "".join(f"{h:>10}" for h in (*head, "lime", "tuned")))
        rows = []
        for name in args.tasks:
            print(name)
            task = TASKS[name]
            for model in filter(task.models.__contains__, args.only):
                row = measure(task, task.models[model], *task.data(), args)
                show(model, *row.values())
                rows.append({"task": name, "model": model} | row)
    write_table(args.results / "signature.csv", rows)


def show(name, asked, best, base, alone, *ratios):
    numbers = f"{asked:>10}{best:>10}{base:>10.3f}{alone:>10.3f}"
    print(f"  {name:<23}{numbers}" + "".join(f"{r:>9.2f}x" for r in ratios), flush=True)
