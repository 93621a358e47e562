# SPDX-License-Identifier: BSD-3-Clause
"""What a signature of a network costs beside its forward passes, and beside other packages.

    python benchmarks/bench_torch.py [--data DIR] [--device cuda] [--tables forward stages ...]

Tables, each measured in one run and in turn, so that what else the machine does hits all alike:

- ``forward``: ResNet-20 on 32 x 32 images, the plain eager forward pass over ready inputs, the
  same rewritten, signatures of one network and of a zoo; for each the best of several batch
  sizes, except for ours, which run with ``batch_size="auto"``. Medians of ratios.
- ``stages``: where the time of a signature goes. Each stage is waited for, so that the sum is a
  little more than the whole.
- ``rivals``: lime's image explainer, captum's Lime and KernelShap, shap's KernelExplainer, with
  the same network, segments and number of questions.
- ``growth``: seconds per 1,000 questions over n_reference, n_samples, number of models, image
  size and classes, and in units of the forward pass.
- ``memory``: by how much the resident memory of a process grows at its peak: 128 images of
  224 x 224 x 3 and 1,000 masks, which would be 77 GB of copies, and a tiny network. With
  ``--fast`` 4 images.

Only ratios within one run count: machines are noisy.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from contextlib import contextmanager, redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from _cifar import MEAN, STD, ResNet, images, network, photographs, randomize_norms
from torch import nn

from skzest import ImageMasker, LimeSignatureTransformer, TorchQuery
from skzest.asking import _asker, _batches
from skzest.queries import _torch_session

BATCHES = {"cpu": (32, 64, 128, 256, 512), "cuda": (256, 1024, 4096, 8192)}


def seconds(call, args):
    """Time of one call, on the clock that was asked for, the device's work included."""
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    synchronize(args.device)
    start = clock()
    call()
    synchronize(args.device)
    return clock() - start


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def as_query(net, args, **params):
    return TorchQuery(net, mean=MEAN, std=STD, device=args.device, **params)


def transformer(reference, args, **params):
    settings = {"n_reference": args.points, "n_samples": args.masks} | params
    return LimeSignatureTransformer(reference, **settings)


# --- forward ------------------------------------------------------------------------------


def ready_inputs(plan, query):
    """All masked copies of a plan as the network takes them: what a bare forward pass is given."""
    batches = []
    with query.session():
        for n, count in enumerate(plan.masks.n_masks):
            copies = _batches.render_batch(plan, [(n, 0, count)], query.space)
            batches.append(query.prepare(copies).contiguous())
    return torch.cat(batches)


@contextmanager
def bare(query, inputs):
    """A function that runs a network as a query would, over ready inputs, in batches of a size."""
    with query.session():
        query.ask(query.space.asarray(np.zeros((4, 32, 32, 3), np.uint8)), "logits")
        ready = query._ready

        def run(size, most=None):
            for start in range(0, min(most or len(inputs), len(inputs)), size):
                ready(inputs[start : start + size])

        yield run


def table_forward(args):
    reference, _ = images(args.data, 512)
    zoo = [network(args.data, 20)] + [network(None, 20, seed) for seed in (1, 2, 3)]
    queries = [as_query(net, args) for net in zoo]
    plain = [as_query(net, args, optimize=False, channels_last=False) for net in zoo]
    lime = transformer(reference, args, n_classes=10).fit(queries)
    inputs = ready_inputs(lime.plan_, queries[0])
    print(f"\n{args.points} points x {args.masks} masks, ResNet-20, {describe(args)}")
    with bare(plain[0], inputs) as eager, bare(queries[0], inputs) as rewritten:
        best_eager = best_size(eager, args)
        best_rewritten = best_size(rewritten, args)
        print(f"way taken: {plain[0].how!r} and {queries[0].how!r}")
    rows = defaultdict(list)
    for _ in range(args.repeats):
        took = {}
        with bare(plain[0], inputs) as run:
            took["plain eager forward"] = seconds(partial(run, best_eager), args)
        with bare(queries[0], inputs) as run:
            took["rewritten forward"] = seconds(partial(run, best_rewritten), args)
        took["signature"] = seconds(partial(lime.transform, queries[:1]), args)
        fresh = transformer(reference, args, n_classes=10)
        with mock.patch("skzest.plan._building._CUTS", fresh_memo()):
            took["signature, with cutting"] = seconds(
                partial(fresh.fit_transform, queries[:1]), args
            )
        sum_of_forwards = 0.0
        for query in queries:
            with bare(query, inputs) as run:
                sum_of_forwards += seconds(partial(run, best_rewritten), args)
        took["4 rewritten forwards"] = sum_of_forwards
        took["signatures of a zoo of 4"] = seconds(partial(lime.transform, queries), args)
        for name, value in took.items():
            rows[name].append(value)
    eager, rewritten, four = (
        np.array(rows[name])
        for name in ("plain eager forward", "rewritten forward", "4 rewritten forwards")
    )
    sizes = {"plain eager forward": best_eager, "rewritten forward": best_rewritten}
    print(f"{'':<28}{'batch':>8}{'seconds':>10}{'/ plain':>10}{'/ rewritten':>13}")
    for name, values in rows.items():
        values = np.array(values)
        size = sizes.get(name, best_rewritten if "forwards" in name else "auto")
        by = (four, 4 * eager) if "4" in name else (rewritten, eager)
        ratios = f"{np.median(values / by[1]):>10.3f}{np.median(values / by[0]):>13.3f}"
        print(f"{name:<28}{size:>8}{np.median(values):>10.2f}{ratios}", flush=True)


