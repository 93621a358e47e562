# SPDX-License-Identifier: BSD-3-Clause
"""What suspects are asked for several distances, fixed once and within one budget."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from .._points import Points
from .._validation import check_choice, check_real, check_whole, counted, listed
from ..baselines import BASELINES, FixedQuestions, ask_copies, prepare_questions
from ..comparing import check_plan
from ..exceptions import UndefinedSignatureWarning
from ..plan import QueryPlan
from ..rehearsal import (
    Candidates,
    LeftOutQuestions,
    PoolAnswers,
    RehearsedQuestions,
    ask_named_pool,
    candidate_questions,
    left_out_questions,
)
from ..signature import LimeSignatureTransformer
from ..store import AnswerStore
from ._from_models import Asker, as_transformer
from ._null import n_needed
from ._relative import OTHER_POINTS, constant
from ._rule import Settings

__all__ = [
    "REHEARSAL",
    "ZEST",
    "Answered",
    "Material",
    "SuspectQuestions",
    "adapted",
    "ask_unrelated",
    "check_names",
    "check_used",
    "choosing_models",
    "prepare",
    "usual",
]

ZEST, MISTAKES, REHEARSAL = "zest", "mistakes", "rehearsal"
N_REHEARSED = 64
_FEWEST_CHOOSING, _FEWEST_CALIBRATING = 2, 3
_FEWEST_IN_TURN = 3  # two are left to choose
_SHARE_CHOOSING = 0.3


@dataclass(frozen=True)
class Material:
    """What questions are made from, beside the models that calibrate.

    Attributes
    ----------
    transformer : LimeSignatureTransformer, QueryPlan, Candidates or data
    points, y : points of the task and their labels, or None
    copies, foreign : lists of models
        Copies of the owner's model, and of others, for ``"rehearsal"``.
    answers : {"label", "scores"}
        What a rehearsal compares.
    n_questions : int or None
        Budget for each suspect.
    random_state : int
    """

    transformer: Asker | Candidates
    points: Points | None
    y: ArrayLike | None
    copies: Sequence[object]
    foreign: Sequence[object]
    answers: str
    n_questions: int | None
    random_state: int


class Answered(NamedTuple):
    """Distances, and the labels given to ``"copies"``, ``"points"`` and in a ``"rehearsal"``.

    Distances have shape (n_models, n_distances), or (n_models, n_unrelated, n_distances) where
    questions were chosen without each unrelated model in turn.
    """

    distances: np.ndarray
    labels: dict[str, np.ndarray]


class SuspectQuestions:
    """The questions that each suspect is asked.

    Attributes
    ----------
    names : tuple of str
        The distances that are computed from the answers.
    n_questions : int
        Number of questions for each suspect.
    fixed : FixedQuestions or None
        Those of Zest and the baselines.
    rehearsed : RehearsedQuestions, LeftOutQuestions or None
        Those chosen by rehearsal: once, or without each unrelated model in turn.
    """

    def __init__(
        self,
        names: Sequence[str],
        fixed: FixedQuestions | None,
        rehearsed: RehearsedQuestions | LeftOutQuestions | None,
        adapter: Callable[[object], object] | None = None,
        cache: str | os.PathLike[str] | AnswerStore | None = None,
    ):
        self.names, self.fixed, self.rehearsed = tuple(names), fixed, rehearsed
        self._adapter, self._cache = adapter, cache
        self.n_questions = (fixed.n_questions if fixed else 0) + (len(rehearsed or ()))

    def __repr__(self) -> str:
        return f"<SuspectQuestions for {listed(self.names)}: {self.n_questions} for each model>"

    @property
    def owner_labels(self) -> dict[str, np.ndarray]:
        """The owner's labels by the name of the questions, where these were chosen for them."""
        if self.rehearsed is None:
            return {}
        return {REHEARSAL: self.rehearsed.classes[self.rehearsed.owner_scores.argmax(axis=1)]}

    def ask(self, models: Sequence[object]) -> Answered:
        """Ask models everything, and compare their answers with the owner's."""
        models = adapted(models, self._adapter)
        columns: dict[str, np.ndarray] = {}
        labels: dict[str, np.ndarray] = {}
        if self.fixed is not None:
            D, labels = self.fixed.ask(models)
            columns |= dict(zip(self.fixed.names, D.T))
        if self.rehearsed is not None:
            scores = ask_copies(models, self.rehearsed.plan, cache=self._cache)
            columns[REHEARSAL] = self.rehearsed.distances(scores)
            labels[REHEARSAL] = scores.classes[scores.labels]
        # Distances that do not depend on a choice are the same for all choices.
        shape = np.broadcast_shapes(*(d.T.shape for d in columns.values()))
        return Answered(
            np.stack([np.broadcast_to(columns[name].T, shape).T for name in self.names], axis=-1),
            labels,
        )


