# SPDX-License-Identifier: BSD-3-Clause
"""Names beside points without overlaps. Arrays only, in typographic points."""

from __future__ import annotations

import numpy as np

# Directions to try, best first: right, left, above, below, and between these.
_ANGLES = np.deg2rad([0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 67, 293, 113, 247])
_RADII = (6.0, 10.0, 16.0, 24.0, 34.0, 46.0, 60.0, 78.0, 100.0, 126.0, 156.0, 190.0)
_N_ROUNDS = 6
_COVERED = 0.5  # cost of covering a point without a name


def candidates(point, size):
    """Boxes (n, 4) as x0, y0, x1, y1 around a point, nearest first."""
    width, height = size
    boxes = []
    for radius in _RADII:
        for angle in _ANGLES:
            dx, dy = np.cos(angle), np.sin(angle)
            x = point[0] + radius * dx + (dx - 1) / 2 * width
            y = point[1] + radius * dy + (dy - 1) / 2 * height
            boxes.append((x, y, x + width, y + height))
    return np.array(boxes)


def overlap(boxes, others):
    """Areas (n, m) that boxes share."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod(np.maximum(high - low, 0.0), axis=2)


def label_boxes(points, sizes, paper, marker=7.0, others=None, n_first=0):
    """A box for each name near its point that covers no other name, and no point if it can.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    sizes : ndarray of shape (n, 2)
        Width and height of the names.
    paper : pair of float
        Width and height of the drawing area.
    marker : float
        Side of a point.
    others : ndarray of shape (m, 2), default=None
        Points without a name. A name may cover some of them.
    n_first : int, default=0
        The first names choose their places before all others.

    Returns
    -------
    boxes : ndarray of shape (n, 4)
        NaN for a name without room.
    """
    n = len(points)
    points, sizes = np.asarray(points, dtype=float), np.asarray(sizes, dtype=float)
    markers, unnamed = (
        np.concatenate([at - marker / 2, at + marker / 2], axis=1)
        for at in (points, np.empty((0, 2)) if others is None else others)
    )
    options, costs = [], []
    for point, size in zip(points, sizes):
        boxes = candidates(point, size)
        inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= paper).all(axis=1)
        # Distance costs; covering the marker of a name costs more than any distance.
        cost = np.repeat(np.arange(len(_RADII)), len(_ANGLES)) + np.tile(
            np.linspace(0, 0.5, len(_ANGLES)), len(_RADII)
        )
        cost = cost + 40.0 * (overlap(boxes, markers) > 0).sum(axis=1)
        cost = cost + _COVERED * (overlap(boxes, unnamed) > 0).sum(axis=1)
        options.append(boxes[inside])
        costs.append(cost[inside])

    # Crowded points choose first; then all choose again, given the others' choices.
    crowd = [(np.abs(points - point).sum(axis=1) < 60).sum() for point in points]
    chosen = np.full((n, 4), np.nan)
    order = np.lexsort([-np.array(crowd, dtype=int), np.arange(n) >= n_first])
    for _ in range(_N_ROUNDS):
        before = chosen.copy()
        for i in order:
            chosen[i] = np.nan
            if len(options[i]):
                others = chosen[~np.isnan(chosen[:, 0])]
                hits = (overlap(options[i], others) > 0).sum(axis=1)
                chosen[i] = options[i][np.argmin(costs[i] + 1000.0 * hits)]
        if np.array_equal(before, chosen, equal_nan=True):
            break
    return _without_overlap(chosen, order)


def _without_overlap(boxes, order):
    """Drop names that still overlap, the last in order first."""
    boxes = boxes.copy()
    for i in order[::-1]:
        others = boxes[(~np.isnan(boxes[:, 0])) & (np.arange(len(boxes)) != i)]
        if not np.isnan(boxes[i, 0]) and len(others) and (overlap(boxes[[i]], others) > 0).any():
            boxes[i] = np.nan
    return boxes
