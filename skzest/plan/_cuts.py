# SPDX-License-Identifier: BSD-3-Clause
"""Cuts that were made before in this process: a grid search fits many clones to the same points.

Quickshift takes 20 ms for a CIFAR-10 image and a second for a photograph. A cut depends on the
fitted masker and the point alone, so it is kept under the content of both: nothing goes wrong
when a reference is changed in place, and nothing is kept alive but the cuts.
"""

from __future__ import annotations

import hashlib

import numpy as np

from .._points import Point
from ..fingerprints import fingerprint
from ..maskers import BaseMasker
from ._memo import ArrayMemo

__all__ = ["CutMemo", "masker_key"]


def masker_key(masker: BaseMasker) -> str | None:
    """What a fitted masker is; None if its content cannot be read, and nothing is to be kept."""
    try:
        return fingerprint(masker)
    except TypeError:
        return None


class CutMemo(ArrayMemo):
    """Cuts of numeric points, the latest used up to a number of bytes.

    Parameters
    ----------
    max_bytes : int

    Examples
    --------
    >>> import numpy as np
    >>> from skzest import ImageMasker
    >>> from skzest.plan._cuts import CutMemo, masker_key
    >>> images = np.random.default_rng(0).random((5, 8, 8))
    >>> masker = ImageMasker("grid").fit(images)
    >>> memo, key = CutMemo(10_000), masker_key(masker)
    >>> memo.cut(key, masker, images[0]) is memo.cut(key, masker, images[0].copy())
    True
    """

    def cut(self, key: str | None, masker: BaseMasker, point: Point) -> np.ndarray:
        """``masker.cut(point)``, or the same from before, read-only then and now.

        ``key`` is the :func:`masker_key` of the fitted masker.
        """
        if key is None or not isinstance(point, np.ndarray) or point.dtype.hasobject:
            return masker.cut(point)
        sha = hashlib.sha256(f"{key} {point.dtype.str} {point.shape}".encode())
        sha.update(np.ascontiguousarray(point).reshape(-1).view(np.uint8).data)
        return self.get(sha.digest(), lambda: np.array(masker.cut(point)))
