# SPDX-License-Identifier: BSD-3-Clause
"""How do time and memory of signatures grow with points, masks, models and sizes?

- ``growth``: seconds per 1,000 questions over n_reference, n_samples, number of models, image
  size and number of classes, also in units of the forward pass;
- ``memory``: by how much the resident memory of a process grows at its peak for 128 images of
  224 x 224 x 3 and 1,000 masks, whose copies would take 72 GiB, and a tiny network;
- ``zoo``: processor time for each of 100 to 5,000 logistic regressions of digits on one plan, and
  by how much the peak grows: signatures, the same written to a store and read back from it (which
  asks a few questions again), and ``model_distances``.

Each table is a CSV file, too: ``growth_growth.csv`` and so on.
"""

from __future__ import annotations

import argparse
import copy
import platform
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

from benchmarks._cifar import ResNet, images, photographs, randomize_norms
from benchmarks._common import show, write_table
from benchmarks._inside import auto_rows, ready_network, render_copies
from benchmarks.speed import _timing
from benchmarks.speed._timing import as_query, describe, seconds, transformer
from skzest import ImageMasker, LimeSignatureTransformer, model_distances

TAKES = "25 min"
NEEDS = "torch; memory needs Linux or macOS"
QUICK = {"masks": 500, "photos": 1, "zoos": [4]}
AXES = {
    "n_reference": [("n_reference", n) for n in (4, 8, 16, 32)],
    "n_samples": [("n_samples", n) for n in (250, 500, 1000, 2000)],
    "models": [("models", n) for n in (1, 2, 4, 8)],
    "image size": [("size", n) for n in (32, 64, 128, 224)],
    "classes": [("classes", n) for n in (10, 100, 1000)],
}


class Small(nn.Module):
    """A network that is cheap per pixel, for images of any size and any number of classes."""

    def __init__(self, n_classes=10, width=16):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, n_classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(torch.relu(self.bn2(self.conv2(x))).mean((2, 3)))


def table_growth(args):
    axes = {"n_reference": [("n_reference", 1)]} if args.quick else AXES
    print(f"\ngrowth, one setting at a time around 8 x 500 and 32 x 32, {describe(args)}")
    head = ("questions", "s / 1,000", "/ forward")
    print(f"{'':<24}" + "".join(f"{h:>12}" for h in head))
    rows = []
    for axis, settings in axes.items():
        for name, value in settings:
            row = measure_growth(args, **{name: value})
            print(f"{axis:<16}{value:>8}{row[0]:>12}{row[1]:>12.3f}{row[2]:>12.2f}", flush=True)
            names = ("questions", "seconds_per_1000", "to_forward")
            rows.append({"axis": axis, "value": value} | dict(zip(names, row, strict=True)))
    return rows


