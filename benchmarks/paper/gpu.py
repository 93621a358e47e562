# SPDX-License-Identifier: BSD-3-Clause
"""What a GPU does in ten minutes: the speed figures, then as many rows at full scale as fit.

First ``speed/device``, in at most two fifths of the time. Then the networks of ``paper/suite`` that
are trained from scratch, all seeds side by side in processes of their own, since one small network
does not fill a GPU. Then the experiments, one after another. Whatever runs when the time is up is
stopped; checkpoints and answers stay in ``--cache``, so the next call goes on from there. Every
row that is missing is listed as "not run".
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from multiprocessing import get_context

import torch

from benchmarks._registry import named
from benchmarks.paper import suite
from benchmarks.paper.page import EXPERIMENTS
from benchmarks.paper.settings import SCALES
from benchmarks.paper.tasks import image_task
from benchmarks.paper.workshop import Workshop

TAKES = "10 min on a GPU, as often as wanted"
NEEDS = "torch, matplotlib and a CUDA device (else it prints what was not run); --data"
QUICK = {"scale": "digits", "device": "cpu", "minutes": 5, "only": ["fig2"], "speed": False}


def train_seed(args: argparse.Namespace, seed: int) -> None:
    """Train one network from scratch, from its last checkpoint on."""
    torch.set_num_threads(1)
    settings = SCALES[args.scale]
    task = image_task(args.data, settings.n_train, settings.n_test)
    folder = args.cache / "paper" / args.scale / "networks"
    Workshop(task, settings, folder, lambda line: None, args.device).trained(seed)


def run_experiment(args: argparse.Namespace, name: str) -> None:
    """One experiment of the suite, which takes what is trained and answered already."""
    suite.main(argparse.Namespace(**{**vars(args), "only": [name]}))


def in_time(work: Callable, items: Iterable, args: argparse.Namespace, deadline: float) -> list:
    """Work on items side by side, each in a process; those that were done in time."""
    context = get_context("spawn")  # a forked process has no CUDA
    running = {item: context.Process(target=work, args=(args, item)) for item in items}
    for process in running.values():
        process.start()
    for process in running.values():
        process.join(max(deadline - time.monotonic(), 0))
    for process in running.values():
        process.terminate()
        process.join()
    return [item for item, process in running.items() if process.exitcode == 0]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS)
    parser.add_argument("--speed", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    parser.add_argument("--machine", help="a description for the page")


def speed_figures(args: argparse.Namespace) -> None:
    minutes = min(4.0, 0.4 * args.minutes)
    data = ["--data", str(args.data)] if args.data else []
    named("speed/device").run([*data, "--device", args.device, "--minutes", str(minutes)])


def main(args: argparse.Namespace) -> None:
    start = time.monotonic()
    deadline = start + 60 * args.minutes
    if args.speed:
        speed_figures(args)
    if args.device == "cuda" and not torch.cuda.is_available():
        _print_missing(args, args.only, "torch sees no CUDA device")
        return
    if args.data is None and args.scale != "digits":
        _print_missing(args, args.only, "the scale needs --data")
        return
    seeds = range(SCALES[args.scale].n_seeds)
    trained = in_time(train_seed, seeds, args, deadline)
    print(f"{len(trained)} of {len(seeds)} seeds trained after {time.monotonic() - start:.0f} s")
    missing = list(args.only)
    for name in args.only if len(trained) == len(seeds) else ():
        if in_time(run_experiment, [name], args, deadline):
            missing.remove(name)
            print(f"{name}, {args.scale}: done after {time.monotonic() - start:.0f} s", flush=True)
    _print_missing(args, missing, f"{args.minutes:g} minutes did not suffice; run it again")


def _print_missing(args: argparse.Namespace, names: list[str], reason: str) -> None:
    for name in names:
        print(f"{name}, {args.scale}: not run, as {reason}")
