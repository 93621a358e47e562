# SPDX-License-Identifier: BSD-3-Clause
"""Models on a server that speaks the Open Inference Protocol."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._points import is_frame
from ..._validation import listed
from ...exceptions import QueryError
from .._base import Inputs, as_numpy
from ._http import ServiceQuery, rows_of
from ._protocol import DATATYPES, Tensor, TensorSpec, decode, encode, read_specs
from ._secrets import Headers
from ._service import Damaged, Failure, Request

__all__ = ["RemoteQuery"]

_MODEL = re.compile(r"(?P<root>.*/v2)/models/[^/?]+(/versions/[^/?]+)?")
_BINARY = "binary_tensor_data"


class RemoteQuery(ServiceQuery):
    """A model on a server that speaks the Open Inference Protocol, version 2.

    Triton, KServe, MLServer, OpenVINO Model Server, TorchServe and others do. Names, datatypes
    and shapes are read from the server when it is first asked, and batches are cast and checked
    by them.

    Parameters
    ----------
    url : str
        Address of the model: ``https://host/v2/models/NAME``, with ``/versions/V`` behind it or
        without.
    input_name : str, default=None
        Input that takes the rows. None takes the only one. A data frame is spread over several by
        the names of its columns, and a dictionary of arrays, such as a tokenizer gives as
        `preprocess`, by its keys. Needed where the server does not list its inputs.
    output_name : str, default=None
        Output that is asked for. None takes the only one, or the only one of floats if
        `output` is not "predict".
    binary : bool, default=None
        Whether tensors travel as bytes rather than JSON, which is much faster. None asks the
        server whether it has the extension ``binary_tensor_data``.
    **service
        The other parameters of :class:`ServiceQuery`: what the rows are, secrets, time limits,
        retries, and limits on what is asked.

    Raises
    ------
    ImportError
        If urllib3 is not installed.
    TypeError, ValueError
        As :class:`ServiceQuery`, and if `url` is not the address of a model.

    Notes
    -----
    Both forms bring the same bits. float16, float32 and float64 answers keep their precision.

    Examples
    --------
    >>> from skzest.queries import RemoteQuery
    >>> RemoteQuery(
    ...     "https://models.example/v2/models/digits",
    ...     output="logits",
    ...     token="secret",
    ...     max_questions=50_000,
    ...     model_id="digits, version 3",
    ... )
    RemoteQuery(https://models.example/v2/models/digits)
    """

    def __init__(
        self,
        url: str,
        *,
        input_name: str | None = None,
        output_name: str | None = None,
        binary: bool | None = None,
        **service: Any,
    ):
        super().__init__(url, **service)
        found = _MODEL.fullmatch(url.rstrip("/").removesuffix("/infer"))
        if found is None:
            raise ValueError(
                f"{self.model.address} is not the address of a model; pass one such as "
                "'https://host/v2/models/NAME'. For services with another protocol there is "
                "HttpQuery."
            )
        self._url, self._root = found[0], found["root"]
        self.input_name, self.output_name, self.binary = input_name, output_name, binary
        self._metadata: dict[str, object] | None = None
        self._is_binary = binary

    @property
    def metadata(self) -> dict[str, object]:
        """What the server says about the model: name, versions, inputs and outputs."""
        if self._metadata is None:
            self._metadata = self._read_json(self._url)
        return self._metadata

    def _read_json(self, url: str) -> dict[str, object]:
        return self.model.call(Request(url), _as_dict)

    def _speaks_binary(self) -> bool:
        if self._is_binary is None:
            try:
                self._is_binary = _BINARY in str(self._read_json(self._root).get("extensions"))
            except QueryError:  # a gateway may serve models only
                self._is_binary = False
        return self._is_binary

    def _rows_per_call(self) -> int:
        """A model that was exported for one row gets one row per call."""
        inputs = read_specs(self.metadata, "inputs")
        fixed = {spec.shape[0] for spec in inputs if spec.shape and spec.shape[0] > 0}
        if fixed - {1}:
            raise QueryError(
                f"{self!r} takes exactly {listed(sorted(fixed))} rows per call, which does not "
                "suit batches of any size. Serve the model with a free first axis, or of size 1."
            )
        self._speaks_binary()  # before threads ask
        return 1 if fixed else self.max_rows

    def _call(self, batch: Inputs, n: int, stop: threading.Event) -> np.ndarray:
        tensors = self._tensors(batch)
        name = self._wanted()
        body, headers = encode(tensors, name, binary=self._speaks_binary())
        request = Request(f"{self._url}/infer", body, headers, n)
        return self.model.call(request, lambda *got: self._answer(name, n, *got), stop)

    # --- inputs ---------------------------------------------------------------------------

    def _tensors(self, batch: Inputs) -> list[Tensor]:
        specs = read_specs(self.metadata, "inputs")
        if isinstance(batch, Mapping):  # as tokenizers give them
            return self._named(batch, specs)
        if is_frame(batch) and self.input_name is None and len(specs) != 1:
            columns = {str(label): column.to_numpy() for label, column in batch.items()}
            return self._named(columns, specs)
        spec = self._input(specs)
        return [self._tensor(self.input_name or spec.name, batch, spec)]  # type: ignore[union-attr]

    def _input(self, specs: Sequence[TensorSpec]) -> TensorSpec | None:
        names = [spec.name for spec in specs]
        if self.input_name is None:
            if len(specs) == 1:
                return specs[0]
            what = f"has the inputs {listed(names)}" if specs else "does not list its inputs"
            raise QueryError(f"{self!r} {what}; pass input_name=.")
        if specs and self.input_name not in names:
            raise QueryError(f"{self!r} has no input {self.input_name!r}; it has {listed(names)}.")
        return next((spec for spec in specs if spec.name == self.input_name), None)

    def _named(self, arrays: Mapping[str, ArrayLike], specs: Sequence[TensorSpec]) -> list[Tensor]:
        """One tensor for each array, or for each column of a data frame."""
        known = {spec.name: spec for spec in specs}
        if specs and set(arrays) != set(known):
            raise QueryError(
                f"{self!r} has the inputs {listed(known)}, and the batch {listed(arrays)}. Rename "
                "them with preprocess=."
            )
        return [self._tensor(name, values, known.get(name)) for name, values in arrays.items()]

    def _tensor(self, name: str, batch: Inputs, spec: TensorSpec | None) -> Tensor:
        values = _as_values(batch)
        if spec is not None:
            if values.ndim == 1 and len(spec.shape) == 2:
                values = values[:, None]
            self._check_fit(values, spec)
            if values.dtype != object:
                values = values.astype(DATATYPES[spec.datatype], copy=False)
        tensor = Tensor(name, values)
        if tensor.datatype is None:
            raise QueryError(
                f"{self!r} cannot send {values.dtype}; convert the batch with preprocess=."
            )
        return tensor

    def _check_fit(self, values: np.ndarray, spec: TensorSpec) -> None:
        shape = ("n", *values.shape[1:])
        fits = len(spec.shape) == values.ndim and all(
            wanted in (-1, given) for wanted, given in zip(spec.shape[1:], values.shape[1:])
        )
        if not (fits and _can_be_sent(values, spec.datatype)):
            kind = "texts" if values.dtype == object else str(values.dtype)
            raise QueryError(
                f"{self!r} takes {spec.datatype} of shape {list(spec.shape)} as {spec.name!r}, and "
                f"the batch is {kind} of shape ({', '.join(map(str, shape))}). Convert it with "
                "preprocess=, for instance a transposition of channels or a division by 255."
            )

    # --- outputs --------------------------------------------------------------------------

    def _wanted(self) -> str | None:
        """Name of the output that is asked for; None where the server does not list any."""
        if self.output_name is not None:
            return self.output_name
        specs = read_specs(self.metadata, "outputs")
        if len(specs) > 1 and self.output != "predict":
            specs = [spec for spec in specs if spec.datatype.startswith("FP")] or specs
        if len(specs) > 1:
            names = listed([spec.name for spec in specs])
            raise QueryError(f"{self!r} has the outputs {names}; pass output_name=.")
        return specs[0].name if specs else None

    def _answer(self, name: str | None, n: int, content: bytes, headers: Headers) -> np.ndarray:
        outputs = decode(content, headers)
        if name is None and len(outputs) == 1:
            (name,) = outputs
        if name not in outputs:
            what = "pass output_name=" if name is None else f"{name!r} was asked for"
            found = listed(outputs) if outputs else "none"
            raise Failure(f"answered with the outputs {found}; {what}.", transient=False)
        rows = rows_of(outputs[name], n)
        if self.output != "predict":
            return rows
        rows = rows[:, 0] if rows.shape == (n, 1) else rows
        return rows.astype(str) if rows.dtype == object else rows


def _can_be_sent(values: np.ndarray, datatype: str) -> bool:
    """Whether values keep their meaning as a datatype: floats may be rounded, nothing is cut."""
    if values.dtype == object or datatype not in DATATYPES:
        return values.dtype == object and datatype == "BYTES"
    target = np.dtype(DATATYPES[datatype])
    if target.kind == "f":
        return np.can_cast(values.dtype, target, "same_kind")
    return values.dtype.kind in "bui" and bool((values.astype(target) == values).all())


def _as_dict(content: bytes, headers: Headers) -> dict[str, object]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise Damaged("it is not a JSON object")
    return found


def _as_values(batch: Inputs) -> np.ndarray:
    """Numbers as they are, texts as an object array of bytes."""
    if isinstance(batch, (list, tuple)) and any(isinstance(text, str) for text in batch):
        values = np.array(batch, dtype=object)
    elif isinstance(batch, (list, tuple)) and len({np.shape(one) for one in batch}) > 1:
        raise QueryError(
            "points of different shapes cannot be sent in one call; bring them to one shape with "
            "preprocess=."
        )
    else:
        values = as_numpy(batch)
    if values.dtype.kind in "OUT":
        encoded = np.empty(values.shape, dtype=object)
        encoded.ravel()[:] = [str(text).encode() for text in values.ravel()]
        return encoded
    return values
