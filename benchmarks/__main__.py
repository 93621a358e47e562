# SPDX-License-Identifier: BSD-3-Clause
"""``python -m benchmarks`` lists the benchmarks; ``python -m benchmarks NAME`` runs one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks._registry import find_benchmarks, named


def listing() -> str:
    """What each benchmark shows, how long it takes and what data it needs."""
    lines = ["python -m benchmarks NAME [--quick] [--data DIR] ...; NAME --help lists the options"]
    folder = ""
    for benchmark in find_benchmarks().values():
        if benchmark.name.partition("/")[0] != folder:
            folder = benchmark.name.partition("/")[0]
            lines += ["", folder]
        lines.append(f"  {benchmark.name:<28} {benchmark.title}")
        lines.append(f"  {'':<28} takes {benchmark.takes}; needs {benchmark.needs}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark named first, with the arguments after it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listing())
        return
    named(arguments[0]).run(arguments[1:])


if __name__ == "__main__":
    main()
