# SPDX-License-Identifier: BSD-3-Clause
"""The pieces of a self-contained page. All text from outside is escaped here."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import TYPE_CHECKING

from PIL import Image

from ..comparing import escape
from ..drawing import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "MOST_IN_ROW",
    "definitions",
    "escape",
    "figure",
    "items",
    "matrix",
    "name",
    "page",
    "paragraph",
    "section",
    "table",
]

# Characters of a name where names share a row with numbers or other names.
MOST_IN_ROW = 40

_STYLE, _SCRIPT = (
    resources.files(__package__).joinpath(name).read_text("utf-8")
    for name in ("style.css", "page.js")
)
# Nothing is loaded and nothing but this script runs, even if something should get past the
# escaping: a browser computes the digest of a script before it runs it.
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'"
)


def name(text: object, most: int | None = None) -> str:
    """A name from outside, isolated so that right-to-left text does not reorder the rest.

    Of a name of more than `most` characters the middle is left out, and shown on hovering.
    """
    whole = str(text)
    if most is None or len(whole) <= most:
        return f"<bdi>{escape(whole)}</bdi>"
    return f'<bdi title="{escape(whole)}">{escape(shorten(whole, most))}</bdi>'


def paragraph(markup: str, kind: str = "") -> str:
    """A paragraph of markup."""
    return f'<p class="{kind}">{markup}</p>' if kind else f"<p>{markup}</p>"


def items(markups: Iterable[str]) -> str:
    """A bulleted list."""
    return "<ul>" + "".join(f"<li>{markup}</li>" for markup in markups) + "</ul>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms (text) with their descriptions (markup)."""
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{markup}</dd>" for term, markup in pairs)
    return f"<dl>{rows}</dl>"


def section(title: str, *markups: str) -> str:
    """A part of the page with a heading."""
    slug = "".join(c if c.isalnum() else "-" for c in title.lower())
    heading = f'<h2 id="{slug}">{escape(title)}</h2>'
    return f'<section aria-labelledby="{slug}">{heading}{"".join(markups)}</section>'


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    n_text: int = 1,
    *,
    name: str = "",
) -> str:
    """A table whose first column names its rows; columns from `n_text` on hold numbers.

    Caption and column names are text, cells are markup. With a `name` the script of the page lets
    the reader sort and search it.
    """
    kinds = ["" if j < n_text else ' class="number"' for j in range(len(columns))]
    head = "".join(f'<th scope="col"{k}>{escape(c)}</th>' for c, k in zip(columns, kinds))
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{k}>{cell}</td>" for cell, k in zip(row[1:], kinds[1:]))
        + "</tr>"
        for row in rows
    )
    called = f' id="{escape(name)}"' if name else ""
    return _scroll(
        caption,
        tall=bool(name),
        markup=f"<table{called}><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>",
    )


def matrix(caption: str, names: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A square table; columns are numbered, and the rows have the numbers and names."""
    head = "".join(
        f'<th scope="col" class="number"><abbr title="{escape(n)}">{i + 1}</abbr></th>'
        for i, n in enumerate(names)
    )
    body = "".join(
        f'<tr><th scope="row">{i + 1}. {name(n, MOST_IN_ROW)}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for i, (n, row) in enumerate(zip(names, cells))
    )
    return _scroll(
        caption,
        f'<table class="matrix"><caption>{escape(caption)}</caption><thead><tr>'
        f'<th scope="col">model</th>{head}</tr></thead><tbody>{body}</tbody></table>',
    )


def _scroll(caption: str, markup: str, *, tall: bool = False) -> str:
    # Focusable, so that a table larger than the screen can be scrolled with the keyboard.
    label, kind = escape(caption), "scroll tall" if tall else "scroll"
    return f'<div class="{kind}" role="region" aria-label="{label}" tabindex="0">{markup}</div>'


def figure(
    drawn: Figure,
    alt: str,
    caption: str = "",
    *,
    few_colors: bool = False,
    over: Callable[[], str] | None = None,
) -> str:
    """A matplotlib figure embedded in the page.

    Parameters
    ----------
    drawn : matplotlib Figure
    alt : str
        A description for readers who do not see it.
    caption : str
    few_colors : bool
        Round to 256 colours, for a third of the size: each value of a pixel by at most 8 of 255.
    over : callable
        Returns markup that covers the picture. Called after it was drawn, when all is in place.
    """
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=150, metadata={"Software": None})
    data = base64.b64encode(_in_few_colors(file) if few_colors else file.getvalue()).decode("ascii")
    width = round(96 * drawn.get_size_inches()[0])
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    image = f'width="{width}" alt="{escape(alt)}" src="data:image/png;base64,{data}">'
    if over is None:
        return f'<figure><img class="paper" {image}{below}</figure>'
    return (
        f'<figure><div class="paper"><div class="over" style="max-width:{width}px"><img {image}'
        f"{over()}</div></div>{below}</figure>"
    )


def _in_few_colors(file: io.BytesIO) -> bytes:
    image = Image.open(file).convert("RGB")
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    image.save(smaller, "png", optimize=True)
    return smaller.getvalue()


def page(title: str, head: str, body: str, foot: str) -> str:
    """The whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>{head}</header>\n<main>\n{body}\n</main>\n"
        f"<footer>{foot}</footer>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )
