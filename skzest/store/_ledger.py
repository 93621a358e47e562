# SPDX-License-Identifier: BSD-3-Clause
"""What a store knows about one task, for a worker that the store is out of reach of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ._connection import Connection
from ._identity import Identity
from ._rows import Piece

__all__ = ["Ledger"]


class Ledger:
    """Stands in for a store and its connection: known answers go out, new ones come back."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes, bytes], tuple[np.ndarray, np.ndarray]] = {}
        self._new: list[Piece] = []
        self._n_reused = 0

    @classmethod
    def of(
        cls,
        connection: Connection | Ledger,
        models: Sequence[Identity],
        questions: Sequence[tuple[bytes, np.ndarray]],
    ) -> Ledger:
        """Copy what is known about some models and points.

        Parameters
        ----------
        connection : Connection or Ledger
        models : sequence of Identity
        questions : sequence of (digest of a point, keys of its masks)
        """
        ledger = cls()
        for question, masks in questions:
            for who in models:
                scores, known = connection.find(who, question, masks)
                if scores is not None:
                    ledger._known[who.key, question, masks.tobytes()] = scores, known
        return ledger

    @contextmanager
    def connect(self) -> Iterator[Ledger]:
        """Itself, as its own connection."""
        yield self

    def find(
        self, who: Identity, question: bytes, masks: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Known answers, as :meth:`Connection.find` gives them."""
        scores, known = self._known.get((who.key, question, masks.tobytes()), (None, None))
        if scores is None or known is None:
            return None, np.zeros(len(masks), dtype=bool)
        return scores.copy(), known.copy()

    def put(self, pieces: Sequence[Piece]) -> None:
        """Note new answers."""
        self._new += pieces

    def count_reused(self, n_rows: int) -> None:
        """Note that known answers were used."""
        self._n_reused += n_rows

    def news(self) -> Ledger:
        """The same without what was known."""
        self._known.clear()
        return self

    def enter_into(self, connection: Connection) -> None:
        """Store what is new."""
        connection.count_reused(self._n_reused)
        if self._new:
            connection.put(self._new)
