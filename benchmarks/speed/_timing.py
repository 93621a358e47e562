# SPDX-License-Identifier: BSD-3-Clause
"""How networks are timed: queries, prepared inputs, and the bare forward pass over them."""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch

from benchmarks import _common
from benchmarks._cifar import MEAN, STD
from benchmarks._common import machine
from benchmarks._inside import ready_network, render_copies
from skzest import LimeSignatureTransformer, TorchQuery

BATCHES = {"cpu": (32, 64, 128, 256, 512), "cuda": (256, 1024, 4096, 8192)}


def add_options(parser):
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall",
        help="cpu: processor time, for a busy machine; use it with --threads 1",
    )  # fmt: skip


def prepare(args):
    """Set the number of threads, and silence warnings that would break the tables."""
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")


def seconds(call, args):
    """Time of one call on the chosen clock, including the work of the device."""
    synchronize(args.device)

    def finished():
        call()
        synchronize(args.device)

    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    return _common.seconds(finished, clock)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def as_query(net, args, **params):
    return TorchQuery(net, mean=MEAN, std=STD, device=args.device, **params)


def transformer(reference, args, **params):
    settings = {"n_reference": args.points, "n_samples": args.masks} | params
    return LimeSignatureTransformer(reference, **settings)


def ready_inputs(plan, query):
    """All masked copies of a plan as the network takes them: the input of a bare forward pass."""
    with query.session():
        return torch.cat(
            [
                query.prepare(render_copies(plan, n, query.space)).contiguous()
                for n in range(len(plan))
            ]
        )


@contextmanager
def bare(query, inputs):
    """A function that runs a network the way a query would, on prepared inputs, in batches."""
    with query.session():
        ready = ready_network(query, np.zeros((4, *inputs.shape[2:], inputs.shape[1]), np.uint8))

        def run(size, most=None):
            for start in range(0, min(most or len(inputs), len(inputs)), size):
                ready(inputs[start : start + size])

        yield run


def best_size(run, args):
    """The fastest batch size: each is tried three times, in turn, on part of the inputs."""
    sizes = BATCHES[args.device]
    took = [[seconds(partial(run, size, 2 * sizes[-1]), args) for size in sizes] for _ in "abc"]
    return sizes[int(np.argmin(np.min(took, axis=0)))]


def describe(args):
    where = machine() if args.device == "cpu" else torch.cuda.get_device_name()
    return (
        f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, {args.clock} clock"
    )
