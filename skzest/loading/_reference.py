# SPDX-License-Identifier: BSD-3-Clause
"""Reference data from files: images, sounds, arrays, tables, texts. Nothing in them is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._points import Points
from .._validation import check_whole, listed
from ..exceptions import warn
from ..maskers import AudioMasker, BaseMasker
from ._folder import SOUNDS, find_files, read_images, read_sounds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reference", "load_reference"]

_LABELS = ("label", "labels", "y", "target")


@dataclass(frozen=True, repr=False)
class Reference:
    """What :func:`load_reference` found.

    Attributes
    ----------
    points : ndarray, DataFrame or list
        The points, as :class:`~skzest.LimeSignatureTransformer` takes them.
    masker : "auto" or masker
        How they are cut into parts: an :class:`~skzest.AudioMasker` with the sample rate for
        sounds, and else "auto".
    labels : ndarray of shape (n,) or None
        Labels of the points, where the files have any.
    names : list of str or None
        Names of the files, below the folder.
    """

    points: Points
    masker: str | BaseMasker = "auto"
    labels: np.ndarray | None = None
    names: list[str] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        kind = type(self.points).__name__
        shape = f" of shape {self.points.shape}" if hasattr(self.points, "shape") else ""
        labels = "" if self.labels is None else f", {len(set(self.labels.tolist()))} labels"
        return f"<Reference: {len(self)} points, {kind}{shape}{labels}>"

    def take(self, rows: np.ndarray) -> Reference:
        """The points of some rows, with their labels and names."""
        if hasattr(self.points, "iloc"):
            points = self.points.iloc[rows].reset_index(drop=True)
        elif isinstance(self.points, list):
            points = [self.points[i] for i in rows]
        else:
            points = self.points[rows]
        labels = None if self.labels is None else self.labels[rows]
        names = None if self.names is None else [self.names[i] for i in rows]
        return replace(self, points=points, labels=labels, names=names)


def load_reference(
    path: str | os.PathLike,
    *,
    size: tuple[int, int] | None = None,
    key: str | None = None,
    label: str | None = None,
    max_points: int | None = None,
    random_state: int = 0,
) -> Reference:
    r"""Read reference data.

    Parameters
    ----------
    path : path
        A folder of images or of ``.wav`` sounds, whose subfolders are labels; ``.npy`` or
        ``.npz``; ``.csv`` or ``.parquet``; or ``.txt`` with one text per line.
    size : (height, width), default=None
        Size that images are brought to. None wants all of one size.
    key : str, default=None
        Array of an ``.npz`` that holds the points. None takes the only one that can.
    label : str, default=None
        Column of a table, or array of an ``.npz``, that holds labels. None takes "label",
        "labels", "y" or "target" if there is one.
    max_points : int, default=None
        Points that are kept, drawn at random. None keeps all.
    random_state : int, default=0
        Seed of that draw.

    Returns
    -------
    reference : Reference

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If the file is of a kind that is not known, damaged or empty, if images differ in size,
        or if sounds differ in sample rate.

    Notes
    -----
    Arrays are read without pickle. The first column of a ``.csv`` is left out, with a warning, if
    it has no name and numbers the rows from 0: it is the index of a data frame. Images become
    uint8 arrays of RGB, or of grey if all are grey; a table with one column of text becomes a list
    of texts.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skzest.loading import load_reference
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "reviews.csv"
    ...     _ = path.write_text("text,label\nwell made,good\nbroke at once,bad\n")
    ...     reference = load_reference(path)
    >>> reference.points, reference.labels.tolist()
    (['well made', 'broke at once'], ['good', 'bad'])
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder.")
    limit = None if max_points is None else check_whole(max_points, "max_points")
    if path.is_dir():
        return _from_folder(path, size, limit, random_state)
    if size is not None:
        raise ValueError(f"size= is for folders of images, and {path} is a file.")
    suffix = next((s for s in reversed(path.suffixes) if s.lower() in _READERS), "").lower()
    if not suffix:
        kinds = listed(sorted(_READERS), "or")
        raise ValueError(f"{path} is not of a kind that is known: a folder, {kinds}.")
    reference = _READERS[suffix](path, key, label)
    if not len(reference):
        raise ValueError(f"{path} holds no points.")
    if limit is None or limit >= len(reference):
        return reference
    return reference.take(_drawn(len(reference), limit, random_state))


