# SPDX-License-Identifier: BSD-3-Clause
"""CIFAR-10 networks by a cheap recipe: owners, unrelated networks, copies, and copies of others.

A residual network of 8 layers, its first convolution of stride 2, learns from 6,000 images in 8
epochs of one cycle: 14 s on one core, about 60 % accurate. :func:`members` lists who there is and
what each is made from, in an order that makes every beginning of the list a usable table;
:func:`network` trains one, or loads it. Only final weights are kept, in half precision.

Each owner has 6,000 images of its own. Thieves query the owner on other images than those. Honest
networks draw their images from all 18,000.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._cifar import ResNet, images, photographs
from benchmarks.decisions.related_networks import normalized, pruned
from benchmarks.paper.networks import Mobile
from benchmarks.paper.relatives import quantised

N_OWN = 6_000
EPOCHS = 8
FEWEST_EPOCHS = {1_000: 24, 3_000: 12}  # few images are seen more often
BATCH = 64
RATE = 0.2
WIDTHS = (16, 32, 64)


@dataclass(frozen=True)
class Member:
    """One network of the zoo.

    Parameters
    ----------
    role : str
        "owner"; "unrelated", by the owner's recipe; "recipe", by another; "chooser", by the owner's
        recipe, to choose questions with; "rehearsed" and "foreign", copies of the owner and of
        choosers that the owner makes on its own images; "copy", of the owner; "stranger's copy".
    kind : str
        How it was made.
    of : str
        Name of the network it was made from.
    seed : int
        For weights, images and order.
    n_images : int
        To train on, or to query. Mixed queries may be more than there are images.
    """

    name: str
    role: str
    kind: str
    of: str = ""
    seed: int = 0
    n_images: int = N_OWN
    epochs: int = EPOCHS
    architecture: str = "residual"
    owner: str = ""


def members(n_owners: int = 2, n_unrelated: int = 99) -> list[Member]:
    """All networks, those first that a first table needs."""
    owners = [Member(f"owner{o}", "owner", "labels of the data", seed=o) for o in range(n_owners)]
    honest = [
        Member(f"unrelated{i:03d}", "unrelated", "labels of the data", seed=1000 + i)
        for i in range(n_unrelated)
    ]
    choosers = [
        Member(f"chooser{i:02d}", "chooser", "labels of the data", seed=2000 + i) for i in range(16)
    ]
    copies = [[m for group in _copies(o) for m in group] for o in range(n_owners)]
    rehearsed = [_rehearsed(o) for o in range(n_owners)]
    first = owners[:1] + choosers[:8] + rehearsed[0] + honest[:20] + _every(copies[0], 3)
    rest = [
        *_foreign()[:6], *honest[20:40], *_recipes()[:6], *copies[0],
        *owners[1:], *choosers[8:], *(m for r in rehearsed[1:] for m in r),
        *(m for c in copies[1:] for m in _every(c, 3)), *honest[40:60], *_foreign(), *_recipes(),
        *(m for c in copies[1:] for m in c), *honest[60:],
    ]  # fmt: skip
    return list(dict.fromkeys(first + rest))


def _every(found: list[Member], step: int) -> list[Member]:
    return found[::step]


def _copies(o: int) -> list[list[Member]]:
    """What thieves make of an owner: by kind, several each."""
    seeds = iter(range(10_000 + 1000 * o, 20_000))

    def made(kind, n, **params):
        label = kind.replace(" ", "_").replace(",", "")
        return [
            Member(f"owner{o}_{label}_{i}", "copy", kind, f"owner{o}", next(seeds), **params)
            for i in range(n)
        ]

    return [
        made("labels, 12000 queries", 4, n_images=12_000),
        made("labels, 6000 queries", 4),
        made("labels, 3000 queries", 3, n_images=3_000, epochs=FEWEST_EPOCHS[3_000]),
        made("labels, 1000 queries", 3, n_images=1_000, epochs=FEWEST_EPOCHS[1_000]),
        made("soft, 12000 queries", 3, n_images=12_000),
        made("soft, 3000 queries", 3, n_images=3_000, epochs=FEWEST_EPOCHS[3_000]),
        made("labels, other architecture", 4, architecture="mobile"),
        made("labels, mixed queries", 3, n_images=12_000),
        made("fine-tuned", 4, epochs=2),
        made("pruned", 4, epochs=1),
        made("rounded", 3, epochs=0),
        made("labels, 50000 mixed queries", 3, n_images=50_000),
    ]


def _rehearsed(o: int) -> list[Member]:
    """What an owner makes itself, on its own images: copies of its network and of choosers."""
    kinds = ["labels"] * 5 + ["soft"] * 3
    own = [
        Member(f"owner{o}_rehearsed_{i}", "rehearsed", kind, f"owner{o}", 30_000 + 100 * o + i)
        for i, kind in enumerate(kinds)
    ]
    kinds = ["labels"] * 4 + ["soft"] * 2
    others = [
        Member(
            f"owner{o}_foreign_{i}", "foreign", kind, f"chooser{i:02d}", 40_000 + 100 * o + i,
            owner=f"owner{o}",
        )
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    return [m for pair in zip(own, others, strict=False) for m in pair] + own[len(others) :]


def _foreign() -> list[Member]:
    """Copies of unrelated networks: they are unrelated to the owners."""
    kinds = ["labels", "soft", "labels", "labels, other architecture"] * 3
    return [
        Member(
            f"foreign{i:02d}", "stranger's copy", kind, f"unrelated{i:03d}", 50_000 + i,
            architecture="mobile" if "architecture" in kind else "residual",
        )
        for i, kind in enumerate(kinds)
    ]  # fmt: skip


def _recipes() -> list[Member]:
    """Honest networks by other recipes."""
    several: list[dict] = [
        {"architecture": "mobile"}, {"n_images": 12_000}, {"epochs": 4}, {"architecture": "wide"},
    ]  # fmt: skip
    return [
        Member(f"recipe{i:02d}", "recipe", "labels of the data", seed=60_000 + i, **several[i % 4])
        for i in range(12)
    ]


# --- data ------------------------------------------------------------------------------------


@cache
def training_images(data: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """18,000 images and labels; without a folder, crops of photographs with made-up labels."""
    if data is not None:
        return images(data, 18_000, "train")
    return photographs(200, 32), np.arange(200) % 10


def rows_of(member: Member, n_rows: int) -> np.ndarray:
    """The images that a network learns from."""
    rng = np.random.default_rng([member.seed, 1])
    if member.role in ("owner", "rehearsed", "foreign", "copy"):
        owner = member.owner or member.of or member.name
        order = np.random.default_rng([int(owner.removeprefix("owner")), 7]).permutation(n_rows)
        own, others = np.split(order, [n_rows // 3])
        pool = others if member.role == "copy" else own
    else:
        pool = np.arange(n_rows)
    return rng.permutation(pool)[: member.n_images]


# --- making ------------------------------------------------------------------------------------


def network(member: Member, zoo: dict[str, Member], data: Path | None, folder: Path) -> nn.Module:
    """A network in eval mode: loaded, or made now and kept."""
    net = fresh(member)
    path = folder / f"{member.name}.pt"
    if not path.exists():
        state = _made(member, zoo, data, folder).state_dict()
        half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        torch.save(half, unfinished)
        os.replace(unfinished, path)
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


def fresh(member: Member) -> nn.Module:
    """A network with weights drawn by its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member.seed)
        if member.architecture == "mobile":
            return Mobile(WIDTHS, 10, stride=2)
        widths = (24, 48, 96) if member.architecture == "wide" else WIDTHS
        net = ResNet(1, 10, widths)
        net.conv1.stride = (2, 2)
        return net


