# SPDX-License-Identifier: BSD-3-Clause
"""Surrogates and maskers of a plan as JSON, and back, without running what a file names."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import RegressorMixin

from .. import maskers
from ..maskers import BaseMasker
from ._surrogates import Surrogate, closed_form

# What json.dumps takes.
Plain: TypeAlias = Any

__all__ = ["masker_from_json", "surrogate_from_json", "surrogate_to_json"]


def surrogate_to_json(surrogate: Surrogate) -> Plain:
    if isinstance(surrogate, str):
        return surrogate
    # What the closed form needs decides the coefficients; other parameters come and go with
    # versions of scikit-learn, and copies of a plan should not differ by them.
    params = closed_form(surrogate) or {
        name: _plain_value(value)
        for name, value in surrogate.get_params().items()
        if name not in ("n_jobs", "copy_X")
    }
    cls = type(surrogate)
    return {"module": cls.__module__, "class": cls.__qualname__, "params": params}


def _plain_value(value: object) -> Plain:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, (list, tuple)):
        return [_plain_value(one) for one in value]
    # repr() would shorten arrays and name addresses: two surrogates would look like one.
    raise TypeError(
        f"a surrogate with a parameter {value!r} has no plain form, so its plan cannot be named, "
        "saved or compared. Give numbers, strings or arrays of numbers (a seed as an integer)."
    )


def surrogate_from_json(value: Plain) -> Surrogate:
    if isinstance(value, str):
        return value
    # A file must not be able to name code to run: scikit-learn's linear models only.
    if not value["module"].startswith("sklearn.linear_model."):
        raise ValueError(
            f"the plan's surrogate {value['class']} is not one of sklearn.linear_model, "
            "so it is not rebuilt from a file."
        )
    cls = getattr(importlib.import_module("sklearn.linear_model"), value["class"], None)
    if not (inspect.isclass(cls) and issubclass(cls, RegressorMixin)):
        raise ValueError(f"the plan's surrogate {value['class']!r} is not a regressor known here.")
    known = inspect.signature(cls).parameters
    return cls(**{name: _value(v) for name, v in value["params"].items() if name in known})


def _value(plain: Plain) -> object:
    return np.array(plain["array"], plain["dtype"]) if isinstance(plain, dict) else plain


def masker_from_json(header: dict, masker: BaseMasker | None) -> BaseMasker:
    if masker is not None:
        if type(masker).__name__ != header["masker"]:
            raise ValueError(
                f"the plan was made with {header['masker']}; masker is {type(masker).__name__}."
            )
        return masker
    cls = getattr(maskers, header["masker"], None)
    if not (inspect.isclass(cls) and issubclass(cls, maskers.BaseMasker)):
        raise ValueError(
            f"the plan was made with {header['masker']}, which is not one of skzest's own; "
            "pass masker=."
        )
    return cls(**header["layout"])
