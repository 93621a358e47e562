# SPDX-License-Identifier: BSD-3-Clause
"""
Is this spam filter a copy of mine?
===================================

You sell a spam filter, and a competitor offers one whose decisions look remarkably like yours.
Was it trained on the answers of yours, or do two good filters simply agree about spam? Neither
side will show its weights, but both filters can be asked about mails with words removed.
"""

# %%
# Mails and filters
# -----------------
# The mails are made of phrases: each class has its own and borrows some of the other's.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from skzest import LimeSignatureTransformer, TextMasker, zest_distances

SPAM = [
    *("claim your prize", "win big money", "cheap pills online", "act now", "limited offer"),
    *("click this link", "no risk at all", "double your income", "you are a winner"),
    *("free trial", "lowest price", "buy direct", "cash bonus", "verify your account"),
    *("exclusive deal", "lose weight fast", "miracle cure", "order today"),
]
HAM = [
    *("the meeting is at noon", "attached is the report", "see you tomorrow", "let me know"),
    *("thanks for your help", "could you review this", "lunch on Friday", "the draft is ready"),
    *("notes from the call", "happy birthday", "the train was late", "minutes of the board"),
    *("see the agenda", "greetings to the family", "your order has shipped"),
    *("the invoice is attached", "can we move it", "my account of the trip"),
]
LINKS = [", ", ". ", " - ", " and ", "; also ", "! "]


def write(n, seed):
    """n mails, every other one spam."""
    rng = np.random.default_rng(seed)
    mails, labels = [], np.where(np.arange(n) % 2, "spam", "ham")
    for label in labels:
        own, foreign = (SPAM, HAM) if label == "spam" else (HAM, SPAM)
        phrases = [rng.choice(own if rng.random() < 0.7 else foreign) for _ in range(5)]
        mails.append("".join(phrase + rng.choice(LINKS) for phrase in phrases).strip())
    return mails, labels


mails, labels = write(1000, seed=0)
print(mails[1])

# %%
# My filter learned from 300 mails. The competitor asked it about 1,000 others and trained a
# filter of another kind on its answers: the copy. Six strangers are unrelated filters that
# learned from mails of their own, three with the method of mine and three with the method of the
# copy.


def logistic(mails, labels):
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(mails, labels)


def bayes(mails, labels):
    return make_pipeline(CountVectorizer(), MultinomialNB(alpha=0.1)).fit(mails, labels)


mine = logistic(*write(300, seed=1))
asked, _ = write(1000, seed=2)
copy = bayes(asked, mine.predict(asked))
strangers = [logistic(*write(300, seed=s)) for s in (3, 4, 5)]
strangers += [bayes(*write(300, seed=s)) for s in (6, 7, 8)]

for name, model in [("mine", mine), ("copy", copy), ("a stranger", strangers[-1])]:
    agreement = np.mean(model.predict(mails) == mine.predict(mails))
    print(f"{name}: {model.score(mails, labels):.1%} right, agrees with mine on {agreement:.1%}")

# %%
# The copy's agreement with mine proves little, because strangers agree nearly as often.
#
# Ask about words
# ---------------
# A list of strings is treated as text, so the words of 48 mails are the parts: each filter
# answers 200 copies of each mail with words missing. Scikit-learn's pipelines take strings as
# they are. The kind of filter matters too, so the copy is compared with what to expect if it were
# not a copy: the distances between unrelated filters of these two kinds.

zoo = [mine, copy, *strangers]
lime = LimeSignatureTransformer(mails, n_reference=48, n_samples=200)
signatures = lime.fit_transform(zoo)
D = zest_distances(signatures)

between = D[np.ix_([0, 2, 3, 4], [5, 6, 7])].ravel()
relative = D[0, 1] / between.mean()
print(f"mine to the copy: {D[0, 1]:.3f}")
print(f"unrelated filters of these kinds: {between.mean():.3f} ± {between.std(ddof=1):.3f}")
print(f"relative distance: {relative:.2f} (related if below 1)")

fig, ax = plt.subplots(figsize=(6, 1.8), layout="constrained")
ax.plot(between, np.zeros_like(between), "o", color="grey", alpha=0.6, label="unrelated pairs")
ax.plot(D[0, 1], 0, "D", color="tab:red", label="mine and the suspect")
ax.set(xlim=(0, None), yticks=[], xlabel="cosine distance (0: same direction)")
ax.legend(loc="upper left", frameon=False)
plt.show()

# %%
# What a signature consists of
# ----------------------------
# Each coefficient says how much a word speaks for a class, here in one mail. Where my filter and
# the stranger weigh a word differently, the copy mostly sides with mine, even though its method
# is the stranger's: it has learned the accidents of my 300 mails.

plan = lime.plan_
n = 0
text, parts = plan.reference[n], plan.parts[n]
words = ["".join(np.array(list(text))[parts == k]) for k in range(plan.n_parts[n])]
spam = lime.classes_.tolist().index("spam")
columns = spam * lime.n_components_ + np.flatnonzero(plan.column_point == n)

fig, ax = plt.subplots(figsize=(6, 0.3 * len(words) + 1), layout="constrained")
shown = [("mine", 0, "tab:red"), ("copy", 1, "tab:orange"), ("a stranger", 5, "grey")]
for i, (name, row, colour) in enumerate(shown):
    weights = signatures[row, columns] / np.linalg.norm(signatures[row, columns])
    ax.barh(np.arange(len(words)) + 0.27 * (i - 1), weights, 0.25, color=colour, label=name)
ax.axvline(0, color="black", linewidth=0.8)
ax.set_yticks(range(len(words)), words)
ax.invert_yaxis()
ax.set_xlabel("← ham        weight of the word in this mail        spam →")
ax.legend(frameon=False)
plt.show()

# %%
# Other languages
# ---------------
# What counts as a word follows Unicode: marks stay with their letters, emoji are words, and scripts
# without spaces are cut into characters. You can pass a tokenizer of your own as a callable.

for text in ("Don't panic 🤷🏽!", "我爱北京", "हिन्दी में लिखा है"):
    parts = TextMasker().fit([text]).cut(text)
    print(["".join(np.array(list(text))[parts == k]) for k in range(parts.max() + 1)])

# %%
# When this breaks
# ----------------
# The filters here learned from few mails, so each has quirks of its own. With ten times the data,
# two strangers reach nearly the same weights, and the copy's relative distance rises to 0.94. A
# competitor who mixes my answers with many mails of their own dilutes the evidence. A relative
# distance close to 1 says nothing, whatever the truth is.
