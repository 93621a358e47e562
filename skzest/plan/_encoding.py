# SPDX-License-Identifier: BSD-3-Clause
"""Points as plain arrays and back, for files and digests, without pickle."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._points import Point, Points, is_frame, little_endian

__all__ = ["decode", "encode"]

Arrays = dict[str, np.ndarray]


def encode(points: Points, prefix: str) -> Arrays:
    """Plain arrays that hold everything about points; see :func:`decode`.

    Raises
    ------
    TypeError
        If points have no plain form, such as arrays of objects or columns of intervals.
    """
    if is_frame(points):
        return {f"{prefix}.frame": _json_array(_frame_to_json(points))}
    if isinstance(points, (list, tuple)) and all(isinstance(text, str) for text in points):
        # Code points, not NumPy strings: those drop trailing NULs.
        codes = [np.array([ord(c) for c in text], dtype="<u4") for text in points]
        return {
            f"{prefix}.text": np.concatenate([*codes, np.zeros(0, "<u4")]),
            f"{prefix}.lengths": np.array([len(code) for code in codes], dtype="<i8"),
        }
    if isinstance(points, (list, tuple)):  # arrays of different shapes
        arrays = {f"{prefix}.{i}.array": _plain(array) for i, array in enumerate(points)}
        return {f"{prefix}.ragged": np.array(len(points)), **arrays}
    return {f"{prefix}.array": _plain(points)}


def decode(arrays: Arrays, prefix: str) -> Points:
    """The points that :func:`encode` wrote."""
    if f"{prefix}.array" in arrays:
        return arrays[f"{prefix}.array"]
    if f"{prefix}.ragged" in arrays:
        return [arrays[f"{prefix}.{i}.array"] for i in range(int(arrays[f"{prefix}.ragged"]))]
    if f"{prefix}.frame" in arrays:
        return _frame_from_json(json.loads(arrays[f"{prefix}.frame"].tobytes()))
    codes, stops = arrays[f"{prefix}.text"], np.cumsum(arrays[f"{prefix}.lengths"])
    starts = stops - arrays[f"{prefix}.lengths"]
    return ["".join(map(chr, codes[a:b].tolist())) for a, b in zip(starts, stops, strict=True)]


def _plain(array: ArrayLike) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.hasobject:
        raise TypeError(
            f"points of dtype {array.dtype} cannot be saved with a plan. Give numbers, strings or "
            "a DataFrame."
        )
    return little_endian(array)


# --- data frames ----------------------------------------------------------------------------


def _json_array(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value, ensure_ascii=True).encode("ascii"), dtype=np.uint8)


def _frame_to_json(frame: Any) -> dict:
    columns = []
    for position, label in enumerate(frame.columns):
        column = frame.iloc[:, position]
        try:
            values = [_cell(value) for value in column.astype(object)]
            columns.append({"label": _cell(label), "dtype": _dtype(column.dtype), "values": values})
        except TypeError as error:
            raise TypeError(
                f"column {label!r} of dtype {column.dtype} cannot be saved with a plan: {error}. "
                f"Drop it, or convert it, such as by frame.astype({{{label!r}: str}})."
            ) from error
    return {"columns": columns}


def _frame_from_json(value: dict) -> Any:
    import pandas as pd

    series = [
        pd.Series([_uncell(v) for v in column["values"]], dtype=object).astype(
            _undtype(column["dtype"])
        )
        for column in value["columns"]
    ]
    frame = pd.concat(series, axis=1)
    frame.columns = pd.Index([_uncell(column["label"]) for column in value["columns"]])
    return frame


def _cell(value: Point) -> Any:
    """A table's cell as JSON; floats survive to the last bit."""
    import pandas as pd

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, pd.Timestamp):
        return {"time": value.isoformat()}
    if isinstance(value, pd.Timedelta):
        return {"duration": [int(value.asm8.astype(np.int64)), value.unit]}
    if type(value) is datetime.date:
        return {"date": value.isoformat()}
    raise TypeError(f"it holds a {type(value).__name__}")


def _uncell(value: Any) -> Point:
    if not isinstance(value, dict):
        return value
    import pandas as pd

    ((kind, plain),) = value.items()
    if kind == "float":
        return float.fromhex(plain)
    if kind == "time":
        return pd.Timestamp(plain)
    if kind == "duration":
        return pd.Timedelta(np.timedelta64(*plain))
    return datetime.date.fromisoformat(plain)


def _dtype(dtype: Any) -> Any:
    """A dtype as JSON."""
    if hasattr(dtype, "categories"):
        return {
            "categories": [_cell(value) for value in dtype.categories],
            "ordered": bool(dtype.ordered),
            "of": _dtype(dtype.categories.dtype),
        }
    # str() of these names StringDtype, which is another one.
    plain = {"arrow": str(dtype.pyarrow_dtype)} if hasattr(dtype, "pyarrow_dtype") else str(dtype)
    if isinstance(plain, dict) and _undtype(plain) != dtype:
        raise TypeError("this type of arrow has no plain form")
    return plain


def _undtype(plain: Any) -> Any:
    if isinstance(plain, str):
        return plain
    import pandas as pd

    if "arrow" in plain:
        if plain["arrow"] == "string":  # pandas reads "string[pyarrow]" as StringDtype
            import pyarrow

            return pd.ArrowDtype(pyarrow.string())
        return pd.ArrowDtype.construct_from_string(f"{plain['arrow']}[pyarrow]")
    categories = pd.Index([_uncell(v) for v in plain["categories"]], dtype=_undtype(plain["of"]))
    return pd.CategoricalDtype(categories, ordered=plain["ordered"])
