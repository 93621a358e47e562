# SPDX-License-Identifier: BSD-3-Clause
"""The questions: reference points, their parts, their masks. Frozen, with a digest.

All work that does not depend on a model is done here, once. Two parties who may not share
their models exchange a plan, ask their own models, and compare the signatures.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._points import Point, Points, is_frame
from .._validation import check_whole
from ..drawing import Picture
from ..maskers import BaseMasker
from ..queries import Array
from ._file import encoded, fields_of, read, sha256, write
from ._linear_fit import LinearFit
from ._masks import PackedMasks
from ._surrogates import PASSTHROUGH, Surrogate, closed_form, kernel_weights

__all__ = ["QueryPlan"]


@dataclass(frozen=True, eq=False, repr=False)
class QueryPlan:
    """Everything that is asked, and how answers become a signature.

    Made by :class:`~skzest.LimeSignatureTransformer` (its ``plan_``) and read from a file by
    :meth:`load`.

    Attributes
    ----------
    indices : ndarray of int, shape (n_reference,)
        Position of each point in the reference data that the plan was drawn from.
    reference : ndarray, DataFrame or list of length n_reference
        The points themselves.
    parts : tuple of ndarray of int
        Per point, the part of each element, 0 to ``K_n - 1``; -1 in texts is what is always kept.
    masks : PackedMasks
        Per point, a boolean array of shape ``(L_n, K_n)``; True keeps a part.
    fills : tuple
        Per point, what hidden parts become.
    masker : masker
        Renders the masked copies.
    surrogate : regressor or "passthrough"
        Turns scores into coefficients.
    kernel_width : float or None
        Width of LIME's kernel on masks.
    response : str
        What is asked for: ``"logit"``, ``"raw"``, ``"predict_proba"``, ...
    clip : float
        Smallest probability under ``response="logit"``.
    """

    indices: np.ndarray
    reference: Points
    parts: tuple
    masks: PackedMasks
    fills: tuple
    masker: BaseMasker
    surrogate: Surrogate
    kernel_width: float | None = None
    response: str = "logit"
    clip: float = 1e-6

    def __repr__(self) -> str:
        return (
            f"<QueryPlan of {len(self)} points, {self.n_components} components, "
            f"{self.n_queries} questions, digest {self.digest[:8]}>"
        )

    def __len__(self) -> int:
        return len(self.indices)

    # --- shapes ---------------------------------------------------------------------------

    @property
    def is_passthrough(self) -> bool:
        """Whether the scores themselves are the signature."""
        return isinstance(self.surrogate, str) and self.surrogate == PASSTHROUGH

    @property
    def asks_once(self) -> bool:
        """Whether each point is asked about once, so that it has answers but no coefficients."""
        return self.n_queries == len(self)

    @property
    def array_points(self) -> bool:
        """Whether points are arrays, which can be rendered on any device."""
        return self.masker.array_points and not is_frame(self.reference)

    @cached_property
    def n_parts(self) -> np.ndarray:
        """Number of parts of each point, shape (n_reference,)."""
        return np.array([int(p.max()) + 1 for p in self.parts])

    @cached_property
    def n_columns(self) -> np.ndarray:
        """Number of signature columns of each point, shape (n_reference,)."""
        return np.array(self.masks.n_masks) if self.is_passthrough else self.n_parts

    @property
    def n_components(self) -> int:
        """Columns of a signature per class."""
        return int(self.n_columns.sum())

    @property
    def n_questions(self) -> tuple[int, ...]:
        """Questions about each point: its different masks, as a repeated one shares its answer."""
        return self.masks.n_distinct

    @property
    def n_queries(self) -> int:
        """Questions asked of each model; known without asking any."""
        return sum(self.n_questions)

    @cached_property
    def column_point(self) -> np.ndarray:
        """Which point each column describes: a position in ``indices``, shape (n_components,)."""
        return np.repeat(np.arange(len(self)), self.n_columns)

    @cached_property
    def column_part(self) -> np.ndarray:
        """Which part each column describes (which mask, under "passthrough")."""
        return np.concatenate([np.arange(n) for n in self.n_columns])

    # --- use ------------------------------------------------------------------------------

    def point(self, n: int) -> Point:
        """The point at position ``n``."""
        return self.masker.point(self.reference, n)

    def part_names(self, n: int) -> list[str]:
        """Names of the components of the point at position ``n``, as the masker gives them.

        Examples
        --------
        >>> from skzest import CallableQuery, LimeSignatureTransformer
        >>> lengths = CallableQuery(lambda X: [[len(x), -len(x)] for x in X], output="logits")
        >>> lime = LimeSignatureTransformer(["to be or not"], n_samples=16).fit([lengths])
        >>> lime.plan_.part_names(0)
        ['to', 'be', 'or', 'not']
        """
        if self.is_passthrough:
            return [f"mask {j}" for j in range(self.n_columns[n])]
        return self.masker.part_names(self.point(n), self.parts[n])

    def picture(self, n: int) -> Picture:
        """How the point at position ``n`` is drawn with a value for each part.

        Raises
        ------
        ValueError
            If components are masks (``surrogate="passthrough"``).
        """
        if self.is_passthrough:
            raise ValueError(
                "under surrogate='passthrough' a component is a mask, not a part that could be "
                "drawn. Compute the signatures with a regression (surrogate=None)."
            )
        return self.masker.picture(self.reference, n, self.parts[n])

    def questions(self, n: int) -> np.ndarray:
        """The different masks of the point at position ``n``, shape (n_questions, n_parts)."""
        return self.masks.distinct(n)

    def for_each_mask(self, n: int, scores: Array) -> Array:
        """From scores of the questions about point ``n`` to scores of all its masks.

        Parameters
        ----------
        n : int
        scores : array of shape (n_questions, n_classes)

        Returns
        -------
        scores : array of shape (n_masks, n_classes)
        """
        positions = self.masks.positions(n)
        return scores if positions is None else scores[positions]

    def fit_at(self, n: int) -> LinearFit | None:
        """From scores to coefficients at point ``n``; None for other kinds of surrogate."""
        form = closed_form(self.surrogate)
        if form is None:
            return None
        masks = self.masks[n]
        return LinearFit(masks, kernel_weights(masks, self.kernel_width), **form)

    def take(self, stop: int) -> QueryPlan:
        """The plan of the first ``stop`` points; its answers are a part of this plan's."""
        stop = check_whole(stop, "stop")
        if stop > len(self):
            raise ValueError(f"stop={stop}, but the plan has only {len(self)} points.")
        return self.slice(0, stop)

    def slice(self, start: int, stop: int) -> QueryPlan:
        """The plan of points ``start:stop``."""
        return QueryPlan(
            indices=self.indices[start:stop],
            reference=self.masker.take(self.reference, np.arange(len(self))[start:stop]),
            parts=self.parts[start:stop],
            masks=self.masks[start:stop],
            fills=self.fills[start:stop],
            **self._settings(),
        )

    def _settings(self) -> dict:
        names = ("masker", "surrogate", "kernel_width", "response", "clip")
        return {name: getattr(self, name) for name in names}

    # --- identity and files ---------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 over indices, points, parts, masks, fills, response, clip and surrogate."""
        return sha256(*encoded(self)).hexdigest()

    def point_digest(self, n: int) -> bytes:
        """SHA-256 of what copies of point ``n`` are made of: point, parts, fill and masker.

        The same in every plan that holds the point, whatever its masks and its surrogate.
        """
        header, arrays = encoded(self.slice(n, n + 1))
        made_of = {key: json.loads(header)[key] for key in ("masker", "layout")}
        for name in ("indices", "masks", "n_masks"):
            arrays.pop(name)
        return sha256(json.dumps(made_of, sort_keys=True).encode(), arrays).digest()

    def save(self, path: str | os.PathLike) -> None:
        """Write the plan as a compressed ``.npz`` without pickle; see :meth:`load`."""
        write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike, *, masker: BaseMasker | None = None) -> QueryPlan:
        """Read a plan that :meth:`save` wrote.

        Parameters
        ----------
        path : path
        masker : masker, optional
            Needed only for a masker that is not skzest's own; must be of the class the plan
            was made with.

        Raises
        ------
        ValueError
            If the file is not a plan, a field does not fit the others or the digest, or the file
            names a masker or surrogate that cannot be rebuilt here.
        OSError
            If the file cannot be opened.
        """
        header, digest, arrays = read(path)
        name = repr(os.fspath(path))
        try:
            plan = cls(**fields_of(header, arrays, masker))
            again, same = encoded(plan)
            for field in sorted(set(arrays) ^ set(same)):
                raise ValueError(f"{field} is {'unknown' if field in arrays else 'missing'}.")
            digests = {sha256(again, same).hexdigest(), sha256(again, arrays).hexdigest(), digest}
        except ValueError as error:
            raise ValueError(f"{name} is damaged: {error}") from error
        if len(digests) > 1:
            raise ValueError(
                f"{name} is damaged: its contents have digest {plan.digest[:8]}, it says "
                f"{str(digest)[:8]}. Ask for a new copy."
            )
        return plan
