# SPDX-License-Identifier: BSD-3-Clause
"""Calls of a service: connections, time limits and retries."""

from __future__ import annotations

import email.utils
import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from ..._validation import check_whole
from ...exceptions import ServiceError
from ._limits import Limits, check_number
from ._secrets import Headers, Secrets

if TYPE_CHECKING:
    import urllib3

__all__ = ["Damaged", "Failure", "Request", "Service"]

T = TypeVar("T")

_LONGEST_BACKOFF = 60.0
_LONGEST_WAIT = 300.0
_LARGEST_ANSWER = 2**28
# Answers of a server that may be in order a moment later. Inference changes nothing, so that
# asking again is safe, after 500 too.
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_REMEDIES = {
    401: "Is token= right?",
    403: "Is token= right, and does it give access to this model?",
    404: "Is the address right, and is the model loaded?",
    413: "Lower max_rows.",
}


class Failure(Exception):
    """One attempt failed.

    Parameters
    ----------
    fact : str
        What happened, as the end of a sentence whose subject is the service.
    transient : bool
        Whether another attempt may succeed.
    reached : bool
        Whether the request may have reached the server, and may thus have been paid for.
    wait : float
        Seconds for which the server wants to be left alone.
    """

    def __init__(self, fact: str, *, transient: bool = True, reached: bool = True, wait: float = 0):
        super().__init__(fact)
        self.transient, self.reached, self.wait = transient, reached, wait


class Damaged(ValueError):
    """An answer that cannot be read, or that does not fit the question."""


@dataclass(frozen=True)
class Request:
    """What is sent.

    Attributes
    ----------
    url : str
    body : bytes or None
        None asks with GET, anything else with POST.
    headers : mapping of str to str
    n_rows : int
        Number of questions in it.
    """

    url: str
    body: bytes | None = None
    headers: Headers | None = None
    n_rows: int = 0


