# SPDX-License-Identifier: BSD-3-Clause
"""Which features of the scores separate copies from unrelated models best?

Everything is computed from the same answers (``_descent.py``): 48 reference points, fractional
masks, ``n_samples="auto"``. Each variant maps a model's scores to features, point by point, and the
distance is 1 - cosine. For each victim and copy, against the unrelated models ("strangers"):

- ``stranger``: mean distance of the strangers; ``relative``: that of the copy, divided by it;
- ``gap``: mean distance of the strangers minus that of the copy, over its standard deviation
  (bootstrap over reference points);
- ``z``: the same over the standard deviation among strangers, which is what a threshold depends on;
- ``auc``: share of the strangers that are farther away.

The strangers of a copy have the same architecture: distances differ more between architectures than
between a copy and a stranger. "Same kind" and "other kind" are copies trained from scratch on the
victim's answers; "weights kept" are those trained further, pruned or rounded.

Half of the strangers are set aside as the *background*, from which some variants learn; no other
variant sees them, and none is judged on them.

The variant ``geometric, 0.5 residuals`` was chosen on digits, before any answer on CIFAR-10 had
been seen; it is ``skzest.baselines.combined_distances``. It was judged on CIFAR-10.

``--orders``: with all 256 masks of 8 parts, cosines by the number of interacting parts (CIFAR-10
with ``--points 16``).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import hadamard

from benchmarks._common import task_name, write_table
from benchmarks.decisions._descent import zoo_of

TAKES = "1 h"
NEEDS = "torch; --data with CIFAR-10 and trained networks (else digits)"
QUICK = {"points": 4, "victims": 1, "strangers": 8, "epochs": 1}

N_BOOT = 200
MEASURES = ("stranger", "relative", "gap", "z", "auc")

# ---------------------------------------------------------------- features of scores


class Features:
    """Scores of a zoo as blocks of features, one per point; variants are made of these."""

    def __init__(self, zoo):
        plan = zoo.plan
        starts = np.concatenate([[0], np.cumsum(plan.masks.n_masks)])
        self.points = [
            (plan.masks[n].astype(float), zoo.values[:, starts[n] : starts[n + 1]].astype(float))
            for n in range(len(plan))
        ]

    def blocks(self, part, response="logit"):
        """Per point, an array (n_models, n_features)."""
        out = []
        for masks, Z in self.points:
            if response == "probability":
                Z = np.exp(Z - Z.max(axis=2, keepdims=True))
                Z /= Z.sum(axis=2, keepdims=True)
            Z = Z - Z.mean(axis=2, keepdims=True)
            if part == "uncentred":
                out.append(Z.reshape(len(Z), -1))
                continue
            Z = Z - Z.mean(axis=1, keepdims=True)
            design = masks - masks.mean(axis=0)
            A = np.linalg.pinv(design)
            if part == "coefficients":
                Z = np.einsum("kl,mld->mkd", A, Z)
            elif part == "fitted":
                Z = np.einsum("kl,mld->mkd", design @ A, Z)
            elif part == "residual":
                Z = Z - np.einsum("kl,mld->mkd", design @ A, Z)
            else:
                assert part == "all"
            out.append(Z.reshape(len(Z), -1))
        return out


def unit(blocks):
    """Every model's whole signature scaled to length 1."""
    norms = np.sqrt(sum(np.sum(b * b, axis=1) for b in blocks))
    return [b / norms[:, None] for b in blocks]


def per_point(blocks, power):
    """Each point's block divided by its length to some power: 1 gives every point one vote."""
    return [b / np.maximum(np.linalg.norm(b, axis=1), 1e-12)[:, None] ** power for b in blocks]


def joined(*sets):
    return [np.concatenate(blocks, axis=1) for blocks in zip(*sets, strict=True)]


def scaled(blocks, factor):
    return [factor * b for b in blocks]


def less_background(blocks, background):
    """Directions, less the mean direction of the background."""
    return [b - b[background].mean(axis=0) for b in unit(blocks)]


def whitened(blocks, background, by):
    """Less the background's mean, over its spread: of each point, class and point, or feature."""
    out = []
    for b in less_background(blocks, background):
        spread = (b[background] ** 2).sum(axis=0) / (len(background) - 1)
        if by == "point":
            scale = np.sqrt(spread.mean())
        elif by == "root":
            scale = spread.mean() ** 0.25
        else:  # each feature, half-way to the mean of its point
            scale = np.sqrt((spread + spread.mean()) / 2)
        out.append(b / scale)
    return out


