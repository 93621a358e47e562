# SPDX-License-Identifier: BSD-3-Clause
"""Containers of reference points: arrays, data frames, lists of strings.

What the rest of the code must do with points whatever they are: join batches, split them, and
write them as plain arrays (for files and digests) without pickle.
"""

from __future__ import annotations

import json
from typing import Any

import array_api_compat
import numpy as np

__all__ = ["concatenate", "decode", "encode", "is_frame", "little_endian", "rows"]


def is_frame(points: Any) -> bool:
    """Whether this is a pandas DataFrame, told by behaviour so that pandas need not be there."""
    return hasattr(points, "iloc") and hasattr(points, "dtypes") and hasattr(points, "columns")


def concatenate(batches: list) -> Any:
    """One batch out of several of the same kind."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if is_frame(first):
        import pandas as pd

        return pd.concat(batches, ignore_index=True)
    if isinstance(first, list):
        return [row for batch in batches for row in batch]
    return array_api_compat.array_namespace(first).concat(batches)


def rows(batch: Any, start: int, stop: int) -> Any:
    """Rows ``start:stop`` of a batch."""
    return batch.iloc[start:stop] if is_frame(batch) else batch[start:stop]


def little_endian(array: Any) -> np.ndarray:
    """The array in C order and little-endian, so that its bytes mean the same everywhere."""
    array = np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def encode(points: Any, prefix: str) -> dict[str, np.ndarray]:
    """Plain arrays that say all there is to say about points; see :func:`decode`.

    Raises
    ------
    TypeError
        If the points are of a kind that has no plain form, such as arrays of objects.
    """
    if is_frame(points):
        return {f"{prefix}.frame": _json_array(_frame_to_json(points))}
    if isinstance(points, (list, tuple)) and all(isinstance(text, str) for text in points):
        # Code points, not NumPy strings: those drop trailing NULs.
        codes = [np.array([ord(c) for c in text], dtype="<u4") for text in points]
        lengths = np.array([len(code) for code in codes], dtype="<i8")
        return {
            f"{prefix}.text": np.concatenate([*codes, np.zeros(0, "<u4")]),
            f"{prefix}.lengths": lengths,
        }
    if isinstance(points, (list, tuple)):  # arrays of different shapes
        arrays = {f"{prefix}.{i}.array": _plain(array) for i, array in enumerate(points)}
        return {f"{prefix}.ragged": np.array(len(points)), **arrays}
    return {f"{prefix}.array": _plain(points)}


def decode(arrays: Any, prefix: str) -> Any:
    """The points that :func:`encode` wrote."""
    if f"{prefix}.array" in arrays:
        return arrays[f"{prefix}.array"]
    if f"{prefix}.ragged" in arrays:
        return [arrays[f"{prefix}.{i}.array"] for i in range(int(arrays[f"{prefix}.ragged"]))]
    if f"{prefix}.frame" in arrays:
        return _frame_from_json(json.loads(arrays[f"{prefix}.frame"].tobytes()))
    codes, stops = arrays[f"{prefix}.text"], np.cumsum(arrays[f"{prefix}.lengths"])
    starts = stops - arrays[f"{prefix}.lengths"]
    return ["".join(map(chr, codes[a:b])) for a, b in zip(starts, stops, strict=True)]


def _plain(array: Any) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.hasobject:
        raise TypeError(
            f"points of dtype {array.dtype} have no plain form to be saved or fingerprinted; "
            "use numbers, strings or a DataFrame."
        )
    return little_endian(array)


def _json_array(value: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(value, ensure_ascii=True).encode("ascii"), dtype=np.uint8)


def _frame_to_json(frame: Any) -> dict:
    columns = []
    for position, label in enumerate(frame.columns):
        column = frame.iloc[:, position]
        values = [_cell(value) for value in column.astype(object)]
        columns.append({"label": _cell(label), "dtype": _dtype(column), "values": values})
    return {"columns": columns}


def _cell(value: Any) -> Any:
    """A table's cell as JSON; floats survive to the last bit."""
    import pandas as pd

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return {"float": "nan"} if isinstance(value, float) else None
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, pd.Timestamp):
        return {"time": value.isoformat()}
    raise TypeError(
        f"a cell of type {type(value).__name__} cannot be saved or fingerprinted; "
        "use numbers, strings, booleans or dates."
    )


def _uncell(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float.fromhex(value["float"])
    import pandas as pd

    return pd.Timestamp(value["time"])


def _dtype(column: Any) -> Any:
    dtype = column.dtype
    if hasattr(dtype, "categories"):
        categories = [_cell(value) for value in dtype.categories]
        return {
            "categories": categories,
            "ordered": bool(dtype.ordered),
            "of": str(dtype.categories.dtype),
        }
    return str(dtype)


def _frame_from_json(value: dict) -> Any:
    import pandas as pd

    series = []
    for column in value["columns"]:
        dtype = column["dtype"]
        if isinstance(dtype, dict):
            categories = pd.Index([_uncell(v) for v in dtype["categories"]], dtype=dtype["of"])
            dtype = pd.CategoricalDtype(categories, ordered=dtype["ordered"])
        cells = pd.Series([_uncell(v) for v in column["values"]], dtype=object)
        series.append(cells.astype(dtype))
    frame = pd.concat(series, axis=1)
    frame.columns = pd.Index([_uncell(column["label"]) for column in value["columns"]])
    return frame