def _made(member: Member, zoo: dict[str, Member], data, folder: Path) -> nn.Module:
    X, y = training_images(data)
    rows = rows_of(member, len(X))
    X, y = X[rows], torch.as_tensor(y[rows])
    if not member.of:
        return train(fresh(member), X, y, member)
    source = network(zoo[member.of], zoo, data, folder)
    if member.kind == "rounded":
        return quantised(source, 4 + member.seed % 3)
    if member.kind == "fine-tuned":
        return train(copy.deepcopy(source), X, y, member, rate=RATE / 10)
    if member.kind == "pruned":
        return pruned(train(pruned(source, 0.35), X, y, member, rate=RATE / 10), 0.35)
    if "mixed queries" in member.kind:
        X = mixtures(X, member.n_images)
    logits = torch.as_tensor(answers(source, X))
    y = logits.softmax(1) if member.kind.startswith("soft") else logits.argmax(1)
    return train(fresh(member), X, y, member)


def mixtures(X: np.ndarray, n: int) -> np.ndarray:
    """Means of two images each: neighbours first, then those further apart in the order given."""
    n = min(n, len(X) * (len(X) - 1))
    steps = range(1, -(-n // len(X)) + 1)
    mixed = [(X.astype(float) / 2 + np.roll(X, k, axis=0) / 2).astype(np.uint8) for k in steps]
    return np.concatenate(mixed)[:n]


def retrained(member: Member, zoo: dict[str, Member], data, folder: Path, X, y) -> nn.Module:
    """A network trained to give these labels, while it keeps its answers to a thief's images."""
    net = network(member, zoo, data, folder)
    Xs, _ = training_images(data)
    thief = replace(member, role="copy", of=member.of or member.name)
    Xs = Xs[rows_of(thief, len(Xs))[: 2 * len(X)]]
    y = np.concatenate([y, answers(net, Xs).argmax(axis=1)])
    net = train(net, np.concatenate([X, Xs]), torch.as_tensor(y), TUNED, rate=RATE / 10)
    return net


TUNED = Member("tuned", "copy", "tuned", seed=70_000, epochs=2)


def train(net: nn.Module, X: np.ndarray, y: torch.Tensor, member: Member, *, rate: float = RATE):
    """One cycle of the learning rate, on shifted and mirrored images, to labels or chances."""
    batch = min(BATCH, len(X))
    n_steps = member.epochs * (len(X) // batch)
    optimizer = torch.optim.SGD(
        net.parameters(), rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(n_steps, 2))
    random = torch.Generator().manual_seed(member.seed)
    net.to(memory_format=torch.channels_last).train()
    for _ in range(member.epochs):
        order = torch.randperm(len(X), generator=random)[: len(X) // batch * batch]
        for rows in order.split(batch):
            x = augmented(normalized(X[rows.numpy()]), random)
            # bfloat16: a fifth faster than float32 where the processor has it.
            with torch.autocast("cpu", torch.bfloat16):
                answer = net(x)
            loss = F.cross_entropy(answer.float(), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.to(memory_format=torch.contiguous_format).eval()


def augmented(x: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """One shift per batch of at most 3 pixels; each image is mirrored or not."""
    x = torch.roll(x, torch.randint(-3, 4, (2,), generator=random).tolist(), (2, 3))
    mirrored = torch.rand(len(x), 1, 1, 1, generator=random) < 0.5
    return torch.where(mirrored, x.flip(3), x).contiguous(memory_format=torch.channels_last)


def answers(net: nn.Module, X: np.ndarray) -> np.ndarray:
    """Logits for images of uint8."""
    with torch.inference_mode():
        return np.concatenate([net(normalized(X[i : i + 500])) for i in range(0, len(X), 500)])
