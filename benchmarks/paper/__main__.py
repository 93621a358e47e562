# SPDX-License-Identifier: BSD-3-Clause
"""The paper, reproduced by one command; see ``__init__.py``."""

from __future__ import annotations

import argparse
import os
import time
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.paper.bench import Bench
from benchmarks.paper.page import EXPERIMENTS, write_page
from benchmarks.paper.settings import SCALES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("--data", help="directory of the data; without it, digits")
    parser.add_argument("--scale", choices=["digits", "small", "full"])
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS)
    parser.add_argument("--out", type=Path, help="checkpoints and answers; default out/paper/SCALE")
    parser.add_argument("--results", type=Path, help="tables, figures, page; default OUT/results")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    parser.add_argument("--machine", help="in words, for the page")
    args = parser.parse_args()
    scale = args.scale or ("digits" if args.data is None else "small")
    if args.data is None and scale != "digits":
        parser.error(f"--scale {scale} needs --data")
    settings = SCALES[scale]
    torch.set_num_threads(args.threads)
    device = "cuda" if scale == "full" and torch.cuda.is_available() else "cpu"
    machine = args.machine or (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"{args.threads} of {os.cpu_count()} CPU cores"
    )
    out = args.out or Path("out/paper") / scale
    results = args.results or out / "results"
    bench = Bench(settings, args.data, out, results / scale, machine, device)
    for name in args.only:
        if name == "fig4":
            continue  # texts and sounds: its own command, see fig4.py
        bench.log(f"--- {name}")
        bench.shop.count_anew()
        begin = time.perf_counter()
        findings = import_module(f"benchmarks.paper.{name}").run(bench)
        bench.publish(name, findings, time.perf_counter() - begin + bench.shop.earlier_seconds)
        write_page(results)
        for finding in findings:
            bench.log(f"    {finding.quantity}: {finding.text}")
    bench.log(f"wrote {write_page(results)}")


if __name__ == "__main__":
    main()
