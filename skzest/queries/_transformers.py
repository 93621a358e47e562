# SPDX-License-Identifier: BSD-3-Clause
"""Hugging Face classifiers with their tokenizer or image processor, asked as torch modules."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import listed
from ..exceptions import QueryError
from ._base import Array, Inputs, Model, Preprocess, as_numpy
from ._torch import TorchQuery

__all__ = ["TransformersQuery", "is_pipeline"]

_TASKS = ("text-classification", "image-classification")


def is_pipeline(model: object) -> bool:
    """Whether this is a pipeline of transformers; never imports the library."""
    # Not transformers.Pipeline: to look it up there would import all pipelines.
    base = sys.modules.get("transformers.pipelines.base")
    return isinstance(model, getattr(base, "Pipeline", ()))


class TransformersQuery(TorchQuery):
    """A classifier of texts or images, of the library transformers.

    The labels are those of the model's configuration. Copies go through the tokenizer (padded,
    and cut to what the model takes) or through the image processor.

    Parameters
    ----------
    model : Pipeline or PreTrainedModel
        A pipeline for the task "text-classification" or "image-classification", or a model that
        has a head of classes.
    processor : tokenizer or image processor, default=None
        Needed with a model; a pipeline has its own.
    preprocess : callable, default=None
        Applied to every batch before the processor.
    classes : array-like of shape (n_classes,), default=None
        Other names for the columns; None means those of the configuration.
    **params
        ``device``, ``dtype``, ``autocast``, ``deterministic`` and ``model_id`` of
        :class:`TorchQuery`.

    Raises
    ------
    TypeError
        If it is a pipeline for another task, a regressor, a model of several labels at a time,
        or a model without a processor.

    Examples
    --------
    >>> from transformers import pipeline                               # doctest: +SKIP
    >>> from skzest.queries import as_query
    >>> query = as_query(pipeline("text-classification", "my/model"))   # doctest: +SKIP
    """

    def __init__(
        self,
        model: Model,
        processor: Any = None,
        *,
        preprocess: Preprocess | None = None,
        classes: ArrayLike | None = None,
        **params: Any,
    ):
        options: dict[str, object] = {}
        if is_pipeline(model):
            processor, options = _parts_of(model)
            model = model.model
        if processor is None:
            raise TypeError(
                f"{type(model).__name__} needs the tokenizer or image processor that it was "
                "trained with; pass processor=, or a pipeline."
            )
        _check_head(model)
        super().__init__(
            model,
            preprocess=Processor(processor, preprocess, options),
            classes=classes,
            optimize=False,  # these modules cannot be captured
            **params,
        )

    def content(self) -> dict[str, object]:
        """The module, its processor, and all that decides how it is asked."""
        content = super().content()
        if isinstance(self.preprocess, Processor):
            content["preprocess"] = self.preprocess.content()
        return content


class Processor:
    """From texts or 8-bit images to named tensors, by a tokenizer or an image processor."""

    def __init__(self, processor: Any, first: Preprocess | None, options: dict[str, object]):
        self.processor, self.first, self.options = processor, first, options

    def __call__(self, X: Inputs) -> Mapping[str, Array]:
        """Inputs of the model for one batch."""
        X = X if self.first is None else self.first(X)
        if isinstance(X, list) and isinstance(X[0], str):
            options = {"padding": True, "truncation": True, **self.options}
            return self.processor(X, return_tensors="pt", **options)
        return self.processor(images=_images(X), return_tensors="pt", **self.options)

    def content(self) -> dict[str, object]:
        """What decides the inputs that come out."""
        tokenizer = getattr(self.processor, "backend_tokenizer", None)
        if tokenizer is not None:
            length = self.processor.model_max_length
            described: object = [tokenizer.to_str(), self.processor.padding_side, length]
        else:
            written = getattr(self.processor, "to_json_string", None)
            described = self.processor if written is None else written()
        return {"processor": described, "first": self.first, "options": self.options}


def _images(X: Inputs) -> list[np.ndarray]:
    """Images of three channels, channels last, as processors take them."""
    images = [as_numpy(x) for x in X]
    if images[0].dtype != np.uint8:
        raise QueryError(
            f"an image processor scales images of 8 bits, and the copies are {images[0].dtype}; "
            "use a uint8 reference, or preprocess=, which returns uint8 images."
        )
    return [np.repeat(x[..., None], 3, axis=2) if x.ndim == 2 else x for x in images]


def _parts_of(pipeline: Model) -> tuple[Any, dict[str, object]]:
    """The processor of a pipeline, and the options that it was made with."""
    if pipeline.task not in _TASKS:
        raise TypeError(
            f"this pipeline is for {pipeline.task!r}, and has no classes to compare; use one for "
            f"{listed(map(repr, _TASKS), 'or')}."
        )
    if pipeline.task == "text-classification":
        return pipeline.tokenizer, dict(getattr(pipeline, "_preprocess_params", {}))
    return pipeline.image_processor, {}


def _check_head(model: Model) -> None:
    """Refuse a model that does not answer for one set of classes."""
    config = model.config
    problem = getattr(config, "problem_type", None)
    if problem == "regression" or config.num_labels < 2:
        raise TypeError(
            f"{type(model).__name__} predicts numbers and has no classes to compare. To compare "
            'its predictions, use TorchQuery(model, preprocess=..., output="decision_function"), '
            "where preprocess returns what the tokenizer or image processor makes of a batch, and "
            'response="decision_function".'
        )
    if problem == "multi_label_classification":
        raise TypeError(
            f"{type(model).__name__} has the problem type {problem!r} and {config.num_labels} "
            "labels, and a signature describes one set of classes. Wrap a function that gives the "
            "scores of one in CallableQuery."
        )
