# SPDX-License-Identifier: BSD-3-Clause
"""What does a signature cost, compared with bare calls of the model and with the lime package?

For each model of digits, measured in turn within one run:

- ``bare``: ``predict_proba`` on prepared masked batches, at the fastest of three batch sizes;
- ``one``: the same with BLAS limited to one thread;
- ``signature``: all of ``fit_transform([model])``, including segmentation and the plan;
- ``further``: the cost of each further model in a zoo, ``(time of 5 models - time of 1) / 4``;
- ``lime``: ``lime_image.LimeImageExplainer`` with its defaults, the same segments, the same number
  of masks and all classes, on ``--lime-points`` of the points, scaled up to all of them;
- ``tuned``: the same with all masks in one batch and no feature selection.

The table shows median ratios to ``bare``, and how many times longer lime takes than skzest.
Machines are noisy, so compare only ratios within one run.
"""

from __future__ import annotations

import warnings
from contextlib import redirect_stderr
from functools import partial
from importlib.util import find_spec
from io import StringIO

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from benchmarks._common import seconds
from benchmarks._inside import forget_cuts, render_copies
from skzest import ImageMasker, LimeSignatureTransformer

TAKES = "4 min"
NEEDS = "no data; lime is compared where it is installed"
QUICK = {"points": 2, "masks": 30, "repeats": 1, "lime_points": 1, "models": ["LogisticRegression"]}

MODELS = {
    "LogisticRegression": partial(LogisticRegression, max_iter=300),
    "MLPClassifier(64)": partial(MLPClassifier, (64,), max_iter=100, random_state=0),
    "RandomForest(100)": partial(RandomForestClassifier, 100, random_state=0),
    "Calibrated LinearSVC": lambda: CalibratedClassifierCV(LinearSVC(random_state=0)),
}
BATCHES = (1000, 4000, 16000)


def anew(lime, models):
    """A signature from scratch: parts cut earlier in this process are forgotten."""
    forget_cuts()
    lime.fit_transform(models)


def copies_of(plan):
    """All masked copies of a plan, ready for the bare calls."""
    return np.concatenate([render_copies(plan, n) for n in range(len(plan))])


def bare(model, copies, size):
    """The model alone: one call per batch."""
    for start in range(0, len(copies), size):
        model.predict_proba(copies[start : start + size])


def lime_package(model, plan, n_points, n_masks, tuned):
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


def measure(make, X, y, args):
    """One row of the table: medians of ratios to the bare calls."""
    model = make().fit(X, y)
    others = [make().fit(X[i::2], y[i::2]) for i in (0, 1, 0, 1)]
    lime = LimeSignatureTransformer(
        X,
        n_reference=args.points,
        n_samples=args.masks,
        masker=ImageMasker(image_shape=(8, 8)),
        n_classes=10,
    )
    plan = lime.fit([model]).plan_
    copies = copies_of(plan)
    best = min(
        BATCHES, key=lambda size: min(seconds(partial(bare, model, copies, size)) for _ in "ab")
    )
    rows = []
    for _ in range(args.repeats):
        base = seconds(partial(bare, model, copies, best))
        with threadpool_limits(1, "blas"):
            alone = seconds(partial(bare, model, copies, best))
        one = seconds(partial(anew, lime, [model]))
        five = seconds(partial(anew, lime, [model, *others]))
        more = (five - one) / 4
        rows.append((base, alone, one, one / base, more / base, one / alone, more / alone))
    base, alone, one, *ratios = np.median(rows, axis=0)
    scale = args.points / args.lime_points
    limes = []
    for tuned in (False, True) if find_spec("lime") else ():
        call = partial(lime_package, model, plan, args.lime_points, args.masks, tuned)
        with redirect_stderr(StringIO()):  # its progress bar
            limes.append(scale * min(seconds(call) for _ in range(2)))
    return best, base, alone, *ratios, *(t / one for t in limes)


def add_options(parser):
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--lime-points", type=int, default=4)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))


def main(args):
    warnings.simplefilter("ignore")
    X, y = load_digits(return_X_y=True)
    X = X / 16
    print(f"{args.points} points x {args.masks} masks of 8x8 digits, medians of {args.repeats}")
    print(f"{'':<52}{'to bare':>20}{'to one':>20}{'lime to signature':>20}")
    head = ("batch", "bare [s]", "one [s]", *("signature", "further") * 2, "lime", "tuned")
    print(f"{'model':<22}" + "".join(f"{h:>10}" for h in head))
    for name in args.models:
        best, base, alone, *ratios = measure(MODELS[name], X, y, args)
        cells = "".join(f"{r:>9.2f}x" for r in ratios)
        print(f"{name:<22}{best:>10}{base:>10.3f}{alone:>10.3f}{cells}", flush=True)
