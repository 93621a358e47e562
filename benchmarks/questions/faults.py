# SPDX-License-Identifier: BSD-3-Clause
"""Which faults of a model are noticed, which are harmless, and which spoil a signature silently?

A model of three classes answers rightly and then, from the start or from a random call on, with
one kind of fault; a second model, asked about the same batches, never fails. An injection is

- *detected* if an error, or a warning, names the model;
- *harmless* if both signatures are those of the models without the fault;
- *raw* if the error is one of NumPy's, say, and its text does not name the model;
- *silent* if a signature is wrong and nothing was said.

Only a model that is another one from the start should be silent; labels say little, and a model
that writes into batches which another thread has in use can spoil its neighbour. Of well-formed
lies that begin in the middle of a run, the share that is noticed is printed beside the questions
this costs. Probabilities are clipped at 5e-3, because rounding to three digits loses the smaller
ones.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from unittest import mock

import numpy as np
from joblib import parallel_config
from sklearn.datasets import load_digits

from benchmarks._common import write_table
from benchmarks.questions._fault_kinds import (
    ANY,
    KINDS,
    N_CLASSES,
    Estimator,
    FaultyModel,
)
from skzest import AudioMasker, CallableQuery, ImageMasker, LimeSignatureTransformer

TAKES = "6 min"
NEEDS = "no data; pandas"
QUICK = {"sample": 150}

RESPONSES = {
    "logits": "logit",
    "predict_proba": "logit",
    "decision_function": "decision_function",
    "predict": "label",
}
# Batch size, number of jobs (threads).
SIZES = (("auto", 1), (16, 1), (50, 1), (64, 2))
OUTCOMES = ("detected", "harmless", "raw", "silent")
BEGINS = {False: "start", True: "middle"}
# Eight questions at once, then in two halves.
FIRST_LOOK_CALLS, FIRST_LOOK_ROWS = 3, 16


def add_options(parser):
    parser.add_argument("--sample", type=int, help="this many injections, drawn at random")
    parser.add_argument("--kind", help="kinds whose name contains this text only")


def main(args):
    logging.getLogger("skzest").setLevel(logging.ERROR)  # memory runs out on purpose
    injections = list(every_injection(args))
    if args.sample:
        chosen = np.random.default_rng(args.seed).permutation(len(injections))[: args.sample]
        injections = [injections[i] for i in sorted(chosen)]
    rows = []
    for setting, kind, middle in injections:
        rows.append(inject(setting, kind, middle, seed=args.seed + len(rows)))
        if len(rows) % 500 == 0:
            print(f"{len(rows)} of {len(injections)}", flush=True)
    report(rows)
    write_table(args.results / "faults.csv", by_kind(rows))
    each = [{**row, "kind": row["kind"].name} for row in rows]
    write_table(args.cache / "faults_each.csv", each)


def every_injection(args):
    """Settings, kinds, and whether the fault begins in the middle."""
    names = [name for name in KINDS if (args.kind or "") in name]
    settings = [
        Setting(task, output, size, n_jobs)
        for task, output, (size, n_jobs) in product(tasks(), ANY, SIZES)
    ]
    for setting, name, middle in product(settings, names, (False, True)):
        kind = KINDS[name]
        if setting.output in kind.outputs and setting.masker in kind.maskers:
            yield setting, kind, middle


# --- models ---------------------------------------------------------------------------------


def answer(masker, output, seed, batch):
    """What a model answers: a small network, drawn from a seed."""
    first, last, mean = _weights(masker, seed)
    logits = np.tanh(2 * _numbers(batch) @ first) @ last - mean
    if output == "predict":
        return logits.argmax(axis=1)
    if output == "predict_proba":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return logits


@cache
def _weights(masker, seed):
    """Two layers, and the mean logits over the reference, so that classes are balanced."""
    reference, _, n_inputs = tasks()[masker]
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(n_inputs, 12)) / np.sqrt(n_inputs)
    last = rng.normal(size=(12, N_CLASSES))
    return first, last, (np.tanh(2 * _numbers(reference) @ first) @ last).mean(axis=0)


def _numbers(batch):
    """The inputs as a matrix; of texts, how often a word begins with each letter."""
    if len(batch) == 0 or not isinstance(batch[0], str):
        return np.asarray(batch, dtype=float).reshape(len(batch), -1)
    counts = np.zeros((len(batch), 26))
    for row, text in zip(counts, batch):
        for word in text.split():
            row[ord(word[0]) - ord("a")] += 1
    return counts


def _texts(rng, n):
    words = [letter + end for letter in "abcdefghijklmnopqrstuvwxyz" for end in "ao"]
    return [" ".join(rng.choice(words, size=10, replace=False)) for _ in range(n)]


@cache
def tasks():
    """Reference points, masker and number of inputs of a model."""
    rng = np.random.default_rng(0)
    return {
        "table": (rng.normal(size=(60, 10)), "auto", 10),
        "image": (load_digits().data[:60] / 8 - 1, ImageMasker(image_shape=(8, 8)), 64),
        "text": (_texts(rng, 60), "auto", 26),
        "audio": (rng.normal(size=(60, 96)), AudioMasker(96, n_segments=10), 96),
    }


@dataclass(frozen=True)
class Setting:
    """What models are asked about, for what, and in which batches."""

    masker: str
    output: str
    batch_size: int | str
    n_jobs: int

    def transformer(self):
        reference, masker, _ = tasks()[self.masker]
        return LimeSignatureTransformer(
            reference,
            n_reference=8,
            n_samples=64,
            masker=masker,
            clip=5e-3,
            response=RESPONSES[self.output],
            batch_size=self.batch_size,
            n_jobs=self.n_jobs,
        )

    @classmethod
    def of(cls, row):
        """The setting of an injection."""
        return cls(*(row[name] for name in cls.__dataclass_fields__))

    def model(self, kind=None, start=np.inf, seed=0, other=False):
        """A model that fails after ``start`` calls, or another one."""
        answers = [partial(answer, self.masker, self.output, s) for s in (1, 2, 3)]
        return FaultyModel(answers[2 if other else 0], answers[1], kind, start, seed)

    def query(self, model):
        """The model as it is given to the transformer."""
        if self.batch_size == 16 and self.output != "logits":
            return Estimator(model, self.output)
        return CallableQuery(model, output=self.output, classes=range(N_CLASSES))

    def signatures(self, *models):
        """The transformer after its run, and the signatures of the models."""
        lime = self.transformer()
        with parallel_config("threading"):
            return lime, lime.fit_transform([self.query(model) for model in models])


@dataclass(frozen=True)
class Clean:
    """A run without a fault: its signatures, and what the first model was asked."""

    signatures: np.ndarray
    n_calls: int
    n_queries: int
    n_again: int


@cache
def clean(setting):
    """The run of a setting without a fault."""
    model, neighbour = setting.model(), setting.model(other=True)
    lime, signatures = setting.signatures(model, neighbour)
    n_queries = lime.plan_.n_queries
    n_again = model.n_rows - n_queries - FIRST_LOOK_ROWS
    return Clean(signatures, model.n_calls, n_queries, n_again)


# --- injections -----------------------------------------------------------------------------


def inject(setting, kind, middle, seed):
    """One run with a fault: what came of it."""
    right = clean(setting)
    rng = np.random.default_rng(seed)
    start = int(rng.integers(FIRST_LOOK_CALLS, right.n_calls)) if middle else 0
    models = [setting.model(kind, start, seed), setting.model(other=True)]
    said = []
    # Not warnings.catch_warnings: it mixes up what several threads say.
    with mock.patch.object(warnings, "warn", lambda message, *_, **__: said.append(str(message))):
        try:
            signatures = setting.signatures(*models)[1]
        except Exception as error:
            outcome, text = judge_error(error), f"{type(error).__name__}: {error}"
        else:
            outcome, text = judge(signatures, right.signatures, kind, said)
    return {**vars(setting), "kind": kind, "middle": middle, "outcome": outcome, "text": text}


def judge_error(error):
    """Detected if the model is named, or if it is the model's own error."""
    named = "models[0]" in str(error)
    own = "injected" in str(error) and any("models[0]" in note for note in notes(error))
    return "detected" if named or own else "raw"


