# SPDX-License-Identifier: BSD-3-Clause
"""The only place where benchmarks reach below the public interface of skzest.

Designs and estimators are compared piece by piece, and the cost of single steps is measured, so a
few private names are needed. When one of them moves, this file changes and no benchmark does.
"""

from __future__ import annotations

from skzest.comparing import cosine_distance, jackknife_t, point_sums
from skzest.detectors._relative import from_sums as relative_from_sums
from skzest.plan import SAMPLINGS, LinearFit, point_rng, redraw_masks
from skzest.store import Identity, Piece, mask_keys

__all__ = [
    "SAMPLINGS",
    "Identity",
    "LinearFit",
    "Piece",
    "auto_rows",
    "bytes_sent",
    "cosine_distance",
    "cuts",
    "forget_plans",
    "jackknife_t",
    "mask_keys",
    "point_rng",
    "point_sums",
    "ready_network",
    "redraw_masks",
    "relative_from_sums",
    "render_copies",
    "rendered_batches",
]


def forget_plans() -> None:
    """Forget what was computed for plans earlier in this process: cuts of images, factors."""
    from skzest.plan import _building, _linear_fit

    _building._CUTS.clear()
    _linear_fit._FACTORS.clear()


def render_copies(plan, n, space=None, count=None):
    """The first masked copies of reference point `n` (default: all of them)."""
    masks = plan.masks[n] if count is None else plan.masks[n][:count]
    copies = plan.masker.render(plan.point(n), plan.parts[n].astype(int), plan.fills[n], masks)
    return copies if space is None else space.asarray(copies)


def rendered_batches(plan, space, rows):
    """All masked copies of a plan, batch by batch, as models are asked about them."""
    from skzest.asking import _batches

    render = _batches.Renderer(plan, space)
    for batch in _batches.batches_of(_batches.whole_points(plan.n_questions), rows):
        yield render(batch)


def auto_rows(plan, space) -> int:
    """The number of copies in a batch under ``batch_size="auto"``."""
    from skzest.asking import _batches

    return _batches.auto_rows(plan, space)


def ready_network(query, copies):
    """The function a torch query calls on prepared inputs, after it has answered `copies` once."""
    query.ask(query.space.asarray(copies), "logits")
    return query._ready


def bytes_sent(value) -> int:
    """How many bytes an object takes on its way to another process."""
    from skzest.asking import _elsewhere

    return _elsewhere.Parcel.of(value).content.nbytes


def cuts(n_models: int, n_units: int, n_workers: int) -> tuple[int, int]:
    """Into how many runs of points, and shares of the models, work for other machines is cut."""
    from skzest.asking import _schedule

    return _schedule.cuts(_schedule._MANY_TASKS * n_workers, n_workers, n_units, n_models)
