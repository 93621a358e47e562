# SPDX-License-Identifier: BSD-3-Clause
"""UnlearningVerifier: does a model still show that it was trained on certain points?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._validation import check_models, check_real, counted
from ..comparing import check_level, cosine_distance, interval_text
from ..plan import QueryPlan
from ._decisions import (
    LIKE_ORIGINAL,
    LIKE_RETRAINED,
    NO_DISTANCE,
    UNDECIDED,
    UnlearningDecisions,
    check_labels,
)
from ._from_models import Asker
from ._judge import Judge, warn_each
from ._relative import sums_with
from ._same import SAME, check_not_the_same
from ._trace import Share, Trace, all_and_without

__all__ = ["UnlearningVerifier"]

# With one of three left out, a pair remains.
_FEWEST = 3
# Distances to the original (n,), and to the retrained models (n, n_retrained, 1 + n_points).
_Measured = tuple[np.ndarray, np.ndarray]


class UnlearningVerifier(Judge[_Measured, UnlearningDecisions]):
    """Compares a model with others that were, and were not, trained on the points in question.

    The reference points are the *points to be forgotten* (section 5.3 of [1]_). A model that was
    trained on them behaves differently there from models that never saw them. How differently is
    measured with the original, and with models that were retrained without these points; the
    position of a candidate between the two is the share of the trace that is left.

    **This is a heuristic.** Behaviour cannot prove that a model has unlearned: the same weights can
    result from training with a point and without it [2]_, and behaviour at the points is only one
    of the ways they can show. "like retrained" says that no trace was *found*: a candidate that
    was adjusted at these very points, to mislead, looks the same. "no different from the original"
    is the stronger evidence of the two.

    There are three ways in. :meth:`fit` and :meth:`judge` take distances, of any kind;
    :meth:`from_signatures` and :meth:`judge_signatures` take signatures; :meth:`from_models` and
    :meth:`judge_models` take models and ask them. With signatures or models, intervals also cover
    the choice of points.

    Parameters
    ----------
    tolerance : float, default=0.1
        A share of the trace within this distance of 0 counts as 0, and of 1 as 1.

    level : float, default=0.95
        Confidence level of intervals.

    Attributes
    ----------
    d_trace_ : float
        The trace: mean distance of the original to retrained models, minus the mean distance
        among these. NaN with fewer than 3 retrained models.

    trace_low_, trace_high_ : float
        Ends of its interval.

    n_retrained_ : int
        Number of retrained models.

    transformer_ : LimeSignatureTransformer
        Asks the candidates; only after :meth:`from_models`.

    plan_ : QueryPlan
        The questions; only after :meth:`from_models` and :meth:`from_signatures`.

    See Also
    --------
    ReuseDetector : Whether a model was made from another.

    Notes
    -----
    With ``d(c)`` the mean distance of a model to the retrained ones (other than itself), the share
    is ``(d(c) - d(retrained)) / (d(original) - d(retrained))``. Distances between models of
    different seeds, which say nothing about the points, cancel; so a candidate is not considered
    like the original just because it was made from it. A candidate at distance 0 from a retrained
    model is taken to be that model.

    The interval covers the choice of points and of retrained models (jackknife), and the fact that
    the candidate is one model, which varies as retrained ones do. There are three decisions:

    "no different from the original"
        the same answers as the original, or an interval that reaches ``1 - tolerance`` and lies
        above one half;
    "like retrained"
        an interval that reaches ``tolerance`` and lies below one half;
    "undecided"
        anything else: the interval is too wide; part of the trace is certainly left and part
        certainly gone; there are fewer than 3 retrained models; or the interval of the original's
        own trace contains zero. The last is common for ordinary points, which other points stand
        in for: a model that never saw them behaves the same.

    Distances may be negative, as cross-validated ones of near copies are
    (:func:`~skzest.crossvalidated_distances`).

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022, section 5.3.
    .. [2] A. Thudi, H. Jia, I. Shumailov, N. Papernot, "On the Necessity of Auditable Algorithmic
       Definitions for Machine Unlearning", USENIX Security 2022.

    Examples
    --------
    A contributor who labelled every 1 as 7 wants to be forgotten:

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
    >>> verifier.judge_models(candidates).decisions.tolist()
    ['no different from the original', 'like retrained']
    """

    def __init__(self, *, tolerance: float = 0.1, level: float = 0.95):
        self.tolerance = tolerance
        self.level = level

    _first, _other = "original", "retrained"

    # --- fitting --------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: object = None) -> UnlearningVerifier:
        """Learn what the trace is, from distances at the points to be forgotten.

        Parameters
        ----------
        X : array-like of shape (1 + n_retrained, 1 + n_retrained)
            Distances between the original, which comes first, and the retrained models. Those
            were trained without the points, from several seeds; 5 or more are advised.
        y : ignored

        Returns
        -------
        self : UnlearningVerifier

        Raises
        ------
        ValueError
            If a parameter is out of range, or `X` is not a matrix of distances.

        Warns
        -----
        UserWarning
            If two of the models are at distance 0.
        """
        self._fit_distances(X)
        warn_each(_equal_rows(np.abs(X) <= SAME))
        return self

    @classmethod
    def from_signatures(
        cls, original: ArrayLike, retrained: ArrayLike | None, plan: QueryPlan, **params: Any
    ) -> UnlearningVerifier:
        """Make a verifier from signatures, whose cosine distances are used.

        Parameters
        ----------
        original : array-like of shape (n_classes * n_components,)
            Signature of the model that was trained on the points.
        retrained : array-like of shape (n_retrained, n_classes * n_components) or None
            Signatures of models trained without them, from several seeds; 5 or more are advised.
        plan : QueryPlan
            The questions that all of them answer, about the points to be forgotten.
        **params
            Parameters of :class:`~skzest.UnlearningVerifier`.

        Returns
        -------
        verifier : UnlearningVerifier
            Fitted; candidates go to :meth:`judge_signatures`.

        Raises
        ------
        ValueError
            If a parameter is out of range, widths do not fit, a model is constant, or two models
            have the same signature.
        DesignMismatchError
            If column names show that signatures answer different questions.
        """
        return cls(**params)._fit_signatures(original, retrained, plan)

    @classmethod
    def from_models(
        cls, original: object, retrained: Sequence[object] | None, transformer: Asker, **params: Any
    ) -> UnlearningVerifier:
        """Ask the original and the retrained models, and make a verifier from their answers.

        Parameters
        ----------
        original : fitted classifier or query
            The model that was trained on the points.
        retrained : list of fitted classifiers or queries, or None
            Models trained without them.
        transformer : LimeSignatureTransformer, QueryPlan or array-like
            What to ask, as in :meth:`~skzest.ReuseDetector.from_models`; its reference must be the
            points to be forgotten.
        **params
            Parameters of :class:`~skzest.UnlearningVerifier`.

        Returns
        -------
        verifier : UnlearningVerifier
            Fitted; candidates go to :meth:`judge_models`.

        Raises
        ------
        TypeError, ValueError
            As :class:`~skzest.LimeSignatureTransformer` and :meth:`from_signatures`. Parameters
            are checked before the first question.
        """
        none = retrained is None or (isinstance(retrained, Sequence) and not len(retrained))
        others = [] if none else check_models(retrained)
        return cls(**params)._fit_models(original, others, transformer)

    def _check_params(self, n_known: int) -> None:
        if not 0 <= check_real(self.tolerance, "tolerance") < 0.5:
            raise ValueError(
                f"tolerance must be at least 0 and below 0.5, half way between retrained and "
                f"original; got {self.tolerance!r}."
            )
        check_level(self.level)

    def _learn(self, X: ArrayLike) -> None:
        D = check_array(X, dtype=np.float64, input_name="X")
        if D.shape[0] != D.shape[1] or not np.allclose(D, D.T) or np.diag(D).any():
            raise ValueError(
                f"X must hold the distances between the original and the retrained models, a "
                f"symmetric matrix with zeros on the diagonal; got shape {D.shape}. Pass "
                "zest_distances of their signatures, the original first."
            )
        self._check_params(len(D) - 1)
        self._learn_trace(D[1:, 1:, None], D[0, 1:, None])

    def _learn_signatures(self, first: np.ndarray, others: np.ndarray) -> None:
        m, names = len(others), self._names(len(others))
        self._retrained = others
        among = np.zeros((m, m, 1 + len(self.plan_)))
        for i in range(1, m):
            among[i, :i] = among[:i, i] = all_and_without(
                sums_with(others[i], others[:i], self.plan_)
            )
            check_not_the_same(among[i, :i, 0], names[i], names)
        self._learn_trace(among, self._to_retrained(first))
        check_not_the_same(self._trace.original[:, 0], "the original", names)

    def _learn_trace(self, among: np.ndarray, original: np.ndarray) -> None:
        if np.isnan(among[..., 0]).any() or np.isnan(original[..., 0]).any():
            raise ValueError(
                "the original or a retrained model is constant at these points, so its distances "
                "are undefined. Leave it out."
            )
        self._trace = Trace(among, original)
        self.n_retrained_ = len(original)
        self.d_trace_ = self.trace_low_ = self.trace_high_ = np.nan
        if self.n_retrained_ >= _FEWEST:
            self.d_trace_, self.trace_low_, self.trace_high_ = self._trace.size(self.level)

    # --- judging --------------------------------------------------------------------------

    def _measure(self, X: ArrayLike) -> _Measured:
        D = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")
        if D.shape[1] != 1 + self.n_retrained_:
            raise ValueError(
                f"X has {D.shape[1]} columns; expected {1 + self.n_retrained_}: the distances to "
                f"the original and to {self.n_retrained_} retrained models. To judge signatures, "
                "use judge_signatures."
            )
        return D[:, 0], D[:, 1:, None]

    def _measure_signatures(self, blocks: np.ndarray) -> _Measured:
        sums = sums_with(self._signature.blocks[0], blocks, self.plan_)
        return cosine_distance(sums.sum(axis=1)), np.stack([*map(self._to_retrained, blocks)])

    def _to_retrained(self, block: np.ndarray) -> np.ndarray:
        """Distances of a model to the retrained ones, also without each point."""
        if not len(self._retrained):
            return np.zeros((0, 1 + len(self.plan_)))
        return all_and_without(sums_with(block, self._retrained, self.plan_))

    def _decide(self, measured: _Measured, labels: Sequence[str] | None) -> UnlearningDecisions:
        d_original, to_retrained = measured
        is_other = ~_is_same(to_retrained)
        others = [d[kept] for d, kept in zip(to_retrained, is_other)]
        left = [*map(self._share, others, is_other)]
        said = [*map(self._decision, d_original, left, map(len, others))]
        return UnlearningDecisions(
            decisions=np.array([decision for decision, _ in said]),
            reasons=tuple(reason for _, reason in said),
            trace_left=np.array([share.left for share in left]),
            low=np.array([share.low for share in left]),
            high=np.array([share.high for share in left]),
            d_original=d_original,
            d_retrained=np.array([d[:, 0].mean() if len(d) else np.nan for d in others]),
            level=self.level,
            labels=check_labels(labels, len(said)),
        )

    def _share(self, to_others: np.ndarray, is_other: np.ndarray) -> Share:
        """Share of the trace by the retrained models other than the candidate itself."""
        if len(to_others) < _FEWEST:
            return Share()
        trace = self._trace if is_other.all() else self._trace.only(is_other)
        return trace.share(to_others, self.level)

    def _decision(self, d_original: float, share: Share, n_others: int) -> tuple[str, str]:
        if abs(d_original) <= SAME:
            return LIKE_ORIGINAL, "the same answers as the original"
        if np.isnan(d_original):
            return UNDECIDED, NO_DISTANCE
        if n_others < _FEWEST:
            other = "" if n_others == self.n_retrained_ else "other "
            have = counted(n_others, f"{other}retrained model")
            return UNDECIDED, f"{have}; {_FEWEST} are needed"
        if not self.trace_low_ > 0:
            return UNDECIDED, "the original itself has no trace that retrained models lack"
        if np.isnan(share.left):
            return UNDECIDED, NO_DISTANCE
        said = f"{interval_text(*share)} of the trace is left"
        said += ", more than in the original" if share.low > 1 + self.tolerance else ""
        like_retrained = share.low <= self.tolerance
        like_original = share.high >= 1 - self.tolerance
        if like_original and share.low > 0.5:
            return LIKE_ORIGINAL, said
        if like_retrained and share.high < 0.5:
            return LIKE_RETRAINED, said
        in_between = not (like_retrained or like_original)
        return UNDECIDED, f"{said}: {'a part of it' if in_between else 'too wide an interval'}"

    def _doubts_about(self, found: UnlearningDecisions, measured: _Measured) -> list[str]:
        names = found.names
        return [
            f"{names[i]} is at distance 0 from retrained model {j}, as if it were the same, so "
            "it is judged by the others. Leave it out of one of the two."
            for i, j in np.argwhere(_is_same(measured[1]))
        ]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        tags.input_tags.allow_nan = True  # a constant candidate; refused among the retrained
        return tags


def _is_same(to_retrained: np.ndarray) -> np.ndarray:
    """Which retrained models a candidate is: (n_candidates, n_retrained)."""
    return np.abs(to_retrained[:, :, 0]) <= SAME


def _equal_rows(equal: np.ndarray) -> list[str]:
    """A warning if different models are at distance 0."""
    pairs = [f"{i} and {j}" for i, j in np.argwhere(np.triu(equal, 1))]
    if not pairs:
        return []
    return [
        f"the models in rows {', '.join(pairs)} of X are at distance 0: are they copies? Train "
        "each from another seed or sample."
    ]
