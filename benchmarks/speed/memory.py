# SPDX-License-Identifier: BSD-3-Clause
"""How does peak memory grow with the number of questions, and with networks of 1,000 classes?

Each row is a separate process: it makes its reference and models, notes its peak resident memory,
and says how much the peak grew.

- ``signatures``: next to the size of all masked copies together and of the signature itself; the
  model is a cheap function (colour means of a 4 x 4 grid), so nearly all memory is skzest's;
- ``distances``: ``model_distances`` of networks with 1,000 classes at points of 49 parts, next to
  the size of their signatures, which are never held; also with two jobs and with a store;
- ``float32``: how far distances of float32 signatures are from those of float64.

Each table is a CSV file, too: ``memory_signatures.csv`` and so on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks._common import show, write_table

TAKES = "8 min"
NEEDS = "no data; torch for the networks; Linux or macOS"
QUICK = {"models": 3, "points": 2, "masks": 64}
MIB = 2**20
SHAPES = {"8x8 digits, float64": (8, 8), "224x224x3 photos, uint8": (224, 224, 3)}


def peak_mib():
    """Peak resident memory of this process so far."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def colour_means(n_classes, batch):
    """Scores of a batch of images: means of cells of a 4 x 4 grid."""
    h, w = batch.shape[1] // 4, batch.shape[2] // 4
    cells = [
        batch[:, i * h : (i + 1) * h, j * w : (j + 1) * w].mean(axis=(1, 2)).reshape(len(batch), -1)
        for i in range(4)
        for j in range(4)
    ]
    return np.concatenate(cells, axis=1)[:, :n_classes]


def reference(shape, n):
    """Smooth random images, so that Quickshift finds parts in them."""
    from skimage.transform import resize

    rng = np.random.default_rng(0)
    small = rng.random((n, 8, 8, *shape[2:]))
    if shape[:2] == (8, 8):
        return small
    return np.stack([np.uint8(255 * resize(image, shape, order=1)) for image in small])


def measure(name, n_reference, n_samples):
    """In the child process: one signature, and the growth of the peak."""
    from skzest import CallableQuery, LimeSignatureTransformer

    X = reference(SHAPES[name], n_reference)
    model = CallableQuery(partial(colour_means, 10), output="logits")
    lime = LimeSignatureTransformer(X, n_reference=n_reference, n_samples=n_samples, n_classes=10)
    # Load the libraries for segmentation before memory is measured.
    LimeSignatureTransformer(X[:1], n_samples=500, n_classes=10).fit([model])
    before = peak_mib()
    signature = lime.fit_transform([model])
    copies = n_reference * n_samples * X[0].nbytes / MIB
    return {
        "input": name,
        "points": n_reference,
        "masks": n_samples,
        "copies_mib": copies,
        "result_mib": signature.nbytes / MIB,
        "peak_mib": peak_mib() - before,
    }


# --- distances of networks ----------------------------------------------------------------


def network(seed):
    """A network that is cheap per image and has 1,000 classes."""
    import torch
    from torch import nn

    from skzest import TorchQuery

    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 8, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(32, 1000)).eval()
    return TorchQuery(net, mean=(0.5,) * 3, std=(0.25,) * 3)


