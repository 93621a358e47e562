# SPDX-License-Identifier: BSD-3-Clause
"""Which column is which: data frames in the order of columns in which a model was trained."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..exceptions import QueryError
from ._base import Inputs, Query
from ._labels import shortened

__all__ = ["as_trained"]

# What LightGBM calls the columns of an array.
_UNNAMED = re.compile(r"Column_\d+")


def as_trained(query: Query, X: Inputs, names: Sequence[str] | None) -> Inputs:
    """The data frame with its columns in the order of training; all else as it is.

    scikit-learn refuses another order, and LightGBM takes columns by position, whatever they
    are called. Columns that LightGBM was not trained on are refused here; other libraries see
    to that themselves, as they know which columns they need.
    """
    if names is None or not hasattr(X, "columns") or all(map(_UNNAMED.fullmatch, names)):
        return X
    # LightGBM writes underscores in place of spaces.
    column_of = {str(column).replace(" ", "_"): column for column in X.columns}
    wanted = [str(name).replace(" ", "_") for name in names]
    if list(column_of) == wanted or len(column_of) < len(X.columns):
        return X
    if set(column_of) == set(wanted):
        return X[[column_of[name] for name in wanted]]
    if type(query.model).__module__.startswith("lightgbm"):
        raise QueryError(
            f"{query!r} was trained on the columns {shortened(names)}, and the masked copies have "
            f"{shortened(list(X.columns))}. Give reference the columns of training, or "
            "preprocess= to the query, which picks and renames them."
        )
    return X
