# SPDX-License-Identifier: BSD-3-Clause
"""The package imports downwards only: the floors are those that doc/development.rst lists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "skzest"
# What stands above all floors: it collects the public names.
ROOF = "__init__"


def _floors():
    text = (ROOT / "doc" / "development.rst").read_text()
    listed = text[text.index(".. floors") :]
    floors = re.findall(r"^(\d+)\. (.+)$", listed, flags=re.MULTILINE)
    return {room.strip(): int(n) for n, rooms in floors for room in rooms.split(",")}


FLOORS = _floors()
MODULES = sorted(PACKAGE.rglob("*.py"))


def _room(module):
    """The room of a dotted name below skzest; None for what is in the package's own namespace."""
    first = module.split(".")[0]
    return first if first in FLOORS else None


@cache
def _imports(path):
    """Modules of the package that a file imports, as dotted names below skzest."""
    return list(_imported(path))


def _imported(path):
    here = path.relative_to(PACKAGE).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            module = [*base, *(node.module.split(".") if node.module else [])]
            if module:
                yield ".".join(module)
            else:
                yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skzest"):
            yield node.module.removeprefix("skzest").lstrip(".")
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from (n.removeprefix("skzest.") for n in names if n.startswith("skzest."))


def test_every_room_has_a_floor_and_a_line_in_the_table():
    rooms = {p.relative_to(PACKAGE).with_suffix("").parts[0] for p in MODULES}
    assert rooms - {ROOF, "__main__"} == set(FLOORS)
    table = (ROOT / "doc" / "development.rst").read_text().partition("Floors\n")[0]
    lines = re.findall(r"^      (\w+)(?:/|\.py) +\S", table, flags=re.MULTILINE)
    assert sorted(lines) == sorted(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if room in (ROOF, "__main__"):
        return
    for module in _imports(path):
        other = _room(module)
        if other is None:
            assert module in ("__version__", "_version"), f"{module} is in no room"
        elif other != room:
            assert FLOORS[other] < FLOORS[room], f"{room} imports {module}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_are_entered_by_the_door(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    inside = {m for m in _imports(path) if "._" in m and _room(m) != room}
    assert not inside, f"{sorted(inside)} are private files of other rooms"


def test_the_root_is_small():
    files = {p.stem for p in PACKAGE.glob("*.py")}
    assert len(files) <= 8
    private = {name for name in files if name.startswith("_") and not name.startswith("__")}
    assert len(private) <= 3
