# SPDX-License-Identifier: BSD-3-Clause
"""Making a plan: choose points, cut them, fill them, draw their masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import delayed

from .._points import Point, Points, is_frame, same_point
from .._progress import parallel_for
from ..exceptions import warn
from ..maskers import BaseMasker
from ._cuts import CutMemo, masker_key
from ._designs import Sampling, all_masks, auto_n_samples, point_rng, sample_masks
from ._encoding import encode
from ._masks import PackedMasks
from ._plan import QueryPlan
from ._surrogates import Surrogate, check_masks_suffice

__all__ = ["build_plan", "redraw_masks"]

_PAPER_MASKS = 1000
_SHOWN_POINTS = 20

_CUTS = CutMemo(64 * 2**20)


def build_plan(
    reference: Points,
    masker: BaseMasker,
    indices: np.ndarray,
    *,
    n_samples: int | str,
    sampling: Sampling,
    seed: int,
    n_jobs: int | None = None,
    report: Callable[[int], None] | None = None,
    **settings: Any,
) -> QueryPlan:
    """Cut, fill and mask the chosen points.

    ``masker`` is fitted on the whole reference. Raises ValueError, with the index of the point,
    for a point of fewer than two parts, and where the masks do not determine the surrogate.
    """
    points = masker.take(reference, indices)
    encode(points, "reference")  # what has no plain form is refused before anything is asked
    key = masker_key(masker)
    tasks = [(masker, key, points, n, int(index)) for n, index in enumerate(indices)]
    outcomes: Any = (_cut(*task) for task in tasks)
    if effective_n_jobs(n_jobs) > 1:
        parallel = parallel_for("generator", n_jobs=n_jobs, prefer="threads")
        outcomes = parallel(delayed(_cut)(*task) for task in tasks)
    cut = []
    for outcome in outcomes:
        cut.append(outcome)
        if report:
            report(1)
    n_parts = [int(parts.max()) + 1 if parts.size else 0 for parts, _ in cut]
    _check_parts(masker, n_parts, indices)
    _check_fills(masker, points, cut, indices)
    _warn_of_many_parts(masker, n_parts, n_samples)
    surrogate, width = settings["surrogate"], settings["kernel_width"]
    masks = _draw(masker, n_parts, indices, n_samples, sampling, seed, surrogate, width)
    return QueryPlan(
        indices=np.asarray(indices),
        reference=points,
        parts=tuple(parts for parts, _ in cut),
        masks=masks,
        fills=tuple(fill for _, fill in cut),
        masker=masker,
        **settings,
    )


def redraw_masks(plan: QueryPlan, n_samples: int | str, sampling: Sampling, seed: int) -> QueryPlan:
    """The same points, parts and fills, with masks drawn anew."""
    of_plan = (plan.masker, plan.n_parts, plan.indices)
    masks = _draw(*of_plan, n_samples, sampling, seed, plan.surrogate, plan.kernel_width)
    return replace(plan, masks=masks)


def _draw(
    masker: BaseMasker,
    n_parts: Sequence[int] | np.ndarray,
    indices: np.ndarray,
    n_samples: int | str,
    sampling: str | Callable,
    seed: int,
    surrogate: Surrogate,
    kernel_width: float | None,
) -> PackedMasks:
    """Masks of all points; ``n_samples`` may be "auto"."""
    masks = []
    for index, count in zip(indices, n_parts, strict=True):
        n_masks = auto_n_samples(int(count)) if isinstance(n_samples, str) else n_samples
        drawn = sample_masks(int(count), n_masks, sampling, point_rng(seed, int(index)))
        settings = (surrogate, kernel_width, int(index), _remedy_for_parts(masker, int(count)))
        try:
            check_masks_suffice(drawn, *settings)
        except ValueError:
            if callable(sampling) or 2 ** int(count) > n_masks:
                raise
            drawn = all_masks(int(count))  # chance left a part open, though all masks fit
            check_masks_suffice(drawn, *settings)
        masks.append(PackedMasks.pack([drawn]))
    return PackedMasks.join(masks)


def _cut(
    masker: BaseMasker, key: str | None, points: Points, n: int, index: int
) -> tuple[np.ndarray, Point]:
    point = masker.point(points, n)
    try:
        parts = _CUTS.cut(key, masker, point)
        fill = masker.fill_for(point, parts)
    except ValueError as error:
        raise ValueError(f"reference point {index}: {error}") from error
    # The label -1, of what belongs to no part (white space in texts), needs a sign.
    lowest = np.min_scalar_type(int(parts.min(initial=0)))
    n_parts = np.min_scalar_type(int(parts.max(initial=0)) + 1)
    return parts.astype(np.promote_types(n_parts, lowest), copy=False), fill


def _check_parts(masker: BaseMasker, n_parts: list[int], indices: np.ndarray) -> None:
    """Refuse points of fewer than two parts, and name them all at once."""
    few = {int(index): count for index, count in zip(indices, n_parts, strict=True) if count < 2}
    if not few:
        return
    if len(few) == 1:
        [(index, count)] = few.items()
        fact = f"reference point {index} is cut into {count} part{'' if count == 1 else 's'}"
    else:
        shown = ", ".join(map(str, sorted(few)[:_SHOWN_POINTS]))
        more = ", ..." if len(few) > _SHOWN_POINTS else ""
        fact = f"{len(few)} reference points ({shown}{more}) are cut into fewer than 2 parts"
    raise ValueError(
        f"{fact} by {masker!r}; a surrogate needs at least 2. {masker.few_parts_remedy}"
    )


def _check_fills(
    masker: BaseMasker, points: Points, cut: list[tuple[np.ndarray, Point]], indices: np.ndarray
) -> None:
    """Refuse fills that cannot be saved, and points of which nothing is ever hidden."""
    for fill in {id(fill): fill for _, fill in cut}.values():
        encode([fill] if isinstance(fill, str) else fill, "fill")
    equal = [
        int(index)
        for n, (index, (parts, fill)) in enumerate(zip(indices, cut, strict=True))
        if _hides_nothing(masker, masker.point(points, n), parts, fill)
    ]
    if not equal:
        return
    told = f"reference point {equal[0]} equals" if len(equal) == 1 else f"{len(equal)} points equal"
    fact = f"{told} the fill in every part, so every masked copy is the point itself"
    remedy = "Give another fill (such as fill='zero'), or more points to take the mean of."
    if len(equal) == len(cut):
        raise ValueError(f"{fact} and nothing can be learned from it. {remedy}")
    warn(
        f"{fact}: its coefficients are 0 for every model. {remedy} Or leave it out of reference.",
        UserWarning,
    )


def _hides_nothing(masker: BaseMasker, point: Point, parts: np.ndarray, fill: Point) -> bool:
    if parts.min() >= 0 and not isinstance(point, str):  # all hidden, the copy is the fill
        return same_point(fill, point)
    none = np.zeros((1, int(parts.max()) + 1), dtype=bool)
    copies = masker.render(point, parts.astype(np.int64), fill, none)
    return same_point(copies if is_frame(copies) else copies[0], point)


def _warn_of_many_parts(masker: BaseMasker, n_parts: list[int], n_samples: int | str) -> None:
    """Say when a plan asks for more than the paper's: 1,000 masks for at most 31 parts."""
    most = max(n_parts)
    n_masks = auto_n_samples(most) if isinstance(n_samples, str) else n_samples
    too_many = masker.most_parts is not None and most > masker.most_parts
    if too_many or (isinstance(n_samples, str) and n_masks > _PAPER_MASKS):
        warn(
            f"a reference point is cut into {most} parts and asked about with {n_masks} masks. "
            "The paper's images have 31 parts at most, and 1000 masks; the coefficients of more "
            f"parts need more masks for the same certainty. {masker.many_parts_remedy}",
            UserWarning,
        )


def _remedy_for_parts(masker: BaseMasker, n_parts: int) -> str:
    """What the masker advises, unless it thinks that this many parts are fine."""
    is_fine = masker.most_parts is not None and n_parts <= masker.most_parts
    return "" if is_fine else f" {masker.many_parts_remedy}"
