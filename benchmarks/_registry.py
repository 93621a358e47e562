# SPDX-License-Identifier: BSD-3-Clause
"""Finds the benchmarks: modules that say how long they take and what they need.

A benchmark is a module in one of the folders with a one-line summary, the constants ``TAKES`` and
``NEEDS``, and ``main(options)``. It may have ``add_options(parser)``, ``QUICK`` (options for
``--quick``) and ``AFTER`` (benchmarks whose results it reads). The constants are read from the
source, so the list appears without importing anything heavy.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks._common import shared_options

FOLDERS = ("speed", "questions", "decisions", "paper")


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: ``folder/module``, its summary, and what its module says about itself."""

    name: str
    title: str
    takes: str
    needs: str
    after: tuple[str, ...] = ()

    def run(self, arguments: Sequence[str] = ()) -> None:
        """Import the module and run it with these command-line arguments."""
        module = import_module(f"benchmarks.{self.name.replace('/', '.')}")
        parser = shared_options(self.name, self.title)
        if hasattr(module, "add_options"):
            module.add_options(parser)
        if parser.parse_args(arguments).quick:
            cache = parser.parse_args(arguments).cache
            parser.set_defaults(results=cache / "quick", **getattr(module, "QUICK", {}))
        module.main(parser.parse_args(arguments))


def find_benchmarks() -> dict[str, Benchmark]:
    """Every benchmark by name, folder by folder."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((Path(__file__).parent / folder).glob("*.py")):
            benchmark = _read(f"{folder}/{path.stem}", ast.parse(path.read_text()))
            if benchmark is not None:
                found[benchmark.name] = benchmark
    return found


def _read(name: str, tree: ast.Module) -> Benchmark | None:
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("TAKES", "NEEDS", "AFTER")
    }
    if "TAKES" not in constants:
        return None
    values = {key.lower(): ast.literal_eval(value) for key, value in constants.items()}
    return Benchmark(name, (ast.get_docstring(tree) or "").splitlines()[0], **values)


def named(name: str) -> Benchmark:
    """The benchmark of that name; the folder may be left out where the name is unique."""
    every = find_benchmarks()
    matches = [b for b in every.values() if name in (b.name, b.name.rpartition("/")[2])]
    if len(matches) != 1:
        known = ", ".join(b.name for b in matches or every.values())
        reason = "names several benchmarks" if matches else "is not a benchmark"
        raise SystemExit(f"{name!r} {reason}; choose one of {known}.")
    return matches[0]
