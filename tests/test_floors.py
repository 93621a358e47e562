# SPDX-License-Identifier: BSD-3-Clause
"""The package imports downwards only: the floors are those that doc/development.rst lists."""

import ast
import re
from pathlib import Path

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


def _imports(path):
    """Modules of the package that a file imports, as dotted names below skzest."""
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


def _rooms_and_imports():
    """Each import of another room: the file, its room, the dotted name and the room of that."""
    for path in MODULES:
        name = path.relative_to(PACKAGE)
        room = name.with_suffix("").parts[0]
        for module in _imports(path):
            if _room(module) != room:
                yield str(name), room, module, _room(module)


def test_imports_go_down():
    wrong = [
        f"{name} imports {module}"
        for name, room, module, other in _rooms_and_imports()
        if room not in (ROOF, "__main__")
        and not (FLOORS[other] < FLOORS[room] if other else module in ("__version__", "_version"))
    ]
    assert not wrong, "of rooms that are not below, or of none"


def test_rooms_are_entered_by_the_door():
    inside = [(name, module) for name, _, module, _ in _rooms_and_imports() if "._" in module]
    assert not inside, "private files of other rooms"


def test_the_root_is_small():
    files = {p.stem for p in PACKAGE.glob("*.py")}
    assert len(files) <= 8
    private = {name for name in files if name.startswith("_") and not name.startswith("__")}
    assert len(private) <= 3
