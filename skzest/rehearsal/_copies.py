# SPDX-License-Identifier: BSD-3-Clause
"""Stealing one's own model: copies trained on its answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import has_fit_parameter

from .._points import Points, concatenate, take
from .._progress import Progress, parallel_for
from .._validation import check_choices, check_whole
from ..asking import is_worth_sending, n_workers_for, note_kept, note_workers
from ..baselines import ask_named, plan_of_points
from ..exceptions import QueryError, passable
from ..queries import Query, as_query, choose_output
from ._inputs import INPUTS, are_numbers, as_points, check_movable

__all__ = ["Learner", "rehearse"]

# An unfitted classifier, or a function train(X, targets, seed) that returns a model.
Learner = Any
ANSWERS = ("label", "soft", "sampled")
# Labels drawn for each point where a learner takes neither probabilities nor weights.
_DRAWS = 5
# Probabilities below this are not worth a row of their own.
_SMALLEST = 0.01


def rehearse(
    owner: object,
    X: Points,
    *,
    learners: Learner | Sequence[Learner] | None = None,
    inputs: Sequence[str] | None = None,
    answers: Sequence[str] | None = None,
    n_copies: int = 24,
    n_queries: int | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> list:
    """Steal a model a few times: train copies on its answers, each in another way.

    The copies go to :func:`choose_questions`, which looks for questions that tell them from
    unrelated models. Copies of *other* models, made in the same ways, are its ``foreign``.

    Parameters
    ----------
    owner : fitted classifier or query
        The model to copy.
    X : array-like, DataFrame or list of str
        Points that a thief may have: of the task, preferably not the owner's training data.
    learners : classifier, callable or list of these, default=None
        What a thief trains: unfitted classifiers, or functions ``train(X, targets, seed)`` that
        return a model, such as a torch module. `targets` are labels of shape (n,), or
        probabilities of shape (n, n_classes) in the order of the owner's classes. None is the
        owner's own estimator, unfitted.
    inputs : sequence of {"clean", "noisy", "mixed", "far"}, default=None
        What a thief asks about: points of `X`; with noise; mixtures of two points; mixtures of a
        point with noise. None is all of them for arrays, ``("clean",)`` for texts and frames.
    answers : sequence of {"label", "soft", "sampled"}, default=None
        What a thief learns from: labels, probabilities, or labels drawn from the probabilities.
        A classifier that cannot learn probabilities is given every class of a point with its
        probability as weight, or several drawn labels. None is all of them, or ``("label",)`` for
        an owner that only answers with labels.
    n_copies : int, default=24
        Number of copies. Learners, inputs and answers are each used equally often, up to one.
    n_queries : int, default=None
        Number of questions to the owner for each copy; None is ``len(X)``.
    random_state : int, default=0
        Seed of the combinations, the questions and the learners.
    n_jobs : int, default=None
        Copies trained at a time, in joblib's terms. The first are trained in the calling process,
        until the time they take shows that the rest is worth sending.
    verbose : int, default=0
        Above 0, progress is written to stderr.

    Returns
    -------
    copies : list of n_copies models

    Raises
    ------
    TypeError
        If the owner is not a scikit-learn estimator and `learners` is None, or points that are
        not numbers are to be mixed or moved.
    ValueError
        If a name is unknown, a list is empty, points with NaN or infinite values are to be mixed
        or moved, or the owner gives all questions of a copy the same label.

    Notes
    -----
    Asks the owner ``n_copies * n_queries`` questions.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skzest.rehearsal import rehearse
    >>> X, y = load_iris(return_X_y=True)
    >>> owner = LogisticRegression(max_iter=1000).fit(X[::2], y[::2])
    >>> learners = [LogisticRegression(max_iter=1000), DecisionTreeClassifier()]
    >>> copies = rehearse(owner, X[1::2], learners=learners, n_copies=4)
    >>> sorted(type(copy).__name__ for copy in copies)
    ['DecisionTreeClassifier', 'DecisionTreeClassifier', 'LogisticRegression', 'LogisticRegression']
    """
    query, points = as_query(owner), as_points(X)
    ways = {
        "learners": _learners(query, learners),
        "inputs": _inputs(points, inputs),
        "answers": _answers(query, answers),
    }
    n_copies = check_whole(n_copies, "n_copies")
    n_queries = len(points) if n_queries is None else check_whole(n_queries, "n_queries")
    rng = np.random.default_rng(check_whole(random_state, "random_state", minimum=0))
    chosen = list(zip(*(_balanced(options, n_copies, rng) for options in ways.values())))
    seeds = rng.integers(2**31, size=n_copies).tolist()
    tasks = (
        _lesson(query, points, n_queries, way, seed)
        for way, seed in zip(chosen, seeds, strict=True)
    )
    copies = []
    with Progress(verbose) as progress, progress.stage("copies", n_copies) as report:
        for model in _trained(tasks, n_copies, n_jobs):
            copies.append(model)
            if report:
                report(1)
    return copies


# --- ways to steal --------------------------------------------------------------------------


def _balanced(options: Sequence, n: int, rng: np.random.Generator) -> list:
    """Options in random order, each as often as the others, up to one."""
    return [options[i] for i in rng.permutation(np.resize(rng.permutation(len(options)), n))]


def _learners(query: Query, learners: Learner | Sequence[Learner] | None) -> list:
    if learners is None:
        if not isinstance(query.model, BaseEstimator):
            raise TypeError(
                f"the owner is a {type(query.model).__name__}, which cannot be trained anew "
                "without being told how. Pass learners=, classifiers or functions "
                "train(X, targets, seed) that return a model."
            )
        return [query.model]
    learners = list(learners) if isinstance(learners, (list, tuple)) else [learners]
    if not learners:
        raise ValueError("learners is empty. Give a classifier, or None for the owner's own.")
    for learner in learners:
        if not hasattr(learner, "get_params") and not callable(learner):
            raise TypeError(
                f"each of learners must be a classifier or a function train(X, targets, seed); "
                f"got {learner!r}."
            )
    return learners


def _inputs(points: Points, inputs: Sequence[str] | None) -> list[str]:
    if inputs is None:
        inputs = list(INPUTS) if are_numbers(points) else ["clean"]
    inputs = check_choices(inputs, "inputs", INPUTS)
    for name in inputs:
        if name != "clean":
            check_movable(points, f"inputs={name!r}", "Pass inputs=['clean'].")
    return inputs


def _answers(query: Query, answers: Sequence[str] | None) -> list[str]:
    try:
        choose_output(query, "predict_proba")
        known = list(ANSWERS)
    except QueryError:
        known = ["label"]
    answers = check_choices(known if answers is None else answers, "answers", ANSWERS)
    for name in answers:
        if name not in known:
            raise ValueError(
                f"answers={name!r} needs an owner that gives probabilities. Pass answers=['label']."
            )
    return answers


# --- one copy -------------------------------------------------------------------------------


def _lesson(owner: Query, X: Points, n: int, way: tuple[Learner, str, str], seed: int) -> tuple:
    """What one copy learns from: learner, points and their kind, targets, classes, seed."""
    learner, inputs, answer = way
    rng = np.random.default_rng(seed)
    points = INPUTS[inputs](X, n, rng)
    response = "label" if answer == "label" else "predict_proba"
    said = ask_named({"the owner's model": owner}, plan_of_points(points, response))
    shares = said.values[0]
    columns = _sampled(shares, rng) if answer == "sampled" else said.labels[0]
    if answer != "soft" or np.any(shares.min(axis=0) > 1 - _SMALLEST):
        _refuse_one_class(said.classes[columns], n, inputs)
    targets = shares if answer == "soft" else said.classes[columns]
    return learner, points, inputs, targets, said.classes, seed


def _refuse_one_class(labels: np.ndarray, n: int, inputs: str) -> None:
    if len(set(labels.tolist())) < 2:
        raise ValueError(
            f"the owner gives {labels.tolist()[0]!r} for all {n} {inputs} questions of a copy, "
            "from which no classifier learns. Raise n_queries, give points of several classes, or "
            f"leave {inputs!r} out of inputs."
        )


def _trained(lessons: Iterator[tuple], n: int, n_jobs: int | None) -> Iterator[object]:
    """Copies, in order: here, until what is left would repay sending it to joblib's workers."""
    is_alone = n_workers_for(n_jobs) == 1
    seconds, n_here = 0.0, 0
    while n_here < n:
        left = seconds / max(n_here, 1) * (n - n_here)
        if not is_alone and is_worth_sending(left):
            break
        lesson = next(lessons)
        start = time.perf_counter()
        copy = _taught(*lesson)
        seconds, n_here = seconds + time.perf_counter() - start, n_here + 1
        yield copy
    if n_here < n:
        parallel = parallel_for("generator", n_jobs=n_jobs)
        yield from parallel(delayed(_taught)(*lesson) for lesson in lessons)
        note_workers()
    elif not is_alone:
        note_kept(seconds)


