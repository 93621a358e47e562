# SPDX-License-Identifier: BSD-3-Clause
"""The questions: reference points, their parts, their masks. Frozen, with a digest.

All work that does not depend on a model is done here, once. Two parties who may not share
their models exchange a plan, ask their own models, and compare the signatures.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _points
from .._validation import check_whole
from ..drawing import Picture
from ._file import masker_from_json, surrogate_from_json, surrogate_to_json
from ._masks import PackedMasks
from ._surrogates import PASSTHROUGH, closed_form, kernel_weights, linear_operator

__all__ = ["QueryPlan"]

_FORMAT = 1


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
        Per point, the part of each place, 0 to ``K_n - 1``; -1 in texts is what is always kept.
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
    reference: Any
    parts: tuple
    masks: PackedMasks
    fills: tuple
    masker: Any
    surrogate: Any
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
    def array_points(self) -> bool:
        """Whether points are arrays, which can be rendered on any device."""
        return self.masker.array_points and not _points.is_frame(self.reference)

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

    def point(self, n: int) -> Any:
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

    def for_each_mask(self, n: int, scores: Any) -> Any:
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

    def operator(self, n: int) -> np.ndarray:
        """Matrix (n_parts, n_masks) from scores to coefficients, for closed-form surrogates."""
        masks = self.masks[n]
        weights = kernel_weights(masks, self.kernel_width)
        masks = masks.astype(np.float64)
        form = closed_form(self.surrogate)
        if form is None:
            raise TypeError(f"{self.surrogate!r} has no closed form: fit it to the scores instead.")
        return linear_operator(masks, weights, **form)

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
        """SHA-256 over points, parts, masks, fills, response, clip and surrogate, in hex."""
        header, arrays = self._encode()
        # Where the points came from does not change what is asked.
        arrays.pop("indices")
        return _sha256(header, arrays).hexdigest()

    def point_digest(self, n: int) -> bytes:
        """SHA-256 of what copies of point ``n`` are made of: point, parts, fill and masker.

        The same in every plan that holds the point, whatever its masks and its surrogate.
        """
        header, arrays = self.slice(n, n + 1)._encode()
        made_of = {key: json.loads(header)[key] for key in ("masker", "layout")}
        for name in ("indices", "masks", "n_masks"):
            arrays.pop(name)
        return _sha256(json.dumps(made_of, sort_keys=True).encode(), arrays).digest()

    def _encode(self) -> tuple[bytes, dict[str, np.ndarray]]:
        header = {
            "masker": type(self.masker).__name__,
            "layout": self.masker.layout(),
            "surrogate": surrogate_to_json(self.surrogate),
            "kernel_width": self.kernel_width,
            "response": self.response,
            "clip": self.clip if self.response == "logit" else None,
        }
        arrays = {
            "indices": self.indices.astype("<i8"),
            "n_parts": self.n_parts.astype("<i8"),
            "n_masks": np.array(self.masks.n_masks, dtype="<i8"),
            "masks": np.concatenate([p.ravel() for p in self.masks._packed]),
            **_points.encode(self.reference, "reference"),
            # int32 on every platform and whatever integer the masker chose.
            **_points.encode([p.astype("<i4") for p in self.parts], "parts"),
        }
        for n, fill in enumerate(self.fills):
            arrays |= _points.encode([fill] if isinstance(fill, str) else fill, f"fill.{n}")
        return json.dumps(header, sort_keys=True).encode(), arrays

    def save(self, path: str | os.PathLike) -> None:
        """Write the plan as a compressed ``.npz`` without pickle; see :meth:`load`."""
        header, arrays = self._encode()
        meta = {"format": _FORMAT, "digest": self.digest, "clip": self.clip}
        arrays["header"] = np.frombuffer(header, dtype=np.uint8)
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
        with open(path, "wb") as file:  # np.savez would append .npz to the name
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike, *, masker: Any = None) -> QueryPlan:
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
            If the file is no plan, is damaged (its digest does not fit), or names a masker or
            surrogate that cannot be rebuilt here.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header, meta = (json.loads(arrays.pop(name).tobytes()) for name in ("header", "meta"))
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"{os.fspath(path)!r} is not a plan of skzest: {error}") from error
        if not isinstance(meta.get("format"), int):
            raise ValueError(f"{os.fspath(path)!r} is not a plan of skzest: it has no format.")
        if meta["format"] > _FORMAT:
            raise ValueError(
                f"{os.fspath(path)!r} has format {meta['format']}, this version reads up to "
                f"{_FORMAT}. Update skzest."
            )
        try:
            plan = cls._decode(header, meta, arrays, masker)
            whole = np.array_equal(plan.n_parts, arrays["n_parts"]) and (
                plan.digest == meta["digest"]
            )
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)!r} is damaged: {error!r}.") from error
        if not whole:
            raise ValueError(
                f"{os.fspath(path)!r} is damaged: its contents have digest "
                f"{plan.digest[:8]}, it says {meta['digest'][:8]}. Ask for a new copy."
            )
        return plan

    @classmethod
    def _decode(cls, header: dict, meta: dict, arrays: dict, masker: Any) -> QueryPlan:
        n_parts, n_masks = arrays["n_parts"], arrays["n_masks"]
        widths = -(-n_parts // 8)
        packed = np.split(arrays["masks"], np.cumsum(n_masks * widths)[:-1])
        packed = [p.reshape(-1, w) for p, w in zip(packed, widths, strict=True)]
        fills = [_points.decode(arrays, f"fill.{n}") for n in range(len(n_parts))]
        return cls(
            indices=arrays["indices"],
            reference=_points.decode(arrays, "reference"),
            parts=tuple(_points.decode(arrays, "parts")),
            masks=PackedMasks(packed, n_parts.tolist()),
            fills=tuple(f[0] if isinstance(f, list) else f for f in fills),
            masker=masker_from_json(header, masker),
            surrogate=surrogate_from_json(header["surrogate"]),
            kernel_width=header["kernel_width"],
            response=header["response"],
            clip=meta["clip"],
        )


def _sha256(header: bytes, arrays: dict[str, np.ndarray]) -> Any:
    sha = hashlib.sha256(header)
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        sha.update(array.tobytes())
    return sha
