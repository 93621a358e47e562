# SPDX-License-Identifier: BSD-3-Clause
"""Copies of a model with changed weights: pruned, rounded, perturbed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from .._validation import check_choices, check_whole
from ..queries import Query, as_numpy, is_torch_module, nested_estimators

__all__ = ["CHANGES", "rehearse_weights"]


def rehearse_weights(
    owner: object,
    *,
    changes: Sequence[str] = ("pruned", "rounded", "perturbed"),
    n_copies: int = 6,
    random_state: int = 0,
) -> list:
    """Copies of a model with changed weights, as a thief makes them without training.

    Parameters
    ----------
    owner : torch module, classifier with ``coef_`` or ``coefs_``, or query of one
        Never changed; every copy is a deep one.
    changes : sequence of {"pruned", "rounded", "perturbed"}
        Set the smallest 30 to 70 % of the weights of each layer to zero; round them to 2 to 4
        bits; add normal noise of 5 to 30 % of their standard deviation. Biases stay as they are.
    n_copies : int, default=6
        Number of copies; the changes take turns.
    random_state : int, default=0
        Seed of how much is changed, and of the noise.

    Returns
    -------
    copies : list of n_copies models
        Of the owner's type. For a query of a torch module, queries with the same preprocessing.

    Raises
    ------
    TypeError
        If the owner has no such weights, as a forest has not.
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest.rehearsal import rehearse_weights
    >>> X, y = load_iris(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=1000).fit(X, y)
    >>> pruned, perturbed = rehearse_weights(owner, changes=["pruned", "perturbed"], n_copies=2)
    >>> bool((pruned.coef_ == 0).any()), bool((owner.coef_ == 0).any())
    (True, False)
    """
    changes = check_choices(changes, "changes", CHANGES)
    n_copies = check_whole(n_copies, "n_copies")
    rng = np.random.default_rng(check_whole(random_state, "random_state", minimum=0))
    return [_changed(owner, CHANGES[changes[i % len(changes)]], rng) for i in range(n_copies)]


def pruned(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The smallest 30 to 70 % become zero."""
    limit = np.quantile(np.abs(weights), rng.uniform(0.3, 0.7))
    return np.where(np.abs(weights) <= limit, 0.0, weights)


def rounded(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """2 to 4 bits: steps from the largest weight down to its negative."""
    step = np.max(np.abs(weights)) / (2 ** int(rng.integers(1, 4)) - 0.5)
    return weights if step == 0 else np.rint(weights / step) * step


def perturbed(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of 5 to 30 % of the standard deviation."""
    noise = rng.uniform(0.05, 0.3) * np.std(weights)
    return weights + noise * rng.standard_normal(weights.shape)


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "pruned": pruned,
    "rounded": rounded,
    "perturbed": perturbed,
}


def _changed(owner: Any, change: Callable, rng: np.random.Generator) -> Any:
    """A deep copy with other weights."""
    twin = copy.deepcopy(owner)
    if isinstance(twin, Query):
        twin.model_id = None  # another model, which must not be given stored answers
    layers = list(_layers(twin.model if isinstance(twin, Query) else twin))
    if not layers:
        raise TypeError(
            f"{owner!r} has no weights to change: it is not a torch module, and has neither coef_ "
            "nor coefs_. Train copies with rehearse()."
        )
    for weights, write in layers:
        write(change(weights, rng))
    return twin


def _layers(model: Any) -> Iterator[tuple[np.ndarray, Callable[[np.ndarray], None]]]:
    """Weights of each layer as float64, and the function that puts others in their place."""
    if is_torch_module(model):
        for parameter in model.parameters():
            if parameter.ndim > 1:  # not biases and norms
                yield as_numpy(parameter).astype(np.float64), partial(_write_tensor, parameter)
        return
    for layer in nested_estimators(model):
        for array in [*getattr(layer, "coefs_", ()), getattr(layer, "coef_", None)]:
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                yield array.astype(np.float64), partial(np.copyto, array, casting="same_kind")


def _write_tensor(parameter: Any, values: np.ndarray) -> None:
    import torch

    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))