def measure_distances(n_models, n_points, n_masks, n_jobs, has_store):
    """In the child process: distances of networks, and the growth of the peak."""
    import resource

    from joblib.externals.loky import get_reusable_executor

    from skzest import ImageMasker, LimeSignatureTransformer, model_distances

    nets = [network(seed) for seed in range(n_models)]
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (max(n_points, 2), 64, 64, 3), dtype=np.uint8)
    masker = ImageMasker("grid", segmenter_params={"shape": (7, 7)})
    settings = {"n_samples": n_masks, "masker": masker}
    LimeSignatureTransformer(X, n_reference=1, **settings).fit_transform(nets[:1])
    before = peak_mib()
    with TemporaryDirectory() as folder:
        cache = Path(folder) / "answers.sqlite" if has_store else None
        lime = LimeSignatureTransformer(
            X, n_reference=n_points, n_jobs=n_jobs, cache=cache, **settings
        )
        start = time.perf_counter()
        D = model_distances(nets, lime)
        took = time.perf_counter() - start
    assert np.isfinite(D).all()
    growth = peak_mib() - before
    get_reusable_executor().shutdown(wait=True)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 if n_jobs > 1 else 0
    return {
        "networks": n_models,
        "points": n_points,
        "masks": n_masks,
        "jobs": n_jobs,
        "store": bool(has_store),
        "signatures_mib": n_models * 1000 * n_points * 49 * 8 / MIB,
        "peak_mib": growth,
        "worker_mib": worker,
        "seconds": took,
    }


def table_distances(args):
    few = min(args.points, 4)
    sizes = [(args.points, 1, 0), (few, 2, 0), (few, 1, 1)]
    return [
        in_child("distances", args.models, points, args.masks, n_jobs, has_store)
        for points, n_jobs, has_store in sizes
    ]


def table_float32(args):
    """How far rounding of signatures moves distances."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    from skzest import ImageMasker, LimeSignatureTransformer, zest_distances

    X, y = load_digits(return_X_y=True)
    zoo = [LogisticRegression(C=C, max_iter=50) for C in (1, 1.0001, 1.01, 3)]
    zoo += [RandomForestClassifier(20, random_state=seed) for seed in (0, 1)]
    zoo = [model.fit(X / 16, y) for model in zoo]
    masker = ImageMasker(image_shape=(8, 8))
    lime = LimeSignatureTransformer(X / 16, n_reference=32, n_samples=200, masker=masker)
    S = lime.fit_transform(zoo)
    exact, rounded = (zest_distances(S.astype(t)) for t in ("float64", "float32"))
    off = ~np.eye(len(zoo), dtype=bool)
    gap = np.abs(rounded - exact)[off]
    row = {
        "least_distance": exact[off].min(),
        "largest_distance": exact[off].max(),
        "moved_by": gap.max(),
        "of_its_size": (gap / exact[off]).max(),
    }
    show(row, digits=10)
    return [row]


def in_child(*arguments):
    """One row, measured in a process of its own."""
    command = [sys.executable, "-m", __name__, *map(str, arguments)]
    row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    show(row, digits=1)
    return row


def table_signatures(args):
    digits = [(32, 250), (32, 1000), (128, 1000), (128, 4000)]
    photos = [(8, 500), (8, 1000), (32, 500), (32, 1000)]
    if args.quick:
        digits, photos = [(2, 50)], [(1, 500)]
    sizes = dict(zip(SHAPES, (digits, photos), strict=True))
    return [in_child(name, *size) for name in SHAPES for size in sizes[name]]


TABLES = {
    "signatures": table_signatures,
    "distances": table_distances,
    "float32": table_float32,
}
HEADS = {
    "signatures": "input, points, masks; MiB of all copies, of the result, growth of the peak",
    "distances": "networks, points, masks, jobs, store; MiB of signatures, growth of the peak here "
    "and of a worker; seconds",
    "float32": "distances from, to; moved by at most, as a share of their size",
}


def add_options(parser):
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--models", type=int, default=50, help="networks of the second table")
    parser.add_argument("--points", type=int, default=128)
    parser.add_argument("--masks", type=int, default=256)


def main(args):
    warnings.simplefilter("ignore")
    for name in args.tables:
        print(f"\n{name}: {HEADS[name]}", flush=True)
        write_table(args.results / f"memory_{name}.csv", TABLES[name](args))


if __name__ == "__main__":  # the child process
    row = measure_distances if sys.argv[1] == "distances" else partial(measure, sys.argv[1])
    print(json.dumps(row(*map(int, sys.argv[2:]))))
