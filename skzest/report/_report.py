# SPDX-License-Identifier: BSD-3-Clause
"""The report: models in, a page out."""

from __future__ import annotations

import datetime
import os
import platform
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_models
from ..comparing import zest_distances
from ..detectors import ReuseDecisions, UnlearningDecisions
from ..displays import check_names
from ..plan import QueryPlan, class_labels, names_of
from ..signature import LimeSignatureTransformer
from . import _html as page
from ._decisions import of_decisions
from ._difference import of_difference
from ._distances import of_distances
from ._figures import quiet_figures
from ._questions import limits, of_questions
from ._zoo import Zoo

__all__ = ["html_report"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib")


def html_report(
    models: Sequence[Any] | ArrayLike,
    asked: LimeSignatureTransformer | QueryPlan,
    path: str | os.PathLike | None = None,
    *,
    labels: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    decisions: Any = None,
    pair: tuple[int, int] | None = None,
    title: str = "Distances between models",
    notes: str | None = None,
    date: datetime.date | None = None,
) -> str:
    """Make an HTML page of a comparison of models, which needs nothing but itself.

    The page holds what was decided, the distances as a table, as a clustered heat map and as a
    map, what the nearest two models differ in, what was asked with the digest of the questions,
    and the versions of the packages. Figures are inside of it, nothing is loaded, it has no
    scripts, and names of models are shown as they are, whatever is in them.

    Parameters
    ----------
    models : list of fitted classifiers, or array-like of shape (n_models, n_classes * n_components)
        Models, which are asked what `asked` was fitted to; or their signatures.

    asked : LimeSignatureTransformer or QueryPlan
        The fitted transformer; or, for signatures, the plan that they answer.

    path : path, default=None
        File to write, in UTF-8; one that exists is replaced.

    labels : array-like of shape (n_models,), default=None
        Names of the models. If None, "model 0", "model 1" and so on.

    groups : array-like of shape (n_models,), default=None
        The family that each model is known to belong to; None where it is not known.

    classes : array-like of shape (n_classes,), default=None
        Labels of the classes. If None, as the transformer or column names tell, or else numbers.

    decisions : ReuseDecisions, UnlearningDecisions or a list of these, default=None
        What :class:`~skzest.ReuseDetector` or :class:`~skzest.UnlearningVerifier` made of suspects;
        they need not be among `models`.

    pair : (int, int), default=None
        The two models whose difference is explained. If None, the nearest two that differ.

    title : str, default="Distances between models"
        Title of the page.

    notes : str, default=None
        What else the reader should know, as plain text; empty lines part paragraphs.

    date : datetime.date, default=None
        Date of the page. If None, today's.

    Returns
    -------
    page : str
        The page.

    Raises
    ------
    TypeError
        If `asked` is neither, or models come with a plan only, or `decisions` are of another kind.
    FileNotFoundError
        If the folder of `path` does not exist; nothing is asked then.
    ValueError
        If names are not as many as the models, signatures do not fit the plan, or `pair` is no
        pair of models that have a distance.

    See Also
    --------
    ZestDistanceDisplay, ZooMapDisplay, ExplanationDisplay, ReuseDetectionDisplay : The figures.

    Notes
    -----
    Distances are cosine distances by corresponding classes. A page is as confidential as the
    reference points: the three with the largest shares are shown on it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer, html_report
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (0.1, 1, 100)]
    >>> lime = LimeSignatureTransformer(X, n_reference=16, n_samples=16).fit(zoo)
    >>> page = html_report(zoo, lime, labels=["<b>strong</b>", "default", "weak"])
    >>> "&lt;b&gt;strong&lt;/b&gt;" in page, "<b>strong</b>" in page
    (True, False)
    """
    if not isinstance(asked, (LimeSignatureTransformer, QueryPlan)):
        raise TypeError(
            "asked must be the fitted LimeSignatureTransformer, or the QueryPlan that signatures "
            f"answer; got {type(asked).__name__}."
        )
    if path is not None:  # before anything is asked
        folder = os.path.dirname(os.path.abspath(os.fspath(path)))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"{os.fspath(path)}: the folder does not exist; make it first.")
    zoo = _zoo(models, asked, labels, groups, classes)
    zoo.check_pair(pair)
    verdicts = _check_decisions(decisions)
    with quiet_figures():
        parts = [of_decisions(verdicts)] if verdicts else []
        parts += [of_distances(zoo), of_difference(zoo, pair), of_questions(zoo, asked), limits()]
    day = (date or datetime.date.today()).isoformat()
    head = page.paragraph(f"{day} · made by skzest {page.escape(_version('skzest'))}", "meta")
    head += zoo.summary(verdicts)
    head += "".join(page.paragraph(page.escape(text)) for text in _paragraphs(notes))
    markup = page.page(str(title), head, "\n".join(parts), page.paragraph(_versions()))
    if path is not None:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(markup)
    return markup


