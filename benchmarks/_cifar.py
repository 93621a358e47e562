# SPDX-License-Identifier: BSD-3-Clause
"""CIFAR-10 images and the ResNets of He et al. (2016, section 4.2), read from a folder.

The folder (``--data DIR``) holds ``cifar10_train.npz`` and ``cifar10_test.npz`` (concatenated
lossless WebP images with ``offset`` and ``label``) and ``resnet20_cifar10.safetensors`` and
``resnet32_cifar10.safetensors`` from akamaster/pytorch_resnet_cifar10. Without it the networks
have random weights, and the images are crops of the two photographs that come with scikit-learn:
good enough for timings, and for nothing else.
"""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Shortcut(nn.Module):
    """Option A: every second pixel, and zeros for the new channels."""

    def __init__(self, n_new):
        super().__init__()
        self.n_new = n_new

    def forward(self, x):
        side = self.n_new // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, self.n_new - side))


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Identity() if n_in == n_out else Shortcut(n_out - n_in)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet of depth ``6 n_blocks + 2`` for small images."""

    def __init__(self, n_blocks=3, n_classes=10, widths=(16, 32, 64)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        n_in, layers = widths[0], []
        for i, n_out in enumerate(widths):
            blocks = [Block(n_in, n_out, 1 if i == 0 else 2)]
            blocks += [Block(n_out, n_out, 1) for _ in range(n_blocks - 1)]
            layers.append(nn.Sequential(*blocks))
            n_in = n_out
        self.layer1, self.layer2, self.layer3 = layers
        self.linear = nn.Linear(n_in, n_classes)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        y = F.avg_pool2d(y, y.size()[3])
        return self.linear(y.view(y.size(0), -1))


def network(data=None, depth=20, seed=0):
    """ResNet-20 or ResNet-32 in eval mode: trained if the folder is given, else random."""
    torch.manual_seed(seed)
    net = ResNet((depth - 2) // 6)
    if data is None:
        randomize_norms(net)
    else:
        net.load_state_dict(read_safetensors(Path(data) / f"resnet{depth}_cifar10.safetensors"))
    return net.eval()


def restored(path, net, make):
    """The network with the weights in a file, or trained by ``make`` and written there."""
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
        return net.eval()
    start = time.perf_counter()
    net = make(net)
    print(f"trained {path.stem} in {time.perf_counter() - start:.0f} s", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    return net


def randomize_norms(net):
    """Give batch norms statistics like those after training, so folding has work to do."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)


def read_safetensors(path):
    """State dict in a .safetensors file of float32 and int64 tensors."""
    raw = Path(path).read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    dtypes = {"F32": "<f4", "I64": "<i8"}
    state = {}
    for name, entry in json.loads(raw[8:start]).items():
        if name != "__metadata__":
            low, high = entry["data_offsets"]
            array = np.frombuffer(raw[start + low : start + high], dtypes[entry["dtype"]])
            state[name] = torch.tensor(array.reshape(entry["shape"]))
    return state


def images(data=None, n=128, split="test"):
    """The first n images, uint8 (n, 32, 32, 3), and their labels (None without the folder)."""
    if data is None:
        return photographs(n, 32), None
    from PIL import Image

    with np.load(Path(data) / f"cifar10_{split}.npz") as file:
        webp, offset, label = file["webp"], file["offset"], file["label"]
    n = min(n, len(label))
    pixels = np.empty((n, 32, 32, 3), dtype=np.uint8)
    for i in range(n):
        pixels[i] = Image.open(io.BytesIO(webp[offset[i] : offset[i + 1]].tobytes()))
    return pixels, label[:n].astype(np.int64)


def photographs(n, size, seed=0):
    """Random square crops of scikit-learn's two photographs, uint8 (n, size, size, 3)."""
    from sklearn.datasets import load_sample_images

    sources = load_sample_images().images
    rng = np.random.default_rng(seed)
    pieces = []
    for i in range(n):
        source = sources[i % len(sources)]
        y, x = (rng.integers(0, side - size + 1) for side in source.shape[:2])
        pieces.append(source[y : y + size, x : x + size])
    return np.stack(pieces)
