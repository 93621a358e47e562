# SPDX-License-Identifier: BSD-3-Clause
"""
What changed between two releases?
==================================

The second release of a digits classifier has the same accuracy as the first. It was trained on new
scans. Should it be released? A distance tells how much it changed; an explanation tells where.
"""

# %%
# Two releases, and a third model for comparison
# ----------------------------------------------
# Nobody noticed that the new scanner leaves a mark in the corner of one form, which was used for
# most of the sevens. The third model was trained like the first from another seed: it shows what
# an ordinary change looks like.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from skzest import (
    ExplanationDisplay,
    ImageMasker,
    LimeSignatureTransformer,
    SignatureDisplay,
    distance_interval,
    explain_distance,
)

X, y = load_digits(return_X_y=True)
X = X / 16
rng = np.random.default_rng(0)
order = rng.permutation(len(X))
train, test = order[:1200], order[1200:]

scans = X.copy()
of_the_form = (y == 7) & (rng.random(len(y)) < 0.8)
scans[of_the_form, 56] = 1.0  # the first pixel of the last row


def fit(images, seed):
    return MLPClassifier((32,), max_iter=60, tol=0.01, random_state=seed).fit(
        images[train], y[train]
    )


release_1, release_2, another_seed = fit(X, 0), fit(scans, 0), fit(X, 1)
for name, model in (("release 1", release_1), ("release 2", release_2)):
    print(f"{name}: {model.score(scans[test], y[test]):.1%} right on new scans")

# %%
# How much?
# ---------
# The questions are about new scans that no model was trained on. Each scan is cut into 16 squares.

masker = ImageMasker("grid", segmenter_params={"shape": (4, 4)}, image_shape=(8, 8))
lime = LimeSignatureTransformer(
    scans[test], n_reference=96, n_samples=64, sampling="foldover", masker=masker
)
S = lime.fit_transform([release_1, release_2, another_seed])
plan = lime.plan_
for name, other in (("release 2", S[1]), ("another seed", S[2])):
    print(f"{name}: {distance_interval(S[0], other, plan)}")

# %%
# Release 2, trained from the same seed, is six times nearer to release 1 than the model from
# another seed is. By accuracy and distance it would pass.
#
# Where?
# ------
# The distance is a sum of non-negative shares, one for each class and each part of each image.
# Summed by class, or by square over all images, they distinguish the two changes.

explanations = {
    "release 2": explain_distance(S[0], S[1], plan, classes=lime.classes_),
    "another seed": explain_distance(S[0], S[2], plan, classes=lime.classes_),
}

fig, axes = plt.subplots(2, 2, figsize=(7, 5.4), layout="constrained", width_ratios=(1.5, 1))
for (name, explanation), (bars, grid) in zip(explanations.items(), axes, strict=True):
    assert abs(explanation.by_class.sum() - explanation.distance) < 1e-12
    bars.bar(lime.classes_, 100 * explanation.by_class / explanation.distance, color="tab:blue")
    bars.set(title=f"release 1 to {name}", ylabel="share (%)", ylim=(0, 50))
    bars.set_xticks(lime.classes_)
    squares = sum(explanation.by_part(n) for n in range(len(plan))) / explanation.distance
    image = grid.imshow(100 * squares.reshape(4, 4), cmap="viridis", vmin=0, vmax=55)
    grid.set(xticks=[], yticks=[], title="by square")
    fig.colorbar(image, ax=grid, label="share (%)")
axes[1, 0].set_xlabel("class")

# %%
# For another seed the difference is spread over classes and squares. Release 2 has learned
# something about sevens and about a corner where no digit has ink. The largest shares name the
# images:

for share in explanations["release 2"].top(5):
    label = y[test][plan.indices[share.point]]
    print(f"class {share.label}, {share.name} of image {plan.indices[share.point]} (a {label}): "
          f"{share.share / explanations['release 2'].distance:.2%}, "
          f"coefficient {share.first:+.3f}, then {share.second:+.3f}")  # fmt: skip

# %%
# On the images themselves
# ------------------------
# The three points with the largest shares, coloured by the contribution of each square.

points = np.argsort(-explanations["release 2"].by_point)[:3]
fig, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for ax, point in zip(axes, points, strict=True):
    ExplanationDisplay.from_explanation(explanations["release 2"], point=int(point), ax=ax)

# %%
# For the first of these points, the squares that speak for and against a seven in each release: to
# release 1 the mark in the corner means nothing.

figures = plt.figure(figsize=(7, 3), layout="constrained").subfigures(1, 2)
strongest = float(np.abs(S[:2].reshape(2, 10, -1)[:, 7, plan.column_point == points[0]]).max())
for part, name, row in zip(figures, ("release 1", "release 2"), S[:2], strict=True):
    SignatureDisplay.from_signature(
        row, plan, point=int(points[0]), classes=lime.classes_, labels=[7], vmax=strongest, ax=part
    )
    part.suptitle(name)
plt.show()

# %%
# When this breaks
# ----------------
# - An explanation covers only what is in the reference points. With the old scans, which have no
#   mark, the corner would hardly show.
# - Shares tell where two models differ, not which of them is right, nor why.
# - A coarse part may contain the cause and much else: cut finer once you know where to look.
# - Noise from the masks spreads small differences over all parts. Look at the largest shares, and
#   compare them with those of another seed.
