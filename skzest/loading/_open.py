# SPDX-License-Identifier: BSD-3-Clause
"""From the bytes of a file to a query: what is checked, refused, and opened by which library."""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._validation import listed
from ..exceptions import QueryError
from ..queries import LiteRTQuery, Model, OnnxQuery, Query, TorchQuery, as_query
from ._kinds import check_archive, kind_of
from ._litert_check import check_litert
from ._onnx_check import check_onnx
from ._skops_check import check_estimator, check_schema

__all__ = ["Opening", "check_kind", "open_bytes", "read_file"]

_ASK_FOR = "Ask for the model as ONNX, TensorFlow Lite, skops or safetensors"
_TRUSTING = "if you trust whoever made it, pass trust=True"
_RUNS_CODE = f"and opening it runs whatever code it holds. {_ASK_FOR}, or {_TRUSTING}."
_REFUSED = {
    "pickle": f"it is a pickle, {_RUNS_CODE}",
    "compressed": f"it is compressed, as joblib writes pickles, {_RUNS_CODE}",
    "archive of pickles": f"it is an archive of pickles, {_RUNS_CODE}",
    "torchscript": f"it is a TorchScript program, {_RUNS_CODE}",
    "torch export": f"it is an exported torch program, which holds pickles, {_RUNS_CODE}",
    "keras": f"it is a Keras archive, whose configuration can name functions to run. {_ASK_FOR}, "
    f"or {_TRUSTING}.",
    "hdf5": f"it is an HDF5 file, in which Keras keeps models with code in them. {_ASK_FOR}, or "
    f"{_TRUSTING}.",
}
_NO_MODELS = {
    "zip": "a zip archive without a model",
    "npz": "an archive of arrays",
    "npy": "an array",
    "gguf": "a language model (GGUF), which has no classes to compare",
    "archive of pickles": "an archive of pickles; unpack it and load one of them",
    "archive at its end": "of a kind that is not known, with an archive at its end",
}
_CRASHES = (
    "the library of its kind, {}, does not check what it reads, and a damaged file can crash the "
    f"process. Pass isolated=True, which opens it in a process of its own, or, {_TRUSTING}."
)
_BOOSTERS = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "catboost": "CatBoost"}
_WEIGHTS = (
    "it holds {}, and no network; pass module=, a torch module of the same architecture, and "
    "the weights are put into a copy of it."
)


@dataclass
class Opening:
    """How a file is to be opened; see :func:`load_model`."""

    name: str
    module: Model = None
    trusted: str | Sequence[str] | None = None
    trust: bool = False
    max_bytes: int = 2**31
    in_child: bool = False
    params: dict[str, Any] = field(default_factory=dict)


