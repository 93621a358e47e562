# SPDX-License-Identifier: BSD-3-Clause
"""Every benchmark runs at its smallest size, so that none stops working unnoticed."""

import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from benchmarks import _common
from benchmarks._common import read_table, write_table
from benchmarks._registry import find_benchmarks, named

torch = pytest.importorskip("torch")

BENCHMARKS = find_benchmarks()
# Run by paper/test_suite.py, which also checks its page.
ELSEWHERE = {"paper/suite"}
TABLES = sorted(Path(__file__).parent.glob("*/results/**/*.csv"))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small only wait for each other in several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory, request):
    """Run a benchmark once per module, after those whose results it reads; has it run now?"""
    cache, done = tmp_path_factory.mktemp("cache"), set()
    data = request.config.getoption("--data", None)

    def run_once(name):
        if name in done:
            return False
        for earlier in BENCHMARKS[name].after:
            run_once(earlier)
        arguments = ["--quick", "--cache", str(cache)]
        BENCHMARKS[name].run([*arguments, "--data", str(data)] if data else arguments)
        done.add(name)
        return True

    return run_once


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(BENCHMARKS.keys() - ELSEWHERE))
def test_benchmark_runs_at_its_smallest_size(name, run, capsys):
    try:
        has_run = run(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"an extra is absent: {error}")
    assert not has_run or capsys.readouterr().out or BENCHMARKS[name].after


def test_what_a_gpu_would_do_is_listed_as_not_run(tmp_path, capsys):
    options = ["--quick", "--cache", str(tmp_path)]
    BENCHMARKS["paper/gpu"].run([*options, "--minutes", "0"])
    out = capsys.readouterr().out
    assert "0 of 3 seeds trained" in out
    assert "fig2, digits: not run, as 0 minutes did not suffice" in out
    if not torch.cuda.is_available():
        BENCHMARKS["speed/device"].run([*options, "--device", "cuda"])
        assert capsys.readouterr().out.count("not run, as torch sees no CUDA device") == 7


def test_list_of_benchmarks_imports_no_torch():
    code = (
        "import sys; from benchmarks.__main__ import listing; print(listing());"
        "sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0
    assert all(name in found.stdout for name in BENCHMARKS)


def test_readme_has_a_line_for_each_benchmark():
    text = (Path(__file__).parent / "README.md").read_text()
    for benchmark in BENCHMARKS.values():
        line = f"| `{benchmark.name}` | {benchmark.title} | {benchmark.takes} | {benchmark.needs} |"
        assert line in text


def test_benchmark_is_found_by_its_short_name():
    assert named("stopping").name == "questions/stopping"
    with pytest.raises(SystemExit, match="names several benchmarks; choose one of questions/fig"):
        named("figures")
    with pytest.raises(SystemExit, match="is not a benchmark; choose one of speed/"):
        named("nothing")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_tables_carry_date_machine_and_versions(path):
    head = path.read_text().splitlines()[:3]
    assert [line.partition(":")[0] for line in head] == ["# date", "# machine", "# versions"]
    rows = read_table(path)
    assert rows
    assert not any(key.startswith("#") for key in rows[0])


def test_table_survives_writing_and_reading(tmp_path):
    rows = [{"a": 1 / 3, "b": "x, y"}, {"a": 2, "c": "# not a comment"}]
    write_table(tmp_path / "t.csv", rows, digits=3, missing="-")
    assert read_table(tmp_path / "t.csv") == [
        {"a": "0.333", "b": "x, y", "c": "-"},
        {"a": "2", "b": "-", "c": "# not a comment"},
    ]
    assert _common.machine() in (tmp_path / "t.csv").read_text()
