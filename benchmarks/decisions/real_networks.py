# SPDX-License-Identifier: BSD-3-Clause
"""Networks that others have trained: are int8 twins found, and is anybody else accused?

Image networks are four lineages of mlcommons/tiny (A and F are two seeds of one architecture), each
in floats and as one or two int8 twins, and ResNet-20, 32 and 44 of another project. For each
lineage as the owner, the twins are suspects, and so is every other lineage: all float networks but
the suspect's lineage are the unrelated models. With so few, ensembles take normal logarithms
(``null="lognormal"``, Bonferroni over the distances).

Keyword networks are three trainings of one architecture and recipe: strangers of the hardest kind.
Their table has the share of an owner's mistakes that each network repeats, on 480 clips.
"""

from __future__ import annotations

import warnings
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks._cifar import MEAN, STD, images, network
from benchmarks._common import show, write_table
from benchmarks.decisions._answers import Remembered
from benchmarks.decisions._owner_distances import distances, questions_for
from benchmarks.decisions._zoos import Model, Zoo
from skzest import ImageMasker, ReuseDetector, TorchQuery
from skzest.queries import LiteRTQuery, respond

TAKES = "10 min"
NEEDS = "torch, the litert extra; --data with CIFAR-10, networks/ and speech_commands.npz"
QUICK = {"points": 2, "images": 60}
RESNETS = (20, 32, 44)
CLIP = 1 / 256  # int8 answers are multiples of it


def lineage_of(name: str) -> str:
    """What a network and its twins have in common: ``cifar_A_int8`` is of lineage ``A``."""
    return name.split("_")[1] if "_" in name else name


def image_zoo(data: Path, cache: Path, n_points: int, n_images: int) -> list[Model]:
    """All image networks, those in floats first."""
    files = sorted(data.glob("networks/cifar_*.tflite"), key=lambda path: "int8" in path.stem)
    queries = {path.stem: lambda path=path: LiteRTQuery(path, n_threads=1) for path in files}
    for depth in RESNETS:
        queries[f"ResNet-{depth}"] = lambda d=depth: TorchQuery(
            network(data, d), mean=MEAN, std=STD
        )
    return [
        Model(
            name, "float" if "int8" not in name else "twin", lineage_of(name), None,
            Remembered(lambda load=load: _shares(load()), cache / f"{name}.npz", "predict_proba"),
        )
        for name, load in queries.items()
    ]  # fmt: skip


def _shares(query):
    """Probabilities, none below one step of the int8 networks, in pieces of 64."""

    def ask(X):
        batches = [query.space.asarray(X[i : i + 64]) for i in range(0, len(X), 64)]
        pieces = [query.space.to_numpy(respond(query, x, "predict_proba")) for x in batches]
        shares = np.clip(np.concatenate(pieces), CLIP, 1)
        return shares / shares.sum(axis=1, keepdims=True)

    return ask


def from_lineage(owner: Model, models: list[Model], zoo: Zoo) -> list[dict]:
    """Distances of all other networks to an owner, and what an ensemble says of each."""
    others = [model for model in models if model.name != owner.name]
    answers = [owner.answers, *(model.answers for model in others)]
    asked = questions_for(zoo, owner, shared=False)
    by_method = {name: d[1:] for name, d in distances(asked, answers).items()}
    D = np.stack(list(by_method.values()), axis=1)
    rows = []
    for i, suspect in enumerate(others):
        unrelated = [
            j for j, m in enumerate(others)
            if m.role == "float" and m.kind not in (owner.kind, suspect.kind)
        ]  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector = ReuseDetector(null="lognormal", correction=None).fit(D[unrelated])
            found = detector.judge(D[[i]])
        relation = "twin" if suspect.kind == owner.kind else "other lineage"
        row = {"owner": owner.name, "suspect": suspect.name, "relation": relation}
        row |= {name: d[i] for name, d in by_method.items()}
        rows.append(row | {"p": found.p_values[0], "decision": found.decisions[0]})
    return rows


