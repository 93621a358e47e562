# SPDX-License-Identifier: BSD-3-Clause
"""Answers of networks to every mask of their reference points: the truth for judging designs.

With ``--data`` the networks are those of CIFAR-10, else of scikit-learn's digits. Points are images
with 8 to 10 parts (digits: 5 to 8), so all ``2 ** n_parts`` masked copies can be asked. The answers
to any design are rows of these tables: hundreds of seeds cost no further question. Answers are kept
in the cache, a few points per file, so an interrupted run resumes.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._common import task_name
from skzest import CallableQuery, ImageMasker, LimeSignatureTransformer, QueryPlan

CHUNK = 8  # points per file

CIFAR_PAIRS = {
    "related": [
        ("resnet20", "resnet20 pruned"),
        ("resnet20", "resnet20 further"),
        ("small a", "small a further"),
        ("small a", "small a extracted"),
    ],
    "unrelated": [("resnet20", "resnet32"), ("small a", "small b"), ("resnet20", "small a")],
}
DIGITS_PAIRS = {
    "related": [("a", "a further"), ("a", "a extracted"), ("tanh", "tanh further")],
    "unrelated": [("a", "b"), ("a", "tanh"), ("b", "tanh")],
}


@dataclass
class Answers:
    """Centred scores of each model for every mask of every point.

    ``scores[model][n]`` has shape (2 ** n_parts[n], n_classes); row ``i`` answers the mask whose
    part ``k`` is bit ``k`` of ``i``. Some models are asked about the first points only.
    """

    n_parts: np.ndarray
    scores: dict[str, list[np.ndarray]]
    pairs: dict[str, list[tuple[str, str]]]


# ---------------------------------------------------------------- CIFAR-10


def small():
    """Three convolution layers: 2.8 million multiplications per image."""
    from torch import nn

    layers = []
    for into, out in [(3, 16), (16, 32), (32, 64)]:
        convolution = nn.Conv2d(into, out, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def prepared(batch):
    """uint8 images in the form the networks take: NCHW, normalised."""
    import torch

    from benchmarks._cifar import MEAN, STD

    x = (batch.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def train(model, x, target, *, epochs, lr, seed):
    """SGD on images against labels, or against probabilities over the same classes."""
    import torch

    torch.manual_seed(seed)
    steps = epochs * -(-len(x) // 128)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps)
    loss_of = torch.nn.CrossEntropyLoss()
    model.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(128):
            batch = x[chosen]
            batch = batch.flip(3) if torch.rand(()) < 0.5 else batch
            optimizer.zero_grad()
            loss_of(model(batch), target[chosen]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def make_cifar(name, data, folder):
    """One network, trained once and kept."""
    import torch

    from benchmarks._cifar import images, network

    if name in ("resnet20", "resnet32"):
        return network(data, int(name[6:]))
    path = folder / f"{name.replace(' ', '_')}.pt"
    model = network(data, 20) if name.startswith("resnet") else small()
    if path.exists():
        model.load_state_dict(torch.load(path))
        return model.eval()
    pictures, labels = images(data, 18_000, "train")
    x, y = prepared(pictures), torch.from_numpy(labels)
    torch.manual_seed(0)
    if name == "resnet20 pruned":
        model = deepcopy(make_cifar("resnet20", data, folder))
        weights = [p for p in model.parameters() if p.ndim > 1]
        cut = torch.cat([w.detach().abs().ravel() for w in weights]).quantile(0.35)
        with torch.no_grad():
            for w in weights:
                w *= w.abs() > cut
    elif name == "resnet20 further":
        model = deepcopy(make_cifar("resnet20", data, folder))
        train(model, x[:2500], y[:2500], epochs=1, lr=0.01, seed=1)
    elif name == "small a further":
        model = deepcopy(make_cifar("small a", data, folder))
        train(model, x[:9000], y[:9000], epochs=1, lr=0.02, seed=1)
    elif name == "small a extracted":
        victim = make_cifar("small a", data, folder)
        with torch.no_grad():
            soft = torch.cat([victim(batch).softmax(1) for batch in x.split(500)])
        torch.manual_seed(5)
        model = train(small(), x, soft, epochs=3, lr=0.1, seed=5)
    else:
        seed, half = {"small a": (1, slice(0, 9000)), "small b": (2, slice(9000, None))}[name]
        torch.manual_seed(seed)
        model = train(small(), x[half], y[half], epochs=5, lr=0.1, seed=seed)
    torch.save(model.state_dict(), path)
    return model.eval()


def cifar_query(name, data, folder):
    import torch

    model = make_cifar(name, data, folder)

    def logits(batch):
        with torch.inference_mode():
            return torch.cat([model(x) for x in prepared(batch).split(128)]).numpy()

    return CallableQuery(logits, output="logits")


def cifar_reference(data, n_points):
    """Images with 8 to 10 parts, searched from the end of the training set, and their masker."""
    from benchmarks._cifar import images

    pictures, _ = images(data, 18_000, "train")
    masker = ImageMasker().fit(pictures)
    found = []
    for i in range(len(pictures) - 1, -1, -1):
        if 8 <= masker.cut(pictures[i]).max() + 1 <= 10:
            found.append(i)
        if len(found) == n_points:
            break
    return pictures[found], ImageMasker()


# ---------------------------------------------------------------- digits


def make_digits(name):
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    X, y = load_digits(return_X_y=True)
    X = X / 16
    kind = {"a": ((64,), "relu", 0), "b": ((64,), "relu", 1), "tanh": ((32, 32), "tanh", 2)}
    hidden, activation, seed = kind[name.split()[0]]
    half = slice(seed % 2, None, 2)
    model = MLPClassifier(hidden, activation=activation, random_state=seed, max_iter=100)
    model.fit(X[half], y[half])
    if name.endswith("further"):
        for _ in range(20):
            model.partial_fit(X[half], y[half])
    if name.endswith("extracted"):
        rng = np.random.default_rng(0)
        asked = np.concatenate([X[half] + rng.normal(0, 0.1, X[half].shape) for _ in range(6)])
        other = MLPClassifier(hidden, random_state=seed + 10, max_iter=40)
        model = other.fit(asked, model.predict(asked))
    return model


def digits_reference(n_points):
    from sklearn.datasets import load_digits

    X = load_digits().data / 16
    masker = ImageMasker(image_shape=(8, 8)).fit(X)
    found = [i for i, x in enumerate(X) if 5 <= masker.cut(x).max() + 1 <= 8]
    return X[found[:n_points]], ImageMasker(image_shape=(8, 8))


# ---------------------------------------------------------------- all of it


def add_options(parser):
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--large-points", type=int, default=48, help="points for the ResNets")


def folder_of(args) -> Path:
    """Where the answers of one pool of points are kept."""
    folder = args.cache / "questions" / f"{task_name(args)}_{args.points}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def answers(args) -> Answers:
    """Ask the missing questions, and read all answers."""
    if args.data:
        import torch

        torch.set_num_threads(1)
    folder = folder_of(args)
    pairs = CIFAR_PAIRS if args.data else DIGITS_PAIRS
    plan = _plan(args, folder)
    names = list(dict.fromkeys(name for kind in pairs.values() for pair in kind for name in pair))
    scores = {}
    for name in names:
        large = name.startswith("resnet")
        n_points = min(args.large_points if large else args.points, len(plan))
        make = (lambda name=name: cifar_query(name, args.data, folder)) if args.data else None
        scores[name] = _ask(name, make, plan.take(n_points), folder)
    return Answers(plan.n_parts, scores, pairs)


def _plan(args, folder):
    path = folder / "plan.npz"
    if not path.exists():
        if args.data:
            reference, masker = cifar_reference(args.data, args.points)
        else:
            reference, masker = digits_reference(args.points)
        lime = LimeSignatureTransformer(
            reference,
            n_reference=len(reference),
            masker=masker,
            n_samples=1024,
            sampling="foldover",  # all masks, as there are no more than 1,024
            surrogate="passthrough",
            n_classes=10,
        )
        lime.fit([CallableQuery(lambda X: np.ones((len(X), 10)), output="logits")])
        lime.plan_.save(path)
    return QueryPlan.load(path)


def _ask(name, make, plan, folder):
    query, tables = None, []
    for start in range(0, len(plan), CHUNK):
        path = folder / f"{name.replace(' ', '_')}_{start:04d}.npz"
        piece = plan.slice(start, min(start + CHUNK, len(plan)))
        if not path.exists():
            if query is None:
                query = make() if make else make_digits(name)
            lime = LimeSignatureTransformer.from_plan(piece, n_classes=10)
            S = lime.fit_transform([query]).reshape(10, -1).T.astype(np.float32)
            temporary = path.with_suffix(".part")
            with open(temporary, "wb") as file:
                np.savez_compressed(file, scores=S, digest=piece.digest)
            temporary.rename(path)
            print(f"{name}: {start + len(piece)} of {len(plan)} points", file=sys.stderr)
        with np.load(path) as file:
            if str(file["digest"]) != piece.digest:
                raise ValueError(f"{path} answers other questions; empty {path.parent}.")
            tables += np.split(file["scores"], np.cumsum(piece.n_columns)[:-1])
    return tables
