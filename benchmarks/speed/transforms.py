# SPDX-License-Identifier: BSD-3-Clause
"""What does a transform of one image at a time cost, compared with a function of the whole batch?

Every way resizes uint8 photographs to 224 x 224 and normalises them, through ``TorchQuery``:

- ``batch``: ``preprocess=``, one call for the batch;
- ``tensor``: ``transform=``, called with a tensor per image;
- ``pil``: ``transform=``, called with a PIL image, which is converted from and to a tensor.

The table shows median milliseconds per image and their ratio to ``batch``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._common import machine, show_in_turn, versions
from skzest import TorchQuery

TAKES = "1 min"
NEEDS = "torch, Pillow; no data"
QUICK = {"side": 32, "copies": 4, "repeats": 1}
SIZE = (224, 224)
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)


def of_batch(x):
    """(n, height, width, channels) to what the network takes."""
    x = F.interpolate(x.permute(0, 3, 1, 2).float(), SIZE, mode="bilinear", antialias=True)
    return (x / 255 - MEAN) / STD


def of_tensor(image):
    """The same for one image, (channels, height, width)."""
    image = F.interpolate(image[None].float(), SIZE, mode="bilinear", antialias=True)[0]
    return (image / 255 - MEAN) / STD


def of_pil(image):
    """The same for one PIL image."""
    pixels = torch.tensor(np.asarray(image.resize(SIZE)))
    return (pixels.permute(2, 0, 1) / 255 - MEAN) / STD


def add_options(parser):
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--copies", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)


def main(args):
    shape = (args.copies, args.side, args.side, 3)
    batch = torch.tensor(np.random.default_rng(args.seed).integers(0, 256, shape, dtype=np.uint8))
    net = nn.Conv2d(3, 1, 1).eval()
    queries = {
        "batch": TorchQuery(net, preprocess=of_batch),
        "tensor": TorchQuery(net, transform=of_tensor, transform_input="tensor"),
        "pil": TorchQuery(net, transform=of_pil, transform_input="pil"),
    }
    print(f"{machine()}, {versions()}, {torch.get_num_threads()} torch threads")
    ways = {name: partial(query.prepare, batch) for name, query in queries.items()}
    show_in_turn(ways, "batch", args.copies, args.repeats)
