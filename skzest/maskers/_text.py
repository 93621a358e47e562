# SPDX-License-Identifier: BSD-3-Clause
"""Texts: words, sentences or the tokens of any tokenizer are the parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from .._points import Array, Points, is_frame
from .._validation import check_choice
from ..drawing import TextPicture
from ._base import BaseMasker
from ._references import refuse_dataset
from ._tokens import SPLITTERS, token_spans

__all__ = ["TextMasker"]

# Four bytes a letter, and even lone surrogates.
_LETTERS = "utf-32-le", "surrogatepass"


class TextMasker(BaseMasker):
    """Removes words from texts, or replaces them.

    Parameters
    ----------
    tokenizer : {"words", "sentences", "characters"} or callable, default="words"
        What the parts are.

        - ``"words"``: runs of letters and digits, with their combining marks. Each emoji, and each
          character of a script without spaces (Chinese, Thai and others), is a part.
        - ``"sentences"``: up to a full stop, question or exclamation mark, or the end of a line.
        - ``"characters"``: what a reader sees as one character, except white space. An accent or
          a skin tone stays with its character.
        - A callable gets a text and returns its tokens: as strings in the order of the text, as
          ``(start, stop)`` offsets, or in the form of the fast tokenizers of Hugging Face (with
          or without ``return_offsets_mapping``). Tokens that share a character become one part.
    unique : bool, default=False
        Whether all occurrences of a token are one part, as in LIME's bag of words. The case of
        letters matters.
    fill : str, default=""
        What a hidden token becomes. By default it is removed; masked language models have a
        token for this, such as ``"[MASK]"``.

    Notes
    -----
    Parts are one label per character. White space and punctuation between tokens belong to no
    part (label -1) and are always kept, as in LIME: hiding a part changes nothing around it.
    A mask that keeps all parts therefore gives back the exact text, with combining characters,
    both directions of writing and even lone surrogates.

    The copies are a list of strings, the input of scikit-learn's text pipelines. For a network,
    give its query a ``preprocess`` that turns a list of strings into tensors.

    Examples
    --------
    >>> import numpy as np
    >>> from skzest.maskers import TextMasker
    >>> texts = ["Don't panic, it's fine!", "Nothing is fine."]
    >>> masker = TextMasker(fill="_").fit(texts)
    >>> parts = masker.cut(texts[0])
    >>> fill = masker.fill_for(texts[0], parts)
    >>> masks = np.array([[True, True, True, True], [False, True, False, True]])
    >>> masker.render(texts[0], parts, fill, masks)
    ["Don't panic, it's fine!", '_ panic, _ fine!']
    """

    array_points = False
    few_parts_remedy = (
        "Is the text empty, or a single word? Leave it out of reference. If it is long, the "
        "tokenizer does not split it: use tokenizer='characters', or a callable."
    )
    many_parts_remedy = "Use tokenizer='sentences', or leave long texts out of reference."

    def __init__(
        self,
        tokenizer: str | Callable = "words",
        *,
        unique: bool = False,
        fill: str = "",
    ):
        self.tokenizer = tokenizer
        self.unique = unique
        self.fill = fill

    # --- the reference --------------------------------------------------------------------

    def fit(self, reference: Points, y: object = None) -> TextMasker:
        """Check the texts and the parameters; there is nothing to learn.

        Parameters
        ----------
        reference : list, array or Series of str
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a point is not a string, or a parameter is unknown.
        """
        self.check_reference(reference)
        if not callable(self.tokenizer):
            remedy = "Or give a callable (text) -> tokens."
            check_choice(self.tokenizer, "tokenizer", SPLITTERS, remedy)
        if not isinstance(self.fill, str):
            raise TypeError(
                f"fill={self.fill!r} is not a string. Give '' to remove hidden tokens, or the "
                "text that replaces them."
            )
        return self

    def check_reference(self, reference: Points) -> list[str]:
        """The reference as a list of strings; a list of strings is that list itself.

        Raises
        ------
        ValueError, TypeError
            If it is not a sequence of strings.
        """
        if isinstance(reference, (str, bytes)):
            raise TypeError("reference is a single string; give a list of texts.")
        if is_frame(reference):
            raise TypeError(
                "TextMasker got a DataFrame; give the column that holds the texts, such as "
                f"reference[{reference.columns[0]!r}]."
            )
        refuse_dataset(reference)
        if not hasattr(reference, "__getitem__") or isinstance(reference, Mapping):
            raise TypeError(
                f"TextMasker got a {type(reference).__name__}; it needs a list of texts."
            )
        if hasattr(reference, "ndim") and reference.ndim != 1:
            raise ValueError(
                f"TextMasker got an array of shape {reference.shape}; it needs (n_texts,)."
            )
        texts = reference.tolist() if hasattr(reference, "tolist") else reference
        if len(texts) == 0:
            raise ValueError("reference is empty; give at least one text.")
        if type(texts) is list and set(map(type, texts)) == {str}:
            return texts
        for n, text in enumerate(texts):
            if not isinstance(text, str):
                hint = "Decode it" if isinstance(text, bytes) else "Leave it out"
                raise TypeError(
                    f"reference point {n} is {text!r} ({type(text).__name__}), not a string. "
                    f"{hint}, or give its text."
                )
        return [str(text) for text in texts]

    # --- one point ------------------------------------------------------------------------

    def cut(self, point: str) -> np.ndarray:
        """The part of each character: 0..K-1 in the order of the text, -1 for no part."""
        spans = token_spans(self.tokenizer, point)
        labels: dict[Any, int] = {}
        parts = np.full(len(point), -1)
        for start, stop in spans:
            token = point[start:stop] if self.unique else (start, stop)
            parts[start:stop] = labels.setdefault(token, len(labels))
        return parts

    def fill_for(self, point: str, parts: np.ndarray) -> str:
        """What a hidden token becomes, the same for all."""
        return self.fill

    def render(self, point: str, parts: np.ndarray, fill: str, masks: Array) -> list[str]:
        """Masked copies of a text; see :meth:`BaseMasker.render`.

        Returns
        -------
        copies : list of str, of length n_masks
        """
        parts = np.asarray(parts, dtype=np.int64)
        letters, labels, is_fill = _with_fills(point, parts.tobytes(), fill)
        masks = np.asarray(masks, dtype=bool)
        always = np.ones((len(masks), 1), dtype=bool)  # the last column, for the label -1
        keep = np.concatenate([masks, always], axis=1)[:, labels]
        keep ^= is_fill
        # The letters of all copies at once: joining words takes two to three times as long.
        together = np.broadcast_to(letters, keep.shape)[keep].tobytes().decode(*_LETTERS)
        stops = np.count_nonzero(keep, axis=1).cumsum().tolist()
        return [together[start:stop] for start, stop in zip([0, *stops], stops)]

    def part_names(self, point: str, parts: np.ndarray) -> list[str]:
        """The tokens, with how often each occurs if that is more than once."""
        return [_token(point, parts == k) for k in range(int(parts.max()) + 1)]

    def picture(self, points: list[str], n: int, parts: np.ndarray) -> TextPicture:
        """The text with its tokens in colour; see :meth:`BaseMasker.picture`."""
        return TextPicture(points[n], parts)


def _token(text: str, chosen: np.ndarray) -> str:
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    times = f" (×{len(starts)})" if len(starts) > 1 else ""
    return text[starts[0] : stops[0]] + times


@lru_cache(maxsize=16)  # a point comes back with every batch
def _with_fills(
    text: str, parts_bytes: bytes, fill: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Letters of a text with a fill behind every token, the part of each, and which are a fill's.

    Neighbouring letters of one part are one token.
    """
    parts = np.frombuffer(parts_bytes, dtype=np.int64)
    last = np.flatnonzero(np.diff(parts, append=-2))  # of each token
    behind = np.repeat(last[parts[last] >= 0] + 1, len(fill))
    fills = np.tile(_letters(fill), len(behind) // len(fill)) if fill else _letters("")
    letters = np.insert(_letters(text), behind, fills)
    labels = np.insert(parts, behind, parts[behind - 1])
    is_fill = np.insert(np.zeros(len(parts), dtype=bool), behind, True)
    return letters, labels, is_fill


def _letters(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(*_LETTERS), dtype="<u4")