def fresh_memo():
    from skzest.plan._cuts import CutMemo

    return CutMemo(0)


def best_size(run, args):
    """The quickest batch size: each tried three times, in turn, on a part of the inputs."""
    sizes = BATCHES[args.device]
    took = [[seconds(partial(run, size, 2 * sizes[-1]), args) for size in sizes] for _ in "abc"]
    return sizes[int(np.argmin(np.min(took, axis=0)))]


# --- stages -------------------------------------------------------------------------------


def table_stages(args):
    reference, _ = images(args.data, 512)
    query = as_query(network(args.data, 20), args)
    spent: dict[str, float] = defaultdict(float)

    def timed(owner, name, stage):
        inner = getattr(owner, name)

        def outer(*given, **named):
            synchronize(args.device)
            start = time.perf_counter()
            try:
                return inner(*given, **named)
            finally:
                synchronize(args.device)
                spent[stage] += time.perf_counter() - start

        return mock.patch.object(owner, name, outer)

    lime = transformer(reference, args, n_classes=10)
    patches = [
        mock.patch("skzest.plan._building._CUTS", fresh_memo()),
        timed(LimeSignatureTransformer, "_plan", "cut, fill and mask"),
        timed(TorchQuery, "_get_ready", "make a twin"),
        timed(_torch_session.Ready, "_choose", "capture, rewrite, compare"),
        timed(_asker, "render_batch", "render"),
        timed(TorchQuery, "prepare", "preprocess"),
        timed(_torch_session.Ready, "__call__", "forward"),
        timed(_asker.Asker, "_operator", "factorise"),
        timed(_asker.Asker, "_answer", "solve, and bring back"),
    ]
    start = time.perf_counter()
    for patch in patches:
        patch.start()
    try:
        lime.fit_transform([query])
    finally:
        for patch in patches:
            patch.stop()
    whole = time.perf_counter() - start
    spent["forward"] -= spent["capture, rewrite, compare"]
    spent["all else"] = whole - sum(spent.values())
    print(f"\nstages of {args.points} x {args.masks} questions, {describe(args)}")
    for stage, took in spent.items():
        print(f"{stage:<28}{took:>9.3f} s{took / whole:>9.1%}")
    print(f"{'together':<28}{whole:>9.3f} s")


# --- rivals -------------------------------------------------------------------------------


