# SPDX-License-Identifier: BSD-3-Clause
"""A TensorFlow Lite model is looked through before a runtime sees it."""

from __future__ import annotations

import math
import struct

import numpy as np

__all__ = ["check_litert"]

_MOST = 1_000_000


def check_litert(data: bytes, max_bytes: int) -> None:
    """Refuse a model that is cut off, or declares tensors that are too large.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAs(data, 0)
        for i in range(_counted(model.SubgraphsLength())):
            graph = model.Subgraphs(i)
            _counted(graph.OperatorsLength())
            for j in range(_counted(graph.TensorsLength())):
                _check_tensor(graph.Tensors(j), max_bytes)
        for i in range(_counted(model.OperatorCodesLength())):
            code = model.OperatorCodes(i)
            if code.BuiltinCode() == schema.BuiltinOperator.CUSTOM:
                raise ValueError(f"it uses the custom operator {code.CustomCode()!r:.80}.")
    except (struct.error, IndexError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not a whole TensorFlow Lite model ({error}).") from error


def _counted(length: int) -> int:
    if length > _MOST:
        raise ValueError(f"it is not a whole TensorFlow Lite model (a list of {length:,}).")
    return length


def _check_tensor(tensor: object, max_bytes: int) -> None:
    shape = np.atleast_1d(tensor.ShapeAsNumpy())  # type: ignore[attr-defined]
    if len(shape) > 16 or (shape < 0).any() or math.prod(map(int, shape)) > max_bytes:
        raise ValueError(
            f"its tensor {tensor.Name()!r:.80} has the shape "  # type: ignore[attr-defined]
            f"{shape[:16].tolist()}: more than max_bytes={max_bytes:,}."
        )
