# SPDX-License-Identifier: BSD-3-Clause
"""The command ``skzest``: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from ._parser import parse
from ._remedies import in_one_line

__all__ = ["main"]

ERROR, INTERRUPTED = 2, 130
# What Python hides too: these are for the authors of code, and not for those who run it.
_FOR_AUTHORS = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0; 1 if ``check`` finds the model too far away; 2 after an error.
    """
    options = parse(argv)
    # Imported only now, so that --help is quick.
    command = importlib.import_module(f"._{options.command}", __name__)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            _show_warnings()
            text, status = command.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        print(f"skzest {options.command}: error: {in_one_line(error, options)}", file=sys.stderr)
        return ERROR
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader of the results has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _show_warnings() -> None:
    """Print every warning for users in one line, and once."""
    warnings.simplefilter("always")
    for category in _FOR_AUTHORS:
        warnings.simplefilter("ignore", category)
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = " ".join(str(message).split())
        if text not in shown:
            shown.add(text)
            print(f"skzest: warning: {text}", file=sys.stderr)

    warnings.showwarning = show
