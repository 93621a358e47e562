# SPDX-License-Identifier: BSD-3-Clause
"""
Was my model stolen?
====================

You trained a network that reads digits, and others can send it questions. Now somebody offers a
model that does the same. It may have been made from yours (trained further, rounded, trained on
your model's answers), or it may be independent work. How near is too near, and how often would
you accuse somebody who did nothing?
"""

# %%
# Your model and the suspects
# ---------------------------
# There are six suspects. Three were made from yours, in ways that change every weight. Three were
# not; the first of these is of the same kind as yours.

import warnings
from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from skzest import ImageMasker, LimeSignatureTransformer, ReuseDetectionDisplay, ReuseDetector

warnings.simplefilter("ignore", ConvergenceWarning)  # small networks, stopped early on purpose
X, y = load_digits(return_X_y=True)
X = X / 16


def network(seed):
    """A network with its own seed, trained on its own half of the data."""
    half = np.random.default_rng(seed).permutation(len(X))[: len(X) // 2]
    return MLPClassifier((32,), max_iter=80, random_state=seed).fit(X[half], y[half])


yours = network(0)

further = deepcopy(yours)
for _ in range(20):
    further.partial_fit(X, y)

rounded = deepcopy(yours)
rounded.coefs_ = [weights.round(1) for weights in rounded.coefs_]

rng = np.random.default_rng(0)
asked = np.concatenate([X + rng.normal(0, 0.1, X.shape) for _ in range(3)])
extracted = MLPClassifier((32,), max_iter=30, random_state=7).fit(asked, yours.predict(asked))

half = rng.permutation(len(X))[: len(X) // 2]
suspects = {
    "trained further": further,
    "one decimal per weight": rounded,
    "trained on your answers": extracted,
    "another network": network(500),
    "logistic regression": LogisticRegression(max_iter=50).fit(X[half], y[half]),
    "naive Bayes": GaussianNB(var_smoothing=0.1).fit(X[half], y[half]),
}
for name, model in suspects.items():
    print(f"{name:<24} accuracy {model.score(X, y):.3f}")

# %%
# What is normal?
# ---------------
# Models of the same task are never very far from each other, so a distance says little on its
# own. Compare it with the distances of models that share only the task with yours. You can train
# such models yourself, from other seeds, and on other data if you have some. Nineteen of them
# allow a false-positive rate of 5 %, since one unrelated suspect in twenty is nearer than all
# nineteen by chance alone.

unrelated = [network(seed) for seed in range(1, 20)]
lime = LimeSignatureTransformer(
    X,
    n_reference=64,
    n_samples="auto",
    sampling="fractional",
    masker=ImageMasker(image_shape=(8, 8)),
)
detector = ReuseDetector.from_models(yours, unrelated, lime, alpha=0.05, correction=None)
found = detector.judge_models(list(suspects.values()), labels=list(suspects))
print(found)

# %%
# The relative distance is the distance divided by the mean of the nineteen. Its interval covers
# the choice of the 64 images and of the nineteen models. The p-value counts how many of the
# nineteen are as near. Below one line a suspect is "reused"; beyond the other it is "unrelated",
# because more than 5 % of all unrelated models are then as near with high confidence.

ReuseDetectionDisplay.from_decisions(found)
plt.show()

# %%
# Several suspects at once
# ------------------------
# Six suspects are six chances to accuse somebody by mistake. By default the p-values are
# therefore corrected for the number of suspects; ``correction=None`` above turned this off. The
# correction needs more unrelated models. If you have only a few, you can assume that the
# logarithms of their distances are normal. A test checks whether the distances contradict this.

parametric = ReuseDetector(null="lognormal", alpha=0.01).fit(detector.null_distances_[:10])
print(parametric.assumption_)
print(parametric.judge(found.d_suspects, labels=list(suspects)))
plt.show()

# %%
# When the conclusion breaks
# --------------------------
# - *The unrelated models must resemble the suspect.* The false-positive rate applies to suspects
#   that are exchangeable with them. Unrelated networks say nothing certain about a logistic
#   regression: if all models of its kind are nearer to yours, each of them looks stolen. Train
#   unrelated models of the suspect's kind.
# - *"unrelated" does not clear a suspect.* It means that the distance is an ordinary one. A copy
#   that was changed enough, by long training on other data, escapes detection.
# - *A model legitimately trained on the same data as yours* is nearer than one that was not. If
#   the suspect may have had your data, so should the unrelated models.
