# SPDX-License-Identifier: BSD-3-Clause
"""How fast are lime, captum and shap on the same network, segments and number of questions?

They are lime's image explainer, captum's Lime and KernelShap, and shap's KernelExplainer; those
that are not installed are left out. Everything is measured in turn within one run and compared
with the plain eager forward pass. Compare only ratios within one run.
"""

from __future__ import annotations

from contextlib import redirect_stderr
from functools import partial
from io import StringIO

import numpy as np
import torch

from benchmarks._cifar import MEAN, STD, images, network
from benchmarks.speed import _timing
from benchmarks.speed._timing import (
    as_query,
    bare,
    best_size,
    describe,
    ready_inputs,
    seconds,
    transformer,
)

TAKES = "5 min"
NEEDS = (
    "torch; --data with trained networks (else random weights); lime, captum, shap where installed"
)
QUICK = {"points": 1, "masks": 16, "repeats": 1, "rival_points": 1}


def add_options(parser):
    _timing.add_options(parser)
    parser.add_argument("--rival-points", type=int, default=2)


def main(args):
    _timing.prepare(args)
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
            call()  # warm-up: imports and caches
        except ImportError as error:
            print(f"{name:<28}   {error.name} is not installed")
            del rivals[name]
    plain = as_query(net, args, optimize=False, channels_last=False)
    with bare(plain, ready_inputs(plan, query)) as run:
        rivals = {"plain eager forward": partial(run, best_size(run, args)), **rivals}
        took = np.array(
            [[seconds(call, args) for call in rivals.values()] for _ in range(args.repeats)]
        )
    ratios = np.median(took / took[:, :1], axis=0)
    for name, whole, ratio in zip(rivals, np.median(took, axis=0), ratios, strict=True):
        classes = 1 if name.startswith("captum") else 10
        print(f"{name:<28}{whole:>10.2f}{ratio:>17.2f}{classes:>9}", flush=True)


@torch.inference_mode()
def answer_images(net, args, pixels, size=64):
    """Probabilities of a network for uint8 images, the form these packages expect."""
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
