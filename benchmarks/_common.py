# SPDX-License-Identifier: BSD-3-Clause
"""What all benchmarks share: their options, and tables that carry date, machine and versions."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

RECORDED = ("skzest", "numpy", "scipy", "scikit-learn", "scikit-image", "torch")


def shared_options(name: str, title: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    folder = name.partition("/")[0]
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=title)
    parser.add_argument(
        "--data", type=Path, help="folder with the data sets and trained networks; see README.md"
    )
    parser.add_argument("--quick", action="store_true", help="the smallest size, to see it run")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn at random")
    parser.add_argument(
        "--cache", type=Path, default=Path("out/benchmarks"),
        help="folder for trained networks and answers, so that an interrupted run resumes",
    )  # fmt: skip
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).parent / folder / "results",
        help="folder for tables; with --quick: CACHE/quick",
    )  # fmt: skip
    return parser


def task_name(options: argparse.Namespace) -> str:
    """The data a benchmark runs on: CIFAR-10 where --data is given, else digits."""
    return "cifar" if options.data else "digits"


# --- tables -------------------------------------------------------------------------------


def write_table(
    path: Path, rows: Iterable[Mapping[str, object]], digits: int = 5, missing: str = ""
) -> None:
    """Rows as CSV, below comment lines with the date, the machine and the versions."""
    rows = list(rows)
    names = list(dict.fromkeys(key for row in rows for key in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        file.writelines(f"# {line}\n" for line in provenance())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_text(row.get(name, missing), digits) for name in names] for row in rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table; comment lines are skipped."""
    with open(path, newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def provenance() -> list[str]:
    """Date, machine and versions, one line each."""
    return [
        f"date: {time.strftime('%Y-%m-%d')}",
        f"machine: {machine()}",
        f"versions: {versions()}",
    ]


def machine() -> str:
    """Model of the processor, and the number of cores."""
    return f"{_processor()}, {os.cpu_count()} cores"


def versions() -> str:
    """Python and the packages whose versions matter."""
    found = [f"Python {platform.python_version()}"]
    for package in RECORDED:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _text(value: object, digits: int) -> object:
    return f"{value:.{digits}g}" if isinstance(value, (float, np.floating)) else value


def show(row: Mapping[str, object] | Sequence[object], digits: int = 4) -> None:
    """Print the values of a row on one line."""
    values = row.values() if isinstance(row, Mapping) else row
    cells = (f"{v:.{digits}f}" if isinstance(v, (float, np.floating)) else f"{v}" for v in values)
    print("  ".join(cells), flush=True)


# --- times --------------------------------------------------------------------------------


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Time of one call."""
    start = clock()
    call()
    return clock() - start


def show_in_turn(ways: Mapping[str, Callable[[], object]], base: str, n: int, repeats: int) -> None:
    """Median milliseconds of each way for one of `n`, and their ratio to the base."""
    # In turn, so that whatever else the machine does affects all alike.
    times = [{name: seconds(way) for name, way in ways.items()} for _ in range(repeats)]
    for name in ways:
        of_one = np.median([1e3 * taken[name] / n for taken in times])
        ratio = np.median([taken[name] / taken[base] for taken in times])
        show([f"{name:7}", of_one, ratio], digits=2)
