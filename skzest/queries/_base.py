# SPDX-License-Identifier: BSD-3-Clause
"""What a query is, where its batches are stored, and how a model gets one."""

from __future__ import annotations

import copy
import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat.numpy as _numpy
import numpy as np

from .._validation import check_model_id, listed
from ..exceptions import QueryError

__all__ = [
    "HOST",
    "OUTPUTS",
    "Array",
    "Inputs",
    "Model",
    "Preprocess",
    "Query",
    "Space",
    "as_numpy",
    "as_query",
    "register_query",
]

# These may be of any library.
Model: TypeAlias = Any
Inputs: TypeAlias = Any  # a batch: an array, a data frame, a list of texts
Array: TypeAlias = Any
Preprocess: TypeAlias = Callable[[Inputs], Inputs]

OUTPUTS = ("logits", "predict_proba", "decision_function", "predict")


def as_numpy(array: Array) -> np.ndarray:
    """What a model returned, a tensor, list, DataFrame or matrix, as a NumPy array.

    A tensor is detached and moved to the host; bfloat16, which NumPy lacks, becomes float32.
    """
    if type(array) is np.ndarray:
        return array
    if isinstance(array, np.ma.MaskedArray):
        raise QueryError(
            "a masked array has no number where it is masked; return answer.filled(...) with a "
            "number for these places, or answer.data if nothing should be masked."
        )
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if str(array.dtype) == "torch.bfloat16":
            array = array.float()
    elif hasattr(array, "toarray"):  # np.asarray would make one object of a sparse matrix
        array = array.toarray()
    return np.asarray(array)


@dataclass(frozen=True, slots=True, repr=False)
class Space:
    """Where batches and answers are: an array namespace and, if it has several, a device.

    Two queries whose spaces are equal can share one batch. Spaces are immutable, can be
    pickled, and are hashable, so that models can be grouped by them.

    Parameters
    ----------
    xp : module
        Array namespace, as ``array_api_compat.array_namespace`` gives it.
    device : object, default=None
        Device in that namespace; None is its default.

    Examples
    --------
    >>> from skzest.queries import HOST
    >>> bool((HOST.to_numpy(HOST.asarray([1.0, 2.0])) == [1.0, 2.0]).all())
    True
    """

    xp: ModuleType
    device: Any = None

    @property
    def is_host(self) -> bool:
        """Whether arrays here are NumPy's."""
        return self.xp is _numpy and self.device is None

    @property
    def has_float64(self) -> bool:
        """Whether arrays here can hold, and compute in, float64."""
        return True

    @property
    def is_device(self) -> bool:
        """Whether a device of its own computes here, while the host goes on."""
        return not self.is_host

    def rendering(self) -> AbstractContextManager[object]:
        """Context in which batches are made here."""
        return nullcontext()

    def asarray(self, array: Array) -> Array:
        """Array of this space that holds the numbers of a NumPy array."""
        if self.device is None:
            return self.xp.asarray(array)
        return self.xp.asarray(array, device=self.device)

    def to_numpy(self, array: Array) -> np.ndarray:
        """NumPy array that holds the numbers of an array of this space."""
        return as_numpy(array)

    def __repr__(self) -> str:
        where = "" if self.device is None else f", device={str(self.device)!r}"
        return f"{type(self).__name__}({self.xp.__name__}{where})"

    def __reduce__(self):
        # Modules do not pickle; their names do.
        return _restore_space, (type(self), self.xp.__name__, self.device)


def _restore_space(cls: type[Space], namespace: str, device: object) -> Space:
    return cls(importlib.import_module(namespace), device)


HOST = Space(_numpy)


