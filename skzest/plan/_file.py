# SPDX-License-Identifier: BSD-3-Clause
"""A plan in a file, and every check of a file that somebody else may have written.

Whoever changes a file can compute its digest again, so a digest that fits proves little: the fields
are checked against each other, and an error names the file and the field.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .._points import Point, Points, is_frame, same_point
from .._validation import listed
from ..maskers import BaseMasker
from ..queries import check_response
from ._encoding import Arrays, decode, encode
from ._fields import expect, field_of_file, told
from ._json import masker_from_json, surrogate_from_json, surrogate_to_json
from ._masks import PackedMasks
from ._surrogates import check_kernel_width, check_masks_suffice, check_surrogate

if TYPE_CHECKING:
    from ._plan import QueryPlan

__all__ = ["encoded", "fields_of", "read", "sha256", "write"]

_FORMAT = 2  # 1 had a digest without indices


def encoded(plan: QueryPlan) -> tuple[bytes, Arrays]:
    """A plan as a header in JSON and plain arrays, the content of its file and of its digest."""
    header = {
        "masker": type(plan.masker).__name__,
        "layout": plan.masker.layout(),
        "surrogate": surrogate_to_json(plan.surrogate),
        "kernel_width": plan.kernel_width,
        "response": plan.response,
        "clip": plan.clip if plan.response == "logit" else None,
    }
    arrays = {
        "indices": plan.indices.astype("<i8"),
        "n_parts": plan.n_parts.astype("<i8"),
        "n_masks": np.array(plan.masks.n_masks, dtype="<i8"),
        "masks": np.concatenate([p.ravel() for p in plan.masks._packed]),
        **encode(plan.reference, "reference"),
        # int32 on every platform and whatever integer the masker chose.
        **encode([p.astype("<i4") for p in plan.parts], "parts"),
    }
    for n, fill in enumerate(plan.fills):
        arrays |= encode([fill] if isinstance(fill, str) else fill, f"fill.{n}")
    return json.dumps(header, sort_keys=True).encode(), arrays


def sha256(header: bytes, arrays: Arrays) -> hashlib._Hash:
    """The hash of a header and of names, dtypes, shapes and contents of arrays."""
    sha = hashlib.sha256(header)
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        sha.update(array.tobytes())
    return sha


def write(plan: QueryPlan, path: str | os.PathLike) -> None:
    """Write a plan as a compressed ``.npz``."""
    header, arrays = encoded(plan)
    meta = json.dumps({"format": _FORMAT, "digest": plan.digest}).encode()
    arrays["header"] = np.frombuffer(header, dtype=np.uint8)
    arrays["meta"] = np.frombuffer(meta, dtype=np.uint8)
    with open(path, "wb") as file:  # np.savez would append .npz to the name
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read(path: str | os.PathLike) -> tuple[dict, str, Arrays]:
    """Header, digest and arrays of a file.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is not a plan, or a plan of another format.
    """
    name = repr(os.fspath(path))
    with open(path, "rb") as file:
        try:
            arrays = _arrays(file)
            header, meta = (json.loads(arrays.pop(key).tobytes()) for key in ("header", "meta"))
            version, digest = meta["format"], str(meta["digest"])
        except Exception as error:
            raise ValueError(f"{name} is not a plan of skzest: {told(error)}") from error
    if version != _FORMAT:
        raise ValueError(
            f"{name} has format {version!r}; this version of skzest reads {_FORMAT}. Ask for the "
            "plan as saved by the version that you use."
        )
    return header, digest, arrays


def _arrays(file: BinaryIO) -> Arrays:
    """The arrays of an archive that has at least the members of a plan."""
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not an archive of arrays (.npz). QueryPlan.save writes plans.")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        names = set(archive.files)
        if {"signature", "digest"} <= names:
            raise ValueError("it is a signature. Pass the plan under which it was signed.")
        if not {"header", "meta"} <= names:
            held = listed(sorted(names)[:5]) if names else "nothing"
            raise ValueError(f"it holds {held}. QueryPlan.save writes plans.")
        return {name: archive[name] for name in names}


# --- fields, each checked against the others -------------------------------------------------


def fields_of(header: dict, arrays: Arrays, masker: BaseMasker | None) -> dict[str, Any]:
    """The attributes of a plan; ValueError with the name of the field that does not fit."""
    with field_of_file("reference"):
        reference = decode(arrays, "reference")
        n = len(reference)
    with field_of_file("masker"):
        masker = masker_from_json(header, masker)
        expect(masker.layout(), header["layout"], "as layout")
    with field_of_file("reference"):
        masker.check_reference(reference)
    indices = _whole(arrays, "indices", n, minimum=0)
    n_parts, n_masks = (_whole(arrays, name, n, minimum=1) for name in ("n_parts", "n_masks"))
    with field_of_file("parts"):
        parts = decode(arrays, "parts")
        expect(len(parts), n, "arrays")
    fills = []
    for i in range(n):
        with field_of_file(f"parts of point {i}"):
            _check_labels(parts[i], int(n_parts[i]), masker.array_points)
        with field_of_file(f"fill of point {i}"):
            fill = decode(arrays, f"fill.{i}")
            fills.append(fill[0] if isinstance(fill, list) else fill)
            _check_fill(masker, masker.point(reference, i), parts[i], fills[-1], int(n_parts[i]))
    masks = _masks(arrays, n_masks.tolist(), n_parts.tolist())
    settings = _settings(header)
    if not isinstance(settings["surrogate"], str):
        how = settings["surrogate"], settings["kernel_width"]
        for i in range(n):
            with field_of_file("masks"):
                check_masks_suffice(masks[i], *how, int(indices[i]))
    return {
        "indices": indices,
        "reference": reference,
        "parts": tuple(parts),
        "masks": masks,
        "fills": tuple(fills),
        "masker": masker,
        **settings,
    }


def _settings(header: dict) -> dict[str, Any]:
    with field_of_file("surrogate"):
        surrogate = check_surrogate(surrogate_from_json(header["surrogate"]))
    with field_of_file("kernel_width"):
        width = check_kernel_width(header["kernel_width"])
    with field_of_file("response"):
        clip = 1e-6 if header["response"] != "logit" else float(header["clip"])
        check_response(header["response"], clip)
    return {
        "surrogate": surrogate,
        "kernel_width": width,
        "response": header["response"],
        "clip": clip,
    }


def _whole(arrays: Arrays, name: str, n: int, *, minimum: int) -> np.ndarray:
    """A vector of one whole number for each point."""
    with field_of_file(name):
        values = arrays[name]
        expect(values.dtype.str, "<i8", "as type of numbers")
        expect(values.shape, (n,), f"as shape beside {n} reference points")
        if values.min() < minimum:
            raise ValueError(f"{values.min()} is less than {minimum}.")
        if name == "indices" and len(set(values.tolist())) < n:
            raise ValueError("a point appears twice.")
        return values


def _masks(arrays: Arrays, n_masks: list[int], n_parts: list[int]) -> PackedMasks:
    with field_of_file("masks"):
        flat, widths = arrays["masks"], [-(-k // 8) for k in n_parts]
        expect(flat.dtype.str, "|u1", "as type of numbers")
        sizes = [n * width for n, width in zip(n_masks, widths)]
        expect(flat.shape, (sum(sizes),), "as shape beside n_masks and n_parts")
        packed = np.split(flat, np.cumsum(sizes)[:-1])
        return PackedMasks([p.reshape(-1, w) for p, w in zip(packed, widths)], n_parts)


def _check_labels(parts: np.ndarray, n_parts: int, array_points: bool) -> None:
    expect(parts.dtype.str, "<i4", "as type of numbers")
    labels = np.unique(parts)
    labels = labels if array_points else labels[labels != -1]
    if not np.array_equal(labels, np.arange(n_parts)):
        raise ValueError(f"labels {labels[:8].tolist()}, expected 0 to {n_parts - 1} (n_parts).")


def _check_fill(
    masker: BaseMasker, point: Point, parts: np.ndarray, fill: Point, n_parts: int
) -> None:
    """Refuse a fill unlike its point, and parts that cannot be rendered on it."""
    expect(_kind(fill), _kind(point), "as kind of fill")
    copies = masker.render(point, parts.astype(np.int64), fill, np.ones((1, n_parts), dtype=bool))
    if not same_point(copies if is_frame(copies) else copies[0], point):
        raise ValueError("with all parts kept, the copy is not the point.")


def _kind(point: Points) -> object:
    if is_frame(point):
        return list(point.columns), list(map(str, point.dtypes)), len(point)
    return (point.dtype, point.shape) if isinstance(point, np.ndarray) else type(point)
