# SPDX-License-Identifier: BSD-3-Clause
"""Surrogates and maskers of a plan as JSON, and back, without running what a file names."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np

from . import maskers

__all__ = ["masker_from_json", "surrogate_from_json", "surrogate_to_json"]


def surrogate_to_json(surrogate: Any) -> Any:
    if isinstance(surrogate, str):
        return surrogate
    params = {name: _plain_value(value) for name, value in surrogate.get_params().items()}
    # Neither changes a coefficient, and copies of a plan should not differ by them.
    params = {name: v for name, v in params.items() if name not in ("n_jobs", "copy_X")}
    cls = type(surrogate)
    return {"module": cls.__module__, "class": cls.__qualname__, "params": params}


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (bool, int, float, str, type(None))) else repr(value)


def surrogate_from_json(value: Any) -> Any:
    if isinstance(value, str):
        return value
    # A file must not be able to name code to run: scikit-learn's linear models only.
    if not value["module"].startswith("sklearn.linear_model."):
        raise ValueError(
            f"the plan's surrogate {value['class']} is not one of sklearn.linear_model, "
            "so it is not rebuilt from a file."
        )
    cls = getattr(importlib.import_module("sklearn.linear_model"), value["class"])
    known = inspect.signature(cls).parameters
    return cls(**{name: v for name, v in value["params"].items() if name in known})


def masker_from_json(header: dict, masker: Any) -> Any:
    if masker is not None:
        if type(masker).__name__ != header["masker"]:
            raise ValueError(
                f"the plan was made with {header['masker']}; masker is {type(masker).__name__}."
            )
        return masker
    if header["masker"] not in maskers.__all__:
        raise ValueError(
            f"the plan was made with {header['masker']}, which is not one of skzest's own; "
            "pass masker=."
        )
    return getattr(maskers, header["masker"])(**header["layout"])