def table_rivals(args):
    reference, _ = images(args.data, 512)
    net = network(args.data, 20).to(args.device)
    query = as_query(net, args)
    n_points = min(args.points, args.rival_points)
    lime = transformer(reference, args, n_classes=10, n_reference=n_points).fit([query])
    plan = lime.plan_
    probabilities = partial(answer_images, net, args)
    rivals = {
        "skzest": lambda: lime.transform([query]),
        "lime, image explainer": lambda: ask_lime(plan, probabilities, args),
        "captum, Lime": lambda: ask_captum("Lime", plan, net, args),
        "captum, KernelShap": lambda: ask_captum("KernelShap", plan, net, args),
        "shap, KernelExplainer": lambda: ask_shap(plan, probabilities, args),
    }
    print(f"\n{n_points} points x {args.masks} questions of one network, {describe(args)}")
    print(f"{'':<28}{'seconds':>10}{'/ plain forward':>17}{'classes':>9}")
    for name, call in list(rivals.items()):
        try:
            call()  # imports, and whatever is made once
        except ImportError as error:
            print(f"{name:<28}   {error.name} is not installed")
            del rivals[name]
    plain = as_query(net, args, optimize=False, channels_last=False)
    with bare(plain, ready_inputs(plan, query)) as run:
        rivals = {"plain eager forward": partial(run, best_size(run, args)), **rivals}
        took = np.array([[seconds(call, args) for call in rivals.values()] for _ in range(5)])
    ratios = np.median(took / took[:, :1], axis=0)
    for name, whole, ratio in zip(rivals, np.median(took, axis=0), ratios, strict=True):
        classes = 1 if name.startswith("captum") else 10
        print(f"{name:<28}{whole:>10.2f}{ratio:>17.2f}{classes:>9}", flush=True)


@torch.inference_mode()
def answer_images(net, args, pixels, size=64):
    """Probabilities of a network for uint8 images, as these packages want them."""
    mean, std = (torch.tensor(v, device=args.device).reshape(-1, 1, 1) for v in (MEAN, STD))
    answers = []
    for start in range(0, len(pixels), size):
        x = torch.as_tensor(np.asarray(pixels[start : start + size]), device=args.device)
        x = (x.permute(0, 3, 1, 2) / 255 - mean) / std
        answers.append(torch.softmax(net(x), 1))
    return torch.cat(answers).cpu().numpy()


def ask_lime(plan, probabilities, args):
    from lime.lime_image import LimeImageExplainer

    explainer = LimeImageExplainer(feature_selection="none", random_state=0)
    for n in range(len(plan)):
        with redirect_stderr(StringIO()):  # its progress bar
            explainer.explain_instance(
                plan.point(n),
                probabilities,
                labels=range(10),
                top_labels=None,
                hide_color=0,
                num_samples=args.masks,
                batch_size=64,
                segmentation_fn=lambda _, n=n: plan.parts[n].astype(int),
            )


def ask_captum(kind, plan, net, args):
    from captum import attr

    mean, std = (torch.tensor(v, device=args.device).reshape(-1, 1, 1) for v in (MEAN, STD))
    explainer = getattr(attr, kind)(net)
    for n in range(len(plan)):
        x = torch.as_tensor(plan.point(n), device=args.device).permute(2, 0, 1)
        parts = torch.as_tensor(plan.parts[n].astype(np.int64), device=args.device)
        explainer.attribute(
            ((x / 255 - mean) / std)[None],
            target=0,
            feature_mask=parts.expand(1, 3, -1, -1),
            n_samples=args.masks,
            perturbations_per_eval=64,
            show_progress=False,
        )


def ask_shap(plan, probabilities, args):
    import shap

    for n in range(len(plan)):
        point, parts, n_parts = plan.point(n), plan.parts[n], int(plan.n_parts[n])

        def of_masks(masks, point=point, parts=parts):
            keep = np.asarray(masks, dtype=bool)[:, parts]
            return probabilities(np.where(keep[..., None], point, 0).astype(np.uint8))

        explainer = shap.KernelExplainer(of_masks, np.zeros((1, n_parts)))
        explainer.shap_values(np.ones((1, n_parts)), nsamples=args.masks, silent=True)


# --- growth -------------------------------------------------------------------------------


class Small(nn.Module):
    """A network of little cost per pixel, for images of any size and any number of classes."""

    def __init__(self, n_classes=10, width=16):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, n_classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(torch.relu(self.bn2(self.conv2(x))).mean((2, 3)))


def table_growth(args):
    axes = {
        "n_reference": [("n_reference", n) for n in (4, 8, 16, 32)],
        "n_samples": [("n_samples", n) for n in (250, 500, 1000, 2000)],
        "models": [("models", n) for n in (1, 2, 4, 8)],
        "image size": [("size", n) for n in (32, 64, 128, 224)],
        "classes": [("classes", n) for n in (10, 100, 1000)],
    }
    print(f"\ngrowth, one setting at a time around 8 x 500 and 32 x 32, {describe(args)}")
    head = ("questions", "s / 1,000", "/ forward")
    print(f"{'':<24}" + "".join(f"{h:>12}" for h in head))
    for axis, settings in axes.items():
        for name, value in settings:
            row = measure_growth(args, **{name: value})
            print(f"{axis:<16}{value:>8}{row[0]:>12}{row[1]:>12.3f}{row[2]:>12.2f}", flush=True)


