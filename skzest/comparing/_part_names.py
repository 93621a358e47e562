# SPDX-License-Identifier: BSD-3-Clause
"""What a reader calls the parts of a point: a word, a column, a stretch of time."""

from __future__ import annotations

import numpy as np

from .._points import is_frame
from ..maskers import AudioMasker, TabularMasker, TextMasker
from ..plan import QueryPlan

__all__ = ["part_names"]


def part_names(plan: QueryPlan, n: int) -> list[str]:
    """Name each component of the point at position ``n``; a number where there is no better.

    Examples
    --------
    >>> from skzest import CallableQuery, LimeSignatureTransformer
    >>> from skzest.comparing._part_names import part_names
    >>> length = CallableQuery(lambda texts: [[len(t), -len(t)] for t in texts], output="logits")
    >>> lime = LimeSignatureTransformer(["to be or not"], n_samples=16).fit([length])
    >>> part_names(lime.plan_, 0)
    ['to', 'be', 'or', 'not']
    """
    if plan.is_passthrough:
        return [f"mask {j}" for j in range(plan.n_columns[n])]
    parts, n_parts = plan.parts[n], int(plan.n_parts[n])
    if isinstance(plan.masker, TextMasker):
        return [_token(plan.point(n), parts == k) for k in range(n_parts)]
    if isinstance(plan.masker, TabularMasker):
        point = plan.point(n)
        named = is_frame(point)
        columns = point.columns if named else [f"column {j}" for j in range(len(parts))]
        return [
            " + ".join(str(columns[j]) for j in np.flatnonzero(parts == k)) for k in range(n_parts)
        ]
    if isinstance(plan.masker, AudioMasker):
        return [_stretch(parts == k, plan.masker.sample_rate) for k in range(n_parts)]
    return [f"part {k}" for k in range(n_parts)]


def _token(text: str, chosen: np.ndarray) -> str:
    """The token, as it stands in the text for the first time, and how often it does."""
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    times = f" (×{len(starts)})" if len(starts) > 1 else ""
    return text[starts[0] : stops[0]] + times


def _stretch(chosen: np.ndarray, rate: float) -> str:
    at = np.flatnonzero(chosen)
    return f"{at[0] / rate:.3g}–{(at[-1] + 1) / rate:.3g} s"
