# SPDX-License-Identifier: BSD-3-Clause
"""Queries: a batch of masked copies goes in, one row of scores per copy comes out."""

from ._base import (
    HOST,
    OUTPUTS,
    Array,
    Inputs,
    Model,
    Query,
    Space,
    as_numpy,
    as_query,
    register_query,
)
from ._boosters import (
    CatBoostQuery,
    LightGBMQuery,
    XGBoostQuery,
    is_catboost,
    is_lightgbm,
    is_xgboost,
)
from ._callable import CallableQuery
from ._graph import GraphQuery
from ._keras import KerasQuery, is_keras
from ._labels import check_comparable_columns
from ._litert import LiteRTQuery
from ._normalizer import ImageNormalizer
from ._onnx import OnnxQuery, is_onnx
from ._probabilities import fault_of
from ._response import (
    RESPONSES,
    as_response,
    check_response,
    choose_output,
    first_look,
    respond,
)
from ._scores import raw_scores
from ._sklearn import SklearnQuery, nested_estimators, speaks_sklearn
from ._torch import TorchQuery, is_torch_module
from ._torch_shared import shared_inputs
from ._transformers import TransformersQuery, is_pipeline
from .remote import HttpQuery, RemoteQuery, ServiceQuery

__all__ = [
    "HOST",
    "OUTPUTS",
    "RESPONSES",
    "Array",
    "CallableQuery",
    "CatBoostQuery",
    "GraphQuery",
    "HttpQuery",
    "ImageNormalizer",
    "Inputs",
    "KerasQuery",
    "LightGBMQuery",
    "LiteRTQuery",
    "Model",
    "OnnxQuery",
    "Query",
    "RemoteQuery",
    "ServiceQuery",
    "SklearnQuery",
    "Space",
    "TorchQuery",
    "TransformersQuery",
    "XGBoostQuery",
    "as_numpy",
    "as_query",
    "as_response",
    "check_comparable_columns",
    "check_response",
    "choose_output",
    "fault_of",
    "first_look",
    "is_torch_module",
    "nested_estimators",
    "raw_scores",
    "register_query",
    "respond",
    "shared_inputs",
]

# The last is tried first: "is callable" is the widest, so it comes in first.
register_query(callable, CallableQuery)
register_query(speaks_sklearn, SklearnQuery)
register_query(is_torch_module, TorchQuery)
register_query(is_onnx, OnnxQuery)
register_query(is_lightgbm, LightGBMQuery)
register_query(is_xgboost, XGBoostQuery)
register_query(is_catboost, CatBoostQuery)
register_query(is_keras, KerasQuery)
register_query(is_pipeline, TransformersQuery)
