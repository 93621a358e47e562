# SPDX-License-Identifier: BSD-3-Clause
"""A model behind an address: batches are cut into calls, and the answers joined in order."""

from __future__ import annotations

import json
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import ArrayLike

from ... import _points
from ..._validation import check_choice, check_whole
from ...exceptions import PartialAnswerError, QueryError
from .._base import HOST, OUTPUTS, Inputs, Preprocess, Query, Space, as_numpy
from .._labels import as_classes
from ._limits import Limits, check_number
from ._secrets import Headers, Secrets
from ._service import Damaged, Request, Service

__all__ = ["HttpQuery", "ServiceQuery", "ServiceSpace"]


class ServiceSpace(Space):
    """The host, for models that one process asks, which counts their questions."""

    stays_here = True

    def auto_rows(self, size: int) -> int:
        """Copies of ``size`` numbers per batch, several calls long."""
        return max(1, min(1024, 2**21 // max(size, 1)))


class ServiceQuery(Query):
    """A model behind an address, whatever is spoken there.

    :class:`RemoteQuery` speaks the Open Inference Protocol, :class:`HttpQuery` what it is told.

    Parameters
    ----------
    url : str
        Address of the model.
    output : {"predict_proba", "logits", "decision_function", "predict"}
        What the rows are.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns, in the order of the columns. None means 0..n_classes-1.
        Needed when the service answers with labels ("predict").
    token : str or callable, default=None
        Sent as ``Authorization: Bearer ...``, over https only (or to this machine). A function is
        called for each request, such as one that reads an environment variable. Tokens and headers
        are in no log, error, store or fingerprint, and in no pickle unless they are functions.
    headers : mapping or callable, default=None
        Further headers, kept secret likewise.
    verify : bool or path, default=True
        Whether the server's certificate is verified; or a file of authorities to trust.
    timeout : float, default=30.0
        Seconds for one call, from connecting to the last byte of the answer.
    retries : int, default=5
        How often a call is repeated that failed in a way that may pass: no connection, a broken
        one, a timeout, an answer that is damaged, or status 408, 429, 500, 502, 503 or 504.
    backoff : float, default=0.5
        Seconds before the first repetition. It doubles each time, with a random factor between
        0.5 and 1.5. A ``Retry-After`` of the server holds back all calls for as long as it says.
    max_rows : int, default=64
        Rows per call, at most.
    max_rate : float, default=None
        Rows per second, at most.
    max_questions : int, default=None
        Rows in all calls, at most, counted as :attr:`n_questions` counts them. A call that would
        exceed it is not sent: a ServiceError is raised.
    n_connections : int, default=1
        Calls that may be under way at once.
    preprocess : callable, default=None
        Applied to every batch before it is cut into calls.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored; ``cache=`` needs one.

    Attributes
    ----------
    n_questions : int
        Rows in all calls that may have reached the server, answered or not.

    Raises
    ------
    ImportError
        If urllib3 is not installed.
    TypeError, ValueError
        If a parameter is out of range, `url` is not an address or holds a password, or a token
        would travel unencrypted.

    Notes
    -----
    One process asks, whatever ``n_jobs`` is, so that the questions are counted in one place. A
    pickled copy has counts of its own.

    When a service fails for good, what it answered before is in ``cache=``, and the next run
    resumes there.
    """

    def __init__(
        self,
        url: str,
        *,
        output: str = "predict_proba",
        classes: ArrayLike | None = None,
        token: str | Callable[[], str] | None = None,
        headers: Headers | Callable[[], Headers] | None = None,
        verify: bool | str | os.PathLike = True,
        timeout: float = 30.0,
        retries: int = 5,
        backoff: float = 0.5,
        max_rows: int = 64,
        max_rate: float | None = None,
        max_questions: int | None = None,
        n_connections: int = 1,
        preprocess: Preprocess | None = None,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        if find_spec("urllib3") is None:
            raise ImportError(f"{type(self).__name__} needs urllib3: pip install 'skzest[remote]'.")
        check_choice(output, "output", OUTPUTS)
        secrets = Secrets(token, headers)
        limits = Limits(
            None if max_questions is None else check_whole(max_questions, "max_questions"),
            None if max_rate is None else check_number(max_rate, "max_rate"),
        )
        service = Service(
            url,
            secrets=secrets,
            limits=limits,
            verify=verify,
            timeout=timeout,
            retries=retries,
            backoff=backoff,
            n_connections=n_connections,
        )
        _check_encrypted(url, secrets)
        super().__init__(
            service, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        self.output, self.outputs = output, (output,)
        self.classes_ = None if classes is None else as_classes(classes)
        self.max_rows = check_whole(max_rows, "max_rows")

    @property
    def space(self) -> ServiceSpace:
        """The host; one process asks, whatever ``n_jobs`` is."""
        return _SPACE

    @property
    def n_questions(self) -> int:
        """Rows in all calls that may have reached the server, answered or not.

        A call that is repeated counts again, as the service may charge for it again. A call that
        certainly did not reach the server (no connection could be made) does not count.
        """
        return self.model.limits.n_questions

    @contextmanager
    def session(self) -> Iterator[ServiceQuery]:
        """Connections are kept open within, and closed at the end."""
        try:
            yield self
        finally:
            self.model.close()

    def content(self) -> dict[str, object]:
        """Refused: what answers behind an address cannot be seen.

        Raises
        ------
        TypeError
        """
        raise TypeError(
            f"{self!r} asks a service, and the model behind it cannot be seen. Name it with "
            'model_id=, such as model_id="fraud detector, version 3", and change the name '
            "whenever the model changes; or leave out cache=."
        )

    def ask(self, X: Inputs, output: str) -> np.ndarray:
        """Raw answer of the service to one batch.

        Raises
        ------
        PartialAnswerError
            If the service answered some of the calls only; holds their answers.
        ServiceError
            If it answered none, or `max_questions` is reached.
        QueryError
            If the batch does not suit the service.
        """
        self.check_offered(output)
        batch = self.prepare(X)
        rows = self._rows_per_call()
        n = _n_rows(batch)
        pieces = [(a, min(a + rows, n)) for a in range(0, n, rows)]
        answers, failure = self._answers(batch, pieces)
        if failure is None:
            return np.concatenate(list(answers.values()))
        if not answers:
            raise failure
        known = np.zeros(n, dtype=bool)
        for start in answers:
            known[start : start + rows] = True
        raise PartialAnswerError(str(failure), known, np.concatenate(list(answers.values())))

    def _rows_per_call(self) -> int:
        return self.max_rows

    def _answers(
        self, batch: Inputs, pieces: list[tuple[int, int]]
    ) -> tuple[dict[int, np.ndarray], QueryError | None]:
        """Answers by first row, in order, and the first failure; after that no more is sent."""
        stop = threading.Event()
        failures: list[QueryError] = []

        def answer(piece: tuple[int, int]) -> np.ndarray | None:
            if stop.is_set():
                return None
            try:
                return self._call(_rows(batch, *piece), piece[1] - piece[0], stop)
            except QueryError as error:
                failures.append(error)
                stop.set()
                return None
            except BaseException:
                stop.set()
                raise

        if self.model.n_connections == 1 or len(pieces) < 2:
            found = [answer(piece) for piece in pieces]
        else:
            with ThreadPoolExecutor(self.model.n_connections) as threads:
                try:
                    found = list(threads.map(answer, pieces))
                except BaseException:  # an interrupt arrives here, not in the threads
                    stop.set()
                    raise
        answers = {piece[0]: rows for piece, rows in zip(pieces, found) if rows is not None}
        return answers, failures[0] if failures else None

    @abstractmethod
    def _call(self, batch: Inputs, n: int, stop: threading.Event) -> np.ndarray:
        """Answer of the service to ``n`` rows, put in one call."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.address})"


_SPACE = ServiceSpace(HOST.xp)


class HttpQuery(ServiceQuery):
    """A model behind an address that is asked in a way of its own.

    For servers that speak the Open Inference Protocol (Triton, KServe, MLServer and others)
    there is :class:`RemoteQuery`, which needs neither `encode` nor `decode`.

    Parameters
    ----------
    url : str
        Address that rows are posted to.
    encode : callable
        ``encode(rows)`` gives the body of a request: bytes, or anything that JSON can hold, which
        is then sent as JSON.
    decode : callable
        ``decode(body)`` gets the bytes of an answer and gives one row per row sent: an array or
        nested lists. An exception that it raises means that the answer is damaged.
    **service
        The other parameters of :class:`ServiceQuery`: what the rows are, secrets, time limits,
        retries, and limits on what is asked.

    Raises
    ------
    ImportError
        If urllib3 is not installed.
    TypeError, ValueError
        As :class:`ServiceQuery`, and if `encode` or `decode` is not callable.

    Examples
    --------
    >>> import json
    >>> from skzest.queries import HttpQuery
    >>> HttpQuery(
    ...     "https://models.example/score",
    ...     encode=lambda rows: {"instances": rows.tolist()},
    ...     decode=lambda body: json.loads(body)["probabilities"],
    ...     token="secret",
    ...     max_questions=10_000,
    ...     model_id="scorer, version 3",
    ... )
    HttpQuery(https://models.example/score)
    """

    def __init__(
        self,
        url: str,
        *,
        encode: Callable[[Inputs], object],
        decode: Callable[[bytes], ArrayLike],
        **service: Any,
    ):
        for name, function in (("encode", encode), ("decode", decode)):
            if not callable(function):
                raise TypeError(f"{name} must be a function; got {function!r}.")
        super().__init__(url, **service)
        self.encode, self.decode = encode, decode

    def _call(self, batch: Inputs, n: int, stop: threading.Event) -> np.ndarray:
        body = self.encode(batch)
        kind = "application/octet-stream"
        if not isinstance(body, bytes):
            body, kind = json.dumps(body).encode(), "application/json"
        request = Request(self.model.url, body, {"Content-Type": kind}, n)
        return self.model.call(request, lambda content, _: rows_of(self._decoded(content), n), stop)

    def _decoded(self, content: bytes) -> ArrayLike:
        try:
            return self.decode(content)
        except Exception as error:
            raise Damaged(f"decode raised {type(error).__name__}: {error}") from error


def rows_of(answer: ArrayLike, n: int) -> np.ndarray:
    """An answer as an array of ``n`` rows; labels as (n,)."""
    try:
        array = as_numpy(answer)
    except (TypeError, ValueError) as error:
        raise Damaged(f"it is not an array ({error})") from error
    if array.ndim == 0 or len(array) != n:
        raise Damaged(f"it has shape {array.shape} for {n} rows")
    return array


def _n_rows(batch: Inputs) -> int:
    return len(next(iter(batch.values()))) if isinstance(batch, Mapping) else len(batch)


def _rows(batch: Inputs, start: int, stop: int) -> Inputs:
    """Rows of a batch, or of each array in a dictionary of arrays."""
    if isinstance(batch, Mapping):
        return {name: _points.rows(array, start, stop) for name, array in batch.items()}
    return _points.rows(batch, start, stop)


def _check_encrypted(url: str, secrets: Secrets) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or not secrets.has_token or _is_here(parts.hostname or ""):
        return
    raise ValueError(
        "token= would travel unencrypted over http. Use https; if the network is trusted, pass "
        'headers={"Authorization": "Bearer ..."} in its place.'
    )


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
