# SPDX-License-Identifier: BSD-3-Clause
"""The models that answer one plan: their queries, their names, their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np
from sklearn.exceptions import NotFittedError

from .._validation import check_whole, listed, name_model
from ..exceptions import QueryError, UndefinedSignatureWarning, warn
from ..plan import QueryPlan
from ..queries import Query, as_query, check_comparable_columns, choose_output
from ..store import AnswerStore
from ._batches import spaced_questions
from ._cached import CachedAnswers
from ._first_look import FIRST_LOOK_ROWS, SharedCopies, look_at
from ._guard import Respondent, sessions
from ._local_fits import Extent
from ._schedule import answer_plan

__all__ = ["Panel", "queries_of"]


def queries_of(
    models: Sequence[object],
    response: str,
    adapter: Callable[[object], object] = as_query,
    names: Sequence[str] | None = None,
) -> tuple[list[Query], list[str]]:
    """The query of each model, and what errors call it: its name, or its position.

    Raises
    ------
    TypeError, QueryError, sklearn.exceptions.NotFittedError
        If a model cannot be asked, or not for this response; the message names it.
    """
    if names is None:
        names = [name_model(i, model) for i, model in enumerate(models)]
    queries = []
    for name, model in zip(names, models, strict=True):
        try:
            query = as_query(adapter(model))
            choose_output(query, response)
        except (NotFittedError, QueryError, TypeError) as error:
            raise type(error)(f"{name}: {error}") from error
        except Exception as error:
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"skzest was making a query of {name}.")
            raise
        queries.append(query)
    return queries, list(names)


class Panel:
    """The models that answer one plan; each is looked at once.

    A context manager: inside it the sessions of the queries are open, and so is the store.

    Parameters
    ----------
    plan : QueryPlan
    queries : sequence of Query
    names : sequence of str
        What errors call each model.
    store : AnswerStore or None, default=None
    batch_size : int, "tune" or None, default=None
        Copies per call of a model; None chooses by the size of a copy and the device.

    Attributes
    ----------
    plan : QueryPlan
    respondents : list of Respondent
        The models.
    on_look : callable or None
        Told of each model (1) after its first look.
    """

    def __init__(
        self,
        plan: QueryPlan,
        queries: Sequence[Query],
        names: Sequence[str],
        store: AnswerStore | None = None,
        batch_size: int | str | None = None,
    ):
        self.plan, self._batch_size = plan, batch_size
        self.respondents = [
            Respondent(
                name,
                query,
                choose_output(query, plan.response),
                plan.response,
                plan.clip,
                batch_size=batch_size if isinstance(batch_size, int) else None,
            )
            for name, query in zip(names, queries, strict=True)
        ]
        self._copies = SharedCopies(plan)
        self._cached = None if store is None else CachedAnswers(store, plan, self.respondents)
        self._stack = ExitStack()
        self.on_look: Callable[[int], None] | None = None

    def __len__(self) -> int:
        return len(self.respondents)

    def __enter__(self) -> Panel:
        with ExitStack() as stack:
            stack.enter_context(sessions([r.query for r in self.respondents]))
            if self._cached is not None:
                stack.enter_context(self._cached.kept_open())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def n_questions(self) -> int:
        """Questions of the plan, put to all models together."""
        return self.plan.n_queries * len(self)

    def look(self, i: int) -> Respondent:
        """Model ``i``, after a first look at its answers."""
        asked = self.respondents[i]
        if asked.n_columns is None:
            n_rows = min(FIRST_LOOK_ROWS, asked.batch_size or FIRST_LOOK_ROWS)
            while True:
                try:
                    self._look(i, n_rows)
                    break
                except asked.memory_errors:
                    if n_rows == 1:
                        raise
                    n_rows //= 2
            if self.on_look is not None:
                self.on_look(1)
        return asked

    def _look(self, i: int, n_rows: int) -> None:
        """A first look at model ``i`` in batches of at most ``n_rows``."""
        # Few where there is little to ask: it costs twice as many questions.
        few = max(min(self.plan.n_queries // 8, n_rows), 1)
        questions = spaced_questions(self.plan.n_questions, few)
        if self._cached is not None:
            self._cached.look(i, questions, n_rows)
            return
        asked = self.respondents[i]
        look_at(asked, questions, self._copies.of(questions, asked.query.space))

    def classes(self, n_classes: int | None = None) -> np.ndarray:
        """The labels of all models together, sorted; or 0 to ``n_classes - 1``.

        Only models with unnamed columns are looked at.
        """
        if n_classes is not None:
            return np.arange(check_whole(n_classes, "n_classes", minimum=2))
        # The columns of a data frame name the classes, too, once a model has been asked.
        labels = [
            (self.look(i) if r.query.classes_ is None else r).labels
            for i, r in enumerate(self.respondents)
        ]
        named = [r.query.classes_ for r in self.respondents]
        names = [r.name for r in self.respondents]
        check_comparable_columns(names, named, [len(of_one) for of_one in labels])
        return np.unique(np.concatenate(labels))

    def check_beside(self, classes: np.ndarray) -> None:
        """Point out models whose unnamed columns may not be these classes of other models.

        Warns
        -----
        UserWarning
        """
        asked = [self.look(i) for i in range(len(self))]
        unnamed = [r for r in asked if r.query.classes_ is None]
        names = ["the zoo of fit", *(r.name for r in unnamed)]
        widths = [len(classes), *(r.n_columns or 0 for r in unnamed)]
        check_comparable_columns(names, [classes] + [None] * len(unnamed), widths)

    def class_columns(self, classes: np.ndarray, remedy: str) -> list[np.ndarray]:
        """Which of the classes each column of each model is.

        Raises
        ------
        ValueError
            If a model has another class; the message ends with ``remedy``.
        """
        position = {label: i for i, label in enumerate(classes.tolist())}
        found = []
        for i in range(len(self)):
            asked = self.look(i)
            labels = asked.labels.tolist()
            unknown = [label for label in labels if label not in position]
            if unknown:
                raise ValueError(
                    f"{asked.name} has classes {unknown[:5]} that are not in classes_ "
                    f"({len(classes)} classes: {classes[:5].tolist()} ...). {remedy}"
                )
            found.append(np.array([position[label] for label in labels], dtype=int))
        return found

    def coefficients(
        self,
        out: np.ndarray,
        columns: Sequence[np.ndarray],
        n_jobs: int | None = None,
        report: Callable[[int], None] | None = None,
        *,
        points: slice | None = None,
        keep_scores: bool = False,
    ) -> list[Extent]:
        """Ask the plan, and write the coefficients of each model into its rows of ``out``.

        Parameters
        ----------
        out : ndarray of shape (n_models, n_classes, n_columns of these points)
        columns : sequence of ndarray of int
            Which class each column of a model's scores is, as :meth:`class_columns` says.
        n_jobs : int, optional
        report : callable, optional
            Told the number of questions answered.
        points : slice, optional
            Which points to ask about; None is the whole plan.
        keep_scores : bool, default=False
            Scores for all masks take the place of coefficients.

        Returns
        -------
        extents : list of Extent, one per model
        """
        plan = self.plan if points is None else self.plan.slice(points.start, points.stop)
        widths = plan.masks.n_masks if keep_scores else plan.n_columns
        edges = np.concatenate([[0], np.cumsum(widths)])
        extents: dict[int, Extent] = {}
        for members, start, stop, found in answer_plan(
            plan,
            [self.look(i) for i in range(len(self))],
            batch_size=self._batch_size,
            n_jobs=n_jobs,
            keep_scores=keep_scores,
            cached=self._cached,
            offset=0 if points is None else points.start,
        ):
            for i, one in zip(members, found, strict=True):
                out[i, columns[i], edges[start] : edges[stop]] = one.coef
                extents[i] = extents[i].joined(one.extent) if i in extents else one.extent
            if report is not None:
                report(sum(plan.n_questions[start:stop]) * len(members))
        return [extents[i] for i in range(len(self))]

    def scores(self, classes: np.ndarray, remedy: str) -> tuple[np.ndarray, np.ndarray]:
        """Ask the whole plan; scores for all masks, and which models are constant.

        Returns
        -------
        scores : ndarray of shape (n_models, n_masks, n_classes)
            Masks of all points one after another; a class that a model lacks is NaN.
        constant : ndarray of bool, shape (n_models,)
            Models whose scores move no more than rounding does.
        """
        columns = self.class_columns(classes, remedy)
        scores = np.full((len(self), sum(self.plan.masks.n_masks), len(classes)), np.nan)
        extents = self.coefficients(scores.transpose(0, 2, 1), columns, keep_scores=True)
        return scores, np.array([extent.is_constant for extent in extents])

    def warn_of_constant(self, extents: Sequence[Extent]) -> None:
        """Name the models that gave the same scores to every question.

        Warns
        -----
        UndefinedSignatureWarning
        """
        constant = [r.name for r, e in zip(self.respondents, extents) if e.is_constant]
        if constant:
            warn(
                f"{listed(constant)} gave the same scores to every question; the signature is a "
                "row of zeros and its distances are NaN.",
                UndefinedSignatureWarning,
            )