def _taught(*lesson: Any) -> object:
    """A copy; an error of its learner comes as one that every process can raise."""
    try:
        return _train(*lesson)
    except Exception as error:
        passed = passable(error)
        raise passed from passed.__cause__


def _train(
    learner: Learner,
    points: Points,
    inputs: str,
    targets: np.ndarray,
    classes: np.ndarray,
    seed: int,
) -> object:
    if not hasattr(learner, "get_params"):
        return learner(points, targets, seed)
    model = _seeded(clone(learner), seed)
    if targets.ndim == 1:
        return model.fit(points, targets)
    if has_fit_parameter(model, "sample_weight"):
        rows, columns = np.nonzero(_worth_a_row(targets))
        weight = targets[rows, columns]
        return model.fit(take(points, rows), classes[columns], sample_weight=weight)
    rng = np.random.default_rng(seed)
    labels = classes[np.concatenate([_sampled(targets, rng) for _ in range(_DRAWS)])]
    _refuse_one_class(labels, len(targets), inputs)
    return model.fit(concatenate([points] * _DRAWS), labels)


def _worth_a_row(shares: np.ndarray) -> np.ndarray:
    """Which probabilities are learned; no point and no class is lost for being small."""
    is_kept = shares > _SMALLEST
    for axis in (0, 1):
        is_kept |= (shares > 0) & (shares == shares.max(axis=axis, keepdims=True))
    return is_kept


def _sampled(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A column for each row, drawn with the row's probabilities."""
    levels = np.cumsum(shares, axis=1)
    return (rng.uniform(size=(len(shares), 1)) * levels[:, -1:] >= levels).sum(axis=1)


def _seeded(model: Any, seed: int) -> Any:
    """Every ``random_state`` of an estimator and of those inside it."""
    names = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    return model.set_params(**dict.fromkeys(names, seed))