def variants(features, background):
    """Name, and one or more feature maps whose cosines are averaged."""
    coef = features.blocks("coefficients")
    fitted, rest = features.blocks("fitted"), features.blocks("residual")
    every = features.blocks("all")
    p_every = features.blocks("all", "probability")
    p_coef = features.blocks("coefficients", "probability")
    yield "coefficients", [coef]
    yield "fitted part", [fitted]
    yield "residuals", [rest]
    yield "passthrough", [every]
    yield "uncentred", [features.blocks("uncentred")]
    yield "coefficients of probabilities", [p_coef]
    yield "passthrough of probabilities", [p_every]
    yield "mean of coefficients and residuals", [coef, rest]
    yield "mean of coefficients and passthrough", [coef, every]
    yield "mean of logits and probabilities", [every, p_every]
    for weight in (0.25, 0.5, 2.0, 4.0):
        yield f"fitted + {weight:g} residuals", [joined(fitted, scaled(rest, weight))]
    for power in (0.5, 1.0):
        yield f"passthrough, points scaled {power:g}", [per_point(every, power)]
        yield f"coefficients, points scaled {power:g}", [per_point(coef, power)]
    for name, blocks in (("coefficients", coef), ("residuals", rest), ("passthrough", every),
                         ("passthrough of probabilities", p_every)):  # fmt: skip
        yield f"{name}, less background", [less_background(blocks, background)]
    for by in ("root", "point", "feature"):
        yield f"passthrough, whitened by {by}", [whitened(every, background, by)]
        yield f"coefficients, whitened by {by}", [whitened(coef, background, by)]
    yield "mean of both, less background", [
        less_background(every, background), less_background(p_every, background)
    ]  # fmt: skip
    yield "scaled 0.5, less background", [less_background(per_point(every, 0.5), background)]
    for share in (0.25, 0.5, 0.75):
        yield f"geometric, {share:g} residuals", ("geometric", share, coef, rest)
    near = less_background(coef, background)
    for share in (0.25, 0.5):
        name = f"geometric, {share:g} residuals, less background"
        yield name, ("geometric", share, near, less_background(rest, background))
        yield f"geometric, {share:g} probabilities", ("geometric", share, every, p_every)
    p_rest = features.blocks("residual", "probability")
    yield "residuals of probabilities", [p_rest]
    yield "geometric, residuals of probabilities", ("geometric", 0.5, p_coef, p_rest)
    yield "geometric, coefficients and uncentred", (
        "geometric", 0.5, coef, features.blocks("uncentred")
    )  # fmt: skip
    for n in (2, 4):
        yield f"passthrough, less {n} of background", [less_background(every, background[:n])]


# ---------------------------------------------------------------- measures


def distances(maps, victims, weights):
    """1 - cosine, (n_weights, n_victims, n_models), points weighted; of several maps the mean.

    ``("geometric", share, a, b)`` is ``d_a ** (1 - share) * d_b ** share``.
    """
    if maps[0] == "geometric":
        _, share, *pair = maps
        a, b = (np.maximum(distances([m], victims, weights), 1e-12) for m in pair)
        return a ** (1 - share) * b**share
    total = 0.0
    for blocks in maps:
        xy = np.stack([b[victims] @ b.T for b in blocks])
        xx = np.stack([np.sum(b * b, axis=1) for b in blocks])
        norms = np.sqrt(weights @ xx)
        product = np.einsum("wn,nvm->wvm", weights, xy)
        total = total + product / (norms[:, victims, None] * norms[:, None, :])
    return 1 - total / len(maps)