def read_file(source: object, max_bytes: int) -> tuple[bytes, str]:
    """The bytes of a regular file, and its name; bytes are taken as they are."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), f"a file of {len(source):,} bytes"
    elif isinstance(source, (str, Path)):
        path = Path(source)
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist.")
        if not path.is_file():
            raise ValueError(f"{path} is not a regular file; a model is loaded from one file.")
        if path.stat().st_size > max_bytes:
            raise ValueError(
                f"{path.name} was not opened: it has {path.stat().st_size:,} bytes, more than "
                f"max_bytes={max_bytes:,}."
            )
        data, name = path.read_bytes(), path.name
    else:
        raise TypeError(f"load_model takes a path or bytes; got {type(source).__name__}.")
    if len(data) > max_bytes:
        raise ValueError(f"{name} was not opened: it is larger than max_bytes={max_bytes:,}.")
    return data, name


def check_kind(data: bytes, opening: Opening) -> str:
    """The kind of a file; a ValueError if files of that kind are not opened.

    Raises
    ------
    ValueError
        With the reason, and with what is safe in its place.
    """
    kind = kind_of(data)
    if kind in _REFUSED and not opening.trust:
        raise ValueError(_REFUSED[kind])
    if kind in _BOOSTERS and not (opening.trust or opening.in_child):
        raise ValueError(_CRASHES.format(_BOOSTERS[kind]))
    if kind in ("safetensors", "torch") and opening.module is None and not opening.trust:
        if kind == "torch":
            raise ValueError(
                f"it is a torch pickle, {_RUNS_CODE} If it holds weights only, pass module=."
            )
        raise ValueError(_WEIGHTS.format("weights"))
    if kind is None or kind not in _OPENERS:
        what = "of a kind that is not known" if kind is None else _NO_MODELS[kind]
        raise ValueError(
            f"it is {what if data else 'empty'}. Models come as .onnx, .tflite, .skops, "
            ".safetensors with module=, or native files of LightGBM, XGBoost and CatBoost."
        )
    return kind


def open_bytes(data: bytes, opening: Opening) -> Query:
    """The query of a file.

    Raises
    ------
    ValueError
        If it is refused or damaged, naming the file.
    ImportError
        If the library that opens it is not installed.
    """
    try:
        kind = check_kind(data, opening)
        return _OPENERS[kind](data, opening)
    except QueryError:
        raise
    except ValueError as error:
        raise ValueError(f"{opening.name} was not opened: {error}") from error
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{opening.name} was not opened: {error.name} is not installed. Install it, or all "
            'that opens files: pip install "skzest[files]".'
        ) from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError) as error:
        # What reads a damaged file stumbles in many ways.
        what = f"{type(error).__name__}: {str(error)[:300]}"
        raise ValueError(f"{opening.name} was not opened: it is damaged ({what}).") from error


# --- one function for each kind ---------------------------------------------------------------


def _onnx(data: bytes, opening: Opening) -> Query:
    if not opening.trust:
        check_onnx(data, opening.max_bytes, may_loop=opening.in_child)
    return OnnxQuery(data, name=opening.name, **opening.params)


def _litert(data: bytes, opening: Opening) -> Query:
    if not opening.trust:
        check_litert(data, opening.max_bytes)
    return LiteRTQuery(data, name=opening.name, **opening.params)


def _skops(data: bytes, opening: Opening) -> Query:
    import skops.io

    check_archive(data, opening.max_bytes)
    check_schema(data)
    named = opening.trusted or ()
    trusted = [named] if isinstance(named, str) else list(named)
    untrusted = [t for t in _skops_do(skops.io.get_untrusted_types, data=data) if t not in trusted]
    if untrusted and not opening.trust:
        raise ValueError(
            f"it holds types that skops does not trust: {listed(untrusted)}. Look at them, and "
            f"pass trusted={untrusted!r} if they are what you expect."
        )
    model = _skops_do(skops.io.loads, data, trusted=trusted + untrusted)
    check_estimator(model)
    return as_query(model, **opening.params)


def _skops_do(function: Callable[..., Any], *args: Any, **params: Any) -> Any:
    try:
        return function(*args, **params)
    except Exception as error:  # a tampered tree of objects fails in any way
        raise ValueError(f"skops cannot read it ({type(error).__name__}: {error}).") from error


def _safetensors(data: bytes, opening: Opening) -> Query:
    import safetensors.torch

    try:
        weights = safetensors.torch.load(data)
    except Exception as error:  # safetensors' own class
        raise ValueError(f"it is not a whole safetensors file ({error}).") from error
    return _into_module(weights, opening)


def _torch(data: bytes, opening: Opening) -> Query:
    import torch

    check_archive(data, opening.max_bytes)
    if opening.module is None:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
        return as_query(loaded, **opening.params)
    try:
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # what is not weights is refused in several ways
        raise ValueError(
            f"it holds more than weights, {_RUNS_CODE}  ({str(error)[:200]})"
        ) from error
    return _into_module(weights, opening)


def _into_module(weights: object, opening: Opening) -> Query:
    if opening.module is None:
        raise ValueError(_WEIGHTS.format("weights"))
    module = copy.deepcopy(opening.module)
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"its weights do not fit module= ({error}).") from error
    return TorchQuery(module.eval(), **opening.params)


def _torchscript(data: bytes, opening: Opening) -> Query:
    import torch

    return as_query(torch.jit.load(io.BytesIO(data), map_location="cpu"), **opening.params)


def _torch_export(data: bytes, opening: Opening) -> Query:
    import torch

    return as_query(torch.export.load(io.BytesIO(data)).module(), **opening.params)


def _pickle(data: bytes, opening: Opening) -> Query:
    import joblib

    return as_query(joblib.load(io.BytesIO(data)), **opening.params)


def _keras(data: bytes, opening: Opening) -> Query:
    import keras

    suffix = ".h5" if data.startswith(b"\x89HDF") else ".keras"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model{suffix}")
        path.write_bytes(data)
        return as_query(keras.saving.load_model(path, safe_mode=False), **opening.params)


def _lightgbm(data: bytes, opening: Opening) -> Query:
    import lightgbm

    return _booster(lambda: lightgbm.Booster(model_str=data.decode()), opening)


def _xgboost(data: bytes, opening: Opening) -> Query:
    import xgboost

    return _booster(lambda: xgboost.Booster(model_file=bytearray(data)), opening)


def _catboost(data: bytes, opening: Opening) -> Query:
    import catboost

    return _booster(lambda: catboost.CatBoost().load_model(blob=data), opening)


def _booster(read: Callable[[], Model], opening: Opening) -> Query:
    try:
        model = read()
    except Exception as error:  # each library has its own class
        raise ValueError(f"its library cannot read it ({str(error)[:300]}).") from error
    return as_query(model, **opening.params)


_OPENERS: dict[str, Callable[[bytes, Opening], Query]] = {
    "onnx": _onnx,
    "tflite": _litert,
    "skops": _skops,
    "safetensors": _safetensors,
    "torch": _torch,
    "torchscript": _torchscript,
    "torch export": _torch_export,
    "pickle": _pickle,
    "compressed": _pickle,
    "keras": _keras,
    "hdf5": _keras,
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}
