# SPDX-License-Identifier: BSD-3-Clause
"""ReuseDetector: was a suspect made from the owner's model?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control
from sklearn.utils.validation import check_is_fitted

from .._validation import check_choice, check_models
from ..comparing import check_level, cosine_distance, interval_text, number, p_value, zest_distances
from ..plan import QueryPlan
from ._decisions import NO_DISTANCE, REUSED, UNDECIDED, UNRELATED, ReuseDecisions, check_labels
from ._from_models import Asker
from ._judge import Judge, warn_each
from ._null import SLACK, Assumption, check_enough, make_null, n_needed
from ._relative import (
    RelativeDistances,
    check_distances,
    check_n_unrelated,
    check_unrelated,
    few_unrelated,
    from_distances,
    from_sums,
    sums_with,
)
from ._same import SAME, check_not_the_same

__all__ = ["ReuseDetector"]


class ReuseDetector(Judge[RelativeDistances, ReuseDecisions]):
    """Decides whether models were made from the owner's, at a false-positive rate of your choice.

    The reference is the distances of *unrelated* models to the owner's: trained for the same task
    by somebody else, or by the owner from other seeds, and matched to the suspect in architecture,
    data and accuracy as closely as possible. A suspect that is nearer than they are is taken to
    be made from the owner's model: a copy, pruned, rounded, trained further, or trained on its
    answers.

    There are three ways in. :meth:`fit` and :meth:`judge` take distances to the owner's model, of
    any kind; :meth:`from_signatures` and :meth:`judge_signatures` take signatures;
    :meth:`from_models` and :meth:`judge_models` take models and ask them. With signatures or
    models, intervals also cover the choice of reference points.

    Parameters
    ----------
    alpha : float, default=0.05
        False-positive rate: the share of unrelated suspects that may be called "reused".

    null : {"conformal", "lognormal", "normal"}, default="conformal"
        Distribution of the distances of unrelated models. ``"conformal"`` uses ranks and assumes
        only that an unrelated suspect is exchangeable with the unrelated models; with m of these,
        no p-value is below ``1 / (m + 1)``. ``"lognormal"`` and ``"normal"``, for owners with 5
        to 20 unrelated models, fit a normal distribution to the logarithms of the distances, or
        to the distances; ``assumption_`` tells whether they contradict it.

    threshold : float, default=None
        Decide by this relative distance instead of `alpha`. 1 is the paper's [1]_; about half of
        all unrelated models are below it, since their relative distance is 1 on average.

    correction : {"fdr", None}, default="fdr"
        Correction for several suspects at once. With ``"fdr"``, `alpha` bounds the expected share
        of unrelated models among those called "reused" (Benjamini and Hochberg [2]_, which holds
        for conformal p-values with a common null [3]_). None judges each suspect by itself.

    level : float, default=0.95
        Confidence level of intervals, and of the decision "unrelated".

    Attributes
    ----------
    null_distances_ : ndarray of shape (n_unrelated,)
        Distances of the unrelated models to the owner's model.

    null_mean_ : float
        Their mean, the unit of relative distances.

    critical_distance_ : float
        A single suspect below this distance is called "reused".

    unrelated_distance_ : float
        A suspect at this distance or farther is called "unrelated".

    offset_ : float
        The critical distance as a relative distance: ``decision_function`` is ``score_samples``
        minus this.

    assumption_ : Assumption or None
        For a parametric null, the assumption and the result of its test.

    transformer_ : LimeSignatureTransformer
        Asks the suspects; only after :meth:`from_models`.

    plan_ : QueryPlan
        The questions; only after :meth:`from_models` and :meth:`from_signatures`.

    See Also
    --------
    relative_distances : Relative distances without decisions.
    UnlearningVerifier : Whether data was forgotten.

    Notes
    -----
    There are three decisions:

    "reused"
        The p-value, corrected for the number of suspects, is at most `alpha`.
    "unrelated"
        More than `alpha` of all unrelated models are at least as near, with confidence `level`:
        by a binomial test on ranks, or by the confidence limit of the quantile of the curve. If
        points are known, this must hold at the low end of the interval over points. It says that
        the distance is an ordinary one, not that the model is innocent: a copy that was changed
        enough escapes detection.
    "undecided"
        Neither. More unrelated models, or more reference points, would settle it. A suspect
        without a distance (NaN) is undecided.

    With a `threshold`, a suspect is "undecided" if the interval of its relative distance contains
    the threshold; otherwise the side decides.

    The correction looks at all suspects of one call, so the decision on a suspect may depend on
    the others in the call; `score_samples`, `decision_function` and `p_values` do not.

    Distances may be negative, as cross-validated ones of near copies are
    (:func:`~skzest.crossvalidated_distances`), as long as the mean of the unrelated is positive;
    ``null="lognormal"`` needs positive unrelated distances.

    References
    ----------
    .. [1] H. Jia et al., "A Zest of LIME: Towards Architecture-Independent Model Distances",
       ICLR 2022.
    .. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal
       Statistical Society B 57, 1995.
    .. [3] S. Bates, E. Candès, L. Lei, Y. Romano, M. Sesia, "Testing for outliers with conformal
       p-values", Annals of Statistics 51, 2023.

    Examples
    --------
    >>> from skzest import ReuseDetector
    >>> unrelated = [0.18, 0.22, 0.19, 0.21, 0.2, 0.17, 0.23, 0.2, 0.19]
    >>> detector = ReuseDetector(alpha=0.1, correction=None).fit(unrelated)
    >>> detector.predict([0.02, 0.185, 0.21]).tolist()
    ['reused', 'undecided', 'unrelated']
    >>> detector.p_values([0.02, 0.185, 0.21]).round(1).tolist()
    [0.1, 0.3, 0.8]

    Nine models are too few for a level of 1 %, unless the form of their distribution is assumed:

    >>> detector = ReuseDetector(alpha=0.01, null="lognormal").fit(unrelated)
    >>> bool(detector.p_values(0.02) < 0.0001)
    True
    >>> print(detector.assumption_)
    logarithms of unrelated distances are normal: not contradicted (Shapiro-Wilk p = 0.98, 9 models)
    """

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        null: str = "conformal",
        threshold: float | None = None,
        correction: str | None = "fdr",
        level: float = 0.95,
    ):
        self.alpha = alpha
        self.null = null
        self.threshold = threshold
        self.correction = correction
        self.level = level

    _first, _other = "owner", "unrelated"

    assumption_: Assumption | None

    # --- fitting --------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: object = None) -> ReuseDetector:
        """Learn how far unrelated models are from the owner's.

        Parameters
        ----------
        X : array-like of shape (n_unrelated,)
            Distances of unrelated models to the owner's model.
        y : ignored

        Returns
        -------
        self : ReuseDetector

        Raises
        ------
        ValueError
            If a parameter is out of range, there are too few unrelated models for `alpha`, or
            their distances are not finite or not positive on average.

        Warns
        -----
        UserWarning
            If there are fewer than 5 unrelated models, or their distances contradict the
            parametric null.
        """
        self._fit_distances(X)
        warn_each(self._doubts())
        return self

    @classmethod
    def from_signatures(
        cls, owner: ArrayLike, unrelated: ArrayLike, plan: QueryPlan, **params: Any
    ) -> ReuseDetector:
        """Make a detector from signatures, whose cosine distances are used.

        Parameters
        ----------
        owner : array-like of shape (n_classes * n_components,)
            Signature of the owner's model.
        unrelated : array-like of shape (n_unrelated, n_classes * n_components)
            Signatures of unrelated models.
        plan : QueryPlan
            The questions that all of them answer.
        **params
            Parameters of :class:`~skzest.ReuseDetector`.

        Returns
        -------
        detector : ReuseDetector
            Fitted; suspects go to :meth:`judge_signatures`.

        Raises
        ------
        ValueError, DesignMismatchError
            As :func:`~skzest.relative_distances` and :meth:`fit`; and if an unrelated model has
            the owner's signature.
        """
        detector = cls(**params)._fit_signatures(owner, unrelated, plan)
        warn_each(detector._doubts())
        return detector

    @classmethod
    def from_models(
        cls, owner: object, unrelated: Sequence[object], transformer: Asker, **params: Any
    ) -> ReuseDetector:
        """Ask the owner's model and unrelated models, and make a detector from their answers.

        Parameters
        ----------
        owner : fitted classifier or query
            The owner's model.
        unrelated : list of fitted classifiers or queries
            Models that share only the task with it.
        transformer : LimeSignatureTransformer, QueryPlan or array-like
            What to ask. A fitted transformer asks its own plan; an unfitted one is cloned, and
            the clone fitted to the owner's and the unrelated models. Anything else is the
            reference data of a transformer with ``sampling="fractional"`` and
            ``n_samples="auto"``.
        **params
            Parameters of :class:`~skzest.ReuseDetector`.

        Returns
        -------
        detector : ReuseDetector
            Fitted; suspects go to :meth:`judge_models`.

        Raises
        ------
        TypeError, ValueError
            As :class:`~skzest.LimeSignatureTransformer` and :meth:`from_signatures`. Parameters
            and numbers of models are checked before the first question.
        """
        detector = cls(**params)._fit_models(owner, check_models(unrelated), transformer)
        warn_each(detector._doubts())
        return detector

    def _check_params(self, n_known: int) -> None:
        if not 0 < self.alpha < 1:
            hint = " For 5 %, pass 0.05." if self.alpha >= 1 else ""
            raise ValueError(f"alpha must be between 0 and 1; got {self.alpha!r}.{hint}")
        check_level(self.level)
        check_choice(self.correction, "correction", ("fdr", None))
        if self.threshold is not None and not self.threshold > 0:
            raise ValueError(
                f"threshold must be positive, like a relative distance; got {self.threshold!r}."
            )
        check_n_unrelated(n_known)
        check_enough(self.null, n_known, self.alpha if self.threshold is None else None)

    def _learn(self, X: ArrayLike, name: str = "X") -> None:
        distances = check_distances(X, name)
        self._check_params(len(distances))
        check_unrelated(distances, name)
        null = make_null(self.null, distances)
        self._null, self.assumption_ = null, null.assumption
        self.null_distances_, self.null_mean_ = distances, float(distances.mean())
        if self.threshold is None:
            self.critical_distance_ = null.critical(self.alpha)
            self.unrelated_distance_ = null.unrelated_from(self.alpha, self.level)
        else:
            self.critical_distance_ = self.unrelated_distance_ = self.threshold * self.null_mean_
        self.offset_ = self.critical_distance_ / self.null_mean_

    def _learn_signatures(self, first: np.ndarray, others: np.ndarray) -> None:
        sums = sums_with(first, others, self.plan_)
        distances = cosine_distance(sums.sum(axis=1))
        check_not_the_same(distances, "the owner", self._names(len(others)))
        self._learn(distances, "unrelated")
        self._null_sums, self._unrelated = sums, others

    def _doubts(self) -> list[str]:
        """Warnings about what was learned."""
        doubts = few_unrelated(len(self.null_distances_))
        if self.assumption_ is not None and self.assumption_.doubtful:
            doubts.append(
                f"{self.assumption_}. The p-values depend on it; use null='conformal' with at "
                f"least {n_needed(self.alpha)} unrelated models, or the other curve."
            )
        elif self.critical_distance_ < 0:
            doubts.append(
                f"with null={self.null!r} no distance is small enough to be called reused at "
                f"alpha={self.alpha:g}: the limit is {self.critical_distance_:.3g}. Train more "
                "unrelated models, or use null='lognormal'."
            )
        return doubts

    # --- judging --------------------------------------------------------------------------

    def p_values(self, X: ArrayLike) -> np.ndarray:
        """Probability that an unrelated model is at least as near, each suspect by itself.

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.

        Returns
        -------
        p : ndarray of shape (n_suspects,)
            In (0, 1]; NaN where a distance is NaN.
        """
        check_is_fitted(self)
        return self._null.p_values(check_distances(X, "X", finite=False))

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Relative distances: the higher, the more like an unrelated model.

        As in scikit-learn's outlier detectors, low scores are what is looked for.

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.

        Returns
        -------
        scores : ndarray of shape (n_suspects,)
        """
        check_is_fitted(self)
        return check_distances(X, "X", finite=False) / self.null_mean_

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Relative distances minus the critical one: negative for a suspect that is "reused".

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.

        Returns
        -------
        decision : ndarray of shape (n_suspects,)
            ``score_samples(X) - offset_``, without a correction for several suspects.
        """
        return self.score_samples(X) - self.offset_

    def _measure(self, X: ArrayLike) -> RelativeDistances:
        suspects = check_distances(X, "X", finite=False)
        return from_distances(suspects, self.null_distances_, self.level)

    def _measure_signatures(self, blocks: np.ndarray) -> RelativeDistances:
        suspects = sums_with(self._signature.blocks[0], blocks, self.plan_)
        return from_sums(suspects, self._null_sums, self.level)

    def _decide(self, measured: RelativeDistances, labels: Sequence[str] | None) -> ReuseDecisions:
        p = self._null.p_values(measured.d_suspects)
        adjusted = self._adjusted(p)
        if self.threshold is None:
            reused = adjusted <= self.alpha * SLACK
            unrelated = measured.points_low * self.null_mean_ >= self.unrelated_distance_
        else:
            reused, unrelated = measured.high < self.threshold, measured.low > self.threshold
        decisions = np.where(reused, REUSED, np.where(unrelated, UNRELATED, UNDECIDED))
        return ReuseDecisions(
            decisions=decisions,
            reasons=tuple(self._reasons(measured, adjusted, decisions)),
            d_suspects=measured.d_suspects,
            relative=measured.relative,
            low=measured.low,
            high=measured.high,
            p_values=p,
            adjusted_p_values=adjusted,
            null_distances=self.null_distances_,
            critical=self.critical_distance_,
            unrelated_from=self.unrelated_distance_,
            alpha=self.alpha,
            level=self.level,
            null=self.null,
            threshold=self.threshold,
            labels=check_labels(labels, len(p)),
            n_reference=measured.n_reference,
        )

    def _reasons(
        self, measured: RelativeDistances, adjusted: np.ndarray, decisions: np.ndarray
    ) -> Iterator[str]:
        far = self.unrelated_distance_ / self.null_mean_  # relative, like the column beside it
        for i, decision in enumerate(decisions):
            p = f"p {p_value(adjusted[i])}"
            if np.isnan(measured.relative[i]):
                yield NO_DISTANCE
            elif self.threshold is not None:
                ends = interval_text(measured.relative[i], measured.low[i], measured.high[i])
                side = {REUSED: "below", UNRELATED: "above", UNDECIDED: "on both sides of"}
                yield f"{ends} is {side[decision]} {number(self.threshold)}"
            elif decision == REUSED:
                yield f"{p}, at most {self.alpha:g}"
            elif decision == UNRELATED:
                d = number(measured.relative[i])
                yield f"{d} is ordinary between unrelated models (from {number(far)} on)"
            elif np.isfinite(far):
                yield f"{p}, and not certainly beyond {number(far)}, where unrelated models begin"
            else:
                yield f"{p}, and too few unrelated models to call it unrelated"

    def _adjusted(self, p: np.ndarray) -> np.ndarray:
        known = ~np.isnan(p)
        if self.correction is None or known.sum() < 2:
            return p
        adjusted = p.copy()
        adjusted[known] = false_discovery_control(p[known])
        return adjusted

    def _doubts_about(self, found: ReuseDecisions) -> list[str]:
        n_suspects, n = int((~np.isnan(found.p_values)).sum()), len(self.null_distances_)
        by_rank = self.null == "conformal" and self.threshold is None
        if not by_rank or self.correction is None or n_suspects < 2:
            return []
        needed = n_needed(self.alpha / n_suspects)
        nearest = 1 / (n + 1) in found.p_values  # the smallest p-value there is
        if not nearest or n >= needed or REUSED in found.decisions:
            return []
        return [
            f"a suspect is nearer than all {n} unrelated models, but finding a single one among "
            f"{n_suspects} suspects at alpha={self.alpha} takes {needed} of these. Train more, or "
            "use null='lognormal'."
        ]

    def _known_again(self, blocks: np.ndarray, names: Sequence[str]) -> list[str]:
        ours, theirs = (each.reshape(len(each), -1) for each in (blocks, self._unrelated))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # models without a common class
            D = zest_distances(ours, theirs, n_classes=blocks.shape[1])
        return [
            f"{names[i]} has the same signature as unrelated model {j}, so it was assumed to be "
            "unrelated and is now judged. Leave it out of one of the two."
            for i, j in np.argwhere(np.asarray(D) <= SAME)
        ]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True  # a constant suspect; refused among the unrelated
        return tags
