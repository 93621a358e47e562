# SPDX-License-Identifier: BSD-3-Clause
"""Errors in one line, with the options that stand for parameters in Python."""

from __future__ import annotations

import argparse
import re

__all__ = ["in_one_line"]

# Errors whose text is complete; others are preceded by their kind.
_COMPLETE = (ImportError, OSError, TypeError, ValueError)
_OPTIONS = {
    "classes": ("classes", "--classes A,B"),
    "clip": ("clip", "--clip P"),
    "max_questions": ("max_questions", "--max-questions N"),
    "n_jobs": ("jobs", "--jobs N"),
    "n_reference": ("points", "--points N"),
    "n_samples": ("masks", "--masks N"),
    "preprocess": ("preprocess", "--preprocess MODULE:FUNCTION"),
    "y": ("label", "--label NAME"),
}
_MODEL_ARGS = ("isolated", "max_bytes", "mean", "model_id", "output", "std", "trust", "trusted")
_PARAMETER = re.compile(r"\b([a-z_]+)=(\[[^\]]*\]|\w+|)")


def in_one_line(error: BaseException, options: argparse.Namespace) -> str:
    """The text of an error, followed by the options for the parameters that it names."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    text = " ".join(str(error).split())
    if not text or not isinstance(error, _COMPLETE):
        text = f"{type(error).__name__}: {text}"
    found = {name: _written(name, value, options) for name, value in _PARAMETER.findall(text)}
    written = [option for option in found.values() if option and option.split()[0] not in text]
    return f"{text} On the command line: {', '.join(written)}." if written else text


def _written(name: str, value: str, options: argparse.Namespace) -> str:
    if name in _MODEL_ARGS and hasattr(options, "model_arg"):
        return f'--model-arg "{name}={value or "..."}"'
    attribute, option = _OPTIONS.get(name, ("", ""))
    return option if hasattr(options, attribute) else ""
