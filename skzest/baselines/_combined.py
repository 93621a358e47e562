# SPDX-License-Identifier: BSD-3-Clause
"""Main effects and interactions of parts, compared separately and then combined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..comparing import zest_distances
from ..plan import LinearFit, QueryPlan
from ._asking import plan_of, scores_of_copies
from ._copies import centred, check_several_copies
from ._scores import Models, Scores, warn_of_constant

__all__ = ["combined_distances"]

# Interactions with less than this share of a model's energy are rounding.
_NO_INTERACTIONS = 1e-12


def combined_distances(
    models: Models, plan: QueryPlan | None = None, *, share: float = 0.5
) -> np.ndarray:
    """Geometric mean of two distances: between main effects, and between interactions.

    Scores at masked copies are the sum of what a regression fits, the coefficients of Zest, and
    the residual, which is how parts interact. Coefficients are similar even in unrelated models,
    since all learn the same task, and a copy that was trained anew shares little else with its
    source. Interactions differ between unrelated models and survive changes that keep most
    weights: fine-tuning, pruning, rounding. ``d_main ** (1 - share) * d_interactions ** share``
    uses both and does not depend on the units of either.

    Parameters
    ----------
    models : list of models, or Scores
        With :class:`Scores` from :func:`ask_copies`, nothing more is asked.
    plan : QueryPlan
        The questions. Omit with `Scores`.
    share : float, default=0.5
        Weight of the interactions: 0 compares coefficients only, 1 residuals only.

    Returns
    -------
    D : ndarray of shape (n_models, n_models)
        In [0, 2], symmetric, zeros on the diagonal. NaN for a constant model.

    Raises
    ------
    ValueError
        If `share` is outside [0, 1], or no point has more masked copies than a regression fits
        exactly.

    Warns
    -----
    UndefinedSignatureWarning
        If a model is constant.

    See Also
    --------
    passthrough_distances : Both together, in their natural proportion.

    Notes
    -----
    Asks each model ``plan.n_queries`` questions. Two models without interactions, such as
    logistic regressions, are compared by main effects alone; between such a model and one with
    interactions, the distance of interactions is 1.

    Under ``response="logit"`` probabilities below ``clip`` are raised to it. In a model that is
    very sure of its answers this bends scores that would otherwise be additive, and the bend
    counts as an interaction: a nearly separable logistic regression, for example, has interactions
    that are not in its weights. Lower ``clip`` (to 1e-300, if need be) where that matters.

    Examples
    --------
    Unrelated models agree about main effects and share no interactions:

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
    _check_masks(plan_of(models, plan), share)
    scores = scores_of_copies(models, plan)
    warn_of_constant(scores)
    main, rest = _parted(scores)
    has_rest = _energy(rest) > _NO_INTERACTIONS * _energy(_as_rows(centred(scores)))
    n_classes = len(scores.classes)
    D_main = np.asarray(zest_distances(main, n_classes=n_classes))
    D_rest = np.where(has_rest[:, None] | has_rest, 1.0, D_main)
    both = np.flatnonzero(has_rest)
    if len(both):
        D_rest[np.ix_(both, both)] = zest_distances(rest[both], n_classes=n_classes)
    D = D_main ** (1 - share) * D_rest**share
    D[np.isnan(D_main)] = np.nan  # no common class; NaN ** 0 is 1
    D[scores.constant] = D[:, scores.constant] = np.nan
    return D


def _parted(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and residuals as signatures, (n_models, n_classes * n_components) each."""
    values = centred(scores)
    coefs, rests = [], []
    for n, (start, stop) in enumerate(pairwise(scores.starts)):
        masks = scores.plan.masks[n]
        Z = values[:, start:stop]
        coef = LinearFit(masks).operator @ Z
        coefs.append(coef)
        rests.append(Z - (masks - masks.mean(axis=0)) @ coef)
    return _as_rows(np.concatenate(coefs, axis=1)), _as_rows(np.concatenate(rests, axis=1))


def _as_rows(values: np.ndarray) -> np.ndarray:
    """Class after class, one row per model."""
    return values.transpose(0, 2, 1).reshape(len(values), -1)


def _energy(rows: np.ndarray) -> np.ndarray:
    return np.nansum(rows * rows, axis=1)


def _check_masks(plan: QueryPlan, share: float) -> None:
    check_several_copies(plan)
    n_masks, n_parts = np.array(plan.masks.n_masks), np.array(plan.n_parts)
    if share > 0 and (n_masks - n_parts).max() <= 1:
        raise ValueError(
            f"no point has more than {n_masks.max()} masked copies, which a regression on "
            f"{n_parts.max()} parts fits exactly, so no interactions are left. Raise n_samples, or "
            "pass share=0."
        )
