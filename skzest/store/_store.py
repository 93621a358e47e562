# SPDX-License-Identifier: BSD-3-Clause
"""Answers on disk, so that nothing that was answered is asked again.

What is stored is the raw answer of a model (logits, probabilities, ...) to masked copies of one
reference point, under what the model is and what the copies are made of. Everything that happens
to answers afterwards (response, clip, surrogate, distance) and everything that merely groups
questions (number of points, number of masks, batch size) can change, and the answers still serve.
"""

from __future__ import annotations

import numbers
import os
from typing import Any

from ._connection import Connection, Piece, StoreStats, mask_keys
from ._identity import Identity

__all__ = ["AnswerStore", "Connection", "Piece", "StoreStats", "check_cache", "mask_keys"]


class AnswerStore:
    """A file of answers, for the ``cache=`` of :class:`~skzest.LimeSignatureTransformer`.

    Any number of processes on one machine may read and write it at once, and may be killed at
    any moment: what was answered before is kept, whole.

    Parameters
    ----------
    path : path
        A file, made when it is first used, in a folder that exists. Keep it on a local disk:
        SQLite's log does not work over a network.
    tolerance : float, default=1e-3
        When answers are found, a few are asked again; by this part of the range of the scores
        they may differ, as they do between a processor and a graphics card. A change that
        shows at few questions only may be missed: the check says that it is the same model, not
        that nothing in it was touched.

    Raises
    ------
    TypeError, ValueError
        If `tolerance` is not a number, or negative.

    Notes
    -----
    An SQLite database in WAL mode, without pickle. Scores are kept in the model's dtype, so
    that what is read is what was answered, to the bit; each row carries a checksum, and a row
    that is damaged is thrown away and asked again. A loss of power may cost the last answers,
    but damages none.

    Models are known by their content (:func:`~skzest.fingerprints.fingerprint`) or, where a
    query has one, by its ``model_id``.

    Examples
    --------
    >>> import tempfile, os
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skzest import AnswerStore, LimeSignatureTransformer
    >>> X, y = load_iris(return_X_y=True)
    >>> zoo = [GaussianNB().fit(X, y), GaussianNB().fit(X[::2], y[::2])]
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = AnswerStore(os.path.join(folder.name, "answers.sqlite"))
    >>> lime = LimeSignatureTransformer(X, n_reference=5, n_samples=50, cache=store)
    >>> S = lime.fit_transform(zoo)
    >>> store.stats().pairs_stored, store.stats().rows_asked
    (10, 500)
    >>> before = store.stats()
    >>> more = lime.set_params(n_reference=8).fit_transform(zoo)
    >>> (store.stats() - before).pairs_stored
    6
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike, *, tolerance: float = 1e-3):
        if os.fspath(path) == ":memory:":
            raise ValueError("a store is a file, which outlives the process; ':memory:' is none.")
        if isinstance(tolerance, bool) or not isinstance(tolerance, numbers.Real):
            raise TypeError(f"tolerance={tolerance!r} is not a number; pass one such as 1e-3.")
        if not 0 <= float(tolerance) < float("inf"):
            raise ValueError(f"tolerance={tolerance!r} is out of range; pass one such as 1e-3.")
        self.path: str = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self.tolerance: float = tolerance

    def __repr__(self) -> str:
        return f"AnswerStore({self.path!r})"

    def connect(self) -> Connection:
        """A connection, which is a context manager; for one thread at a time."""
        return Connection(self.path)

    def stats(self) -> StoreStats:
        """How much was asked, reused and is held."""
        with self.connect() as connection:
            return connection.stats()

    def forget(self, model: Any) -> int:
        """Delete all answers of a model.

        Parameters
        ----------
        model : model, Query or str
            A text is a ``model_id``.

        Returns
        -------
        n_rows : int
            Number of answers deleted.
        """
        with self.connect() as connection:
            return connection.forget(Identity.text_of(model))


def check_cache(cache: Any) -> AnswerStore | None:
    """The store that a ``cache=`` means.

    Raises
    ------
    TypeError
        If it is neither a path, a store nor None.
    """
    if cache is None or isinstance(cache, AnswerStore):
        return cache
    if isinstance(cache, (str, os.PathLike)):
        return AnswerStore(cache)
    raise TypeError(f"cache must be a path, an AnswerStore or None; got {cache!r}.")
