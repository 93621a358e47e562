# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn: parameters and fitted attributes, and the trees that are written in Cython."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from ._base import register_fingerprint

__all__ = ["register"]

# How a model is run or how it was found, not what it answers.
_IRRELEVANT = {
    "_skl_callbacks",
    "cv_results_",
    "memory",
    "n_jobs",
    "pre_dispatch",
    "refit_time_",
    "verbose",
}

_TREE_FIELDS = {
    "feature",
    "impurity",
    "left_child",
    "n_node_samples",
    "right_child",
    "threshold",
    "weighted_n_node_samples",
}


def register() -> None:
    """Make these kinds known."""
    register_fingerprint(_is_neighbour_tree, _neighbour_tree)
    register_fingerprint(_is_tree, _tree)
    register_fingerprint(lambda value: isinstance(value, Bunch), lambda value: [("", {**value})])
    register_fingerprint(lambda value: isinstance(value, BaseEstimator), _estimator)


def _estimator(estimator: BaseEstimator) -> Iterator[Any]:
    # Not __getstate__, which adds the version of scikit-learn.
    yield "estimator"
    yield ".__class__", type(estimator)
    for name in sorted(vars(estimator)):
        if name not in _IRRELEVANT:
            yield name
            yield f".{name}", vars(estimator)[name]


def _bases(value: Any) -> set[str]:
    # By name, so that scikit-learn's submodules are not loaded to ask.
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__}


def _is_tree(value: Any) -> bool:
    return "sklearn.tree._tree.Tree" in _bases(value)


def _tree(tree: Any) -> Iterator[Any]:
    """A decision tree: its nodes without what lies, unset, in the leaves."""
    _, arguments, state = tree.__reduce__()
    yield "tree"
    yield ".args", arguments
    for name, value in sorted(state.items()):
        if name == "nodes":
            value = value.copy()
            leaves = value["left_child"] == -1
            for field in set(value.dtype.names) - _TREE_FIELDS:
                value[field][leaves] = np.zeros((), dtype=value.dtype[field])
        yield name
        yield f".{name}", value


def _is_neighbour_tree(value: Any) -> bool:
    return hasattr(value, "get_tree_stats") and hasattr(value, "get_arrays")


def _neighbour_tree(tree: Any) -> list:
    """KDTree and BallTree, without their counters of work done, which go up when asked."""
    state = tree.__getstate__()
    state = [*state[:7], *state[11:]]  # n_trims, n_leaves, n_splits, n_calls
    return ["neighbours", (".__class__", type(tree)), (".state", state)]
