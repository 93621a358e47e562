# SPDX-License-Identifier: BSD-3-Clause
"""The report: models in, a page out."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..detectors import Decisions
from ..plan import QueryPlan
from ..signature import LimeSignatureTransformer
from . import _html as page
from ._decisions import of_decisions
from ._difference import of_difference
from ._distances import of_distances
from ._figures import quiet_figures
from ._questions import limits, of_questions
from ._result import HtmlReport, check_path
from ._zoo import Zoo, zoo_of

__all__ = ["html_report"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib")


def html_report(
    models: Sequence[object] | ArrayLike,
    asked: LimeSignatureTransformer | QueryPlan,
    path: str | os.PathLike[str] | None = None,
    *,
    labels: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    decisions: Decisions | Sequence[Decisions] | None = None,
    pair: tuple[int, int] | None = None,
    title: str = "Distances between models",
    notes: str | None = None,
    date: datetime.date | None = None,
) -> HtmlReport:
    """Make a self-contained HTML page of a comparison of models.

    The page holds the decisions, the distances as a table, a clustered heat map and a map, what
    the nearest two models differ in, what was asked with the digest of the questions, and the
    versions of the packages. Hovering over the map, or its arrow keys, show the nearest models of
    each; the table of models can be sorted and searched. Figures are embedded and nothing is
    loaded. The script for this is part of the page, whose policy lets nothing else run; without
    it, everything is there to read. Names of models are shown verbatim, whatever they contain.

    Parameters
    ----------
    models : list of fitted classifiers, or array-like of shape (n_models, n_classes * n_components)
        Models, which are asked the questions of `asked`; or their signatures.

    asked : LimeSignatureTransformer or QueryPlan
        The fitted transformer; for signatures, the plan that they answer is enough.

    path : path, default=None
        File to write, in UTF-8; an existing file is replaced. None writes nothing.

    labels : array-like of shape (n_models,), default=None
        Names of the models. If None, "model 0", "model 1" and so on.

    groups : array-like of shape (n_models,), default=None
        The family that each model belongs to; None where it is unknown.

    classes : array-like of shape (n_classes,), default=None
        Labels of the classes. If None, those of the transformer or of column names, otherwise
        numbers.

    decisions : ReuseDecisions, UnlearningDecisions or a list of these, default=None
        What a :class:`~skzest.ReuseDetector` or :class:`~skzest.UnlearningVerifier` decided. The
        models that it judged need not be among `models`.

    pair : (int, int), default=None
        Positions of the two models whose difference is explained. If None, the nearest two that
        differ.

    title : str, default="Distances between models"
        Title of the page.

    notes : str, default=None
        Anything else the reader should know, as plain text; empty lines separate paragraphs.

    date : datetime.date, default=None
        Date of the page. If None, today.

    Returns
    -------
    page : HtmlReport
        Shows itself in a notebook; ``save(path)`` writes it and ``str`` gives the HTML.

    Raises
    ------
    TypeError
        If `asked` is neither a transformer nor a plan, if models come with a plan only, or if
        `decisions`, `pair` or `date` is of the wrong kind.
    FileNotFoundError
        If the folder of `path` does not exist.
    ValueError
        If there are not as many names as models, signatures do not fit the plan, or the models of
        `pair` have no distance. All but the last are checked before a model is asked.

    See Also
    --------
    ZestDistanceDisplay, ZooMapDisplay, ExplanationDisplay, ReuseDetectionDisplay : The figures.

    Notes
    -----
    Distances are cosine distances; classes correspond by label. A page is as confidential as the
    reference points: it shows the three with the largest shares.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest import LimeSignatureTransformer, html_report
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> zoo = [LogisticRegression(C=C, max_iter=1000).fit(X, y) for C in (0.1, 1, 100)]
    >>> lime = LimeSignatureTransformer(X, n_reference=16, n_samples=16).fit(zoo)
    >>> page = html_report(zoo, lime, labels=["<b>strong</b>", "default", "weak"])
    >>> "&lt;b&gt;strong&lt;/b&gt;" in str(page), "<b>strong</b>" in str(page)
    (True, False)
    """
    if not isinstance(asked, (LimeSignatureTransformer, QueryPlan)):
        raise TypeError(
            "asked must be a fitted LimeSignatureTransformer, or the QueryPlan that signatures "
            f"answer; got {type(asked).__name__}."
        )
    # Everything but the answers is checked before a model is asked.
    day, decided = _check_date(date), _check_decisions(decisions)
    if path is not None:
        check_path(path)
    if isinstance(asked, LimeSignatureTransformer):
        check_is_fitted(asked, msg=_UNFITTED)
    zoo = zoo_of(models, asked, labels=labels, groups=groups, classes=classes, pair=pair)
    if pair is not None and np.isnan(zoo.distances[tuple(pair)]):
        i, j = pair
        raise ValueError(
            f"pair={pair!r}: {zoo.labels[i]!r} and {zoo.labels[j]!r} have no distance (NaN). Pass "
            "two other models, or pair=None for the nearest two that differ."
        )
    with quiet_figures():
        parts = [of_decisions(decided)] if decided else []
        parts += [of_distances(zoo, _suspects(zoo, decided))]
        parts += [of_difference(zoo, pair)] if len(zoo) > 1 else []
        parts += [of_questions(zoo, asked), limits()]
    head = page.paragraph(f"{day} · made by skzest {page.escape(_version('skzest'))}", "meta")
    head += zoo.summary(decided)
    head += "".join(page.paragraph(page.escape(text)) for text in _paragraphs(notes))
    markup = page.page(str(title), head, "\n".join(parts), page.paragraph(_versions()))
    report = HtmlReport(markup, str(title))
    if path is not None:
        report.save(path)
    return report


_UNFITTED = (
    "the transformer has not been fitted, so it has asked nothing: call fit(models) first. A "
    "detector fits a clone: pass its transformer_."
)


def _check_date(date: object) -> str:
    if date is None:
        date = datetime.date.today()
    if not isinstance(date, datetime.date):
        raise TypeError(
            f"date must be a datetime.date or None; got {date!r}. For text such as '2026-01-31', "
            "pass datetime.date.fromisoformat('2026-01-31')."
        )
    return f"{date:%Y-%m-%d}"


def _check_decisions(decisions: Decisions | Sequence[Decisions] | None) -> list[Decisions]:
    if decisions is None:
        return []
    several = [decisions] if isinstance(decisions, Decisions) else decisions
    for one in several if isinstance(several, (list, tuple)) else [several]:
        if not isinstance(one, Decisions):
            raise TypeError(
                "decisions must be what judge, judge_signatures or judge_models of a "
                f"ReuseDetector or UnlearningVerifier returns; got {type(one).__name__}."
            )
    return list(several)


def _suspects(zoo: Zoo, decided: Sequence[Decisions]) -> list[int]:
    """The models of the zoo that were judged under the same name."""
    judged = {str(name) for found in decided for name in found.names}
    return [i for i, label in enumerate(zoo.labels) if label in judged]


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
