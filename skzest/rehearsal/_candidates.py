# SPDX-License-Identifier: BSD-3-Clause
"""A pool of questions to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from .._points import Points, concatenate, take
from .._validation import check_choices, check_whole, listed
from ..baselines import boundary_points
from ..maskers import BaseMasker, masker_for
from ._inputs import are_numbers, as_points, check_movable, mixed, noise

__all__ = ["Candidates", "candidate_questions"]

KINDS = ("plain", "masked", "mixed", "noise", "boundary")
_MOVED = ("mixed", "noise", "boundary")
# Points that masked copies are made of: cutting a photograph takes a good part of a second.
_MOST_CUT = 256


@dataclass(frozen=True, eq=False, repr=False)
class Candidates:
    """Questions to choose from, made by :func:`candidate_questions`.

    Attributes
    ----------
    points : array, DataFrame or list of str, of n_candidates points
        In the container of the data that they were made from.
    kinds : ndarray of str, shape (n_candidates,)
        How each was made.
    """

    points: Points
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.kinds)

    def __repr__(self) -> str:
        counts = [f"{np.sum(self.kinds == kind)} {kind}" for kind in KINDS if kind in self.kinds]
        return f"<Candidates: {listed(counts)}>"


def candidate_questions(
    X: Points,
    owner: object | None = None,
    *,
    kinds: Sequence[str] | None = None,
    n_candidates: int = 10_000,
    masker: BaseMasker | str = "auto",
    random_state: int = 0,
) -> Candidates:
    """Points that models of one task may answer in different ways, to choose questions from.

    Parameters
    ----------
    X : array-like, DataFrame or list of str
        Points of the task, preferably none that the owner's model was trained on.
    owner : fitted classifier or query, default=None
        Needed for ``"boundary"``.
    kinds : sequence of {"plain", "masked", "mixed", "noise", "boundary"}, default=None
        Points of `X`; masked copies of them, in which about half of the parts are hidden;
        mixtures of two points; uniform noise; points on both sides of the owner's decision
        boundary. None is all of them for arrays, and the first two for texts and frames.
    n_candidates : int, default=10_000
        Number of candidates, in equal shares of each kind: the more, the better the best of them
        are. Plain points are not repeated; if there are too few of them, the other kinds fill up.
    masker : masker or "auto", default="auto"
        Cuts points into parts; "auto" chooses by the kind of `X`.
    random_state : int, default=0
        Seed of everything that is drawn.

    Returns
    -------
    candidates : Candidates

    Raises
    ------
    TypeError
        If texts or the rows of a frame are to be mixed or moved, or ``"boundary"`` is asked for
        without an owner.
    ValueError
        If a kind is unknown, `kinds` is empty, or points with NaN or infinite values are to be
        mixed or moved.

    Notes
    -----
    Asks the owner about 3 questions for each point at the boundary, and ``len(X)`` more.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.rehearsal import candidate_questions
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> candidate_questions(X, n_candidates=100)
    <Candidates: 20 plain, 27 masked, 27 mixed and 26 noise>
    """
    points = as_points(X)
    kinds = _kinds(kinds, points, owner is not None)
    n_candidates = check_whole(n_candidates, "n_candidates")
    rng = np.random.default_rng(check_whole(random_state, "random_state", minimum=0))
    counts = _counts(kinds, n_candidates, len(points))
    make: dict[str, Callable[[int], Points]] = {
        "plain": lambda n: take(points, rng.permutation(len(points))[:n]),
        "masked": lambda n: _masked(points, n, masker, rng),
        "mixed": lambda n: mixed(points, n, rng),
        "noise": lambda n: noise(points, n, rng),
        "boundary": lambda n: boundary_points(owner, points, n, random_state=random_state),
    }
    made = {kind: make[kind](n) for kind, n in counts.items() if n}
    labels = np.repeat(list(made), [len(of_kind) for of_kind in made.values()])
    return Candidates(concatenate(list(made.values())), labels)


def _kinds(kinds: Sequence[str] | None, points: Points, has_owner: bool) -> list[str]:
    if kinds is None:
        known = KINDS if has_owner else KINDS[:-1]
        kinds = [kind for kind in known if are_numbers(points) or kind not in _MOVED]
    kinds = check_choices(kinds, "kinds", KINDS)
    for kind in kinds:
        if kind in _MOVED:
            check_movable(points, repr(kind), "Pass kinds=['plain', 'masked'].")
    if "boundary" in kinds and not has_owner:
        raise TypeError("'boundary' needs the model whose boundary is searched. Pass owner.")
    return list(dict.fromkeys(kinds))


def _counts(kinds: list[str], n: int, n_points: int) -> dict[str, int]:
    """How many of each kind; what plain points cannot fill, the others do."""
    others = [kind for kind in kinds if kind != "plain"]
    n_plain = 0
    if "plain" in kinds:
        n_plain = min(n // len(kinds) if others else n, n_points)
    shares = np.array_split(np.arange(n - n_plain), max(len(others), 1))
    counts = dict(zip(others, map(len, shares)))
    return {kind: n_plain if kind == "plain" else counts[kind] for kind in kinds}


def _masked(points: Points, n: int, masker: BaseMasker | str, rng: np.random.Generator) -> Points:
    """Masked copies of points drawn at random; each part is hidden with probability 1/2."""
    # A plan's masker is fitted to the plan's own points, and stays so.
    masker = masker_for(points) if isinstance(masker, str) else clone(masker)
    masker.fit(points)
    container = masker.check_reference(points)
    some = rng.permutation(len(points))[: min(n, _MOST_CUT)]
    copies = []
    for index, each in zip(some, np.array_split(np.arange(n), len(some))):
        point = masker.point(container, int(index))
        parts = masker.cut(point)
        masks = rng.random((len(each), int(parts.max()) + 1)) < 0.5
        fill = masker.fill_for(point, parts)
        copies.append(masker.render(point, parts.astype(np.int64), fill, masks))
    return concatenate(copies)
