# SPDX-License-Identifier: BSD-3-Clause
"""Signatures in files: arrays without pickle, every field checked when it is read."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from .._validation import listed

__all__ = ["SignedModel", "in_blocks", "is_signature"]

_FORMAT = 1
_FIELDS = ("format", "signature", "classes", "digest", "n_questions")


@dataclass(frozen=True)
class SignedModel:
    """A signature with the digest of the plan that it answers.

    Attributes
    ----------
    signature : ndarray of shape (n_classes, n_components)
    classes : ndarray of shape (n_classes,)
        Labels of the rows.
    digest : str
        Of the plan, 64 hexadecimal digits.
    n_questions : int
        Questions that were asked.
    """

    signature: np.ndarray
    classes: np.ndarray
    digest: str
    n_questions: int

    def save(self, path: str | os.PathLike) -> None:
        """Write an ``.npz``."""
        classes = np.array(self.classes.tolist())
        if classes.dtype.hasobject:
            raise TypeError(f"labels such as {self.classes[0]!r} have no plain form for a file.")
        with open(path, "wb") as file:  # np.savez would append .npz to the name
            np.savez_compressed(
                file,
                format=np.array(_FORMAT),
                signature=self.signature.astype("<f8"),
                classes=classes,
                digest=np.array(self.digest),
                n_questions=np.array(self.n_questions),
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> SignedModel:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not a signature, or one of its fields is damaged.
        FileNotFoundError
            If there is no such file, as where a model was named.
        """
        try:
            with open(path, "rb") as file:
                arrays = _arrays(file)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{path}: No such file. It must be a signature; sign a model first, with skzest "
                "sign MODEL --plan FILE -o FILE."
            ) from error
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a signature that skzest wrote: {error}") from error
        for name, is_right in _checks(arrays).items():
            if not is_right:
                raise ValueError(f"{path}: {name} is not what a signature has; sign again.")
        return cls(
            arrays["signature"],
            arrays["classes"],
            str(arrays["digest"]),
            int(arrays["n_questions"]),
        )


def _arrays(file: BinaryIO) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not an archive of arrays. skzest sign writes signatures.")
    file.seek(0)
    with np.load(file, allow_pickle=False) as found:
        if {"header", "meta"} <= set(found.files):
            raise ValueError("it is a plan. Write a signature with skzest sign MODEL --plan.")
        missing = [name for name in _FIELDS if name not in found.files]
        if missing:
            raise ValueError(f"it has no {listed(missing, 'or')}. skzest sign writes signatures.")
        return {name: found[name] for name in _FIELDS}


def is_signature(path: str | os.PathLike) -> bool:
    """Whether a file has the members of a signature."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _FIELDS} <= set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _checks(arrays: dict[str, np.ndarray]) -> dict[str, bool]:
    signature, classes = arrays["signature"], arrays["classes"]
    absent = np.isnan(signature) if signature.dtype == np.float64 else np.ones(1, bool)
    whole = signature.ndim == 2 and signature.dtype == np.float64 and not np.isinf(signature).any()
    labels = classes.ndim == 1 and classes.dtype.kind in "bifuU"
    digest = arrays["digest"]
    counts = (arrays["n_questions"], arrays["format"])
    is_count = [c.ndim == 0 and c.dtype.kind in "iu" and c >= 1 for c in counts]
    return {
        "format": bool(is_count[1]) and int(arrays["format"]) <= _FORMAT,
        "signature": whole and bool((absent.all(axis=1) | ~absent.any(axis=1)).all()),
        "classes": labels
        and len(classes) == len(signature)
        and len(set(classes.tolist())) == len(classes),
        "digest": digest.ndim == 0 and bool(re.fullmatch("[0-9a-f]{64}", str(digest))),
        "n_questions": bool(is_count[0]),
    }


def in_blocks(models: list[SignedModel], names: list[str], remedy: str) -> tuple[np.ndarray, list]:
    """Signatures over the classes of all, (n_models, n_classes * n_components), and the labels.

    A class that a model lacks is a block of NaN.

    Raises
    ------
    ValueError
        If labels are text in one and numbers in another, so that none can correspond; the
        message has their ``names``, and ends with ``remedy``.
    """
    first: dict[str, str] = {}
    for name, model in zip(names, models, strict=True):
        kind = "text" if model.classes.dtype.kind == "U" else "numbers"
        first.setdefault(kind, f"{kind} in {name} ({model.classes[:3].tolist()})")
    if len(first) > 1:
        raise ValueError(
            f"labels of classes are {listed(first.values())}, so they cannot be matched. {remedy} "
            "A classifier that has labels of its own takes others as MODULE:OBJECT.predict_proba."
        )
    union = np.unique(np.concatenate([m.classes for m in models]))
    rows = np.full((len(models), len(union), models[0].signature.shape[1]), np.nan)
    for row, model in zip(rows, models):
        row[np.searchsorted(union, model.classes)] = model.signature
    return rows.reshape(len(models), -1), union.tolist()
