# SPDX-License-Identifier: BSD-3-Clause
"""From options to a transformer: which data, which questions."""

from __future__ import annotations

import argparse
import os
import sys

from ..loading import Reference, load_reference
from ..maskers import AudioMasker, BaseMasker, ImageMasker, TabularMasker, TextMasker
from ..signature import LimeSignatureTransformer

__all__ = ["check_folder", "run_params", "transformer_for", "verbosity"]

_MASKERS = {"image": ImageMasker, "table": TabularMasker, "text": TextMasker, "sound": AudioMasker}
_POINTS = 32


def transformer_for(options: argparse.Namespace, **run: object) -> LimeSignatureTransformer:
    """The transformer that the options describe, not fitted."""
    reference = load_reference(
        options.reference,
        size=options.size,
        key=options.key,
        label=options.label,
        max_points=options.max_points,
        random_state=options.seed,
    )
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
    """Progress is for people: it is shown on a terminal only."""
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
