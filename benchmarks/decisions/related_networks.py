# SPDX-License-Identifier: BSD-3-Clause
"""How far are relatives of a ResNet-20, in units of its distance to unrelated networks?

The trained ResNet-20 is compared with itself, with copies pruned by 20% and 35%, rounded to 6 bits
or trained for one more epoch, and with the trained ResNet-32. Distances are divided by the mean
distance between the ResNet-20 and six small networks, which are trained once and kept in the cache.
Each response is normalised on its own.

Without ``--data`` the networks are small ones trained on scikit-learn's digits.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from benchmarks._cifar import MEAN, STD, ResNet, images, network, restored
from benchmarks._common import task_name, write_table
from benchmarks.paper.relatives import quantised
from skzest import LimeSignatureTransformer, TorchQuery, zest_distances

TAKES = "10 min"
NEEDS = "torch; --data with CIFAR-10 and trained networks (else digits)"
QUICK = {
    "points": 2,
    "masks": 40,
    "epochs": 1,
    "victim_epochs": 1,
    "responses": ["logit"],
    "unrelated": 2,
}

# --- training -----------------------------------------------------------------------------


def train(net, X, y, *, epochs, lr, seed, flip):
    """SGD with momentum and one cycle of the learning rate, on shifted and mirrored images."""
    torch.manual_seed(seed)
    optimizer = torch.optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=5e-4)
    n_steps = epochs * -(-len(X) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=n_steps)
    net.to(memory_format=torch.channels_last).train()
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(128):
            x = augmented(normalized(X[rows.numpy()]), flip)
            loss = F.cross_entropy(net(x), torch.as_tensor(y[rows.numpy()]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.to(memory_format=torch.contiguous_format).eval()


def normalized(X):
    x = torch.tensor(X).permute(0, 3, 1, 2).float()
    mean, std = (255 * torch.tensor(v).reshape(-1, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std


def augmented(x, flip):
    """One shift per batch, of at most an eighth; each image is mirrored or not."""
    most = x.shape[-1] // 8
    x = torch.roll(x, torch.randint(-most, most + 1, (2,)).tolist(), (2, 3))
    mirrored = (torch.rand(len(x), 1, 1, 1) < 0.5) & flip
    return torch.where(mirrored, x.flip(3), x).contiguous(memory_format=torch.channels_last)


def fresh(n_blocks, seed):
    torch.manual_seed(seed)
    return ResNet(n_blocks)


def cached(cache, name, net, make):
    """The network with weights from the cache, or trained by ``make`` and stored there."""
    return restored(Path(cache) / "related_networks" / f"{name}.pt", net, make)


# --- relatives ----------------------------------------------------------------------------


def weights_of(net):
    return [(m, "weight") for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def pruned(net, share):
    """The smallest weights of the whole network set to zero."""
    net = copy.deepcopy(net)
    prune.global_unstructured(weights_of(net), prune.L1Unstructured, amount=share)
    for module, name in weights_of(net):
        prune.remove(module, name)
    return net


def accuracy(net, X, y):
    with torch.inference_mode():
        answers = [net(normalized(X[i : i + 250])).argmax(1) for i in range(0, len(X), 250)]
    return float((torch.cat(answers).numpy() == y).mean())


# --- the two tasks ------------------------------------------------------------------------


def cifar(args):
    """Trained networks; images to train on, and to test on."""
    train_set, test_set = images(args.data, 18_000, "train"), images(args.data, 1_000, "test")
    victim, other = (network(args.data, depth) for depth in (20, 32))
    return victim, {"ResNet-32, same data": other}, train_set, test_set, "cifar10", True


def digits(args):
    """Stand-ins: small networks on digits, enlarged twice and repeated over three channels."""
    X, y = load_digits(return_X_y=True)
    X = np.kron(X.reshape(-1, 8, 8) * 15.9, np.ones((2, 2))).astype(np.uint8)
    X = np.repeat(X[..., None], 3, axis=-1)
    order = np.random.default_rng(0).permutation(len(X))
    a, b = order[:1500], order[1500:]
    victim, other = (
        cached(
            args.cache,
            f"digits_{name}_{args.victim_epochs}",
            fresh(n_blocks, seed),
            lambda net, s=seed: train(
                net, X[a], y[a], epochs=args.victim_epochs, lr=0.1, seed=s, flip=False
            ),
        )
        for name, n_blocks, seed in (("victim", 1, 100), ("deeper", 2, 101))
    )
    return victim, {"deeper, same data": other}, (X[a], y[a]), (X[b], y[b]), "digits", False


def zoo_of(args):
    """The victim, all relatives and strangers by name, and the images of the task."""
    victim, others, (X, y), test, task, flip = (digits if args.data is None else cifar)(args)

    tuned = cached(
        args.cache, f"{task}_tuned_{args.epochs}", copy.deepcopy(victim),
        lambda net: train(net, X, y, epochs=1, lr=0.01, seed=0, flip=flip),
    )  # fmt: skip
    relatives = {
        "itself": victim,
        "pruned by 20%": pruned(victim, 0.20),
        "pruned by 35%": pruned(victim, 0.35),
        "rounded to 6 bits": quantised(victim, 6),
        "one epoch more": tuned,
    }
    strangers = {
        f"unrelated {seed}": cached(
            args.cache,
            f"{task}_unrelated_{args.epochs}_{seed}",
            fresh(1, seed),
            lambda net, s=seed: train(net, X, y, epochs=args.epochs, lr=0.2, seed=s, flip=flip),
        )
        for seed in range(args.seed, args.seed + args.unrelated)
    }
    return relatives, others, strangers, X, test


def add_options(parser):
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--masks", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=3, help="of each unrelated network")
    parser.add_argument("--victim-epochs", type=int, default=8, help="of the victim on digits")
    parser.add_argument("--unrelated", type=int, default=6, help="number of unrelated networks")
    parser.add_argument("--responses", nargs="+", default=["logit", "predict_proba"])


def main(args):
    torch.set_num_threads(min(2, torch.get_num_threads()))

    relatives, others, strangers, X, (X_test, y_test) = zoo_of(args)
    zoo = relatives | others | strangers
    accuracies = {name: accuracy(net, X_test, y_test) for name, net in zoo.items()}
    relative = {}
    for response in args.responses:
        lime = LimeSignatureTransformer(
            X, n_reference=args.points, n_samples=args.masks, response=response
        )
        start = time.perf_counter()
        queries = [TorchQuery(net, mean=MEAN, std=STD) for net in zoo.values()]
        D = dict(zip(zoo, zest_distances(lime.fit_transform(queries))[0], strict=True))
        n_asked = len(zoo) * lime.plan_.n_queries
        print(f"{response}: {n_asked} questions in {time.perf_counter() - start:.0f} s")
        unit = np.mean([D[name] for name in strangers])
        relative[response] = {name: d / unit for name, d in D.items()}
    print(f"\n{args.points} points x {args.masks} masks; unrelated networks are at 1 on average")
    print(f"{'':<24}{'accuracy':>10}" + "".join(f"{response:>16}" for response in args.responses))
    table = []
    for name in zoo:
        values = "".join(f"{relative[response][name]:>16.4f}" for response in args.responses)
        print(f"{name:<24}{accuracies[name]:>10.3f}{values}")
        found = {response: relative[response][name] for response in args.responses}
        table.append({"network": name, "accuracy": accuracies[name], **found})
    write_table(args.results / f"related_networks_{task_name(args)}.csv", table, digits=4)
    worst = max(relative[response][name] for response in args.responses for name in relatives)
    print(f"largest among copies: {worst:.4f} ({'below' if worst < 0.5 else 'NOT below'} 0.5)")
