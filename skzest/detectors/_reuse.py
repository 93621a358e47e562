# SPDX-License-Identifier: BSD-3-Clause
"""ReuseDetector: was a suspect made from the owner's model?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._validation import check_models
from ..comparing import check_level, cosine_distance
from ..plan import QueryPlan
from ._decisions import REUSED, UNDECIDED, UNRELATED, ReuseDecisions, check_labels
from ._from_models import ask_first, ask_more
from ._null import Assumption, check_enough, make_null, n_needed
from ._relative import (
    RelativeDistances,
    check_distances,
    check_unrelated,
    from_distances,
    from_sums,
    sums_to,
    warn_of_few,
)

__all__ = ["ReuseDetector"]

# Adjusted p-values are products in floating point: equal to alpha but for rounding is equal.
_SLACK = 1 + 1e-12


class ReuseDetector(BaseEstimator):
    """Decides whether models were made from the owner's, at a false-positive rate of your choice.

    The yardstick is the distances of *unrelated* models to the owner's: trained for the same task
    by somebody else, or by the owner from other seeds, and as like to the suspect in architecture,
    data and accuracy as can be had. A suspect that is nearer than these are is held to be made
    from the owner's model: a copy, pruned, rounded, trained further, or trained on its answers.

    `fit` and `predict` take distances to the owner's model, so any distance serves, of signatures
    or of whatever else. :meth:`from_signatures` and :meth:`from_models` start earlier, and so
    know how much the choice of reference points matters.

    Parameters
    ----------
    alpha : float, default=0.05
        False-positive rate: the share of unrelated suspects that may be called "reused".

    null : {"conformal", "lognormal", "normal"}, default="conformal"
        How the distances of unrelated models are distributed. ``"conformal"`` goes by ranks, and
        assumes nothing but that an unrelated suspect is exchangeable with the unrelated models;
        with m of these no level below ``1 / (m + 1)`` can be had. ``"lognormal"`` and
        ``"normal"``, for owners with 5 to 20 unrelated models, take the logarithms of the
        distances, or the distances, for normal; what the distances say to that is in
        ``assumption_``.

    threshold : float, default=None
        Decide by this relative distance in place of `alpha`. 1 is the paper's [1]_; as an
        unrelated model has a relative distance of 1 on average, about half of them are below.

    correction : {"fdr", None}, default="fdr"
        What to do about several suspects at once: with ``"fdr"``, `alpha` is the expected share of
        unrelated models among those called "reused" (Benjamini and Hochberg [2]_, which holds for
        conformal p-values with a common null [3]_). None judges each by itself.

    level : float, default=0.95
        Confidence level of intervals, and of the verdict "unrelated".

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
        The critical distance in relative terms: ``decision_function`` is ``score_samples`` minus
        this.

    assumption_ : Assumption or None
        For a parametric null, the assumption and the result of its test.

    transformer_ : LimeSignatureTransformer
        Asks the suspects; only after :meth:`from_models`.

    See Also
    --------
    relative_distances : Relative distances alone.
    UnlearningVerifier : Whether data was forgotten.

    Notes
    -----
    The three verdicts:

    "reused"
        The p-value, corrected for the number of suspects, is at most `alpha`.
    "unrelated"
        More than `alpha` of all unrelated models are at least as near, with confidence `level`: by
        a binomial test on how many of the null are, or by the confidence limit of the quantile of
        the curve. Where points are known, at the low end of the interval over points. It says
        that the distance is an ordinary one, not that the model is innocent: who takes a model far
        enough away is not seen.
    "undecided"
        Neither. More unrelated models, or more reference points, would decide it. A suspect
        without a distance (NaN) is undecided.

    With a `threshold` the verdict is "undecided" where the interval of the relative distance holds
    the threshold, otherwise it goes by the side.

    The correction looks at all suspects of one call, so that `predict` may say another thing of a
    suspect in other company; `score_samples`, `decision_function` and `p_values` do not.

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

    Nine models are too few for a level of 1 %, unless their distribution is taken for known:

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

    # --- fit ------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: Any = None) -> ReuseDetector:
        """Learn how far unrelated models are.

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
            If there are fewer than 5 unrelated models, or their distances speak against the
            parametric null.
        """
        return self._fit(check_unrelated(X, "X"), stacklevel=4)

    def _fit(self, distances: np.ndarray, stacklevel: int) -> ReuseDetector:
        self._check_params()
        null = make_null(self.null, distances)
        if self.threshold is None:
            check_enough(null, self.alpha)
        warn_of_few(len(distances), stacklevel=stacklevel)
        self._null = null
        self._asked: tuple[Any, QueryPlan, np.ndarray] | None = None
        self.null_distances_, self.null_mean_ = distances, float(distances.mean())
        self.assumption_: Assumption | None = null.assumption
        if self.threshold is None:
            self.critical_distance_ = null.critical(self.alpha)
            self.unrelated_distance_ = null.unrelated_from(self.alpha, self.level)
        else:
            self.critical_distance_ = self.unrelated_distance_ = self.threshold * self.null_mean_
        self.offset_ = self.critical_distance_ / self.null_mean_
        if self.assumption_ is not None and self.assumption_.doubtful:
            warnings.warn(
                f"{self.assumption_}. p-values rest on it; use null='conformal' with "
                f"{n_needed(self.alpha)} unrelated models or more, or the other curve.",
                UserWarning,
                stacklevel=stacklevel - 1,
            )
        elif self.critical_distance_ < 0:
            warnings.warn(
                f"under null={self.null!r} no distance is small enough to be called reused at "
                f"alpha={self.alpha:g}: the limit is {self.critical_distance_:.3g}. More unrelated "
                "models would raise it, or take null='lognormal'.",
                UserWarning,
                stacklevel=stacklevel - 1,
            )
        return self

    def _check_params(self) -> None:
        if not 0 < self.alpha < 1:
            hint = " For 5 %, pass 0.05." if self.alpha >= 1 else ""
            raise ValueError(f"alpha must be between 0 and 1; got {self.alpha!r}.{hint}")
        check_level(self.level)
        if self.correction not in ("fdr", None):
            raise ValueError(f"correction must be 'fdr' or None; got {self.correction!r}.")
        if self.threshold is not None and not self.threshold > 0:
            raise ValueError(
                f"threshold must be positive, as a relative distance is; got {self.threshold!r}."
            )

    @classmethod
    def from_signatures(
        cls, owner: ArrayLike, unrelated: ArrayLike, plan: QueryPlan, **params: Any
    ) -> ReuseDetector:
        """Fit on signatures, whose cosine distances are taken.

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
            As :func:`~skzest.relative_distances` and :meth:`fit`.
        """
        return cls(**params)._fit_signatures(owner, unrelated, plan, stacklevel=5)

    def _fit_signatures(self, owner: Any, unrelated: Any, plan: QueryPlan, stacklevel: int):
        sums = sums_to(owner, unrelated, plan, "unrelated")
        distances = check_unrelated(cosine_distance(sums.sum(axis=1)), "unrelated")
        self._fit(distances, stacklevel)
        self._asked = owner, plan, sums
        return self

    @classmethod
    def from_models(
        cls, owner: Any, unrelated: Sequence[Any], transformer: Any, **params: Any
    ) -> ReuseDetector:
        """Ask the owner's and unrelated models, and fit on their signatures.

        Parameters
        ----------
        owner : fitted classifier or query
            The owner's model.
        unrelated : list of fitted classifiers or queries
            Models that have only the task in common with it.
        transformer : LimeSignatureTransformer or array-like
            What to ask. A fitted one asks what it was fitted to; of one that is not fitted, a clone
            is fitted to the owner's and the unrelated models. Anything else is taken for the
            reference data of one with ``sampling="fractional"`` and ``n_samples="auto"``.
        **params
            Parameters of :class:`~skzest.ReuseDetector`.

        Returns
        -------
        detector : ReuseDetector
            Fitted; suspects go to :meth:`judge_models`.

        Raises
        ------
        TypeError, ValueError
            As :class:`~skzest.LimeSignatureTransformer` and :meth:`fit`.
        """
        lime, S = ask_first(transformer, [owner, *check_models(unrelated)])
        detector = cls(**params)._fit_signatures(S[0], S[1:], lime.plan_, stacklevel=5)
        detector.transformer_ = lime
        return detector

    # --- suspects -------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Verdict on each suspect.

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.

        Returns
        -------
        decisions : ndarray of str, shape (n_suspects,)
            "reused", "unrelated" or "undecided".
        """
        return self._judge(self._relative(X), None, stacklevel=4).decisions

    def judge(self, X: ArrayLike, *, labels: Sequence[str] | None = None) -> ReuseDecisions:
        """Verdicts with all that they rest on.

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.
        labels : sequence of str, default=None
            Names of the suspects.

        Returns
        -------
        decisions : ReuseDecisions
        """
        return self._judge(self._relative(X), labels, stacklevel=4)

    def judge_signatures(
        self, S: ArrayLike, *, labels: Sequence[str] | None = None
    ) -> ReuseDecisions:
        """Verdicts on suspects by their signatures, with intervals that know about the points.

        Parameters
        ----------
        S : array-like of shape (n_suspects, n_classes * n_components)
            Signatures under the plan of :meth:`from_signatures` or :meth:`from_models`.
        labels : sequence of str, default=None
            Names of the suspects.

        Returns
        -------
        decisions : ReuseDecisions
        """
        return self._judge(self._relative_of_signatures(S), labels, stacklevel=4)

    def judge_models(
        self, models: Sequence[Any], *, labels: Sequence[str] | None = None
    ) -> ReuseDecisions:
        """Ask suspects, and judge them.

        Parameters
        ----------
        models : list of fitted classifiers or queries
            The suspects; after :meth:`from_models` only.
        labels : sequence of str, default=None
            Names of the suspects.

        Returns
        -------
        decisions : ReuseDecisions
        """
        S = ask_more(self, models, what="detector", instead="distances")
        return self._judge(self._relative_of_signatures(S), labels, stacklevel=4)

    def p_values(self, X: ArrayLike) -> np.ndarray:
        """Chance that an unrelated model comes as near, each suspect by itself.

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.

        Returns
        -------
        p : ndarray of shape (n_suspects,)
            In (0, 1]; NaN where a distance is.
        """
        check_is_fitted(self)
        return self._null.p_values(check_distances(X, "X", finite=False))

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Relative distances: the higher, the more like an unrelated model.

        As in scikit-learn's outlier detectors, what is looked for has low scores.

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
        """Relative distances minus the critical one: negative for a single suspect that is reused.

        Parameters
        ----------
        X : array-like of shape (n_suspects,)
            Distances of the suspects to the owner's model.

        Returns
        -------
        decision : ndarray of shape (n_suspects,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    # --- verdicts -------------------------------------------------------------------------

    def _relative(self, X: ArrayLike) -> RelativeDistances:
        check_is_fitted(self)
        suspects = check_distances(X, "X", finite=False)
        return from_distances(suspects, self.null_distances_, self.level)

    def _relative_of_signatures(self, S: ArrayLike) -> RelativeDistances:
        check_is_fitted(self)
        if self._asked is None:
            raise AttributeError(
                "this detector was fitted on bare distances: make it by "
                "ReuseDetector.from_signatures, or judge distances."
            )
        owner, plan, of_null = self._asked
        return from_sums(sums_to(owner, S, plan, "S"), of_null, self.level)

    def _judge(self, found: RelativeDistances, labels: Any, stacklevel: int) -> ReuseDecisions:
        p = self._null.p_values(found.d_suspects)
        adjusted = self._adjusted(p, stacklevel)
        if self.threshold is None:
            reused = adjusted <= self.alpha * _SLACK
            unrelated = found.points_low * self.null_mean_ >= self.unrelated_distance_
        else:
            reused, unrelated = found.high < self.threshold, found.low > self.threshold
        verdict = np.where(reused, REUSED, np.where(unrelated, UNRELATED, UNDECIDED))
        return ReuseDecisions(
            decisions=verdict,
            d_suspects=found.d_suspects,
            relative=found.relative,
            low=found.low,
            high=found.high,
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
            n_reference=found.n_reference,
        )

    def _adjusted(self, p: np.ndarray, stacklevel: int) -> np.ndarray:
        known = ~np.isnan(p)
        n_suspects = int(known.sum())
        if self.correction is None or n_suspects < 2:
            return p
        adjusted = p.copy()
        adjusted[known] = false_discovery_control(p[known])
        n_unrelated, needed = len(self.null_distances_), n_needed(self.alpha / n_suspects)
        by_rank = self.null == "conformal" and self.threshold is None
        nearest = 1 / (n_unrelated + 1) in p  # the least p-value there is
        found = (adjusted[known] <= self.alpha * _SLACK).any()
        if by_rank and nearest and not found and n_unrelated < needed:
            warnings.warn(
                f"a suspect is nearer than all {n_unrelated} unrelated models, but "
                f"to find a single one among {n_suspects} at alpha={self.alpha} takes {needed} "
                "of these. Train more, or use null='lognormal'.",
                UserWarning,
                stacklevel=stacklevel,
            )
        return adjusted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True  # a constant suspect; not among the unrelated
        return tags
