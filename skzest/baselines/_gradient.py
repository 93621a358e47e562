# SPDX-License-Identifier: BSD-3-Clause
"""Pairs found with the gradient of a torch module; torch is imported inside functions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from ..queries import TorchQuery

if TYPE_CHECKING:
    import torch

__all__ = ["climb"]

_ROWS = 256


_Box = tuple[np.ndarray, np.ndarray, np.ndarray]


def climb(
    query: TorchQuery, points: np.ndarray, box: _Box, n_steps: int, rng: np.random.Generator
) -> np.ndarray:
    """Signed gradient steps away from the answers at the points, inside a box around each.

    Parameters
    ----------
    query : TorchQuery
    points : ndarray of floats, shape (n, ...)
    box : tuple of ndarrays
        Smallest and largest value of each number, and the reach of a move.
    n_steps : int
    rng : numpy.random.Generator
        Draws the starting points: where two answers are equal the gradient is zero.

    Returns
    -------
    moved : ndarray of the shape and dtype of `points`
    """
    low, high, reach = box
    start = np.clip(points + rng.uniform(-1, 1, points.shape) * reach, low, high)
    # A copy, so that the user's module keeps its mode and accumulates no gradients.
    module = copy.deepcopy(query.model).to(query.device).eval().requires_grad_(False)
    moved = np.empty_like(points)
    for first in range(0, len(points), _ROWS):
        rows = slice(first, first + _ROWS)
        bounds = low[rows], high[rows], np.asarray(2.5 * reach / n_steps)
        moved[rows] = _climb_together(module, query, points[rows], start[rows], bounds, n_steps)
    return moved


def _climb_together(
    module: torch.nn.Module,
    query: TorchQuery,
    points: np.ndarray,
    start: np.ndarray,
    bounds: _Box,
    n_steps: int,
) -> np.ndarray:
    import torch

    space = query.space
    x0, x, low, high, step = (
        space.asarray(a.astype(points.dtype)) for a in (points, start, *bounds)
    )
    with torch.no_grad():
        at_start = query._tensor_of(module(query.prepare(x0)))
    for _ in range(n_steps):
        x = x.detach().requires_grad_(True)
        answer = query._tensor_of(module(query.prepare(x)))
        likeness = _centred_cosine(answer, at_start).sum()
        (gradient,) = torch.autograd.grad(likeness, x)
        x = torch.clamp(x - step * gradient.sign(), low, high)
    return space.to_numpy(x.detach())


def _centred_cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Cosine of scores minus their mean over classes, as under ``response="logit"``."""
    import torch

    a, b = (z - z.mean(dim=1, keepdim=True) for z in (a, b))
    return torch.nn.functional.cosine_similarity(a, b, dim=1)
