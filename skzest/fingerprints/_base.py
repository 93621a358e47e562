# SPDX-License-Identifier: BSD-3-Clause
"""The walk through a model: every value is hashed by its kind and the values inside it.

A tree of hashes. How objects are shared, where they lie in memory and what unused bytes hold
does not enter, and these are what changes when a model is copied, pickled or sent to another
process (``joblib.hash`` sees them in forests and in torch modules).
"""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Walker", "fingerprint", "register_fingerprint"]

# Goes into every fingerprint: to be raised when the meaning of one changes.
_FORMAT = "skzest fingerprint 1"

_HANDLERS: list[tuple[Callable[[Any], bool], Callable[[Any], Iterable]]] = []


def register_fingerprint(
    predicate: Callable[[Any], bool], pieces: Callable[[Any], Iterable]
) -> None:
    """Teach :func:`fingerprint` another kind of object.

    Parameters
    ----------
    predicate : callable
        ``predicate(value) -> bool``, tried before those registered earlier. It should look at
        the type alone, as it is asked once for each, and import nothing.
    pieces : callable
        ``pieces(value)`` gives, in a fixed order, all that decides what the object does: text
        or bytes as they are, and ``(step, value)`` for what is to be walked in turn, where
        ``step`` (such as ``".coef_"``) is how errors speak of it.

    Examples
    --------
    A model behind an address is known by its version:

    >>> from skzest.fingerprints import fingerprint, register_fingerprint
    >>> class Remote:
    ...     def __init__(self, version, session):
    ...         self.version, self.session = version, session
    >>> register_fingerprint(
    ...     lambda value: isinstance(value, Remote),
    ...     lambda remote: ["remote", (".version", remote.version)],
    ... )
    >>> fingerprint(Remote(3, object())) == fingerprint(Remote(3, object()))
    True
    """
    _HANDLERS.append((predicate, pieces))


def fingerprint(model: Any) -> str:
    """SHA-256 of all that decides what a model answers, in hex.

    Equal for copies, for a model that was pickled, and in another process or on another device.
    Parameters and fitted attributes of scikit-learn estimators are walked; of torch modules the
    state and the structure. The number of jobs, verbosity, the log of a search and the state of
    random generators are left out.

    Parameters
    ----------
    model : object

    Returns
    -------
    fingerprint : str of 64 hex digits

    Raises
    ------
    TypeError
        If some part of it has no content that can be read: an open file, a lock, a connection.
        The message says which.

    Notes
    -----
    Classes and functions of the standard library, NumPy, SciPy, scikit-learn, torch and
    skzest are known by name, all others by name and byte code. So fingerprints last over
    upgrades of these libraries, but those of models of other classes, or with functions in
    them, may not last over an upgrade of Python.

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
    sha.update(Walker(type(model).__name__).digest(model))
    return sha.hexdigest()


class Walker:
    """Digests of values, with the path to the one at hand.

    Parameters
    ----------
    root : str
        How errors name the value that the walk starts at.
    """

    def __init__(self, root: str):
        self._path = [root]
        self._kinds: dict[type, Callable[[Any], Iterable] | None] = {}
        self._open: dict[int, int] = {}
        # The object is kept beside its digest: were it freed, another could get its id.
        self._done: dict[int, tuple[Any, bytes]] = {}

    def digest(self, value: Any) -> bytes:
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
        except RecursionError:
            raise TypeError(self._refusal("is nested too deeply")) from None
        finally:
            del self._open[key]
        if hasattr(value, "__dict__"):  # it may be met again; arrays made on the way may not
            self._done[key] = value, digest
        return digest

    def _node(self, value: Any) -> bytes:
        sha = hashlib.sha256()
        for piece in self._pieces(value):
            if isinstance(piece, tuple):
                step, child = piece
                with self._at(step):
                    sha.update(b"@" + self.digest(child))
                continue
            raw = memoryview(piece.encode() if isinstance(piece, str) else piece).cast("B")
            sha.update(b"=%d:" % len(raw))
            sha.update(raw)
        return sha.digest()

    def _pieces(self, value: Any) -> Iterable:
        kind = type(value)
        if kind not in self._kinds:
            known = (pieces for accepts, pieces in reversed(_HANDLERS) if accepts(value))
            self._kinds[kind] = next(known, None)
        pieces = self._kinds[kind]
        if pieces is not None:
            return pieces(value)
        return _container(value) or self._reduced(value)

    def _reduced(self, value: Any) -> Iterable:
        """What pickle would write of an object of unknown kind, as pieces."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            raise TypeError(self._refusal(f"has no content to read ({error})")) from error
        if isinstance(reduced, str):
            return ["global", type(value).__module__, reduced]
        build, arguments, state, items, pairs = (*reduced, None, None, None, None)[:5]
        pieces: list[Any] = ["object", (".__class__", type(value))]
        if getattr(build, "__module__", None) != "copyreg":
            pieces.append((".__reduce__", build))
        # Without the class, which copyreg's functions take first and which is there already.
        pieces += [(f".args[{i}]", a) for i, a in enumerate(arguments) if a is not type(value)]
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = {**(state[0] or {}), **state[1]}  # attributes, and those in slots
        pieces += _attributes(state) if isinstance(state, dict) else [(".state", state)]
        pieces += [(f"[{i}]", item) for i, item in enumerate(items or ())]
        return pieces + [(f"[{key!r}]", (key, item)) for key, item in pairs or ()]

    def _refusal(self, fact: str) -> str:
        return (
            f"{self._path[0]} has no fingerprint: {''.join(self._path)} {fact}. Name the model to "
            "its query with model_id=, and change the name whenever the model changes."
        )

    @contextmanager
    def _at(self, step: str) -> Iterator[None]:
        self._path.append(step)
        try:
            yield
        finally:
            self._path.pop()


def _leaf(value: Any) -> bytes | None:
    """Kind and value of what has nothing inside it, None for all else."""
    kind = type(value)
    if kind is float:
        return b"float" + struct.pack("<d", value) if value == value else b"floatnan"
    if kind is str:
        return b"str" + value.encode("utf-8", "surrogatepass")
    if kind in (bool, int, type(None), type(...), type(NotImplemented), range, complex):
        return f"{kind.__name__}{value!r}".encode()
    if kind in (bytes, bytearray):
        return b"bytes" + bytes(value)
    if isinstance(value, enum.Enum):
        return f"enum{kind.__module__}.{kind.__qualname__}.{value.name}".encode()
    return None


def _container(value: Any) -> list | None:
    """Pieces of Python's own containers, and of classes derived from them."""
    kind = type(value)
    is_builtin = kind.__module__ == "builtins"
    pieces: list[Any] = [kind.__name__ if is_builtin else (".__class__", kind)]
    if isinstance(value, dict):
        # In order: models exist that run through a dictionary of layers.
        for key, item in value.items():
            pieces += [(f".key({key!r:.40})", key), (f"[{key!r:.40}]", item)]
    elif isinstance(value, (list, tuple)):
        pieces += [(f"[{i}]", item) for i, item in enumerate(value)]
    elif isinstance(value, (set, frozenset)):
        # No order, and the one that they show changes from process to process.
        pieces += sorted(Walker("set").digest(item) for item in value)
    else:
        return None
    if not is_builtin:
        pieces += _attributes(getattr(value, "__dict__", {}))
    return pieces


def _attributes(state: dict) -> list:
    """Attributes by name, whatever the order in which they were set."""
    return [
        piece for name in sorted(state, key=str) for piece in (str(name), (f".{name}", state[name]))
    ]