def _drawn(n: int, limit: int | None, seed: int) -> np.ndarray:
    """Rows of a random sample, in the order in which they lie."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[:limit])


def _from_folder(
    folder: Path, size: tuple[int, int] | None, limit: int | None, seed: int
) -> Reference:
    files = find_files(folder)
    if limit is not None:
        files = [files[i] for i in _drawn(len(files), limit, seed)]
    below = [file.relative_to(folder) for file in files]
    names = [str(name) for name in below]
    labels = np.array([name.parts[0] for name in below]) if _in_subfolders(below) else None
    if files[0].suffix.lower() in SOUNDS:
        if size is not None:
            raise ValueError(f"size= is for images, and {folder} holds sounds.")
        rate, points = read_sounds(files)
        return Reference(points, AudioMasker(rate), labels, names)
    return Reference(read_images(files, size), "auto", labels, names)


def _in_subfolders(names: list[Path]) -> bool:
    return all(len(name.parts) > 1 for name in names)


# --- files ----------------------------------------------------------------------------------


def _from_arrays(path: Path, key: str | None, label: str | None) -> Reference:
    arrays = _arrays(path)
    if isinstance(arrays, np.ndarray):
        return Reference(arrays)
    label = _label_among(arrays, label, path)
    if key is None:
        able = [name for name, array in arrays.items() if array.ndim > 1 and name != label]
        if len(able) != 1:
            found = listed(arrays) if arrays else "none"
            raise ValueError(
                f"{path} holds the arrays {found}; say which are the points: key= or --key."
            )
        (key,) = able
    if key not in arrays:
        raise ValueError(f"{path} has no array {key!r}; it holds {listed(arrays)}.")
    points = arrays[key]
    labels = None if label is None else arrays[label]
    if labels is not None and labels.shape != points.shape[:1]:
        raise ValueError(
            f"{path}: {label!r} has shape {labels.shape} and {key!r} {points.shape}; there must "
            "be one label per point."
        )
    rate = arrays.get("sample_rate", np.empty(0))
    masker = AudioMasker(float(rate.item())) if rate.size == 1 else "auto"
    return Reference(points, masker, labels)


def _arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy, or the arrays of an .npz by name."""
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            arrays = {name: found[name] for name in found.files}
        return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    except Exception as error:
        pickled = "allow_pickle" in str(error)
        fact = "it holds a pickle, and pickles can run code" if pickled else str(error)
        raise ValueError(
            f"{path} cannot be read as arrays: {fact}. Save numbers with numpy.save or numpy.savez."
        ) from error


def _from_table(path: Path, key: str | None, label: str | None) -> Reference:
    try:
        import pandas as pd
    except ImportError:
        raise ImportError(f"reading {path} needs pandas: pip install pandas.") from None
    read = pd.read_parquet if ".parquet" in path.suffixes else pd.read_csv
    try:
        frame = read(path)
    except ImportError as error:
        raise ImportError(f"reading {path} needs pyarrow: pip install pyarrow.") from error
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    if len(frame) and ".csv" in path.suffixes:
        frame = _without_row_numbers(frame, path)
    label = _label_among(frame.columns, label, path)
    labels = None
    if label is not None:
        labels, frame = frame[label].to_numpy(), frame.drop(columns=label)
    if frame.shape[1] == 1 and not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[0]):
        texts = frame.iloc[:, 0]
        if texts.isna().any():
            row = int(np.argmax(texts.isna()))
            raise ValueError(f"{path}: the text of row {row} is missing; leave the row out.")
        return Reference([str(text) for text in texts], "auto", labels)
    return Reference(frame, "auto", labels)


def _without_row_numbers(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table without the index that ``DataFrame.to_csv`` writes into a first column."""
    name = frame.columns[0]
    if name != "Unnamed: 0" or not np.array_equal(frame[name], np.arange(len(frame))):
        return frame
    warn(
        f"{path}: the first column has no name and numbers the rows, so it is left out. "
        "Give it a name to keep it, or save tables with index=False.",
        UserWarning,
    )
    return frame.drop(columns=name)


def _label_among(names: Iterable[str], label: str | None, path: Path) -> str | None:
    if label is None:
        return next((name for name in names if name in _LABELS), None)
    if label not in names:
        raise ValueError(f"{path} has no {label!r}; it has {listed(names)}.")
    return label


def _from_text(path: Path, key: str | None, label: str | None) -> Reference:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}); convert it.") from error
    return Reference([line for line in lines if line.strip()])


_READERS: dict[str, Callable[[Path, str | None, str | None], Reference]] = {
    ".csv": _from_table,
    ".npy": _from_arrays,
    ".npz": _from_arrays,
    ".parquet": _from_table,
    ".txt": _from_text,
}
