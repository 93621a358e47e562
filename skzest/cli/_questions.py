# SPDX-License-Identifier: BSD-3-Clause
"""From options to a transformer: which data, which questions."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .._points import Points, is_frame
from ..exceptions import QueryError, warn
from ..loading import Reference, load_reference
from ..maskers import AudioMasker, BaseMasker, ImageMasker, TabularMasker, TextMasker
from ..signature import LimeSignatureTransformer

__all__ = [
    "check_folder",
    "columns_named",
    "reference_for",
    "run_params",
    "transformer_for",
    "verbosity",
]

_MASKERS = {"image": ImageMasker, "table": TabularMasker, "text": TextMasker, "sound": AudioMasker}
_POINTS = 32
# Rows of fewer columns are hardly flat images or sounds.
_SMALLEST_SIDE, _FEWEST_SAMPLES = 7, 1000
# What models and their libraries say of columns that they were not trained on.
_ABOUT_COLUMNS = re.compile("copies of shape|features|feature names|to float|into numbers")


def reference_for(options: argparse.Namespace) -> Reference:
    """The data that the options name."""
    return load_reference(
        options.reference,
        size=options.size,
        key=options.key,
        label=options.label,
        max_points=options.max_points,
        random_state=options.seed,
    )


def transformer_for(
    options: argparse.Namespace, reference: Reference, **run: object
) -> LimeSignatureTransformer:
    """The transformer that the options describe, not fitted."""
    if options.masker == "auto" and reference.masker == "auto":
        _warn_of_flat_points(options.reference, reference.points)
    n_reference = options.points or min(_POINTS, len(reference))
    return LimeSignatureTransformer(
        reference.points,
        n_reference=n_reference,
        masker=_masker(reference, options),
        n_samples=options.masks,
        sampling=options.sampling,
        response=options.response,
        clip=options.clip,
        random_state=options.seed,
        verbose=verbosity(options),
        **run,
    )


def _warn_of_flat_points(path: str, points: Points) -> None:
    """Say what may be wrong with rows of an array that could be flat images or sounds."""
    if not isinstance(points, np.ndarray) or points.ndim != 2:
        return
    n_columns = points.shape[1]
    grey, rgb = math.isqrt(n_columns), math.isqrt(n_columns // 3)
    if grey**2 == n_columns and grey >= _SMALLEST_SIDE:
        kind, options = "images", f"--masker image --masker-arg image_shape={grey},{grey}"
    elif 3 * rgb**2 == n_columns and rgb >= _SMALLEST_SIDE:
        kind, options = "images", f"--masker image --masker-arg image_shape={rgb},{rgb},3"
    elif n_columns >= _FEWEST_SAMPLES:
        kind, options = "sounds", "--masker sound --masker-arg sample_rate=..."
    else:
        return
    warn(
        f"{path} holds rows of {n_columns:,} columns, which are cut as a table. If they are flat "
        f"{kind}, pass {options}; if they are a table, --masker table.",
        UserWarning,
    )


@contextmanager
def columns_named(points: Points, where: str = "") -> Iterator[None]:
    """Add the columns of a table to the error of a model that they do not suit."""
    try:
        yield
    except (QueryError, ValueError) as error:
        if not is_frame(points) or not _ABOUT_COLUMNS.search(str(error)):
            raise
        columns = list(map(str, points.columns))
        names = ", ".join(map(repr, columns[:20]))
        more = f", ... ({len(columns)} columns)" if len(columns) > 20 else ""
        raise type(error)(
            f"{str(error).rstrip('.')}. The table has the columns {names}{more}; "
            f"{where}--label {shlex.quote(columns[-1])} would leave out the last."
        ) from error


def run_params(options: argparse.Namespace) -> dict[str, object]:
    """How models are asked."""
    return {
        "cache": options.cache,
        "batch_size": options.batch_size or "auto",
        "n_jobs": options.jobs,
    }


def check_folder(path: str | None, option: str) -> None:
    """Refuse a file in a folder that does not exist, before anything is asked."""
    if path is not None and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise FileNotFoundError(f"{option} {path}: there is no such folder; make it first.")


def verbosity(options: argparse.Namespace) -> int:
    """Progress is shown on a terminal only."""
    return int(sys.stderr.isatty() and not options.quiet)


def _masker(reference: Reference, options: argparse.Namespace) -> BaseMasker | str:
    params = dict(options.masker_arg)
    if options.masker != "auto":
        if options.masker == "sound" and isinstance(reference.masker, AudioMasker):
            params = {"sample_rate": reference.masker.sample_rate, **params}
        try:
            return _MASKERS[options.masker](**params)
        except TypeError as error:
            raise ValueError(f"--masker {options.masker}: {error}; see --masker-arg.") from error
    if not params:
        return reference.masker
    if isinstance(reference.masker, AudioMasker):
        return reference.masker.set_params(**params)
    raise ValueError("--masker-arg needs --masker, so that it is clear whose parameter it is.")
