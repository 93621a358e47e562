# SPDX-License-Identifier: BSD-3-Clause
"""Names of signature columns: which class, which part of which point, under which design.

A name reads ``{class}__point{index}__part{part}__{digest8}``; where the signature is the scores
themselves, ``mask`` stands for ``part``. Columns are class-major: all of the first class, then
all of the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ..exceptions import DesignMismatchError

Names: TypeAlias = Iterable[str] | None

# Class labels may hold anything, "__" and line breaks too, so a name is read from its end.
_NAME = re.compile(r"(.*)(__point\d+__(?:part|mask)\d+__([0-9a-f]{8}))", flags=re.DOTALL)


def feature_names(
    classes: Iterable,
    column_point: Iterable[int],
    column_part: Iterable[int],
    digest: str,
    kind: str = "part",
) -> np.ndarray:
    """Name every column of a signature.

    Parameters
    ----------
    classes : iterable of n_classes labels
    column_point, column_part : iterables of n_components integers
        The reference point, and the part (or mask) of it, that each component is about.
    digest : str
        Of the plan, in hexadecimal; its first 8 digits are used.
    kind : {"part", "mask"}

    Returns
    -------
    names : ndarray of str objects, shape (n_classes * n_components,)

    Examples
    --------
    >>> from skzest.plan._columns import feature_names
    >>> list(feature_names(["cat", "dog"], [7], [0], "3f2a91bc0d"))
    ['cat__point7__part0__3f2a91bc', 'dog__point7__part0__3f2a91bc']
    """
    tails = [
        f"__point{point}__{kind}{part}__{digest[:8]}"
        for point, part in zip(column_point, column_part)
    ]
    return np.array([f"{label}{tail}" for label in classes for tail in tails], dtype=object)


def parse_feature_names(names: Iterable | None) -> tuple[int | None, str | None]:
    """Read the number of classes, and the design, off the names of columns.

    Parameters
    ----------
    names : iterable of str, or None

    Returns
    -------
    n_classes : int or None
        None if the names are not ours, or are not class-major (columns were left out or moved,
        or signatures of several designs stand side by side).
    digest8 : str or None
        The first 8 digits of the plan's digest. None if the names are not ours, or do not
        agree on it.

    Examples
    --------
    >>> from skzest.plan._columns import parse_feature_names
    >>> parse_feature_names(["cat__point7__part0__3f2a91bc", "dog__point7__part0__3f2a91bc"])
    (2, '3f2a91bc')
    >>> parse_feature_names(["length", "width"])
    (None, None)
    """
    columns = _split(names)
    if columns is None:
        return None, None
    digests = {digest for _, _, digest in columns}
    blocks = _blocks(columns)
    return None if blocks is None else len(blocks), digests.pop() if len(digests) == 1 else None


def class_labels(names: Iterable | None) -> np.ndarray | None:
    """Label of each class block, (n_classes,) of str objects; None where names do not tell."""
    columns = _split(names)
    blocks = None if columns is None else _blocks(columns)
    return None if blocks is None else np.array(blocks, dtype=object)


def names_of(X: object) -> np.ndarray | None:
    """Column names of a data frame, or of one row of it; None for anything else."""
    # By behaviour, so that neither pandas nor polars need be there.
    names = getattr(X, "columns", None)
    if names is None and hasattr(X, "iloc"):
        names = getattr(X, "index", None)
    if names is None or not hasattr(X, "shape"):
        return None
    names = np.asarray(names, dtype=object)
    return names if all(isinstance(name, str) for name in names) else None


def check_same_design(
    first: Names | str, second: Names | str, first_name: str, second_name: str
) -> None:
    """Refuse column names, or digests, that are known to belong to different questions.

    Parameters
    ----------
    first, second : names of columns, or a digest as str; None where nothing is known
    first_name, second_name : str
        What errors call the two sides.

    Raises
    ------
    DesignMismatchError
        If both name a design, and not the same.
    """
    ours, theirs = _digest(first), _digest(second)
    if ours is not None and theirs is not None and ours != theirs:
        raise DesignMismatchError(
            f"{first_name} and {second_name} were asked different questions (designs {ours}, "
            f"{theirs}), so their coefficients do not describe the same parts. Transform both "
            "with one fitted LimeSignatureTransformer."
        )


def check_same_columns(
    first: Sequence | np.ndarray | None,
    second: Sequence | np.ndarray | None,
    first_name: str,
    second_name: str,
) -> None:
    """Refuse two sets of column names that differ; the design is looked at first.

    Raises
    ------
    DesignMismatchError
        If the designs differ.
    ValueError
        If the names differ, or come in another order.
    """
    if first is None or second is None or np.array_equal(first, second):
        return
    check_same_design(first, second, first_name, second_name)
    if len(first) == len(second) and set(first) == set(second):
        column = next(i for i, (a, b) in enumerate(zip(first, second)) if a != b)
        raise ValueError(
            f"{first_name} and {second_name} hold the same features in different order (column "
            f"{column} is {first[column]!r} and {second[column]!r}). Put the columns of one in "
            "the order of the other."
        )
    stray = sorted(set(first).symmetric_difference(second))
    raise ValueError(
        f"{first_name} and {second_name} have different feature names ({len(first)} and "
        f"{len(second)} columns; {stray[0]!r} is in one only). Fit one LimeSignatureTransformer "
        "on all models, so that all classes have their place in every signature."
    )


def _split(names: Iterable | None) -> list[tuple[str, str, str]] | None:
    """(class, rest of the name, digest8) of each column; None unless all names are ours."""
    columns = []
    for name in () if names is None else names:
        match = _NAME.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            return None
        columns.append((match[1], match[2], match[3]))
    return columns or None


def _blocks(columns: list[tuple[str, str, str]]) -> list[str] | None:
    """Labels of the class blocks; None unless every class has the same components in order."""
    labels, tails = [], []
    for label, block in groupby(columns, key=lambda column: column[0]):
        labels.append(label)
        tails.append([tail for _, tail, _ in block])
    distinct = len(set(labels)) == len(labels) and len(set(tails[0])) == len(tails[0])
    return labels if distinct and all(tail == tails[0] for tail in tails) else None


def _digest(known: Names | str) -> str | None:
    return known[:8] if isinstance(known, str) else parse_feature_names(known)[1]
