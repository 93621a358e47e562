# SPDX-License-Identifier: BSD-3-Clause
r"""From a text to spans ``(start, stop)`` of its characters: words, sentences, characters.

Python's ``\w`` does not match combining marks, so a pattern such as ``\w+`` splits what a reader
sees as one character in Hindi, Thai and decomposed accents, and takes a Chinese sentence for one
word. Here texts are first split into user-perceived characters (a simplified form of Unicode
Standard Annex 29, without the rules for Hangul jamo, which words do not need).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["SPLITTERS", "token_spans"]

Span = tuple[int, int]

_JOINER = "\u200d"

# Blocks of scripts without spaces, whose characters are parts one by one: Thai and Lao, Myanmar,
# Khmer, Tai, Hiragana, Han, and the other blocks of Myanmar, Tai and Han.
_UNSPACED = (
    *((0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x1950, 0x19E0), (0x1A20, 0x1AB0)),
    *((0x3005, 0x3008), (0x3040, 0x30A0), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xA9E0, 0xAA00)),
    *((0xAA60, 0xAAE0), (0xF900, 0xFB00), (0x20000, 0x40000)),
)
_BOUNDS = [bound for block in _UNSPACED for bound in block]

# A sentence ends at . ! ? before white space, at their full-width forms anywhere, or at the end of
# the line, and includes closing quotes and brackets.
_SENTENCE = re.compile(
    r"""\S.*?(?:[.!?…؟۔]+["'”’»)\]]*(?=\s|$)|[。！？｡]+["'”’」』）]*|(?=[\r\n]|$))""", re.MULTILINE
)


@lru_cache(maxsize=2**14)
def _kind(char: str) -> str:
    """The class of a character: "letter", "digit", "alone", "extend", "flag", "space", "other"."""
    code, category = ord(char), unicodedata.category(char)
    if char.isspace() or category in ("Zs", "Zl", "Zp", "Cc") or char == "\u200b":
        return "space"
    if category in ("Mn", "Mc", "Me", "Cf") or 0x1F3FB <= code <= 0x1F3FF:
        return "extend"  # marks, joiners, variation selectors, tags and skin tones
    if 0x1F1E6 <= code <= 0x1F1FF:
        return "flag"  # two of these letters are one flag
    if category[0] == "L":
        return "alone" if bisect_right(_BOUNDS, code) % 2 else "letter"
    if category[0] == "N" or category == "Pc":
        return "digit" if category == "Nd" else "letter"
    # Symbols such as emoji, private characters, and those newer than this Python's tables.
    return "alone" if category in ("So", "Co", "Cn") else "other"


def _clusters(text: str) -> Iterator[tuple[int, int, str]]:
    """User-perceived characters: start, stop, and the kind of the first character."""
    stop = 0
    while stop < len(text):
        start, kind = stop, _kind(text[stop])
        stop += 1
        if kind == "flag":
            stop += stop < len(text) and _kind(text[stop]) == "flag"
            kind = "alone"
        while stop < len(text) and (
            _kind(text[stop]) == "extend"
            # An emoji of several, such as a family
            or (kind == _kind(text[stop]) == "alone" and text[stop - 1] == _JOINER)
        ):
            stop += 1
        yield start, stop, "other" if kind == "extend" else kind


def words(text: str) -> list[Span]:
    """Runs of letters and digits; single emoji, and single characters of scripts without spaces.

    An apostrophe between letters belongs to the word, a point or comma between digits to the
    number.
    """
    spans: list[Span] = []
    clusters = list(_clusters(text))
    before = ""  # the kind of the cluster that ends the last word, if that may go on here
    for i, (start, stop, kind) in enumerate(clusters):
        after = clusters[i + 1][2] if i + 1 < len(clusters) else ""
        if kind in ("letter", "digit"):
            if before:
                spans[-1] = (spans[-1][0], stop)
            else:
                spans.append((start, stop))
            before = kind
        elif before == after and text[start:stop] in _INSIDE.get(before, ()):
            pass  # the next cluster continues the word, including this one
        else:
            before = ""
            if kind == "alone":
                spans.append((start, stop))
    return spans


_INSIDE = {"letter": ("'", "’"), "digit": (".", ",")}


def characters(text: str) -> list[Span]:
    """User-perceived characters, less white space."""
    return [(start, stop) for start, stop, kind in _clusters(text) if kind != "space"]


def sentences(text: str) -> list[Span]:
    """Up to a full stop, question or exclamation mark, or the end of a line."""
    spans = (match.span() for match in _SENTENCE.finditer(text))
    return [(a, a + len(text[a:b].rstrip())) for a, b in spans]


SPLITTERS = {"words": words, "sentences": sentences, "characters": characters}


# --- other tokenizers -----------------------------------------------------------------------


def token_spans(tokenizer: str | Callable, text: str) -> list[Span]:
    """Spans of the tokens, in order and without overlap.

    Tokens that share characters, as the bytes of one character do, become one.

    Raises
    ------
    ValueError
        If a callable returns spans or tokens that are not in the text.
    """
    if not callable(tokenizer):
        return SPLITTERS[tokenizer](text)
    found = sorted(
        (start, stop) for start, stop in _spans_of(tokenizer(text), text) if start < stop
    )
    spans: list[Span] = []
    for start, stop in found:
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
        else:
            spans.append((start, stop))
    if spans and (spans[0][0] < 0 or spans[-1][1] > len(text)):
        bad = next(span for span in spans if span[0] < 0 or span[1] > len(text))
        raise ValueError(
            f"the tokenizer returned the offsets {bad} for a text of {len(text)} characters. "
            "Offsets count characters, not bytes or tokens."
        )
    return spans


def _spans_of(found: Any, text: str) -> Iterable[Span]:
    """Offsets, from any of the forms that tokenizers return."""
    # Hugging Face: Encoding of tokenizers has offsets; BatchEncoding of transformers has them
    # under a key if they were requested, otherwise in its encodings.
    offsets = getattr(found, "offsets", None)
    if offsets is None and isinstance(found, Mapping):
        if "offset_mapping" in found:
            offsets = found["offset_mapping"]
        elif getattr(found, "encodings", None):
            offsets = found.encodings[0].offsets  # type: ignore[attr-defined]
        else:
            raise ValueError(
                f"the tokenizer returned a {type(found).__name__} without offsets. Use a fast "
                "tokenizer, which knows where its tokens are, or return (start, stop) pairs."
            )
    if offsets is not None:
        return _pairs(offsets)
    is_several = isinstance(found, Iterable) and not isinstance(found, str)
    tokens: list[Any] = list(found) if is_several else [found, None]
    if all(isinstance(token, str) for token in tokens):
        return _locate(tokens, text)
    return _pairs(tokens)


def _pairs(offsets: Any) -> list[Span]:
    try:
        pairs = np.asarray(offsets)
    except ValueError:
        pairs = np.empty(0, dtype=object)
    if pairs.dtype.kind not in "iu" or pairs.shape[-1:] != (2,):
        raise ValueError(
            "the tokenizer must return the tokens of one text as a list of strings, as "
            f"(start, stop) pairs, or with offset_mapping; it returned {str(offsets)[:60]}."
        )
    return [(int(start), int(stop)) for start, stop in pairs.reshape(-1, 2)]


def _locate(tokens: list[str], text: str) -> Iterator[Span]:
    """Spans of tokens in a text, each searched for after the one before it."""
    at = 0
    for token in tokens:
        start = text.find(token, at)
        if start < 0:
            raise ValueError(
                f"the tokenizer returned the token {token!r}, which is not in the text after "
                f"character {at}. Return (start, stop) pairs if tokens are changed, such as to "
                "lower case."
            )
        at = start + len(token)
        yield start, at
