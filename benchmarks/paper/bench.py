# SPDX-License-Identifier: BSD-3-Clause
"""What every experiment gets: networks, questions, answers, and a place for results."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from benchmarks._common import versions, write_table
from benchmarks.paper.settings import Settings
from benchmarks.paper.tasks import Task, image_task
from benchmarks.paper.workshop import Workshop
from skzest import AnswerStore, ImageMasker, LimeSignatureTransformer, zest_distances


@dataclass(frozen=True)
class Finding:
    """One number found by an experiment, for comparison with the paper's."""

    quantity: str
    value: float
    spread: float | None = None
    n: int | None = None
    percent: bool = False

    @classmethod
    def of(cls, quantity: str, values: Iterable[float], percent: bool = False) -> Finding:
        """Mean and standard deviation of some values."""
        values = np.asarray(list(values), dtype=float)
        spread = values.std(ddof=1) if len(values) > 1 else None
        return cls(quantity, values.mean(), spread, len(values), percent)

    @property
    def text(self) -> str:
        """The mean, and the standard deviation in brackets."""
        factor, unit, style = (100, "%", ".2f") if self.percent else (1, "", ".3g")
        spread = "" if self.spread is None else f" ({factor * self.spread:{style}})"
        return f"{factor * self.value:{style}}{spread}{unit}"


class Bench:
    """One scale of the suite.

    Parameters
    ----------
    settings : Settings
    data : path or None
        Directory of the data; None is digits.
    out : path
        For checkpoints and answers.
    results : path
        For tables and figures.
    machine : str
        A description, for the results.
    device : str
    """

    def __init__(
        self,
        settings: Settings,
        data: str | None,
        out: Path,
        results: Path,
        machine: str,
        device: str = "cpu",
    ):
        self.settings, self.data = settings, data
        self.out, self.results, self.machine, self.device = out, results, machine, device
        self._begin = time.perf_counter()
        # Networks for other classes are compared on purpose, and their classes are aligned.
        warnings.filterwarnings("ignore", message=".*unnamed columns and .* compared by position")
        for folder in (out, results):
            folder.mkdir(parents=True, exist_ok=True)

    def log(self, line: str) -> None:
        print(f"[{time.perf_counter() - self._begin:6.0f} s] {line}", flush=True)

    # --- networks -------------------------------------------------------------------------

    @cached_property
    def task(self) -> Task:
        return image_task(self.data, self.settings.n_train, self.settings.n_test)

    @cached_property
    def shop(self) -> Workshop:
        return Workshop(self.task, self.settings, self.out / "networks", self.log, self.device)

    # --- questions ------------------------------------------------------------------------

    def lime(
        self, shop: Workshop | None = None, *, fill="mean", rows=None, **params
    ) -> LimeSignatureTransformer:
        """The questions at this scale, about training images of a workshop's task.

        Parameters
        ----------
        shop : Workshop, optional
            Default: that of the whole task.
        fill : default="mean"
            Fill of the masker.
        rows : ndarray of int, optional
            Ask about all of these training images.
        **params
            Parameters of the transformer that replace those of the scale.
        """
        shop = self.shop if shop is None else shop
        s = self.settings
        images = shop.task.train_inputs
        masker = ImageMasker("quickshift", fill=fill).fit(images)
        if fill == "mean":  # of the whole training data, not of the rows asked about
            masker = ImageMasker("quickshift", fill=masker.fill_)
        n_points = s.n_points
        if rows is not None:
            images, n_points = images[rows], len(rows)
        chosen = {
            "n_reference": n_points,
            "n_samples": s.n_masks,
            "sampling": s.sampling,
            "masker": masker,
            "cache": AnswerStore(self.out / "answers.sqlite"),
            **params,
        }
        return LimeSignatureTransformer(images, **chosen)

    def signatures(
        self, lime: LimeSignatureTransformer, networks: Sequence[nn.Module]
    ) -> np.ndarray:
        """Signatures of networks, (n_networks, n_columns). Missing classes are NaN."""
        return lime.fit_transform([self.shop.query(net) for net in networks])

    def distances(
        self,
        lime: LimeSignatureTransformer,
        networks: Sequence[nn.Module],
        others: Sequence[nn.Module] | None = None,
        **params,
    ) -> np.ndarray:
        """Distances between networks, or from each of these to each of the others."""
        S = self.signatures(lime, [*networks, *(others or ())])
        if others is None:
            return zest_distances(S, **params)
        n = len(networks)
        return zest_distances(S[:n], S[n:], **params)

    # --- results --------------------------------------------------------------------------

    def write(self, name: str, rows: Sequence[dict]) -> None:
        """A table as CSV, five digits for each number."""
        write_table(self.results / f"{name}.csv", rows)

    def save_figure(self, name: str, figure) -> None:
        import matplotlib.pyplot as plt

        figure.savefig(self.results / f"{name}.png", dpi=110)
        plt.close(figure)

    def publish(self, name: str, findings: Sequence[Finding], seconds: float) -> None:
        """What an experiment found, with date, machine and time, for the page."""
        record = {
            "scale": self.settings.name,
            "task": self.task.name,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": self.machine,
            "versions": versions(),
            "seconds": round(seconds),
            "findings": [{k: _digits(v) for k, v in vars(f).items()} for f in findings],
        }
        path = self.results / f"{name}.json"
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(record, indent=1) + "\n")
        os.replace(unfinished, path)


def _digits(value):
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.5g}")
    return value.item() if isinstance(value, np.generic) else value
