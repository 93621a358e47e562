# SPDX-License-Identifier: BSD-3-Clause
"""Folders of images and of sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.io import wavfile

from .._validation import listed

__all__ = ["IMAGES", "SOUNDS", "find_files", "read_images", "read_sounds"]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
SOUNDS = (".wav",)


def find_files(folder: Path) -> list[Path]:
    """The images or the sounds in a folder and below it, by name."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name[0] != ".")
    images = [file for file in files if file.suffix.lower() in IMAGES]
    sounds = [file for file in files if file.suffix.lower() in SOUNDS]
    if images and sounds:
        raise ValueError(
            f"{folder} holds {len(images)} images and {len(sounds)} sounds; keep them in folders "
            "of their own."
        )
    if not images and not sounds:
        kinds = listed(IMAGES + SOUNDS, "or")
        raise ValueError(f"{folder} holds {len(files)} files, but none ends in {kinds}.")
    return images or sounds


def read_images(files: list[Path], size: tuple[int, int] | None) -> np.ndarray:
    """Images as uint8 of shape (n, height, width, 3), or (n, height, width) if all are grey."""
    images = [_read_image(file, size) for file in files]
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        first = images[0].size
        other = next(i for i, image in enumerate(images) if image.size != first)
        raise ValueError(
            f"images differ in size: {files[0].name} has {_shape(images[0])} and "
            f"{files[other].name} {_shape(images[other])} pixels. Bring them to one size with "
            f"size=({first[1]}, {first[0]}) or --size {first[1]}x{first[0]}, the size that the "
            "models take."
        )
    mode = "L" if all(image.mode == "L" for image in images) else "RGB"
    return np.stack([np.asarray(image.convert(mode)) for image in images])


def _shape(image: Image.Image) -> str:
    return f"{image.height} x {image.width}"


def _read_image(file: Path, size: tuple[int, int] | None) -> Image.Image:
    try:
        with Image.open(file) as opened:
            if opened.mode[0] in "IF":
                raise ValueError(f"its pixels are {opened.mode}, not of 8 bits; use .npy for these")
            image = ImageOps.exif_transpose(opened)
            image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{file} cannot be read as an image: {error}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{file} is too large: {error}") from error
    if size is None:
        return image
    height, width = size
    return image.resize((width, height), Image.Resampling.BICUBIC)


def read_sounds(files: list[Path]) -> tuple[int, np.ndarray | list[np.ndarray]]:
    """The sample rate, and waves: an array if all are of one length, else a list."""
    rates, waves = zip(*(_read_sound(file) for file in files), strict=True)
    if len(set(rates)) > 1:
        other = next(i for i, rate in enumerate(rates) if rate != rates[0])
        raise ValueError(
            f"sounds differ in sample rate: {files[0].name} has {rates[0]} Hz and "
            f"{files[other].name} {rates[other]} Hz. Resample them to the rate of the models."
        )
    one_shape = len({wave.shape for wave in waves}) == 1
    return rates[0], np.stack(waves) if one_shape else list(waves)


def _read_sound(file: Path) -> tuple[int, np.ndarray]:
    """Sample rate and wave, (n_samples,) or (n_channels, n_samples)."""
    try:
        rate, wave = wavfile.read(file)
    except Exception as error:
        raise ValueError(f"{file} cannot be read as a sound: {error}") from error
    return int(rate), wave if wave.ndim == 1 else np.ascontiguousarray(wave.T)
