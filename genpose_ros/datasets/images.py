# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Image files as arrays: depth in metres, labels, colour."""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile
from PIL import Image, UnidentifiedImageError

from genpose_ros.datasets.array_files import array_of
from genpose_ros.files import check_file, read_bytes

__all__ = ["is_coloured", "read_color", "read_depth_m", "read_labels"]

#: Formats that are read; of the others that Pillow knows, one starts programs.
_FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "PPM")
_MAX_PIXELS, _MAX_BYTES = 2**26, 2**29
#: How an .npz begins.
_ZIP = b"PK"
#: Pixels that are converted, or looked at, at a time, so that no second image of them is needed.
_BLOCK_PIXELS = 2**20


def read_depth_m(path: Path, unit_m: float | None = None, *, count_m: float = 0.001) -> np.ndarray:
    """Return a depth image (H, W) float32, metres; 0 where there is no measurement.

    Args:
        path: one channel of numbers, as a PNG or TIFF of 16 or more bits and
            64 million pixels at most, .npy, .npz with one
            array or one called depth, or .exr.
        unit_m: metres per count, of integers and floats; None: `count_m` for integers, 1 for
            floats.
        count_m: metres per count of integers where `unit_m` is None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, damaged, not of one channel, of 8 bits, or a unit that is not
            positive.
        ModuleNotFoundError: nothing installed reads .exr.
    """
    if unit_m is not None and not 0 < unit_m < math.inf:
        raise ValueError(f"the depth unit must be above 0 m per count, got {unit_m:g}")
    values = _read(path, "depth")
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise ValueError(
            f"{path}: a depth image has one channel of numbers, "
            f"this is {values.dtype} of shape {values.shape}"
        )
    if values.dtype.itemsize == 1:
        raise ValueError(
            f"{path} has 8 bits per pixel, {_values_of(values)}: is it a mask (--depth and --mask "
            "swapped) or a picture of the depth? A depth image has 16 bits or floats, and is no "
            "JPEG"
        )
    if unit_m is None:
        unit_m = 1.0 if values.dtype.kind == "f" else count_m
    metres = np.empty(values.shape, dtype=np.float32)
    for rows in _blocks(values):
        metres[rows] = values[rows] * unit_m
    return metres


def read_labels(path: Path) -> np.ndarray:
    """Return a label image (H, W) as it is stored: what is background is its reader's to say.

    Of a colour image whose channels are equal, as many tools save masks, one is taken.

    Returns:
        (H, W), unsigned of 8 or 16 bits or int32; booleans become 0 and 1.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, damaged, or not of integers in one channel.
        ModuleNotFoundError: nothing installed reads .exr.
    """
    values = _one_channel(_read(path, "mask"), path)
    if values.dtype.kind == "f" and values.ndim == 2:
        values = _whole_numbers(values)
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise ValueError(
            f"{path}: a label image has one channel of integers, "
            f"this is {values.dtype} of shape {values.shape}"
        )
    if values.dtype == bool:
        return values.astype(np.uint8)
    return values if values.dtype in (np.uint8, np.uint16) else values.astype(np.int32)


def _one_channel(values: np.ndarray, path: Path) -> np.ndarray:
    """The single channel of a mask that was saved as grey (and alpha), RGB or RGBA."""
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        return values
    color = values[..., : values.shape[2] - 1 + values.shape[2] % 2]  # without alpha
    for rows in _blocks(color):
        if (color[rows] != color[rows][..., :1]).any():
            n = len(np.unique(color[rows].reshape(-1, color.shape[2]), axis=0))
            raise ValueError(
                f"{path} is a colour image, of {n} colours or more, instead of one number per "
                "pixel: 0 on the background and the id of its object elsewhere"
            )
    return color[..., 0]


def _whole_numbers(values: np.ndarray) -> np.ndarray:
    """Floats (H, W) as int32 where all of them are whole numbers; else as they are."""
    whole = np.empty(values.shape, dtype=np.int32)
    for rows in _blocks(values):
        if not np.isfinite(values[rows]).all() or (values[rows] % 1).any():
            return values
        whole[rows] = values[rows].astype(np.int64)
    return whole


def _blocks(values: np.ndarray) -> Iterator[slice]:
    """Slices of rows that together are all of an image (H, W, ...)."""
    step = max(1, _BLOCK_PIXELS // max(1, values.shape[1]))
    yield from (slice(begin, begin + step) for begin in range(0, len(values), step))


def _values_of(values: np.ndarray) -> str:
    """Words about the values of an image."""
    found = np.unique(values)
    return f"{len(found)} values from {found[0]} to {found[-1]}"


def read_color(path: Path) -> np.ndarray:
    """Return a colour image (H, W, 3) uint8, RGB.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or damaged.
    """
    with _opened(path) as image:
        return np.asarray(image.convert("RGB"))


def is_coloured(path: Path) -> bool:
    """Return whether an image file has the channels red, green and blue.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or damaged.
    """
    with _opened(path) as image:
        return image.mode in ("RGB", "RGBA")


def _read(path: Path, name: str) -> np.ndarray:
    """The numbers of a file; `name` says which array of an .npz is meant where it has several."""
    if path.suffix in (".npy", ".npz", ".exr"):
        values = _read_exr(path) if path.suffix == ".exr" else _load_numpy(path, name)
        if values.ndim >= 2 and values.shape[0] * values.shape[1] > _MAX_PIXELS:
            raise ValueError(f"{path} is too large: {values.shape[1]} x {values.shape[0]} pixels")
        return values
    with _opened(path) as image:
        # A palette's indices are the labels; Pillow gives them as they are.
        return np.asarray(image)


def _load_numpy(path: Path, name: str) -> np.ndarray:
    try:
        data = read_bytes(path, _MAX_BYTES)
        if not data.startswith(_ZIP):
            return array_of(data)
        with np.load(io.BytesIO(data), allow_pickle=False) as content:
            names = content.files
            chosen = names[0] if len(names) == 1 else name
            if chosen in names:
                _check_unpacked(content, chosen)
                return np.asarray(content[chosen])
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged header can raise anything
        raise ValueError(f"{path} is not an array of numbers, or damaged: {error}") from error
    raise ValueError(f"{path} holds the arrays {', '.join(names)}, expected one or {name!r}")


def _check_unpacked(archive: NpzFile, name: str) -> None:
    """Refuse an array that is far larger unpacked than it lies in its file."""
    size = 0 if archive.zip is None else archive.zip.getinfo(f"{name}.npy").file_size
    if size > _MAX_BYTES:
        raise ValueError(f"{name} has {size} bytes unpacked, expected {_MAX_BYTES} at most")


def _read_exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path}: nothing here reads .exr (pip install openexr), or save it as .npy or TIFF"
        ) from error
    check_file(path, _MAX_BYTES)
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
    except RuntimeError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return np.asarray(next(iter(channels.values())))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; errors name it."""
    with check_file(path, _MAX_BYTES).open("rb") as stream:
        try:
            with warnings.catch_warnings():
                # Its limit is beyond the one below.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(stream, formats=_FORMATS)
            with image:
                if image.width * image.height > _MAX_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
                yield image
        except UnidentifiedImageError as error:
            known = ", ".join(_FORMATS)
            raise ValueError(f"{path} is not an image; those of {known} are read") from error
        except Image.DecompressionBombError as error:
            raise ValueError(f"{path} is too large: {error}") from error
        except Exception as error:  # Pillow's readers raise anything
            raise ValueError(f"{path} is damaged: {error}") from error
