# SPDX-License-Identifier: BSD-3-Clause
"""Check a built wheel and source distribution:  python .ci/check_package.py dist

The wheel must hold every file of the package, ``py.typed`` included, and nothing else, and must
import from an empty environment; the source distribution must hold what is needed to build it.
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path


def only(folder: Path, pattern: str) -> Path:
    """The one file that matches."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{folder}/{pattern} matches {len(found)} files; expected 1.")
    return found[0]


def check_wheel(wheel: Path) -> None:
    """Only the package and its metadata, with the marker of typed packages."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    strangers = {top for top in tops if top != "skzest" and not top.endswith(".dist-info")}
    if strangers:
        raise SystemExit(f"{wheel.name} holds {sorted(strangers)} beside skzest.")
    files = (path for path in Path("skzest").rglob("*") if path.is_file())
    needed = {path.as_posix() for path in files if path.parent.name != "__pycache__"}
    if missing := (needed | {"skzest/py.typed"}).difference(names):
        raise SystemExit(f"{wheel.name} lacks {sorted(missing)}.")


def check_source(archive: Path) -> None:
    """The license, the readme and the build configuration."""
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    if missing := {"LICENSE", "README.md", "pyproject.toml", "skzest/__init__.py"} - names:
        raise SystemExit(f"{archive.name} lacks {sorted(missing)}.")


def check_import(wheel: Path) -> None:
    """Install into an empty environment, and import outside the repository."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", wheel.resolve()], check=True)
        code = "import skzest; print('imported', skzest.__version__, 'from', skzest.__file__)"
        subprocess.run([python, "-I", "-c", code], cwd=folder, check=True)


if __name__ == "__main__":
    built = Path(sys.argv[1])
    wheel = only(built, "skzest-*.whl")
    check_wheel(wheel)
    check_source(only(built, "skzest-*.tar.gz"))
    check_import(wheel)
    print(f"{wheel.name} is complete and holds nothing else.")