def ask_unrelated(
    questions: SuspectQuestions, unrelated: Sequence[object], kept: np.ndarray
) -> Answered:
    """Ask the unrelated models that are kept to calibrate.

    Raises
    ------
    ValueError
        If one of them lacks the only distance.
    """
    positions = np.flatnonzero(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedSignatureWarning)  # numbers those that are kept
        found = questions.ask([unrelated[int(i)] for i in positions])
    undefined = positions[np.isnan(found.distances).reshape(len(positions), -1).all(axis=1)]
    if len(questions.names) == 1 and len(undefined):
        without = listed([f"unrelated[{i}]" for i in undefined])
        raise ValueError(
            f"no distance {questions.names[0]!r} of {without} to the owner's model, as for a model "
            "that gives the same answer to all questions, or that has no class in common with it. "
            "Leave such models out."
        )
    return found


# ---------------------------------------------------------------- before any model is asked


def usual(material: Material) -> list[str]:
    """The distances where none are named: those that find different copies, as far as possible."""
    has_design = isinstance(material.transformer, (LimeSignatureTransformer, QueryPlan))
    is_pool = isinstance(material.transformer, Candidates) or len(material.copies) > 0
    if is_pool and not has_design and material.y is None:
        return [REHEARSAL]
    given = {MISTAKES: material.y is not None, REHEARSAL: len(material.copies) > 0}
    return [ZEST, *(name for name, is_given in given.items() if is_given)]


def check_names(names: Sequence[str], material: Material) -> tuple[str, ...]:
    """The distances, each once, with what they need."""
    if isinstance(names, str):
        raise TypeError(f"distances must be a list of names; got {names!r}. Pass [{names!r}].")
    for name in names:
        check_choice(name, "each of distances", [ZEST, *BASELINES, REHEARSAL])
    if len(set(names)) < len(names) or not len(names):
        raise ValueError(f"distances must be different names, at least one; got {list(names)}.")
    if REHEARSAL in names and not len(material.copies):
        raise ValueError(
            "'rehearsal' needs copies of the owner's model: pass copies=rehearse(owner, X), from "
            "skzest.rehearsal."
        )
    if REHEARSAL not in names and len(material.copies):
        raise ValueError(
            f"copies are used by 'rehearsal', which is not among the distances {list(names)}. Add "
            "it, or leave copies out."
        )
    if MISTAKES in names and material.y is None:
        raise ValueError("'mistakes' needs the labels of the points: pass y=.")
    if material.n_questions is not None:
        check_whole(material.n_questions, "n_questions", minimum=len(names))
    return tuple(names)


def check_used(names: Sequence[str] | None, material: Material, choosing: float) -> None:
    """Refuse parameters that would change nothing; ``names`` is None for signatures alone."""
    if names is None:
        for name in ("n_questions", "points"):
            if getattr(material, name) is not None:
                raise ValueError(
                    f"{name} is for distances=, copies= and y=, but none is given. Pass "
                    f"distances=['zest'], or leave {name} out; a transformer or plan has its own "
                    "points and number of questions."
                )
    given = {
        "foreign": len(material.foreign) > 0,
        "answers": material.answers != "label",
        "choosing": choosing != _SHARE_CHOOSING,
    }
    for name, is_given in given.items():
        if is_given and REHEARSAL not in (names or ()):
            raise ValueError(
                f"{name} is for 'rehearsal', which is not among the distances. Pass "
                f"copies=rehearse(owner, X), from skzest.rehearsal, or leave {name} out."
            )


# ---------------------------------------------------------------- the questions


def prepare(
    owner: object,
    names: Sequence[str],
    material: Material,
    choosing: Mapping[str, object],
    in_turn: bool,
) -> SuspectQuestions:
    """Fix all questions; asks the owner, and for rehearsal the copies and ``choosing``, by name.

    With ``in_turn`` the questions of a rehearsal are chosen without each of ``choosing``.
    """
    cache = getattr(material.transformer, "cache", None)
    adapter = getattr(material.transformer, "adapter", None)
    adapter = adapter if callable(adapter) else None
    (owner,) = adapted([owner], adapter)
    by_plan = [name for name in names if name != REHEARSAL]
    fixed = _of_plan(owner, by_plan, material) if by_plan else None
    rehearsed: RehearsedQuestions | LeftOutQuestions | None = None
    if REHEARSAL in names:
        pool = _pool(owner, material, choosing, adapter)
        n = N_REHEARSED if by_plan else material.n_questions or N_REHEARSED
        rehearsed = left_out_questions(pool, n) if in_turn else pool.questions(n)
    return SuspectQuestions(names, fixed, rehearsed, adapter, cache)


def adapted(
    models: Sequence[object], adapter: Callable[[object], object] | None
) -> Sequence[object]:
    """Queries of models by the transformer's adapter."""
    return models if adapter is None else [adapter(model) for model in models]


