# SPDX-License-Identifier: BSD-3-Clause
"""Which models of a zoo are near each other, with only as many questions as that needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import check_choice, check_models
from ..comparing import (
    ShownAsTable,
    TableText,
    check_level,
    check_plan,
    jackknife_ends,
    point_sums_to,
)
from ..plan import QueryPlan
from ._sequential import GrowingSignatures, check_threshold, look_sizes, within_budget

__all__ = ["SequentialDistances", "sequential_distances"]

# Of coefficients that are compared at a time.
_HELD_BYTES = 16 * 2**20


@dataclass(frozen=True, repr=False)
class SequentialDistances(ShownAsTable):
    """What :func:`sequential_distances` found.

    Attributes
    ----------
    near, far : ndarray of bool, shape (n_models, n_models)
        Pairs whose distance is clearly below or above the threshold. Each model is near itself.
    distances : ndarray of shape (n_models, n_models)
        Estimates at the last look at each pair.
    low, high : ndarray of shape (n_models, n_models)
        Ends of the interval at that look.
    n_reference : ndarray of int, shape (n_models,)
        Number of reference points that each model was asked about.
    n_queries : ndarray of int, shape (n_models,)
        Questions to each model, without the few that are repeated to see whether answers repeat.
    n_queries_of_plan : int
        Questions of the whole plan to one model.
    """

    near: np.ndarray
    far: np.ndarray
    distances: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_reference: np.ndarray
    n_queries: np.ndarray
    n_queries_of_plan: int

    @property
    def undecided(self) -> np.ndarray:
        """Pairs that are neither near nor far, of shape (n_models, n_models)."""
        return ~(self.near | self.far)

    @property
    def saved(self) -> float:
        """Share of the questions of the whole plan that was not asked."""
        return 1 - float(self.n_queries.sum()) / (len(self.n_queries) * self.n_queries_of_plan)

    def _frame(self) -> tuple[dict[str, object], None]:
        a, b = np.triu_indices(len(self.near), 1)
        decision = np.select([self.near[a, b], self.far[a, b]], ["near", "far"], "undecided")
        values = {name: getattr(self, name)[a, b] for name in ("distances", "low", "high")}
        return {"model_a": a, "model_b": b, "decision": decision, **values}, None

    def _text(self) -> TableText:
        above = np.triu(np.ones_like(self.near), 1)
        kinds = ("near", "far", "undecided")
        rows = [[kind, f"{np.count_nonzero(getattr(self, kind) & above):,}"] for kind in kinds]
        asked, of = int(self.n_queries.sum()), len(self.n_queries) * self.n_queries_of_plan
        note = f"Asked {asked:,} of {of:,} questions ({1 - self.saved:.0%})."
        return TableText("Pairs of models", ["decision", "pairs"], rows, note)


def sequential_distances(
    models: Sequence[object],
    plan: QueryPlan,
    *,
    threshold: float | tuple[float, float],
    level: float = 0.95,
    level_for: str = "pair",
    max_queries: int | None = None,
    **params: Any,
) -> SequentialDistances:
    """Which pairs of a zoo are nearer than a threshold, asked step by step.

    All models are asked about the first reference points of a plan. Pairs whose interval lies
    below or above the threshold are decided, and a model that has no open pair left is not asked
    again. The others are asked about more points, at most 5 times, as in
    :func:`sequential_distance`.

    Parameters
    ----------
    models : list, tuple, 1-D object array or Series of fitted classifiers or queries
        Their classes must correspond by label.

    plan : QueryPlan
        The questions that may be asked, with points in random order, as a
        :class:`~skzest.LimeSignatureTransformer` makes them.

    threshold : float or (float, float)
        Between near and far. With two numbers, distances between them may be called either: a
        pair is near as soon as its interval lies below the larger number, and far as soon as it
        lies above the smaller, which leaves fewer pairs undecided and saves questions.

    level : float, default=0.95
        Confidence level of all looks together.

    level_for : {"pair", "zoo"}, default="pair"
        What has this level. "pair": each pair is decided wrongly with a probability of at most
        ``1 - level``, so of many pairs some may be. "zoo": so is *any* pair (Bonferroni over
        looks and pairs), which takes more questions.

    max_queries : int, default=None
        Maximum number of questions to each model: the plan is cut to the points that fit.

    **params
        Further parameters of :meth:`LimeSignatureTransformer.from_plan`: ``n_classes``,
        ``adapter``, ``batch_size``, ``cache``, ``n_jobs`` and so on. With a cache, a later call
        with more points or another threshold asks only what is new.

    Returns
    -------
    result : SequentialDistances

    Raises
    ------
    ValueError
        If a parameter is out of range, there are fewer than two models, or `max_queries` does
        not cover two points.
    TypeError
        If a threshold is not a number.

    Warns
    -----
    UndefinedSignatureWarning
        If a model gives the same scores to all questions that it was asked. Pairs without a
        distance, at the first look or later, stay undecided, and no more is asked for them.

    See Also
    --------
    sequential_distance : One pair, with its intervals at all looks.
    skzest.model_distances : All distances of a zoo from the whole plan.

    Notes
    -----
    Questions are saved where models are far from the threshold in *all* their pairs. In a large
    zoo most models have some pair near the threshold: give two numbers, or move the threshold to
    a gap between the distances.

    The intervals are approximate, and less exact far out: with "zoo" and many pairs, read the
    level as a strict rule rather than as a probability.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import ImageMasker, LimeSignatureTransformer, sequential_distances
    >>> X, y = load_digits(return_X_y=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=200).fit(X[:900] / 16, y[:900]) for C in (1, 2)]
    >>> zoo.append(GaussianNB(var_smoothing=0.1).fit(X[900:] / 16, y[900:]))
    >>> lime = LimeSignatureTransformer(
    ...     X / 16, n_samples="auto", sampling="foldover", masker=ImageMasker(image_shape=(8, 8))
    ... )
    >>> result = sequential_distances(zoo, lime.fit(zoo).plan_, threshold=0.2)
    >>> result.near[0].tolist(), result.far[0].tolist()
    ([True, True, False], [False, False, True])
    >>> result.saved > 0.5
    True
    """
    below, above = _ends(threshold)
    check_level(level)
    check_plan(plan, minimum=2)
    check_choice(level_for, "level_for", ("pair", "zoo"))
    models, whole = check_models(models), plan
    if len(models) < 2:
        raise ValueError(
            f"models holds {len(models)} model; a pair takes at least 2. Pass the models "
            "to compare."
        )
    plan = within_budget(plan, max_queries)
    sizes, n_models = look_sizes(len(plan)), len(models)
    n_errors = len(sizes) * (n_models * (n_models - 1) // 2 if level_for == "zoo" else 1)
    level_of_one = 1 - (1 - level) / n_errors

    zoo = GrowingSignatures(models, plan, params)
    state = np.full((4, n_models, n_models), np.nan)  # estimate, low, high, error
    open_pairs = np.triu(np.ones((n_models, n_models), dtype=bool), 1)
    n_reference = np.zeros(n_models, dtype=int)
    for n in sizes:
        members = np.flatnonzero(open_pairs.any(axis=0) | open_pairs.any(axis=1))
        if len(members) == 0:
            break
        W = zoo.first(n, members)
        n_reference[members] = n
        for i, some in _batches_of(open_pairs, members, W[0].nbytes):
            others = W[np.searchsorted(members, some)]
            sums = point_sums_to(W[np.searchsorted(members, i)], others, plan.n_columns[:n])
            state[:, i, some] = jackknife_ends(sums, level_of_one)
        estimate, low, high, _ = state
        # One that is undefined at so many points, for want of a common class or of scores that
        # differ, would keep both models asked to the end.
        open_pairs &= ~((high < above) | (low > below) | np.isnan(estimate))
    zoo.warn_of_constant()
    return _result(state, below, above, n_reference, plan, whole)


def _ends(threshold: float | tuple[float, float]) -> tuple[float, float]:
    """The distances above which a pair may be far, and below which it may be near."""
    if not isinstance(threshold, Iterable) or isinstance(threshold, str):
        return (check_threshold(threshold),) * 2
    ends = [check_threshold(end) for end in threshold]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError(
            f"threshold must be a number, or two in ascending order; got {threshold}. Pass "
            "(near, far)."
        )
    return ends[0], ends[1]


def _batches_of(
    open_pairs: np.ndarray, members: np.ndarray, n_bytes: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Model by model, those to which its distance is open, as many as may be held at a time."""
    n_at_once = max(_HELD_BYTES // max(n_bytes, 1), 1)
    for i in members:
        others = np.flatnonzero(open_pairs[i])
        for start in range(0, len(others), n_at_once):
            yield int(i), others[start : start + n_at_once]


def _result(
    state: np.ndarray,
    below: float,
    above: float,
    n_reference: np.ndarray,
    plan: QueryPlan,
    whole: QueryPlan,
) -> SequentialDistances:
    """Both halves of each matrix, and what was asked."""
    lower = np.tril_indices(state.shape[1])
    for values in state:
        values[lower] = values.T[lower]
        np.fill_diagonal(values, 0.0)
    distances, low, high, _ = state
    # An interval between the two thresholds is both: the estimate decides.
    is_near, is_far = high < above, low > below
    nearer = distances < np.sqrt(below * above)
    asked = np.concatenate([[0], np.cumsum(plan.n_questions)])
    return SequentialDistances(
        near=is_near & (nearer | ~is_far),
        far=is_far & ~(nearer & is_near),
        distances=distances,
        low=low,
        high=high,
        n_reference=n_reference,
        n_queries=asked[n_reference],
        n_queries_of_plan=whole.n_queries,
    )
