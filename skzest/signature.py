# SPDX-License-Identifier: BSD-3-Clause
"""LimeSignatureTransformer: a zoo of classifiers becomes a matrix of signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._progress import CallbackSupportMixin, Progress, with_callbacks
from ._validation import check_choice, check_models, check_n_reference, check_whole, listed
from .asking import Panel, queries_of
from .maskers import BaseMasker, masker_for
from .plan import (
    QueryPlan,
    build_plan,
    check_kernel_width,
    check_surrogate,
    feature_names,
    order_rng,
)
from .queries import Query, as_query, check_response
from .store import check_cache

__all__ = ["LimeSignatureTransformer"]


class LimeSignatureTransformer(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Turn classifiers into signatures: their LIME coefficients at reference points.

    The samples are models. Every model answers the same masked copies of the same reference
    points. At each point a linear regression from masks to answers gives coefficients, and all
    coefficients side by side are the model's signature [1]_. The signatures of related models
    point in similar directions: compare them with :func:`~skzest.zest_distances`.

    Parameters
    ----------
    reference : array-like, DataFrame, list of str or QueryPlan
        Data of the models' task, one point per row: a 2-D array or DataFrame is a table, a 3-D
        or 4-D array is images, strings are text. Clones share it, so do not change it in place.
        A :class:`~skzest.QueryPlan` brings its own points and masks; see :meth:`from_plan`.
    n_reference : int, default=None
        Number of reference points, drawn at random: the first ``n_reference`` of one seeded
        permutation, so smaller sets are contained in larger ones. None means
        ``min(128, len(reference))``.
    masker : "auto" or masker, default="auto"
        How a point is cut into parts and what replaces hidden parts, such as
        :class:`~skzest.ImageMasker`. ``"auto"`` chooses by the kind of ``reference``.
    n_samples : int or "auto", default=1000
        Maximum number of masks per reference point. Repeated masks are asked only once. ``"auto"``
        depends on the number of parts of each point: ``4 * q``, where ``q`` is the next power of
        two above it, such as 64 for 8 to 15 parts. It is meant for ``sampling="fractional"``.
    sampling : {"bernoulli", "antithetic", "foldover", "fractional"} or callable, \
            default="bernoulli"
        Design of the masks. ``"bernoulli"`` is the paper's; ``"antithetic"`` adds the complement
        of each mask. ``"foldover"`` takes whole blocks of a Hadamard matrix and its complement,
        and ``"fractional"`` a regular fraction of all masks, the largest power of two that
        fits; both are orthogonal and unaffected by interactions of two parts. A callable gets
        ``(n_parts, n_samples, rng)`` and returns boolean masks of shape (n_masks, n_parts).
    surrogate : regressor or "passthrough", default=None
        Linear regressor from masks to scores; None is ``LinearRegression()``. It and ``Ridge``
        have a closed form that serves all classes of all models; any other scikit-learn
        regressor with ``coef_`` is cloned and fitted. ``"passthrough"`` fits nothing: the
        signature is the scores themselves, centred over classes and over the masks of each point.
    kernel_width : float, default=None
        Width of LIME's kernel on the distance of a mask from the whole point (0.25 in LIME for
        images). None gives all masks the same weight, as the paper does.
    response : {"logit", "raw", "predict_proba", "decision_function", "label"}, default="logit"
        What the models are asked for; the same for all. ``"logit"`` is the raw output of a
        network, or the logarithm of clipped probabilities; the mean over classes is subtracted
        from both, which makes them the same quantity. ``"raw"`` is logits or
        ``decision_function`` as they are.
    clip : float, default=1e-6
        Smallest probability under ``response="logit"``. Forests answer with exact zeros, and for
        them this number decides the distance.
    n_classes : int, default=None
        Number of classes, labelled 0 to ``n_classes - 1``. None takes the sorted union of the
        ``classes_`` of the models that are fitted.
    adapter : "auto" or callable, default="auto"
        Turns a model into a query; ``"auto"`` is :func:`~skzest.queries.as_query`.
    batch_size : int, "auto" or "tune", default="auto"
        Copies per call of a model. ``"auto"`` depends only on the size of a copy and the device,
        so results repeat to the bit. ``"tune"`` tries a few sizes and takes the fastest, which
        costs a few more questions. The size is halved when memory runs out. A model that accepts
        only batches of a given size gets padded batches.
    random_state : int, RandomState instance or None, default=0
        Chooses points and masks. With None or a RandomState, ``fit`` draws one integer and
        keeps it.
    cache : path or AnswerStore, default=None
        Where answers are stored. Only missing answers are requested, and each is saved as it
        arrives, so an interrupted run resumes, and a search over ``n_reference``, ``n_samples``,
        the surrogate or the distance asks each model about each point once. See
        :class:`~skzest.AnswerStore`. None stores nothing.
    dtype : {"float64", "float32"}, default="float64"
        Of the signatures. ``"float32"`` takes half the memory; coefficients are computed in float64
        and rounded at the end, and so are distances of float32 signatures.
    n_jobs : int, default=None
        Number of parallel tasks, through joblib and its active backend.
    verbose : int, default=0
        Above 0, progress is printed to stderr.

    Attributes
    ----------
    plan_ : QueryPlan
        The questions: points, parts, masks.
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the blocks of a signature.
    n_classes_ : int
        Number of classes; it never depends on ``n_reference``.
    n_components_ : int
        Columns per class: the total number of parts of all points.
    n_features_in_ : int
        Only with an adapter that reads models from the rows of a 2-D array.

    See Also
    --------
    zest_distances : Distances between signatures.
    ClassAligner : Reorder class blocks where labels are not known to correspond.

    References
    ----------
    .. [1] H. Jia, H. Chen, J. Guan, A. Shahin Shamsabadi, N. Papernot, "A Zest of LIME:
       Towards Architecture-Independent Model Distances", ICLR 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import ImageMasker, LimeSignatureTransformer, zest_distances
    >>> X, y = load_digits(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=200).fit(X[:900] / 16, y[:900])
    >>> copy = LogisticRegression(C=0.1).fit(X[:900] / 16, owner.predict(X[:900] / 16))
    >>> stranger = GaussianNB().fit(X[900:] / 16, y[900:])
    >>> masker = ImageMasker(image_shape=(8, 8))
    >>> lime = LimeSignatureTransformer(X / 16, n_reference=16, n_samples=100, masker=masker)
    >>> S = lime.fit_transform([owner, copy, stranger])
    >>> S.shape == (3, 10 * lime.n_components_)
    True
    >>> D = zest_distances(S)
    >>> bool(D[0, 1] < 0.1 < D[0, 2])
    True
    """

    def __init__(
        self,
        reference,
        *,
        n_reference=None,
        masker="auto",
        n_samples=1000,
        sampling="bernoulli",
        surrogate=None,
        kernel_width=None,
        response="logit",
        clip=1e-6,
        n_classes=None,
        adapter="auto",
        batch_size="auto",
        random_state=0,
        cache=None,
        dtype="float64",
        n_jobs=None,
        verbose=0,
    ):
        self.reference = reference
        self.n_reference = n_reference
        self.masker = masker
        self.n_samples = n_samples
        self.sampling = sampling
        self.surrogate = surrogate
        self.kernel_width = kernel_width
        self.response = response
        self.clip = clip
        self.n_classes = n_classes
        self.adapter = adapter
        self.batch_size = batch_size
        self.random_state = random_state
        self.cache = cache
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.verbose = verbose

    @classmethod
    def from_plan(cls, plan: QueryPlan, **params: Any) -> LimeSignatureTransformer:
        """Make a transformer that asks the questions of a plan.

        Two parties who may not share their models exchange a plan, ask their own models, and
        compare signatures. The plan determines points, parts, masks, fills, response, clip,
        surrogate and kernel. Pass ``n_classes`` on both sides, so that columns are placed by
        class number, not by the sorted labels of each side.

        Parameters
        ----------
        plan : QueryPlan
            Such as ``plan_`` of another transformer, or one read by :meth:`QueryPlan.load`.
        **params
            Any of ``n_reference`` (a prefix of the plan), ``n_classes``, ``adapter``,
            ``batch_size``, ``cache``, ``dtype``, ``n_jobs``, ``verbose``.

        Raises
        ------
        TypeError
            If ``plan`` is not a QueryPlan, or the plan determines one of the parameters.
        """
        if not isinstance(plan, QueryPlan):
            raise TypeError(f"plan must be a QueryPlan; got {type(plan).__name__}.")
        of_plan = ("n_reference", "n_classes", "adapter")
        of_run = ("batch_size", "cache", "dtype", "n_jobs", "verbose")
        settled = sorted(set(params) - {*of_plan, *of_run})
        if settled:
            raise TypeError(
                f"{listed(settled)} cannot be given: the plan determines it. Leave it out, or make "
                "another plan."
            )
        return cls(
            plan,
            response=plan.response,
            clip=plan.clip,
            surrogate=plan.surrogate,
            kernel_width=plan.kernel_width,
            **params,
        )

    # --- fit ------------------------------------------------------------------------------

    @with_callbacks
    def fit(self, models: Sequence[object], y: object = None) -> LimeSignatureTransformer:
        """Make the plan, and collect the classes of all models.

        Parameters
        ----------
        models : list, tuple, 1-D object array or Series of fitted classifiers
        y : ignored

        Returns
        -------
        self : LimeSignatureTransformer

        Raises
        ------
        TypeError
            If ``models`` is not a sequence of models, or one of them cannot be asked.
        sklearn.exceptions.NotFittedError
            If a model is not fitted.
        ValueError
            If a parameter is out of range, or a point cannot be cut into parts.
        """
        queries, names = self._queries(models, reset=True)
        with Progress(self.verbose, self, n_stages=1) as progress:
            self.plan_ = self._plan(progress)
            with self._panel(queries, names) as panel:
                self._set_classes(panel)
        return self

    @with_callbacks
    def fit_transform(
        self, X: Sequence[object], y: object = None, **fit_params: object
    ) -> np.ndarray:
        """Fit to the models ``X`` and return their signatures; see :meth:`transform`."""
        queries, names = self._queries(X, reset=True)
        with Progress(self.verbose, self, n_stages=3) as progress:
            self.plan_ = self._plan(progress)
            self._check_signable()
            with self._panel(queries, names) as panel:
                with progress.stage("first looks", len(panel)) as panel.on_look:
                    self._set_classes(panel)
                    columns = self._class_columns(panel)
                return self._signatures(panel, columns, progress)

    def _panel(self, queries: list[Query], names: list[str]) -> Panel:
        return Panel(self.plan_, queries, names, check_cache(self.cache), self._batch_size())

    def _set_classes(self, panel: Panel) -> None:
        self.classes_ = panel.classes(self.n_classes)
        self.n_classes_ = len(self.classes_)
        self.n_components_ = self.plan_.n_components
        self._n_features_out = self.n_classes_ * self.n_components_

    def _plan(self, progress: Progress) -> QueryPlan:
        check_cache(self.cache)  # before the points are cut
        self._batch_size()
        if isinstance(self.reference, QueryPlan):
            n_reference = len(self.reference)
            if self.n_reference is not None:
                n_reference = check_n_reference(self.n_reference, n_reference)
            self._check_settled_by(self.reference)
            return self.reference.take(n_reference)
        kernel_width = check_kernel_width(self.kernel_width)
        n_samples = "auto" if _is_auto(self.n_samples) else check_whole(self.n_samples, "n_samples")
        surrogate = check_surrogate(self.surrogate)
        masker = self._masker().fit(self.reference)
        reference = masker.check_reference(self.reference)
        n_reference = check_n_reference(self.n_reference, len(reference))
        seed = self._seed()
        # One permutation whatever n_reference: the first k points of more are the same k.
        order = order_rng(seed).permutation(len(reference))
        with progress.stage("points cut", n_reference) as report:
            return build_plan(
                reference,
                masker,
                order[:n_reference],
                n_samples=n_samples,
                sampling=self.sampling,
                seed=seed,
                n_jobs=self.n_jobs,
                report=report,
                surrogate=surrogate if isinstance(surrogate, str) else clone(surrogate),
                kernel_width=kernel_width,
                response=self.response,
                clip=float(self.clip),
            )

    def _check_settled_by(self, plan: QueryPlan) -> None:
        """Refuse a parameter that would be ignored: neither the default nor the plan's own."""
        settled = {
            "response": (plan.response, "logit"),
            "clip": (plan.clip, 1e-6),
            "surrogate": (plan.surrogate, None),
            "kernel_width": (plan.kernel_width, None),
            "masker": (plan.masker, "auto"),
            "n_samples": (None, 1000),
            "sampling": (None, "bernoulli"),
        }
        given = {name: getattr(self, name) for name in settled}
        ignored = [n for n, v in given.items() if all(repr(v) != repr(s) for s in settled[n])]
        if ignored:
            raise ValueError(
                f"reference is a QueryPlan, which determines {listed(ignored)}; keep the default, "
                "or make another plan."
            )

    def _masker(self) -> BaseMasker:
        if _is_auto(self.masker):
            return masker_for(self.reference)
        if not hasattr(self.masker, "cut"):
            raise TypeError(
                f"masker must be 'auto' or a masker such as ImageMasker(); got {self.masker!r}."
            )
        return clone(self.masker)

    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return check_whole(self.random_state, "random_state", minimum=0)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    # --- transform ------------------------------------------------------------------------

    def transform(self, models: Sequence[object]) -> np.ndarray:
        """Ask the models, and return their signatures.

        Parameters
        ----------
        models : list, tuple, 1-D object array or Series of fitted classifiers

        Returns
        -------
        signatures : ndarray of shape (n_models, n_classes * n_components), of ``dtype``
            One class after another. A class that a model lacks is a block of NaN; a model that
            gives every question the same answer is a row of zeros.

        Raises
        ------
        QueryError
            If an answer has the wrong shape or kind, or the model no longer answers as it did.
        ValueError
            If a score is not finite, or a model has a label outside ``classes_`` or gives
            different answers to the same question. If the plan asks one question about each point,
            as rehearsed questions do.
        ModelChangedError
            If a model no longer gives the answers that ``cache`` holds.

        Warns
        -----
        UndefinedSignatureWarning
            If a model is constant.
        UserWarning
            If unnamed columns may not be those of ``classes_``.
        """
        check_is_fitted(self, "plan_")
        self._check_signable()
        progress = Progress(self.verbose)
        with self._panel(*self._queries(models, reset=False)) as panel:
            with progress.stage("first looks", len(panel)) as panel.on_look:
                columns = self._class_columns(panel, are_new=True)
            return self._signatures(panel, columns, progress)

    def _check_signable(self) -> None:
        """Refuse a plan of whole points: every signature would be zeros."""
        if self.plan_.asks_once:
            raise ValueError(
                "the plan asks a single question about each point, so there is nothing to compare "
                "within a point, and no signature. For the answers themselves, such as those to "
                "rehearsed questions, use skzest.baselines.ask_copies(models, plan). For "
                "signatures, ask about masked copies: LimeSignatureTransformer(reference)."
            )

    def _class_columns(self, panel: Panel, *, are_new: bool = False) -> list[np.ndarray]:
        """Which of the classes each column of each model is."""
        columns = panel.class_columns(self.classes_, self._remedy_for_classes)
        if are_new and self.n_classes is None:
            panel.check_beside(self.classes_)
        return columns

    def _signatures(
        self, panel: Panel, columns: list[np.ndarray], progress: Progress
    ) -> np.ndarray:
        shape = len(panel), self.n_classes_, self.n_components_
        signatures = np.full(shape, np.nan, dtype=self._dtype())
        with progress.stage("questions answered", panel.n_questions) as report:
            extents = panel.coefficients(signatures, columns, self.n_jobs, report)
        for signature, extent, its_columns in zip(signatures, extents, columns, strict=True):
            if extent.is_constant:
                signature[its_columns] = 0.0
        panel.warn_of_constant(extents)
        return signatures.reshape(len(panel), -1)

    @property
    def _remedy_for_classes(self) -> str:
        if self.n_classes is None:
            return "Fit on models that have all labels."
        n = self.n_classes
        return (
            f"n_classes={n} means the labels 0 to {n - 1}. If the model has these classes under "
            "other labels, use CallableQuery(model.predict_proba, classes=[...]), with the number "
            "of each column's class. If nobody knows which class is which, leave n_classes= out "
            f'here, and pass alignment="greedy", n_classes={n} to zest_distances. If all models '
            "use the same labels, leave n_classes= out."
        )

    def _dtype(self) -> np.dtype:
        # NumPy's own types are as good as their names.
        name = getattr(self.dtype, "name", getattr(self.dtype, "__name__", self.dtype))
        check_choice(name, "dtype", ("float64", "float32"))
        return np.dtype(name)

    def _batch_size(self) -> int | str | None:
        if _is_auto(self.batch_size):
            return None
        if isinstance(self.batch_size, str) and self.batch_size == "tune":
            return self.batch_size
        return check_whole(self.batch_size, "batch_size")

    # --- models to queries ----------------------------------------------------------------

    def _takes_rows(self) -> bool:
        return bool(getattr(self.adapter, "takes_rows", False))

    def _queries(self, models: object, *, reset: bool) -> tuple[list[Query], list[str]]:
        if self._takes_rows():
            zoo = list(validate_data(self, models, dtype=np.float64, reset=reset))
        else:
            zoo = check_models(models)
        adapter = as_query if _is_auto(self.adapter) else self.adapter
        if not callable(adapter):
            raise TypeError(f"adapter must be 'auto' or a callable; got {adapter!r}.")
        check_response(self.response, self.clip)
        self._dtype()
        settled = isinstance(self.reference, QueryPlan)
        return queries_of(zoo, self.reference.response if settled else self.response, adapter)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name each column by class, reference point and part, with the plan's digest.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str objects, shape (n_classes * n_components,)
        """
        check_is_fitted(self, "plan_")
        plan = self.plan_
        kind = "mask" if plan.is_passthrough else "part"
        points = plan.indices[plan.column_point]
        return feature_names(self.classes_, points, plan.column_part, plan.digest, kind)

    # --- scikit-learn ---------------------------------------------------------------------

    def set_params(self, **params: object) -> LimeSignatureTransformer:
        """Set parameters, also of the masker or surrogate, such as ``masker__fill``.

        Parameters
        ----------
        **params
            Parameters by name.

        Returns
        -------
        self : LimeSignatureTransformer

        Raises
        ------
        ValueError
            If a parameter is unknown, or belongs to a masker or surrogate that is not given.
        """
        examples = {"masker": "TabularMasker() or ImageMasker()", "surrogate": "Ridge()"}
        for name in params:
            owner = name.partition("__")[0]
            value = params.get(owner, getattr(self, owner, None))
            if owner != name and owner in examples and not hasattr(value, "set_params"):
                raise ValueError(
                    f"{name} cannot be set, because {owner}={value!r} has no parameters. Pass "
                    f"{owner}= in the same call, such as {examples[owner]}."
                )
        return super().set_params(**params)

    def __sklearn_clone__(self) -> LimeSignatureTransformer:
        # A grid search makes hundreds of clones, and the reference may be gigabytes: share it.
        params = self.get_params(deep=False)
        reference = params.pop("reference")
        copies = {name: clone(value, safe=False) for name, value in params.items()}
        new = type(self)(reference, **copies)
        for name in ("_metadata_request", "_sklearn_output_config", "_skl_callbacks"):
            if hasattr(self, name):
                setattr(new, name, clone(getattr(self, name), safe=False))
        return new

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self._takes_rows()
        tags.transformer_tags.preserves_dtype = []
        return tags


def _is_auto(value: object) -> bool:
    return isinstance(value, str) and value == "auto"
