# SPDX-License-Identifier: BSD-3-Clause
"""The walk through a model: every value is hashed by its kind and the values inside it.

The result is a tree of hashes. How objects are shared, where they lie in memory and what unused
bytes hold does not enter, since that changes when a model is copied, pickled or sent to another
process (``joblib.hash`` sees it in forests and in torch modules).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ._installed import UnseenError, class_name, version_of

__all__ = ["Piece", "attributes", "fingerprint", "register_fingerprint"]

# Part of every fingerprint: raise it when the meaning of fingerprints changes.
_FORMAT = "skzest fingerprint 2"

Piece = str | bytes | np.ndarray | tuple[str, object]
Accepts = Callable[[Any], bool]
Pieces = Callable[[Any], Iterable[Piece]]

# Packages whose pickles were looked at, and hold all that decides an answer.
_COMPLETE_PICKLES = {"joblib", "numpy", "pandas", "scipy", "skimage", "sklearn", "torch"}

_HANDLERS: list[tuple[Accepts, Pieces]] = []


def register_fingerprint(predicate: Accepts, pieces: Pieces) -> None:
    """Teach :func:`fingerprint` another kind of object.

    Parameters
    ----------
    predicate : callable
        ``predicate(value) -> bool``, tried before those registered earlier. It is called once
        per type, so it should look at the type alone; it should import nothing.
    pieces : callable
        ``pieces(value)`` gives, in a fixed order, everything that decides what the object does:
        strings or bytes, which are hashed as they are, and ``(step, value)`` for values to be
        walked in turn, where ``step`` (such as ``".coef_"``) names the value in error messages.

    Examples
    --------
    A model behind an address is known by its version:

    >>> from skzest.fingerprints import fingerprint, register_fingerprint
    >>> class Remote:
    ...     def __init__(self, version, connection):
    ...         self.version, self.connection = version, connection
    >>> register_fingerprint(
    ...     lambda value: isinstance(value, Remote),
    ...     lambda remote: ["remote", (".version", remote.version)],
    ... )
    >>> fingerprint(Remote(3, object())) == fingerprint(Remote(3, object()))
    True
    """
    _HANDLERS.append((predicate, pieces))


def fingerprint(model: object) -> str:
    """SHA-256 of everything that decides what a model answers, in hex.

    Equal for copies and for a model that was pickled, on any device and in any process. It covers
    parameters and fitted attributes of scikit-learn estimators, and state and structure of torch
    modules. The number of jobs, verbosity, the log of a search and the state of random generators
    are left out.

    Parameters
    ----------
    model : object

    Returns
    -------
    fingerprint : str of 64 hex digits

    Raises
    ------
    TypeError
        If something in the model cannot be read completely: an object of a class, or a function,
        that is not part of an installed package (defined in a script or notebook, a lambda, a
        closure); an object whose package decides what a pickle of it holds; an open file, a lock,
        a connection. The message says where it is.

    Notes
    -----
    Classes and functions of installed packages are known by name and by the version of the
    package, as their code may change with it. So a model has another fingerprint after its
    package was upgraded.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skzest.fingerprints import fingerprint
    >>> tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    >>> fingerprint(tree) == fingerprint(pickle.loads(pickle.dumps(tree)))
    True
    >>> other = DecisionTreeClassifier().fit([[0.0], [1.5]], [0, 1])
    >>> fingerprint(tree) == fingerprint(other)
    False
    """
    sha = hashlib.sha256(_FORMAT.encode())
    sha.update(_Walker(type(model).__name__).digest(model))
    return sha.hexdigest()


class _Walker:
    """Digests of values, with the path to the current one."""

    def __init__(self, root: str):
        self._path = [root]
        self._kinds: dict[type, Pieces] = {}
        self._open: dict[int, int] = {}
        # The object is kept beside its digest: if it were freed, another could get its id.
        self._done: dict[int, tuple[object, bytes]] = {}

    def digest(self, value: object) -> bytes:
        """Digest of 32 bytes of a value and all that is inside it."""
        leaf = _leaf(value)
        if leaf is not None:
            return hashlib.sha256(leaf).digest()
        key = id(value)
        if key in self._done:
            return self._done[key][1]
        if key in self._open:  # a cycle: how far up it closes
            up = len(self._open) - self._open[key]
            return hashlib.sha256(b"cycle%d" % up).digest()
        self._open[key] = len(self._open)
        try:
            digest = self._node(value)
        except UnseenError as error:
            raise TypeError(self._refusal(str(error))) from error.__cause__
        except RecursionError:
            raise TypeError(self._refusal("is nested too deeply")) from None
        finally:
            del self._open[key]
        if hasattr(value, "__dict__"):  # may be met again, unlike arrays made during the walk
            self._done[key] = value, digest
        return digest

    def _node(self, value: object) -> bytes:
        sha = hashlib.sha256()
        for piece in self._pieces_of(value)(value):
            if isinstance(piece, tuple):
                step, child = piece
                with self._at(step):
                    sha.update(b"@" + self.digest(child))
                continue
            piece = piece.encode() if isinstance(piece, str) else piece
            raw = memoryview(piece).cast("B")  # type: ignore[arg-type]
            sha.update(b"=%d:" % len(raw))
            sha.update(raw)
        return sha.digest()

    def _pieces_of(self, value: object) -> Pieces:
        kind = type(value)
        if kind not in self._kinds:
            known = (pieces for accepts, pieces in reversed(_HANDLERS) if accepts(value))
            self._kinds[kind] = next(known, _object_pieces)
        return self._kinds[kind]

    def _refusal(self, fact: str) -> str:
        return (
            f"{self._path[0]} has no fingerprint: {''.join(self._path)} {fact}. Give the model a "
            'name, as in as_query(model, model_id="victim, version 3"), and change the name '
            "whenever the model changes; or do not pass cache=."
        )

    @contextmanager
    def _at(self, step: str) -> Iterator[None]:
        self._path.append(step)
        try:
            yield
        finally:
            self._path.pop()


def _leaf(value: object) -> bytes | None:
    """Kind and value of plain values, None for everything else."""
    if type(value) is float:
        return b"float" + struct.pack("<d", value) if value == value else b"floatnan"
    if type(value) is str:
        return b"str" + value.encode("utf-8", "surrogatepass")
    if type(value) in (bytes, bytearray):
        return b"bytes" + bytes(value)  # type: ignore[call-overload]
    if type(value) in (bool, int, type(None), type(...), type(NotImplemented), range, complex):
        return f"{type(value).__name__}{value!r}".encode()
    return None


def _object_pieces(value: object) -> Iterator[Piece]:
    """Class and state of an object of no registered kind, as pickle would write them."""
    yield "object"
    yield class_name(value)
    if _pickles_its_own_way(type(value)):
        raise UnseenError(
            f"is an instance of {type(value).__module__}.{type(value).__qualname__}, which "
            "decides for itself what a pickle of it holds, and may leave out what decides its "
            "answers"
        )
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:
        raise UnseenError(f"has no content that can be read ({error})") from error
    if isinstance(reduced, str):
        yield reduced
        return
    build, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    if getattr(build, "__module__", None) != "copyreg":
        yield ".__reduce__", build
    # Without the class, which the functions of copyreg take first.
    yield ".args", [argument for argument in arguments if argument is not type(value)]
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state = {**(state[0] or {}), **state[1]}  # attributes, and those in slots
    yield from attributes(state) if isinstance(state, dict) else [(".state", state)]
    yield ".items", list(items or ())
    yield ".pairs", list(pairs or ())


def _pickles_its_own_way(kind: type) -> bool:
    top = kind.__module__.partition(".")[0]
    if top in _COMPLETE_PICKLES or not version_of(top):
        return False
    ways = ("__reduce_ex__", "__reduce__", "__getstate__")
    return any(getattr(kind, way, None) is not getattr(object, way, None) for way in ways)


def attributes(state: dict[str, object]) -> Iterator[Piece]:
    """Attributes by name, whatever the order in which they were set."""
    for name in sorted(state, key=str):
        yield str(name)
        yield f".{name}", state[name]
