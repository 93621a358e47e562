# SPDX-License-Identifier: BSD-3-Clause
# The public names of skzest, each imported when it is first used; see __init__.py.
from . import exceptions, fingerprints, loading, maskers, queries, rehearsal, testing
from .comparing import (
    ClassAligner,
    ZestDistanceTransformer,
    crossvalidated_distances,
    distance_interval,
    explain_distance,
    nearest_models,
    reference_curve,
    split_half_plans,
    zest_distances,
)
from .detectors import (
    ReuseDetector,
    UnlearningVerifier,
    relative_distances,
    sequential_distance,
    sequential_distances,
)
from .displays import (
    DistanceStripsDisplay,
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
from .loading import IsolatedQuery, load_model, load_reference
from .maskers import AudioMasker, ImageMasker, TabularMasker, TextMasker
from .plan import QueryPlan
from .queries import CallableQuery, LiteRTQuery, OnnxQuery, SklearnQuery, TorchQuery, as_query
from .report import html_report
from .signature import LimeSignatureTransformer
from .store import AnswerStore
from .without_signatures import model_distances

__version__: str

__all__ = [
    "AnswerStore",
    "AudioMasker",
    "CallableQuery",
    "ClassAligner",
    "DesignMismatchError",
    "DistanceStripsDisplay",
    "ExplanationDisplay",
    "ImageMasker",
    "IsolatedQuery",
    "LimeSignatureTransformer",
    "LiteRTQuery",
    "ModelChangedError",
    "OnnxQuery",
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
    "exceptions",
    "explain_distance",
    "fingerprints",
    "html_report",
    "load_model",
    "load_reference",
    "loading",
    "maskers",
    "model_distances",
    "nearest_models",
    "queries",
    "reference_curve",
    "rehearsal",
    "relative_distances",
    "sequential_distance",
    "sequential_distances",
    "split_half_plans",
    "testing",
    "zest_distances",
]
