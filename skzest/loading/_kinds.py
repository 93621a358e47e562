# SPDX-License-Identifier: BSD-3-Clause
"""What a file is, by what it holds; its name only helps to say so."""

from __future__ import annotations

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator

__all__ = ["check_archive", "fields", "kind_of"]

# Leading bytes, where a kind of file has its own.
_MAGIC = {
    b"CBM1": "catboost",
    b"tree\nversion=": "lightgbm",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"\x93NUMPY": "npy",
    b"GGUF": "gguf",
    b"\x1f\x8b": "compressed",
    b"BZh": "compressed",
    b"\xfd7zXZ\x00": "compressed",
    b"\x28\xb5\x2f\xfd": "compressed",
    b"\x04\x22\x4d\x18": "compressed",
    b"\x78\x01": "compressed",
    b"\x78\x5e": "compressed",
    b"\x78\x9c": "compressed",
    b"\x78\xda": "compressed",
}
# Members by which archives are known, the first that is found.
_MEMBERS = {
    r"(^|/)code/.*\.py$|(^|/)constants\.pkl$": "torchscript",
    r"serialized_exported_program\.json$|(^|/)models/.*\.json$": "torch export",
    r"(^|/)data\.pkl$": "torch",
    r"^schema\.json$": "skops",
    r"^model\.weights\.h5$|^config\.json$": "keras",
    r"\.pkl$|\.pickle$|\.joblib$": "archive of pickles",
    r"\.npy$": "npz",
}
_MOST_MEMBERS = 100_000
_ONNX_FIELDS = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}


def kind_of(data: bytes) -> str | None:
    """The kind of file that some bytes are, None if it is not known.

    Raises
    ------
    ValueError
        If it is an archive that cannot be read.
    """
    if data[4:8] == b"TFL3":
        return "tflite"
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            return kind
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_archive(data)
    if _is_safetensors(data):
        return "safetensors"
    if _is_pickle(data):
        return "pickle"
    if data[:1] == b"{" and b"learner" in data[:4096]:
        return "xgboost"
    if _is_onnx(data):
        return "onnx"
    return "archive at its end" if zipfile.is_zipfile(io.BytesIO(data)) else None


def _kind_of_archive(data: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"it is a damaged zip archive ({error}).") from error
    for pattern, kind in _MEMBERS.items():
        if any(re.search(pattern, name) for name in names):
            return kind
    return "zip"


def check_archive(data: bytes, max_bytes: int) -> None:
    """Refuse an archive whose members are not what an honest writer makes.

    Raises
    ------
    ValueError
        If members have the same name or lead outside, or are larger together than `max_bytes`
        when they are unpacked.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) > _MOST_MEMBERS or len(set(names)) < len(names):
        raise ValueError(f"its archive has {len(names)} members, or one name twice.")
    for name in names:
        if name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name):
            raise ValueError(f"its archive has the member {name!r:.80}, which leads outside.")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise ValueError(
            f"its archive unpacks to {total:,} bytes, more than max_bytes={max_bytes:,}."
        )
    # What a member claims is not what it holds: unpacking stops at the size that it claims.
    if total > 200 * len(data) + 2**20:
        raise ValueError(
            f"its archive of {len(data):,} bytes unpacks to {total:,}, as zip bombs do."
        )


def _is_safetensors(data: bytes) -> bool:
    size = int.from_bytes(data[:8], "little")
    if not (2 <= size <= len(data) - 8 and data[8:9] == b"{"):
        return False
    try:
        return isinstance(json.loads(data[8 : 8 + size]), dict)
    except (ValueError, RecursionError):
        return False


def _is_pickle(data: bytes) -> bool:
    """Whether the bytes read as a pickle, of any protocol; nothing of it is run."""
    if data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05":
        return True
    # Protocols 0 and 1 have no mark at the start, but name functions line by line.
    n_opcodes = 0
    try:
        for opcode, _, _ in pickletools.genops(data):
            n_opcodes += 1
            if opcode.name in ("GLOBAL", "INST", "REDUCE") or n_opcodes > 1000:
                return True
    except Exception:  # whatever pickletools makes of what is not a pickle
        return False
    return n_opcodes > 1


def _is_onnx(data: bytes) -> bool:
    """Whether the bytes read as the fields of an ONNX model, its graph among them."""
    try:
        found = {number for number, _ in fields(data)}
    except ValueError:
        # A model that is cut off, or lies about a length, begins with its version.
        return data[:1] == b"\x08" and len(data) > 1 and data[1] < 32
    return 7 in found and found <= _ONNX_FIELDS


def fields(data: bytes) -> Iterator[tuple[int, int]]:
    """Number and wire type of each field of a protobuf message, at its top level."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _, at = _varint(data, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            length, at = _varint(data, at)
            at += length
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or at > len(data):
            raise ValueError(f"field {number} ends at {at} of {len(data)}")
        yield number, wire


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise ValueError("a number that does not end")
