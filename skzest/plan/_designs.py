# SPDX-License-Identifier: BSD-3-Clause
"""Designs: from a number of parts to the masks that are asked about.

A mask has one entry per part: ``True`` keeps the part, ``False`` hides it. All designs are
seeded per reference point, so that the first points of a larger reference set carry the same
masks as they do in a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import hadamard

from .._validation import check_choice

__all__ = ["SAMPLINGS", "auto_n_samples", "hadamard_order", "point_rng", "sample_masks"]

# The name of a design, or (n_parts, n_samples, rng) -> masks.
Sampling: TypeAlias = str | Callable[[int, int, np.random.Generator], ArrayLike]

# Blocks of a fold-over under n_samples="auto"; doc/user_guide/questions.rst has the figures.
_AUTO_BLOCKS = 2
# Random numbers that are drawn at a time: they stay in the processor's cache.
_DRAWN = 2**13


def point_rng(seed: int, index: int) -> np.random.Generator:
    """The random stream of one reference point: a function of seed and index alone."""
    # spawn_key, not [seed, index]: seeds are cut into words of 32 bits, and 5 + 3 * 2**32 at
    # index 0 would be 5 at index 3.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, index)))


def order_rng(seed: int) -> np.random.Generator:
    """The random stream that chooses reference points."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))


def hadamard_order(n_parts: int) -> int:
    """The smallest power of two that is at least ``n_parts + 1``."""
    return 1 << int(n_parts).bit_length()


def auto_n_samples(n_parts: int) -> int:
    """Number of masks under ``n_samples="auto"``: two blocks of a fold-over, 4 to 8 a part.

    The same number serves every design, so that designs are compared at one cost.

    Examples
    --------
    >>> from skzest.plan._designs import auto_n_samples
    >>> [auto_n_samples(n_parts) for n_parts in (4, 7, 8, 15, 16, 100)]
    [32, 32, 64, 64, 128, 512]
    """
    return _AUTO_BLOCKS * 2 * hadamard_order(n_parts)


def sample_masks(
    n_parts: int, n_samples: int, sampling: Sampling, rng: np.random.Generator
) -> np.ndarray:
    """Draw the masks of one reference point.

    Parameters
    ----------
    n_parts : int
        Number of parts of the point.
    n_samples : int
        At most this many masks are drawn.
    sampling : {"bernoulli", "antithetic", "foldover", "fractional"} or callable
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
    check_choice(
        sampling, "sampling", SAMPLINGS, "A callable (n_parts, n_samples, rng) -> masks also works."
    )
    return SAMPLINGS[sampling](n_parts, n_samples, rng)


def all_masks(n_parts: int) -> np.ndarray:
    """Every mask there is, shape (2 ** n_parts, n_parts); the one that keeps all parts first."""
    return ((np.arange(2**n_parts)[::-1, None] >> np.arange(n_parts)) & 1).astype(bool)


def _bernoulli(n_parts: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    # Row-major draws: the first rows are the same for every n_samples.
    masks = np.empty((n_samples, n_parts), dtype=bool)
    masks[0] = True
    n_rows = max(_DRAWN // n_parts, 1)
    for start in range(1, n_samples, n_rows):
        rows = masks[start : start + n_rows]
        np.less(rng.random(rows.shape), 0.5, out=rows)
    return masks


def _antithetic(n_parts: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Bernoulli masks, each followed by its complement; the first pair is all and nothing."""
    halves = _bernoulli(n_parts, (n_samples + 1) // 2, rng)
    pairs = np.stack([halves, ~halves], axis=1)
    return pairs.reshape(-1, n_parts)[:n_samples]


def _foldover(n_parts: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Blocks of a Hadamard matrix and its complement: orthogonal, resolution IV.

    Each block takes ``n_parts`` columns of a Hadamard matrix at random (never the constant
    one), flips their signs at random, and adds the complement of every row. Main effects are
    then orthogonal to each other and to all interactions of two parts. When all ``2**n_parts``
    masks are no more than ``n_samples``, all of them are asked and nothing is left to chance.
    """
    if n_parts < 63 and 2**n_parts <= n_samples:
        return all_masks(n_parts)[::-1]
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


def _fractional(n_parts: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """One regular fraction of all masks, as large as fits, of few short words.

    Columns of a Hadamard matrix again, but of the largest that has room, and chosen with care.
    Three columns that multiply to the constant one (a *word* of three) confound a main effect
    with an interaction of two parts: there are none, which is resolution IV. Words of four
    confound it with an interaction of three parts: there are as few as a search finds. Columns
    go to the parts at random and signs are flipped at random, so what is left has mean zero.
    """
    if n_parts < 63 and 2**n_parts <= n_samples:
        return _foldover(n_parts, n_samples, rng)
    order = 1 << (int(n_samples).bit_length() - 1)  # the largest power of two that fits
    if order < 2 * n_parts:
        needed = min(2 * hadamard_order(n_parts - 1), 2**n_parts)
        raise ValueError(
            f"sampling='fractional' needs at least {needed} masks for {n_parts} parts; "
            f"n_samples={n_samples}. Raise n_samples to {needed}, or use sampling='bernoulli'."
        )
    columns = rng.permutation(np.array(columns_of_few_words(n_parts, order)))
    return _sylvester(order, columns) ^ (rng.random(n_parts) < 0.5)


def _sylvester(order: int, columns: np.ndarray) -> np.ndarray:
    """Where some columns of Sylvester's Hadamard matrix are -1: the parity of ``row & column``."""
    common = np.arange(order)[:, None] & columns
    for shift in (32, 16, 8, 4, 2, 1):
        common ^= common >> shift
    return (common & 1).astype(bool)


@lru_cache(maxsize=256)
def columns_of_few_words(n_columns: int, order: int, n_tries: int = 10) -> tuple[int, ...]:
    """Columns of a Hadamard matrix without words of three, and with few of four.

    Column ``i`` times column ``j`` is column ``i ^ j`` in Sylvester's matrix, so a word is a set
    of numbers whose exclusive or is 0. Greedy, the best of some tries; the same in every process.
    The upper half of the columns are a fold-over and have no word of three among them, so
    ``2 * n_columns <= order`` is enough.
    """
    rng = np.random.default_rng(0)
    best, fewest = None, np.inf
    for attempt in range(2 * n_tries):
        lowest = 1 if attempt % 2 else order // 2
        found = _greedy_columns(n_columns, order, lowest, rng)
        if found is not None and found[1] < fewest:
            best, fewest = found
        if fewest == 0:
            break
    assert best is not None
    return tuple(best)


def _greedy_columns(n_columns, order, lowest, rng) -> tuple[list[int], int] | None:
    """Columns from ``lowest`` on, and how many words of four; None if it ran into a dead end."""
    places = np.arange(order)
    # How many sets of one, two and three columns multiply to each column.
    ones, twos, threes = np.zeros((3, order), dtype=np.int64)
    columns, n_words = [], 0
    for _ in range(n_columns):
        free = np.flatnonzero((ones == 0) & (twos == 0) & (places >= lowest))
        if not len(free):
            return None
        new = int(rng.choice(free[threes[free] == threes[free].min()]))
        n_words += int(threes[new])
        threes += twos[places ^ new]
        twos += ones[places ^ new]
        ones[new] = 1
        columns.append(new)
    return columns, n_words


SAMPLINGS: dict[str, Callable] = {
    "antithetic": _antithetic,
    "bernoulli": _bernoulli,
    "foldover": _foldover,
    "fractional": _fractional,
}


def _check_masks(masks: ArrayLike, n_parts: int, n_samples: int) -> np.ndarray:
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