def _zoo(models: Any, asked: Any, labels: Any, groups: Any, classes: Any) -> Zoo:
    """The signatures, and all that is known of the models."""
    plan = asked if isinstance(asked, QueryPlan) else asked.plan_
    kinds = None
    if _is_numeric(models):
        names, S = names_of(models), models
        told = class_labels(names)
    else:
        zoo = check_models(models)
        if isinstance(asked, QueryPlan):
            raise TypeError(
                "a plan alone asks no models. Pass their signatures, or the fitted "
                "LimeSignatureTransformer (LimeSignatureTransformer.from_plan(plan).fit(models))."
            )
        kinds = [type(model).__name__ for model in zoo]
        S, told = asked.transform(zoo), None
    if told is None and isinstance(asked, LimeSignatureTransformer):
        told = asked.classes_
    rows = np.asarray(S, dtype=np.float64)
    width = plan.n_components
    if rows.ndim != 2 or not len(rows) or not rows.shape[1] or rows.shape[1] % width:
        raise ValueError(
            f"signatures have shape {rows.shape}; expected (n_models, n_classes * {width}), as the "
            "plan has that many components per class."
        )
    n_classes = rows.shape[1] // width
    told = told if classes is None else np.asarray(classes)
    told = np.arange(n_classes) if told is None else np.asarray(told)
    if told.shape != (n_classes,):
        raise ValueError(f"classes has shape {told.shape}; expected ({n_classes},).")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models without a common class: in the table
        D = np.atleast_2d(zest_distances(S, n_classes=n_classes))
    labels = check_names(labels, len(rows), "labels")
    if labels is None:
        labels = [f"model {i}" for i in range(len(rows))]
    return Zoo(
        signatures=rows,
        distances=D,
        plan=plan,
        classes=told,
        labels=[str(label) for label in labels],
        groups=check_names(groups, len(rows), "groups"),
        kinds=kinds,
    )


def _is_numeric(models: Any) -> bool:
    """Whether these are signatures, and no models; never by way of ``np.asarray`` of models."""
    if hasattr(models, "iloc"):
        return getattr(models, "ndim", 0) == 2
    if isinstance(models, np.ndarray):
        return models.dtype != object
    return isinstance(models, (list, tuple)) and all(
        isinstance(row, (list, tuple)) or (isinstance(row, np.ndarray) and row.dtype != object)
        for row in models
    )


def _check_decisions(decisions: Any) -> list:
    if decisions is None:
        return []
    several = list(decisions) if isinstance(decisions, (list, tuple)) else [decisions]
    for one in several:
        if not isinstance(one, (ReuseDecisions, UnlearningDecisions)):
            raise TypeError(
                "decisions must be what judge() and its kind of ReuseDetector or "
                f"UnlearningVerifier return; got {type(one).__name__}."
            )
    return several


def _paragraphs(notes: str | None) -> list[str]:
    return [text.strip() for text in str(notes or "").split("\n\n") if text.strip()]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        from .. import __version__

        return __version__ if package == "skzest" else "?"


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    found += [f"{package} {_version(package)}" for package in _PACKAGES]
    return page.escape(", ".join(found) + f", on {platform.system()} {platform.machine()}")
