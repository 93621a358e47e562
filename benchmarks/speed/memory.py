# SPDX-License-Identifier: BSD-3-Clause
"""How does the peak memory of a signature grow with the number of questions?

Each row is a separate process: it makes its reference and model, notes its peak resident memory,
computes a signature, and prints how much the peak grew, next to the size of all masked copies
together and of the signature itself. The model is a cheap function (colour means of a 4 x 4 grid),
so nearly all the memory is used by skzest.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np

TAKES = "2 min"
NEEDS = "no data; Linux or macOS"
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
    print(
        f"{name:<26}{n_reference:>8}{n_samples:>8}{copies:>16,.1f}"
        f"{signature.nbytes / MIB:>14.2f}{peak_mib() - before:>12.1f}"
    )


def main(args):
    head = ("points", "masks", "copies [MiB]", "result [MiB]", "peak [MiB]")
    widths = (8, 8, 16, 14, 12)
    print(f"{'input':<26}" + "".join(f"{h:>{w}}" for h, w in zip(head, widths, strict=True)))
    digits = [(32, 250), (32, 1000), (128, 1000), (128, 4000)]
    photos = [(8, 500), (8, 1000), (32, 500), (32, 1000)]
    if args.quick:
        digits, photos = [(2, 50)], [(1, 500)]
    for name, sizes in zip(SHAPES, (digits, photos), strict=True):
        for size in sizes:
            command = [sys.executable, "-m", __name__, name, *map(str, size)]
            subprocess.run(command, check=True)


if __name__ == "__main__":  # the child process
    measure(sys.argv[1], *map(int, sys.argv[2:]))
