# SPDX-License-Identifier: BSD-3-Clause
"""HtmlReport: a finished page that can be saved and that shows itself in a notebook."""

from __future__ import annotations

import os

from ..comparing import escape

__all__ = ["HtmlReport", "check_path"]


class HtmlReport:
    """A self-contained HTML page; made by :func:`~skzest.html_report`.

    A notebook shows it in a frame of its own. ``str`` is the HTML.

    Parameters
    ----------
    markup : str
        The whole page.
    title : str

    Examples
    --------
    >>> from skzest.report import HtmlReport
    >>> HtmlReport("<!DOCTYPE html><p>Near.</p>", "Ours")
    <HtmlReport 'Ours', 0.0 MB; write it with save(path)>
    """

    def __init__(self, markup: str, title: str):
        self._markup = markup
        self.title = title

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file in UTF-8; an existing file is replaced.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        """
        check_path(path)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(self._markup)

    def __str__(self) -> str:
        return self._markup

    def __repr__(self) -> str:
        size = len(self._markup) / 1e6
        return f"<HtmlReport {self.title!r}, {size:.1f} MB; write it with save(path)>"

    def _repr_html_(self) -> str:
        # A frame, so that neither page takes on the other's style. Its script runs as that of a
        # stranger: it reaches neither the notebook nor the network.
        return (
            f'<iframe title="{escape(self.title)}" sandbox="allow-scripts" '
            f'srcdoc="{escape(self._markup)}" '
            'style="width:100%;height:40rem;border:1px solid #8888"></iframe>'
        )


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a file whose folder does not exist."""
    folder = os.path.dirname(os.path.abspath(os.fspath(path)))
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"{os.fspath(path)}: the folder {folder} does not exist; make it first."
        )
