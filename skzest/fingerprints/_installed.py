# SPDX-License-Identifier: BSD-3-Clause
"""Classes and functions of installed packages: known by name and version.

Their code changes only with a version. That of a user's class, a lambda or a closure may change
at any time and depend on anything, so such an object has no fingerprint.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
from importlib import metadata
from pathlib import PurePath

__all__ = ["UnseenError", "class_name", "named", "version_of"]

_STANDARD = tuple(PurePath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


class UnseenError(Exception):
    """A value whose effect on the answers cannot be read; its text follows the path to it."""


def named(value: object, what: str = "") -> str:
    """Module, qualified name and version of a class or function of an installed package.

    Raises
    ------
    UnseenError
        If its package is not installed, or has another object under that name. ``what`` comes
        before the name in the message.
    """
    owner = getattr(value, "__objclass__", value)  # methods written in C do not say their module
    module = getattr(owner, "__module__", None) or "builtins"
    name = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
    if "." not in module and version_of(module) is None:
        module = _full_name(module, name, value)
    version = version_of(module)
    if version is not None:
        # torch.relu has the qualified name of a hidden class.
        for path in (name, name.rpartition(".")[2]):
            if _at(module, path) is value:
                return f"{module}.{path} {version}"
    raise UnseenError(
        f"is {what}{module}.{name}, which is not part of an installed package, so what it does "
        "cannot be read"
    )


def class_name(value: object) -> str:
    """:func:`named` of an object's class."""
    return named(type(value), "an instance of ")


def _full_name(module: str, name: str, value: object) -> str:
    """The module with its package: some compiled modules call themselves by their last name."""
    for full, loaded in list(sys.modules.items()):
        if full.endswith(f".{module}") and getattr(loaded, name, None) is value:
            return full
    return module


def _at(module: str, path: str) -> object:
    found: object = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


@functools.cache
def version_of(module: str) -> str | None:
    """Version of the installed package that a module belongs to; None if it is not in one.

    Empty for the standard library and skzest. A part behind "+", such as "cpu", is left out: it
    tells builds apart.
    """
    top = module.partition(".")[0]
    if top == "skzest" or top in sys.builtin_module_names:
        return ""
    package = sys.modules.get(top)
    file = getattr(package, "__file__", None)
    paths = [PurePath(p) for p in ([file] if file else getattr(package, "__path__", ()))]
    if top == "__main__" or not paths:
        return None
    if not all({"site-packages", "dist-packages"} & set(path.parts) for path in paths):
        standard = all(any(path.is_relative_to(home) for home in _STANDARD) for path in paths)
        return "" if standard else None
    version = getattr(package, "__version__", None)
    if not isinstance(version, str):
        names = metadata.packages_distributions().get(top)
        version = metadata.version(names[0]) if names else None
    return version and version.partition("+")[0]
