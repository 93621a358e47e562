# SPDX-License-Identifier: BSD-3-Clause
"""Pairs by the gradient of a torch module; torch is imported in functions only."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

__all__ = ["climb"]

_ROWS = 256


def climb(query: Any, points: np.ndarray, box: tuple, n_steps: int, rng: Any) -> np.ndarray:
    """Signed gradient steps away from the answers to points, inside a box around each.

    Parameters
    ----------
    query : TorchQuery
    points : ndarray of floats, shape (n, ...)
    box : tuple of ndarrays
        Least and largest value of each number, and the reach of a move.
    n_steps : int
    rng : numpy.random.Generator
        Draws where the climb begins: where two answers are the same there is no way up.

    Returns
    -------
    moved : ndarray of the shape and dtype of `points`
    """
    low, high, reach = box
    start = np.clip(points + rng.uniform(-1, 1, points.shape) * reach, low, high)
    # A copy, so that the user's module keeps its mode and gathers no gradients.
    module = copy.deepcopy(query.model).to(query.device).eval().requires_grad_(False)
    moved = np.empty_like(points)
    for first in range(0, len(points), _ROWS):
        rows = slice(first, first + _ROWS)
        bounds = low[rows], high[rows], 2.5 * reach / n_steps
        moved[rows] = _climb_together(module, query, points[rows], start[rows], bounds, n_steps)
    return moved


def _climb_together(module: Any, query: Any, points, start, bounds, n_steps: int) -> np.ndarray:
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


def _centred_cosine(a: Any, b: Any) -> Any:
    """Cosine of scores less their mean over classes, as under ``response="logit"``."""
    import torch

    a, b = (z - z.mean(dim=1, keepdim=True) for z in (a, b))
    return torch.nn.functional.cosine_similarity(a, b, dim=1)
