# SPDX-License-Identifier: BSD-3-Clause
"""Which copies to ask: from a number of parts to binary masks.

A mask has one entry per part: ``True`` keeps the part, ``False`` hides it. All designs are
seeded per reference point, so that the first points of a larger reference set carry the same
masks as they do in a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import hadamard

__all__ = ["SAMPLINGS", "auto_n_samples", "hadamard_order", "point_rng", "sample_masks"]

# Blocks of a fold-over under n_samples="auto"; doc/user_guide/questions.rst has the figures.
_AUTO_BLOCKS = 2


def point_rng(seed: int, index: int) -> np.random.Generator:
    """The random stream of one reference point: a function of seed and index alone."""
    return np.random.default_rng(np.random.SeedSequence([seed, index]))


def hadamard_order(n_parts: int) -> int:
    """The least power of two that is at least ``n_parts + 1``."""
    return 1 << int(n_parts).bit_length()


def auto_n_samples(n_parts: int) -> int:
    """Number of masks under ``n_samples="auto"``: two blocks of a fold-over, 4 to 8 a part.

    The same number serves every design, so that designs are compared at one cost.

    Examples
    --------
    >>> from skzest.sampling import auto_n_samples
    >>> [auto_n_samples(n_parts) for n_parts in (4, 7, 8, 15, 16, 100)]
    [32, 32, 64, 64, 128, 512]
    """
    return _AUTO_BLOCKS * 2 * hadamard_order(n_parts)


def sample_masks(n_parts: int, n_samples: int, sampling: str | Callable, rng: Any) -> np.ndarray:
    """Draw the masks of one reference point.

    Parameters
    ----------
    n_parts : int
        Number of parts of the point.
    n_samples : int
        At most this many masks are drawn.
    sampling : {"bernoulli", "antithetic", "foldover"} or callable
        ``"bernoulli"`` is the paper's design. A callable gets ``(n_parts, n_samples, rng)``.
    rng : numpy.random.Generator
        Stream of the point.

    Returns
    -------
    masks : ndarray of bool, shape (n_masks, n_parts)
        ``n_masks <= n_samples``.

    Raises
    ------
    ValueError
        If the name is unknown, the design needs more masks, or a callable returns something
        that is not a set of masks.
    """
    if callable(sampling):
        return _check_masks(sampling(n_parts, n_samples, rng), n_parts, n_samples)
    try:
        design = SAMPLINGS[sampling]
    except (KeyError, TypeError):
        raise ValueError(
            f"sampling={sampling!r} is unknown; choose one of {sorted(SAMPLINGS)}, or pass a "
            "callable (n_parts, n_samples, rng) -> masks."
        ) from None
    return design(n_parts, n_samples, rng)


def _bernoulli(n_parts: int, n_samples: int, rng) -> np.ndarray:
    # Row-major draws: the first rows are the same for every n_samples.
    masks = np.empty((n_samples, n_parts), dtype=bool)
    masks[0] = True
    masks[1:] = rng.random((n_samples - 1, n_parts)) < 0.5
    return masks


def _antithetic(n_parts: int, n_samples: int, rng) -> np.ndarray:
    """Bernoulli masks, each followed by its complement; the first pair is all and nothing."""
    halves = _bernoulli(n_parts, (n_samples + 1) // 2, rng)
    pairs = np.stack([halves, ~halves], axis=1)
    return pairs.reshape(-1, n_parts)[:n_samples]


def _foldover(n_parts: int, n_samples: int, rng) -> np.ndarray:
    """Blocks of a Hadamard matrix and its complement: orthogonal, resolution IV.

    Each block takes ``n_parts`` columns of a Hadamard matrix at random (never the constant
    one), flips their signs at random, and adds the complement of every row. Main effects are
    then orthogonal to each other and to all interactions of two parts. When all ``2**n_parts``
    masks are no more than ``n_samples``, all of them are asked and nothing is left to chance.
    """
    if n_parts < 63 and 2**n_parts <= n_samples:
        return ((np.arange(2**n_parts)[:, None] >> np.arange(n_parts)) & 1).astype(bool)
    order = hadamard_order(n_parts)
    n_blocks = n_samples // (2 * order)
    if n_blocks == 0:
        needed = min(2 * order, 2**n_parts)
        raise ValueError(
            f"sampling='foldover' needs at least {needed} masks for {n_parts} parts; "
            f"n_samples={n_samples}. Raise n_samples to {needed}, or use sampling='bernoulli'."
        )
    positive = hadamard(order) > 0
    blocks = []
    for _ in range(n_blocks):
        columns = 1 + rng.permutation(order - 1)[:n_parts]
        half = positive[:, columns] ^ (rng.random(n_parts) < 0.5)
        blocks += [half, ~half]
    return np.concatenate(blocks)


SAMPLINGS: dict[str, Callable] = {
    "antithetic": _antithetic,
    "bernoulli": _bernoulli,
    "foldover": _foldover,
}


def _check_masks(masks: Any, n_parts: int, n_samples: int) -> np.ndarray:
    masks = np.asarray(masks)
    if masks.ndim != 2 or masks.shape[1] != n_parts or not 1 <= len(masks) <= n_samples:
        raise ValueError(
            f"sampling returned masks of shape {masks.shape}; expected (n_masks, {n_parts}) "
            f"with 1 <= n_masks <= {n_samples}."
        )
    if masks.dtype != bool:
        if not np.isin(masks, (0, 1)).all():
            raise ValueError("sampling returned masks with values other than 0 and 1.")
        masks = masks.astype(bool)
    return masks