def image_networks(args) -> None:
    X, y = images(args.data, args.images, "test")
    folder = args.cache / "real_networks"
    models = image_zoo(args.data, folder, args.points, args.images)
    zoo = Zoo("CIFAR-10", models, X[:200], X, y, ImageMasker(value_range=(0, 255)), args.points, ())
    table = []
    for owner in models:
        if owner.role == "float":
            table += from_lineage(owner, models, zoo)
            zoo.save()
    write_table(args.results / "real_networks.csv", table, digits=3)
    for relation in ("twin", "other lineage"):
        some = [row for row in table if row["relation"] == relation]
        called = np.mean([row["decision"] == "reused" for row in some])
        print(f"{relation}: {len(some)} pairs, called reused {called:.2f}")
        for name in list(table[0])[3:-2]:
            d = np.array([row[name] for row in some])
            show([f"  {name:<14}", d.min(), np.median(d), d.max()])


# --- keyword spotting ----------------------------------------------------------------------------


def features(audio: np.ndarray, rate: int = 16_000) -> np.ndarray:
    """49 x 10 cepstral coefficients of clips of a second, as the networks were trained on."""
    clips = audio.astype(float)
    clips /= np.maximum(np.abs(clips).max(axis=1, keepdims=True), 1)
    starts = np.arange(0, clips.shape[1] - 480 + 1, 320)
    frames = clips[:, starts[:, None] + np.arange(480)] * _hann(480)
    power = np.abs(np.fft.rfft(frames, 512))
    mel = np.log(power @ _mel_bands(rate, 512, 40, 20.0, 4000.0) + 1e-6)
    k, n = np.arange(10)[:, None], np.arange(40)
    cosines = np.cos(np.pi * k * (n + 0.5) / 40) * np.sqrt(2 / 40)
    return (mel @ cosines.T)[..., None].astype(np.float32)


def _hann(n: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def _mel_bands(rate: int, n_fft: int, n_bands: int, low: float, high: float) -> np.ndarray:
    """Triangular filters, (n_fft // 2 + 1, n_bands), equally spaced in mel."""
    at = 1127 * np.log1p(np.linspace(0, rate / 2, n_fft // 2 + 1) / 700)
    edges = np.linspace(1127 * np.log1p(low / 700), 1127 * np.log1p(high / 700), n_bands + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    up = (at[:, None] - lower) / (centre - lower)
    down = (upper - at[:, None]) / (upper - centre)
    return np.clip(np.minimum(up, down), 0, None)


def keyword_networks(args) -> None:
    with np.load(args.data / "speech_commands.npz") as file:
        X, y = features(file["audio"]), file["label"]
    said, names = [], []
    for path in sorted(args.data.glob("networks/kws_*.tflite")):
        query = LiteRTQuery(path, n_threads=1)
        said.append(respond(query, X, "predict_proba").argmax(axis=1))
        names.append(path.stem)
    said = np.stack(said)
    table = []
    for (i, owner), (j, suspect) in product(enumerate(names), enumerate(names)):
        if i != j:
            wrong = said[i] != y
            shared = np.mean(said[j][wrong] == said[i][wrong])
            twins = lineage_of(owner) == lineage_of(suspect)
            table.append(
                {
                    "owner": owner, "suspect": suspect,
                    "relation": "twin" if twins else "same recipe",
                    "mistakes of the owner": int(wrong.sum()), "shared": shared,
                    "agreement": np.mean(said[i] == said[j]),
                }
            )  # fmt: skip
    show(["accuracy", *np.mean(said == y, axis=1)])
    write_table(args.results / "real_keywords.csv", table, digits=3)
    for relation in ("twin", "same recipe"):
        some = [row["shared"] for row in table if row["relation"] == relation]
        show([f"keywords, {relation}: mistakes shared from", min(some), "to", max(some)])


def add_options(parser) -> None:
    parser.add_argument("--points", type=int, default=8, help="reference points")
    parser.add_argument("--images", type=int, default=1000, help="plain images")


def main(args) -> None:
    if args.data is None:
        print("not run: the networks are in --data DIR, and nothing stands in for them.")
        return
    image_networks(args)
    keyword_networks(args)
