# SPDX-License-Identifier: BSD-3-Clause
"""What can be typed. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__

__all__ = ["parse"]

_MODEL = """\
MODEL is a file (.onnx, .tflite, .skops, ...), an object of a module (package.module:object),
or the address of a model on a server of the Open Inference Protocol
(https://host/v2/models/NAME).
"""
_DATA = """\
DATA is a folder of images or of .wav sounds, .npy, .npz, .csv, .parquet, or .txt with a text
per line.
"""
# Those that need no weights.
_DISTANCES = (
    *("zest", "passthrough", "copy labels", "combined", "predictions"),
    *("boundary", "ddv", "mistakes", "correlation"),
)
_EXAMPLES = {
    "": """\
  skzest compare old.onnx new.onnx --reference images/
  skzest plan images/ -o plan.npz
  skzest sign new.onnx --plan plan.npz -o new.sig.npz
  skzest check newest.onnx --against new.sig.npz --max-distance 0.05
  skzest judge --owner mine.onnx --unrelated other*.onnx --suspect theirs.onnx --reference images/
""",
    "compare": """\
  skzest compare old.onnx new.onnx --reference images/ --size 32x32
  skzest compare a.onnx b.onnx c.onnx --reference x.npy --report page.html
  skzest compare shop.models:old https://host/v2/models/new --reference table.csv --json
""",
    "plan": """\
  skzest plan images/ -o plan.npz
  skzest plan recordings/ --points 64 --masks 128 -o plan.npz
""",
    "sign": """\
  skzest sign model.onnx --plan plan.npz -o model.sig.npz
""",
    "answer": """\
  skzest answer model.onnx --plan rehearsed.npz -o answers.npz
""",
    "check": """\
  skzest check model.onnx --against base.sig.npz --max-distance 0.05
  skzest check model.onnx --against base.sig.npz --plan plan.npz --max-distance 0.05 >> summary.md
""",
    "nearest": """\
  skzest nearest suspect.sig.npz --among zoo/*.sig.npz
""",
    "judge": """\
  skzest judge --owner mine.onnx --unrelated other*.onnx --suspect theirs.onnx --reference images/
  skzest judge --owner a.onnx --unrelated b.onnx --suspect c.onnx --reference d --distances zest ddv
""",
}


class _Parser(argparse.ArgumentParser):
    """Errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of one call; exits on --help, --version and mistakes."""
    parser = _Parser(prog="skzest", **_texts("", "How far apart are models? Which were copied?"))
    parser.add_argument("--version", action="version", version=f"skzest {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_compare(_command(commands, "compare", "Distances between models."))
    _add_plan(_command(commands, "plan", "Draw up questions, for several parties to ask."))
    _add_sign(_command(commands, "sign", "Ask a model the questions of a plan."))
    _add_answer(_command(commands, "answer", "Ask a model, and keep its answers as they are."))
    _add_check(
        _command(
            commands, "check", "Is a model near a signed one? Exit status 0 if it is, 1 if not."
        )
    )
    _add_nearest(_command(commands, "nearest", "Which signed models are nearest to others?"))
    _add_judge(_command(commands, "judge", "Were suspects made from the owner's model?"))
    options, unknown = parser.parse_known_args(argv)
    if unknown:  # the command's own parser knows its --help
        commands.choices[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _command(commands: argparse._SubParsersAction, name: str, what: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=what, **_texts(name, what))


def _texts(name: str, what: str) -> dict[str, Any]:
    """What --help says around the options."""
    model = "" if name in ("plan", "nearest") else _MODEL
    data = "" if name in ("sign", "answer", "check", "nearest") else _DATA
    return {
        "description": f"{what}\n\n{model}{data}",
        "epilog": f"examples:\n{_EXAMPLES[name]}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--reference", required=True, metavar="DATA")
    parser.add_argument("--report", metavar="FILE", help="write a page of HTML")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_questions(parser)
    _add_models(parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="DATA")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="such as plan.npz")
    _add_questions(parser)
    _add_progress(parser)


def _add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--plan", required=True, metavar="FILE", help="the questions")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="such as m.sig.npz")
    _add_models(parser)


def _add_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--plan", required=True, metavar="FILE", help="the questions")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="such as answers.npz")
    _add_access(parser)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--against", required=True, metavar="FILE", help="a signature")
    parser.add_argument("--max-distance", required=True, type=_distance, metavar="D")
    parser.add_argument(
        "--plan", metavar="FILE", help="the questions (default: plan.npz beside the signature)"
    )
    parser.add_argument("--level", type=_number, default=0.95, help="of the interval (0.95)")
    _add_models(parser)


def _add_nearest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("signatures", nargs="+", metavar="FILE", help="as skzest sign writes them")
    parser.add_argument(
        "--among", required=True, nargs="+", action="extend", metavar="FILE", help="signatures, too"
    )
    parser.add_argument(
        "-n", "--number", type=_count, default=5, metavar="N", help="at most, for each (5)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", required=True, metavar="MODEL")
    for name in ("--unrelated", "--suspect"):
        parser.add_argument(name, required=True, nargs="+", action="extend", metavar="MODEL")
    parser.add_argument("--reference", required=True, metavar="DATA")
    parser.add_argument("--alpha", type=_number, default=0.05, help="false-positive rate (0.05)")
    parser.add_argument(
        "--null",
        default="conformal",
        choices=("conformal", "lognormal", "normal"),
        help="distribution of unrelated distances (conformal)",
    )
    parser.add_argument(
        "--distances",
        nargs="+",
        action="extend",
        choices=_DISTANCES,
        metavar="NAME",
        help=f"decide by several together, with as many questions: {', '.join(_DISTANCES)} "
        "(mistakes takes labels: --label)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_questions(parser)
    _add_models(parser)


# --- groups of options ----------------------------------------------------------------------


def _add_questions(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data")
    data.add_argument("--size", type=_shape, metavar="HxW", help="resize images")
    data.add_argument("--key", help="the array of an .npz")
    data.add_argument("--label", help="column or array of labels, which no model sees")
    data.add_argument("--max-points", type=_count, metavar="N", help="read no more than N points")
    asked = parser.add_argument_group("questions")
    asked.add_argument("--points", type=_count, metavar="N", help="reference points (32)")
    asked.add_argument("--masks", type=_masks, default="auto", metavar="N", help="per point (auto)")
    asked.add_argument(
        "--sampling",
        default="fractional",
        choices=("bernoulli", "antithetic", "foldover", "fractional"),
        help="design of the masks (fractional)",
    )
    asked.add_argument(
        "--masker", default="auto", choices=("auto", "image", "table", "text", "sound")
    )
    asked.add_argument(
        "--masker-arg",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="parameter of the masker, such as segmenter=slic",
    )
    asked.add_argument(
        "--response",
        default="logit",
        choices=("logit", "raw", "predict_proba", "decision_function", "label"),
    )
    asked.add_argument(
        "--clip", type=_positive, default=1e-6, metavar="P", help="smallest probability (1e-6)"
    )
    asked.add_argument("--seed", type=int, default=0)


def _add_models(parser: argparse.ArgumentParser) -> None:
    models = _add_access(parser)
    models.add_argument("--batch-size", type=_count, metavar="N")
    models.add_argument("--jobs", type=int, metavar="N")
    _add_progress(parser)


def _add_access(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    models = parser.add_argument_group("models")
    models.add_argument(
        "--preprocess", metavar="MODULE:FUNCTION", help="applied to every batch, for all models"
    )
    models.add_argument(
        "--model-arg",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="parameter of the models' queries, such as output=logits",
    )
    models.add_argument("--classes", type=_labels, metavar="A,B,...", help="labels of the columns")
    models.add_argument("--token-env", metavar="NAME", help="variable that holds a service's token")
    models.add_argument(
        "--max-questions", type=_count, metavar="N", help="maximum number of rows sent to a service"
    )
    models.add_argument("--cache", metavar="FILE", help="store of answers")
    return models


def _add_progress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress on a terminal")


# --- values ---------------------------------------------------------------------------------


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number such as 0.05") from None


def _positive(text: str) -> float:
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _distance(text: str) -> float:
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def _masks(text: str) -> int | str:
    return text if text == "auto" else _count(text)


def _shape(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    try:
        return _count(height), _count(width)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 32x32") from None


def _labels(text: str) -> list[object]:
    return [_value(label) for label in text.split(",")]


def _pair(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:  # as Python writes it: ['a', 'b'], True, None
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return key, _value(value)


def _value(text: str) -> object:
    """A number, list, true, false or null in JSON; anything else is the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
