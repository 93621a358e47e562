# SPDX-License-Identifier: BSD-3-Clause
"""Copies of a model with changed weights: pruned, rounded, perturbed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from .._validation import check_choices, check_whole
from ..queries import Query, as_numpy, is_torch_module

__all__ = ["CHANGES", "rehearse_weights"]

# How a model of scikit-learn is asked.
_ANSWERS = ("predict", "predict_proba", "decision_function")


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
        Or a classifier made of these, such as a pipeline or an ensemble, all of whose models are
        changed. The owner never is; every copy is a deep one.
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
        If the owner has no such weights, as a forest or an ``SVC``.
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
            f"{owner!r} has no weights to change: neither it nor a model inside it is a torch "
            "module or has coef_ or coefs_ of its own. Train copies with rehearse()."
        )
    for weights, write in layers:
        write(change(weights, rng))
    return twin


def _layers(model: Any) -> Iterator[tuple[np.ndarray, Callable[[np.ndarray], None]]]:
    """Weights of each layer as float64, and the function that puts others in their place."""
    for part in _parts(model, set()):
        if is_torch_module(part):
            for parameter in part.parameters():
                if parameter.ndim > 1:  # not biases and norms
                    yield as_numpy(parameter).astype(np.float64), partial(_write_tensor, parameter)
            continue
        own = vars(part)  # what a property computes, as for a linear SVC, cannot be written to
        for array in [*own.get("coefs_", ()), own.get("coef_")]:
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                yield array.astype(np.float64), partial(np.copyto, array, casting="same_kind")


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """A model and all models inside it that have a part in its answers, each once."""
    if id(value) in seen or isinstance(value, type):
        return
    seen.add(id(value))
    inside: Iterable[Any] = ()
    if is_torch_module(value):
        yield value
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, (list, tuple)):
        inside = value
    elif isinstance(value, np.ndarray) and value.dtype == object:
        inside = value.ravel()
    elif hasattr(value, "__dict__") and any(hasattr(value, name) for name in _ANSWERS):
        yield value
        # The steps before the last make inputs: they may choose columns by their weights.
        last = getattr(value, "_final_estimator", None)
        inside = vars(value).values() if last is None else [last]
    for one in inside:
        yield from _parts(one, seen)


def _write_tensor(parameter: Any, values: np.ndarray) -> None:
    import torch

    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))
