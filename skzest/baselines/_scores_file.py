# SPDX-License-Identifier: BSD-3-Clause
"""Answers in a file: arrays without pickle, each checked against the plan that was asked."""

from __future__ import annotations

import os
import zipfile
from typing import BinaryIO

import numpy as np

from .._points import little_endian
from .._validation import listed
from ..exceptions import DesignMismatchError
from ..plan import QueryPlan, check_form, check_labels, expect, field_of_file, plain_labels, told
from ..queries import fault_of

__all__ = ["read", "write"]

_FORMAT = 1
_FIELDS = ("values", "classes", "constant", "digest", "format")


def write(
    path: str | os.PathLike[str],
    *,
    values: np.ndarray,
    classes: np.ndarray,
    constant: np.ndarray,
    digest: str,
) -> None:
    """Write answers and the digest of the plan.

    Raises
    ------
    TypeError
        If labels cannot be written without pickle.
    """
    arrays = {
        "values": little_endian(values.astype(np.float64)),
        "classes": little_endian(plain_labels(classes)),
        "constant": constant,
        "digest": np.array(digest),
        "format": np.array(_FORMAT),
    }
    with open(path, "wb") as file:  # np.savez would append .npz to the name
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read(path: str | os.PathLike[str], plan: QueryPlan) -> dict[str, np.ndarray]:
    """The arrays of a file that answers a plan.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it holds something else, or a field does not fit the others or the plan.
    DesignMismatchError
        If it answers another plan.
    """
    name = repr(os.fspath(path))
    with open(path, "rb") as file:
        try:
            arrays = _arrays(file)
            version, digest = arrays.pop("format").item(), str(arrays.pop("digest"))
        except Exception as error:
            raise ValueError(
                f"{name} does not hold answers: {told(error).rstrip('.')}. Scores.save and skzest "
                "answer write them."
            ) from error
    if version != _FORMAT:
        raise ValueError(
            f"{name} has format {version!r}; this version of skzest reads {_FORMAT}. Ask for the "
            "answers as saved by the version that you use."
        )
    if digest != plan.digest:
        raise DesignMismatchError(
            f"{name} answers other questions (digest {digest[:8]}) than the plan asks "
            f"({plan.digest[:8]}). Pass the plan that was asked, or have this one answered."
        )
    try:
        _check_fields(plan, **arrays)
    except ValueError as error:
        raise ValueError(
            f"{name} is damaged: {str(error).rstrip('.')}. Ask for a new copy."
        ) from error
    return arrays


def _arrays(file: BinaryIO) -> dict[str, np.ndarray]:
    """The fields of an archive."""
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not an archive of arrays (.npz).")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        missing = [name for name in _FIELDS if name not in archive.files]
        if missing:
            raise ValueError(f"it has no {listed(missing, 'or')}.")
        return {name: archive[name] for name in _FIELDS}


# --- fields, each checked against the others ------------------------------------------------


def _check_fields(
    plan: QueryPlan, *, values: np.ndarray, classes: np.ndarray, constant: np.ndarray
) -> None:
    with field_of_file("classes"):
        check_labels(classes)
    with field_of_file("constant"):
        check_form(constant, "b", (constant.size,))
        if not constant.size:
            raise ValueError("there is no model.")
    with field_of_file("values"):
        expect(values.dtype.str, "<f8", "as type of numbers")
        shape = (len(constant), sum(plan.masks.n_masks), len(classes))
        expect(values.shape, shape, "as shape beside constant, the plan and classes")
        for model, scores in enumerate(values):
            fault = _fault(scores, plan.response)
            if fault is not None:
                raise ValueError(f"of model {model}, {fault}.")


def _fault(scores: np.ndarray, response: str) -> str | None:
    """What a model cannot have answered, (n_questions, n_classes); None if there is nothing."""
    present = ~np.isnan(scores).all(axis=0)
    scores = scores[:, present]
    if not present.any() or not np.isfinite(scores).all():
        return "numbers are missing or infinite"
    if response not in ("label", "predict_proba"):
        return None
    if response == "label" and not np.isin(scores, (0, 1)).all():
        return "labels are not zeros and ones"
    return fault_of(scores)
