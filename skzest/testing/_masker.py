# SPDX-License-Identifier: BSD-3-Clause
"""Checks that a masker keeps its rules."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import clone

from ..maskers import BaseMasker, takes_out
from ._equal import described, identical

__all__ = ["check_masker"]

# Points are arrays, one-row data frames or strings, and so are their fills.
Point: TypeAlias = Any
Points: TypeAlias = Any


def check_masker(
    masker: BaseMasker, reference: Points, *, n_points: int = 4, random_state: int = 0
) -> None:
    """Check that a masker keeps the rules of :class:`~skzest.maskers.BaseMasker`.

    Parameters
    ----------
    masker : BaseMasker
        It is cloned, and not itself fitted.
    reference : container of points
        Points that the masker is made for. Those that it cuts into several parts show most.
    n_points : int, default=4
        How many points are checked.
    random_state : int, default=0
        Seed of the masks.

    Raises
    ------
    AssertionError
        With the rule that is broken, and the point that breaks it.

    Notes
    -----
    The rules: parameters survive ``clone`` and ``fit``; the reference is not modified; parts
    are labelled 0..K-1, each present (and -1 for what belongs to no part, in points that are not
    arrays); cutting, filling and rendering repeat; the fill has the
    point's type, shape and dtype; a mask that keeps all parts gives back the point bit for bit;
    hiding a part turns that part into the fill and changes nothing else; masks may come in
    batches of any size; ``type(masker)(**masker.layout())`` renders the same without being
    fitted; and with ``array_points`` torch renders as NumPy does, if torch can be imported.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import TabularMasker
    >>> from skzest.testing import check_masker
    >>> check_masker(TabularMasker(), np.arange(12.0).reshape(4, 3))
    """
    name = type(masker).__name__
    before, params = copy.deepcopy(reference), repr(masker.get_params(deep=False))
    fitted, again = clone(masker), clone(masker)
    assert fitted.fit(reference) is fitted, f"{name}: fit() does not return self"
    again.fit(reference)
    after = repr(fitted.get_params(deep=False))
    assert params == after, f"{name}: clone or fit changed the parameters, {params} to {after}"

    container = fitted.check_reference(reference)
    indices = list(range(len(container)))[:n_points][::-1]
    points = fitted.take(container, indices)
    rng = np.random.default_rng(random_state)
    for n, index in enumerate(indices):
        where = f"{name}, reference point {index}"
        point = fitted.point(points, n)
        assert identical(point, fitted.point(container, index)), (
            f"{where}: it is another point after take()"
        )
        _check_point(fitted, again, point, rng, where)
        assert identical(reference, before), f"{where}: the reference was modified"


def _check_point(
    masker: BaseMasker, again: BaseMasker, point: Point, rng: np.random.Generator, where: str
) -> None:
    untouched = copy.deepcopy(point)
    parts = masker.cut(point)
    _check_parts(parts, masker.array_points, where)
    fill = masker.fill_for(point, parts)
    for name, twin in (("call", masker), ("fit", again)):
        fact = f"is not deterministic; a second {name} gave"
        assert identical(parts, twin.cut(point)), f"{where}: cut() {fact} other parts"
        assert identical(fill, twin.fill_for(point, parts)), (
            f"{where}: fill_for() {fact} another fill"
        )
    assert described(fill) == described(point), (
        f"{where}: the fill is {described(fill)}, but the point is {described(point)}"
    )
    if np.any(parts >= 0):  # a point without parts is refused elsewhere, and never rendered
        _check_copies(masker, point, parts, fill, rng, where)
    assert identical(point, untouched), f"{where}: the point was modified"


def _check_parts(parts: object, array_points: bool, where: str) -> None:
    assert isinstance(parts, np.ndarray) and parts.dtype.kind in "iu", (
        f"{where}: cut() must return an array of integers; it returned {described(parts)}"
    )
    labels = np.unique(parts)
    numbered = labels if array_points else labels[labels != -1]
    assert np.array_equal(numbered, np.arange(numbered.size)), (
        f"{where}: labels of parts must be 0..K-1, each present; they are {labels[:20].tolist()}"
    )


@dataclass
class _Rendered:
    """A point with its parts, fill and masks, and the copies that were rendered of it."""

    masker: BaseMasker
    point: Point
    parts: np.ndarray
    fill: Point
    masks: np.ndarray
    copies: Points
    where: str

    def copy(self, n: int) -> Point:
        """One copy, as a point."""
        return self.copies.iloc[[n]] if hasattr(self.copies, "iloc") else self.copies[n]

    def again(self, masks: np.ndarray, masker: BaseMasker | None = None) -> Points:
        return (masker or self.masker).render(self.point, self.parts, self.fill, masks)


def _check_copies(
    masker: BaseMasker,
    point: Point,
    parts: np.ndarray,
    fill: Point,
    rng: np.random.Generator,
    where: str,
) -> None:
    n_parts = int(parts.max()) + 1
    all_parts, all_but_one = np.ones((1, n_parts), dtype=bool), ~np.eye(n_parts, dtype=bool)
    masks = np.concatenate([all_parts, all_but_one, ~all_parts, rng.random((5, n_parts)) < 0.5])
    before = copy.deepcopy((parts, fill, masks))
    made = _Rendered(
        masker, point, parts, fill, masks, masker.render(point, parts, fill, masks), where
    )
    assert identical((parts, fill, masks), before), (
        f"{where}: render() modified the parts, fill or masks"
    )
    n_copies = len(made.copies)
    assert n_copies == len(masks), (
        f"{where}: render() made {n_copies} copies for {len(masks)} masks"
    )
    first = made.copy(0)
    assert identical(first, point), (
        f"{where}: under a mask that keeps all parts the copy is {described(first)} "
        f"that is not the point ({described(point)}) bit for bit"
    )
    if isinstance(point, np.ndarray):
        assert not np.may_share_memory(made.copies, point), (
            f"{where}: a copy is a view of the point"
        )
    if isinstance(point, np.ndarray) or hasattr(point, "iloc"):
        _check_masked(made)
    _check_repeats(made)
    if isinstance(point, np.ndarray) and takes_out(masker):
        _check_out(made)
    if masker.array_points and find_spec("torch") is not None:
        _check_torch(made)


def _check_repeats(made: _Rendered) -> None:
    where = made.where
    assert identical(made.copies, made.again(made.masks)), f"{where}: render() is not deterministic"
    alone = _Rendered(**vars(made) | {"copies": made.again(made.masks[2:3])}).copy(0)
    assert identical(alone, made.copy(2)), (
        f"{where}: a mask alone gives another copy than the same mask among others"
    )
    kind, layout = type(made.masker), made.masker.layout()
    try:
        stored = json.loads(json.dumps(layout))
    except TypeError as error:
        raise AssertionError(f"{where}: layout() is not fit for JSON: {error}") from error
    assert identical(made.copies, made.again(made.masks, kind(**stored))), (
        f"{where}: {kind.__name__}(**{stored}), made from layout(), renders other copies"
    )


def _check_out(made: _Rendered) -> None:
    out = np.empty_like(made.copies)
    render: Any = made.masker.render
    render(made.point, made.parts, made.fill, made.masks, out=out)
    assert identical(out, made.copies), f"{made.where}: with out= render() writes other copies"


def _check_masked(made: _Rendered) -> None:
    """What a mask keeps is the point's, what it hides is the fill's."""
    owner = made.parts if hasattr(made.point, "iloc") else _owner(made)
    for n, mask in enumerate(made.masks):
        masked, kept, told = made.copy(n), mask[owner], mask.astype(int).tolist()
        assert identical(_at(masked, kept), _at(made.point, kept)), (
            f"{made.where}: mask {told} changed something outside of the parts that it hides"
        )
        assert identical(_at(masked, ~kept), _at(made.fill, ~kept)), (
            f"{made.where}: under mask {told} the hidden parts are not the fill"
        )


def _at(value: Point, chosen: np.ndarray) -> Point:
    """The chosen elements of an array, or columns of a frame."""
    return value.loc[:, chosen] if hasattr(value, "iloc") else value[chosen]


def _owner(made: _Rendered) -> np.ndarray:
    """The part of each element of the point, read off from what rendering hides."""
    point, parts = made.point, made.parts
    n_parts = int(parts.max()) + 1
    zeros, ones = np.zeros_like(point), np.ones_like(point)
    hidden = made.masker.render(zeros, parts, ones, ~np.eye(n_parts, dtype=bool)) != 0
    assert (hidden.sum(axis=0) == 1).all(), (
        f"{made.where}: hiding the parts one after the other must hide each element once"
    )
    owner = hidden.argmax(axis=0)
    n_each = np.bincount(parts.ravel()) * (point.size // parts.size)
    fits = np.array_equal(np.bincount(owner.ravel(), minlength=n_parts), n_each)
    # Where the shapes tell which label belongs to which element, look at every one.
    labelled = _labels_of_elements(point.shape, parts)
    fits = fits and (not labelled or any(np.array_equal(owner, labels) for labels in labelled))
    assert fits, f"{made.where}: hiding a part hides other elements than those that cut() labelled"
    return owner


def _labels_of_elements(shape: tuple[int, ...], parts: np.ndarray) -> list[np.ndarray]:
    """The label of each element of a point, in all ways that the shape of the labels allows."""
    if parts.size == np.prod(shape):
        return [parts.reshape(shape)]
    if parts.ndim != len(shape) - 1:
        return []
    axes = [a for a in range(len(shape)) if (*shape[:a], *shape[a + 1 :]) == parts.shape]
    return [np.broadcast_to(np.expand_dims(parts, a), shape) for a in axes]


def _check_torch(made: _Rendered) -> None:
    import torch

    given = made.point, made.parts.astype(np.int64), made.fill, made.masks
    try:
        arrays = [torch.tensor(array) for array in given]
    except TypeError:  # a dtype that torch does not have
        return
    rendered = made.masker.render(*arrays)
    assert isinstance(rendered, torch.Tensor), (
        f"{made.where}: given torch tensors, render() returned {described(rendered)}. Use "
        "array_api_compat, or set array_points = False"
    )
    assert identical(rendered.numpy(), made.copies), (
        f"{made.where}: torch renders other copies than NumPy"
    )
