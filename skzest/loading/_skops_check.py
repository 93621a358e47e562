# SPDX-License-Identifier: BSD-3-Clause
"""skops files: the tree of objects before it is built, and trees of decisions after."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["check_estimator", "check_schema"]

_MOST_BYTES = 2**26
_DEEPEST = 100


def check_schema(data: bytes) -> None:
    """Refuse a tree of objects that is too large or too deep to be built.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if archive.getinfo("schema.json").file_size > _MOST_BYTES:
            raise ValueError("its schema.json is too large.")
        try:
            schema = json.loads(archive.read("schema.json"))
        except (ValueError, RecursionError, zipfile.BadZipFile) as error:
            raise ValueError(f"its schema.json cannot be read ({error}).") from error
        members = set(archive.namelist())
    if not isinstance(schema, dict):
        raise ValueError("its schema.json is not an object.")
    waiting: list[tuple[Any, int]] = [(schema, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"its objects are nested more than {_DEEPEST} deep.")
        inside = node.values() if isinstance(node, dict) else node
        waiting += [(item, depth + 1) for item in inside if isinstance(item, (dict, list))]
        file = node.get("file") if isinstance(node, dict) else None
        if isinstance(file, str) and file not in members:
            raise ValueError(f"its schema names the member {file!r:.80}, which is not in it.")


def check_estimator(model: object) -> None:
    """Refuse an estimator with decision trees whose nodes lead out of the tree.

    scikit-learn follows them without a look, and would read outside of its memory.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    for value in _inside(model):
        # Trees are built of arrays in a file, and not by growing them.
        if type(value).__name__ == "Tree" and hasattr(value, "children_left"):
            _check_tree(value.children_left, value.children_right, value.feature, value.n_features)
        elif type(value).__name__ == "TreePredictor":
            nodes = value.nodes
            leaf = nodes["is_leaf"].astype(bool)
            left, right = (
                np.where(leaf, -1, nodes[side].astype(int)) for side in ("left", "right")
            )
            _check_tree(left, right, nodes["feature_idx"], np.inf)


def _check_tree(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, n_features: float
) -> None:
    at = np.arange(len(left))
    inner = np.asarray(left) != -1
    for children in (left, right):
        # Every child comes after its parent, so no walk goes in circles.
        ahead = (children > at) & (children < len(at))
        if not np.all(ahead[inner]) or np.any(np.asarray(children)[~inner] != -1):
            raise ValueError("it has a decision tree whose nodes lead out of it, or in circles.")
    if np.any((feature[inner] < 0) | (feature[inner] >= n_features)):
        raise ValueError(f"it has a decision tree that asks for a feature beyond {n_features}.")


def _inside(value: Any) -> Iterator[Any]:
    """A value and all values in its attributes and containers, each once."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, np.ndarray):
            waiting += value.ravel().tolist() if value.dtype == object else []
        else:
            waiting += getattr(value, "__dict__", {}).values()
