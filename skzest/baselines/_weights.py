# SPDX-License-Identifier: BSD-3-Clause
"""How far apart are the weights? For white-box models of one architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._validation import check_models, name_model
from ..comparing import zest_distances
from ..queries import Query, as_numpy, is_torch_module, nested_estimators

__all__ = ["check_weights", "weight_distances"]

_FITTED = (("coef_", "intercept_"), ("coefs_", "intercepts_"))
_STATISTICS = ("running_mean", "running_var")


def weight_distances(models: Sequence[object], *, distance: str = "cosine") -> np.ndarray:
    """Distances between the weights of models of one architecture [1]_.

    It finds copies that keep most weights (fine-tuned, pruned), and none that were trained anew
    (extracted, distilled).

    Parameters
    ----------
    models : list of torch modules, state dicts or scikit-learn models, or queries of them
        The parameters of modules (without the running statistics of batch norm); ``coef_`` and
        ``intercept_``, or ``coefs_`` and ``intercepts_``, of scikit-learn models. The last step
        of a Pipeline.
    distance : str, default="cosine"
        As in :func:`~skzest.zest_distances`.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        Symmetric, zeros on the diagonal; NaN for a model whose weights are all zero.

    Raises
    ------
    TypeError
        If a model has no weights, such as a forest.
    ValueError
        If two models differ in architecture or classes.

    Notes
    -----
    Asks nothing.

    References
    ----------
    .. [1] H. Jia et al., "Proof-of-Learning: Definitions and Practice", IEEE S&P 2021, compares
       weights by such norms.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest.baselines import weight_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=2000).fit(X, y) for C in (1.0, 1.1, 100)]
    >>> D = weight_distances(zoo)
    >>> bool(D[0, 1] < 0.01 < D[0, 2])
    True
    """
    zoo = check_models(models)
    names = [name_model(i, model) for i, model in enumerate(zoo)]
    zoo = [model.model if isinstance(model, Query) else model for model in zoo]
    weights = [_weights_of(model, name) for model, name in zip(zoo, names, strict=True)]
    for i in range(1, len(zoo)):
        _check_same_architecture(names[0], weights[0], names[i], weights[i])
        _check_same_classes(names[0], zoo[0], names[i], zoo[i])
    rows = [np.concatenate([w[key].ravel() for key in weights[0]]) for w in weights]
    return np.asarray(zest_distances(np.stack(rows), distance=distance))


def check_weights(model: object, name: str) -> None:
    """Refuse a model without weights.

    Raises
    ------
    TypeError
    """
    _weights_of(model.model if isinstance(model, Query) else model, name)


def _weights_of(model: Any, name: str) -> dict[str, np.ndarray]:
    """Arrays of float64 by name."""
    if is_torch_module(model):
        model = model.state_dict()
    if isinstance(model, Mapping):
        return _tensors(model, name)
    for layer in nested_estimators(model):
        for fitted in _FITTED:
            if all(hasattr(layer, attribute) for attribute in fitted):
                return _coefficients(layer, fitted)
    raise TypeError(
        f"{name} has no weights to compare: it is not a torch module or state dict, and has "
        "neither coef_ nor coefs_. Compare answers instead, with another baseline."
    )


def _tensors(state: Mapping, name: str) -> dict[str, np.ndarray]:
    arrays = {
        key: as_numpy(value)
        for key, value in state.items()
        if not key.endswith(_STATISTICS) and hasattr(value, "shape")
    }
    floats = {k: v.astype(np.float64) for k, v in arrays.items() if v.dtype.kind == "f"}
    if not floats:
        raise TypeError(f"{name} has no floating weights to compare.")
    return floats


def _coefficients(layer: object, fitted: tuple[str, str]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for attribute in fitted:
        value = getattr(layer, attribute)
        parts = enumerate(value) if isinstance(value, list) else [("", value)]
        arrays |= {f"{attribute}{i}": np.atleast_1d(as_numpy(v)).astype(float) for i, v in parts}
    return arrays


def _check_same_architecture(name: str, first: dict, other_name: str, other: dict) -> None:
    for key in [*first, *other]:
        shapes = [w[key].shape if key in w else None for w in (first, other)]
        if shapes[0] != shapes[1]:
            has = [f"of shape {shape}" if shape is not None else "missing" for shape in shapes]
            raise ValueError(
                f"{name} and {other_name} differ in architecture, so their weights do not "
                f"correspond: {key!r} is {has[0]} in one and {has[1]} in the other. Compare "
                "answers instead, with another baseline."
            )


def _check_same_classes(name: str, first: object, other_name: str, other: object) -> None:
    """Rows of coefficients are classes."""
    classes = [getattr(model, "classes_", None) for model in (first, other)]
    if classes[0] is None or classes[1] is None:
        return
    if as_numpy(classes[0]).tolist() != as_numpy(classes[1]).tolist():
        raise ValueError(
            f"{name} and {other_name} have different classes, so their weights do not correspond. "
            "Compare answers instead, with another baseline."
        )
