# SPDX-License-Identifier: BSD-3-Clause
"""Rehearsed questions in a file: their plan, and arrays that are checked against it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from ..plan import (
    QueryPlan,
    check_form,
    check_labels,
    expect,
    field_of_file,
    plain_labels,
    sha256,
    told,
)
from ..queries import fault_of

__all__ = ["read", "write"]

_FIELDS = ("indices", "weights", "centre", "owner_scores", "classes")


def write(path: str | os.PathLike[str], plan: QueryPlan, **arrays: np.ndarray) -> None:
    """Write a plan and the arrays named in ``_FIELDS``.

    Raises
    ------
    TypeError
        If labels cannot be written without pickle.
    """
    arrays = arrays | {"classes": plain_labels(arrays["classes"]), "plan": _bytes_of(plan)}
    digest = np.array(sha256(b"", arrays).hexdigest())
    with open(path, "wb") as file:  # np.savez would append .npz to the name
        np.savez_compressed(file, digest=digest, **arrays)  # type: ignore[arg-type]


def read(path: str | os.PathLike[str]) -> tuple[QueryPlan, dict[str, np.ndarray]]:
    """The plan and the arrays of a file.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it holds something else, or a field does not fit the others or the digest.
    """
    name = repr(os.fspath(path))
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in (*_FIELDS, "plan")}
                digest = str(archive["digest"])
        except Exception as error:
            raise ValueError(
                f"{name} does not hold rehearsed questions: {told(error)}. "
                "RehearsedQuestions.save writes them."
            ) from error
    found = sha256(b"", arrays).hexdigest()
    try:
        with field_of_file("plan"):
            plan = _plan_of(arrays.pop("plan"))
        _check_fields(plan, **arrays)
    except ValueError as error:
        raise ValueError(f"{name} is damaged: {error}") from error
    if found != digest:
        raise ValueError(
            f"{name} is damaged: its contents have digest {found[:8]}, it says {digest[:8]}. Ask "
            "for a new copy."
        )
    return plan, arrays


# --- the plan, a file within the file -------------------------------------------------------


def _bytes_of(plan: QueryPlan) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        plan.save(Path(folder) / "plan.npz")
        return np.frombuffer((Path(folder) / "plan.npz").read_bytes(), dtype=np.uint8)


def _plan_of(content: np.ndarray) -> QueryPlan:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plan.npz").write_bytes(content.tobytes())
        return QueryPlan.load(Path(folder) / "plan.npz")


# --- fields, each checked against the others ------------------------------------------------


def _check_fields(
    plan: QueryPlan,
    *,
    indices: np.ndarray,
    weights: np.ndarray,
    centre: np.ndarray,
    owner_scores: np.ndarray,
    classes: np.ndarray,
) -> None:
    n = len(plan)
    with field_of_file("plan"):
        expect(sum(plan.masks.n_masks), n, "questions about its points")
    with field_of_file("indices"):
        check_form(indices, "i", (n,))
        if indices.min() < 0 or len(set(indices.tolist())) < n:
            raise ValueError("a position is negative or appears twice.")
    for name, values, shape in (("weights", weights, (n,)), ("centre", centre, ())):
        with field_of_file(name):
            check_form(values, "f", shape)
    _check_range(weights, float(centre))
    with field_of_file("classes"):
        check_labels(classes)
    with field_of_file("owner_scores"):
        check_form(owner_scores, "f", (n, classes.size))
        _check_answers(owner_scores, plan.response)


def _check_range(weights: np.ndarray, centre: float) -> None:
    """Refuse what no discriminant has, and what would make distances infinite."""
    low, high = (float(weights[weights * sign > 0].sum()) for sign in (-1, 1))
    with field_of_file("weights"), np.errstate(over="ignore"):
        if not np.isfinite(np.exp(high - low)):
            raise ValueError(f"their sums are {low:.3g} to {high:.3g}, too large for a distance.")
    with field_of_file("centre"):
        if not low <= centre <= high:
            raise ValueError(
                f"{centre:.3g} is not among the sums of weights, {low:.3g} to {high:.3g}."
            )


def _check_answers(owner_scores: np.ndarray, response: str) -> None:
    """Refuse scores that are not what a model answers."""
    if response not in ("label", "predict_proba"):
        raise ValueError(f"they answer the response {response!r}.")
    fault = fault_of(owner_scores)
    if fault is None and response == "label" and not np.isin(owner_scores, (0, 1)).all():
        fault = "labels are not zeros and ones"
    if fault is not None:
        raise ValueError(f"{fault}.")
