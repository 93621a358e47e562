# SPDX-License-Identifier: BSD-3-Clause
"""Functions of a batch as models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice
from ._base import OUTPUTS, Array, Inputs, Preprocess, Query
from ._labels import array_in_order, as_classes

__all__ = ["CallableQuery"]


class CallableQuery(Query):
    """A function of a batch that returns one kind of scores, or labels.

    Parameters
    ----------
    func : callable
        ``func(batch)`` returns one row per copy: an array, tensor, DataFrame or nested list. The
        columns of a DataFrame name the classes, in whatever order they come.
    output : {"predict_proba", "logits", "decision_function", "predict"}
        What the rows are. The first answers are checked: probabilities are never negative
        and sum to 1, up to rounding; if "logits" turn out to be probabilities, they are
        treated as such, with a warning.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns, in their order. None means 0..n_classes-1. Needed for functions
        that return labels ("predict").
    preprocess : callable, default=None
        Applied to every batch before `func`.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, for a model whose content cannot be read.

    Raises
    ------
    TypeError
        If `func` is not callable, or is a class.
    ValueError
        If `output` is unknown, or `classes` are not distinct labels in one row.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import CallableQuery, respond
    >>> query = CallableQuery(lambda X: X @ [[1.0, -1.0]], output="logits", classes=["a", "b"])
    >>> respond(query, np.array([[2.0]]), "label").tolist()
    [[1.0, 0.0]]
    """

    def __init__(
        self,
        func: Callable[[Inputs], Array],
        *,
        output: str = "predict_proba",
        classes: ArrayLike | None = None,
        preprocess: Preprocess | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        if isinstance(func, type) or not callable(func):
            name = func.__name__ if isinstance(func, type) else type(func).__name__
            raise TypeError(
                f"CallableQuery takes a function of a batch, not {name}; pass a method of a "
                "fitted model, for instance."
            )
        check_choice(output, "output", OUTPUTS)
        super().__init__(
            func, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        self.output = output
        self.outputs = (output,)
        self.classes_ = None if classes is None else as_classes(classes)

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Answer of the function to one batch, as a NumPy array of its own."""
        self.check_offered(output)
        return array_in_order(self, self.model(self.prepare(X)), X, output)
