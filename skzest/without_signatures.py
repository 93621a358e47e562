# SPDX-License-Identifier: BSD-3-Clause
"""Distances from models, point by point, where their signatures would not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from sklearn.base import clone

from ._progress import Progress
from ._validation import check_choice
from .asking import Extent, Panel
from .comparing import DISTANCES_FROM_SUMS, PointSums, RunningProducts, slices
from .signature import LimeSignatureTransformer

__all__ = ["model_distances"]

# Of coefficients that are held at a time.
_HELD_BYTES = 32 * 2**20


def model_distances(
    models: Sequence[object],
    transformer: LimeSignatureTransformer,
    *,
    distance: str = "cosine",
    return_sums: bool = False,
) -> np.ndarray | tuple[np.ndarray, PointSums]:
    """Distances between models without their signatures, which may not fit into memory.

    The same as :func:`~skzest.zest_distances` of the signatures, up to rounding: sums of
    products are kept while a few reference points at a time are asked about. A zoo of networks
    with a thousand classes, or of thousands of models, takes the memory of four distance matrices
    and a few hundred MiB.

    Parameters
    ----------
    models : list, tuple, 1-D object array or Series of fitted classifiers
    transformer : LimeSignatureTransformer
        The questions. It is cloned and fitted to the models; a fitted one asks its own plan.
    distance : {"cosine", "angular", "euclidean"}, default="cosine"
    return_sums : bool, default=False
        Also return what each reference point contributes to the cosine distances, from which
        intervals follow; only with ``distance="cosine"``. It takes
        ``16 * n_reference * n_models ** 2`` bytes.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        Symmetric, with zeros on the diagonal. NaN for constant models, and for pairs of models
        without a common class. A cosine distance below about 1e-14 is rounding, and so are
        angular and Euclidean distances below about 1e-7 of the largest.
    sums : comparing.PointSums
        Only if ``return_sums``.

    Raises
    ------
    TypeError
        If ``transformer`` is not a LimeSignatureTransformer.
    ValueError
        If ``distance`` is unknown, or not "cosine" with ``return_sums``. As
        :meth:`LimeSignatureTransformer.fit_transform` otherwise.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import LimeSignatureTransformer, model_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (1, 2)]
    >>> zoo.append(GaussianNB().fit(X, y))
    >>> D = model_distances(zoo, LimeSignatureTransformer(X, n_reference=16, n_samples=64))
    >>> bool(D[0, 1] < D[0, 2])
    True

    How certain is a distance?

    >>> lime = LimeSignatureTransformer(X, n_reference=16, n_samples=64)
    >>> D, sums = model_distances(zoo, lime, return_sums=True)
    >>> bool(D[0, 2] in sums.interval(0, 2))
    True
    """
    if not isinstance(transformer, LimeSignatureTransformer):
        raise TypeError(
            "transformer must be a LimeSignatureTransformer; got "
            f"{type(transformer).__name__}. Pass LimeSignatureTransformer(reference, ...)."
        )
    check_choice(distance, "distance", DISTANCES_FROM_SUMS)
    if return_sums and distance != "cosine":
        raise ValueError(
            "return_sums=True gives what points contribute to cosine distances; got "
            f'distance="{distance}". Pass distance="cosine", or leave out return_sums.'
        )
    is_fitted = hasattr(transformer, "plan_")
    lime = transformer if is_fitted else clone(transformer)
    queries, names = lime._queries(models, reset=not is_fitted)
    progress = Progress(lime.verbose)
    if not is_fitted:
        lime.plan_ = lime._plan(progress)
    lime._check_signable()
    with lime._panel(queries, names) as panel:
        with progress.stage("first looks", len(panel)) as panel.on_look:
            if not is_fitted:
                lime._set_classes(panel)
            columns = lime._class_columns(panel, are_new=is_fitted)
        products = _products(lime, panel, columns, progress, return_sums)
    D = products.distances(distance)
    return (D, products.point_sums()) if return_sums else D


def _products(
    lime: LimeSignatureTransformer,
    panel: Panel,
    columns: list[np.ndarray],
    progress: Progress,
    by_point: bool,
) -> RunningProducts:
    """Ask the models of a panel, a few points at a time, and add up their inner products."""
    present = np.zeros((len(panel), lime.n_classes_), dtype=bool)
    for of_one, its_columns in zip(present, columns, strict=True):
        of_one[its_columns] = True
    widths = lime.plan_.n_columns
    products, runs = RunningProducts(present, by_point=by_point), []
    n_points = max(_HELD_BYTES // (8 * present.size * int(widths.max())), 1)
    with progress.stage("questions answered", panel.n_questions) as report:
        for points in slices(len(widths), n_points):
            W = np.zeros((*present.shape, int(widths[points].sum())))
            runs.append(panel.coefficients(W, columns, lime.n_jobs, report, points=points))
            products.add(W, widths[points])
    extents = [reduce(Extent.joined, of_one) for of_one in zip(*runs, strict=True)]
    panel.warn_of_constant(extents)
    products.leave_out([extent.is_constant for extent in extents])
    return products
