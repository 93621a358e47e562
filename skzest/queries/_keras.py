# SPDX-License-Identifier: BSD-3-Clause
"""Keras 3 models, whatever backend runs them; keras is imported in functions only."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_choice
from ._base import OUTPUTS, Inputs, Model, Preprocess, Query, as_numpy
from ._inputs import Input, feeds_for
from ._labels import as_classes
from ._scores import two_columns

__all__ = ["KerasQuery", "is_keras"]


def is_keras(model: object) -> bool:
    """Whether this is a ``keras.Model``; never imports keras."""
    return isinstance(model, getattr(sys.modules.get("keras"), "Model", ()))


class KerasQuery(Query):
    """A built Keras classifier of one output, asked with ``training=False``.

    Parameters
    ----------
    model : keras.Model
    output : {"auto", "logits", "predict_proba", "decision_function"}, default="auto"
        What the model answers with. ``"auto"`` reads it from the activation of the last layer.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns; None means 0..n_classes-1. With two labels, a model of one column
        is taken to answer for the second.
    preprocess : callable, default=None
        Applied to every batch; returns an array, or a dict of arrays by name of input.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, in place of the content of the model.

    Raises
    ------
    ValueError
        If the model is not built, or has several outputs.

    Examples
    --------
    >>> import keras                                                    # doctest: +SKIP
    >>> from skzest.queries import KerasQuery
    >>> query = KerasQuery(keras.saving.load_model("net.keras"))        # doctest: +SKIP
    """

    def __init__(
        self,
        model: Model,
        *,
        output: str = "auto",
        classes: ArrayLike | None = None,
        preprocess: Preprocess | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        check_choice(output, "output", ("auto", *OUTPUTS[:3]))
        super().__init__(
            model, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        declared = getattr(model, "inputs", None) if getattr(model, "built", False) else None
        if not declared or len(model.outputs) != 1:
            raise ValueError(
                f"{self!r} must be built and have one output; call it once on a batch, or wrap a "
                "function that gives the scores of one output in CallableQuery."
            )
        self.inputs = tuple(
            Input(one.name, tuple(one.shape), np.dtype(one.dtype)) for one in declared
        )
        self.classes_ = None if classes is None else as_classes(classes)
        self.outputs = (_output_of(model) if output == "auto" else output,)

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Raw answer of the model to one batch, as a NumPy array."""
        self.check_offered(output)
        prepared = self.prepare(X)
        feeds = feeds_for(self, prepared, self.inputs)
        given = feeds if len(feeds) > 1 else next(iter(feeds.values()))
        scores = as_numpy(self.model.predict_on_batch(given))
        return two_columns(scores, output, self.classes_)

    def content(self) -> dict[str, object]:
        """The layers and their weights; a layer of a class of the user's own is not read."""
        names = ("model", "preprocess", "outputs", "classes_")
        content = {name: getattr(self, name) for name in names}
        types = [type(self.model), *map(type, _layers(self.model))]
        kinds = {(kind.__module__.split(".")[0], kind.__name__) for kind in types}
        if all(module == "keras" and name != "Lambda" for module, name in kinds):
            weights = [as_numpy(array) for array in self.model.get_weights()]
            content["model"] = {"layers": self.model.to_json(), "weights": weights}
        return content


def _layers(model: Model) -> Iterator[object]:
    """The layers of a model and of the models inside it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)


def _output_of(model: Model) -> str:
    """What the last layer says that its numbers are."""
    last = model
    while hasattr(last, "layers"):
        last = last.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__)
    return "predict_proba" if activation.lower() in ("softmax", "sigmoid") else "logits"