class Query(ABC):
    """A model and how to ask it: a batch goes in, one row of numbers per copy comes out.

    To support another kind of model, subclass this, set `outputs` (and `classes_` if the
    classes have names), and write :meth:`ask`; :func:`skzest.testing.check_query` checks
    that the result keeps the contract.

    Parameters
    ----------
    model : object
        The model.
    preprocess : callable, default=None
        Applied to every batch before the model sees it, by :meth:`prepare`, which
        :meth:`ask` calls.
    deterministic : bool, default=True
        Whether the same batch must get the same answer, which is checked.
    model_id : str, default=None
        Name under which answers are stored (see :class:`~skzest.AnswerStore`), for models whose
        content does not tell them apart, such as those behind an address. It stands for all
        that decides the answers, so it must change with the model or its preprocessing.

    Attributes
    ----------
    outputs : tuple of str
        What the model can be asked for: some of "logits", "predict_proba",
        "decision_function" and "predict".
    classes_ : ndarray of shape (n_classes,) or None
        Labels of the columns, in the model's own order; None means unnamed, 0..n_classes-1.
    rounding : float
        Step of the scores where they are quantised: 1/256 for probabilities in 8 bits, else 0.
    eps : float
        Rounding unit of the answers, relative to the largest, where it is coarser than that of
        their dtype: 2**-7 for a network in bfloat16, whose answers are compared in float32.
    memory_errors : tuple of exception types
        Exceptions besides MemoryError that mean that a batch was too large for the device.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.queries import Query, respond
    >>> class Coin(Query):
    ...     outputs = ("predict_proba",)
    ...     classes_ = np.array(["heads", "tails"])
    ...     def ask(self, X, output):
    ...         return np.full((len(self.prepare(X)), 2), 0.5)
    >>> bool((respond(Coin("a coin"), np.zeros((3, 1))) == 0).all())
    True
    """

    outputs: tuple[str, ...] = ()
    classes_: np.ndarray | None = None
    rounding: float = 0.0
    memory_errors: tuple[type[BaseException], ...] = ()
    model_id: str | None = None
    _short_eps: float = 0.0  # of answers with fewer digits than float32
    _own_copies: bool = False
    _learned: tuple[str, ...] = ()  # attributes that follow from the answers

    def __init__(
        self,
        model: Model,
        *,
        preprocess: Preprocess | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        if preprocess is not None and not callable(preprocess):
            raise TypeError(
                f"preprocess={preprocess!r} is not callable; pass a function of a batch, or None."
            )
        self.model = model
        self.preprocess = preprocess
        self.deterministic = deterministic
        self.model_id = check_model_id(model_id)

    @abstractmethod
    def ask(self, X: Inputs, output: str) -> Array:
        """Raw answer to one batch, as an array of this query's space.

        Parameters
        ----------
        X : array, DataFrame or list of str, of n copies
            Must not be changed in place: other models are asked with the same batch.
        output : str
            One of `outputs`.

        Returns
        -------
        answer : array of shape (n, n_classes)
            Or (n,): labels for "predict", and the decision values of two classes. It must not
            change when another batch is answered.
        """

    @property
    def space(self) -> Space:
        """Where batches must be, and where answers are; the host unless overridden."""
        return HOST

    @property
    def eps(self) -> float:
        """Rounding unit of the answers where it is coarser than that of their dtype."""
        return self._short_eps

    @property
    def own_copies(self) -> bool:
        """Whether the model was seen to change a batch, and so gets copies of its own."""
        return self._own_copies

    @own_copies.setter
    def own_copies(self, value: bool) -> None:
        self._own_copies = value

    def session(self) -> AbstractContextManager:
        """Context that is entered once around a whole run of questions."""
        return nullcontext(self)

    def prepare(self, X: Inputs) -> Inputs:
        """The batch as the model wants it."""
        return X if self.preprocess is None else self.preprocess(X)

    def check_offered(self, output: str) -> None:
        """Refuse a form of answer that is none of `outputs`."""
        if output not in self.outputs:
            raise QueryError(f"{self!r} was asked for {output}, and offers {listed(self.outputs)}.")

    def saying(self, output: str) -> str:
        """How a user says, in an error message, that the model answers with something else."""
        return f'{type(self).__name__}(model, output="{output}")'

    def learn_classes(self, labels: np.ndarray) -> None:
        """Keep the labels that the first answer came with, as a data frame does."""
        self.classes_ = labels
        self._learned = ("classes_",)

    def content(self) -> dict[str, object]:
        """What decides the answers, by name: the model, and all public attributes that say how
        it is asked. Stored answers are found by the fingerprint of this.
        """
        beside = ("deterministic", "model_id")
        kept = {k: v for k, v in vars(self).items() if k[0] != "_" and k not in beside}
        return kept | dict.fromkeys(self._learned)

    def __repr__(self) -> str:
        name = getattr(self.model, "__name__", None) or type(self.model).__name__
        return f"{type(self).__name__}({name})"


_REGISTRY: list[tuple[Callable[[Model], bool], Callable[..., Query]]] = []


def register_query(predicate: Callable[[Model], bool], factory: Callable[..., Query]) -> None:
    """Make :func:`as_query` recognise another kind of model.

    Parameters
    ----------
    predicate : callable
        ``predicate(model) -> bool``. It is tried before those registered earlier, on objects
        of every kind, so it should be cheap and import nothing: a framework that is not in
        ``sys.modules`` cannot have made the model.
    factory : callable
        ``factory(model, preprocess=..., deterministic=...) -> Query``; a Query class is one.
    """
    _REGISTRY.append((predicate, factory))


def as_query(
    model: Model,
    *,
    preprocess: Preprocess | None = None,
    deterministic: bool = True,
    model_id: str | None = None,
) -> Query:
    """The query for a model.

    Parameters
    ----------
    model : Query, classifier, or callable
        A Query is returned unchanged. torch modules, ONNX models and sessions, boosters,
        Keras models and pipelines of transformers become the query of their kind; something
        else with ``predict_proba``, ``decision_function`` or ``predict`` a
        :class:`SklearnQuery`; any other callable, taken to answer with probabilities, a
        :class:`CallableQuery`. See :func:`register_query` for more.
    preprocess : callable, default=None
        Applied to every batch before the model sees it.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, for a model whose content cannot be read.

    Returns
    -------
    query : Query

    Raises
    ------
    TypeError
        If the object cannot be asked.
    sklearn.exceptions.NotFittedError
        If the model is a scikit-learn estimator that is not fitted.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skzest.queries import as_query
    >>> as_query(LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"]))
    SklearnQuery(LogisticRegression)
    """
    if isinstance(model, Query):
        if preprocess is not None or model_id is not None:
            raise ValueError(
                f"{model!r} is a Query already, which as_query does not change; pass preprocess= "
                "and model_id= when you make it."
            )
        if model.deterministic and not deterministic:
            model = copy.copy(model)
            model.deterministic = False
        return model
    if isinstance(model, type):
        raise TypeError(f"{model.__name__} is a class, not a model; pass a fitted instance of it.")
    for accepts, factory in reversed(_REGISTRY):
        if accepts(model):
            query = factory(model, preprocess=preprocess, deterministic=deterministic)
            if model_id is not None:
                query.model_id = check_model_id(model_id)
            return query
    if isinstance(model, (str, os.PathLike)):
        raise TypeError(
            f"{str(model)!r} is a name, not a model; open a file with load_model(path)."
        )
    raise TypeError(
        f"{type(model).__name__} cannot be asked: it is not callable and has none of "
        "predict_proba, decision_function and predict. Wrap a function of a batch in "
        "CallableQuery, or write a Query."
    )
