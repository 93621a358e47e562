# SPDX-License-Identifier: BSD-3-Clause
"""ONNX models, asked through onnxruntime, which is imported in functions only."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import listed
from ..exceptions import QueryError, warn
from ._base import Inputs, Model
from ._graph import GraphQuery, library, threads_for
from ._inputs import Input
from ._labels import as_classes
from ._probabilities import fault_of

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxQuery", "is_onnx"]

_DTYPES = {
    "float": "f4",
    "double": "f8",
    "float16": "f2",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "?",
    "string": "O",
}
# Where exporters write the names of the classes.
_CLASS_KEYS = ("classes", "class_names", "classlabels", "labels", "names", "id2label")
_LONGEST_NOTE = 2**20
# onnxruntime reads weights from files beside the working directory, unless it is sent elsewhere.
_NOWHERE = "/nonexistent/skzest"


def is_onnx(model: object) -> bool:
    """Whether this is an onnxruntime session or an ONNX model; imports neither package."""
    runtime, onnx = sys.modules.get("onnxruntime"), sys.modules.get("onnx")
    kinds = getattr(runtime, "InferenceSession", ()), getattr(onnx, "ModelProto", ())
    return isinstance(model, kinds)


class OnnxQuery(GraphQuery):
    """An ONNX classifier.

    Inputs are matched by what the graph declares: its dtype, images with channels first or last,
    grey images with or without an axis of channels, and one input for each column of a table. A
    graph of a fixed batch size is asked in pieces of that size. The query pickles by the bytes
    of the model.

    Parameters
    ----------
    model : str, path, bytes, onnx.ModelProto or onnxruntime.InferenceSession
        A session is opened again, with the options and providers that it has.
    output : {"auto", "logits", "predict_proba", "decision_function"}, default="auto"
        What the scores are. ``"auto"`` looks at the answers to a few random inputs: rows that
        are never negative and sum to 1 are probabilities, others logits, or decision values
        where the graph also gives labels, as exported scikit-learn models do.
    output_name : str, default=None
        Which output of the graph holds the scores, where several could.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns, where the graph does not name them.
    preprocess : callable, default=None
        Applied to every batch; returns an array, or a dict of arrays by name of input, as
        tokenizers make them.
    mean, std : number or sequence of one per channel, default=None
        In place of `preprocess`, for images: see :class:`~skzest.queries.ImageNormalizer`.
    n_threads : int, default=None
        Threads of the session. None is what ``n_jobs`` leaves to a worker process, and in the
        main process what onnxruntime chooses.
    name : str, default=None
        What errors call the model; None is the name of its file.
    providers : sequence of str, default=("CPUExecutionProvider",)
        Execution providers of onnxruntime, the preferred one first.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, in place of the bytes of the model.

    Raises
    ------
    TypeError
        If `model` is none of these.
    ValueError
        If the graph has no output of scores or several, its classes are named in two ways that
        disagree, or its weights are in another file.

    Warns
    -----
    UserWarning
        On first use, if uint8 images reach floating inputs unscaled.

    Examples
    --------
    >>> from skzest.queries import OnnxQuery
    >>> query = OnnxQuery("iris.onnx")                                  # doctest: +SKIP
    >>> query.outputs, query.classes_.tolist()                          # doctest: +SKIP
    (('predict_proba', 'predict'), ['setosa', 'versicolor', 'virginica'])
    """

    def __init__(
        self,
        model: Model,
        *,
        output_name: str | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        **params: Any,
    ):
        self.output_name, self.providers = output_name, tuple(providers)
        self._options: dict[str, int] = {}
        if is_onnx(model):
            model = self._taken_apart(model)
        super().__init__(model, **params)

    def _taken_apart(self, model: Model) -> str | bytes:
        """The path or bytes of a session or ModelProto."""
        if hasattr(model, "SerializeToString"):
            return model.SerializeToString()
        self.providers = tuple(model.get_providers())
        options = model.get_session_options()
        self._options = {
            name: getattr(options, name)
            for name in ("intra_op_num_threads", "inter_op_num_threads")
            if getattr(options, name)
        }
        # onnxruntime has no public way to ask a session for its model.
        found = getattr(model, "_model_bytes", None) or getattr(model, "_model_path", None)
        if found is None:
            raise TypeError(
                "this InferenceSession does not hold its model; pass the path or bytes."
            )
        return found

    def _open(self) -> onnxruntime.InferenceSession:
        onnxruntime = library("onnxruntime", "onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised, and need not go to stderr too
        options.intra_op_num_threads = threads_for(self.n_threads)
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", _NOWHERE
        )
        for name, value in self._options.items():
            setattr(options, name, value)
        try:
            return onnxruntime.InferenceSession(self.model, options, providers=self.providers)
        except Exception as error:  # onnxruntime's own classes, which share no base
            if _NOWHERE in str(error) or "external" in str(error).lower():
                raise ValueError(
                    f"{self!r} keeps weights in another file, and a query holds one model as one "
                    "file; pass onnx.load(path), which reads them all."
                ) from error
            raise ValueError(f"onnxruntime cannot open {self!r}: {error}") from error

    # --- what the graph declares ----------------------------------------------------------

    def _describe(self, output: str) -> None:
        session = self.runtime
        self.inputs = tuple(_input(self, node) for node in session.get_inputs())
        self.rows = next((i.shape[0] for i in self.inputs if i.shape[0] is not None), None)
        outputs = {node.name: node for node in session.get_outputs()}
        self._label = next((o.name for o in outputs.values() if _is_label(o)), None)
        self._scores = self._name_of_scores(list(outputs.values()))
        self._maps = self._scores is not None and outputs[self._scores].type.startswith("seq(map")
        probed = self._probed()
        self._labels = self._label_values(probed)
        self._name_classes()
        self._choose_outputs(output, probed)

    def _name_of_scores(self, outputs: list[onnxruntime.NodeArg]) -> str | None:
        found = [o.name for o in outputs if _is_score(o)]
        if self.output_name is not None:
            if self.output_name not in found:
                raise ValueError(
                    f"output_name={self.output_name!r} is not an output of scores of {self!r}; "
                    f"{listed(map(repr, found)) if found else 'it has none'}."
                )
            return self.output_name
        if len(found) > 1:
            raise ValueError(
                f"{self!r} has {len(found)} outputs that could be scores, "
                f"{listed(map(repr, found))}; pass output_name=, the name of one."
            )
        if not found and self._label is None:
            kinds = [f"{o.name!r} ({o.type}, {o.shape})" for o in outputs]
            raise ValueError(
                f"{self!r} has no output of shape (n, n_classes); its outputs are {listed(kinds)}."
            )
        return found[0] if found else None

    def _probed(self) -> Any:
        """Scores of a few random inputs; None if they cannot be had."""
        if self._scores is None or (feeds := self._probe()) is None:
            return None
        try:
            if self._maps:
                rows = slice(None, self.rows)
                return self.runtime.run([self._scores], {k: v[rows] for k, v in feeds.items()})[0]
            return self._in_pieces(feeds, "scores")
        except Exception:  # a graph may refuse what is random; then it is not looked at
            return None

    def _label_values(self, probed: Any) -> np.ndarray | None:
        """Labels that the graph answers with, in the order of its columns."""
        if self._maps and probed is not None:
            return np.array(list(probed[0]))
        return _labels_in_graph(self.model) if self._label is not None else None

    def _name_classes(self) -> None:
        """Settle on one list of labels: the caller's, the metadata's, or the graph's."""
        noted = _labels_in_metadata(self.runtime.get_modelmeta().custom_metadata_map)
        # 0..n-1 are positions, to which others give names.
        graph = self._labels
        is_numbered = graph is not None and graph.tolist() == list(range(len(graph)))
        sources = {"classes=": self.classes_, "its metadata": noted, "its graph": graph}
        if is_numbered and (self.classes_ is not None or noted is not None):
            del sources["its graph"]
        named = {where: found for where, found in sources.items() if found is not None}
        for where, found in named.items():
            chosen, first = next(iter(named.values())), next(iter(named))
            if found.tolist() != chosen.tolist():
                raise ValueError(
                    f"{self!r} has two lists of classes: {first} gives {chosen.tolist()[:5]}, and "
                    f"{where} {found.tolist()[:5]}. Pass classes= as the graph has them."
                )
        self.classes_ = next(iter(named.values()), None)

    def _choose_outputs(self, output: str, probed: Any) -> None:
        if output == "auto":
            output = self._recognised(probed)
        outputs = [output] if self._scores is not None else []
        if self._label is not None and self._labels is not None:
            outputs.append("predict")
        if not outputs:
            raise ValueError(
                f"{self!r} gives labels only, and does not list its classes; wrap a function that "
                'runs it in CallableQuery(func, output="predict", classes=...).'
            )
        self.outputs = tuple(outputs)

    def _recognised(self, probed: Any) -> str:
        """What kind of scores the graph answers with."""
        if self._maps:
            return "predict_proba"
        if probed is None:
            named = any(word in str(self._scores).lower() for word in ("prob", "softmax"))
            return "predict_proba" if named else "logits"
        if probed.ndim == 2 and probed.shape[1] > 1 and fault_of(probed) is None:
            return "predict_proba"
        if probed.shape[1:] == (1,) and probed.min() >= 0 and probed.max() <= 1:
            return "predict_proba"  # a sigmoid
        return "logits" if self._label is None else "decision_function"

    # --- asking ---------------------------------------------------------------------------

    def _warn_of_range(self, prepared: Inputs) -> None:
        """Warn of 8-bit images for a network that was hardly trained on numbers up to 255."""
        first, dtype = self.inputs[0], getattr(prepared, "dtype", None)
        noted = self.runtime.get_modelmeta().custom_metadata_map.get("Image.NominalPixelRange")
        if self.preprocess is not None or noted == "NominalRange_0_255":
            return
        if dtype == np.uint8 and first.dtype.kind == "f" and len(first.shape) == 4:
            warn(
                f"{self!r} gets uint8 copies as numbers up to 255, not scaled. Pass mean= and "
                "std=, or preprocess=. If it was trained so, say so with preprocess=np.float32.",
                UserWarning,
            )

    def _run(self, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
        name = self._label if output == "predict" else self._scores
        try:
            answer = self.runtime.run([name], feeds)[0]
        except Exception as error:  # onnxruntime's own classes, which share no base
            if "Failed to allocate memory" in str(error) or "bad_alloc" in str(error):
                raise MemoryError(str(error)) from error
            raise QueryError(f"{self!r} failed: {error}") from error
        if isinstance(answer, list):  # one dict for each row
            return np.array([list(row.values()) for row in answer], dtype=np.float32)
        return self._renamed(answer.reshape(-1)) if output == "predict" else answer

    def _renamed(self, labels: np.ndarray) -> np.ndarray:
        """Labels of the graph as labels of `classes_`, which may name its numbers."""
        assert self._labels is not None and self.classes_ is not None
        if self._labels.tolist() == self.classes_.tolist():
            return labels
        return self.classes_[labels.astype(np.intp)]


def _input(query: OnnxQuery, node: onnxruntime.NodeArg) -> Input:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    if kind not in _DTYPES or not node.shape:
        raise ValueError(
            f"{query!r} has the input {node.name!r} of type {node.type} and shape {node.shape}, "
            "which is not a batch of arrays; export the model with one batch as its input."
        )
    shape = tuple(s if isinstance(s, int) and s > 0 else None for s in node.shape)
    return Input(node.name, shape, np.dtype(_DTYPES[kind]))


def _is_label(node: onnxruntime.NodeArg) -> bool:
    integers = ("tensor(int64)", "tensor(int32)", "tensor(string)")
    shape = node.shape or [None]
    return node.type in integers and (len(shape) == 1 or shape[1:] == [1])


def _is_score(node: onnxruntime.NodeArg) -> bool:
    if node.type.startswith("seq(map("):
        return True
    floats = ("tensor(float)", "tensor(double)", "tensor(float16)")
    return node.type in floats and len(node.shape or ()) in (0, 2)


def _labels_in_metadata(metadata: dict[str, str]) -> np.ndarray | None:
    """The labels that an exporter noted: a list, a dict from or to positions, or words."""
    for key, text in metadata.items():
        if key.lower() not in _CLASS_KEYS or len(text) > _LONGEST_NOTE:
            continue
        for read in (json.loads, ast.literal_eval):
            try:
                return as_classes(_in_positions(read(text)))
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
        return as_classes([label.strip() for label in text.split(",")])
    return None


def _in_positions(noted: Any) -> Any:
    if not isinstance(noted, dict):
        return noted
    if all(isinstance(position, int) for position in noted.values()):
        return sorted(noted, key=noted.__getitem__)
    return [noted[position] for position in sorted(noted, key=int)]


def _labels_in_graph(model: bytes) -> np.ndarray | None:
    """The labels in a graph as scikit-learn's converters write them; None without ``onnx``."""
    try:
        import onnx
    except ImportError:
        return None
    graph = onnx.load_model_from_string(model).graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_"):
                values = attribute.strings or attribute.ints
                if values:
                    return np.array([v.decode() if isinstance(v, bytes) else v for v in values])
    for constant in graph.initializer:
        if constant.name == "classes" and len(constant.dims) == 1:
            values = onnx.numpy_helper.to_array(constant).tolist()
            return np.array([v.decode() if isinstance(v, bytes) else v for v in values])
    return None
