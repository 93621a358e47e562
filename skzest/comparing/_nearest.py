# SPDX-License-Identifier: BSD-3-Clause
"""The models of a zoo that are nearest to suspects, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._validation import check_whole, counted, refuse_models
from ..plan import QueryPlan, names_of
from ._distances import between_models, needed_by
from ._metrics import Distance, check_distance, slices
from ._signatures import OF_MODELS, Signatures, check_points

# Coefficients of a block of models (64 MB), and cells of a block of distances (32 MB).
_NUMBERS = 2**23
_CELLS = 2**22


def nearest_models(
    S: ArrayLike,
    suspects: ArrayLike | None = None,
    *,
    n_neighbors: int = 5,
    distance: Distance = "cosine",
    n_classes: int | None = None,
    alignment: str | None = None,
    points: QueryPlan | ArrayLike | None = None,
    n_jobs: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest models in a zoo, without the matrix of all distances.

    Signatures are read in blocks of 64 MB, so `S` may be in float32 or a memory-mapped file of any
    length.

    Parameters
    ----------
    S : array-like of shape (n_models, n_classes * n_components)
        Signatures of the zoo; a class that a model lacks is a block of NaN.

    suspects : array-like of shape (n_suspects, n_classes * n_components), default=None
        Signatures of the models whose neighbours are wanted. If None, those of `S`, each of which
        is not its own neighbour.

    n_neighbors : int, default=5
        Number of neighbours.

    distance, n_classes, alignment, points, n_jobs
        As in :func:`zest_distances`.

    Returns
    -------
    distances : ndarray of shape (n_suspects, n_neighbors)
        Distances, the smallest first, equal to those of ``zest_distances(suspects, S)`` up to
        rounding. Undefined distances (NaN) are the last.

    indices : ndarray of shape (n_suspects, n_neighbors)
        Rows of these models in `S`. At equal distances the first row comes first.

    Raises
    ------
    ValueError
        If `n_neighbors` exceeds the number of models, or as in :func:`zest_distances`.
    DesignMismatchError
        If feature names show that the zoo and the suspects were asked different questions.

    See Also
    --------
    zest_distances : The matrix of distances.
    ZestDistanceTransformer : Distances to a fitted zoo, as a step of a pipeline.

    Examples
    --------
    >>> from skzest import nearest_models
    >>> zoo = [[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [3.0, 1.0, 1.0]]
    >>> distances, indices = nearest_models(zoo, [[2.0, 4.0, 0.1]], n_neighbors=2)
    >>> indices.tolist()
    [[0, 2]]
    >>> bool(distances[0, 0] < 0.01 < distances[0, 1])
    True
    """
    check_distance(distance)
    zoo = _rows(S, "S")
    asked = zoo if suspects is None else _rows(suspects, "suspects")
    k = _n_neighbors(n_neighbors, len(zoo), among_themselves=suspects is None)
    names_S, names = names_of(S), names_of(S if suspects is None else suspects)
    checked = partial(Signatures.of, n_classes=n_classes, needed=needed_by(alignment))
    found = []
    for some in _blocks(len(asked), zoo.shape[1]):
        name, first = ("S" if suspects is None else "suspects"), some.start
        X = checked(asked[some], name, first=first, names=names_S if names is None else names)
        of = check_points(points, alignment, X)
        best = np.empty((len(X), 0)), np.empty((len(X), 0), dtype=np.intp)
        for block in _blocks(len(zoo), max(zoo.shape[1], len(X) * _NUMBERS // _CELLS)):
            first = block.start
            Y = checked(zoo[block], "S", first=first, names=names if names_S is None else names_S)
            X.check_comparable(Y)
            D = between_models(X, Y, distance, alignment, of, n_jobs)
            best = _merged(*best, D, block.start, k)
        own = np.arange(some.start, some.stop)
        found.append(best if suspects is not None else _without(own, *best))
    return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])


def _rows(S: ArrayLike, name: str) -> np.ndarray:
    """The signatures as they are: float32 and memory-mapped arrays are not copied."""
    refuse_models(S, name, OF_MODELS)
    if np.ndim(S) == 1:
        raise ValueError(
            f"{name} must be a 2-D array of signatures; got one row. Pass row[None, :]."
        )
    dtypes = [np.float64, np.float32]
    return check_array(S, dtype=dtypes, ensure_all_finite=False, input_name=name)


def _n_neighbors(n_neighbors: int, n_models: int, among_themselves: bool) -> int:
    """How many to look for: one more than wanted where each model finds itself, too."""
    wanted, most = check_whole(n_neighbors, "n_neighbors"), n_models - among_themselves
    if wanted > most:
        kind = "other model" if among_themselves else "model"
        remedy = f"Pass n_neighbors={most}" if most else "Pass suspects"
        raise ValueError(
            f"n_neighbors={wanted}, but S has {counted(most, kind)}. {remedy}, or a larger zoo."
        )
    return wanted + among_themselves


def _blocks(n: int, width: int) -> Iterator[slice]:
    return slices(n, max(1, _NUMBERS // width))


def _merged(
    distances: np.ndarray, indices: np.ndarray, D: np.ndarray, start: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest among those found so far and the models of a block."""
    rows = np.broadcast_to(np.arange(start, start + D.shape[1]), D.shape)
    distances, indices = np.hstack([distances, D]), np.hstack([indices, rows])
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, nearest, 1), np.take_along_axis(indices, nearest, 1)


def _without(
    own: np.ndarray, distances: np.ndarray, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each row without the model itself; without the last one where it was not found."""
    kept = indices != own[:, None]
    kept[kept.all(axis=1), -1] = False
    return distances[kept].reshape(len(own), -1), indices[kept].reshape(len(own), -1)
