# SPDX-License-Identifier: BSD-3-Clause
"""The paper's image experiments: figures 2, 3, 5 and 6, tables 1 and 5, appendices B, D and G.

With ``--data`` the default scale is "small"; "medium" has all images of the folder and better
networks, and "full" is the paper's setting and needs a GPU. Tables, figures and the page go to
``--results``, in one folder per scale. A run can be interrupted at any time and resumes from its
last epoch, so the medium scale fits the background of a small machine::

    nice python -m benchmarks paper/suite --data DIR --scale medium --threads 2 > medium.log &
"""

from __future__ import annotations

import os
import time
from importlib import import_module

import torch

from benchmarks.paper.bench import Bench
from benchmarks.paper.page import EXPERIMENTS, write_page
from benchmarks.paper.settings import SCALES

TAKES = "2 min on digits, 5 h at the small scale, 5 h at the medium one"
NEEDS = "torch, matplotlib; --data with CIFAR-10 (else digits)"
QUICK = {"scale": "digits"}


def add_options(parser) -> None:
    parser.add_argument("--scale", choices=list(SCALES))
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS)
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    parser.add_argument("--machine", help="a description for the page")


def main(args) -> None:
    scale = args.scale or ("digits" if args.data is None else "small")
    if args.data is None and scale != "digits":
        raise SystemExit(f"--scale {scale} needs --data")
    settings = SCALES[scale]
    torch.set_num_threads(args.threads)
    device = "cuda" if scale == "full" and torch.cuda.is_available() else "cpu"
    machine = args.machine or (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"{args.threads} of {os.cpu_count()} CPU cores"
    )
    # Digits only show that everything runs: they do not belong on the page.
    results = args.cache / "quick" if scale == "digits" and not args.quick else args.results
    out = args.cache / "paper" / scale
    data = None if scale == "digits" else args.data
    bench = Bench(settings, data, out, results / scale, machine, device)
    for name in args.only:
        bench.log(f"--- {name}")
        bench.shop.count_anew()
        begin = time.perf_counter()
        findings = import_module(f"benchmarks.paper.{name}").run(bench)
        bench.publish(name, findings, time.perf_counter() - begin + bench.shop.earlier_seconds)
        write_page(results)
        for finding in findings:
            bench.log(f"    {finding.quantity}: {finding.text}")
    bench.log(f"wrote {write_page(results)}")
