# SPDX-License-Identifier: BSD-3-Clause
"""The front door: a file becomes a query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._validation import check_whole
from ..queries import Model, Query
from ._isolated import IsolatedQuery
from ._limits import Limits
from ._open import Opening, open_bytes, read_file

__all__ = ["load_model"]


def load_model(
    path: str | Path | bytes,
    *,
    module: Model = None,
    trusted: str | Sequence[str] | None = None,
    trust: bool = False,
    isolated: bool = False,
    limits: Limits | None = None,
    max_bytes: int = 2**31,
    **params: Any,
) -> Query:
    """Open a model file without running code that it holds.

    What a file is, is read from its bytes; its name does not count.

    - *ONNX* is looked through first. Refused are weights in other files, operators outside
      ``ai.onnx`` and ``ai.onnx.ml``, false shapes, arrays above `max_bytes`, and, unless
      `isolated`, loops.
    - *TensorFlow Lite*: custom operators and tensors above `max_bytes` are refused.
    - *skops* is opened if skops trusts all types in it, or `trusted` lists the others.
    - *safetensors*: weights, put into a copy of `module`; so are those of ``torch.save``.
    - *LightGBM, XGBoost, CatBoost*: native files, only with `isolated` or `trust`. Their
      libraries do not check what they read, and a damaged file can crash the process.
    - *Pickle, joblib, TorchScript, exported torch programs, Keras*: these run code when they are
      opened, and are refused without `trust`.

    Parameters
    ----------
    path : str, Path or bytes
        A regular file, or what it holds. Nothing else is read.
    module : torch.nn.Module, default=None
        The network whose weights a file holds. It is copied.
    trusted : str or list of str, default=None
        Types in a skops file that are accepted besides those that skops trusts.
    trust : bool, default=False
        Your word that whoever made the file may run code here. Nothing is checked then.
    isolated : bool, default=False
        Whether the model is opened and asked in a child process: see
        :class:`~skzest.loading.IsolatedQuery`. Recommended for files of strangers, as a runtime
        may have faults that a file can use.
    limits : Limits, default=None
        What the child process may use; None means the defaults of
        :class:`~skzest.loading.Limits`. Only with `isolated`.
    max_bytes : int, default=2**31
        The largest file, archive when unpacked, and declared array.
    **params
        Parameters of the query, such as ``preprocess``, ``classes``, ``output`` or ``mean``.

    Returns
    -------
    query : Query

    Raises
    ------
    ValueError
        If the file is refused, with the reason and what is safe in its place; if it is damaged.
    FileNotFoundError
        If there is no such file.
    ImportError
        If the library for this kind of file is not installed.

    See Also
    --------
    skzest.queries.as_query : For models that are objects.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.dummy import DummyClassifier
    >>> from skzest import load_model
    >>> model = DummyClassifier().fit([[0], [1]], [0, 1])
    >>> try:
    ...     load_model(pickle.dumps(model))
    ... except ValueError as error:
    ...     print(str(error).partition(": ")[2][:14])
    it is a pickle
    >>> load_model(pickle.dumps(model), trust=True)  # my own file
    SklearnQuery(DummyClassifier)
    """
    max_bytes = check_whole(max_bytes, "max_bytes")
    if limits is not None and not isolated:
        raise ValueError("limits= holds for a child process; pass isolated=True with it.")
    if isolated:
        return IsolatedQuery(
            path,
            limits=limits,
            module=module,
            trusted=trusted,
            trust=trust,
            max_bytes=max_bytes,
            **params,
        )
    data, name = read_file(path, max_bytes)
    opening = Opening(name, module, trusted, trust, max_bytes, params=params)
    return open_bytes(data, opening)
