"""The oldest supported versions are written in several files; they must agree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REQUIREMENT = re.compile(r"([A-Za-z][\w-]*?)\s*>=\s*([\d.]+)")


def floors(text):
    """Oldest versions by package, without trailing zeros."""
    return {name.lower(): version(v) for name, v in REQUIREMENT.findall(text)}


def version(text):
    return tuple(map(int, re.sub(r"(\.0)+$", "", text).split(".")))


def section(file, start, end):
    text = (ROOT / file).read_text()
    begin = text.index(start) + len(start)
    return text[begin : text.index(end, begin)]


@pytest.fixture
def dependencies():
    found = floors(section("pyproject.toml", "\ndependencies = [", "]"))
    assert len(found) > 5
    return found


def test_oldest_versions_tested_are_those_required(dependencies):
    pinned = dict(
        re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "constraints-oldest.txt").read_text(), re.M)
    )
    assert {name: version(v) for name, v in pinned.items()}.items() >= dependencies.items()


def test_conda_recipe_requires_what_the_package_requires(dependencies):
    text = section("recipe/recipe.yaml", "  run:\n", "  run_constraints:")
    assert floors(text.partition("\n")[2]) == dependencies


def test_python_versions_agree():
    text = (ROOT / "pyproject.toml").read_text()
    oldest = re.search(r'requires-python = ">=([\d.]+)"', text).group(1)
    classified = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)
    assert classified[0] == oldest
    assert f'python_min: "{oldest}"' in (ROOT / "recipe/recipe.yaml").read_text()
    workflow = (ROOT / ".github/workflows/tests.yml").read_text()
    tested = set(re.findall(r'python: "(3\.\d+)"', workflow))
    assert {oldest, classified[-1]} <= tested <= set(classified)
