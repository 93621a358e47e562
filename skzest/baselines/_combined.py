# SPDX-License-Identifier: BSD-3-Clause
"""Main effects and interactions of parts, each compared by itself, and then together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..comparing import zest_distances
from ..plan import QueryPlan, linear_operator
from ._copies import centred
from ._scores import Scores, scores_of_copies, warn_of_constant

__all__ = ["combined_distances"]

# A model whose interactions have less than this share of its energy has none but rounding.
_NO_INTERACTIONS = 1e-12


def combined_distances(
    models: Any, plan: QueryPlan | None = None, *, share: float = 0.5
) -> np.ndarray:
    """Geometric mean of two distances: of main effects, and of what they leave unexplained.

    The scores at masked copies are what a regression fits, the coefficients of Zest, and the
    rest, which is how parts interact. Coefficients are alike even in strangers, since all learn
    the same task, and a copy that was trained anew shares little else with its source.
    Interactions are hardly alike in strangers, and survive what leaves weights where they were:
    fine-tuning, pruning, rounding. ``d_main ** (1 - share) * d_interactions ** share`` sees both,
    and takes no notice of the units of either.

    Parameters
    ----------
    models : list of models, or Scores
        :class:`Scores` from :func:`ask_copies` are compared without another question.
    plan : QueryPlan
        The questions. Left out with `Scores`.
    share : float, default=0.5
        Weight of the interactions: 0 is the distance of coefficients, 1 of residuals.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 2], symmetric, zeros on the diagonal. NaN for a model whose scores do not move.

    Raises
    ------
    ValueError
        If `share` is outside [0, 1], or there are no more copies of any point than a regression
        fits exactly.

    Warns
    -----
    UndefinedSignatureWarning
        If a model is constant.

    See Also
    --------
    passthrough_distances : Both together, in the proportion in which they come.

    Notes
    -----
    Asks ``plan.n_queries`` questions of each model. Models without interactions, such as logistic
    regressions, are compared by main effects alone; to one that has some they are at right angles
    in that half.

    Examples
    --------
    Strangers agree about main effects, and share no interactions:

    >>> import numpy as np
    >>> from skzest import CallableQuery, LimeSignatureTransformer
    >>> from skzest.baselines import combined_distances
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> def model(i, j, scale=1.0):
    ...     def scores(X):
    ...         s = scale * (X.sum(axis=1) + X[:, i] * X[:, j])
    ...         return np.stack([s, -s], axis=1)
    ...     return CallableQuery(scores, output="logits")
    >>> zoo = [model(0, 1), model(0, 1, scale=2.0), model(2, 3)]
    >>> plan = LimeSignatureTransformer(X, n_reference=8, n_samples=32).fit(zoo).plan_
    >>> D = combined_distances(zoo, plan)
    >>> bool(D[0, 1] < 1e-6 < 0.2 < D[0, 2])
    True
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1; got {share!r}.")
    scores = scores_of_copies(models, plan)
    if min(scores.plan.masks.n_masks) < 2:
        raise ValueError(
            "some point has one copy, and a regression needs several. Ask about the copies of a "
            "plan, with ask_copies."
        )
    warn_of_constant(scores)
    main, rest = _parted(scores)
    has_rest = _energy(rest) > _NO_INTERACTIONS * _energy(_as_rows(centred(scores)))
    if share > 0 and max(n - k for n, k in _sizes(scores.plan)) <= 1:
        raise ValueError(
            "a regression fits all copies exactly, so no interactions are left. Raise n_samples."
        )
    n_classes = len(scores.classes)
    D_main = np.asarray(zest_distances(main, n_classes=n_classes))
    D_rest = np.where(has_rest[:, None] | has_rest, 1.0, D_main)
    both = np.flatnonzero(has_rest)
    if len(both):
        D_rest[np.ix_(both, both)] = zest_distances(rest[both], n_classes=n_classes)
    D = D_main ** (1 - share) * D_rest**share
    D[np.isnan(D_main)] = np.nan  # no class in common; NaN ** 0 is 1
    D[scores.constant] = D[:, scores.constant] = np.nan
    return D


def _parted(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and residuals as signatures, (n_models, n_classes * n_components) each."""
    values = centred(scores)
    coefs, rests = [], []
    for n, (start, stop) in enumerate(pairwise(scores.starts)):
        masks = scores.plan.masks[n].astype(np.float64)
        Z = values[:, start:stop]
        coef = linear_operator(masks) @ Z
        coefs.append(coef)
        rests.append(Z - (masks - masks.mean(axis=0)) @ coef)
    return _as_rows(np.concatenate(coefs, axis=1)), _as_rows(np.concatenate(rests, axis=1))


def _as_rows(values: np.ndarray) -> np.ndarray:
    """Class after class, one row per model."""
    return values.transpose(0, 2, 1).reshape(len(values), -1)


def _energy(rows: np.ndarray) -> np.ndarray:
    return np.nansum(rows * rows, axis=1)


def _sizes(plan: QueryPlan) -> list[tuple[int, int]]:
    """Masks and parts of each point."""
    return list(zip(plan.masks.n_masks, plan.n_parts.tolist(), strict=True))
