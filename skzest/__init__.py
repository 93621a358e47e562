# SPDX-License-Identifier: BSD-3-Clause
"""How far apart are two models, and is one made from the other?

A scikit-learn extension in which the samples are models: :class:`LimeSignatureTransformer`
turns classifiers into signatures, :func:`zest_distances` compares these.
"""

from .comparing import (
    ClassAligner,
    ZestDistanceTransformer,
    crossvalidated_distances,
    distance_interval,
    explain_distance,
    reference_curve,
    split_half_plans,
    zest_distances,
)
from .detectors import (
    ReuseDetector,
    UnlearningVerifier,
    relative_distances,
    sequential_distance,
)
from .displays import (
    ExplanationDisplay,
    ReferenceCurveDisplay,
    ReuseDetectionDisplay,
    SignatureDisplay,
    ZestDistanceDisplay,
    ZooMapDisplay,
)
from .exceptions import (
    DesignMismatchError,
    ModelChangedError,
    QueryError,
    UndefinedSignatureWarning,
)
from .maskers import AudioMasker, ImageMasker, TabularMasker, TextMasker
from .plan import QueryPlan
from .queries import CallableQuery, SklearnQuery, TorchQuery, as_query
from .report import html_report
from .signature import LimeSignatureTransformer
from .store import AnswerStore

__version__ = "0.1.0.dev0"

__all__ = [
    "AnswerStore",
    "AudioMasker",
    "CallableQuery",
    "ClassAligner",
    "DesignMismatchError",
    "ExplanationDisplay",
    "ImageMasker",
    "LimeSignatureTransformer",
    "ModelChangedError",
    "QueryError",
    "QueryPlan",
    "ReferenceCurveDisplay",
    "ReuseDetectionDisplay",
    "ReuseDetector",
    "SignatureDisplay",
    "SklearnQuery",
    "TabularMasker",
    "TextMasker",
    "TorchQuery",
    "UndefinedSignatureWarning",
    "UnlearningVerifier",
    "ZestDistanceDisplay",
    "ZestDistanceTransformer",
    "ZooMapDisplay",
    "as_query",
    "crossvalidated_distances",
    "distance_interval",
    "explain_distance",
    "html_report",
    "reference_curve",
    "relative_distances",
    "sequential_distance",
    "split_half_plans",
    "zest_distances",
]
