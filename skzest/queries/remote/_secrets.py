# SPDX-License-Identifier: BSD-3-Clause
"""Tokens and headers that are sent, and appear nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...exceptions import QueryError

__all__ = ["Headers", "Secrets"]

Headers = Mapping[str, str]


class Secrets:
    """A token and other headers. They are sent, and appear nowhere else.

    A pickle holds functions only: plain text is left out of it, and missed when it is needed.
    """

    def __init__(
        self,
        token: str | Callable[[], str] | None,
        headers: Headers | Callable[[], Headers] | None,
    ):
        self._token, self._headers = token, headers
        self._left_out = False

    def headers(self) -> dict[str, str]:
        """All headers of a request."""
        if self._left_out:
            raise QueryError(
                "the token and headers of this query were left out when it was pickled. To use it "
                "in other processes, pass functions: token=read_token, headers=read_headers."
            )
        given = self._headers() if callable(self._headers) else self._headers
        token = self._token() if callable(self._token) else self._token
        bearer = {} if token is None else {"Authorization": f"Bearer {token}".strip()}
        headers = {**bearer, **(given or {})}
        for name, value in headers.items():
            # What http.client says of such a value would show it.
            if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
                raise ValueError(
                    f"the header {name!r} must be a str of printable ASCII characters."
                )
        return headers

    @property
    def has_token(self) -> bool:
        """Whether there is something that must not travel unencrypted."""
        return self._token is not None

    def hide(self, text: str) -> str:
        """The text, with every secret in it replaced by dots."""
        for value in self.headers().values():
            secret = value.removeprefix("Bearer ")
            if len(secret) > 3:
                text = text.replace(secret, "...")
        return text

    def __getstate__(self) -> dict[str, object]:
        kept = {k: v if callable(v) else None for k, v in vars(self).items() if k != "_left_out"}
        lost = any(vars(self)[k] is not None and v is None for k, v in kept.items())
        return {**kept, "_left_out": self._left_out or lost}

    def __repr__(self) -> str:
        return "<secrets>"
