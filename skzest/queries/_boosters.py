# SPDX-License-Identifier: BSD-3-Clause
"""Native models of LightGBM, XGBoost and CatBoost; their libraries are imported in functions only.

Their scikit-learn classes, such as ``LGBMClassifier``, are asked by :class:`SklearnQuery`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import listed
from ._base import Inputs, Model, Preprocess, Query
from ._columns import as_trained
from ._labels import as_classes

__all__ = [
    "CatBoostQuery",
    "LightGBMQuery",
    "XGBoostQuery",
    "is_catboost",
    "is_lightgbm",
    "is_xgboost",
]


def is_lightgbm(model: object) -> bool:
    """Whether this is a ``lightgbm.Booster``; never imports the library."""
    return isinstance(model, getattr(sys.modules.get("lightgbm"), "Booster", ()))


def is_xgboost(model: object) -> bool:
    """Whether this is an ``xgboost.Booster``; never imports the library."""
    return isinstance(model, getattr(sys.modules.get("xgboost"), "Booster", ()))


def is_catboost(model: object) -> bool:
    """Whether this is a ``catboost.CatBoost``, and not its scikit-learn class."""
    library = sys.modules.get("catboost")
    wrapped = getattr(library, "CatBoostClassifier", ()), getattr(library, "CatBoostRegressor", ())
    return isinstance(model, getattr(library, "CatBoost", ())) and not isinstance(model, wrapped)


class BoosterQuery(Query):
    """Base of the queries of boosted trees: probabilities, and the margins behind them.

    Parameters
    ----------
    model : object
        A trained native model of the library, whose objective is classification.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns, where the model does not name them; None means 0..n_classes-1.
    preprocess : callable, default=None
        Applied to every batch before the model sees it.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, in place of the content of the model.

    Raises
    ------
    TypeError
        If the objective of the model is not classification.
    """

    outputs = ("predict_proba", "decision_function")
    # Objectives under which the trees answer with the margins of classes.
    objectives: tuple[str, ...] = ()

    def __init__(
        self,
        model: Model,
        *,
        classes: ArrayLike | None = None,
        preprocess: Preprocess | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        super().__init__(
            model, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        objective = self._objective()
        if objective not in self.objectives:
            raise TypeError(
                f"{type(model).__name__} was trained with the objective {objective!r}, and a "
                f"classifier has {listed(map(repr, self.objectives), 'or')}. To compare what it "
                'predicts, use CallableQuery(func, output="decision_function"), where func returns '
                'its predictions for a batch, and response="decision_function".'
            )
        if classes is not None:
            self.classes_ = as_classes(classes)

    @abstractmethod
    def _objective(self) -> str:
        """What the model was trained to do, as its library calls it."""

    @abstractmethod
    def _answer(self, X: Inputs, margins: bool) -> np.ndarray:
        """Probabilities or margins, (n, n_classes), or (n,) of the second of two classes."""

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Raw answer of the trees to one batch."""
        self.check_offered(output)
        answer = self._answer(self.prepare(X), margins=output == "decision_function")
        if answer.ndim == 1 and output == "predict_proba":
            return np.stack([1 - answer, answer], axis=1)
        return answer

    def content(self) -> dict[str, object]:
        """The trees, and all that decides how they are asked."""
        names = ("model", "preprocess", "classes_")
        return {name: getattr(self, name) for name in names}


class LightGBMQuery(BoosterQuery):
    """A trained ``lightgbm.Booster``.

    It answers with the trees up to its best iteration, as its ``predict`` does.

    Parameters
    ----------
    model : lightgbm.Booster
        Trained, with an objective of classification.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns; None means 0..n_classes-1.
    preprocess, deterministic, model_id
        As in :class:`Query`.

    Raises
    ------
    TypeError
        If the objective of the model is not classification.
    """

    objectives = ("binary", "cross_entropy", "multiclass", "multiclassova")

    def _objective(self) -> str:
        name = self.model.dump_model(num_iteration=1).get("objective", "")
        return name.split(" ")[0]  # "multiclass num_class:3"

    def _answer(self, X: Inputs, margins: bool) -> np.ndarray:
        X = as_trained(self, X, self.model.feature_name())
        return np.asarray(self.model.predict(X, raw_score=margins))


class XGBoostQuery(BoosterQuery):
    """A trained ``xgboost.Booster``.

    It answers with all its trees, as its ``predict`` does. Probabilities are worked out from
    the margins, so that they do not depend on whether the objective asks for them.

    Parameters
    ----------
    model : xgboost.Booster
        Trained, with an objective of classification.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns; None means 0..n_classes-1.
    preprocess, deterministic, model_id
        As in :class:`Query`.

    Raises
    ------
    TypeError
        If the objective of the model is not classification.
    """

    objectives = ("binary:logistic", "binary:logitraw", "multi:softmax", "multi:softprob")

    def _objective(self) -> str:
        return json.loads(self.model.save_config())["learner"]["objective"]["name"]

    def _answer(self, X: Inputs, margins: bool) -> np.ndarray:
        import xgboost

        names = None if hasattr(X, "columns") else self.model.feature_names
        matrix = xgboost.DMatrix(X, feature_names=names, enable_categorical=True)
        scores = self.model.predict(matrix, output_margin=True)
        if margins:
            return scores
        if scores.ndim == 1:
            return 1 / (1 + np.exp(-scores))
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


class CatBoostQuery(BoosterQuery):
    """A trained ``catboost.CatBoost``.

    Parameters
    ----------
    model : catboost.CatBoost
        Trained, with an objective of classification.
    classes : array-like of shape (n_classes,), default=None
        Other names for the columns; None means the labels that the model was trained with.
    preprocess, deterministic, model_id
        As in :class:`Query`.

    Raises
    ------
    TypeError
        If the objective of the model is not classification.
    """

    objectives = ("CrossEntropy", "Logloss", "MultiClass", "MultiClassOneVsAll")

    def __init__(self, model: Model, **params: Any):
        labels = np.asarray(model.classes_)
        if len(labels):
            self.classes_ = labels
        super().__init__(model, **params)

    def _objective(self) -> str:
        return str(self.model.get_all_params().get("loss_function"))

    def _answer(self, X: Inputs, margins: bool) -> np.ndarray:
        # CatBoost writes to the memory that it is given, if it may.
        X = X.copy() if isinstance(X, np.ndarray) and not X.flags.writeable else X
        kind = "RawFormulaVal" if margins else "Probability"
        return np.asarray(self.model.predict(X, prediction_type=kind))

    def content(self) -> dict[str, object]:
        """The trees; without the time and the settings of their training, which copies lack."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trees.json")
            self.model.save_model(str(path), format="json")
            trees = json.loads(path.read_bytes())
        trees.pop("model_info")
        return {**super().content(), "model": trees}
