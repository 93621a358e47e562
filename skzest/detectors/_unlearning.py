# SPDX-License-Identifier: BSD-3-Clause
"""UnlearningVerifier: does a model still show that it was trained on certain points?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._validation import check_models
from ..comparing import check_level, check_plan, check_signature, cosine_distance, point_sums
from ..plan import QueryPlan, names_of
from ._decisions import UNDECIDED, check_labels
from ._from_models import ask_first, ask_more
from ._jackknife import jackknife_error, of_points, two_way

__all__ = ["UnlearningVerdicts", "UnlearningVerifier"]

LIKE_ORIGINAL, LIKE_RETRAINED = "no different from the original", "like retrained"
# Below this two signatures are the same but for rounding of scores in float32.
_SAME = 1e-9
# Leaving one out of three leaves a pair.
_FEWEST = 3


@dataclass(frozen=True)
class UnlearningVerdicts:
    """What an :class:`~skzest.UnlearningVerifier` says of candidates; ``print`` shows a table.

    Attributes
    ----------
    verdicts : ndarray of str, shape (n_candidates,)
        "no different from the original", "like retrained" or "undecided".
    trace_left, low, high : ndarrays of shape (n_candidates,)
        Share of the trace that is left, 1 in the original and 0 in retrained models on average,
        with the ends of its interval. NaN with fewer than 3 retrained models.
    d_original : ndarray of shape (n_candidates,)
        Distances to the original.
    d_retrained : ndarray of shape (n_candidates,)
        Mean distances to the retrained models; NaN without any.
    reasons : tuple of str
        What each verdict rests on.
    level : float
        Confidence level of the intervals.
    labels : tuple of str or None
        Names of the candidates.
    """

    verdicts: np.ndarray
    trace_left: np.ndarray
    low: np.ndarray
    high: np.ndarray
    d_original: np.ndarray
    d_retrained: np.ndarray
    reasons: tuple[str, ...]
    level: float
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.verdicts)

    def __str__(self) -> str:
        labels = self.labels or tuple(str(i) for i in range(len(self)))
        width = max(len("candidate"), *map(len, labels))
        lines = [f"{'candidate':<{width}}  trace left ({self.level:.0%})     verdict"]
        for i, label in enumerate(labels):
            interval = f"{self.trace_left[i]:5.2f} [{self.low[i]:5.2f}, {self.high[i]:5.2f}]"
            lines.append(f"{label:<{width}}  {interval:<22} {self.verdicts[i]}")
        return "\n".join(lines)


class UnlearningVerifier(BaseEstimator):
    """Says whether a model still bears the trace of points that it was to forget.

    The reference points are the *points to be forgotten* (section 5.3 of [1]_). A model that was
    trained on them behaves otherwise there than models that never saw them. How much otherwise is
    seen from the original, and from models that were retrained without these points; where
    between the two a candidate stands is the share of the trace that is left.

    **This is a heuristic.** Nothing proves from a model's behaviour that it has unlearned: the same
    weights can come from training with a point and without it [2]_, and behaviour at the points is
    only one place where they can show. "like retrained" says that no trace was *found*: a
    candidate that was adjusted at these very points, to mislead, looks the same. "no different from
    the original" is the stronger evidence of the two.

    Parameters
    ----------
    tolerance : float, default=0.1
        How near to 0, or to 1, the share of the trace counts as being there.

    level : float, default=0.95
        Confidence level of intervals.

    Attributes
    ----------
    d_trace_ : float
        Mean distance of the original to retrained models, less that among these: the trace. NaN
        with fewer than 3 retrained models.

    trace_low_, trace_high_ : float
        Ends of its interval.

    n_retrained_ : int
        Number of retrained models.

    transformer_ : LimeSignatureTransformer
        Asks the candidates; only after :meth:`from_models`.

    See Also
    --------
    ReuseDetector : Whether a model was made from another.

    Notes
    -----
    With ``d(c)`` the mean distance of a model to the retrained ones, each but itself, the share is
    ``(d(c) - d(retrained)) / (d(original) - d(retrained))``. Distances between models of different
    seeds, which say nothing about the points, cancel in it; so a candidate that was made from the
    original is not held to be like it for that alone.

    The interval covers the choice of points and of retrained models (jackknife), and that
    the candidate is one model, which varies as retrained ones do. A verdict takes

    "no different from the original"
        the same signature as the original, or an interval that reaches ``1 - tolerance`` and lies
        above one half;
    "like retrained"
        an interval that reaches ``tolerance`` and lies below one half.

    All else is "undecided": where the interval is too wide, where a part of the trace is surely
    left and a part surely gone, where there are fewer than 3 retrained models, and where the
    original itself bears no trace that its interval tells from zero. The last is the common case
    of ordinary points, which other points stand in for: a model that never saw them does the same.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, section 5.3.
    .. [2] A. Thudi, H. Jia, I. Shumailov, N. Papernot, "On the Necessity of Auditable Algorithmic
       Definitions for Machine Unlearning", USENIX Security 2022.

    Examples
    --------
    A contributor wrote 7 for every 1, and wants to be forgotten:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import ImageMasker, LimeSignatureTransformer, UnlearningVerifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X, theirs = X / 16, np.flatnonzero(y == 1)[:60]
    >>> y[theirs] = 7
    >>> rest = np.setdiff1d(np.arange(len(X)), theirs)
    >>> def train(rows, seed):
    ...     some = np.random.default_rng(seed).choice(rows, 900, replace=False)
    ...     rows = np.union1d(some, np.intersect1d(theirs, rows))
    ...     return LogisticRegression(C=0.1).fit(X[rows], y[rows])
    >>> original = train(np.arange(len(X)), 0)
    >>> retrained = [train(rest, seed) for seed in range(1, 6)]
    >>> lime = LimeSignatureTransformer(
    ...     X[theirs], n_samples="auto", sampling="fractional", n_reference=24,
    ...     masker=ImageMasker(image_shape=(8, 8)),
    ... )
    >>> verifier = UnlearningVerifier.from_models(original, retrained, lime)
    >>> candidates = [train(np.arange(len(X)), 6), train(rest, 7)]
    >>> verifier.judge_models(candidates).verdicts.tolist()
    ['no different from the original', 'like retrained']
    """

    def __init__(self, *, tolerance: float = 0.1, level: float = 0.95):
        self.tolerance = tolerance
        self.level = level

    def fit(self, original: ArrayLike, retrained: ArrayLike | None, plan: QueryPlan):
        """Learn what the trace is, from signatures at the points to be forgotten.

        Parameters
        ----------
        original : array-like of shape (n_classes * n_components,)
            Signature of the model that was trained on the points.
        retrained : array-like of shape (n_retrained, n_classes * n_components) or None
            Signatures of models trained without them, from several seeds; 5 or more are advised.
        plan : QueryPlan
            The questions that all of them answer, about the points to be forgotten.

        Returns
        -------
        self : UnlearningVerifier

        Raises
        ------
        ValueError
            If a parameter is out of range, widths do not fit, or a model is constant.
        DesignMismatchError
            If column names tell that signatures answer other questions.
        """
        if not 0 <= self.tolerance < 0.5:
            raise ValueError(
                f"tolerance must be at least 0 and below 0.5, half way between retrained and "
                f"original; got {self.tolerance!r}."
            )
        check_level(self.level)
        check_plan(plan, minimum=2)
        if hasattr(self, "transformer_"):
            del self.transformer_  # it may ask other questions than these
        self._plan = plan
        self._original = _block(original, "original", plan)
        self._retrained = _blocks(retrained, "retrained", plan)
        self.n_retrained_ = len(self._retrained)
        self.d_trace_ = self.trace_low_ = self.trace_high_ = np.nan
        if self.n_retrained_ >= _FEWEST:
            self._spread = _Spread(self._retrained, self._sums(self._original), plan)
            self.d_trace_, self.trace_low_, self.trace_high_ = self._spread.trace(self.level)
        return self

    @classmethod
    def from_models(
        cls, original: Any, retrained: Sequence[Any] | None, transformer: Any, **params: Any
    ) -> UnlearningVerifier:
        """Ask the original and the retrained models, and fit on their signatures.

        Parameters
        ----------
        original : fitted classifier or query
            The model that was trained on the points.
        retrained : list of fitted classifiers or queries, or None
            Models trained without them.
        transformer : LimeSignatureTransformer or array-like
            What to ask, as in :meth:`~skzest.ReuseDetector.from_models`; its reference must be the
            points to be forgotten.
        **params
            Parameters of :class:`~skzest.UnlearningVerifier`.

        Returns
        -------
        verifier : UnlearningVerifier
            Fitted; candidates go to :meth:`judge_models`.
        """
        others = [] if retrained is None or not len(retrained) else check_models(retrained)
        lime, S = ask_first(transformer, [original, *others])
        verifier = cls(**params).fit(S[0], S[1:], lime.plan_)
        verifier.transformer_ = lime
        return verifier

    def predict(self, S: ArrayLike) -> np.ndarray:
        """Verdict on each candidate.

        Parameters
        ----------
        S : array-like of shape (n_candidates, n_classes * n_components)
            Signatures of the candidates.

        Returns
        -------
        verdicts : ndarray of str, shape (n_candidates,)
        """
        return self.judge(S).verdicts

    def judge_models(
        self, models: Sequence[Any], *, labels: Sequence[str] | None = None
    ) -> UnlearningVerdicts:
        """Ask candidates, and judge them.

        Parameters
        ----------
        models : list of fitted classifiers or queries
            The candidates; after :meth:`from_models` only.
        labels : sequence of str, default=None
            Names of the candidates.

        Returns
        -------
        verdicts : UnlearningVerdicts
        """
        S = ask_more(self, models, what="verifier", instead="signatures")
        return self.judge(S, labels=labels)

    def judge(self, S: ArrayLike, *, labels: Sequence[str] | None = None) -> UnlearningVerdicts:
        """Verdicts with all that they rest on.

        Parameters
        ----------
        S : array-like of shape (n_candidates, n_classes * n_components)
            Signatures of the candidates.
        labels : sequence of str, default=None
            Names of the candidates.

        Returns
        -------
        verdicts : UnlearningVerdicts
        """
        check_is_fitted(self)
        rows = [self._judge_one(block) for block in _blocks(S, "S", self._plan)]
        if not rows:
            raise ValueError("S is empty; at least one candidate is needed.")
        verdicts, reasons, *numbers = zip(*rows)
        left, low, high, d_original, d_retrained = (np.array(column) for column in numbers)
        return UnlearningVerdicts(
            verdicts=np.array(verdicts),
            trace_left=left,
            low=low,
            high=high,
            d_original=d_original,
            d_retrained=d_retrained,
            reasons=tuple(reasons),
            level=self.level,
            labels=check_labels(labels, len(rows)),
        )

    def _judge_one(self, block: np.ndarray) -> tuple:
        pair = point_sums(block, self._original, self._plan.n_columns)
        d_original = float(cosine_distance(pair.sum(axis=0)))
        left, d_retrained = (np.nan, np.nan, np.nan), np.nan
        if self.n_retrained_:
            sums = self._sums(block)
            d_retrained = float(of_points(sums)[0].mean())
            if self.n_retrained_ >= _FEWEST:
                left = self._spread.left(sums, self.level)
        verdict, reason = self._verdict(d_original, left)
        return verdict, reason, *left, d_original, d_retrained

    def _sums(self, block: np.ndarray) -> np.ndarray:
        """Sums over points of the pairs of a model with each retrained one."""
        return np.stack([point_sums(block, R, self._plan.n_columns) for R in self._retrained])

    def _verdict(self, d_original: float, left: tuple) -> tuple[str, str]:
        if d_original <= _SAME:
            return LIKE_ORIGINAL, "the same signature as the original"
        if self.n_retrained_ < _FEWEST:
            return UNDECIDED, f"{self.n_retrained_} retrained models; {_FEWEST} are needed"
        if not self.trace_low_ > 0:
            return UNDECIDED, "the original itself bears no trace that retrained models lack"
        share, low, high = left
        if np.isnan(share):
            return UNDECIDED, "no distance: the candidate is constant"
        said = f"{share:.2f} [{low:.2f}, {high:.2f}] of the trace is left"
        reaches_retrained, reaches_original = low <= self.tolerance, high >= 1 - self.tolerance
        if reaches_original and low > 0.5:
            return LIKE_ORIGINAL, said
        if reaches_retrained and high < 0.5:
            return LIKE_RETRAINED, said
        in_between = not (reaches_retrained or reaches_original)
        return UNDECIDED, f"{said}: {'a part of it' if in_between else 'too wide an interval'}"


class _Spread:
    """Distances among retrained models, and of the original to them, each without one point."""

    def __init__(self, retrained: list[np.ndarray], of_original: np.ndarray, plan: QueryPlan):
        self.n_models, self.n_points = len(retrained), len(plan)
        first, second = np.triu_indices(self.n_models, 1)
        pairs = [
            point_sums(retrained[i], retrained[j], plan.n_columns) for i, j in zip(first, second)
        ]
        shape = (self.n_models, self.n_models, self.n_points + 1)
        self.among = np.zeros(shape)
        self.among[first, second] = self.among[second, first] = _all_and_without(np.stack(pairs))
        self.original = _all_and_without(of_original)
        if np.isnan(self.among).any() or np.isnan(self.original).any():
            raise ValueError(
                "the original or a retrained model is constant at these points, so it has no "
                "distance. Leave it out."
            )

    def trace(self, level: float) -> tuple[float, float, float]:
        """Trace of the original with its interval."""
        return self._interval(self.original, level, lambda d, d_original, d_among: d - d_among)

    def left(self, sums: np.ndarray, level: float) -> tuple[float, float, float]:
        """Share of the trace that a candidate has, with its interval."""
        return self._interval(
            _all_and_without(sums),
            level,
            lambda d, d_original, d_among: (d - d_among) / (d_original - d_among),
        )

    def _interval(self, to_retrained: np.ndarray, level: float, share) -> tuple:
        """Student's interval of a function of three mean distances."""
        m = self.n_models
        own = self.among.sum(axis=1) / (m - 1)  # of each retrained model to the others
        means = [to_retrained.mean(axis=0), self.original.mean(axis=0), own.mean(axis=0)]
        values = share(*means)
        estimate = float(values[0])
        of_points = jackknife_error(values[1:])

        D = self.among[:, :, 0]
        among = (D.sum() - 2 * D.sum(axis=0)) / ((m - 1) * (m - 2))
        to, original = ((d[:, 0].sum() - d[:, 0]) / (m - 1) for d in (to_retrained, self.original))
        of_models = jackknife_error(share(to, original, among))
        # One model more varies as retrained ones do; share() is linear in the first argument.
        step = share(means[0][0] + 1, means[1][0], means[2][0]) - estimate
        of_itself = own[:, 0].std(ddof=1) * abs(step)
        error, freedom = two_way(of_points, self.n_points, np.hypot(of_models, of_itself), m)
        reach = float(stdtrit(freedom, (1 + level) / 2) * error)
        return estimate, estimate - reach, estimate + reach


def _all_and_without(sums: np.ndarray) -> np.ndarray:
    """Distances over all points, then those without each: (n_pairs, 1 + n_points)."""
    distances, without = of_points(sums)
    return np.concatenate([distances[:, None], without], axis=1)


def _block(S: Any, name: str, plan: QueryPlan) -> np.ndarray:
    return check_signature(S, name, plan, names_of(S))


def _blocks(S: Any, name: str, plan: QueryPlan) -> list[np.ndarray]:
    if S is None or not len(S):
        return []
    names, rows = names_of(S), np.asarray(S, dtype=np.float64)
    return [check_signature(row, name, plan, names) for row in np.atleast_2d(rows)]
