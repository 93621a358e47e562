# SPDX-License-Identifier: BSD-3-Clause
"""
Which of these twenty models are related?
=========================================

Twenty classifiers of handwritten digits turn up without documentation. Four of them were trained
from scratch. The other sixteen were made from these four: trained further, retrained on part of
the same data, copied from the answers alone, or rounded. All we can do is ask them questions.
Which ones belong together?
"""

# %%
# The models
# ----------
# Each parent has its own kind and one half of the data; each relative is made in a different way.

import warnings
from copy import deepcopy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from skzest import ImageMasker, LimeSignatureTransformer, ZestDistanceDisplay, zest_distances

warnings.simplefilter("ignore", ConvergenceWarning)  # small models, stopped early on purpose
X, y = load_digits(return_X_y=True)
X = X / 16
rng = np.random.default_rng(0)


def further(parent, X, y):
    """Train further with the same data."""
    model = deepcopy(parent)
    if not hasattr(model, "partial_fit"):
        return model.set_params(warm_start=True, max_iter=200).fit(X, y)
    for _ in range(20):
        model.partial_fit(X, y)
    return model


def subsampled(parent, X, y):
    """Retrain in the same way on 80 % of the same data."""
    chosen = rng.permutation(len(X))[: int(0.8 * len(X))]
    return deepcopy(parent).fit(X[chosen], y[chosen])


def extracted(parent, X, y):
    """Train a new model on the parent's answers alone: labels drawn from its probabilities."""
    asked = np.concatenate([X + rng.normal(0, 0.1, X.shape) for _ in range(6)])
    chances = parent.predict_proba(asked).cumsum(axis=1)
    answers = (chances < rng.random((len(asked), 1))).sum(axis=1).clip(max=9)
    model = deepcopy(parent)
    if isinstance(model, MLPClassifier):
        model.set_params(max_iter=40, random_state=99)
    return model.fit(asked, answers)


def rounded(parent, X, y):
    """Keep one decimal of every weight."""
    model = deepcopy(parent)
    for name in ("coefs_", "coef_", "theta_"):
        if hasattr(model, name):
            weights = getattr(model, name)
            several = isinstance(weights, list)
            setattr(model, name, [w.round(1) for w in weights] if several else weights.round(1))
    return model


halves = {"A": slice(0, None, 2), "B": slice(1, None, 2)}
parents = {
    "logistic A": LogisticRegression(max_iter=20),
    "network A": MLPClassifier((64, 64), max_iter=100, random_state=4),
    "network B": MLPClassifier((32, 32), activation="tanh", max_iter=100, random_state=3),
    "naive Bayes B": GaussianNB(var_smoothing=0.1),
}
zoo, names, families = [], [], []
for family, parent in parents.items():
    half = halves[family[-1]]
    parent.fit(X[half], y[half])
    made = [parent] + [
        make(parent, X[half], y[half]) for make in (further, subsampled, extracted, rounded)
    ]
    zoo += made
    names += [f"{family} {how}" for how in ("parent", "further", "80 %", "copied", "rounded")]
    families += [family] * len(made)
print(f"{len(zoo)} models, accuracy {min(m.score(X, y) for m in zoo):.1%} or more")

# %%
# Ask and compare
# ---------------
# Here digits are rows of 64 pixels, so the masker needs their shape. Each of 64 images is cut into
# super-pixels, and every model answers 200 copies of it with parts hidden at random.

lime = LimeSignatureTransformer(
    X, n_reference=64, n_samples=200, masker=ImageMasker(image_shape=(8, 8))
)
signatures = lime.fit_transform(zoo)
D = zest_distances(signatures)

print(f"\ncosine distances of {signatures.shape[1]} coefficients, in hundredths\n")
width = max(map(len, names))
print(" " * (width + 4) + "".join(f"{i:>4}" for i in range(len(zoo))))
for i, name in enumerate(names):
    print(f"{i:>2}  {name:<{width}}" + "".join(f"{100 * d:>4.0f}" for d in D[i]))

# %%
# Which models belong together
# ----------------------------
# Scikit-learn clusters the distance matrix. The truth is known here, so the result can be checked.

found = AgglomerativeClustering(4, metric="precomputed", linkage="average").fit_predict(D)
pairs = np.triu_indices(len(zoo), 1)
unrelated = np.array(families)[pairs[0]] != np.array(families)[pairs[1]]
print(f"\nadjusted Rand index of the four clusters: {adjusted_rand_score(families, found):.2f}")
print(f"AUC, related against unrelated pairs: {roc_auc_score(unrelated, D[pairs]):.3f}")

display = ZestDistanceDisplay.from_distances(D, labels=names, groups=families)
display.plot()
path = Path("zoo_of_models.png").resolve()
display.figure_.savefig(path, dpi=120, bbox_inches="tight")
print(f"\nThe clustered heat map is in {path}")
plt.show()

# %%
# When this breaks
# ----------------
# Close is not the same as related. Two networks of one kind, trained on the same half of the data
# from different seeds, are as close as a copy is to its parent, because digits leave them little
# room to differ. A distance says more when it is compared with the distances of models known to
# be unrelated. Forests answer with exact zeros, so for them the parameter ``clip`` matters most.
# ``python -m benchmarks families`` measures both.
