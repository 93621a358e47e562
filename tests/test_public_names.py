"""The names of the package itself: each is there, and none is imported before it is used."""

import json
import operator
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from inspect import ismodule
from pathlib import Path

import pytest

import skzest

HEAVY = {"matplotlib", "numpy", "pandas", "scipy", "skimage", "sklearn", "torch"}
FRAMEWORKS = {"matplotlib", "torch"}
HELP = """
from skzest.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""
# In this order in one process: what is run, and what it must not import.
STEPS = {
    "package": ("import skzest", HEAVY),
    "help": (HELP, HEAVY),
    "name": ("skzest.as_query", FRAMEWORKS),
    # scikit-learn itself loads pandas where it is installed.
    "scikit-learn": ("import sklearn.utils.validation", FRAMEWORKS),
    "maskers": ("import skzest.maskers", FRAMEWORKS | {"pandas", "skimage"}),
    "queries": ("import skzest.queries", FRAMEWORKS),
    "testing": ("import skzest.testing as t; t.RowAsLinearModel(1)([1.0])", FRAMEWORKS),
    "displays": ("import skzest.displays as d; d.ZestDistanceDisplay([[0.0]])", FRAMEWORKS),
}
_NAME = re.compile(r"^   ([A-Za-z][\w.]+)$", re.MULTILINE)
RUN = """
import contextlib, json, sys
imported = {}
for step, code in json.loads(sys.argv[1]).items():
    before = set(sys.modules)
    with contextlib.redirect_stdout(sys.stderr):
        exec(code)
    imported[step] = sorted(set(sys.modules) - before)
print(json.dumps(imported))
"""


@pytest.fixture(scope="module")
def imported():
    """The modules that each step imports in a fresh process."""
    steps = json.dumps({step: code for step, (code, _) in STEPS.items()})
    command = [sys.executable, "-c", RUN, steps]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_each_name_resolves():
    for name in skzest.__all__:
        assert getattr(skzest, name) is not None
        assert name in dir(skzest)


@pytest.mark.parametrize("step", STEPS)
def test_nothing_heavy_is_imported_before_it_is_used(imported, step):
    assert STEPS[step][1].isdisjoint(imported[step])


def test_modules_are_imported_when_they_are_used(imported):
    assert "skzest.cli" in imported["help"]
    assert "numpy" in imported["name"], "or the test above would see nothing"


@pytest.fixture(scope="module")
def documented():
    """All objects of the API's list."""
    index = (Path(__file__).parents[1] / "doc/api/index.rst").read_text()
    return [operator.attrgetter(name)(skzest) for name in _NAME.findall(index)]


def test_results_do_not_print_whole_arrays(documented):
    holders = {
        one: [field for field in fields(one) if "ndarray" in str(field.type)]
        for one in documented
        if is_dataclass(one)
    }
    assert sum(map(bool, holders.values())) > 8
    for one, arrays in holders.items():
        assert not one.__dataclass_params__.repr or not any(array.repr for array in arrays), one


def test_each_name_is_in_the_documentation_and_each_name_there_resolves(documented):
    assert len(documented) > 100
    names = [getattr(skzest, name) for name in skzest.__all__]
    missing = [one for one in names if not ismodule(one) and one not in documented]
    assert not missing


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="zest_distance"):
        skzest.zest_distance  # noqa: B018
