# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn: parameters and fitted attributes, and the trees that are written in Cython."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from ._base import Piece, attributes, register_fingerprint
from ._installed import class_name

__all__ = ["register"]

# How one of scikit-learn's own estimators is run or was found, not what it answers. In classes
# of other packages these names may mean something else.
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
    register_fingerprint(lambda value: isinstance(value, Bunch), _bunch)
    register_fingerprint(lambda value: isinstance(value, BaseEstimator), _estimator)


def _estimator(estimator: BaseEstimator) -> Iterator[Piece]:
    # Not __getstate__, which a class may have made to leave something out.
    yield "estimator"
    yield class_name(estimator)
    ignored = _IRRELEVANT if type(estimator).__module__.startswith("sklearn.") else set()
    yield from attributes({k: v for k, v in vars(estimator).items() if k not in ignored})


def _bunch(bunch: Bunch) -> list[Piece]:
    return [class_name(bunch), ("", {**bunch})]


def _is_tree(value: object) -> bool:
    # By name, so that scikit-learn's submodules are not loaded to ask.
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}" == "sklearn.tree._tree.Tree"


def _tree(tree: Any) -> Iterator[Piece]:
    """A decision tree, without the fields that are not set in its leaves."""
    _, arguments, state = tree.__reduce__()
    nodes = state["nodes"].copy()
    leaves = nodes["left_child"] == -1
    for field in set(nodes.dtype.names) - _TREE_FIELDS:
        nodes[field][leaves] = np.zeros((), dtype=nodes.dtype[field])
    yield "tree"
    yield ".args", arguments
    yield from attributes({**state, "nodes": nodes})


def _is_neighbour_tree(value: object) -> bool:
    return type(value).__module__.startswith("sklearn.") and hasattr(value, "get_tree_stats")


def _neighbour_tree(tree: Any) -> list[Piece]:
    """KDTree and BallTree, without their counters of work done, which go up when asked."""
    state = tree.__getstate__()
    state = [*state[:7], *state[11:]]  # n_trims, n_leaves, n_splits, n_calls
    return ["neighbours", class_name(tree), (".state", state)]
