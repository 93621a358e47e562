# SPDX-License-Identifier: BSD-3-Clause
"""Small networks of known descent and their answers: victims, copies of them, and strangers.

Half A of the training data belongs to the victims, half B to those who copy them. Strangers are
unrelated models trained from scratch, half of them on A and half on B, so that neither data nor
architecture reveals descent. Everything is seeded and kept in the cache, so an interrupted run
resumes.

- digits: scikit-learn's, 8 x 8; a perceptron and a convolutional network;
- cifar: CIFAR-10 images from ``--data`` (see ``_cifar.py``); two convolutional networks, with and
  without batch norm, and the ResNet-20 there as one more victim, with the ResNet-32 as a stranger.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from benchmarks._cifar import images, network, restored
from benchmarks._common import task_name
from benchmarks.decisions.related_networks import normalized, pruned
from benchmarks.paper.relatives import quantised
from skzest import ImageMasker, LimeSignatureTransformer, TorchQuery
from skzest.baselines import ask_copies

# --- networks -----------------------------------------------------------------------------


def perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def normed():
    layers, n_in = [], 3
    for n_out in (16, 32, 64):
        layers += [nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
        n_in = n_out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 10))


def plain():
    return nn.Sequential(
        nn.Conv2d(3, 24, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(48 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


# --- tasks --------------------------------------------------------------------------------


@dataclass
class Setting:
    """A task: its data in two halves and a pool, architectures, and how they are trained."""

    name: str
    halves: tuple
    pool: tuple
    networks: dict
    epochs: int
    rate: float
    prepare: Callable
    n_victims: int
    n_strangers: int
    augment: Callable | None = None
    more_victims: dict = field(default_factory=dict)
    more_strangers: dict = field(default_factory=dict)
    masker: dict = field(default_factory=dict)


def digits(data=None):
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8) * 15.9
    a, b, pool = np.split(np.random.default_rng(0).permutation(len(X)), [600, 1200])
    networks = {"perceptron": perceptron, "convolutional": convolutional}
    return Setting(
        "digits", ((X[a], y[a]), (X[b], y[b])), (X[pool], y[pool]), networks,
        epochs=40, rate=3e-3, prepare=_grey, n_victims=3, n_strangers=20,
    )  # fmt: skip


def cifar(data):
    X, y = images(data, 12_000, "train")
    networks = {"normed": normed, "plain": plain}
    return Setting(
        "cifar", ((X[:6000], y[:6000]), (X[6000:], y[6000:])), images(data, 2000, "test"), networks,
        epochs=10, rate=2e-3, prepare=normalized, n_victims=2, n_strangers=12, augment=_shifted,
        more_victims={"resnet20": network(data, 20)},
        more_strangers={"resnet32": network(data, 32)},
    )  # fmt: skip


def _grey(X):
    return (torch.as_tensor(X, dtype=torch.float32) / 127.5 - 1)[:, None]


# --- training -----------------------------------------------------------------------------


def _shifted(batch):
    batch = torch.roll(batch, torch.randint(-3, 4, (2,)).tolist(), (2, 3))
    return torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)


def _mixed(batch):
    """Mixtures of two images, the questions of a thief with few images."""
    share = torch.rand(len(batch), 1, 1, 1)
    return share * batch + (1 - share) * batch[torch.randperm(len(batch))]


def train(net, setting, X, target, *, seed, epochs, rate, augment=None):
    """Adam and one cycle of the learning rate.

    `target` holds labels or probabilities, or is a function from an augmented batch to these.
    """
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    n_steps = epochs * -(-len(X) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=n_steps)
    x = setting.prepare(X)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            batch = x[rows]
            if augment is not None:
                batch = augment(batch)
            wanted = target(batch) if callable(target) else target[rows]
            loss = F.cross_entropy(net(batch), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def said(net, batch, output):
    with torch.no_grad():
        logits = net(batch)
    return logits.softmax(1) if output == "soft" else logits.argmax(1)


def answers(net, setting, X, output):
    batches = (setting.prepare(X[i : i + 250]) for i in range(0, len(X), 250))
    return torch.cat([said(net, batch, output) for batch in batches])


def further(net, setting, seed):
    """Trained further, on the true labels of half B."""
    X, y = setting.halves[1]
    epochs, rate = max(setting.epochs // 4, 1), setting.rate / 3
    params = {"seed": seed, "epochs": epochs, "rate": rate, "augment": setting.augment}
    return train(copy.deepcopy(net), setting, X, torch.as_tensor(y), **params)


def _later(net, setting, seed):
    return lambda _: further(net, setting, seed)


def family(setting, save):
    """Yield (name, victim or None, relation, network).

    ``save(name, net, make)`` trains a network, or loads it from the cache.
    """
    kinds = list(setting.networks)
    seed = 0
    victims = dict(setting.more_victims)
    for kind in kinds:
        for i in range(setting.n_victims):
            seed += 1
            victims[f"{kind} {i}"] = save(f"{kind} {i}", *_from_scratch(setting, kind, 0, seed))
    for name, net in victims.items():
        yield name, name, "victim", net
    for i in range(setting.n_strangers):
        for kind in kinds:
            seed += 1
            name = f"{kind} stranger {i}"
            yield name, None, "stranger", save(name, *_from_scratch(setting, kind, i % 2, seed))
    for name, net in setting.more_strangers.items():
        yield name, None, "stranger", net
    X, _ = setting.halves[1]
    for name, net in victims.items():
        for output in ("soft", "hard"):
            target, asking = _asked(setting, name, net, output)
            for kind in kinds:
                seed += 1
                same = "same" if name.startswith(kind) else "other"
                copy_name = f"{name}, {output} {kind}"
                start, make = _with_target(setting, kind, seed, X, target, asking)
                yield copy_name, name, f"{output} labels, {same} kind", save(copy_name, start, make)
        if name in setting.more_victims:
            yield f"{name}, pruned 50%", name, "pruned 50%", pruned(net, 0.5)
            continue
        seed += 1
        tuned = save(f"{name}, further", copy.deepcopy(net), _later(net, setting, seed))
        yield f"{name}, further", name, "further", tuned
        small = pruned(net, 0.8)
        name_of_small = f"{name}, pruned 80%, further"
        tuned = save(name_of_small, copy.deepcopy(small), _later(small, setting, seed))
        yield name_of_small, name, "pruned 80%, further", tuned
        yield f"{name}, 3 bits", name, "3 bits", quantised(net, 3)


def _asked(setting, name, net, output):
    """What a thief trains on: answers to the augmented images, mixed or shifted."""
    if name in setting.more_victims:  # too slow to ask at every step
        return answers(net, setting, setting.halves[1][0], output), setting.augment
    return lambda batch: said(net, batch, output), setting.augment or _mixed


def _from_scratch(setting, kind, half, seed):
    X, y = setting.halves[half]
    return _with_target(setting, kind, seed, X, torch.as_tensor(y), setting.augment)


def _with_target(setting, kind, seed, X, target, augment):
    torch.manual_seed(seed)
    start = setting.networks[kind]()
    params = {"seed": seed, "epochs": setting.epochs, "rate": setting.rate, "augment": augment}
    return start, lambda net: train(net, setting, X, target, **params)


def save_in(folder):
    def save(name, net, make):
        path = Path(folder) / f"{name.replace(' ', '_').replace(',', '')}.pt"
        return restored(path, net, make)

    return save


# --- questions ----------------------------------------------------------------------------


@dataclass
class Zoo:
    """Answers of a family: the plan, scores (n_models, n_questions, n_classes), and who is who."""

    plan: object
    values: np.ndarray
    names: list
    victims: list
    relations: list
    kinds: list


def zoo_of(args, *, n_reference=48, every=False):
    """The answers of a family to the fractional plan, or to every mask of eight parts in a grid."""
    name = task_name(args)
    setting = {"digits": digits, "cifar": cifar}[name](args.data)
    setting.n_victims = args.victims or setting.n_victims
    setting.n_strangers = args.strangers or setting.n_strangers
    setting.epochs = args.epochs or setting.epochs
    sizes = f"{setting.n_victims}_{setting.n_strangers}_{setting.epochs}"
    cache = args.cache / "descent" / f"{name}_{sizes}"
    members = list(family(setting, save_in(cache)))
    names, victims, relations, nets = zip(*members, strict=True)
    who = list(names), list(victims), list(relations), [kind_of(net) for net in nets]
    path = cache / f"answers{'_every' if every else ''}_{n_reference}.npz"
    masker = ImageMasker(value_range=(0, 255))
    sampling = {"n_samples": "auto", "sampling": "fractional"}
    if every:
        masker = ImageMasker(segmenter="grid", segmenter_params={"shape": (2, 4)})
        sampling = {"n_samples": 256, "sampling": "foldover"}
    X = setting.pool[0]
    if name == "digits":
        X = _cuttable(X, masker)
    lime = LimeSignatureTransformer(X, n_reference=n_reference, masker=masker, **sampling)
    queries = [TorchQuery(net, preprocess=setting.prepare) for net in nets]
    plan = lime.fit(queries[:1]).plan_
    if path.exists():
        with np.load(path) as file:
            assert file["digest"] == plan.digest and file["names"].tolist() == list(names)
            return Zoo(plan, file["values"], *who)
    values = ask_copies(queries, plan).values
    np.savez(path, values=values, names=np.array(names), digest=plan.digest)
    for n, net in zip(names, nets, strict=True):
        labels = answers(net, setting, setting.pool[0], "hard").numpy()
        print(f"{n}: {np.mean(labels == setting.pool[1]):.3f} right", flush=True)
    return Zoo(plan, values, *who)


def kind_of(net):
    """What networks with one architecture have in common."""
    # Sorted: pruning changes the order.
    return tuple(sorted((name, tuple(value.shape)) for name, value in net.state_dict().items()))


def _cuttable(X, masker):
    """Images with at least four parts."""
    masker.fit(X)
    return X[[masker.cut(x).max() >= 3 for x in X]]