def measure_growth(args, n_reference=8, n_samples=500, models=1, size=32, classes=10):
    """Questions, seconds for 1,000 of them, and time in units of the rewritten forward pass.

    Large images and many classes use a network with two layers, so that skzest's share of the time
    would show.
    """
    torch.manual_seed(0)
    small = size != 32 or classes != 10
    nets = [Small(classes) if small else ResNet() for _ in range(models)]
    for net in nets:
        randomize_norms(net.eval())
    queries = [as_query(net, args) for net in nets]
    reference = images(args.data, 64)[0] if size == 32 else photographs(64, size)
    masker = ImageMasker("grid", segmenter_params={"shape": (4, 4)})
    lime = transformer(
        reference, args, n_reference=n_reference, n_samples=n_samples, n_classes=classes,
        masker=masker,
    ).fit(queries)  # fmt: skip
    questions = lime.plan_.n_queries * models
    n_rows = min(auto_rows(lime.plan_, queries[0].space), n_samples)
    with queries[0].session():
        copies = render_copies(lime.plan_, 0, queries[0].space, n_rows)
        x = queries[0].prepare(copies)
        ready = ready_network(queries[0], copies)

        def forward():
            for _ in range(-(-questions // len(x))):
                ready(x)

        took = []
        for _ in range(3):
            pace = seconds(forward, args) / (-(-questions // len(x)) * len(x))
            whole = seconds(lambda: lime.transform(queries), args)
            took.append((whole, whole / questions / pace))
    whole, ratio = np.median(took, axis=0)
    return questions, 1000 * whole / questions, ratio


def table_memory(args):
    n_points = args.photos
    command = [sys.executable, "-m", __name__, str(n_points), str(args.masks), args.device]
    command.append(str(args.threads))
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    before, after, took = map(float, out[-3:])
    copies = n_points * args.masks * 224 * 224 * 3 * 4 / 2**30
    print(f"\n{n_points} images of 224 x 224 x 3, {args.masks} masks, {describe(args)}")
    print(f"all copies in float32     {copies:>9.2f} GiB")
    print(f"resident before           {before:>9.2f} GiB")
    print(f"resident at the peak      {after:>9.2f} GiB")
    print(f"growth                    {after - before:>9.2f} GiB    in {took:.0f} s", flush=True)
    sizes = {"copies_gib": copies, "growth_gib": after - before, "seconds": took}
    return [{"points": n_points, "masks": args.masks} | sizes]


def grow(n_points, n_masks, device, n_threads):
    """In a separate process: resident memory before and after (a peak), and seconds."""
    args = argparse.Namespace(device=device, points=n_points, masks=n_masks)
    torch.set_num_threads(n_threads)
    warnings.simplefilter("ignore")

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 10),
    ).eval()  # fmt: skip
    reference = photographs(n_points, 224)
    query = as_query(net, args)
    # Warm-up: segmenters, and torch's own buffers.
    small = transformer(reference[:2], args, n_reference=1, n_samples=n_masks)
    small.fit_transform([query])
    before = resident_now() or peak_gib()
    start = time.perf_counter()
    signature = transformer(reference, args, n_reference=n_points).fit_transform([query])
    assert np.isfinite(signature).all()
    took = time.perf_counter() - start
    print(before, peak_gib(), took)


def resident_now():
    """Resident memory in GiB on Linux, else None; then the peak so far is used."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**30
    except OSError:
        return None


# --- zoos -----------------------------------------------------------------------------------


def table_zoo(args):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    base = LogisticRegression(max_iter=200).fit(X, y)
    masker = ImageMasker(image_shape=(8, 8))
    lime = LimeSignatureTransformer(X, n_reference=32, n_samples=args.masks, masker=masker)
    plan = lime.fit([base, base]).plan_
    print(f"\nlogistic regressions of digits, {plan.n_queries} questions to each, {describe(args)}")
    print("models, way, ms a model, growth MiB, result MiB, store kB a model")
    rows = []
    for n_models in args.zoos:
        with TemporaryDirectory() as folder:
            zoo = list(variants(base, n_models))
            rows += grow_zoo(zoo, plan, Path(folder) / "answers.sqlite")
    return rows


def variants(base, n_models):
    """Models whose coefficients are those of one, moved at random."""
    rng = np.random.default_rng(0)
    for _ in range(n_models):
        model = copy.deepcopy(base)
        model.coef_ = base.coef_ + 0.3 * rng.normal(size=base.coef_.shape)
        yield model


def grow_zoo(zoo, plan, path):
    """One row for each way of asking a zoo."""
    plain = LimeSignatureTransformer.from_plan(plan).fit(zoo[:2])
    stored = LimeSignatureTransformer.from_plan(plan, cache=path).fit(zoo[:2])
    ways = {
        "signatures": partial(plain.transform, zoo),
        "written to a store": partial(stored.transform, zoo),
        "read from a store": partial(stored.transform, zoo),
        "distances": partial(model_distances, zoo, plain),
    }
    rows = []
    for name, way in ways.items():
        before, start = peak_gib(), time.process_time()
        result = way()
        ms, growth = 1000 * (time.process_time() - start), 1024 * (peak_gib() - before)
        row = {
            "models": len(zoo),
            "way": name,
            "ms_a_model": ms / len(zoo),
            "growth_mib": growth,
            "result_mib": result.nbytes / 2**20,
        }
        if "written" in name:
            row["store_kb_a_model"] = path.stat().st_size / len(zoo) / 1000
        show(row, digits=2)
        rows.append(row)
    return rows


def peak_gib():
    """Peak resident memory of this process so far."""
    import resource  # not on Windows

    unit = 1024 if platform.system() == "Linux" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


TABLES = {"growth": table_growth, "memory": table_memory, "zoo": table_zoo}


def add_options(parser):
    _timing.add_options(parser)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--zoos", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--photos", type=int, default=128, help="images of the memory table")


def main(args):
    _timing.prepare(args)
    for name in args.tables:
        write_table(args.results / f"growth_{name}.csv", TABLES[name](args))


if __name__ == "__main__":  # the child process of the memory table
    grow(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
