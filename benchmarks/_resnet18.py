# SPDX-License-Identifier: BSD-3-Clause
"""ResNet-18 for images of 224 x 224 (He et al., 2016, table 1), with random weights for timings."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._cifar import Block as PlainBlock
from benchmarks._cifar import randomize_norms


class Block(PlainBlock):
    """Two convolutions of 3 x 3 beside a shortcut, which is a convolution where sizes change."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__(n_in, n_out, stride)
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )


class ResNet18(nn.Module):
    def __init__(self, n_classes: int = 1000, widths: tuple[int, ...] = (64, 128, 256, 512)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        n_in, blocks = widths[0], []
        for i, width in enumerate(widths):
            blocks += [Block(n_in, width, 1 if i == 0 else 2), Block(width, width, 1)]
            n_in = width
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(n_in, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.linear(self.blocks(x).mean((2, 3)))


def resnet18(n_classes: int = 1000, seed: int = 0) -> nn.Module:
    """ResNet-18 in eval mode, with batch norms as after training."""
    torch.manual_seed(seed)
    net = ResNet18(n_classes)
    randomize_norms(net)
    return net.eval()