def measure_growth(args, n_reference=8, n_samples=500, models=1, size=32, classes=10):
    """Questions, seconds for 1,000 of them, and time in units of the rewritten forward pass.

    Large images and many classes are asked of a network of two layers, so that it is our share
    that would show.
    """
    torch.manual_seed(0)
    small = size != 32 or classes != 10
    nets = [Small(classes) if small else ResNet() for _ in range(models)]
    for net in nets:
        randomize_norms(net.eval())
    queries = [as_query(net, args) for net in nets]
    reference = images(args.data, 64)[0] if size == 32 else photographs(64, size)
    masker = ImageMasker("grid", segmenter_params={"shape": (4, 4)})
    lime = transformer(
        reference, args, n_reference=n_reference, n_samples=n_samples, n_classes=classes,
        masker=masker,
    ).fit(queries)  # fmt: skip
    questions = lime.plan_.n_queries * models
    n_rows = _batches.auto_rows(lime.plan_, queries[0].space)
    with queries[0].session():
        copies = _batches.render_batch(
            lime.plan_, [(0, 0, min(n_rows, n_samples))], queries[0].space
        )
        x = queries[0].prepare(copies)
        queries[0].ask(copies, "logits")
        ready = queries[0]._ready

        def forward():
            for _ in range(-(-questions // len(x))):
                ready(x)

        took = []
        for _ in range(3):
            pace = seconds(forward, args) / (-(-questions // len(x)) * len(x))
            whole = seconds(lambda: lime.transform(queries), args)
            took.append((whole, whole / questions / pace))
    whole, ratio = np.median(took, axis=0)
    return questions, 1000 * whole / questions, ratio


# --- memory -------------------------------------------------------------------------------


def table_memory(args):
    n_points = 4 if args.fast else 128
    command = [sys.executable, __file__, "--grow-to", str(n_points), "--device", args.device]
    command += ["--threads", str(args.threads), "--masks", str(args.masks)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    before, after, took = map(float, out[-3:])
    copies = n_points * args.masks * 224 * 224 * 3 * 4 / 2**30
    print(f"\n{n_points} images of 224 x 224 x 3, {args.masks} masks, {describe(args)}")
    print(f"all copies in float32     {copies:>9.2f} GiB")
    print(f"resident before           {before:>9.2f} GiB")
    print(f"resident at the peak      {after:>9.2f} GiB")
    print(f"growth                    {after - before:>9.2f} GiB    in {took:.0f} s", flush=True)


def grow(args):
    """In a process of its own: resident memory before and after (a peak), and seconds."""
    import resource

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 10),
    ).eval()  # fmt: skip
    reference = photographs(args.grow_to, 224)
    query = as_query(net, args)
    # Whatever is loaded once is loaded before: segmenters, torch's own buffers.
    small = transformer(reference[:2], args, n_reference=1, n_samples=400)
    small.fit_transform([query])
    unit = 1024 if platform.system() == "Linux" else 1
    before = resident_now() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    start = time.perf_counter()
    signature = transformer(reference, args, n_reference=args.grow_to).fit_transform([query])
    assert np.isfinite(signature).all()
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    print(before, after, took)


def resident_now():
    """Resident memory in GiB, where the system tells it; else None, and the peak so far serves."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**30
    except OSError:
        return None


# --- all ----------------------------------------------------------------------------------


def describe(args):
    where = "cpu" if args.device == "cpu" else torch.cuda.get_device_name()
    return (
        f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, {args.clock} clock"
    )


TABLES = {
    "forward": table_forward,
    "stages": table_stages,
    "rivals": table_rivals,
    "growth": table_growth,
    "memory": table_memory,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the weights and images; see _cifar.py")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rival-points", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall",
        help="cpu: processor time, for a busy machine; with --threads 1",
    )  # fmt: skip
    parser.add_argument("--fast", action="store_true", help="a small subset of the memory table")
    parser.add_argument("--grow-to", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    if args.grow_to:
        grow(args)
        return
    for name in args.tables:
        TABLES[name](args)


if __name__ == "__main__":
    main()
