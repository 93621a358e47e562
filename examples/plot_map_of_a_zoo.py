# SPDX-License-Identifier: BSD-3-Clause
"""
What is in this zoo of models?
==============================

Forty classifiers of the same table have piled up. A map shows at a glance which of them are
similar, whatever they are made of. A report presents the rest to readers who were not involved.
"""

# %%
# Forty models
# ------------
# Eight kinds, each trained on five random halves of the data.

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skzest import LimeSignatureTransformer, ZooMapDisplay, html_report, zest_distances

X, y = load_wine(return_X_y=True, as_frame=True)
kinds = {
    "logistic": LogisticRegression(),
    "discriminant": LinearDiscriminantAnalysis(),
    "naive Bayes": GaussianNB(),
    "network": MLPClassifier((16,), solver="lbfgs", alpha=1.0, max_iter=1000, random_state=0),
    "neighbours": KNeighborsClassifier(15, weights="distance"),
    "forest": RandomForestClassifier(30, random_state=0),
    "extra trees": ExtraTreesClassifier(30, random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
}
zoo, names, groups = [], [], []
for half in range(5):
    rows = np.random.default_rng(half).permutation(len(X))[: len(X) // 2]
    for kind, model in kinds.items():
        pipeline = make_pipeline(StandardScaler(), clone(model))
        zoo.append(pipeline.fit(X.iloc[rows], y.iloc[rows]))
        names.append(f"{kind}, half {half}")
        groups.append(kind)

# %%
# Ask and compare
# ---------------
# Trees answer exact zeros and ones; ``clip`` bounds them before the logarithm is taken.

lime = LimeSignatureTransformer(X, n_reference=32, n_samples=32, sampling="foldover", clip=1e-2)
signatures = lime.fit_transform(zoo)
D = zest_distances(signatures)

# %%
# The map
# -------
# Distances on the map approximate the true ones as closely as a plane allows; the stress below
# the map tells how closely. The grey lines are the minimum spanning tree of the true distances: a
# long line that passes models which look nearer shows that the map misleads there.

display = ZooMapDisplay.from_distances(D, labels=names, groups=groups)
plt.show()

# %%
# Are models near because of their kind or because of their data? The distances themselves answer
# this:

same_kind = np.equal.outer(groups, groups)
same_half = np.equal.outer(np.arange(40) // 8, np.arange(40) // 8)
apart = ~np.eye(40, dtype=bool)
print(f"mean distance, same kind on other data:   {D[same_kind & apart].mean():.2f}")
print(f"mean distance, other kind on the same data: {D[same_half & apart].mean():.2f}")
print(f"mean distance, other kind on other data:  {D[~same_kind & ~same_half].mean():.2f}")

# %%
# The report
# ----------
# One self-contained page for whoever has to decide: the distances with their intervals, the
# figures, what the nearest two models differ in, and what was asked.

path = Path(mkdtemp()) / "zoo.html"
page = html_report(
    signatures, lime, path, labels=names, groups=groups, title="Forty models of wine"
)
markup = str(page)
print(repr(page))
print(f"{markup.count('<table')} tables and {markup.count('<img')} figures")
path.unlink()
path.parent.rmdir()

# %%
# When this breaks
# ----------------
# - A plane has two dimensions, a zoo has more. Read the stress first: above about 0.2, trust the
#   tree and the tables, not the map.
# - A map shows what is near, not why. Kinds of models also differ in how confident they are; with
#   ``response="label"`` the map shows only what they decide.
# - Models at distance 0 share one point, and their names surround it.
