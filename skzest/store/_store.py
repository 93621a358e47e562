# SPDX-License-Identifier: BSD-3-Clause
"""Answers on disk, so that no question is asked twice.

Stored is the raw answer of a model (logits, probabilities, ...) to each masked copy of a reference
point, under what the model is and what the copy is made of. What happens to answers afterwards
(response, clip, surrogate, distance) and how questions are grouped (number of points, number of
masks, batch size) may change without asking again.
"""

from __future__ import annotations

import numbers
import os
from typing import Any

from ._connection import Connection, StoreStats
from ._identity import Identity

__all__ = ["AnswerStore", "check_cache"]


class AnswerStore:
    """A file of answers, for the ``cache=`` of :class:`~skzest.LimeSignatureTransformer`.

    Any number of processes on one machine may read and write it at once, and may be killed at any
    moment: answers stored before that are kept.

    Parameters
    ----------
    path : path
        A file, made when it is first used, in a folder that exists. Keep it on a local disk:
        SQLite's write-ahead log does not work over a network.
    tolerance : float, default=1e-3
        Whenever stored answers of a model are used, a few are asked again. They may differ by this
        fraction of the range of the scores, as they do between a CPU and a GPU. A change that
        affects few questions may be missed: the check confirms that it is the same model, not
        that nothing in it was changed.

    Raises
    ------
    TypeError, ValueError
        If `tolerance` is not a number, or negative.

    Notes
    -----
    The file is an SQLite database in WAL mode, without pickle. Scores keep the model's dtype, so
    they are read back to the bit. Nothing read from the file is trusted: a damaged row is thrown
    away and asked again, and a damaged file is refused. A loss of power may lose the latest
    answers, but damages none.

    Models are known by their content (:func:`~skzest.fingerprints.fingerprint`) or by the
    ``model_id`` of their query.

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
    >>> store.stats().pairs_stored
    10
    >>> before = store.stats()
    >>> more = lime.set_params(n_reference=8).fit_transform(zoo)
    >>> (store.stats() - before).pairs_stored
    6
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike, *, tolerance: float = 1e-3):
        if os.fspath(path) == ":memory:":
            raise ValueError(
                "':memory:' is lost with the process; pass the path of a file, such as "
                "'answers.sqlite'."
            )
        if isinstance(tolerance, bool) or not isinstance(tolerance, numbers.Real):
            raise TypeError(f"tolerance must be a number such as 1e-3; got {tolerance!r}.")
        if not 0 <= float(tolerance) < float("inf"):
            raise ValueError(
                f"tolerance must be finite and at least 0, such as 1e-3; got {tolerance!r}."
            )
        self.path: str = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self.tolerance: float = tolerance

    def __repr__(self) -> str:
        return f"AnswerStore({self.path!r})"

    def connect(self) -> Connection:
        """A connection, which is a context manager; for one thread at a time."""
        return Connection(self.path)

    def stats(self) -> StoreStats:
        """What was asked and reused so far, and what is held."""
        with self.connect() as connection:
            return connection.stats()

    def forget(self, model: Any) -> int:
        """Delete all answers of a model.

        Parameters
        ----------
        model : model, Query or str
            A string is a ``model_id``.

        Returns
        -------
        n_rows : int
            Number of answers deleted.
        """
        with self.connect() as connection:
            return connection.forget(Identity.text_of(model))


def check_cache(cache: object) -> AnswerStore | None:
    """The store that a ``cache=`` stands for, or None.

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
