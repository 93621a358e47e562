# SPDX-License-Identifier: BSD-3-Clause
"""
Was my data forgotten?
======================

A contributor has written a hundred and twenty digits for a data set, and wrote 7 for every 1. They
ask for their digits to be taken out, and the network that learned from them to forget them. The
keeper says that it was done. May we believe it, if we can only ask the network questions?
"""

# %%
# The original, and what it should have become
# --------------------------------------------
# The points to be forgotten are the reference: what the network does *there* is what shows. What
# a network does there that never saw them is learned from eight that were trained again without.

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
# What the keeper may have done
# -----------------------------


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
# What they answer to the digits in question is no measure: two epochs bring most of the sevens
# down already.

for name, model in candidates.items():
    print(f"{name:<32} says 7 to {np.mean(model.predict(X[theirs]) == 7):4.0%} of them")

# %%
# Asking
# ------
# How the parts of these digits weigh in the network's answers goes deeper than the answers.

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
ax.set(xlabel="share of the trace that is left", xlim=(-0.4, 1.6), ylim=(-0.5, len(found) - 0.3))
plt.show()

# %%
# Forty epochs without the digits, or with the right labels, took away about half of the trace; two
# epochs little of it, though the answers looked much better already. A network that was trained
# again *with* the digits, from another seed, is as far from the original as those without, and is
# seen to be no different all the same: what seeds change cancels in the share.
#
# Points that leave no trace
# --------------------------
# Ordinary digits, written as others write them, are a different matter. A network that never saw
# them does the same there, as others stand in for them. There is nothing to be forgotten that
# could be seen from outside, and the verifier says so.

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
# - *Nothing proves that data was forgotten.* The weights of a network do not tell what it was
#   trained on, and its behaviour at some points tells less. "like retrained" says that no trace was
#   found where it was looked for.
# - *Who knows the points can train the network to behave there.* The keeper here could train it to
#   match a retrained one at these very digits, and keep all else.
# - *The retrained networks must be made as the original was.* Where they are of another size, or
#   trained for longer, the difference looks like a trace.
# - The share is one of this response. Of probabilities (``response="predict_proba"``), which show
#   little of what lies below the winning classes, forty epochs took away about two thirds.
