# SPDX-License-Identifier: BSD-3-Clause
"""One option for the tests of the benchmarks: ``pytest benchmarks --data DIR``."""

from pathlib import Path


def pytest_addoption(parser):
    parser.addoption("--data", type=Path, help="folder with data sets and trained networks")
