# SPDX-License-Identifier: BSD-3-Clause
"""Maskers: a point is cut into parts, and copies of it are made in which parts are hidden."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._points import Points, is_frame
from ._audio import AudioMasker
from ._base import BaseMasker, takes_out
from ._image import ImageMasker
from ._references import first_of, numeric_points, refuse_dataset
from ._tabular import TabularMasker
from ._text import TextMasker

# Not for users: makes plans of plain points, and is found here when such a plan is loaded.
from ._whole import WholeMasker as WholeMasker

__all__ = [
    "AudioMasker",
    "BaseMasker",
    "ImageMasker",
    "TabularMasker",
    "TextMasker",
    "listed_texts",
    "masker_for",
    "numeric_points",
    "takes_out",
]


def masker_for(reference: Points) -> BaseMasker:
    """The masker that suits a reference, with its default parameters.

    Parameters
    ----------
    reference : container of points
        A 2-D array or a DataFrame is a table, a 3-D or 4-D array holds images, strings are
        texts. Sound looks like a table or like images: ask for :class:`AudioMasker`.

    Raises
    ------
    ValueError, TypeError
        If there is no masker for such points.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import masker_for
    >>> masker_for(np.zeros((5, 3)))
    TabularMasker()
    >>> masker_for(np.zeros((5, 32, 32, 3)))
    ImageMasker()
    >>> masker_for(["to be", "or not to be"])
    TextMasker()
    """
    if isinstance(reference, (str, bytes)):
        raise TypeError("reference is a single string; give a list of points.")
    if sparse.issparse(reference):
        raise TypeError(
            f"reference is a sparse {type(reference).__name__}; masked copies are dense. "
            "Give reference.toarray()."
        )
    if is_frame(reference) or hasattr(reference, "to_pandas"):
        _refuse_texts_in_a_frame(reference)
        return TabularMasker()
    refuse_dataset(reference)
    if any(isinstance(text, (str, bytes)) for text in _some(reference)):
        return TextMasker()
    try:
        n_dim = np.ndim(reference)
    except ValueError:  # points of different shapes
        if all(np.ndim(point) == 1 for point in reference):
            raise ValueError(
                "reference holds rows of different lengths. If these are sounds, give "
                "masker=AudioMasker(sample_rate)."
            ) from None
        n_dim = 3  # images: the masker says which differ
    except TypeError:  # a list of tensors of bfloat16
        n_dim = 1 + np.ndim(first_of(reference))
    if n_dim == 2:
        return TabularMasker()
    if n_dim in (3, 4):
        return ImageMasker()
    if n_dim == 0:
        raise TypeError(
            f"reference is a {type(reference).__name__}; give an array, a DataFrame or a list of "
            "points."
        )
    if n_dim == 1:
        raise ValueError(
            f"reference has shape {np.shape(reference)}; it needs one point per row. For a single "
            "point X[0] give X[:1]; for points with a single number each no masker makes two parts."
        )
    raise ValueError(
        f"no masker is known for a reference of {n_dim} dimensions. Tables have 2 and images 3 "
        "or 4, the first being the points. Otherwise give masker=, an instance of "
        "your own subclass of BaseMasker."
    )


def _refuse_texts_in_a_frame(frame: Points) -> None:
    """Refuse a frame whose only column holds texts: as a table it would have one part."""
    if len(frame.columns) != 1:
        return
    (name,) = frame.columns
    if any(isinstance(text, str) for text in _some(list(frame[name][:8]))):
        raise TypeError(
            f"reference is a {type(frame).__name__} with a single column of texts; give that "
            f"column, reference[{name!r}]."
        )


def listed_texts(points: Points) -> Points:
    """Texts as a list, whatever sequence they came in; other points as they are.

    Raises
    ------
    ValueError, TypeError
        If only some of the points are texts.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import listed_texts
    >>> listed_texts(np.array(["to be", "or not to be"], dtype=object))
    ['to be', 'or not to be']
    """
    if is_frame(points) or not any(isinstance(point, (str, bytes)) for point in _some(points)):
        return points
    return TextMasker().check_reference(points)


def _some(reference: Points) -> list:
    """The first points of a reference, if it can be sliced."""
    try:
        return list(reference[:8])
    except (TypeError, KeyError, IndexError):
        return []
