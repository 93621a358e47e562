# SPDX-License-Identifier: BSD-3-Clause
"""ReuseDetector: was a suspect made from the owner's model?"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._points import Points
from .._validation import check_roles
from ..comparing import cosine_distance, zest_distances
from ..plan import QueryPlan
from ..rehearsal import Candidates
from ._decisions import ReuseDecisions
from ._from_models import Asker
from ._judge import Judge, warn_each
from ._kinds import FalsePositives, by_kind, check_kinds, false_positives, groups_of
from ._left_out import LeftOutInTurn
from ._null import Assumption
from ._questions import (
    REHEARSAL,
    ZEST,
    Material,
    SuspectQuestions,
    ask_unrelated,
    check_names,
    check_used,
    choosing_models,
    prepare,
    usual,
)
from ._relative import RelativeDistances, from_sums, sums_with
from ._rule import Settings
from ._rules import rule_of
from ._same import SAME, TakenPart, check_not_the_same
from ._table import Table
from ._unlike import Crowd, judged_again, unlike

__all__ = ["ReuseDetector"]


class ReuseDetector(Judge[RelativeDistances | np.ndarray, ReuseDecisions]):
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

    No single distance finds every kind of reuse. Several of them, as columns, are judged together:
    each is standardised by all models, and the combined score of a suspect is ranked among those
    of the unrelated models, so the false-positive rate holds however the distances depend on each
    other. The decision names the distances that it rests on.

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

    combine : {"squares", "minimum", "whitened"}, default="squares"
        How several distances become one score, for ``null="conformal"``. ``"squares"`` adds the
        squares of the negative standardised distances, so that being farther in one of them is
        no excuse. ``"minimum"`` takes the most negative one. ``"whitened"`` adds the squares
        after removing the correlation among the unrelated models; it finds more copies, and
        accuses more strangers of a kind that is missing among the unrelated models.

    Attributes
    ----------
    null_distances_ : ndarray of shape (n_unrelated,) or (n_unrelated, n_distances)
        Distances of the unrelated models to the owner's model.

    null_mean_ : float or ndarray of shape (n_distances,)
        Their mean, the unit of relative distances.

    distance_names_ : tuple of str or None
        Names of the distances, if there are several.

    critical_distance_ : float
        A single suspect below this distance is called "reused". NaN for several distances, where
        the limit depends on the suspect.

    unrelated_distance_ : float
        A suspect at this distance or farther is called "unrelated". NaN for several distances.

    offset_ : float
        The critical distance as a relative distance: ``decision_function`` is ``score_samples``
        minus this. NaN for several distances.

    assumption_ : Assumption or None
        For a parametric null of one distance, the assumption and the result of its test.

    kinds_ : ndarray of str, shape (n_unrelated,), or None
        The kind of each unrelated model, if kinds were given.

    false_positives_ : FalsePositives or None
        False-positive rate of each kind, measured on the unrelated models.

    transformer_ : LimeSignatureTransformer
        Asks the suspects; only after :meth:`from_models`.

    plan_ : QueryPlan
        The questions; only after :meth:`from_models` and :meth:`from_signatures`.

    questions_ : SuspectQuestions
        What suspects are asked, ``questions_.n_questions`` each; only after :meth:`from_models`
        with `distances` or `copies`, in place of `transformer_` and `plan_`.

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

    **Several distances.** Of each distance the logarithm is taken (near zero ``arcsinh`` replaces
    it), less the mean of the *other* models, over their standard deviation. The other models are
    the unrelated ones and the suspect, so that all models are treated alike and the rank of the
    suspect is uniform if it is exchangeable with the unrelated models. A distance that a model
    lacks (NaN), or that fewer than two others have, adds nothing to its score, as if it were an
    average one; a suspect without any is undecided. So the rank is uniform whichever distances
    are missing, and for whatever reason. With a parametric null, the smallest of the p-values of
    the single distances is multiplied by the number of distances (Bonferroni). `threshold` is for
    one distance only.

    **Kinds of unrelated models.** If kinds are given, a suspect must be nearer than all unrelated
    models together, and nearer than those of each kind with at least ``1 / alpha - 1`` models (5
    for a parametric null); its p-value is the largest of these. So the rate holds for each such
    kind by itself. A kind whose models have none of the suspect's distances has no say. With a
    `threshold`, no kind has a limit of its own.

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

    Two distances together; the second decides:

    >>> two = [[d, 1.1 - d] for d in unrelated]
    >>> detector = ReuseDetector(alpha=0.1).fit(two)
    >>> detector.judge([[0.2, 0.1]]).decided_by
    (('distance 1',),)
    """

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        null: str = "conformal",
        threshold: float | None = None,
        correction: str | None = "fdr",
        level: float = 0.95,
        combine: str = "squares",
    ):
        self.alpha = alpha
        self.null = null
        self.threshold = threshold
        self.correction = correction
        self.level = level
        self.combine = combine

    _first, _other = "owner", "unrelated"

    questions_: SuspectQuestions
    _part: TakenPart
    assumption_: Assumption | None
    false_positives_: FalsePositives | None

    # --- fitting --------------------------------------------------------------------------

    def fit(
        self, X: ArrayLike, y: object = None, *, kinds: Sequence[object] | None = None
    ) -> ReuseDetector:
        """Learn how far unrelated models are from the owner's.

        Parameters
        ----------
        X : array-like of shape (n_unrelated,) or (n_unrelated, n_distances)
            Distances of unrelated models to the owner's model. Several distances of each model
            are named by the columns of a DataFrame, and NaN where one is undefined.
        y : ignored
        kinds : sequence of shape (n_unrelated,), default=None
            The kind of each unrelated model, such as "same recipe" or "copy of another model".
            ``false_positives_`` then has a rate for each, and a suspect must also be nearer than
            the models of each kind of which there are enough.

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
        self._kinds = kinds
        self._fit_distances(X)
        warn_each(self._rule.doubts())
        return self

    @classmethod
    def from_signatures(
        cls,
        owner: ArrayLike,
        unrelated: ArrayLike,
        plan: QueryPlan,
        *,
        kinds: Sequence[object] | None = None,
        **params: Any,
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
        kinds : sequence of shape (n_unrelated,), default=None
            As for :meth:`fit`.
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
        detector = cls(**params)
        detector._kinds = kinds
        detector._fit_signatures(owner, unrelated, plan)
        warn_each(detector._rule.doubts())
        return detector

    @classmethod
    def from_models(
        cls,
        owner: object,
        unrelated: Sequence[object] | Mapping[str, Sequence[object]],
        transformer: Asker | Candidates,
        *,
        distances: Sequence[str] | None = None,
        points: Points | None = None,
        y: ArrayLike | None = None,
        copies: Sequence[object] = (),
        foreign: Sequence[object] = (),
        answers: str = "label",
        n_questions: int | None = None,
        choosing: float = 0.3,
        random_state: int = 0,
        **params: Any,
    ) -> ReuseDetector:
        """Ask the owner's model and unrelated models, and make a detector from their answers.

        Parameters
        ----------
        owner : fitted classifier or query
            The owner's model.
        unrelated : list of fitted classifiers or queries, or dict of lists
            Models that share only the task with it. A dict names their kinds, as `kinds` of
            :meth:`fit` does.
        transformer : LimeSignatureTransformer, QueryPlan, Candidates or array-like
            What to ask. A fitted transformer asks its own plan; an unfitted one is cloned, and
            the clone fitted to the owner's and the unrelated models. Anything else is the
            reference data of a transformer with ``sampling="fractional"`` and
            ``n_samples="auto"``. With `copies` and without `distances` and `y`, it may be the
            points to choose questions from, or candidate questions; nothing else is asked then.
        distances : list of str, default=None
            Distances to decide by: ``"zest"``, names of ``skzest.baselines.BASELINES``, and
            ``"rehearsal"``. None is Zest, ``"mistakes"`` if there is `y`, and ``"rehearsal"`` if
            there are `copies`: three that find different copies. Each suspect is asked the same
            questions, which the owner's model fixes here.
        points, y : points of the task and their labels, default=None
            For distances at whole points, boundaries and pairs, and for `candidates` of a
            rehearsal. None is the reference data. ``"mistakes"`` needs `y`.
        copies, foreign : lists of models, default=()
            For ``"rehearsal"``: copies of the owner's model, and copies of other models; see
            :func:`skzest.rehearsal.rehearse`. Make the latter from models that are not among the
            unrelated ones, which would otherwise have a part in choosing.
        answers : {"label", "scores"}, default="label"
            For ``"rehearsal"``: whether suspects are asked for labels or for probabilities.
        n_questions : int, default=None
            Limit of the questions for each suspect. None is that of the plan, or 64 for a
            rehearsal alone. Distances that are computed from the same questions share them, and
            each set of questions has an equal part, after the 64 of a rehearsal.
        choosing : float, default=0.3
            For ``"rehearsal"``: the share of the unrelated models, drawn at random, that help to
            choose the questions. They do not calibrate. If too few would be left for `alpha`, the
            questions are chosen without each unrelated model in turn, and all calibrate: suspects
            are then asked the questions of all choices, each of which has fewer, so that they keep
            within the limit together. The false-positive rate is then about `alpha` in simulations,
            and proven to be at most twice `alpha` but for the number of questions of a choice,
            which all unrelated models decide.
        random_state : int, default=0
            Seed of searches and of that draw.
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
        detector = cls(**params)
        models, detector._kinds = by_kind(unrelated)
        roles = {"unrelated": models, "copies": copies, "foreign": foreign}
        models, copies, foreign = check_roles("the owner", owner, roles)
        material = Material(
            transformer, points, y, copies, foreign, answers, n_questions, random_state
        )
        names = usual(material) if distances is None else distances
        is_zest = distances is None and names == [ZEST]
        if is_zest and not isinstance(transformer, Candidates):
            check_used(None, material, choosing)
            detector._fit_models(owner, models, transformer)
        else:
            names = check_names(names, material)
            check_used(names, material, choosing)
            detector._fit_answers(owner, models, names, material, choosing)
            detector._part = TakenPart(roles)
        warn_each(detector._rule.doubts())
        return detector

    def _fit_answers(
        self,
        owner: object,
        unrelated: list[object],
        names: tuple[str, ...],
        material: Material,
        share: float,
    ) -> None:
        settings, n = self._settings(), len(unrelated)
        settings.check(n, len(names))
        chosen: np.ndarray | None = np.zeros(n, dtype=bool)
        if REHEARSAL in names:
            chosen = choosing_models(n, share, settings, material.random_state)
        in_turn = chosen is None
        choose = np.ones(n, dtype=bool) if chosen is None else chosen
        kept = choose if in_turn else ~choose
        choosing = {f"unrelated[{i}]": unrelated[i] for i in np.flatnonzero(choose)}
        questions = prepare(owner, names, material, choosing, in_turn)
        D, labels = ask_unrelated(questions, unrelated, kept)
        self._forget_questions()
        if self._kinds is not None:
            self._kinds = np.asarray(self._kinds)[kept].tolist()
        table = Table.named(D[range(n), range(n)] if in_turn else D, names, "unrelated")
        self._learn_table(table, "unrelated", D.transpose(1, 0, 2) if in_turn else None)
        self.questions_ = questions
        self._crowd = Crowd(D, labels, material.y, questions.owner_labels)

    def _settings(self) -> Settings:
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})

    def _check_params(self, n_known: int) -> None:
        self._settings().check(n_known)

    def _learn(self, X: ArrayLike, name: str = "X") -> None:
        self._learn_table(Table.of(X, name), name)

    def _learn_table(self, table: Table, name: str, in_turn: np.ndarray | None = None) -> None:
        settings, m = self._settings(), len(table.distances)
        settings.check(m, max(len(table.names), 1))
        if table.names:
            settings.check_known(table)
        kinds = check_kinds(self._kinds, m)
        groups = groups_of(kinds, table, settings)
        if in_turn is None:
            self._rule = rule_of(table, groups, settings, name)
        else:
            names = table.names or (REHEARSAL,)
            self._rule = LeftOutInTurn(in_turn, names, groups, settings)
        self.assumption_ = self._rule.assumption
        self.null_distances_ = table.distances
        self.null_mean_ = np.nanmean(table.distances, axis=0)
        self.distance_names_ = table.names or None
        self.critical_distance_ = self._rule.critical
        self.unrelated_distance_ = self._rule.unrelated_from
        self.offset_ = self.critical_distance_ / self._rule.unit
        self.kinds_ = kinds
        self.false_positives_ = None
        if kinds is not None:
            self.false_positives_ = false_positives(kinds, table, settings)

    def _learn_signatures(self, first: np.ndarray, others: np.ndarray) -> None:
        sums = sums_with(first, others, self.plan_)
        distances = cosine_distance(sums.sum(axis=1))
        check_not_the_same(distances, "the owner", self._names(len(others)))
        self._learn(distances, "unrelated")
        self._null_sums, self._unrelated = sums, others

    # --- judging --------------------------------------------------------------------------

    def p_values(self, X: ArrayLike) -> np.ndarray:
        """Probability that an unrelated model is at least as near, each suspect by itself.

        Parameters
        ----------
        X : array-like of shape (n_suspects,) or (n_suspects, n_distances)
            Distances of the suspects to the owner's model.

        Returns
        -------
        p : ndarray of shape (n_suspects,)
            In (0, 1]; NaN for a suspect without any distance.
        """
        check_is_fitted(self)
        return self._rule.p_values(X)

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """The higher, the more like an unrelated model: relative distances, or minus the score.

        As in scikit-learn's outlier detectors, low scores are what is looked for.

        Parameters
        ----------
        X : array-like of shape (n_suspects,) or (n_suspects, n_distances)
            Distances of the suspects to the owner's model.

        Returns
        -------
        scores : ndarray of shape (n_suspects,)
        """
        check_is_fitted(self)
        return self._rule.score_samples(X)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Negative for a suspect that is "reused", by itself: relative distances minus the limit.

        Parameters
        ----------
        X : array-like of shape (n_suspects,) or (n_suspects, n_distances)
            Distances of the suspects to the owner's model.

        Returns
        -------
        decision : ndarray of shape (n_suspects,)
            ``score_samples(X) - offset_``, without a correction for several suspects. For
            several distances the limit of the score takes the place of ``offset_``.
        """
        check_is_fitted(self)
        return self._rule.decision_function(X)

    def _measure(self, X: ArrayLike) -> RelativeDistances | np.ndarray:
        return self._rule.measure(X)

    def _measure_signatures(self, blocks: np.ndarray) -> RelativeDistances:
        suspects = sums_with(self._signature.blocks[0], blocks, self.plan_)
        return from_sums(suspects, self._null_sums, self.level)

    def _ask(
        self, models: list[object], labels: Sequence[str] | None
    ) -> tuple[ReuseDecisions, list[str]]:
        if not hasattr(self, "questions_"):
            return super()._ask(models, labels)
        D, given = self.questions_.ask(models)
        measured = self._rule.of_answers(D)
        found = self._decide(measured, labels)
        roles = [self._part.role_of(model) for model in models]
        again = [
            f"{name} is {role}, which had a part in choosing the questions or in calibration, so "
            "its distances are no evidence. Judge models that had none."
            for name, role in zip(found.names, roles)
            if role is not None
        ]
        new = [i for i, role in enumerate(roles) if role is None]  # perhaps the same, loaded again
        their_labels = {asked: of[new] for asked, of in given.items()}
        doubts = [
            *self._doubts_about(found, measured),
            *again,
            *self._crowd.known_again(D[new], their_labels, [found.names[i] for i in new]),
            *self._crowd.unlike(given, found.names),
        ]
        return found, doubts

    def _decide(
        self, measured: RelativeDistances | np.ndarray, labels: Sequence[str] | None
    ) -> ReuseDecisions:
        return self._rule.decide(measured, labels)

    def _doubts_about(
        self, found: ReuseDecisions, measured: RelativeDistances | np.ndarray
    ) -> list[str]:
        return self._rule.doubts_about(found)

    def _known_again(self, blocks: np.ndarray, names: Sequence[str]) -> list[str]:
        D = _distances(blocks, self._unrelated)
        known = [
            judged_again(names[i], "has the same signature as", j)
            for i, j in np.argwhere(D <= SAME)
        ]
        among = _distances(self._unrelated, self._unrelated)
        n = len(among)
        return known + unlike(
            "mean distance to them", D.mean(axis=1), among.sum(axis=1) / (n - 1), names
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True
        tags.input_tags.allow_nan = True  # a constant suspect; refused among the unrelated
        return tags


def _distances(blocks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Between signatures in blocks of classes."""
    ours, theirs = (each.reshape(len(each), -1) for each in (blocks, others))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models without a common class
        return np.asarray(zest_distances(ours, theirs, n_classes=blocks.shape[1]))
