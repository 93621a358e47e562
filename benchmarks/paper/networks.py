# SPDX-License-Identifier: BSD-3-Clause
"""The networks of the experiments: small enough to train in minutes on a CPU."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._cifar import ResNet

# --- images: the last layer is called `linear`, and is all that depends on the classes --------


def residual(settings, n_classes: int) -> nn.Module:
    """ResNet of He et al. (2016, section 4.2), which is ResNet-20 at full scale."""
    net = ResNet(settings.n_blocks, n_classes, settings.widths)
    net.conv1.stride = (settings.stride, settings.stride)
    return net


def mobile(settings, n_classes: int) -> nn.Module:
    """MobileNet-like: see :class:`Mobile`."""
    return Mobile(settings.widths, n_classes, settings.stride)


ARCHITECTURES = {"residual": residual, "mobile": mobile}


class Separable(nn.Module):
    """A convolution per channel, then a 1 x 1 convolution over the channels."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.depthwise = nn.Conv2d(n_in, n_in, 3, stride, 1, groups=n_in, bias=False)
        self.bn1 = nn.BatchNorm2d(n_in)
        self.pointwise = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # On CPUs the gradient of a strided depthwise convolution takes 20 times as long in
        # bfloat16 as in single precision.
        with torch.autocast(x.device.type, enabled=False):
            x = self.depthwise(x.to(self.depthwise.weight.dtype)).to(x.dtype)
        return F.relu(self.bn2(self.pointwise(F.relu(self.bn1(x)))))


class Mobile(nn.Module):
    """Depthwise separable convolutions after MobileNet, twice as wide as a residual network.

    Source: A. Howard et al., "MobileNets", arXiv:1704.04861, 2017, table 1, shortened for small
    images.
    """

    def __init__(self, widths: tuple[int, int, int], n_classes: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        n_in, blocks = widths[0], []
        for i, width in enumerate(widths):
            blocks += [Separable(n_in, 2 * width, 1 if i == 0 else 2)]
            blocks += [Separable(2 * width, 2 * width, 1)]
            n_in = 2 * width
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(n_in, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean(dim=(2, 3)))


# --- texts and sounds ---------------------------------------------------------------------------


class TextLSTM(nn.Module):
    """Embedding, one LSTM, the mean of its states over the words, one linear layer.

    Padding is at the end and left out of the mean, so an answer does not depend on which other
    texts are in the batch.
    """

    def __init__(self, n_words: int, n_classes: int, width: int = 64):
        super().__init__()
        self.embedding = nn.Embedding(n_words, width, padding_idx=0)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, n_classes)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embedding(numbers))
        return self.head(_mean_of_words(states, numbers))


class TextLinear(nn.Module):
    """The mean of the word vectors, one linear layer: fastText's classifier."""

    def __init__(self, n_words: int, n_classes: int, width: int = 32):
        super().__init__()
        self.embedding = nn.Embedding(n_words, width, padding_idx=0)
        self.head = nn.Linear(width, n_classes)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.head(_mean_of_words(self.embedding(numbers), numbers))


def _mean_of_words(vectors: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    is_word = (numbers != 0)[..., None].to(vectors.dtype)
    return (vectors * is_word).sum(dim=1) / is_word.sum(dim=1).clamp(min=1)


class M5(nn.Module):
    """The 1-D convolutional network M5 of Dai et al. (2017), narrower, for half a second.

    Source: W. Dai, C. Dai, S. Qu, J. Li, S. Das, "Very deep convolutional neural networks for
    raw waveforms", ICASSP 2017, table 1.
    """

    def __init__(self, n_classes: int, width: int = 24):
        super().__init__()
        self.layers = nn.Sequential(
            *self._block(1, width, kernel_size=80, stride=4),
            nn.MaxPool1d(4),
            *self._block(width, width, kernel_size=3),
            nn.MaxPool1d(4),
            *self._block(width, 2 * width, kernel_size=3),
            nn.MaxPool1d(4),
            *self._block(2 * width, 2 * width, kernel_size=3),
        )
        self.head = nn.Linear(2 * width, n_classes)

    @staticmethod
    def _block(n_in: int, n_out: int, **params: int) -> list[nn.Module]:
        return [nn.Conv1d(n_in, n_out, **params), nn.BatchNorm1d(n_out), nn.ReLU()]

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(waves[:, None]).mean(dim=2))