def _of_plan(owner: object, names: Sequence[str], material: Material) -> FixedQuestions:
    if isinstance(material.transformer, Candidates):
        raise TypeError(
            f"{listed(names)} need a transformer or plan, but the third argument holds candidate "
            "questions, which are for 'rehearsal' alone. Pass LimeSignatureTransformer(X) in their "
            "place, and points=X, from which candidates are made."
        )
    lime = as_transformer(material.transformer)
    if not hasattr(lime, "plan_"):
        lime = clone(lime).set_params(adapter="auto").fit([owner])
    check_plan(lime.plan_, minimum=2)
    points = material.points
    if points is None and not isinstance(lime.reference, QueryPlan):
        points = lime.reference
    plan = _share(lime.plan_, names, material)
    fixed = prepare_questions(
        owner,
        plan,
        points,
        material.y,
        names=names,
        random_state=material.random_state,
        cache=lime.cache,
    )
    if fixed.undefined:
        is_cut = len(plan) < len(lime.plan_)
        more = f"Raise n_questions: {len(plan)} of {len(lime.plan_)} points are within the limit. "
        raise ValueError(
            f"{constant('the owner', plan)}, so {listed(map(repr, fixed.undefined))} of other "
            f"models is undefined. {more if is_cut else ''}{OTHER_POINTS}"
        )
    return fixed


def _pool(
    owner: object,
    material: Material,
    choosing: Mapping[str, object],
    adapter: Callable[[object], object] | None,
) -> PoolAnswers:
    candidates = material.transformer
    if not isinstance(candidates, Candidates):
        points = _points_of(candidates) if material.points is None else material.points
        candidates = candidate_questions(
            points,
            owner,
            masker=getattr(material.transformer, "masker", "auto"),
            random_state=material.random_state,
        )
    zoos = {
        role: {f"{role}[{i}]": model for i, model in enumerate(zoo)}
        for role, zoo in (("copies", material.copies), ("foreign", material.foreign))
    }
    zoos["unrelated"] = {**choosing}
    zoos = {role: dict(zip(zoo, adapted([*zoo.values()], adapter))) for role, zoo in zoos.items()}
    cache = getattr(material.transformer, "cache", None)
    return ask_named_pool(owner, candidates, zoos, answers=material.answers, cache=cache)


def _points_of(asker: Asker) -> Points:
    if isinstance(asker, LimeSignatureTransformer):
        asker = asker.reference
    return asker.reference if isinstance(asker, QueryPlan) else asker


# ---------------------------------------------------------------- the budget


def _share(plan: QueryPlan, names: Sequence[str], material: Material) -> QueryPlan:
    """The first points of a plan, as many as an equal share of the budget allows."""
    budget = material.n_questions or plan.n_queries
    rehearsed = N_REHEARSED if len(material.copies) else 0
    n_sets = len({_set_of(name) for name in names} - {"weights"})
    share = (budget - rehearsed) // max(n_sets, 1)
    n_asked = np.cumsum(plan.n_questions)
    n_points = int(np.searchsorted(n_asked, share, side="right"))
    if n_points < 2:
        raise ValueError(
            f"{listed(names)} ask {n_sets} sets of questions, and each has {max(share, 0)} of "
            f"{budget}, but two reference points take {n_asked[1]}. Raise n_questions to "
            f"{rehearsed + n_sets * n_asked[1]}, or name fewer distances."
        )
    return plan.take(n_points)


def _set_of(name: str) -> str:
    """Distances with the same questions have the same set."""
    asks = "copies" if name == ZEST else BASELINES[name].asks
    return asks if asks in ("copies", "points", "weights") else name


# ---------------------------------------------------------------- models that choose


def choosing_models(n: int, share: float, settings: Settings, seed: int) -> np.ndarray | None:
    """Which unrelated models help to choose the questions of a rehearsal, and never calibrate.

    Returns
    -------
    chosen : ndarray of bool, shape (n,), or None
        None if too few would be left to calibrate: then each is left out in turn.
    """
    if not 0 < check_real(share, "choosing") < 1:
        raise ValueError(f"choosing must be a share between 0 and 1; got {share!r}.")
    n_chosen = max(round(share * n), _FEWEST_CHOOSING)
    by_rank = settings.null == "conformal" and settings.threshold is None
    fewest = max(n_needed(settings.alpha), 2) if by_rank else _FEWEST_CALIBRATING
    if n - n_chosen >= fewest:
        chosen = np.zeros(n, dtype=bool)
        chosen[np.random.default_rng(seed).permutation(n)[:n_chosen]] = True
        return chosen
    if not by_rank or settings.combine == "whitened":
        raise ValueError(
            f"{n_chosen} of {counted(n, 'unrelated model')} choose the questions, and the other "
            f"{max(n - n_chosen, 0)} calibrate, but {fewest} are needed for that. Train more, or "
            "use null='conformal' and combine='squares', which can leave out one model in turn."
        )
    if n < _FEWEST_IN_TURN:
        raise ValueError(
            f"{counted(n, 'unrelated model')}; the questions are chosen without each of them in "
            f"turn, which takes at least {_FEWEST_IN_TURN}. Train more."
        )
    return None
