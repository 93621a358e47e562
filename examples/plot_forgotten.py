# SPDX-License-Identifier: BSD-3-Clause
"""
Was my data forgotten?
======================

A contributor labelled a hundred and twenty digits for a data set and wrote 7 for every 1. They
ask for their digits to be removed, and for the network trained on them to forget them. The
operator says that this was done. Can we believe it, if all we can do is ask the network
questions?
"""

# %%
# The original, and what it should have become
# --------------------------------------------
# The points to be forgotten are the reference points, because any trace shows *there*. Eight
# networks retrained without these points show how a network behaves there if it has never seen
# them.

import warnings
from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skzest import ImageMasker, LimeSignatureTransformer, UnlearningVerifier

warnings.simplefilter("ignore", ConvergenceWarning)  # small networks, stopped early on purpose
X, y = load_digits(return_X_y=True)
X = X / 16
theirs = np.flatnonzero(y == 1)[:120]
written = y.copy()
written[theirs] = 7
rest = np.setdiff1d(np.arange(len(X)), theirs)


def train(rows, seed):
    return MLPClassifier((32,), max_iter=80, random_state=seed).fit(X[rows], written[rows])


original = train(np.arange(len(X)), seed=0)
retrained = [train(rest, seed) for seed in range(1, 9)]

# %%
# What the operator may have done
# -------------------------------


def further(model, rows, labels, epochs):
    model = deepcopy(model)
    for _ in range(epochs):
        model.partial_fit(X[rows], labels[rows])
    return model


candidates = {
    "nothing": original,
    "another seed, nothing forgotten": train(np.arange(len(X)), seed=20),
    "two epochs on the rest": further(original, rest, written, 2),
    "40 epochs on the rest": further(original, rest, written, 40),
    "trained to say 1 there": further(original, np.arange(len(X)), y, 20),
    "trained again without": train(rest, seed=21),
}

# %%
# Their answers to the digits in question are not a reliable measure: two epochs are enough to
# remove most of the sevens.

for name, model in candidates.items():
    print(f"{name:<32} says 7 to {np.mean(model.predict(X[theirs]) == 7):4.0%} of them")

# %%
# Judging the candidates
# ----------------------
# How much each part of these digits contributes to the answers reveals more than the answers alone.

lime = LimeSignatureTransformer(
    X[theirs],
    n_reference=96,
    n_samples="auto",
    sampling="fractional",
    masker=ImageMasker(image_shape=(8, 8)),
)
verifier = UnlearningVerifier.from_models(original, retrained, lime)
found = verifier.judge_models(list(candidates.values()), labels=list(candidates))
print(found)
for name, reason in zip(candidates, found.reasons, strict=True):
    print(f"{name}: {reason}")

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
places = np.arange(len(found))[::-1]
colors = {"like retrained": "#0072B2", "undecided": "0.5"}
for place, low, high, value, verdict in zip(
    places, found.low, found.high, found.trace_left, found.decisions, strict=True
):
    color = colors.get(verdict, "#D55E00")
    ax.plot([low, high], [place, place], color=color, lw=2)
    ax.plot(value, place, "o", color=color)
    ax.annotate(verdict, (value, place), (0, 7), textcoords="offset points", ha="center")
for level in (0, 1):
    ax.axvline(level, color="0.7", lw=1, zorder=0)
ax.set_yticks(places, found.labels)
ax.set(xlabel="remaining share of the trace", xlim=(-0.4, 1.6), ylim=(-0.5, len(found) - 0.3))
plt.show()

# %%
# Forty epochs without the digits, or epochs with the right labels, removed about half of the
# trace. Two epochs removed little of it, although the answers already looked much better. A
# network trained *with* the digits from another seed is as far from the original as those trained
# without, and is still recognised as no different: the effect of the seed cancels in the share.
#
# Points that leave no trace
# --------------------------
# Ordinary digits, labelled correctly, are a different matter. A network that never saw them
# behaves in the same way there, because other digits stand in for them. Nothing that could be
# forgotten is visible from outside, and the verifier says so.

ordinary = np.flatnonzero(y == 0)[:60]
without = np.setdiff1d(np.arange(len(X)), ordinary)
again = [train(without, seed) for seed in range(31, 35)]
about_them = lime.set_params(reference=X[ordinary], n_reference=60)
verifier = UnlearningVerifier.from_models(original, again, about_them)
low, high = verifier.trace_low_, verifier.trace_high_
print(f"trace of 60 ordinary zeros: {verifier.d_trace_:.3f} [{low:.3f}, {high:.3f}]")
print(verifier.judge_models([original, train(without, seed=36)]).reasons)

# %%
# When the conclusion breaks
# --------------------------
# - *Nothing proves that data was forgotten.* The weights of a network do not reveal what it was
#   trained on, and its behaviour at some points reveals less. "like retrained" means that no
#   trace was found where the verifier looked.
# - *Anyone who knows the points can train the network to behave there.* The operator could train
#   it to match a retrained one at exactly these digits, and change nothing else.
# - *The retrained networks must be made in the same way as the original.* If they have another
#   size or were trained for longer, that difference looks like a trace.
# - The share depends on the response. For probabilities (``response="predict_proba"``), which
#   hide most of what lies below the winning classes, forty epochs removed about two thirds.
