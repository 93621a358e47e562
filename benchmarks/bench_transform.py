# SPDX-License-Identifier: BSD-3-Clause
"""What a transform of one image at a time costs beside a function of the whole batch.

    python benchmarks/bench_transform.py [--side 256] [--copies 64] [--repeats 5]

Every way resizes uint8 photographs to 224 x 224 and normalises them, through ``TorchQuery``:

- ``batch``: ``preprocess=``, one call for the batch;
- ``tensor``: ``transform=`` called with a tensor per image;
- ``pil``: ``transform=`` called with a PIL image, which is converted from and to a tensor.

Prints the median of milliseconds per image, and how many times the batched call that is.
"""

import argparse
import platform
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skzest import TorchQuery

MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)


def of_batch(x):
    x = F.interpolate(x.permute(0, 3, 1, 2).float(), (224, 224), mode="bilinear", antialias=True)
    return (x / 255 - MEAN) / STD


def of_tensor(image):
    image = F.interpolate(image[None].float(), (224, 224), mode="bilinear", antialias=True)[0]
    return (image / 255 - MEAN) / STD


def of_pil(image):
    pixels = np.asarray(image.resize((224, 224)))
    return (torch.tensor(pixels).permute(2, 0, 1) / 255 - MEAN) / STD


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--copies", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    shape = (args.copies, args.side, args.side, 3)
    batch = torch.tensor(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    net = nn.Conv2d(3, 1, 1).eval()
    queries = {
        "batch": TorchQuery(net, preprocess=of_batch),
        "tensor": TorchQuery(net, transform=of_tensor, transform_input="tensor"),
        "pil": TorchQuery(net, transform=of_pil, transform_input="pil"),
    }
    times = {name: [] for name in queries}
    for _ in range(args.repeats):  # in turn, so that what else the machine does hits all alike
        for name, query in queries.items():
            start = time.perf_counter()
            query.prepare(batch)
            times[name].append(1e3 * (time.perf_counter() - start) / args.copies)
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    base = np.median(times["batch"])
    for name, found in times.items():
        print(f"{name:7} {np.median(found):7.2f} ms per image  {np.median(found) / base:5.1f}")


if __name__ == "__main__":
    main()
