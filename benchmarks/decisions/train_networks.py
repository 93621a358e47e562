# SPDX-License-Identifier: BSD-3-Clause
"""Trains the CIFAR-10 networks of decisions/power: owners, strangers, copies, copies of others.

It can be interrupted at any time and resumes; every half an hour of it leaves a usable zoo, which
decisions/power takes as far as it goes. Run it in the background, with little priority::

    nice -n 10 python -m benchmarks train_networks --data DIR --cache OUT > networks.log &
"""

from __future__ import annotations

import time

import torch

from benchmarks._common import show
from benchmarks.decisions._small_networks import members, network

TAKES = "1 h on a quiet core"
NEEDS = "torch; --data with CIFAR-10 (else photographs, to see it run)"
QUICK = {"most": 3}


def add_options(parser):
    parser.add_argument("--most", type=int, help="how many networks; default: all")


def main(args):
    torch.set_num_threads(1)
    listed = members()
    zoo = {member.name: member for member in listed}
    folder = args.cache / "small_networks"
    for n, member in enumerate(listed[: args.most]):
        if not (folder / f"{member.name}.pt").exists():
            wall, own = time.perf_counter(), time.process_time()
            network(member, zoo, args.data, folder)
            wall, own = time.perf_counter() - wall, time.process_time() - own
            show([f"{n + 1}/{len(listed)}", member.name, f"{own:.0f} s of {wall:.0f} s"])
