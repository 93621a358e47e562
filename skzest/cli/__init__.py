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

__all__ = ["main"]

ERROR, INTERRUPTED = 2, 130
# Errors whose message says all; of any other the kind is named too.
_TOLD = (ImportError, OSError, TypeError, ValueError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0, or 1 where ``check`` found the model too far, or 2 after an error.
    """
    options = parse(argv)
    # What a command needs is imported now: --help waits for nothing.
    command = importlib.import_module(f"._{options.command}", __name__)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("default")
            warnings.showwarning = _show_warning
            text, status = command.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        print(f"skzest {options.command}: error: {_in_one_line(error)}", file=sys.stderr)
        return ERROR
    try:
        print(text, flush=True)
    except BrokenPipeError:  # whoever read the results has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _in_one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text and isinstance(error, _TOLD) else f"{type(error).__name__}: {text}"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"skzest: warning: {' '.join(str(message).split())}", file=sys.stderr)
