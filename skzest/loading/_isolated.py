# SPDX-License-Identifier: BSD-3-Clause
"""A model that is opened and asked in a child process, which may crash, hang or run out."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..exceptions import QueryError
from ..queries import OUTPUTS, ImageNormalizer, Inputs, Model, Query
from ._limits import Limits
from ._open import Opening, check_kind, read_file
from ._process import Child

__all__ = ["IsolatedQuery"]

# Children of this process that may live at a time; the one that was asked longest ago is ended.
_MOST_CHILDREN = 8
_children: list[weakref.ref[IsolatedQuery]] = []
_children_lock = threading.Lock()


class IsolatedQuery(Query):
    """A model file, opened and asked in a child process with limits.

    A crash of the child, a limit that it exceeds, or an answer that it does not give in time is
    a :class:`~skzest.exceptions.QueryError` that says which; the next batch goes to a new child.
    Batches travel through shared memory, and nothing that the child sends is unpickled.

    This keeps accidents away from your process. **It is not a sandbox**: a file that takes over
    the child can read files and open connections as you can. For that, use a container or a
    virtual machine.

    Parameters
    ----------
    path : str, Path or bytes
        As in :func:`~skzest.load_model`, which opens it in the child.
    limits : Limits, default=None
        Memory, processor time and time; None means the defaults of
        :class:`~skzest.loading.Limits`.
    preprocess : callable, default=None
        Applied to every batch, in this process.
    mean, std : number or sequence of one per channel, default=None
        In place of `preprocess`, for images: see :class:`~skzest.queries.ImageNormalizer`.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, in place of the bytes of the file.
    module, trusted, trust, max_bytes
        As in :func:`~skzest.load_model`.
    **params
        Further parameters of the query in the child, such as ``output`` or ``classes``.

    Raises
    ------
    ValueError
        If the file is refused or damaged.
    QueryError
        If opening it crashes the child or exceeds a limit.

    Examples
    --------
    >>> from skzest.loading import IsolatedQuery, Limits
    >>> query = IsolatedQuery("suspect.onnx", limits=Limits(memory=2**30))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path | bytes,
        *,
        limits: Limits | None = None,
        preprocess: Callable[[Inputs], Inputs] | None = None,
        mean: ArrayLike | None = None,
        std: ArrayLike | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
        module: Model = None,
        trusted: str | Sequence[str] | None = None,
        trust: bool = False,
        max_bytes: int = 2**31,
        **params: Any,
    ):
        if mean is not None or std is not None:
            if preprocess is not None:
                raise ValueError("give either preprocess=, or mean= and std=.")
            preprocess = ImageNormalizer(mean, std)
        data, self.name = read_file(path, max_bytes)
        super().__init__(
            data, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        self.limits = Limits() if limits is None else limits
        self._opening = Opening(self.name, module, trusted, trust, max_bytes, True, params)
        try:
            check_kind(data, self._opening)
        except ValueError as error:
            raise ValueError(f"{self.name} was not opened: {error}") from error
        self._begin()
        self._describe(self.child.description)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._child: Child | None = None

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in vars(self).items() if k not in ("_lock", "_child")}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._begin()

    def __copy__(self) -> IsolatedQuery:
        twin = type(self).__new__(type(self))
        twin.__setstate__(self.__getstate__())
        return twin

    def _describe(self, description: dict[str, Any]) -> None:
        outputs = description.get("outputs")
        if not isinstance(outputs, list) or not outputs or not set(outputs) <= set(OUTPUTS):
            raise QueryError(f"{self!r}: the child process described its model falsely.")
        self.outputs = tuple(outputs)
        classes = description.get("classes")
        self.classes_ = None if classes is None else np.array(classes)
        self.rounding = float(description.get("rounding", 0.0))

    # --- asking ---------------------------------------------------------------------------

    @property
    def child(self) -> Child:
        """The child process, started when there is none."""
        with self._lock:
            if self._child is None or not self._child.is_usable:
                self.close()
                _make_room()
                self._child = Child(self.model, self._opening, self.limits, repr(self))
                with _children_lock:
                    _children.append(weakref.ref(self))
            return self._child

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Raw answer of the model in the child to one batch."""
        self.check_offered(output)
        prepared = self.prepare(X)
        with self._lock:
            _used(self)
            return self.child.ask(prepared, output)

    def close(self) -> None:
        """End the child process; another is started when the model is asked again."""
        with self._lock:
            if self._child is not None:
                self._child.close()
                self._child = None

    # --- identity -------------------------------------------------------------------------

    def content(self) -> dict[str, object]:
        """The bytes of the file, and all that decides how it is asked; not the limits."""
        opening = self._opening
        names = ("model", "preprocess", "outputs", "classes_")
        content = {name: getattr(self, name) for name in names}
        return {**content, "module": opening.module, "params": opening.params}

    def __repr__(self) -> str:
        return f"IsolatedQuery({self.name})"


def _alive() -> list[IsolatedQuery]:
    """The queries with a child, the one that was asked longest ago first."""
    queries = [query for query in (one() for one in _children) if query is not None]
    found = [query for query in queries if query._child is not None]
    _children[:] = [weakref.ref(query) for query in found]
    return found


def _used(query: IsolatedQuery) -> None:
    with _children_lock:
        _children.sort(key=lambda one: one() is query)


def _make_room() -> None:
    """End children that were asked longest ago, so that one more may be started."""
    with _children_lock:
        idle = _alive()
        ended = idle[: max(len(idle) - _MOST_CHILDREN + 1, 0)]
    for query in ended:
        if query._lock.acquire(blocking=False):  # one that is being asked is left alone
            try:
                query.close()
            finally:
                query._lock.release()


# A forked process must not talk to the children of its parent.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_children.clear)
