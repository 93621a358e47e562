# SPDX-License-Identifier: BSD-3-Clause
"""
Are these two networks related?
===============================

You published a network. Now another one turns up that does the same job. Was it made from yours
(pruned, rounded to fewer bits, trained a little further), or did somebody train it independently?
Its weights are not available, but it answers questions.

If the environment variable ``SKZEST_DATA`` names a folder with CIFAR-10 images and ResNets (see
``benchmarks/_cifar.py``), the example uses them; otherwise it uses a small network of digits.
"""

# %%
# Your network, and others that do the same job
# ---------------------------------------------
# The others were trained from scratch, each with its own seed and on its own half of the data. They
# show which distance to expect between networks that share only the task.

import copy
import os
import sys

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.utils import prune

from skzest import ImageMasker, LimeSignatureTransformer, TorchQuery, zest_distances

DATA = os.environ.get("SKZEST_DATA")


def small_network(n_channels):
    return nn.Sequential(
        nn.Conv2d(n_channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def train(network, X, y, epochs, seed, lr=2e-3):
    """Adam on batches of 64; X as the network takes it."""
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(64):
            loss = nn.functional.cross_entropy(network(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


if DATA:
    sys.path.append("..")
    from benchmarks._cifar import MEAN, STD, images, network

    X, y = images(DATA, 8000, "train")
    yours, n_epochs = network(DATA, 20), 3
else:
    MEAN, STD = 0.3, 0.4
    X, y = load_digits(return_X_y=True)
    X, n_epochs = X.reshape(-1, 8, 8) / 16, 8

# %%
# ``X`` stays as it is. ``mean=`` and ``std=`` describe once what a network expects: the values are
# normalised, and channels are put first.


def query_of(module):
    return TorchQuery(module, mean=MEAN, std=STD)


inputs = query_of(small_network(3 if DATA else 1)).prepare(torch.as_tensor(X))
labels = torch.as_tensor(y)
n_channels = inputs.shape[1]
if not DATA:
    torch.manual_seed(100)
    yours = train(small_network(n_channels), inputs[::2], labels[::2], 12, seed=100)

others = []
for seed in range(5):
    torch.manual_seed(seed)
    half = slice(seed % 2, None, 2)
    fresh = small_network(n_channels)
    others.append(train(fresh, inputs[half], labels[half], n_epochs, seed))

# %%
# Copies in disguise
# ------------------
# None of them still has your exact weights.


def weights_of(module):
    return [(m, "weight") for m in module.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def pruned(module, share):
    module = copy.deepcopy(module)
    prune.global_unstructured(weights_of(module), prune.L1Unstructured, amount=share)
    for part, name in weights_of(module):
        prune.remove(part, name)
    return module


def rounded(module, bits):
    module = copy.deepcopy(module)
    for part, _ in weights_of(module):
        step = part.weight.detach().abs().max() / (2 ** (bits - 1) - 1)
        part.weight.data = (part.weight.data / step).round() * step
    return module


suspects = {
    "pruned by 20%": pruned(yours, 0.2),
    "pruned by 35%": pruned(yours, 0.35),
    "rounded to 6 bits": rounded(yours, 6),
    "one epoch more": train(copy.deepcopy(yours), inputs, labels, 1, seed=7, lr=5e-4),
}
if DATA:
    suspects["ResNet-32"] = network(DATA, 32)

# %%
# Ask and compare
# ---------------
# All networks answer questions about the same 16 images, with 200 masked copies of each.

lime = LimeSignatureTransformer(X, n_reference=16, n_samples=200, masker=ImageMasker())
zoo = [yours, *suspects.values(), *others]
D = zest_distances(lime.fit_transform([query_of(module) for module in zoo]))
to_suspects, to_others = D[0, 1 : 1 + len(suspects)], D[0, 1 + len(suspects) :]
relative = to_suspects / to_others.mean()

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
names = list(suspects)
ax.barh(names[::-1], relative[::-1], color="tab:blue")
ax.axvspan(
    to_others.min() / to_others.mean(),
    to_others.max() / to_others.mean(),
    color="0.85",
)
ax.axvline(1, color="0.4", lw=1)
ax.set_xscale("log")
ax.set(xlim=(2e-4, 2), xlabel="distance from yours, relative to unrelated networks")
ax.text(0.95, 0, "unrelated\nnetworks", ha="right")

for name, value in zip(names, relative, strict=True):
    print(f"{name:<20}{value:8.3f}")

# %%
# Why they are close
# ------------------
# A signature consists of maps: how much each part of an image contributes to the score of a
# class. Here are one image and the maps of its class for your network, for the copy that is
# farthest away, and for an unrelated network.

plan, n = lime.plan_, 0
picture, parts = plan.point(n), plan.parts[n]
rows = [0, 1 + int(np.argmax(to_suspects[:4])), len(zoo) - 1]
titles = ["yours", names[rows[1] - 1], "unrelated"]
S = lime.transform([query_of(zoo[row]) for row in rows])
S = S.reshape(len(rows), lime.n_classes_, lime.n_components_)
maps = S[:, int(y[plan.indices[n]]), plan.column_point == n][:, parts]

fig, axes = plt.subplots(1, 4, figsize=(8, 2.3), layout="constrained")
axes[0].imshow(picture, cmap=None if DATA else "gray")
axes[0].set_title("image")
for ax, title, values in zip(axes[1:], titles, maps, strict=True):
    bound = np.abs(values).max()
    ax.imshow(values, cmap="RdBu_r", vmin=-bound, vmax=bound)
    ax.set_title(title)
for ax in axes:
    ax.set_axis_off()
plt.show()

# %%
# When this breaks
# ----------------
# - The unit is the distance to unrelated networks. If these are worse at the task than the
#   suspect, or of another kind, they are too far away, and everything looks related. Match their
#   data, size and accuracy to the suspect's.
# - Networks that learned the same task from the same data agree in part, whoever made them: a
#   value of 0.8 proves nothing.
# - A copy that was trained further for long, or extracted from answers alone, moves away; ask it
#   for probabilities (``response="predict_proba"``) as well.
# - Sixteen images are few. Their number determines how much a distance varies.
