# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's classifiers, and whatever has their methods."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._points import rows
from ..exceptions import QueryError
from ._base import Inputs, Model, Preprocess, Query, as_numpy
from ._columns import as_trained
from ._labels import array_in_order

__all__ = ["SklearnQuery", "nested_estimators", "speaks_sklearn"]

_METHODS = ("predict_proba", "decision_function", "predict")
# Of the widest layer of a perceptron.
_LAYER_BYTES = 2**22


def speaks_sklearn(model: Model) -> bool:
    """Whether an object looks like an estimator; what is wrong with one can then be named."""
    return hasattr(model, "fit") or any(hasattr(model, method) for method in _METHODS)


class SklearnQuery(Query):
    """A fitted classifier with ``predict_proba``, ``decision_function`` or ``predict``.

    It need not come from scikit-learn. Mixture models and outlier detectors have scores and
    are taken too; the classes of the latter are -1 and 1. A model that has only ``predict`` and
    lists no classes, such as one of keras, is taken to predict probabilities.

    Parameters
    ----------
    model : estimator
        Fitted classifier, or a Pipeline, search or ensemble that is one.
    preprocess : callable, default=None
        Applied to every batch before the model sees it.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, for a model whose content cannot be read.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If it is a class, a regressor, has several outputs, or cannot be asked.

    Examples
    --------
    >>> from sklearn.svm import LinearSVC
    >>> from skzest.queries import SklearnQuery
    >>> query = SklearnQuery(LinearSVC().fit([[0.0], [1.0]], ["no", "yes"]))
    >>> query.outputs, query.classes_.tolist()
    (('decision_function', 'predict'), ['no', 'yes'])
    """

    def __init__(
        self,
        model: Model,
        *,
        preprocess: Preprocess | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        if isinstance(model, type):
            raise TypeError(
                f"{model.__name__} is a class, not a model; pass a fitted instance of it."
            )
        super().__init__(
            model, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        name, kind = type(model).__name__, _estimator_type(model)
        if kind == "regressor":
            raise TypeError(
                f"{name} is a regressor and has no classes to compare. To compare its predictions, "
                'use CallableQuery(model.predict, output="decision_function") and '
                'response="decision_function"; if it predicts one score for each class, '
                'CallableQuery(model.predict, output="logits").'
            )
        _check_fitted(model, name)
        self.classes_ = _classes_of(model, name, kind)
        self._methods = _methods_of(model, name, kind, self.classes_)
        self.outputs = tuple(self._methods)
        # torch warns of read-only arrays, since it cannot keep its tensors from being written to.
        self._wants_writable = any(map(_is_skorch, nested_estimators(model)))
        self._rows_at_a_time = _rows_of_layers(model)
        self._one_vs_one = (
            self.classes_ is not None
            and len(self.classes_) > 2
            and any(
                getattr(m, "decision_function_shape", "") == "ovo" for m in nested_estimators(model)
            )
        )

    def saying(self, output: str) -> str:
        """How to say that the scores of this model are something else."""
        return f'CallableQuery(model.{self._methods["predict_proba"]}, output="{output}")'

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Answer of the method for that output to one batch, as a NumPy array of its own."""
        self.check_offered(output)
        if self._one_vs_one and output == "decision_function":
            # Of 3 classes there are 3 pairs: the shape alone would not tell.
            raise QueryError(
                f"{self!r} gives decision values for pairs of classes; set "
                'decision_function_shape="ovr" on the SVC (it needs no new fit).'
            )
        prepared = as_trained(self, self.prepare(X), _names_of_columns(self.model))
        if self._wants_writable and isinstance(prepared, np.ndarray):
            prepared = prepared.copy()
        method = getattr(self.model, self._methods[output])
        try:
            if self._rows_at_a_time is None:
                answer = method(prepared)
            else:
                answer = _in_slices(method, prepared, self._rows_at_a_time)
        except ValueError as error:
            if np.ndim(prepared) <= 2:
                raise
            raise QueryError(
                f"{self!r} does not take a batch of shape {np.shape(prepared)}: {error} If it was "
                "trained on rows, pass as_query(model, preprocess=rows) with a function that makes "
                "them, such as lambda X: X.reshape(len(X), -1)."
            ) from error
        return array_in_order(self, answer, X, output)


def _rows_of_layers(model: Model) -> int | None:
    """Rows for which the widest layer of a perceptron stays in the cache; None for other models.

    Batches are as large as suits forests. With 16,384 rows a perceptron of 256 units takes 1.1 to
    1.2 times as long as with 2,048, and one of 1,024 units 2.7 times as long as with 512.
    """
    *outer, inner = nested_estimators(model)
    kind = getattr(sys.modules.get("sklearn.neural_network"), "MLPClassifier", None)
    if type(inner) is not kind or any(type(m).__module__[:8] != "sklearn." for m in outer):
        return None
    return max(_LAYER_BYTES // (8 * max(map(len, inner.coefs_))), 1)


def _in_slices(method: Callable[[Inputs], Any], X: Inputs, n_rows: int) -> Any:
    """The answer to a batch, asked for at most so many rows at a time."""
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if n <= n_rows:
        return method(X)
    return np.concatenate([method(rows(X, k, k + n_rows)) for k in range(0, n, n_rows)])


def _is_skorch(model: Model) -> bool:
    return isinstance(model, getattr(sys.modules.get("skorch"), "NeuralNet", ()))


def _names_of_columns(model: Model) -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names)


def _estimator_type(model: Model) -> str | None:
    if hasattr(model, "__sklearn_tags__"):
        from sklearn.utils import get_tags

        try:
            return get_tags(model).estimator_type
        except AttributeError:  # mixins in an order that scikit-learn cannot read tags from
            pass
    return getattr(model, "_estimator_type", None)


def _check_fitted(model: Model, name: str) -> None:
    if not (hasattr(model, "__sklearn_tags__") and hasattr(model, "fit")):
        return  # a model of another library complains itself when it is asked
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise NotFittedError(
            f"{name} is not fitted; fit it before its answers are compared. (A model that needs "
            "no fitting says so with __sklearn_is_fitted__.)"
        ) from error
    except AttributeError:  # a mixin without BaseEstimator, which has no tags to read
        return


def nested_estimators(model: Model) -> Iterator[Model]:
    """The model, then the estimators to which it delegates, one inside another."""
    names = ("best_estimator_", "_final_estimator", "final_estimator_", "estimator_")
    while model is not None:
        yield model
        inner = (getattr(model, name, None) for name in names)
        # Not by truth: an unfitted ensemble has no length.
        model = next((layer for layer in inner if layer is not None), None)


def _classes_of(model: Model, name: str, kind: str | None) -> np.ndarray | None:
    refusal = TypeError(
        f"{name} has several outputs (multi-output or multilabel), and a signature describes one "
        "set of classes. Wrap a function that returns the scores of one output in CallableQuery."
    )
    for layer in nested_estimators(model):
        for binarizer in ("label_binarizer_", "_label_binarizer"):
            target = getattr(getattr(layer, binarizer, None), "y_type_", "")
            if target.startswith("multilabel"):
                raise refusal
    classes = getattr(model, "classes_", None)
    if classes is None:
        return np.array([-1, 1]) if kind == "outlier_detector" else None
    if isinstance(classes, (list, tuple)) and any(np.ndim(labels) for labels in classes):
        raise refusal
    classes = as_numpy(classes)
    if classes.ndim != 1:
        raise refusal
    if len(set(classes.tolist())) < len(classes):
        raise TypeError(f"{name} has a class twice in classes_: {classes.tolist()[:10]}.")
    return classes


def _methods_of(
    model: Model, name: str, kind: str | None, classes: np.ndarray | None
) -> dict[str, str]:
    """The method to call for each output."""
    methods = {method: method for method in _METHODS if hasattr(model, method)}
    if classes is None and kind is None and list(methods) == ["predict"]:
        return {"predict_proba": "predict"}
    # The numbers of clusters and mixture components are not classes that two models share.
    if classes is None and kind not in (None, "classifier"):
        methods.pop("predict", None)
    if not methods:
        what = "" if kind is None else f" (a {kind.replace('_', ' ')})"
        refit = " A search needs refit=True." if hasattr(model, "cv_results_") else ""
        raise TypeError(
            f"{name}{what} cannot be asked: it has no predict_proba, no decision_function and no "
            f"predict that names classes.{refit} Wrap a function of a batch that returns one score "
            'per class: CallableQuery(func, output="logits").'
        )
    return methods
