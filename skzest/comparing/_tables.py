# SPDX-License-Identifier: BSD-3-Clause
"""Results that show themselves as a table: as text, in a notebook, and as a DataFrame."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ShownAsTable", "TableText", "escape", "interval_text", "number", "p_value"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WIDEST_NAME = 40


def number(value: float, digits: int = 3) -> str:
    """A number for people: significant digits, a dash where there is none.

    >>> [number(x) for x in (0.0003, 0.12345, 1234.5, float("nan"), float("inf"))]
    ['0.0003', '0.123', '1,234', '–', '∞']
    """
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.{digits}g}"


def p_value(p: float) -> str:
    """A p-value for people; below a millionth only that, as no null is known so far out.

    >>> p_value(0.0412), p_value(7e-300)
    ('= 0.041', '< 1e-6')
    """
    return "< 1e-6" if p < 1e-6 else f"= {number(p, 2)}"


def interval_text(value: float, low: float, high: float) -> str:
    """``0.2 [0.1, 0.3]``, or a dash where the value is NaN."""
    if np.isnan(value):
        return "–"
    return f"{number(value)} [{number(low)}, {number(high)}]"


def escape(text: object) -> str:
    """Any text as HTML text or an attribute; characters that HTML forbids become "?"."""
    clean = str(text).encode("utf-8", "replace").decode()
    return html.escape(_CONTROL.sub("?", clean), quote=True)


class TableText(NamedTuple):
    """What people read: the first column names the rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


class ShownAsTable:
    """A result with one row for each item; subclasses give the columns and the text."""

    def _frame(self) -> tuple[Mapping[str, object], Sequence[object] | None]:
        """Columns of the DataFrame, and its index or None."""
        raise NotImplementedError

    def _text(self) -> TableText:
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """The result as a pandas DataFrame, one row for each item.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas.") from error
        columns, index = self._frame()
        return pd.DataFrame(dict(columns), index=index)

    def __str__(self) -> str:
        table = self._text()
        rows = [[_line(c) for c in row] for row in (table.columns, *table.rows)]
        rows = [[_short(name), *cells] for name, *cells in rows]
        widths = [max(len(row[j]) for row in rows) for j in range(len(table.columns))]
        lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, _line(table.note)] if table.note else lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        table = self._text()
        left = ' style="text-align:left"'
        name_style = ' style="text-align:left;overflow-wrap:anywhere;min-width:8em;max-width:24em"'
        head = "".join(f'<th scope="col"{left}>{escape(c)}</th>' for c in table.columns)
        body = "".join(
            f'<tr><th scope="row"{name_style}><bdi>{escape(name)}</bdi></th>'
            + "".join(f"<td{left}>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for name, *cells in table.rows
        )
        note = f"<p>{escape(table.note)}</p>" if table.note else ""
        return (
            f'<div style="overflow-x:auto"><table><caption{left}>{escape(table.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>"
        )


def _line(text: str) -> str:
    """Text on one line."""
    return _CONTROL.sub("?", text).replace("\n", " ").replace("\t", " ")


def _short(name: str) -> str:
    """A name without its middle if it is very long."""
    keep = _WIDEST_NAME // 2
    return name if len(name) <= 2 * keep else f"{name[: keep - 1]}…{name[-keep:]}"