class Service:
    """An address, and how it is called. Pickles without its open connections.

    Parameters
    ----------
    url : str
    secrets : Secrets
    limits : Limits
    verify : bool or path
        Whether certificates are verified, or a file of the authorities that are trusted.
    timeout : float
        Seconds for one attempt, from connecting to the last byte of the answer.
    retries : int
        Further attempts after one that failed.
    backoff : float
        Seconds before the first of them, doubled each time.
    n_connections : int
        Connections that are kept open.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Secrets,
        limits: Limits,
        verify: bool | str | os.PathLike,
        timeout: float,
        retries: int,
        backoff: float,
        n_connections: int,
    ):
        self.url, self.address = url, _address(url)
        self.secrets, self.limits = secrets, limits
        if not isinstance(verify, bool) and not os.path.exists(verify):
            raise FileNotFoundError(f"verify={os.fspath(verify)!r}: there is no such file.")
        self.verify = verify
        self.timeout = check_number(timeout, "timeout")
        self.retries = check_whole(retries, "retries", minimum=0)
        self.backoff = check_number(backoff, "backoff", zero=True)
        self.n_connections = check_whole(n_connections, "n_connections")
        self._pool: urllib3.PoolManager | None = None
        self._lock = threading.Lock()

    def call(
        self,
        request: Request,
        read: Callable[[bytes, Headers], T],
        stop: threading.Event | None = None,
    ) -> T:
        """Send a request until it is answered.

        Parameters
        ----------
        request : Request
        read : callable
            ``read(content, headers)`` makes something of an answer; raises Damaged if it cannot.
        stop : threading.Event, optional
            Where it is set, no further attempt is made.

        Raises
        ------
        ServiceError
            If no attempt succeeded, or a limit is reached.
        """
        stop = threading.Event() if stop is None else stop
        for attempt in range(self.retries + 1):
            self.limits.take(request.n_rows, stop)
            try:
                return self._attempt(request, read)
            except Failure as failure:
                if not failure.reached:
                    self.limits.give_back(request.n_rows)
                last = attempt == self.retries or failure.wait > _LONGEST_WAIT or stop.is_set()
                if last or not failure.transient:
                    raise ServiceError(self._explained(failure, attempt + 1)) from None
                self._back_off(failure, attempt, stop)
        raise AssertionError("the last attempt returns or raises")

    def _back_off(self, failure: Failure, attempt: int, stop: threading.Event) -> None:
        if failure.wait:
            self.limits.pause(failure.wait)
        # At random, so that calls that failed together do not come back together.
        delay = self.backoff * 2**attempt * random.uniform(0.5, 1.5)
        stop.wait(min(delay, _LONGEST_BACKOFF))

    def _explained(self, failure: Failure, n_attempts: int) -> str:
        text = self.secrets.hide(f"{self.address} {failure}")
        if not failure.transient:
            return text
        times = "once" if n_attempts == 1 else f"{n_attempts} times"
        return (
            f"{text} (asked {times}). Is the service running? With cache= the next run resumes "
            "where this one stopped; retries= and timeout= make it more patient."
        )

    # --- one attempt ----------------------------------------------------------------------

    def _attempt(self, request: Request, read: Callable[[bytes, Headers], T]) -> T:
        status, content, headers = self._exchange(request)
        if not 200 <= status < 300:
            raise _refusal(status, content, headers)
        try:
            return read(content, headers)
        except Damaged as error:
            raise Failure(f"sent an answer that cannot be used: {error}") from None

    def _exchange(self, request: Request) -> tuple[int, bytes, Headers]:
        import urllib3

        deadline = time.monotonic() + self.timeout
        headers = {"Accept-Encoding": "identity", "User-Agent": "skzest"}
        headers |= {**(request.headers or {}), **self.secrets.headers()}
        try:
            response = self._connections().request(
                "GET" if request.body is None else "POST",
                request.url,
                body=request.body,
                headers=headers,
                timeout=urllib3.Timeout(total=self.timeout),
                retries=False,
                redirect=False,  # a token must not follow
                preload_content=False,
                decode_content=False,
            )
            try:
                content = self._content(response, deadline)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._failure(error) from None
        return response.status, content, response.headers

    def _content(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """The body, as it comes: a server that sends a byte now and then is too slow as well."""
        content = bytearray()
        while chunk := response.read1(2**20):
            content += chunk
            if time.monotonic() > deadline:
                raise Failure(f"took more than {self.timeout:g} s to answer")
            if len(content) > _LARGEST_ANSWER:
                limit = f"{_LARGEST_ANSWER // 2**20} MiB"
                raise Failure(f"sent more than {limit}. Lower max_rows.", transient=False)
        return bytes(content)

    def _failure(self, error: Exception) -> Failure:
        from urllib3 import exceptions as kinds

        reason = str(error).split(": ")[-1].strip("()'\" ")
        if isinstance(error, kinds.NewConnectionError):
            return Failure(f"cannot be reached: {reason}", reached=False)
        if isinstance(error, kinds.ConnectTimeoutError):
            return Failure(f"took more than {self.timeout:g} s to connect", reached=False)
        if isinstance(error, kinds.SSLError):
            remedy = "If it has a certificate of its own, pass its authority: verify='ca.pem'."
            fact = f"has no certificate that can be trusted: {reason}. {remedy}"
            return Failure(fact, transient=False, reached=False)
        if isinstance(error, kinds.TimeoutError):
            return Failure(f"took more than {self.timeout:g} s to answer")
        return Failure(f"broke off the connection: {reason}")

    # --- connections ----------------------------------------------------------------------

    def _connections(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = self._new_pool()
            return self._pool

    def _new_pool(self) -> urllib3.PoolManager:
        import urllib3

        return urllib3.PoolManager(
            num_pools=2,
            maxsize=self.n_connections,
            cert_reqs="CERT_REQUIRED" if self.verify else "CERT_NONE",
            ca_certs=None if isinstance(self.verify, bool) else os.fspath(self.verify),
        )

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in vars(self).items() if k not in ("_pool", "_lock")}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._pool, self._lock = None, threading.Lock()

    def __repr__(self) -> str:
        return f"Service({self.address})"


def _refusal(status: int, content: bytes, headers: Headers) -> Failure:
    if 300 <= status < 400:
        return Failure(
            f"answered {status}, which points to another address. Give that one: redirects are "
            "not followed.",
            transient=False,
        )
    fact = f"answered {status}{_quoted(content)}"
    if status in _REMEDIES:
        fact = f"{fact}. {_REMEDIES[status]}"
    return Failure(fact, transient=status in _TRANSIENT, wait=_retry_after(headers))


def _quoted(content: bytes) -> str:
    """What a server says about a failure, in one line: its "error", or the last line."""
    text = content.decode("utf-8", "replace").strip()
    try:
        said = json.loads(text)
        text = str(said.get("error") or said.get("detail") or said.get("message") or said)
    except (AttributeError, ValueError, RecursionError):
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    return f" ({lines[-1].strip()[:200]})" if lines else ""


def _retry_after(headers: Headers) -> float:
    """Seconds that a Retry-After header asks for, as a number or as a date."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return seconds if seconds > 0 else 0.0  # not a number is no wish


def _address(url: str) -> str:
    """The address without its query string, for messages; refuses what is not an address."""
    if not isinstance(url, str):
        raise TypeError(f"url must be a str such as 'https://host/path'; got {type(url).__name__}.")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url must begin with 'https://' or 'http://' and a host.")
    if "@" in parts.netloc:
        raise ValueError(
            "url holds a user name or password; leave it out, and pass token= or headers=."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