def notes(error):
    """The notes of an error; Python 3.10 has none, and its errors pass."""
    return getattr(error, "__notes__", [] if hasattr(error, "add_note") else ["models[0]"])


def judge(signatures, right, kind, said):
    """Harmless if the signatures are right, detected if a warning names the model."""
    texts = [text for text in said if "models[0]" in text]
    largest = np.abs(right).max(axis=1, keepdims=True)
    same = signatures.shape == right.shape
    off = float(np.nanmax(np.abs(signatures - right) / largest)) if same else np.inf
    if off <= kind.rounding:
        return "harmless", ""
    return ("detected", texts[0]) if texts else ("silent", f"off by {off:.2g}")


# --- what comes of it -----------------------------------------------------------------------


def report(rows):
    """Print the outcomes by kind, the totals, and the share of lies that are noticed."""
    table = list(by_kind(rows))
    columns = list(table[0])[2:]
    print(f"{'':<40}", *(f"{column:>17}" for column in columns))
    for row in table:
        print(f"{row['kind']:<40}", *(f"{row[column]:>17}" for column in columns))
    print(f"{'all':<40}", *(f"{sum(r[column] for r in table):>17}" for column in columns))
    silent = [r for r in rows if r["outcome"] == "silent"]
    models = sum(r["kind"].model and not r["middle"] for r in silent)
    print(
        f"{len(rows)} injections; {len(silent)} silent, {models} of them another model throughout"
    )
    for output in (*ANY, "all"):
        show_lies(output, [r for r in rows if output in ("all", r["output"])])


def show_lies(name, rows):
    """The share of well-formed lies in the middle that are noticed, and what that costs."""
    lies = [r["outcome"] for r in rows if r["kind"].lie and r["middle"]]
    wrong = len(lies) - lies.count("harmless")
    runs = [clean(s) for s in dict.fromkeys(Setting.of(r) for r in rows)]
    if wrong:
        share, again = lies.count("detected") / wrong, [c.n_again / c.n_queries for c in runs]
        print(f"lies in the middle, {name}: {share:.1%} of {wrong} noticed; ", end="")
        print(f"asked again: {np.mean(again):.2%} of the questions, at most {max(again):.2%}")


def by_kind(rows):
    """Counts of outcomes, kind by kind."""
    for kind in KINDS.values():
        some = [row for row in rows if row["kind"] == kind]
        if not some:
            continue
        cells = Counter((row["outcome"], row["middle"]) for row in some)
        counts = {
            f"{outcome}, {begins}": cells[outcome, middle]
            for outcome, (middle, begins) in product(OUTCOMES, BEGINS.items())
        }
        yield {"kind": kind.name, "lie": int(kind.lie), **counts}
