# SPDX-License-Identifier: BSD-3-Clause
"""
Was this credit score trained on the answers of ours?
=====================================================

A bank scores loan applicants, and a broker offers a score of their own that looks familiar. The
data is a table with numbers, some of them missing, and categories. What should replace a column
when it is hidden?
"""

# %%
# Applicants and scores
# ---------------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skzest import LimeSignatureTransformer, TabularMasker, zest_distances


def applicants(n, seed):
    """Applicants, and which of them defaulted."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 75, n)
    home = np.where(rng.random(n) < (age - 10) / 80, "own", rng.choice(["rent", "free"], n))
    income = np.exp(rng.normal(7.3, 0.5, n)) * (0.6 + age / 90)
    table = pd.DataFrame(
        {
            "age": age,
            "income": np.where(rng.random(n) < 0.15, np.nan, income.round()),
            "debt": (rng.gamma(1.5, 4000, n) * (1 + (home == "own"))).round(),
            "years in job": rng.gamma(1.2, 4, n).clip(0, age - 16).round(1),
            "home": pd.Categorical(home, categories=["own", "rent", "free"]),
            "purpose": pd.Categorical(rng.choice(["car", "house", "study", "other"], n)),
        }
    )
    risk = 1.5 * table["debt"] / (5 * income) - 0.12 * table["years in job"] - 0.03 * (age - 45)
    risk += 0.8 * (table["purpose"] == "study") * (age > 35) - 0.5 * (home == "own")
    return table, np.where(risk + rng.logistic(size=n) > 0.2, "default", "paid")


def pipeline(model, table, labels):
    """Inside the pipeline, categories become columns of 0 and 1, and missing numbers the mean."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((OneHotEncoder(), ["home", "purpose"]), remainder=numbers)
    return make_pipeline(columns, model).fit(table, labels)


def boosted(table, labels):
    return pipeline(GradientBoostingClassifier(n_estimators=60, random_state=0), table, labels)


def linear(table, labels):
    return pipeline(LogisticRegression(max_iter=1000), table, labels)


# %%
# Our score learned from 800 applicants. The broker has no such data, but had us score 6,000
# people and drew "paid" or "default" for each with the probability that we gave. A third score
# was trained on our applicants with another method. Five strangers are unrelated scores, trained
# like ours on applicants of their own: their distances to ours show what to expect without any
# relation.

table, labels = applicants(1000, seed=0)
ours = boosted(*applicants(800, seed=1))
asked, _ = applicants(6000, seed=2)
chance = ours.predict_proba(asked)[:, 0]
drawn = np.where(np.random.default_rng(0).random(6000) < chance, *ours.classes_)
suspect = boosted(asked, drawn)
same_data = linear(*applicants(800, seed=1))
strangers = [boosted(*applicants(800, seed=s)) for s in range(3, 8)]
zoo = [ours, suspect, same_data, *strangers]
for name, model in zip(["ours", "suspect", "same data", "a stranger"], zoo):
    print(f"{name}: {model.score(table, labels):.1%} right")

# %%
# What a hidden column becomes
# ----------------------------
# The models get a DataFrame as a DataFrame: numbers stay numbers, categories stay categories, and
# missing values stay missing where they are not hidden. By default a hidden number becomes the
# mean of its column and a hidden category the most frequent one. Such a person may be unlike any
# real one. ``fill="draws"`` takes the hidden values from another applicant, drawn for each point:
# the models are asked about people who might exist, and the copy comes closer. Averaging over
# several draws changes little here.


def signatures(**params):
    lime = LimeSignatureTransformer(
        table, n_reference=64, n_samples=64, masker=TabularMasker(**params)
    )
    return lime.fit_transform(zoo), lime


by_mean, lime = signatures()
by_draws = [signatures(fill="draws", random_state=seed)[0] for seed in range(5)]
# The mean of signatures is the signature of the mean answer: least squares is linear.
fills = {"mean": by_mean, "one draw": by_draws[0], "five draws": np.mean(by_draws, axis=0)}

fig, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
for height, (name, S) in enumerate(fills.items()):
    D = zest_distances(S)
    relative = D[0, 1:] / D[0, 3:].mean()
    print(
        f"{name:<11} suspect {relative[0]:.2f}, same data {relative[1]:.2f}, strangers "
        f"{relative[2:].min():.2f} to {relative[2:].max():.2f}"
    )
    ax.plot(relative[2:], [height] * 5, "o", color="grey", alpha=0.6)
    ax.plot(relative[1], height, "s", color="tab:blue")
    ax.plot(relative[0], height, "D", color="tab:red")
ax.set(xlim=(0, None), ylim=(2.5, -0.5), xlabel="relative distance to ours (related if below 1)")
ax.set_yticks(range(3), fills)
ax.legend(["strangers", "trained on our data", "trained on our answers"], fontsize="small")
plt.show()

# %%
# What each score looks at
# ------------------------
# The mean absolute coefficient of each column, over all reference points.

plan = lime.plan_
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
shown = [("ours", 0, "tab:red"), ("suspect", 1, "tab:orange"), ("a stranger", 3, "grey")]
for i, (name, row, colour) in enumerate(shown):
    sizes = np.abs(by_mean[row, : lime.n_components_])
    size = [sizes[plan.column_part == part].mean() for part in range(table.shape[1])]
    ax.barh(np.arange(table.shape[1]) + 0.27 * (i - 1), size, 0.25, color=colour, label=name)
ax.set_yticks(range(table.shape[1]), table.columns)
ax.invert_yaxis()
ax.set_xlabel("effect of hiding the column [logits]")
ax.legend(frameon=False)
plt.show()

# %%
# One category in several columns
# -------------------------------
# A network may need the categories as columns of 0 and 1. These columns belong together: hiding
# them one by one, or filling them with means, creates people who own a third of a home.

codes = pd.get_dummies(table[["age", "home"]], dtype=float)
homes = [name for name in codes if name.startswith("home")]
for params in ({"groups": [homes]}, {"one_hot": [homes]}):
    masker = TabularMasker(**params).fit(codes)
    hidden = masker.fill_for(codes.iloc[[0]], masker.parts_)
    print(params, "->", hidden[homes].round(2).iloc[0].to_dict())

# %%
# When this breaks
# ----------------
# A score that was trained on our *data*, not on our answers, is closer to ours than most
# strangers are: a distance does not reveal how two models came to be similar. If a column means
# little to both models, its coefficients are noise. A table has few parts, so it needs many
# points, here 64. And five strangers give only a rough idea of what is normal, as the range of
# their distances shows.