def split_strangers(zoo):
    """Strangers of every kind and half of the data, split into background and judged ones."""
    strangers = [i for i, r in enumerate(zoo.relations) if r == "stranger"]
    own = [i for i in strangers if "stranger" in zoo.names[i]]
    # Kinds and halves of the data alternate with period 4, so both sets hold all of them.
    background = [i for k, i in enumerate(own) if k // 4 % 2 == 0]
    return background, [i for i in strangers if i not in background]


def measured(zoo, maps, n_boot=N_BOOT):
    """One row per victim and copy: relative distance, gap, z, auc."""
    victims = [i for i, r in enumerate(zoo.relations) if r == "victim"]
    _, all_strangers = split_strangers(zoo)
    n = len(zoo.plan)
    rng = np.random.default_rng(0)
    weights = np.concatenate([np.ones((1, n)), rng.multinomial(n, np.full(n, 1 / n), n_boot)])
    D = distances(maps, victims, weights)
    for v, victim in enumerate(victims):
        for i, relation in enumerate(zoo.relations):
            if relation in ("victim", "stranger") or zoo.victims[i] != zoo.names[victim]:
                continue
            strangers = [j for j in all_strangers if zoo.kinds[j] == zoo.kinds[i]]
            if len(strangers) < 2:  # the pruned ResNet-20
                continue
            far = D[:, v, strangers]
            gaps = far.mean(axis=1) - D[:, v, i]
            yield {
                "victim": zoo.names[victim],
                "copy": zoo.names[i],
                "relation": relation,
                "stranger": far[0].mean(),
                "relative": D[0, v, i] / far[0].mean(),
                "gap": gaps[0] / gaps[1:].std(),
                "z": gaps[0] / far[0].std(ddof=1),
                "auc": np.mean(far[0] > D[0, v, i]),
            }


GROUPS = ("same kind", "other kind", "weights kept")


def group(relation):
    return next((g for g in GROUPS if g in relation), "weights kept")


def summary(rows, which):
    """Means over victims and copies; medians of ``gap`` and ``z``, which are unbounded."""
    rows = [r for r in rows if group(r["relation"]) == which]
    middle = {"gap": np.median, "z": np.median}
    return [f"{middle.get(key, np.mean)([r[key] for r in rows]):.3f}" for key in MEASURES]


# ---------------------------------------------------------------- orders of interaction


def orders(zoo):
    """Cosines by the number of interacting parts: all 256 masks, Walsh-Hadamard transformed."""
    K = 8
    H = hadamard(2**K) / 2**K
    order = np.array([bin(i).count("1") for i in range(2**K)])
    blocks = {k: [] for k in range(1, K + 1)}
    for n in range(len(zoo.plan)):
        masks = zoo.plan.masks[n]
        place = np.argsort(masks.astype(int) @ (1 << np.arange(K)))
        Z = zoo.values[:, n * 2**K : (n + 1) * 2**K][:, place].astype(float)
        Z = Z - Z.mean(axis=2, keepdims=True)
        W = np.einsum("fl,mld->mfd", H, Z)
        for k in blocks:
            blocks[k].append(W[:, order == k].reshape(len(W), -1))
    total = sum(sum(np.sum(b * b, axis=1) for b in blocks[k]) for k in blocks)
    for k in blocks:
        energy = np.mean(sum(np.sum(b * b, axis=1) for b in blocks[k]) / total)
        rows = list(measured(zoo, [blocks[k]]))
        for which in GROUPS:
            numbers = summary(rows, which)
            print(k, f"{energy:.4f}", which, *numbers)
            head = {"order": k, "energy": f"{energy:.4f}", "group": which}
            yield {**head, **dict(zip(MEASURES, numbers))}


def add_options(parser):
    parser.add_argument("--points", default=48, type=int)
    parser.add_argument("--victims", type=int, help="of each architecture; default: by task")
    parser.add_argument("--strangers", type=int, help="of each architecture; default: by task")
    parser.add_argument("--epochs", type=int, help="of each training; default: by task")
    parser.add_argument("--orders", action="store_true")


def main(args):
    torch.set_num_threads(1)
    zoo = zoo_of(args, n_reference=args.points, every=args.orders)
    name = task_name(args)
    if args.orders:
        write_table(args.results / f"combined_orders_{name}.csv", list(orders(zoo)))
        return
    background, _ = split_strangers(zoo)
    features = Features(zoo)
    rest, every = (
        sum(np.sum(b * b, axis=1) for b in features.blocks(part)) for part in ("residual", "all")
    )
    print(f"share of interactions in the scores: {np.mean(rest / every):.3f}")
    table = []
    for variant, maps in variants(features, background):
        rows = list(measured(zoo, maps))
        for which in GROUPS:
            numbers = summary(rows, which)
            table.append({"variant": variant, "group": which, **dict(zip(MEASURES, numbers))})
            print(f"{variant:45} {which:13}", *numbers, flush=True)
    write_table(args.results / f"combined_{name}.csv", table)
