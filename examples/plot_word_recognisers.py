# SPDX-License-Identifier: BSD-3-Clause
"""
Which of these word recognisers share a parent?
===============================================

Eight recognisers of spoken words run on devices from different manufacturers. Some were adapted
from another one with new recordings, some were pruned to fit a smaller chip, and some were
trained from scratch. Which ones belong to the same family?
"""

# %%
# Words and recognisers
# ---------------------
# The words are synthetic: a buzz at the pitch of a voice, shaped into a sequence of vowels by two
# resonances. Voices differ in pitch, size and speed, so recordings differ in length.

from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import resample, spectrogram
from sklearn.cluster import AgglomerativeClustering
from sklearn.neural_network import MLPClassifier

from skzest import AudioMasker, LimeSignatureTransformer, ZestDistanceDisplay

RATE = 8000
VOWELS = {"a": (750, 1200), "e": (450, 1900), "i": (300, 2300), "o": (450, 850), "u": (320, 700)}
WORDS = ["aia", "oue", "iuo", "eai", "uoa", "aeu"]


def say(word, rng):
    """A recording of about half a second."""
    pitch, size, pace = rng.uniform(90, 250), rng.uniform(0.9, 1.1), rng.uniform(0.1, 0.2)
    times = np.concatenate([np.full(int(pace * rng.uniform(0.7, 1.3) * RATE), v) for v in range(3)])
    formants = np.array([VOWELS[vowel] for vowel in word])[times] * size
    smooth = np.hanning(400) / np.hanning(400).sum()
    formants = [np.convolve(np.pad(f, 200, "edge"), smooth, "same")[200:-200] for f in formants.T]
    phase = 2 * np.pi * pitch * np.arange(len(times)) / RATE
    wave = np.zeros(len(times))
    for harmonic in range(1, int(3000 / pitch)):
        gain = sum(1 / (1 + ((harmonic * pitch - f) / 120) ** 2) for f in formants)
        wave += gain * np.sin(harmonic * phase) / np.sqrt(harmonic)
    wave *= np.minimum(1, np.minimum(np.arange(len(wave)), np.arange(len(wave))[::-1]) / 200)
    return (0.2 * wave + 0.1 * rng.normal(size=len(wave))).astype(np.float32)


def record(n, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(WORDS)
    return [say(WORDS[label], rng) for label in labels], labels


# %%
# A recogniser resamples the spectrum over time to a fixed length and passes it to a small
# network. All that skzest needs is an object with ``predict_proba`` for a list of waves.


class Recogniser:
    def __init__(self, seed):
        self.network = MLPClassifier((32,), max_iter=200, tol=5e-3, random_state=seed)

    @staticmethod
    def features(waves):
        spectra = [spectrogram(wave, RATE, noverlap=96)[2][:96:4] for wave in waves]
        spectra = [5 + np.log10(spectrum + 1e-7) for spectrum in spectra]
        return np.array([resample(spectrum, 12, axis=1).ravel() for spectrum in spectra])

    def fit(self, waves, labels):
        self.network.fit(self.features(waves), labels)
        self.classes_ = np.array(WORDS)
        return self

    def predict_proba(self, waves):
        return self.network.predict_proba(self.features(waves))


def adapted(parent, seed):
    """Train further with recordings of new voices."""
    child = deepcopy(parent)
    waves, labels = record(200, seed)
    features = child.features(waves)
    for _ in range(30):
        child.network.partial_fit(features, labels)
    return child


def pruned(parent):
    """Set the smaller half of the weights to zero."""
    child = deepcopy(parent)
    for weights in child.network.coefs_:
        weights[np.abs(weights) < np.median(np.abs(weights))] = 0
    return child


A, B, C, D = (Recogniser(seed).fit(*record(240, seed)) for seed in range(4))
zoo = {
    "A": A,
    "A, adapted": adapted(A, 10),
    "A, pruned": pruned(A),
    "B": B,
    "B, adapted": adapted(B, 11),
    "B, adapted, pruned": pruned(adapted(B, 12)),
    "C": C,
    "D": D,
}
waves, labels = record(120, 99)
for name, model in zoo.items():
    print(f"{name:<20}{np.mean(model.predict_proba(waves).argmax(axis=1) == labels):.1%} right")

# %%
# Silence stretches of time
# -------------------------
# An array of waves looks like a table, so sound needs an explicit masker. It cuts every recording
# into 12 equal stretches and silences some of them. Recordings of different lengths form a list,
# and so does each batch that the recognisers get.

masker = AudioMasker(RATE, n_segments=12)
lime = LimeSignatureTransformer(waves, n_reference=16, n_samples=48, masker=masker)
signatures = lime.fit_transform(list(zoo.values()))
display = ZestDistanceDisplay.from_signatures(signatures, labels=list(zoo))
display.plot()
found = AgglomerativeClustering(4, metric="precomputed", linkage="average").fit_predict(
    display.distances
)
print("families:", {name: int(family) for name, family in zip(zoo, found, strict=True)})
plt.show()

# %%
# Where a recogniser listens
# --------------------------
# The coefficients say how much each stretch of a recording speaks for a word, here for the word
# that was spoken. A and its adapted child listen to the same places.

plan, n = lime.plan_, 0
wave, parts = plan.reference[n], plan.parts[n]
word = WORDS[labels[plan.indices[n]]]
block = lime.classes_.tolist().index(word) * lime.n_components_
weights = signatures[:, block + np.flatnonzero(plan.column_point == n)]

fig, axes = plt.subplots(3, 1, figsize=(6, 5), sharex=True, layout="constrained")
time = np.arange(len(wave)) / RATE
for ax, name in zip(axes, ("A", "A, adapted", "C"), strict=True):
    ax.plot(time, wave, color="black", linewidth=0.3)
    weight = weights[list(zoo).index(name)]
    ax2 = ax.twinx()
    ax2.step(time, weight[parts], color="tab:red")
    ax2.axhline(0, color="tab:red", linewidth=0.5, linestyle=":")
    ax2.set_ylim(-1.1 * np.abs(weights).max(), 1.1 * np.abs(weights).max())
    ax.set_title(f"{name}: how much each stretch speaks for “{word}”", fontsize="medium")
    ax.set_yticks([])
axes[-1].set_xlabel("time [s]")
plt.show()

# %%
# When this breaks
# ----------------
# The models must be able to notice silence: one that removes pauses, or relies on the loudest
# stretch alone, hardly notices what is hidden; then ``fill="noise"`` asks the better question.
# Twelve stretches are too coarse for words with many sounds. And a student trained on answers,
# not from the weights, is farther from its teacher than an adapted model is.
