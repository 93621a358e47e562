# SPDX-License-Identifier: BSD-3-Clause
"""Answers to consecutive masks of one point, as one row of the database.

Nothing that comes from the file is believed: every value is checked before it is used, and a row
that fails is treated as if it was not there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ._identity import Identity

__all__ = ["Piece", "decode", "encode", "mask_keys", "stored_masks"]

_MAX_BYTES = 64 * 2**20  # of scores per row; SQLite refuses a billion
_DTYPE = re.compile(r"<[fiu][248]|\|[iub]1")


@dataclass(frozen=True)
class Piece:
    """Answers to consecutive masks of one point: those from ``start`` on.

    Attributes
    ----------
    who : Identity
    question : bytes
        Digest of the point.
    start : int
    masks : ndarray of uint64, shape (n_masks,)
        As :func:`mask_keys` gives them.
    scores : ndarray of shape (n_masks, n_classes)
    """

    who: Identity
    question: bytes
    start: int
    masks: np.ndarray
    scores: np.ndarray


def mask_keys(masks: np.ndarray) -> np.ndarray:
    """A 64-bit key for each of the masks of a point: up to 64 parts the mask itself.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_masks, n_parts)

    Returns
    -------
    keys : ndarray of uint64, little-endian, shape (n_masks,)
    """
    packed = np.packbits(masks, axis=1)
    n_masks, width = packed.shape
    if width <= 8:
        keys = np.zeros((n_masks, 8), dtype=np.uint8)
        keys[:, :width] = packed
        return keys.view("<u8")[:, 0]
    hashes = (hashlib.blake2b(mask, digest_size=8).digest() for mask in packed)
    return np.frombuffer(b"".join(hashes), dtype="<u8")


def encode(piece: Piece) -> Iterator[tuple]:
    """Rows of the table of requests: one, or several if there are too many scores for one."""
    scores = np.ascontiguousarray(piece.scores)
    scores = scores.astype(scores.dtype.newbyteorder("<"), copy=False)
    masks = np.ascontiguousarray(piece.masks, dtype="<u8")
    n_rows = max(1, _MAX_BYTES // max(1, scores[:1].nbytes))
    for a in range(0, len(masks), n_rows):
        part = slice(a, a + n_rows)
        place = (piece.who.key, piece.question, piece.start + a, masks[part].tobytes())
        content = (*place, scores.dtype.str, scores.shape[1], scores[part].tobytes())
        yield (_hash(place), *content, _hash(content))


def stored_masks(start: object, masks: object) -> np.ndarray | None:
    """The masks that a row says it answers; None if these columns cannot be true."""
    if not isinstance(start, int) or start < 0:
        return None
    if not isinstance(masks, bytes) or not masks or len(masks) % 8:
        return None
    return np.frombuffer(masks, dtype="<u8")


def decode(row: Sequence[object], place: tuple) -> np.ndarray | None:
    """Scores of a row, of shape (n_masks, n_classes); None if anything in it is not as written.

    ``place`` is what its first columns must be: a damaged index leads to a row that is whole, and
    another's.
    """
    *content, checksum = row
    dtype, n_classes, scores = content[4:]
    if _hash(content) != checksum or tuple(content[:4]) != place:
        return None
    if not (isinstance(dtype, str) and _DTYPE.fullmatch(dtype) and isinstance(scores, bytes)):
        return None
    n_masks, size = len(place[3]) // 8, np.dtype(dtype).itemsize
    if not isinstance(n_classes, int) or len(scores) != n_masks * n_classes * size or not scores:
        return None
    found = np.frombuffer(scores, dtype=dtype).reshape(n_masks, n_classes)
    found = found.astype(found.dtype.newbyteorder("="), copy=False)
    return found if np.isfinite(found).all() else None


def _hash(values: Sequence[object]) -> bytes:
    blake = hashlib.blake2b(digest_size=16)
    for value in values:
        raw = value if isinstance(value, bytes) else str(value).encode()
        blake.update(b"%d:" % len(raw))
        blake.update(raw)
    return blake.digest()
